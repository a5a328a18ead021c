"""`corral tasks list`: the jobs, newest first, as a table or as JSON lines."""

from __future__ import annotations

import argparse
import json

from .base import Command
from .jobs import STATES, add_backend, job_record, jobs_of, state
from .table import age, print_table

_TITLES = ("id", "task", "queue", "state", "enqueued", "attempts", "error")
LIMIT = 50


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--status", choices=STATES, metavar="STATUS", type=str.lower,
        help=f"only these: {', '.join(STATES)}",
    )  # fmt: skip
    parser.add_argument("--queue", metavar="NAME", help="only of this queue")
    parser.add_argument("--task", metavar="PATH", help="only of this task, shop.tasks.send")
    parser.add_argument(
        "--limit",
        metavar="N",
        type=_count,
        default=LIMIT,
        help=f"at most so many [default: {LIMIT}]",
    )
    add_backend(parser)
    parser.add_argument("--json", action="store_true", help="a JSON object a line; times in UTC")


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return number


def _run(options: argparse.Namespace) -> int:
    rows = jobs_of(options.backend)
    if options.status:
        rows = rows.filter(status=options.status.upper())
    if options.queue:
        rows = rows.filter(queue_name=options.queue)
    if options.task:
        rows = rows.filter(task_path=options.task)
    rows = rows.order_by("-id")[: options.limit]
    if options.json:
        for job in rows:
            print(json.dumps(job_record(job)))
        return 0
    print_table(
        _TITLES,
        [
            (
                str(job.pk), job.task_path, job.queue_name, state(job), age(job.enqueued_at),
                str(len(job.worker_ids)),
                job.errors[-1]["exception_class_path"].rpartition(".")[2] if job.errors else "",
            )
            for job in rows
        ],
        empty="there are no such jobs",
    )  # fmt: skip
    return 0


COMMAND = Command("list", "list the jobs, newest first", _add_arguments, _run)
