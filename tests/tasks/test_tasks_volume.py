"""What a claim reads does not grow with the table, be its rows finished, deferred or waiting.

Counted, not timed: pages on PostgreSQL, rows on MariaDB, steps of the virtual machine on SQLite.
CORRAL_TEST_ROWS=1000000 makes it a bench.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from tasks_harness import backend, execute, new_store
from tasks_site import tasks

from corral.tasks.batch import enqueue_calls
from corral.tasks.models import Job
from corral.tasks.shares import Shares

ROWS = int(os.environ.get("CORRAL_TEST_ROWS", "100000"))
FEW = 1_000
BATCH = 20
GROWTH_MAX = 2.0
QUEUES = ("default", "mail")

FUTURE = {
    "postgresql": "job.due_at + interval '1 day'",
    "default": "datetime(job.due_at, '+1 day')",
    "mariadb": "job.due_at + INTERVAL 1 DAY",
}
_NUMBERS = {
    "postgresql": "generate_series(1, {rows}) AS numbers(n)",
    "sqlite": (
        "(WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers "
        "WHERE n < {rows}) SELECT n FROM numbers)"
    ),
    "mysql": "(SELECT seq AS n FROM seq_1_to_{rows}) AS numbers",
}
_IDS = {
    "postgresql": "lpad(to_hex(n + {first}), 32, '0')::uuid",
    "sqlite": "printf('%032x', n + {first})",
    "mysql": "lpad(hex(n + {first}), 32, '0')",
}


def copies(alias: str, key: str, rows: int, first: int, changes: dict[str, str]) -> None:
    """`rows` more rows like that of `key`, which is one of a site's."""
    connection = connections[alias]
    columns = [field.column for field in Job._meta.concrete_fields]
    kinds = {"id": _IDS[connection.vendor].format(first=first), **changes}
    chosen = ", ".join(kinds.get(name, f"job.{name}") for name in columns)
    numbers = _NUMBERS[connection.vendor].format(rows=rows)
    native = connection.features.has_native_uuid_field
    value = key if native else key.replace("-", "")
    with connection.cursor() as cursor:
        # No parameters: SQLite's printf has its own percent signs.
        cursor.execute(
            f"INSERT INTO corral_job ({', '.join(columns)}) SELECT {chosen} "
            f"FROM corral_job AS job CROSS JOIN {numbers} WHERE job.id = '{value}'"
        )
        cursor.execute("ANALYZE TABLE corral_job" if connection.vendor == "mysql" else "ANALYZE")


class Counting:
    """A cursor of the store that counts what each statement reads, and answers nothing."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.work = 0

    def execute(self, sql: str, values: dict[str, Any] | None = None) -> None:
        with self._connection.cursor() as cursor:
            self.work += getattr(self, f"_{self._connection.vendor}")(cursor, sql, values or {})

    def fetchall(self) -> list[Any]:
        return []

    def fetchone(self) -> tuple[None, None]:
        return None, None

    def _postgresql(self, cursor: Any, sql: str, values: dict[str, Any]) -> int:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", values)
        (plans,) = cursor.fetchone()
        plan = (json.loads(plans) if isinstance(plans, str) else plans)[0]["Plan"]
        return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]

    def _sqlite(self, cursor: Any, sql: str, values: dict[str, Any]) -> int:
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        self._connection.connection.set_progress_handler(count, 10)
        cursor.execute(sql, values)
        cursor.fetchall()
        self._connection.connection.set_progress_handler(None, 0)
        return steps

    def _mysql(self, cursor: Any, sql: str, values: dict[str, Any]) -> int:
        before = self._rows_read(cursor)
        cursor.execute(sql, values)
        cursor.fetchall()
        return self._rows_read(cursor) - before

    def _rows_read(self, cursor: Any) -> int:
        cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
        return sum(int(value) for _, value in cursor.fetchall())


@contextmanager
def opened(alias: str) -> Iterator[Any]:
    store = new_store(alias)
    store.open()
    yield store
    store.close()


def work_of_a_claim(alias: str) -> dict[str, int]:
    """By statement of a claim; nothing is claimed."""
    work = {}
    with opened(alias) as store:
        dialect = store.dialect
        which = {"suspects": False, "limit": BATCH}
        steps = {
            "names": lambda cursor: dialect.queues_with_ready_jobs(cursor),
            "peek": lambda cursor: dialect.peek(cursor, QUEUES, shares=Shares({}), **which),
            "claim": lambda cursor: dialect.claim(
                cursor, "default", node=str(uuid.uuid4()), worker="w", **which
            ),
            "due": lambda cursor: dialect.earliest_due(cursor, QUEUES, suspects=False),
        }
        for name, step in steps.items():
            counting = Counting(store.dialect.connection)
            with store.dialect.connection.cursor() as cursor:
                cursor.execute(dialect.begin)
                step(counting)
                cursor.execute("ROLLBACK")
            work[name] = counting.work
    return work


def assert_no_more_than_grown(before: dict[str, int], after: dict[str, int]) -> None:
    for name, work in after.items():
        assert work <= GROWTH_MAX * before[name] + 8, (before, after)


def test_a_claim_reads_no_more_in_a_large_table(alias: str) -> None:
    mine = backend(alias)
    enqueue_calls(mine, tasks.add.using(queue_name="mail"), [(n,) for n in range(FEW)])
    key = enqueue_calls(mine, tasks.add, [(n,) for n in range(FEW)])[0].id
    execute(alias, "ANALYZE TABLE corral_job" if alias == "mariadb" else "ANALYZE")
    few = work_of_a_claim(alias)
    size = size_of_the_ready_index(alias)

    finished = {"status": "'SUCCESSFUL'", "finished_at": "job.enqueued_at"}
    copies(alias, key, ROWS, 0, finished)
    assert Job.objects.using(alias).filter(status="SUCCESSFUL").count() == ROWS
    assert_no_more_than_grown(few, work_of_a_claim(alias))
    assert size_of_the_ready_index(alias) == size

    copies(alias, key, ROWS, ROWS, {"run_after": FUTURE[alias], "due_at": FUTURE[alias]})
    assert_no_more_than_grown(few, work_of_a_claim(alias))

    copies(alias, key, ROWS, 2 * ROWS, {})
    many = work_of_a_claim(alias)
    del many["due"]  # who finds so many does not ask when the next one is due
    assert_no_more_than_grown(few, many)
    print(f"{alias}: {few} with {FEW} waiting rows; {many} with {ROWS} of each kind")


def size_of_the_ready_index(alias: str) -> int:
    """In bytes, where the database has partial indexes and says it."""
    if alias != "postgresql":
        return 0
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_relation_size('corral_job_ready')")
        return int(cursor.fetchone()[0])
