"""`unique`: a second job of the same arguments is not enqueued; the caller gets the first one.

A job with `unique` bears a key, and the database holds no two rows with one (`models.Job`,
`corral_job_unique`): while the job is READY or RUNNING, and until `unique_until` where a time was
asked for. Which of several callers was first is decided by that index alone.
"""

from __future__ import annotations

import hashlib
import inspect
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db import OperationalError, connections, transaction
from django.tasks import Task, TaskResult

from . import records
from .clock import now_sql, stored_now

if TYPE_CHECKING:
    from .models import Job

LIVE = "status IN ('READY', 'RUNNING')"
# The condition of the index, in its words.
_HELD = f"unique_key = %(key)s AND ({LIVE} OR unique_until IS NOT NULL)"
# What MySQL has instead of an index over some of the rows.
_HELD_ON_MYSQL = "unique_live = %(key)s"
_TRIES_MAX = 100
_MYSQL_DEADLOCK = 1213


def key_of(result: TaskResult, names: tuple[str, ...] | None) -> str:
    """The key of a job: its backend, its task and its arguments, or those of `names` only.

    An argument counts the same by position and by name, given or by default.
    """
    task = result.task
    arguments: Any = [result.args, result.kwargs]
    try:
        bound = _signature(task).bind(*result.args, **result.kwargs)
    except TypeError, ValueError:
        pass  # it fails when it runs
    else:
        bound.apply_defaults()
        arguments = bound.arguments
        if names is not None:
            arguments = {name: arguments[name] for name in names if name in arguments}
    what = [result.backend, task.module_path, arguments]
    text = records.dumps(_sorted(what))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def unknown_names(task: Task, names: Iterable[str]) -> list[str]:
    """Those of `names` that are no parameters of the task."""
    return sorted(set(names) - set(_signature(task).parameters))


def insert(
    results: Sequence[TaskResult],
    new_row: Callable[[TaskResult], Job],
    write: Callable[[TaskResult, Job], bool],
    database: str,
) -> list[TaskResult]:
    """Write the row of each result whose key is free; gives the results that stand, in order.

    All or none, where there are several. `write` returns whether the row is new.
    """
    if len(results) == 1:
        return [_insert(results[0], new_row, write, database)]
    with transaction.atomic(using=database, savepoint=False):
        return [_insert(result, new_row, write, database) for result in results]


def _insert(
    result: TaskResult,
    new_row: Callable[[TaskResult], Job],
    write: Callable[[TaskResult, Job], bool],
    database: str,
) -> TaskResult:
    connection = connections[database]
    # Elsewhere the insert goes first: where SQLite has read, it may refuse to write; and it is one
    # statement for a new job.
    looks_first = connection.vendor == "mysql"
    for number in range(_TRIES_MAX):
        job = new_row(result)
        if number > 0 or looks_first:
            held = _find(connection, job.unique_key, is_first=number == 0)
            if held is not None and (standing := _result(held, database)) is not None:
                return standing
        try:
            if write(result, job):
                return result
        except OperationalError as error:
            # InnoDB ends one of several that insert the same key; nothing else is lost by that only
            # where there is no transaction around it.
            if error.args[:1] != (_MYSQL_DEADLOCK,) or connection.in_atomic_block:
                raise
    raise RuntimeError(
        f"the unique job of {result.task.module_path} could not be enqueued in {_TRIES_MAX} "
        "attempts: others with its key come and go all the time"
    )


def _result(key: uuid.UUID, database: str) -> TaskResult | None:
    """The job as it stands; None when it was pruned meanwhile."""
    from . import lookup
    from .models import Job

    job = Job.objects.using(database).filter(pk=key).first()
    return None if job is None else lookup.task_result(job)


def _find(connection: Any, key: str, *, is_first: bool) -> uuid.UUID | None:
    """The id of the row that holds `key`; a row whose time is over gives the key up."""
    is_mysql = connection.vendor == "mysql"
    held = _HELD_ON_MYSQL if is_mysql else _HELD
    now = now_sql(connection)
    values = {"key": key, "now": str(stored_now(connection))}
    # What another transaction wrote since ours began is seen by a locking read only, where the site
    # asks for REPEATABLE READ.
    lock = " LOCK IN SHARE MODE" if is_mysql and not is_first else ""
    with connection.cursor() as cursor:
        over = f"NOT ({LIVE}) AND unique_until <= {now}"
        cursor.execute(
            f"SELECT id, CASE WHEN {over} THEN 1 ELSE 0 END FROM corral_job WHERE {held}{lock}",
            values,
        )
        row = cursor.fetchone()
        if row is None:
            return None
        if not row[1]:
            return uuid.UUID(str(row[0]))
        # Nobody but the pruner touches this row, so nobody waits for our transaction.
        cursor.execute(
            f"UPDATE corral_job SET unique_key = NULL, unique_until = NULL WHERE {held} AND {over}",
            values,
        )
    return None


def _signature(task: Task) -> inspect.Signature:
    signature = inspect.signature(task.func)
    if not task.takes_context:
        return signature
    _, *rest = signature.parameters.values()
    return signature.replace(parameters=rest)


def _sorted(value: Any) -> Any:
    """Dicts in the order of their keys, so that the order of keyword arguments does not count."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        return [_sorted(item) for item in value]
    return value
