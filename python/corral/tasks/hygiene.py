"""A thread's database connections between jobs: what one left open must not reach the next."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

from django.db import close_old_connections, connections

logger = logging.getLogger("corral.tasks")

# libpq's PGTransactionStatusType: active, in a transaction, in a failed one.
_PQ_IN_TRANSACTION = (1, 2, 3)


class Hygiene:
    """What the runner does to its thread's connections, before a job and after it."""

    def renew(self) -> None:
        """Close those that are too old or broken."""
        close_old_connections()

    def drop_open(self) -> None:
        """Close those that a task left in a transaction."""
        drop_open_transactions()


def drop_open_transactions() -> None:
    """Roll back and close connections that are inside a transaction or have autocommit off."""
    for connection in connections.all(initialized_only=True):
        if _is_unclean(connection):
            _drop(connection)


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
