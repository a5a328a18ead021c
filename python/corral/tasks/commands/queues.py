"""`corral tasks queues`: what waits and runs in each queue, and which are paused."""

from __future__ import annotations

import argparse
import json
from typing import Any

from .base import Command, corral_backend
from .jobs import add_backend, jobs_of
from .table import age, print_table

_TITLES = ("queue", "state", "goes on", "ready", "running", "failed", "oldest due")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_backend(parser)
    parser.add_argument("--json", action="store_true", help="a JSON object a line; times in UTC")


def _run(options: argparse.Namespace) -> int:
    records = _records(options.backend)
    if options.json:
        for record in records:
            moments = ("resume_at", "oldest_due_at")
            times = {name: record[name] and record[name].isoformat() for name in moments}
            print(json.dumps(record | times))
        return 0
    print_table(
        _TITLES,
        [
            (
                record["queue"],
                "paused" if record["paused"] else "open",
                age(record["resume_at"]),
                *(str(record[name]) for name in ("ready", "running", "failed")),
                age(record["oldest_due_at"]),
            )
            for record in records
        ],
        empty="there are no queues yet: none is declared, and there are no jobs",
    )
    return 0


def _records(alias: str | None) -> list[dict[str, Any]]:
    from django.db.models import Count, Min, Q
    from django.utils import timezone

    from corral.tasks.models import Queue

    backend = corral_backend(alias)
    now = timezone.now()
    counts = {
        row["queue_name"]: row
        for row in jobs_of(alias)
        .filter(status__in=("READY", "RUNNING", "FAILED"))
        .order_by()
        .values("queue_name")
        .annotate(
            ready=Count("pk", filter=Q(status="READY")),
            running=Count("pk", filter=Q(status="RUNNING")),
            failed=Count("pk", filter=Q(status="FAILED")),
            oldest_due_at=Min("due_at", filter=Q(status="READY", due_at__lte=now)),
        )
    }
    paused = {
        queue.name: queue.resume_at
        for queue in Queue.objects.using(backend.database()).exclude(resume_at__lte=now)
    }
    none = {"ready": 0, "running": 0, "failed": 0, "oldest_due_at": None}
    return [
        {
            "queue": name,
            "paused": name in paused,
            "resume_at": paused.get(name),
            **{field: counts.get(name, none)[field] for field in none},
        }
        for name in sorted({*counts, *paused, *backend.queues})
    ]


COMMAND = Command("queues", "show what waits and runs in each queue", _add_arguments, _run)
