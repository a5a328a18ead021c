"""The keeper's question about schedules, without models: how long until the next tick?"""

from __future__ import annotations

import math
import time
from typing import Any

NEXT_RUN = "SELECT min(next_run_at) FROM corral_schedule"  # NULL is not planned; min() skips it

_EPOCH = {
    "postgresql": "extract(epoch from statement_timestamp())",
    # Not unix_timestamp(now()): that goes through the session's zone, which may repeat an hour.
    "mysql": "timestampdiff(microsecond, '1970-01-01', utc_timestamp(6)) / 1000000",
}


def epoch(connection: Any) -> float:
    """The present by the database's clock, in seconds since 1970; SQLite's is the host's."""
    if connection.vendor == "sqlite":
        return time.time()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_EPOCH[connection.vendor]}")
        return float(cursor.fetchone()[0])


def next_tick_ms(connection: Any, cursor: Any) -> int:
    """Milliseconds until the earliest planned tick, 0 when it is due, -1 when none is planned."""
    if connection.vendor == "sqlite":
        cursor.execute(NEXT_RUN)
        (due,), now = cursor.fetchone(), time.time()
    else:
        cursor.execute(f"SELECT ({NEXT_RUN}), {_EPOCH[connection.vendor]}")
        due, now = cursor.fetchone()
    return -1 if due is None else max(math.ceil((due - float(now)) * 1000), 0)
