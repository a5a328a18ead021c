"""What the keeper does about jobs whose end was asked for (`cancellation.py` asks).

One that waits again, because its attempt failed, was given back or died with its node, is ended
here. Which of those that run are this node's, the keeper learns from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import records

if TYPE_CHECKING:
    from .store import Store

_BATCH = 500


def cancelled(store: Store, cursor: Any) -> list[tuple[str, int]]:
    """End those that wait; returns (id, lease) of those that this node runs."""
    dialect = store.dialect
    # The words of the index corral_job_cancel.
    cursor.execute(
        "SELECT id, lease, status, errors, backend_name FROM corral_job "
        "WHERE cancel_requested_at IS NOT NULL AND finished_at IS NULL "
        "AND (status = 'READY' OR (status = 'RUNNING' AND node = %(node)s)) "
        "ORDER BY cancel_requested_at LIMIT %(batch)s",
        {"node": dialect.key(store.incarnation), "batch": _BATCH},
    )
    rows = cursor.fetchall()
    waiting = [row for row in rows if row[2] == "READY"]
    if waiting:
        with store.transaction(cursor):
            for key, lease, _, errors, backend_name in waiting:
                _end(store, cursor, key, lease, errors, backend_name)
    return [(dialect.id_text(key), lease) for key, lease, status, *_ in rows if status != "READY"]


def _end(store: Store, cursor: Any, key: Any, lease: int, errors: str, backend_name: str) -> None:
    dialect = store.dialect
    entry = records.plain_error(records.TASK_CANCELLED, records.CANCELLED_WAITING)
    retention = store.failed_retention(backend_name)
    prune = None if retention is None else int(retention * 1_000_000)
    cursor.execute(
        f"UPDATE corral_job SET status = 'FAILED', finished_at = {dialect.now()}, "
        f"errors = %(errors)s, prune_at = {dialect.shifted('prune')} "
        "WHERE id = %(id)s AND lease = %(lease)s AND status = 'READY'",
        {
            **dialect.clock(prune=prune),
            "id": dialect.key(dialect.id_text(key)),
            "lease": lease,
            "errors": records.dumps(records.with_error(records.loads(errors), entry)),
        },
    )
