"""producer.py SEED PACE: a program that enqueues jobs until its standard input ends.

A line of JSON on its input, [task, argument, ...], is enqueued at once and answered by a line: its
id, or an empty line where the database refused. What was committed is noted; what was refused too.
"""

import json
import random
import select
import sys
from typing import Any

import django
from django.db import Error, connection

django.setup()

from chaos_site import notes, tasks  # noqa: E402

KINDS: tuple[tuple[int, str, tuple[float, ...]], ...] = (
    (30, "quick", ()),
    (6, "slow", (0.05,)),
    (2, "slow", (0.4,)),
    (1, "spin", (0.2,)),
    (1, "fail", ()),
)


def enqueue(name: str, *args: Any) -> str:
    """The new job's id; empty where the database did not take it."""
    try:
        key = getattr(tasks, name).enqueue(*args).id
    except Error as error:
        # Whether it was committed may be unknown. A row without a note is audited all the same.
        notes.note("refused", task=name, error=f"{type(error).__name__}: {error}")
        connection.close()
        return ""
    notes.note("enqueued", job=key, task=name)
    return key


def main(seed: int, pace_s: float) -> None:
    chance = random.Random(seed)
    weights = [weight for weight, _, _ in KINDS]
    while True:
        pause_s = chance.uniform(0, 2 * pace_s) if pace_s else None
        if select.select([sys.stdin], [], [], pause_s)[0]:
            line = sys.stdin.readline()
            if not line:
                return
            print(enqueue(*json.loads(line)), flush=True)
        else:
            (_, name, args), *_ = chance.choices(KINDS, weights)
            enqueue(name, *args)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
