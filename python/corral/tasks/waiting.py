"""Waiting for the end of a job from outside of the worker that runs it.

The row is asked, in pauses that grow: a short job is seen within milliseconds, a long one costs a
few questions a second, each a look at the primary key. On SQLite the file says whether anybody
wrote since, and only then the row is asked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async
from django.db import connections

if TYPE_CHECKING:
    from .backend import DatabaseBackend
    from .results import Result

FINISHED = ("SUCCESSFUL", "FAILED")
PAUSE_MIN_S = 0.002
PAUSE_MAX_S = 0.250
PAUSE_GROWTH = 1.3
SQLITE_PAUSE_MAX_S = 0.020  # its question reads one page of the log's index


def wait(result: Result, timeout: float | timedelta | None) -> None:
    """See `Result.wait`."""
    look = Look(result)
    for pause in pauses(result, timeout, look.pause_max_s):
        if look.is_finished():
            break
        time.sleep(pause)
    result.refresh()


async def await_finished(result: Result, timeout: float | timedelta | None) -> None:
    """See `Result.await_finished`."""
    look = await sync_to_async(Look)(result)
    for pause in pauses(result, timeout, look.pause_max_s):
        if await sync_to_async(look.is_finished)():
            break
        await asyncio.sleep(pause)
    await result.arefresh()


def pauses(
    result: Result, timeout: float | timedelta | None, pause_max_s: float
) -> Iterator[float]:
    """Seconds until the next look, one after another; raises TimeoutError after the last one."""
    limit_s = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if limit_s is not None and not limit_s >= 0:
        raise ValueError(f"timeout is {timeout!r}; allowed are 0 seconds or more, and None")
    began = time.monotonic()
    pause = PAUSE_MIN_S
    while True:
        left = float("inf") if limit_s is None else began + limit_s - time.monotonic()
        yield max(min(pause, left), 0.0)
        if left <= 0:
            raise TimeoutError(f"job {result.id} has not finished within {limit_s:g} s")
        pause = min(pause * PAUSE_GROWTH, pause_max_s)


class Look:
    """Looks whether a job has finished. Raises RuntimeError where that could not be seen."""

    def __init__(self, result: Result) -> None:
        self._backend: DatabaseBackend = result.task.get_backend()  # type: ignore[assignment]
        self._id = result.id
        self._version: int | None = None
        self._connection = connections[self._backend.database()]
        self._is_sqlite = self._connection.vendor == "sqlite"
        self.pause_max_s = SQLITE_PAUSE_MAX_S if self._is_sqlite else PAUSE_MAX_S
        self._backend.require_waitable(self._id)

    def is_finished(self) -> bool:
        return self._has_news() and self._backend.status(self._id) in FINISHED

    def _has_news(self) -> bool:
        if not self._is_sqlite:
            return True
        with self._connection.cursor() as cursor:
            cursor.execute("PRAGMA data_version")
            version = cursor.fetchone()[0]
        is_news = version != self._version
        self._version = version
        return is_news
