"""`corral tasks cancel ID …`: ends jobs that wait, and interrupts those that run."""

from __future__ import annotations

import argparse
import json

from .base import Command, corral_backend
from .jobs import add_ids, find_job

_SAID = {
    "cancelled": "cancelled: it waited, and will not begin",
    "asked": "asked: it runs, and its node interrupts it",
    "finished": "was finished already; nothing has changed",
}


def _run(options: argparse.Namespace) -> int:
    jobs = [find_job(options.backend, text) for text in options.ids]
    backend = corral_backend(options.backend)
    for job in jobs:
        done = backend.cancel_job(str(job.pk))
        if options.json:
            print(json.dumps({"id": str(job.pk), "done": str(done)}))
        else:
            print(f"{job.pk} {_SAID[done]}")
    return 0


COMMAND = Command("cancel", "end jobs that wait, interrupt those that run", add_ids, _run)
