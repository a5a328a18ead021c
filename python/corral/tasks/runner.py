"""Runs jobs in a task worker: payload in, outcome out.

Whatever a task does, raising SystemExit, leaving a transaction open, returning what JSON cannot
hold, is the outcome of that job and nothing more: the thread goes on with the next one.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import sys
import time
from datetime import datetime
from typing import Any

from django.db import close_old_connections
from django.dispatch import Signal
from django.tasks import Task, TaskContext, TaskResult, TaskResultStatus, task_backends
from django.tasks import base as django_tasks_base
from django.tasks.base import TaskError
from django.tasks.exceptions import InvalidTask
from django.tasks.signals import task_finished, task_started
from django.utils import timezone
from django.utils.json import normalize_json

from . import guest, lookup, records
from .backend import DatabaseBackend
from .hygiene import drop_open_transactions

logger = logging.getLogger("corral.tasks")

Outcome = tuple[bool, bytes]

# Frames of Corral and of Task.call above the task's own: they would head every traceback.
_OUR_FILES = frozenset({__file__, django_tasks_base.__file__})


class Runner:
    """The tasks of one interpreter. `run` may be called by any number of threads."""

    def __init__(self) -> None:
        # Only grows; bounded by what the site defines and uses.
        self._tasks: dict[tuple[str, str, str, int], Task] = {}

    def run(self, payload: bytes) -> Outcome:
        """One attempt: (successful, JSON for `Store.finish`). Never raises."""
        began = time.monotonic_ns()
        try:
            close_old_connections()
            record = records.loads(payload)
            # Made in the thread's own context, so that jobs find it there instead of making one
            # each.
            backend = _backend(record["backend"])
            # A copy each: languages, time zones and context variables a task sets end with it.
            return contextvars.copy_context().run(self._attempt, record, backend, began)
        except BaseException as error:
            return _could_not_begin(payload, error, began)
        finally:
            _clean_up()

    def _attempt(self, record: dict[str, Any], backend: DatabaseBackend, began: int) -> Outcome:
        sender = type(backend)
        worker_ids = _named(record["worker_ids"])
        result = self._result(record, worker_ids)
        _send(task_started, sender, result)
        try:
            value = normalize_json(_call(result))
            text = records.dumps(value)
        except BaseException as error:
            ended = time.monotonic_ns()
            drop_open_transactions()
            entry = records.exception_entry(error, hidden_files=_OUR_FILES)
            _fail(result, entry)
            # Inside the handler, where Django's own receiver finds the traceback to log.
            _send(task_finished, sender, result)
            outcome = {"errors": records.dumps([*record["errors"], entry])}
        else:
            ended = time.monotonic_ns()
            drop_open_transactions()
            _succeed(result, value)
            _send(task_finished, sender, result)
            outcome = {"return_value": text}
        outcome |= {"began": began, "ended": ended, "worker_ids": records.dumps(worker_ids)}
        return "return_value" in outcome, records.dumps(outcome).encode("ascii")

    def _result(self, record: dict[str, Any], worker_ids: list[str]) -> TaskResult:
        now = timezone.now()
        first = len(worker_ids) == 1
        return TaskResult(
            task=self._task(record),
            id=record["id"],
            status=TaskResultStatus.RUNNING,
            enqueued_at=_moment(record["enqueued_at"]),
            started_at=now if first else _moment(record["started_at"]),
            last_attempted_at=now,
            finished_at=None,
            args=record["args"],
            kwargs=record["kwargs"],
            backend=record["backend"],
            errors=lookup.task_errors(record["errors"]),
            worker_ids=list(worker_ids),
        )

    def _task(self, record: dict[str, Any]) -> Task:
        run_after = _moment(record["run_after"])
        key = (record["task"], record["backend"], record["queue"], record["priority"])
        if run_after is None and (known := self._tasks.get(key)) is not None:
            return known
        task = lookup.with_options(
            lookup.find_task(record["task"]),
            backend=record["backend"],
            priority=record["priority"],
            queue_name=record["queue"],
            run_after=run_after,
        )
        if run_after is None:
            self._tasks[key] = task
        return task


def _backend(alias: str) -> DatabaseBackend:
    backend = task_backends[alias]
    if not isinstance(backend, DatabaseBackend):
        raise InvalidTask(f"TASKS[{alias!r}] is no longer corral.tasks.DatabaseBackend")
    return backend


def _named(worker_ids: list[str]) -> list[str]:
    """The attempts' workers with this one's name added to the last, which says `host:pid`."""
    if name := guest.worker_name():
        return [*worker_ids[:-1], f"{worker_ids[-1]}/{name}"]
    return worker_ids


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _call(result: TaskResult) -> Any:
    task = result.task
    if task.takes_context:
        return task.call(TaskContext(task_result=result), *result.args, **result.kwargs)
    return task.call(*result.args, **result.kwargs)


def _fail(result: TaskResult, entry: dict[str, str]) -> None:
    result.errors.append(
        TaskError(exception_class_path=entry["exception_class_path"], traceback=entry["traceback"])
    )
    object.__setattr__(result, "finished_at", timezone.now())
    object.__setattr__(result, "status", TaskResultStatus.FAILED)


def _succeed(result: TaskResult, value: Any) -> None:
    object.__setattr__(result, "_return_value", value)
    object.__setattr__(result, "finished_at", timezone.now())
    object.__setattr__(result, "status", TaskResultStatus.SUCCESSFUL)


def _send(signal: Signal, sender: type[DatabaseBackend], result: TaskResult) -> None:
    """Tell the receivers; one that raises is logged and loses neither job nor thread."""
    try:
        signal.send_robust(sender, task_result=result)
    except BaseException as error:
        with contextlib.suppress(BaseException):
            logger.error(
                "CORRAL-560 a receiver of a task signal raised %r; job %s goes on without it",
                error,
                result.id,
                exc_info=error,
            )


def _could_not_begin(payload: bytes, error: BaseException, began: int) -> Outcome:
    """The outcome of a job whose task cannot be had: not importable, or not a task."""
    entry = records.exception_entry(error, hidden_files=_OUR_FILES)
    _log_quietly(payload, entry)
    # The store adds `error` to those the row has: here even the payload may be unreadable.
    outcome = {"began": began, "ended": time.monotonic_ns(), "error": entry}
    return False, records.dumps(outcome).encode("ascii")


def _log_quietly(payload: bytes, entry: dict[str, str]) -> None:
    # The arguments stay out of the log; a log handler of the site that raises must not lose the
    # job.
    try:
        record = records.loads(payload)
        logger.error(
            "CORRAL-561 job %s could not begin and is FAILED: %s: %s",
            record["id"],
            entry["exception_class_path"],
            entry["message"],
        )
    except BaseException as error:
        sys.stderr.write(f"CORRAL-561 a job could not begin and is FAILED: {type(error)}\n")


def _clean_up() -> None:
    """Leave nothing of a job in the thread's connections; must not raise, to lose no outcome."""
    try:
        drop_open_transactions()
        close_old_connections()
    except BaseException as error:
        with contextlib.suppress(BaseException):
            logger.error(
                "CORRAL-562 a connection could not be cleaned after a job: %r; the next job "
                "tries again",
                error,
            )
