"""Pausing queues: nobody begins a job of a paused queue; those that run go on.

`pause` and `resume` belong to the caller's transaction, as `enqueue` does; every node follows at
its next claim. A paused queue is a row of `corral_queue`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import transaction
from django.utils import timezone

if TYPE_CHECKING:
    from .backend import DatabaseBackend


def pause(queue: str, resume_at: datetime | None = None) -> bool:
    """No node begins a job of `queue` from now on, until `resume_at` or `resume`.

    Returns whether the queue was open; one that is paused already gets the new `resume_at`. That is
    aware where USE_TZ is set. Raises ValueError for a queue that no backend has, and for a
    `resume_at` that is past or of the wrong kind.
    """
    _require_future(resume_at)
    return any([backend.pause_queue(queue, resume_at) for backend in _backends_of(queue)])


def resume(queue: str) -> bool:
    """The jobs of `queue` are begun again. Returns whether it was paused.

    Raises ValueError for a queue that no backend has.
    """
    return any([backend.resume_queue(queue) for backend in _backends_of(queue)])


apause = sync_to_async(pause)
aresume = sync_to_async(resume)


def pause_in(database: str, queue: str, resume_at: datetime | None) -> bool:
    """`pause` in one database."""
    from .models import Queue

    now = timezone.now()
    rows = Queue.objects.using(database).filter(name=queue)
    with transaction.atomic(using=database):
        # The write first: SQLite lets no transaction write that has read what is old by now.
        if rows.exclude(resume_at__lte=now).update(resume_at=resume_at):
            return False
        values = {"paused_at": now, "resume_at": resume_at}
        Queue.objects.using(database).update_or_create(name=queue, defaults=values)
        return True


def resume_in(database: str, queue: str) -> bool:
    """`resume` in one database."""
    from .models import Queue

    rows = Queue.objects.using(database).filter(name=queue)
    was_paused = rows.exclude(resume_at__lte=timezone.now()).delete()[0] > 0
    rows.delete()
    return was_paused


def _require_future(resume_at: datetime | None) -> None:
    if resume_at is None:
        return
    if timezone.is_aware(resume_at) != settings.USE_TZ:
        wanted = "an aware" if settings.USE_TZ else "a naive"
        raise ValueError(f"resume_at is {resume_at!r}; USE_TZ asks for {wanted} datetime")
    if resume_at <= timezone.now():
        raise ValueError(f"resume_at is {resume_at.isoformat()}, which is past")


def require_known(queue: str) -> None:
    """Raises ValueError when no backend has this queue."""
    _backends_of(queue)


def _backends_of(queue: str) -> Iterable[DatabaseBackend]:
    """A backend for each database in which `queue` may have jobs."""
    from .checks import corral_backends
    from .names import NAME_CHARS_MAX

    backends = corral_backends()
    if not backends:
        raise ValueError("no backend in TASKS is corral.tasks.DatabaseBackend")
    declared = {name for backend in backends for name in backend.queues}
    if all(backend.queues for backend in backends) and queue not in declared:
        names = ", ".join(map(repr, sorted(declared)))
        raise ValueError(f"no backend in TASKS declares the queue {queue!r}; declared are {names}")
    if not 0 < len(queue) <= NAME_CHARS_MAX:
        raise ValueError(f"a queue's name has 1..{NAME_CHARS_MAX} characters, not {len(queue)}")
    return {backend.database(): backend for backend in backends}.values()
