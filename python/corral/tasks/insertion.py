"""New rows: one job, or many of one task, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any

from django.db import connections, transaction
from django.tasks import TaskResult
from django.utils import timezone

from . import policy, records, unique
from .clock import now_sql
from .decorator import PolicyTask

if TYPE_CHECKING:
    from .models import Job

ROWS_MAX = 20_000  # of a statement, so that a million jobs are not one text of gigabytes

# What differs between the jobs of one batch; the other columns are written from the first of them.
_OWN_COLUMNS = ("id", "args", "kwargs")
# Not INSERT IGNORE, which ignores everything.
_ON_CONFLICT = {
    "postgresql": " ON CONFLICT DO NOTHING",
    "sqlite": " ON CONFLICT DO NOTHING",
    "mysql": " ON DUPLICATE KEY UPDATE id = corral_job.id",
}


@dataclass(frozen=True)
class _DatabaseNow:
    """In the place of a time: the database's clock decides, and so much is added."""

    microseconds: int = 0

    def sql(self, connection: Any) -> str:
        now = now_sql(connection)
        if not self.microseconds:
            return now
        if connection.vendor == "postgresql":
            return f"{now} + {self.microseconds} * interval '1 microsecond'"
        return f"date_add({now}, INTERVAL {self.microseconds} MICROSECOND)"


Moment = datetime | _DatabaseNow


def new_job(result: TaskResult, asked: policy.Policy, enqueued_at: Moment, clock: Moment) -> Job:
    """The row of a new result; `clock` is when it is due unless it is deferred."""
    from .models import Job

    task = result.task
    is_unique = asked.unique is not False
    return Job(
        id=result.id,
        task_path=task.module_path,
        queue_name=task.queue_name,
        backend_name=result.backend,
        priority=int(task.priority),
        args=result.args,
        kwargs=result.kwargs,
        options=policy.stored(task.overrides) if isinstance(task, PolicyTask) else {},
        at_most_once=bool(asked.at_most_once),
        run_after=task.run_after,
        enqueued_at=enqueued_at,
        due_at=task.run_after or clock,
        unique_key=unique.key_of(result, asked.unique_by) if is_unique else None,
        unique_until=None if isinstance(asked.unique, bool) else _later(clock, asked.unique),
    )


def _later(clock: Moment, seconds: float) -> Moment:
    if isinstance(clock, _DatabaseNow):
        return _DatabaseNow(round(seconds * 1_000_000))
    return clock + timedelta(seconds=seconds)


def insert(
    results: Sequence[TaskResult], asked: policy.Policy, database: str
) -> Sequence[TaskResult]:
    """Write the rows of `results`, all of one task, and give them their `enqueued_at`.

    In the caller's transaction, or in one of its own: all of them or none. Returns them, and for
    each that is not `unique` the job that was there before.
    """
    if asked.unique is not False:
        return unique.insert(
            results,
            lambda result: new_job(result, asked, *_now(database)),
            lambda result, job: _insert_unique(result, job, database),
            database,
        )
    job = new_job(results[0], asked, *_now(database))
    if len(results) == 1:
        with transaction.mark_for_rollback_on_error(using=database):
            enqueued_at = _insert(results, job, database)
    else:
        with transaction.atomic(using=database, savepoint=False):
            for some in batched(results, ROWS_MAX, strict=False):
                enqueued_at = _insert(some, job, database)
    for result in results:
        object.__setattr__(result, "enqueued_at", enqueued_at)
    return results


def _insert_unique(result: TaskResult, job: Job, database: str) -> bool:
    with transaction.mark_for_rollback_on_error(using=database):
        enqueued_at = _insert([result], job, database)
    if enqueued_at is None:
        return False
    object.__setattr__(result, "enqueued_at", enqueued_at)
    return True


def _now(database: str) -> tuple[Moment, Moment]:
    """What to write for "now": to `enqueued_at`, which is shown, and to `due_at`, which decides."""
    connection = connections[database]
    if connection.vendor == "postgresql":
        return _DatabaseNow(), _DatabaseNow()
    now = timezone.now()
    # On the others the INSERT does not return what it wrote, and asking again is a second query.
    return now, now if connection.vendor == "sqlite" else _DatabaseNow()


def _insert(results: Sequence[TaskResult], template: Job, database: str) -> datetime | None:
    """One statement, without the ORM's work for each row; returns what `enqueued_at` is.

    None: the one row has a `unique_key` that is taken. The caller's transaction goes on all the
    same.
    """
    connection = connections[database]
    names, values, params = _shared(template, connection)
    is_native = connection.features.has_native_uuid_field
    own = [
        (
            result.id if is_native else result.id.replace("-", ""),
            records.dumps(result.args),
            records.dumps(result.kwargs),
        )
        for result in results
    ]
    quoted = ", ".join(map(connection.ops.quote_name, (*names, *_OWN_COLUMNS)))
    into = f"INSERT INTO corral_job ({quoted})"
    one = f"{into} VALUES ({', '.join((*values, *['%s'] * len(_OWN_COLUMNS)))})"
    if template.unique_key is not None:
        one += _ON_CONFLICT[connection.vendor]
    with connection.cursor() as cursor:
        if template.unique_key is not None and connection.vendor != "postgresql":
            cursor.execute(one, [*params, *own[0]])
            is_new = _is_written(cursor, connection, own[0][0])
            return template.enqueued_at if is_new else None  # type: ignore[return-value]
        if connection.vendor != "postgresql":
            cursor.executemany(one, [(*params, *row) for row in own])
            return template.enqueued_at  # type: ignore[return-value]
        if len(own) == 1:
            cursor.execute(f"{one} RETURNING enqueued_at", [*params, *own[0]])
        else:
            cursor.execute(
                f"WITH inserted AS ({into} SELECT {', '.join(values)}, own.* "
                "FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS own RETURNING enqueued_at) "
                "SELECT max(enqueued_at) FROM inserted",
                [*params, *map(list, zip(*own, strict=True))],
            )
        row = cursor.fetchone()
        return row and row[0]


def _is_written(cursor: Any, connection: Any, key: str) -> bool:
    if connection.vendor == "sqlite":
        return cursor.rowcount == 1
    # Django has the server count rows that it found and left as they were.
    cursor.execute("SELECT 1 FROM corral_job WHERE id = %s", [key])
    return cursor.fetchone() is not None


def _shared(template: Job, connection: Any) -> tuple[list[str], list[str], list[Any]]:
    """The columns that are the same in all rows, the SQL of each, and the parameters of that."""
    names: list[str] = []
    values: list[str] = []
    params: list[Any] = []
    for field in template._meta.concrete_fields:
        if field.column in _OWN_COLUMNS:
            continue
        names.append(field.column)
        value = getattr(template, field.attname)
        if isinstance(value, _DatabaseNow):
            values.append(value.sql(connection))
        else:
            values.append("%s")
            params.append(field.get_db_prep_save(value, connection))
    return names, values, params
