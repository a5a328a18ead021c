"""Two views: one computes for 1.5 ms, one sleeps for 20 ms.

How many turns of its loop take 1.5 ms here is measured once by the harness (`calibrate`) and
handed to every server in BENCH_TURNS.
"""

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

COMPUTE_SECONDS = 0.0015
SLEEP_SECONDS = 0.020
BODY = b"Hello, World!"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]
TURNS = int(os.environ.get("BENCH_TURNS", "10000"))


def compute(turns: int) -> int:
    """Holds the interpreter's lock all the while, as most Python code does."""
    total = 0
    for number in range(turns):
        total += number & 7
    return total


def calibrate() -> int:
    """Turns of compute() in COMPUTE_SECONDS, at the best of many tries."""
    turns = 20_000
    best = float("inf")
    for _ in range(40):
        begin = time.thread_time()
        compute(turns)
        best = min(best, time.thread_time() - begin)
    return round(turns * COMPUTE_SECONDS / best)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """/compute computes, /sleep sleeps."""
    if environ["PATH_INFO"] == "/sleep":
        time.sleep(SLEEP_SECONDS)
    else:
        compute(TURNS)
    start_response("200 OK", HEADERS)
    return [BODY]
