"""What the commands about jobs share: which jobs are meant, and how one is shown."""

from __future__ import annotations

import argparse
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .base import corral_backend, refuse

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from corral.tasks.models import Job

STATES = ("ready", "running", "failed", "successful")
_TIMES = (
    "enqueued_at", "run_after", "started_at", "last_attempted_at", "finished_at", "prune_at",
    "cancel_requested_at",
)  # fmt: skip


def add_backend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backend", metavar="ALIAS",
        help="the backend in TASKS that has the jobs [default: the only one of Corral's]",
    )  # fmt: skip


def add_ids(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", metavar="ID", nargs="+", help="the id of a job")
    add_backend(parser)
    parser.add_argument("--json", action="store_true", help="a JSON object a line")


def jobs_of(alias: str | None) -> QuerySet[Job]:
    """The jobs of a backend."""
    from corral.tasks.models import Job

    backend = corral_backend(alias)
    return Job.objects.using(backend.database()).filter(backend_name=backend.alias)


def find_job(alias: str | None, text: str) -> Job:
    """The job with this id; refuses where there is none."""
    try:
        key = uuid.UUID(text)
    except ValueError:
        refuse(f"{text!r} is no id of a job, such as 0198c0de-0000-7000-8000-000000000000")
    job = jobs_of(alias).filter(pk=key).first()
    if job is None:
        backend = corral_backend(alias)
        refuse(f"there is no job {text} of TASKS[{backend.alias!r}]; was it pruned?")
    return job


def state(job: Job) -> str:
    """The status for people: Django's, or what it means here."""
    from django.utils import timezone

    if job.status == "RUNNING" and job.cancel_requested_at is not None:
        return "cancelling"
    if job.status == "READY" and job.due_at > timezone.now():
        return "retrying" if job.errors else "scheduled"
    if job.status == "FAILED" and job.errors:
        from corral.tasks.records import TASK_CANCELLED

        if job.errors[-1]["exception_class_path"] == TASK_CANCELLED:
            return "cancelled"
    return job.status.lower()


def job_record(job: Job) -> dict[str, Any]:
    """All that is known of a job, for JSON."""
    names = ("task_path", "queue_name", "backend_name", "priority", "status", "args", "kwargs",
             "return_value", "errors", "worker_ids", "crashes", "options")  # fmt: skip
    return {
        "id": str(job.pk),
        **{name: getattr(job, name) for name in names},
        **{name: _iso(getattr(job, name)) for name in _TIMES},
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
