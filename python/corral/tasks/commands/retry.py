"""`corral tasks retry ID …`: failed jobs get one more attempt."""

from __future__ import annotations

import argparse
import json

from .base import Command, corral_backend, refuse
from .jobs import add_ids, find_job


def _run(options: argparse.Namespace) -> int:
    jobs = [find_job(options.backend, text) for text in options.ids]
    for job in jobs:
        if job.status != "FAILED":
            refuse(f"job {job.pk} is {job.status}; only FAILED ones can run again")
    backend = corral_backend(options.backend)
    for job in jobs:
        try:
            again = backend.run_again(str(job.pk))
        except ValueError as error:
            refuse(str(error))
        if options.json:
            print(json.dumps({"id": str(job.pk), "changed": again}))
        else:
            print(f"{job.pk} {'is READY again' if again else 'was taken by somebody else'}")
    return 0


COMMAND = Command("retry", "give failed jobs one more attempt", add_ids, _run)
