"""Cancelling jobs: one that waits ends at once, one that runs is interrupted on its node.

Django has no such status: a cancelled job is FAILED, with `corral.exceptions.TaskCancelled` as its
last error.
"""

from __future__ import annotations

import enum
import functools
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.tasks import TaskResult, TaskResultStatus, task_backends
from django.tasks.exceptions import TaskResultDoesNotExist
from django.utils import timezone

from . import guest, notify, records

if TYPE_CHECKING:
    from .backend import DatabaseBackend
    from .models import Job


class Cancellation(enum.StrEnum):
    """What `cancel` did."""

    CANCELLED = "cancelled"  # it waited: it is FAILED now, and nobody begins it
    ASKED = "asked"  # it runs: its node interrupts it, unless it ends by itself before
    FINISHED = "finished"  # it was over: nothing has changed


def cancel(result: TaskResult | str | uuid.UUID) -> Cancellation:
    """End the job of a result, or with an id, as soon as possible. Returns what was done.

    Belongs to the caller's transaction, as `enqueue` does. A job that runs gets `TaskCancelled`
    raised in its thread and is FAILED, whatever is left of its attempts; the result tells when that
    has happened. Raises TaskResultDoesNotExist for an id that no Corral backend knows.
    """
    if isinstance(result, TaskResult):
        return _backend_named(result).cancel_job(result.id)
    from .checks import corral_backends

    for backend in corral_backends():
        try:
            return backend.cancel_job(str(result))
        except TaskResultDoesNotExist:
            continue
    raise TaskResultDoesNotExist(str(result))


acancel = sync_to_async(cancel)


def _backend_named(result: TaskResult) -> DatabaseBackend:
    from .backend import DatabaseBackend

    backend = task_backends[result.backend]
    if not isinstance(backend, DatabaseBackend):
        raise ValueError(
            f"the result {result.id} is of TASKS[{result.backend!r}], which is not "
            "corral.tasks.DatabaseBackend: it cannot be cancelled here"
        )
    return backend


def cancel_in(database: str, key: uuid.UUID, backend: DatabaseBackend) -> Cancellation:
    """`cancel` of a job in one database. Raises Job.DoesNotExist."""
    from .models import Job

    rows = Job.objects.using(database).filter(pk=key, backend_name=backend.alias)
    with transaction.atomic(using=database):
        # The write first: from then on nobody claims or finishes it until this is over.
        asked = rows.filter(status__in=("READY", "RUNNING")).update(
            cancel_requested_at=timezone.now()
        )
        job = rows.get()
        if not asked:
            return Cancellation.FINISHED
        if job.status == TaskResultStatus.RUNNING:
            return Cancellation.ASKED
        end(job, backend)
        job.save(using=database, update_fields=("status", "finished_at", "prune_at", "errors"))
        return Cancellation.CANCELLED


def tell_keepers(database: str, *, notifies: bool) -> None:
    """Keepers hear of it when the caller's transaction, if there is one, commits."""
    connection = connections[database]
    if not connection.in_atomic_block and not connection.get_autocommit():
        return  # Django has no on_commit here; their next look finds it
    tell = functools.partial(_tell_now, database, notifies)
    transaction.on_commit(tell, using=database, robust=True)


def _tell_now(database: str, notifies: bool) -> None:
    guest.wake_for_cancelled()
    # The job may run on any node, also where this one has a keeper.
    if notifies and connections[database].vendor == "postgresql":
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [notify.CHANNEL])


def end(job: Job, backend: DatabaseBackend) -> None:
    """Make `job` one that was cancelled before it began; not saved."""
    entry = records.plain_error(records.TASK_CANCELLED, records.CANCELLED_WAITING)
    job.status = TaskResultStatus.FAILED
    job.errors = records.with_error(job.errors, entry)
    job.finished_at = timezone.now()
    kept_for = backend.parsed_options.failed_retention
    job.prune_at = None if kept_for is None else job.finished_at + timedelta(seconds=kept_for)
