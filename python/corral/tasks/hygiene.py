"""A thread's database connections between jobs: what one left open must not reach the next."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import Any

from django.db import connections

logger = logging.getLogger("corral.tasks")

# libpq's PGTransactionStatusType: active, in a transaction, in a failed one.
_PQ_IN_TRANSACTION = (1, 2, 3)

_FRESH_S = 1.0  # for so long nothing has to be looked at again


class Hygiene:
    """What the runner does to its thread's connections, before a job and after it."""

    def __init__(self) -> None:
        self._thread = threading.local()  # cleaned_at: time.monotonic()

    def before(self) -> None:
        """Close those that grew too old, or broke, while the thread waited for a job.

        Also what an attempt left unclean that was interrupted before `after`.
        """
        if time.monotonic() - getattr(self._thread, "cleaned_at", 0.0) > _FRESH_S:
            self.after()
        self._thread.cleaned_at = 0.0  # in use

    def after(self) -> None:
        """Close those that a task left unclean, and those that are too old or broken.

        Never raises, to lose no outcome.
        """
        try:
            for connection in connections.all(initialized_only=True):
                if _is_unclean(connection):
                    _drop(connection)
                else:
                    connection.close_if_unusable_or_obsolete()
        except BaseException as error:
            with contextlib.suppress(BaseException):
                logger.error(
                    "CORRAL-562 a connection could not be cleaned after a job: %r; the next job "
                    "tries again",
                    error,
                )
            return
        self._thread.cleaned_at = time.monotonic()


def _is_unclean(connection: Any) -> bool:
    if connection.in_atomic_block:
        return True
    raw = connection.connection
    if raw is None:
        return False
    if connection.autocommit != connection.settings_dict["AUTOCOMMIT"]:
        return True
    return connection.autocommit and _is_in_raw_transaction(connection.vendor, raw)


def _is_in_raw_transaction(vendor: str, raw: Any) -> bool:
    """True when a task wrote BEGIN itself, past Django."""
    if vendor == "sqlite":
        return raw.in_transaction
    if vendor == "postgresql" and (info := getattr(raw, "info", None)) is not None:
        return info.transaction_status in _PQ_IN_TRANSACTION
    return False


def _drop(connection: Any) -> None:
    logger.warning(
        "CORRAL-563 a task left a transaction open on database %r; it is rolled back and the "
        "connection closed",
        connection.alias,
    )
    # Django keeps a connection that is closed inside atomic() until the block ends; this one never
    # will.
    connection.in_atomic_block = False
    connection.savepoint_ids = []
    connection.needs_rollback = False
    connection.closed_in_transaction = False
    with contextlib.suppress(Exception):  # broken as well; the outcome of the job matters more
        connection.close()
    connection.connection = None
