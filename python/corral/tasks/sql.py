"""The SQL of the store, for each kind of database.

Raw SQL, because the keeper's interpreter has no models. The rows are those of `models.py`;
conditions repeat the words of its partial indexes, so that the database sees they apply. Parameters
are named, `%(name)s`, on every database.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings

from .clock import now_sql, payload_time, stored_zone
from .records import dumps
from .shares import Shares

ORDER = "priority DESC, due_at, id"
_TIMES = ("due_at", "run_after", "enqueued_at", "started_at")  # of Claimed


class Claimed(NamedTuple):
    """A claimed row, after the claim. Times are ISO text, JSON columns are their text."""

    priority: int
    due_at: str
    id: str
    lease: int
    queue_name: str
    crashes: int
    task_path: str
    backend_name: str
    run_after: str | None
    enqueued_at: str
    started_at: str | None
    args: str
    kwargs: str
    errors: str
    worker_ids: str
    options: str
    at_most_once: bool


class Finished(NamedTuple):
    """What finish() writes. None leaves `errors` and `worker_ids` as they are.

    Times are microseconds from now. A job to be run again, READY, has `retry` and no `ended`;
    `prune` is None for a row that is kept.
    """

    id: str
    lease: int
    status: str
    began: int
    ended: int | None
    retry: int | None
    prune: int | None
    return_value: str | None
    errors: str | None
    worker_ids: str | None

    def size(self) -> int:
        """About how many bytes it adds to a statement."""
        texts = (self.return_value, self.errors, self.worker_ids)
        return 200 + sum(len(text) for text in texts if text)


class Dialect:
    """What all databases share; a subclass for each kind fills in the rest.

    The base class holds what MySQL and SQLite do alike: updates one by one through executemany.
    """

    begin = "BEGIN"
    columns = ", ".join(Claimed._fields)
    peeks_always = False  # look before taking a write lock
    by_deferred = ""  # behind a table's name: use the index over deferred rows
    skip_locked = ""  # another node prunes these
    has_clock_of_host = False
    row_bytes_max = 256 * 1024 * 1024
    batch_bytes_max = 64 * 1024 * 1024

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    # --- values

    def key(self, text: str) -> str:
        """An id as a parameter."""
        if self.connection.features.has_native_uuid_field:
            return text
        return text.replace("-", "")

    def id_text(self, value: Any) -> str:
        """An id from the driver as canonical text."""
        text = str(value)
        if len(text) == 36:
            return text
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def now(self) -> str:
        """SQL for the present."""
        return now_sql(self.connection)

    def shifted(self, name: str) -> str:
        """SQL for the present plus the parameter `name`, given through `clock()`."""
        raise NotImplementedError

    def clock(self, **microseconds: int | None) -> dict[str, Any]:
        """The parameters for `now()` and for each `shifted()`, in microseconds from now.

        None makes a NULL.
        """
        return dict(microseconds)

    def time(self, value: Any) -> str | None:
        return payload_time(self.connection, value)

    def data_version(self, cursor: Any) -> int | None:
        """A number that changes when another connection commits; None where there is none."""
        return None

    def files(self, cursor: Any) -> list[str]:
        """The files of the database; none where a server keeps it."""
        return []

    # --- conditions

    def ready(self, queue: str, *, suspects: bool) -> str:
        """The condition for rows of `queue` (SQL) that may be claimed now."""
        crashes = "crashes > 0" if suspects else "crashes = 0"
        return (
            f"status = 'READY' AND queue_name = {queue} AND {crashes} AND due_at <= {self.now()} "
            "AND cancel_requested_at IS NULL"
        )

    # --- claim

    def paused(self, cursor: Any) -> dict[str, tuple[Any, Any] | None]:
        """The paused queues, and when each goes on with the present, as the driver gives them.

        None for one that waits for somebody to resume it.
        """
        cursor.execute(
            f"SELECT name, resume_at, {self.now()} FROM corral_queue "
            f"WHERE resume_at IS NULL OR resume_at > {self.now()}",
            self.clock(),
        )
        return {
            name: None if resume_at is None else (resume_at, now)
            for name, resume_at, now in cursor.fetchall()
        }

    def queues_with_ready_jobs(self, cursor: Any) -> list[str]:
        """The names of all queues with READY rows, by one probe of the index each."""
        nth = "SELECT min(queue_name) FROM corral_job WHERE status = 'READY'"
        cursor.execute(
            f"WITH RECURSIVE names(name) AS ({nth} UNION ALL "
            f"SELECT ({nth} AND queue_name > names.name) FROM names WHERE names.name IS NOT NULL) "
            "SELECT name FROM names WHERE name IS NOT NULL"
        )
        return [name for (name,) in cursor.fetchall()]

    def peek(
        self, cursor: Any, queues: Sequence[str], *, suspects: bool, limit: int, shares: Shares
    ) -> dict[str, int]:
        """How many of the next `limit` rows to claim are in which queue.

        One sub-select a queue, so that each reads the first rows of the index and sorts nothing.
        Where it is the turn of several queues, priority decides between them.
        """
        tags = (
            f"{shares.ahead(queue)} + {shares.step(queue)} * row_number() OVER (ORDER BY {ORDER})"
            for queue in queues
        )
        heads = " UNION ALL ".join(
            f"SELECT queue_name, priority, due_at, id, {tag} - {shares.step(queues[n])} AS tag "
            "FROM (SELECT queue_name, priority, due_at, id FROM corral_job "
            f"WHERE {self.ready(f'%(queue{n})s', suspects=suspects)} "
            f"ORDER BY {ORDER} LIMIT %(limit)s) AS head{n}"
            for n, tag in enumerate(tags)
        )
        cursor.execute(
            f"SELECT queue_name FROM ({heads}) AS heads ORDER BY tag, {ORDER} LIMIT %(limit)s",
            {**self.clock(), **_numbered(queues), "limit": limit},
        )
        counts: dict[str, int] = {}
        for (name,) in cursor.fetchall():
            counts[name] = counts.get(name, 0) + 1
        return counts

    def claim(
        self, cursor: Any, queue: str, *, suspects: bool, limit: int, node: str, worker: str
    ) -> list[Claimed]:
        """Make up to `limit` ready rows of one queue RUNNING."""
        raise NotImplementedError

    def earliest_due(
        self, cursor: Any, queues: Sequence[str], *, suspects: bool
    ) -> tuple[Any, Any] | None:
        """The first deferred row's due time and the present, as the driver gives them; or None."""
        # Not min(): MariaDB would read all of the queue's rows to find the least.
        crashes = "crashes > 0" if suspects else "crashes = 0"
        firsts = " UNION ALL ".join(
            f"SELECT due FROM (SELECT due_at AS due FROM corral_job{self.by_deferred} "
            "WHERE status = 'READY' "
            f"AND run_after IS NOT NULL AND {crashes} AND queue_name = %(queue{n})s "
            f"ORDER BY due_at LIMIT 1) AS first{n}"
            for n in range(len(queues))
        )
        cursor.execute(
            f"SELECT min(due), {self.now()} FROM ({firsts}) AS firsts",
            {**self.clock(), **_numbered(queues)},
        )
        due, now = cursor.fetchone()
        return None if due is None else (due, now)

    # --- finish

    def finish(self, cursor: Any, rows: Sequence[Finished]) -> int:
        """Write outcomes whose lease holds; returns how many did."""
        began, ended, retry, prune = map(self.shifted, ("began", "ended", "retry", "prune"))
        cursor.executemany(
            # MySQL assigns from left to right: started_at must look at last_attempted_at before it
            # changes.
            "UPDATE corral_job SET status = %(status)s, "
            f"started_at = CASE WHEN started_at = last_attempted_at THEN {began} "
            f"ELSE started_at END, last_attempted_at = {began}, finished_at = {ended}, "
            f"run_after = coalesce({retry}, run_after), due_at = coalesce({retry}, due_at), "
            f"prune_at = {prune}, "
            "return_value = %(return_value)s, errors = coalesce(%(errors)s, errors), "
            "worker_ids = coalesce(%(worker_ids)s, worker_ids), node = NULL "
            "WHERE id = %(id)s AND lease = %(lease)s AND status = 'RUNNING'",
            [
                {
                    **row._asdict(),
                    **self.clock(
                        began=row.began, ended=row.ended, retry=row.retry, prune=row.prune
                    ),
                    "id": self.key(row.id),
                }
                for row in rows
            ],
        )
        return cursor.rowcount

    # --- prune

    def prune(self, cursor: Any, limit: int) -> int:
        """Delete up to `limit` rows whose time has come; returns how many."""
        over = f"prune_at <= {self.now()}"
        if self.peeks_always:
            cursor.execute(f"SELECT 1 FROM corral_job WHERE {over} LIMIT 1", self.clock())
            if cursor.fetchone() is None:
                return 0
        cursor.execute(
            "DELETE FROM corral_job WHERE id IN (SELECT id FROM corral_job "
            f"WHERE {over} ORDER BY prune_at LIMIT %(limit)s{self.skip_locked})",
            {**self.clock(), "limit": limit},
        )
        return cursor.rowcount


class SqliteDialect(Dialect):
    """SQLite: one writer, so claims look first; the clock is the host's."""

    begin = "BEGIN IMMEDIATE"
    by_deferred = " INDEXED BY corral_job_deferred"  # ANALYZE may lead it to sort all rows instead
    peeks_always = True
    has_clock_of_host = True
    # An expression has no declared type, so the driver leaves a time the text that it is.
    columns = ", ".join(f"{name} || ''" if name in _TIMES else name for name in Claimed._fields)

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self._is_utc = settings.USE_TZ and stored_zone(connection) == UTC

    def shifted(self, name: str) -> str:
        return f"%({name})s"

    def clock(self, **microseconds: int | None) -> dict[str, Any]:
        now = datetime.now(stored_zone(self.connection)).replace(tzinfo=None)
        shifted = {
            name: None if by is None else str(now + timedelta(0, 0, by))
            for name, by in microseconds.items()
        }
        return {"now": str(now), **shifted}

    def time(self, value: Any) -> str | None:
        if value is not None and self._is_utc:
            return f"{value[:10]}T{value[11:]}+00:00"
        return super().time(value)

    def data_version(self, cursor: Any) -> int | None:
        cursor.execute("PRAGMA data_version")
        return cursor.fetchone()[0]

    def files(self, cursor: Any) -> list[str]:
        cursor.execute("PRAGMA database_list")
        path = next(file for _, name, file in cursor.fetchall() if name == "main")
        return [path, f"{path}-wal"]

    def claim(
        self, cursor: Any, queue: str, *, suspects: bool, limit: int, node: str, worker: str
    ) -> list[Claimed]:
        cursor.execute(
            "UPDATE corral_job SET status = 'RUNNING', lease = lease + 1, node = %(node)s, "
            "started_at = coalesce(started_at, %(now)s), last_attempted_at = %(now)s, "
            "worker_ids = CASE worker_ids WHEN '[]' THEN '[' "
            "ELSE substr(worker_ids, 1, length(worker_ids) - 1) || ',' END || %(worker)s || ']' "
            "WHERE id IN (SELECT id FROM corral_job "
            f"WHERE {self.ready('%(queue)s', suspects=suspects)} ORDER BY {ORDER} LIMIT %(limit)s) "
            f"RETURNING {self.columns}",
            {
                **self.clock(),
                "queue": queue,
                "limit": limit,
                "node": self.key(node),
                "worker": dumps(worker),
            },
        )
        return [_claimed(self, row) for row in cursor.fetchall()]

    def mend_due_times(self, cursor: Any) -> None:
        """Make plain jobs due that are due in the future, which no program means."""
        ahead = "status = 'READY' AND run_after IS NULL AND due_at > %(now)s"
        cursor.execute(f"SELECT 1 FROM corral_job WHERE {ahead} LIMIT 1", self.clock())
        if cursor.fetchone() is not None:
            cursor.execute(f"UPDATE corral_job SET due_at = %(now)s WHERE {ahead}", self.clock())


class PostgresDialect(Dialect):
    """PostgreSQL: one statement for a batch, claims skip what others hold."""

    skip_locked = " FOR UPDATE SKIP LOCKED"

    @property
    def columns(self) -> str:  # type: ignore[override]
        shown = {name: self._time_text(name) for name in _TIMES} | {"id": "job.id::text"}
        return ", ".join(shown.get(name, name) for name in Claimed._fields)

    def shifted(self, name: str) -> str:
        return f"statement_timestamp() + %({name})s * interval '1 microsecond'"

    def time(self, value: Any) -> str | None:
        return value  # _time_text() made it what the payload wants

    def claim(
        self, cursor: Any, queue: str, *, suspects: bool, limit: int, node: str, worker: str
    ) -> list[Claimed]:
        # A CTE, because a plain sub-select with LIMIT may be run again by a nested loop and claim
        # more than asked.
        cursor.execute(
            "WITH ready AS MATERIALIZED (SELECT id FROM corral_job "
            f"WHERE {self.ready('%(queue)s', suspects=suspects)} "
            f"ORDER BY {ORDER} LIMIT %(limit)s FOR UPDATE SKIP LOCKED) "
            "UPDATE corral_job AS job SET status = 'RUNNING', lease = lease + 1, "
            "node = %(node)s::uuid, started_at = coalesce(started_at, statement_timestamp()), "
            "last_attempted_at = statement_timestamp(), "
            "worker_ids = CASE worker_ids WHEN '[]' THEN '[' "
            "ELSE left(worker_ids, -1) || ',' END || %(worker)s || ']' "
            f"FROM ready WHERE job.id = ready.id RETURNING {self.columns}",
            {"queue": queue, "limit": limit, "node": node, "worker": dumps(worker)},
        )
        return [_claimed(self, row) for row in cursor.fetchall()]

    def finish(self, cursor: Any, rows: Sequence[Finished]) -> int:
        types = ("uuid", "bigint", "text", *["bigint"] * 4, "text", "text", "text")
        arrays = ", ".join(
            f"%({name})s::{kind}[]" for name, kind in zip(Finished._fields, types, strict=True)
        )
        cursor.execute(
            "UPDATE corral_job AS job SET status = done.status, "
            "started_at = CASE WHEN started_at = last_attempted_at "
            f"THEN {self._shifted_column('began')} ELSE started_at END, "
            f"last_attempted_at = {self._shifted_column('began')}, "
            f"finished_at = {self._shifted_column('ended')}, "
            f"run_after = coalesce({self._shifted_column('retry')}, job.run_after), "
            f"due_at = coalesce({self._shifted_column('retry')}, job.due_at), "
            f"prune_at = {self._shifted_column('prune')}, "
            "return_value = done.return_value, errors = coalesce(done.errors, job.errors), "
            "worker_ids = coalesce(done.worker_ids, job.worker_ids), node = NULL "
            f"FROM unnest({arrays}) AS done({', '.join(Finished._fields)}) "
            "WHERE job.id = done.id AND job.lease = done.lease AND job.status = 'RUNNING'",
            {name: [getattr(row, name) for row in rows] for name in Finished._fields},
        )
        return cursor.rowcount

    def _shifted_column(self, name: str) -> str:
        return f"statement_timestamp() + done.{name} * interval '1 microsecond'"

    def _time_text(self, column: str) -> str:
        # Text made by the server: the pure Python driver takes longer to read a time than the
        # server to write it.
        form = "'YYYY-MM-DD\"T\"HH24:MI:SS.US'"
        if settings.USE_TZ:
            return f"to_char({column} AT TIME ZONE 'UTC', {form}) || '+00:00'"
        return f"to_char({column}, {form})"


class MysqlDialect(Dialect):
    """MariaDB and MySQL: UPDATE returns nothing, so select for update, then update."""

    begin = "START TRANSACTION"

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@max_allowed_packet")
            packet_bytes_max = int(cursor.fetchone()[0])
        # The driver doubles every quote and backslash of a text.
        self.row_bytes_max = self.batch_bytes_max = max(packet_bytes_max // 2 - 4096, 4096)

    def shifted(self, name: str) -> str:
        return f"date_add({self.now()}, INTERVAL %({name})s MICROSECOND)"

    def claim(
        self, cursor: Any, queue: str, *, suspects: bool, limit: int, node: str, worker: str
    ) -> list[Claimed]:
        cursor.execute(
            f"SELECT {self.columns} FROM corral_job "
            f"WHERE {self.ready('%(queue)s', suspects=suspects)} "
            f"ORDER BY {ORDER} LIMIT %(limit)s FOR UPDATE SKIP LOCKED",
            {"queue": queue, "limit": limit},
        )
        rows = [Claimed._make(row) for row in cursor.fetchall()]
        if not rows:
            return []
        label = dumps(worker)
        cursor.execute(
            "UPDATE corral_job SET status = 'RUNNING', lease = lease + 1, node = %(node)s, "
            f"started_at = coalesce(started_at, {self.now()}), last_attempted_at = {self.now()}, "
            "worker_ids = concat(CASE worker_ids WHEN '[]' THEN '[' ELSE "
            "concat(left(worker_ids, char_length(worker_ids) - 1), ',') END, %(worker)s, ']') "
            f"WHERE id IN ({', '.join(f'%(id{n})s' for n in range(len(rows)))})",
            {
                "node": self.key(node),
                "worker": label,
                **{f"id{n}": self.key(self.id_text(row.id)) for n, row in enumerate(rows)},
            },
        )
        return [_claimed(self, _after_claim(row, label)) for row in rows]

    def queues_with_ready_jobs(self, cursor: Any) -> list[str]:
        # One by one: in a recursive query each probe would read all rows behind a name.
        names: list[str] = []
        while True:
            behind = "AND queue_name > %(last)s " if names else ""
            cursor.execute(
                f"SELECT queue_name FROM corral_job WHERE status = 'READY' {behind}"
                "ORDER BY queue_name LIMIT 1",
                {"last": names[-1]} if names else {},
            )
            if (row := cursor.fetchone()) is None or row[0] is None:
                return names
            names.append(row[0])

    def prune(self, cursor: Any, limit: int) -> int:
        # No LIMIT in a sub-select of IN here, but in the DELETE itself.
        cursor.execute(
            f"DELETE FROM corral_job WHERE prune_at <= {self.now()} "
            "ORDER BY prune_at LIMIT %(limit)s",
            {"limit": limit},
        )
        return cursor.rowcount


DIALECTS: dict[str, type[Dialect]] = {
    "sqlite": SqliteDialect,
    "postgresql": PostgresDialect,
    "mysql": MysqlDialect,
}


def _numbered(queues: Sequence[str]) -> dict[str, str]:
    return {f"queue{n}": queue for n, queue in enumerate(queues)}


def _after_claim(row: Claimed, label: str) -> Claimed:
    workers = f"[{label}]" if row.worker_ids == "[]" else f"{row.worker_ids[:-1]},{label}]"
    return row._replace(lease=row.lease + 1, worker_ids=workers)


def _claimed(dialect: Dialect, row: Sequence[Any]) -> Claimed:
    """A row as the driver gives it, in the form the payload wants."""
    priority, due_at, key, lease, queue, crashes, task, backend, after, enqueued, began, *rest = row
    return Claimed(
        priority,
        dialect.time(due_at),
        dialect.id_text(key),
        lease,
        queue,
        crashes,
        task,
        backend,
        dialect.time(after),
        dialect.time(enqueued),
        dialect.time(began),
        *rest,
    )
