"""Runs jobs in a task worker: payload in, outcome out.

Whatever a task does, raising SystemExit, leaving a transaction open, returning what JSON cannot
hold, is the outcome of that job and nothing more: the thread goes on with the next one.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Protocol

from django.tasks import Task, TaskContext, TaskResult, TaskResultStatus, task_backends
from django.tasks import base as django_tasks_base
from django.tasks.base import TaskError
from django.tasks.exceptions import InvalidTask
from django.utils import timezone
from django.utils.json import normalize_json

from corral.exceptions import TaskCancelled, TaskTimeout

from . import announce, guest, lookup, records, retries
from .backend import DatabaseBackend
from .hygiene import Hygiene
from .policy import Policy

logger = logging.getLogger("corral.tasks")

# What run() says of an attempt; RETRY: the job is READY again, after the outcome's `retry_in`.
FAILED, SUCCESSFUL, RETRY = range(3)
Outcome = tuple[int, bytes]

# Frames of Corral and of Task.call above the task's own: they would head every traceback.
_OUR_FILES = frozenset({__file__, django_tasks_base.__file__})


class Watch(Protocol):
    """Who looks at how long the attempt takes; the engine's, gateway/task_post.h."""

    def limit(self, milliseconds: int, status: int, outcome: bytes) -> None:
        """From now on so much time is left. When it is over, the engine ends the attempt.

        It does so with `status` and `outcome`, JSON up to the text of the traceback.
        """

    def hold(self) -> bool:
        """Whether the attempt may still say what came of it; if so it is not ended any more."""

    def is_cancelled(self) -> bool:
        """After hold(): whether the attempt was ended because somebody cancelled it."""


class Unwatched:
    """Outside the engine nobody looks."""

    def limit(self, milliseconds: int, status: int, outcome: bytes) -> None:
        """Nothing."""

    def hold(self) -> bool:
        """Always."""
        return True

    def is_cancelled(self) -> bool:
        """Never."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(TaskContext):
    """What a task that takes its context sees: which attempt this is, of how many.

    Attempts that died with their process are not counted.
    """

    crashes: int
    max_attempts: int

    @property
    def attempt(self) -> int:
        """From 1."""
        return max(self.task_result.attempts - self.crashes, 1)


_HYGIENE = Hygiene()
_UNWATCHED = Unwatched()


class Runner:
    """The tasks of one interpreter. `run` may be called by any number of threads."""

    def __init__(
        self,
        random: Random | None = None,
        hygiene: Hygiene = _HYGIENE,
    ) -> None:
        # Only grow; bounded by what the site defines and uses.
        self._tasks: dict[tuple[str, str, str, int], Task] = {}
        self._policies: dict[tuple[str, str], Policy] = {}
        self._random = random or Random()
        self._hygiene = hygiene

    def run(self, payload: bytes, watch: Watch = _UNWATCHED) -> Outcome:
        """One attempt: (status, JSON for `Store.finish`). Never raises.

        Except an interrupt of the watch after it ended the attempt.
        """
        began = time.monotonic_ns()
        try:
            self._hygiene.before()
            record = records.parse(payload)
            # Made in the thread's own context, so that jobs find it there instead of making one
            # each.
            backend = _backend(record["backend"])
            # A copy each: languages, time zones and context variables a task sets end with it.
            attempt = functools.partial(self._attempt, record, backend, began, watch)
            return contextvars.copy_context().run(attempt)
        except BaseException as error:
            watch.hold()
            self._hygiene.after()
            return _could_not_begin(payload, error, began)

    def _attempt(
        self, record: dict[str, Any], backend: DatabaseBackend, began: int, watch: Watch
    ) -> Outcome:
        sender = type(backend)
        worker_ids = _named(record["worker_ids"])
        result = self._result(record, worker_ids)
        policy = self._policy(result.task, record, backend)
        context = Context(
            task_result=result,
            crashes=record["crashes"],
            max_attempts=policy.max_attempts,  # type: ignore[arg-type]
        )
        outcome = {"began": began, "worker_ids": records.dumps(worker_ids)}
        kept_for = backend.parsed_options.kept_for
        if policy.timeout is not None:
            self._set_limit(watch, policy, context, outcome, kept_for(policy, successful=False))
        announce.started(sender, result)
        try:
            value = normalize_json(_call(result, context))
            text = records.dumps(value)
            if not watch.hold():
                raise _ended(policy, watch)
        except BaseException as error:
            # A task may turn the interrupt into something else; what is written is why it came.
            failure = error if watch.hold() else _ended(policy, watch)
            outcome["ended"] = time.monotonic_ns()
            self._hygiene.after()
            outcome["retention"] = kept_for(policy, successful=False)
            status = self._note_failure(policy, context, failure, record["errors"], outcome)
            if status == FAILED:
                announce.failed(sender, result)
                self._hygiene.after()  # the receivers' connections
        else:
            outcome["ended"] = time.monotonic_ns()
            self._hygiene.after()
            _succeed(result, value)
            if announce.succeeded(sender, result):
                self._hygiene.after()
            outcome["return_value"] = text
            outcome["retention"] = kept_for(policy, successful=True)
            status = SUCCESSFUL
        return status, records.dumps(outcome).encode("ascii")

    def _note_failure(
        self,
        policy: Policy,
        context: Context,
        error: BaseException,
        earlier: list[dict[str, str]],
        outcome: dict[str, Any],
    ) -> int:
        """Complete the outcome of an attempt that ended with `error`; returns its status."""
        entry = records.exception_entry(error, hidden_files=_OUR_FILES)
        outcome["errors"] = records.dumps(records.with_error(earlier, entry))
        status = self._plan(policy, context, error, outcome)
        if status == RETRY:
            _log_retry(context, outcome["retry_in"], entry)
        else:
            _fail(context.task_result, entry)
        return status

    def _plan(
        self, policy: Policy, context: Context, error: BaseException, outcome: dict[str, Any]
    ) -> int:
        """What becomes of the job whose attempt ended with `error`, and when."""
        job = context.task_result.id
        pause = retries.pause(policy, context.attempt, error, self._random, job=job)
        if pause is None:
            return FAILED
        outcome["retry_in"] = int(pause * 1_000_000)
        return RETRY

    def _set_limit(
        self,
        watch: Watch,
        policy: Policy,
        context: Context,
        outcome: dict[str, Any],
        retention: float | None,
    ) -> None:
        """Prepare what the engine writes in this thread's place when the time is over."""
        error = _timeout(policy)
        planned = {**outcome, "retention": retention}
        status = self._plan(policy, context, error, planned)
        entry = records.plain_error(records.TASK_TIMEOUT, str(error))
        head = records.dumps({**planned, "error": {**entry, "traceback": ""}})
        limit_ms = max(int(policy.timeout * 1000), 1)  # type: ignore[operator]
        watch.limit(limit_ms, status, head.removesuffix('""}}').encode("ascii"))

    def _policy(self, task: Task, record: dict[str, Any], backend: DatabaseBackend) -> Policy:
        if record["options"]:
            return backend.policy_of(task)
        key = (record["task"], record["backend"])
        if (known := self._policies.get(key)) is None:
            known = self._policies[key] = backend.policy_of(task)
        return known

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
        is_plain = run_after is None and not record["options"]
        if is_plain and (known := self._tasks.get(key)) is not None:
            return known
        task = lookup.with_options(
            lookup.find_task(record["task"]),
            backend=record["backend"],
            priority=record["priority"],
            queue_name=record["queue"],
            run_after=run_after,
            options=record["options"],
        )
        if is_plain:
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


def _call(result: TaskResult, context: Context) -> Any:
    task = result.task
    if task.takes_context:
        return task.call(context, *result.args, **result.kwargs)
    return task.call(*result.args, **result.kwargs)


def _ended(policy: Policy, watch: Watch) -> TaskTimeout | TaskCancelled:
    """Why the watch ended the attempt."""
    if watch.is_cancelled():
        return TaskCancelled("it was cancelled while it ran")
    return _timeout(policy)


def _timeout(policy: Policy) -> TaskTimeout:
    return TaskTimeout(f"it ran for longer than its timeout, {policy.timeout:g} s")


def _log_retry(context: Context, retry_in: int, entry: dict[str, str]) -> None:
    # A log handler of the site that raises must not lose the job.
    with contextlib.suppress(BaseException):
        logger.warning(
            "CORRAL-564 attempt %d of %d of task %s, job %s, failed; the next is due in %.1f s: "
            "%s: %s",
            context.attempt,
            context.max_attempts,
            context.task_result.task.module_path,
            context.task_result.id,
            retry_in / 1_000_000,
            entry["exception_class_path"],
            entry["message"],
        )


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


def _could_not_begin(payload: bytes, error: BaseException, began: int) -> Outcome:
    """The outcome of a job whose task cannot be had: not importable, or not a task."""
    entry = records.exception_entry(error, hidden_files=_OUR_FILES)
    _log_quietly(payload, entry)
    # The store adds `error` to those the row has: here even the payload may be unreadable.
    outcome = {"began": began, "ended": time.monotonic_ns(), "error": entry}
    return FAILED, records.dumps(outcome).encode("ascii")


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
