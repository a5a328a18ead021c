"""`corral tasks show ID`: all that is known of a job."""

from __future__ import annotations

import argparse
import json

from .base import Command
from .jobs import add_ids, find_job, job_record, state


def _run(options: argparse.Namespace) -> int:
    for number, text in enumerate(options.ids):
        job = find_job(options.backend, text)
        record = job_record(job)
        if options.json:
            print(json.dumps(record))
            continue
        if number:
            print()
        errors = record.pop("errors")
        for name, value in (record | {"status": state(job)}).items():
            if value not in (None, [], {}):
                shown = value if isinstance(value, str) else json.dumps(value)
                print(f"{name + ':':<21} {shown}")
        for error in errors:
            print(f"\n{error['traceback'].rstrip()}")
    return 0


COMMAND = Command("show", "show all that is known of a job", add_ids, _run)
