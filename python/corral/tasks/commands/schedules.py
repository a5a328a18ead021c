"""`corral tasks schedules`: the rows of the schedules, as a table or as JSON lines."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .base import Command, corral_backend

if TYPE_CHECKING:
    from corral.tasks.schedule_model import Schedule

_TITLES = ("name", "cron", "tz", "state", "next run", "last run")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backend", metavar="ALIAS",
        help="a backend in TASKS whose database has the table [default: the only one of Corral's]",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="a JSON object a line; times in UTC")


def _run(options: argparse.Namespace) -> int:
    from corral.tasks.schedule_model import Schedule

    rows = Schedule.objects.using(corral_backend(options.backend).database())
    if options.json:
        for row in rows.all():
            print(json.dumps(_record(row)))
        return 0
    lines = [_TITLES, *(_cells(row) for row in rows.all())]
    if len(lines) == 1:
        print("there are no schedules; docs/schedules.md says how to make one")
        return 0
    widths = [max(len(line[n]) for line in lines) for n in range(len(_TITLES))]
    for line in lines:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )
    return 0


def _state(row: Schedule) -> str:
    if row.gone_at is not None:
        return "gone"
    if not row.enabled:
        return "off"
    return "failed" if row.last_error else "on"


def _cells(row: Schedule) -> tuple[str, ...]:
    return row.name, row.cron, row.tz, _state(row), _local(row, "next"), _local(row, "last")


def _local(row: Schedule, which: str) -> str:
    """In the schedule's own zone."""
    from corral.tasks.cron import find_zone

    moment = row.next_run_at if which == "next" else row.last_run_at
    if moment is None:
        return "-"
    try:
        return f"{moment.astimezone(find_zone(row.tz)):%Y-%m-%d %H:%M %Z}"
    except ValueError:  # a zone that this host has not
        return f"{moment:%Y-%m-%d %H:%M %Z}"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _record(row: Schedule) -> dict[str, Any]:
    names = ("name", "task_path", "args", "kwargs", "cron", "tz", "missed", "enabled", "source")
    times = ("next_run_at", "last_run_at", "gone_at")
    return {
        **{name: getattr(row, name) for name in names},
        **{name: _iso(getattr(row, name)) for name in times},
        "last_job": row.last_job and str(row.last_job),
        "last_error": row.last_error,
    }


COMMAND = Command("schedules", "list the schedules and when they come next", _add_arguments, _run)
