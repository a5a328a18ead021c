"""Tasks in the tests of a site: they run when the test says so, and time passes when it says so.

    from corral.testing import tasks

    def test_a_new_user_is_welcomed(client):
        with tasks() as queue:
            client.post("/register", {"name": "ann"})
            queue.assert_enqueued(send_welcome, "ann")
            queue.run()
        assert len(mail.outbox) == 1

Works inside `TestCase` as well as with real transactions, and needs no table. The jobs run through
the same code as in production: policies, retries, signals and errors are the real ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

from django.conf import settings
from django.tasks import Task, TaskResult, TaskResultStatus
from django.test.utils import override_settings
from django.utils import timezone
from django.utils.json import normalize_json
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from corral.tasks.memory import Book

_BACKEND = "corral.tasks.memory.MemoryBackend"
ATTEMPTS_MAX = 10_000


@contextmanager
def tasks(*, inline: bool = False) -> Iterator[TaskQueue]:
    """The site's Corral backends keep their jobs in memory and run nothing by themselves.

    `inline`: each job runs within its `enqueue()`, which returns the finished result; a retry that
    is due later waits for `run()`. Raises RuntimeError inside another `tasks()`, and where no
    backend in TASKS is Corral's.
    """
    from corral.tasks import memory

    replaced = _replaced_backends()
    queue = TaskQueue(memory.open_book(inline))
    try:
        with override_settings(TASKS=replaced):
            yield queue
    finally:
        queue.thaw()
        memory.close_book()


def _replaced_backends() -> dict[str, Any]:
    from corral.tasks import DatabaseBackend

    given = settings.TASKS
    ours = [a for a, p in given.items() if issubclass(import_string(p["BACKEND"]), DatabaseBackend)]
    if not ours:
        raise RuntimeError(
            "no backend in TASKS is corral.tasks.DatabaseBackend: there is nothing for "
            "corral.testing.tasks() to replace"
        )
    return given | {alias: given[alias] | {"BACKEND": _BACKEND} for alias in ours}


class TaskQueue:
    """What was enqueued since `tasks()` began."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._now: datetime | None = None
        self._patch = mock.patch.object(timezone, "now", self._frozen_now)

    # --- what is there

    @property
    def results(self) -> list[TaskResult]:
        """Every job as it stands, oldest first; without those that were rolled back."""
        from corral.tasks import lookup

        return [lookup.task_result(job) for job in self._book.jobs()]

    @property
    def waiting(self) -> list[TaskResult]:
        """Those that are READY: not begun, deferred, or to be tried again."""
        return [result for result in self.results if result.status == TaskResultStatus.READY]

    def assert_enqueued(self, task: Task, *args: Any, **kwargs: Any) -> TaskResult:
        """The newest job of `task` with just these arguments.

        Raises AssertionError, saying what was enqueued.
        """
        wanted = normalize_json(list(args)), normalize_json(kwargs)
        results = self.results
        for result in reversed(results):
            if result.task.func is task.func and (result.args, result.kwargs) == wanted:
                return result
        call = _shown(task.module_path, *wanted)
        raise AssertionError(f"{call} was not enqueued; {_all_shown(results)}")

    def assert_not_enqueued(self, task: Task) -> None:
        """No job of `task`, whatever its arguments. Raises AssertionError."""
        found = [result for result in self.results if result.task.func is task.func]
        if found:
            raise AssertionError(f"{task.module_path} was enqueued; {_all_shown(found)}")

    # --- running

    def run(
        self, queues: Iterable[str] | None = None, *, limit: int = ATTEMPTS_MAX
    ) -> list[TaskResult]:
        """Run what is due, and what becomes due by that, in the order of a worker.

        Returns the jobs that ran, an element for each attempt, as they stand at the end. Only of
        `queues` where those are given. Raises RuntimeError after `limit` attempts.
        """
        from corral.tasks import lookup

        wanted = None if queues is None else set(queues)
        return [lookup.task_result(job) for job in self._book.run_due(wanted, limit)]

    # --- time

    def freeze(self, moment: datetime | None = None) -> None:
        """From now on `django.utils.timezone.now()` is `moment`; without one, the present."""
        moment = moment or timezone.now()
        if timezone.is_naive(moment):
            raise ValueError(f"freeze({moment!r}) needs a moment with a time zone")
        if self._now is None:
            self._patch.start()
        self._now = moment

    def advance(self, span: timedelta | float) -> None:
        """Let time pass, seconds or a timedelta; it stands still before and after."""
        seconds = span.total_seconds() if isinstance(span, timedelta) else span
        if seconds < 0:
            raise ValueError(f"advance({span!r}): time does not go back; use freeze()")
        self.freeze(timezone.now() + timedelta(seconds=seconds))

    def thaw(self) -> None:
        """Time is the real one again."""
        if self._now is not None:
            self._now = None
            self._patch.stop()

    def _frozen_now(self) -> datetime:
        assert self._now is not None
        return self._now


def _shown(path: str, args: list[Any], kwargs: dict[str, Any]) -> str:
    words = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
    return f"{path}({', '.join(words)})"


def _all_shown(results: list[TaskResult]) -> str:
    if not results:
        return "nothing was enqueued"
    calls = (_shown(r.task.module_path, r.args, r.kwargs) for r in results)
    return "enqueued: " + "; ".join(calls)
