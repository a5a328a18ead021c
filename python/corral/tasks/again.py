"""A failed job gets one more attempt, in its own row: who holds its result sees how it ends."""

from __future__ import annotations

import uuid

from django.utils import timezone


def run_again_in(database: str, key: uuid.UUID, backend_name: str) -> bool:
    """Make a FAILED job READY, due now; False, and nothing changes, when it is not FAILED.

    Its errors stay. When this attempt fails too, and none is left by the task's `max_attempts`, it
    is FAILED again. A job that was cancelled runs like any other.
    """
    from .models import Job

    failed = Job.objects.using(database).filter(pk=key, backend_name=backend_name, status="FAILED")
    changed = failed.update(
        status="READY",
        run_after=None,
        due_at=timezone.now(),
        finished_at=None,
        prune_at=None,
        cancel_requested_at=None,
    )
    return changed > 0
