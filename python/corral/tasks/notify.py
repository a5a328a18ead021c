"""Who hears that jobs were committed: this node's keeper, else the keepers of other nodes."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

from django.db import connections

from . import guest

CHANNEL = "corral_job"  # src/tasks/postgres_store.cc listens
# Commits that notify wait for each other in the whole database, so a process repeats itself at most
# so often for a queue. Whoever hears it looks a second time after this (src/tasks/claimer.cc).
PAUSE_S = 0.010

_sent: dict[tuple[str, str], float] = {}  # when last, by database and queue


@functools.lru_cache(maxsize=1024)
def waker(database: str, queue: str, notifies: bool) -> Callable[[], None]:
    """What to call once jobs in `queue` are committed; the same object for the same arguments."""
    return functools.partial(_committed, database, queue, notifies)


def _committed(database: str, queue: str, notifies: bool) -> None:
    if guest.wake_keeper() or not notifies:
        return
    connection = connections[database]
    if connection.vendor != "postgresql":
        return
    now = time.monotonic()
    if now - _sent.get((database, queue), -PAUSE_S) < PAUSE_S:
        return
    _sent[database, queue] = now
    # Outside of the transaction that wrote them: its own commit need not wait for others.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, queue])
