"""A failed job gets one more attempt, in its own row: who holds its result sees how it ends."""

from __future__ import annotations

import uuid

from django.db import IntegrityError, transaction
from django.db.models import F


def run_again_in(database: str, key: uuid.UUID, backend_name: str) -> bool:
    """Make a FAILED job READY, due now; False, and nothing changes, when it is not FAILED.

    Its errors stay. When this attempt fails too, and none is left by the task's `max_attempts`, it
    is FAILED again. A job that was cancelled runs like any other. Raises ValueError for a `unique`
    one whose place another job has taken.
    """
    from .models import Job

    failed = Job.objects.using(database).filter(pk=key, backend_name=backend_name, status="FAILED")
    try:
        with transaction.atomic(using=database):
            changed = failed.update(
                status="READY",
                run_after=None,
                due_at=F("enqueued_at"),  # past by the database's clock
                finished_at=None,
                prune_at=None,
                cancel_requested_at=None,
            )
    except IntegrityError:
        raise ValueError(
            f"job {key} cannot run again: it is unique, and another job has its place"
        ) from None
    return changed > 0
