"""What becomes of jobs whose node died.

A node is dead when its lease time is over by the database's clock, or when its process is provably
gone on this machine. Its jobs become READY again with one crash more, or FAILED when that makes
max_crashes. Nodes that rescue at the same time do no harm: every update says which lease it saw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import records
from .machine import is_provably_gone

if TYPE_CHECKING:
    from .sql import Dialect
    from .store import Store

_BATCH = 500

# One statement, one snapshot: a node registers before it claims, so a job it holds is never seen
# without it.
_ORPHANS = (
    "SELECT id, lease, crashes, backend_name, at_most_once, errors FROM corral_job "
    "WHERE status = 'RUNNING' "
    "AND (node IS NULL OR (node <> %(incarnation)s AND NOT EXISTS (SELECT 1 FROM corral_node "
    "WHERE incarnation = corral_job.node AND expires_at > {now}))) ORDER BY id LIMIT %(batch)s"
)


def bury_dead_processes(cursor: Any, dialect: Dialect, own: str) -> None:
    """End the lease of nodes of this machine whose process is gone, so that nobody waits for it."""
    cursor.execute(
        "SELECT incarnation, machine, pid, process_started FROM corral_node "
        f"WHERE incarnation <> %(own)s AND expires_at > {dialect.now()}",
        {**dialect.clock(), "own": dialect.key(own)},
    )
    for key, machine, pid, started in cursor.fetchall():
        if is_provably_gone(machine_then=machine, pid=pid, started_then=started):
            cursor.execute(
                f"UPDATE corral_node SET expires_at = {dialect.now()} "
                "WHERE incarnation = %(incarnation)s",
                {**dialect.clock(), "incarnation": dialect.key(dialect.id_text(key))},
            )


def rescue(store: Store, cursor: Any) -> int:
    """Take the jobs of dead nodes back and forget the nodes; returns how many jobs."""
    dialect = store.dialect
    own = {"incarnation": dialect.key(store.incarnation)}
    count = 0
    while True:
        cursor.execute(
            _ORPHANS.format(now=dialect.now()), {**dialect.clock(), **own, "batch": _BATCH}
        )
        orphans = cursor.fetchall()
        if orphans:
            with store.transaction(cursor):
                count += sum(_take_back(store, cursor, orphan) for orphan in orphans)
        if len(orphans) < _BATCH:
            break
    _forget_dead_nodes(cursor, dialect, own)
    return count


def _take_back(store: Store, cursor: Any, orphan: tuple[Any, ...]) -> int:
    key, lease, crashes, backend_name, at_most_once, errors = orphan
    dialect = store.dialect
    crashes += 1
    changes = "status = 'READY'"
    values = {
        **dialect.clock(),
        "id": dialect.key(dialect.id_text(key)),
        "lease": lease,
        "crashes": crashes,
    }
    if at_most_once or crashes >= store.max_crashes(backend_name):
        entry = records.plain_error(records.WORKER_CRASHED, _reason(crashes, bool(at_most_once)))
        values["errors"] = records.dumps([*records.loads(errors), entry])
        retention = store.failed_retention(backend_name)
        prune = None if retention is None else int(retention * 1_000_000)
        values |= dialect.clock(prune=prune)
        changes = (
            f"status = 'FAILED', finished_at = {dialect.now()}, errors = %(errors)s, "
            f"prune_at = {dialect.shifted('prune')}"
        )
    cursor.execute(
        f"UPDATE corral_job SET {changes}, crashes = %(crashes)s, lease = lease + 1, node = NULL "
        "WHERE id = %(id)s AND lease = %(lease)s AND status = 'RUNNING'",
        values,
    )
    return cursor.rowcount


def _reason(crashes: int, at_most_once: bool) -> str:
    if at_most_once:
        return (
            "the process ended while it held this job, which runs at most once: "
            "whether it had begun is not known"
        )
    return f"the process ended while it ran this job, {crashes} times in all"


def _forget_dead_nodes(cursor: Any, dialect: Dialect, own: dict[str, str]) -> None:
    # Looked for first: a DELETE takes the write lock even where it finds nothing.
    over = f"incarnation <> %(incarnation)s AND expires_at <= {dialect.now()}"
    values = {**dialect.clock(), **own}
    cursor.execute(f"SELECT count(*) FROM corral_node WHERE {over}", values)
    if cursor.fetchone()[0]:
        cursor.execute(f"DELETE FROM corral_node WHERE {over}", values)
