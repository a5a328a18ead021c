"""What becomes of jobs whose node died.

A node is dead when its process is provably gone on this machine, or when it has been silent for
its lease time (`witness`). Its row is deleted, and jobs that are RUNNING under no row become READY
again with one crash more, or FAILED when that makes max_crashes. Nodes that rescue at the same time
do no harm: every update says which lease it saw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import records
from .machine import is_provably_gone

if TYPE_CHECKING:
    from .store import Store

_BATCH = 500

# One statement, one snapshot: a node registers before it claims, so a job it holds is never seen
# without it.
_ORPHANS = (
    "SELECT id, lease, crashes, backend_name, at_most_once, errors FROM corral_job "
    "WHERE status = 'RUNNING' "
    "AND (node IS NULL OR (node <> %(incarnation)s AND NOT EXISTS (SELECT 1 FROM corral_node "
    "WHERE incarnation = corral_job.node))) ORDER BY id LIMIT %(batch)s"
)


def bury_dead_nodes(store: Store, cursor: Any) -> bool:
    """Forget the nodes that are dead; a row that was renewed meanwhile stays.

    Returns whether this node's own row is there.
    """
    dialect = store.dialect
    cursor.execute(
        "SELECT incarnation, machine, pid, process_started, expires_at, "
        f"CASE WHEN expires_at <= {dialect.now()} THEN 1 ELSE 0 END FROM corral_node",
        dialect.clock(),
    )
    expiries, over, dead = {}, {}, []
    for key, machine, pid, started, expires_at, is_over in cursor.fetchall():
        node = dialect.id_text(key)
        expiries[node] = expires_at
        if node == store.incarnation:
            continue
        if is_provably_gone(machine_then=machine, pid=pid, started_then=started):
            dead.append(node)
        elif is_over:
            over[node] = expires_at
    for node in (*dead, *store.witness.sees_dead(over)):
        cursor.execute(
            "DELETE FROM corral_node "
            "WHERE incarnation = %(incarnation)s AND expires_at = %(expires_at)s",
            {"incarnation": dialect.key(node), "expires_at": expiries[node]},
        )
    return store.incarnation in expiries


def rescue(store: Store, cursor: Any) -> int:
    """Take the jobs of forgotten nodes back; returns how many."""
    dialect = store.dialect
    own = {"incarnation": dialect.key(store.incarnation)}
    count = 0
    while True:
        cursor.execute(_ORPHANS, {**own, "batch": _BATCH})
        orphans = cursor.fetchall()
        if orphans:
            with store.transaction(cursor):
                count += sum(_take_back(store, cursor, orphan) for orphan in orphans)
        if len(orphans) < _BATCH:
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
