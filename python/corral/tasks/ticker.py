"""Ticks in a task worker: the keeper says when one is due, this runs it where Django is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from . import records, schedule_rows, schedules
from .hygiene import Hygiene

logger = logging.getLogger("corral.tasks")

# How the payload of a tick begins (src/tasks/ticker.h); jobs' begin otherwise.
TICK = b'{"tick":'

Run = Callable[..., tuple[bool, bytes]]


def with_ticks(run: Run, database: str) -> Run:
    """`run` for jobs, and the schedules of `database` for ticks. Any number of threads.

    Imports the `tasks` module of every app, for what they declare; raises
    corral.exceptions.ConfigurationError where that is wrong.
    """
    broken = schedules.discover()
    hygiene = Hygiene()

    def run_either(payload: bytes, *more: Any) -> tuple[bool, bytes]:
        if not payload.startswith(TICK):
            return run(payload, *more)
        hygiene.before()
        try:
            return _run_tick(records.loads(payload), database, broken), b""
        finally:
            hygiene.after()

    return run_either


def _run_tick(record: dict[str, Any], database: str, broken: tuple[str, ...]) -> bool:
    """True when nothing due is left. Never raises: the keeper asks again after a pause."""
    try:
        if record["synchronise"]:
            schedule_rows.synchronise(database, schedules.declared(), broken=broken)
        return schedule_rows.tick(database)
    except Exception as error:
        logger.error(
            "CORRAL-575 the schedules could not be looked at: %r; what is due stays due and it is "
            "tried again",
            error,
        )
        return False
