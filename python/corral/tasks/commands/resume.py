"""`corral tasks resume QUEUE …`: the jobs of paused queues are begun again."""

from __future__ import annotations

import argparse
import json

from .base import Command, refuse


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("queues", metavar="QUEUE", nargs="+", help="the name of a queue")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")


def _run(options: argparse.Namespace) -> int:
    from corral.tasks import queues

    for name in options.queues:
        try:
            was_paused = queues.resume(name)
        except ValueError as error:
            refuse(str(error))
        if options.json:
            print(json.dumps({"queue": name, "changed": was_paused}))
        else:
            print(f"{name} {'goes on' if was_paused else 'was not paused'}")
    return 0


COMMAND = Command("resume", "begin the jobs of paused queues again", _add_arguments, _run)
