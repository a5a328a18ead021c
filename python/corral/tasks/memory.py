"""Jobs in memory, for the tests of a site: nothing runs by itself.

`corral.testing` puts `MemoryBackend` in the place of the site's Corral backends and gives the jobs
to a `Book`. A job belongs to its caller's transaction as a row would, and is gone with it.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, transaction
from django.tasks import TaskResult, TaskResultStatus, task_backends
from django.tasks.exceptions import TaskResultDoesNotExist
from django.utils import timezone

from . import cancellation, lookup, records
from .backend import DatabaseBackend
from .cancellation import Cancellation
from .hygiene import Hygiene
from .insertion import new_job
from .models import Job
from .results import Result
from .runner import RETRY, SUCCESSFUL, Runner

WORKER = "testing"
JOBS_MAX = 10_000
_RESUMED: Any = object()


class _NoHygiene(Hygiene):
    """The jobs run on the test's own connections, maybe in its transaction."""

    def before(self) -> None: ...

    def after(self) -> None: ...


@dataclass(eq=False)
class Entry:
    """A job, and whether its transaction still stands."""

    job: Job
    stands: Callable[[], bool]


@dataclass
class Book:
    """The jobs of a test, in the order in which they were enqueued. Any thread."""

    inline: bool = False  # run a job as soon as it is enqueued
    paused: dict[str, datetime | None] = field(default_factory=dict)
    _entries: list[Entry] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _runner: Runner = field(default_factory=lambda: Runner(hygiene=_NoHygiene()))

    def add(self, job: Job, database: str) -> None:
        with self._lock:
            self._entries.append(Entry(job, _standing(database)))

    def jobs(self) -> list[Job]:
        """All whose transactions were not rolled back, oldest first."""
        with self._lock:
            self._entries = [entry for entry in self._entries if entry.stands()]
            return [entry.job for entry in self._entries]

    def find(self, key: uuid.UUID) -> Job | None:
        return next((job for job in self.jobs() if uuid.UUID(str(job.id)) == key), None)

    def is_paused(self, queue: str) -> bool:
        """Whether `corral.tasks.pause` holds its jobs back now."""
        until = self.paused.get(queue, _RESUMED)
        return until is None or (until is not _RESUMED and until > timezone.now())

    def holder(self, key: str) -> Job | None:
        """The job that holds a `unique_key`."""
        now = timezone.now()
        for job in self.jobs():
            is_live = job.status in (TaskResultStatus.READY, TaskResultStatus.RUNNING)
            is_kept = job.unique_until is not None and job.unique_until > now
            if job.unique_key == key and (is_live or is_kept):
                return job
        return None

    def due(self, queues: set[str] | None = None) -> Iterator[Job]:
        """The READY jobs whose time has come, one after another in the order of a keeper."""
        while True:
            now = timezone.now()
            ready = [
                job
                for job in self.jobs()
                if job.status == TaskResultStatus.READY
                and job.due_at <= now
                and not self.is_paused(job.queue_name)
                and (queues is None or job.queue_name in queues)
            ]
            if not ready:
                return
            yield min(ready, key=lambda job: (-job.priority, job.due_at, str(job.id)))

    def run_due(self, queues: set[str] | None = None, limit: int = JOBS_MAX) -> list[Job]:
        """Run what is due, and what becomes due by that; returns the jobs, one an attempt.

        Raises RuntimeError after `limit` attempts.
        """
        ran: list[Job] = []
        for job in self.due(queues):
            if len(ran) == limit:
                raise RuntimeError(
                    f"{limit} attempts were made and {job.task_path} is due again: does a task "
                    "enqueue itself? Give a larger limit if that is right"
                )
            self.attempt(job)
            ran.append(job)
        return ran

    def attempt(self, job: Job) -> None:
        """One attempt of a READY job, here and now."""
        now = timezone.now()
        job.status = TaskResultStatus.RUNNING
        job.started_at = job.started_at or now
        job.last_attempted_at = now
        job.worker_ids = [*job.worker_ids, WORKER]
        status, outcome = self._runner.run(payload(job))
        _finish(job, status, records.loads(outcome))
        if job.cancel_requested_at is not None and job.status == TaskResultStatus.READY:
            cancellation.end(job, task_backends[job.backend_name])


def _standing(database: str) -> Callable[[], bool]:
    """Tells, later, whether what is written now was rolled back."""
    connection = connections[database]
    if not connection.in_atomic_block:
        return lambda: True
    committed = threading.Event()
    transaction.on_commit(committed.set, using=database)
    # Django drops the callback when it rolls back to a savepoint before it.
    return lambda: (
        committed.is_set()
        or any(callback == committed.set for _, callback, _ in connection.run_on_commit)
    )


def payload(job: Job) -> bytes:
    """What a store would give to the runner."""
    return records.dumps({
        "id": str(job.id),
        "task": job.task_path,
        "backend": job.backend_name,
        "queue": job.queue_name,
        "priority": job.priority,
        "crashes": job.crashes,
        "run_after": _text(job.run_after),
        "enqueued_at": _text(job.enqueued_at),
        "started_at": _text(job.started_at),
        "args": job.args,
        "kwargs": job.kwargs,
        "errors": job.errors,
        "worker_ids": job.worker_ids,
        "options": job.options,
    }).encode("ascii")  # fmt: skip


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _finish(job: Job, status: int, record: dict[str, Any]) -> None:
    now = timezone.now()
    if (error := record.get("error")) is not None:
        job.errors = [*job.errors, error]
    elif (errors := record.get("errors")) is not None:
        job.errors = records.loads(errors)
    if status == RETRY:
        job.status = TaskResultStatus.READY
        job.run_after = job.due_at = now + timedelta(microseconds=record["retry_in"])
        return
    job.finished_at = now
    if status == SUCCESSFUL:
        job.status = TaskResultStatus.SUCCESSFUL
        job.return_value = records.loads(record["return_value"])
    else:
        job.status = TaskResultStatus.FAILED


_book: Book | None = None


def open_book(inline: bool) -> Book:
    """The book of all MemoryBackends from now on; one at a time."""
    global _book
    if _book is not None:
        raise RuntimeError("corral.testing.tasks() is in use already: leave the first one")
    _book = Book(inline=inline)
    return _book


def close_book() -> None:
    global _book
    _book = None


def book() -> Book:
    """The open one. Raises RuntimeError outside of `corral.testing.tasks()`."""
    if _book is None:
        raise RuntimeError("corral.tasks.memory.MemoryBackend works within corral.testing.tasks()")
    return _book


class MemoryBackend(DatabaseBackend):
    """A Corral backend without a table: checks and options are the same."""

    def get_result(self, result_id: str) -> Result:
        """The job `result_id` as it stands; raises TaskResultDoesNotExist."""
        try:
            job = book().find(uuid.UUID(result_id))
        except ValueError, TypeError, AttributeError:
            job = None
        if job is None or job.backend_name != self.alias:
            raise TaskResultDoesNotExist(result_id)
        return lookup.task_result(job)

    def status(self, job_id: str) -> str:
        """The status of the job; raises TaskResultDoesNotExist."""
        return self.get_result(job_id).status

    def require_waitable(self, job_id: str) -> None:
        """Raises RuntimeError for a job that has not run: nothing here runs by itself."""
        if not self.get_result(job_id).is_finished:
            raise RuntimeError(
                f"job {job_id} has not run: within corral.testing.tasks() jobs run when the test "
                "says so, with run()"
            )

    def cancel_job(self, job_id: str) -> Cancellation:
        """See `corral.tasks.cancel`; a job that runs, here, is cancelled by itself and goes on."""
        try:
            job = book().find(uuid.UUID(job_id))
        except ValueError, TypeError, AttributeError:
            job = None
        if job is None or job.backend_name != self.alias:
            raise TaskResultDoesNotExist(job_id)
        if job.status in (TaskResultStatus.SUCCESSFUL, TaskResultStatus.FAILED):
            return Cancellation.FINISHED
        job.cancel_requested_at = timezone.now()
        if job.status == TaskResultStatus.RUNNING:
            return Cancellation.ASKED
        cancellation.end(job, self)
        return Cancellation.CANCELLED

    def pause_queue(self, queue: str, resume_at: datetime | None) -> bool:
        """See `corral.tasks.pause`; forgotten when the book is closed."""
        was_open = not book().is_paused(queue)
        book().paused[queue] = resume_at
        return was_open

    def resume_queue(self, queue: str) -> bool:
        """See `corral.tasks.resume`."""
        was_paused = book().is_paused(queue)
        book().paused.pop(queue, None)
        return was_paused

    def insert(self, results: Sequence[TaskResult]) -> Sequence[TaskResult]:
        """Take down the jobs; inline, run them, and what is due then."""
        now = timezone.now()
        standing: list[TaskResult] = []
        for result in results:
            job = new_job(result, self.policy_of(result.task), now, now)
            if job.unique_key and (held := book().holder(job.unique_key)):
                standing.append(lookup.task_result(held))
                continue
            object.__setattr__(result, "enqueued_at", now)
            book().add(job, self.database())
            standing.append(result)
        if book().inline:
            book().run_due()
            for result in standing:
                result.refresh()
        return standing
