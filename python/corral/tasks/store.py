"""Where the keeper claims and finishes jobs: Django's connection, without apps and models.

Lives in the keeper's own lean interpreter, on one thread. Any database error propagates: the keeper
pauses and calls `open()` again, which reconnects. Every write is guarded by id and lease, so
repeating a call loses and doubles nothing.
"""

from __future__ import annotations

import copy
import json
import math
import os
import pickle
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from . import machine, records
from .names import MAX_CRASHES_DEFAULT
from .shares import Shares
from .witness import PARTS, RENEW_PARTS, VALID_PARTS, Witness

# A deferred row that is due but was not claimed: it became due between two statements, or another
# node holds it.
_RECHECK_MS = 5
_CLOCK_JUMP_S = 0.5

# id, lease, queue, crashes, payload, at_most_once
Job = tuple[str, int, str, int, bytes, bool]
Outcome = tuple[str, int, bool, bytes]  # id, lease, successful, result


def open_store(store_config: bytes, node: str) -> Store:
    """The store that `worker.load` described; it connects in `open()`.

    `node` is JSON: incarnation (a UUID), host, pid, lease_ms.
    """
    config = pickle.loads(store_config)
    _configure_django(config)
    return Store(config, json.loads(node))


def _configure_django(config: dict[str, Any]) -> None:
    from django.apps import apps
    from django.conf import settings

    if not settings.configured:
        settings.configure(
            DATABASES={"default": copy.deepcopy(config["database"])},
            USE_TZ=config["use_tz"],
            TIME_ZONE=config["time_zone"],
            DEBUG=False,
        )
        # No apps: but Django warns of queries made before it knows that.
        apps.populate(())
    if config["vendor"] == "mysql":
        _find_mysql_driver()


def _find_mysql_driver() -> None:
    """Let PyMySQL, where it is installed, stand in for mysqlclient, which refuses interpreters."""
    try:
        import MySQLdb  # noqa: F401
    except ImportError:
        with suppress(ImportError):
            import pymysql

            pymysql.install_as_MySQLdb()


class Store:
    """The jobs of one database, as one node sees them. One thread, one call at a time."""

    def __init__(self, config: dict[str, Any], node: dict[str, Any]) -> None:
        self._database: dict[str, Any] = config["database"]
        self._queues: list[str] | None = config["queues"]
        self._shares = Shares(config["weights"])
        self._max_crashes: dict[str, int] = config["max_crashes"]
        self._failed_retention: dict[str, float | None] = config["failed_retention"]
        self._incarnation: str = node["incarnation"]
        self._host: str = node["host"]
        self._pid: int = node["pid"]
        lease_s = node["lease_ms"] / 1000
        self._part_s = lease_s / PARTS
        self._lease_s = lease_s
        self._renew_at_s = 0.0  # of time.monotonic()
        self._clock_lead_s = math.inf  # of the host's clock before time.monotonic()
        self._mend_until_s = 0.0  # of time.monotonic()
        self.witness = Witness(lease_s)
        self._worker = f"{self._host}:{self._pid}"
        self._connection: Any = None
        self._dialect: Any = None
        self._seen_version: int | None = None
        # What the keeper learnt of: claimed, neither finished nor released since.
        self._held: set[tuple[str, int]] = set()

    # --- life

    def open(self) -> int:
        """(Re)connect, register this node, rescue what dead nodes left; returns how many.

        Also gives back rows that are RUNNING here without the keeper having learnt of it, because
        the answer of their claim was lost with the connection.
        """
        from .sql import DIALECTS

        self._disconnect()
        self.witness.forget()
        self._renew_at_s = 0.0
        self._clock_lead_s = math.inf  # it may have been set back since rows were written
        self._connection = self._connect()
        self._connection.ensure_connection()
        self._dialect = DIALECTS[self._connection.vendor](self._connection)
        rescued = self.beat()
        self._give_back_undelivered()
        return rescued

    def beat(self) -> int:
        """Look after the nodes: renew this one's lease when it is time, rescue what dead ones left.

        Called once in each of the lease's `witness.PARTS`; returns how many jobs were rescued.
        """
        from .rescue import bury_dead_nodes, rescue

        with self._connection.cursor() as cursor:
            self._mend_due_times(cursor)
            is_registered = bury_dead_nodes(self, cursor)
            if not is_registered or time.monotonic() >= self._renew_at_s:
                self._renew(cursor)
                # Looks are a part apart, but not exactly: not one look later than meant.
                self._renew_at_s = time.monotonic() + self._part_s * (RENEW_PARTS - 0.5)
            return rescue(self, cursor)

    def _mend_due_times(self, cursor: Any) -> None:
        """Where the host's clock was set back, jobs that wait for no time do not wait for it."""
        if not self._dialect.has_clock_of_host:
            return
        lead_s = time.time() - time.monotonic()
        if lead_s < self._clock_lead_s - _CLOCK_JUMP_S:
            # For a while: who enqueues may have read the clock before.
            self._mend_until_s = time.monotonic() + self._lease_s
        self._clock_lead_s = lead_s
        if time.monotonic() < self._mend_until_s:
            self._dialect.mend_due_times(cursor)

    def changed(self) -> bool:
        """True when there may be jobs to claim that no wake announced: other programs wrote them.

        SQLite tells that another connection committed since the last claim; other databases are
        asked whether a job waits.
        """
        with self._connection.cursor() as cursor:
            version = self._dialect.data_version(cursor)
            if version is not None:
                return version != self._seen_version
            queues, _ = self._open_queues(cursor)
            return bool(queues and self._divide(cursor, queues, suspects=False, limit=1))

    def next_tick_ms(self) -> int:
        """Milliseconds until the next tick of a schedule, 0 when due, -1 when none is planned."""
        from .schedule_sql import next_tick_ms

        with self._connection.cursor() as cursor:
            return next_tick_ms(self._connection, cursor)

    def files(self) -> list[bytes]:
        """The files that are written to when another program commits; none for a server."""
        with self._connection.cursor() as cursor:
            return [os.fsencode(name) for name in self._dialect.files(cursor)]

    def close(self) -> None:
        """Remove this node and disconnect. The next node that looks rescues what it still holds."""
        from django.db import Error

        if self._dialect is not None:
            # Where that fails the end of its lease time removes it.
            with suppress(Error), self._connection.cursor() as cursor:
                cursor.execute(
                    "DELETE FROM corral_node WHERE incarnation = %(incarnation)s",
                    {"incarnation": self._dialect.key(self._incarnation)},
                )
        self._disconnect()

    def _give_back_undelivered(self) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, lease FROM corral_job WHERE status = 'RUNNING' AND node = %(node)s",
                {"node": self._dialect.key(self._incarnation)},
            )
            ours = {(self._dialect.id_text(key), lease) for key, lease in cursor.fetchall()}
        if lost := ours - self._held:
            self.release(lost)

    # --- claim

    def claim(self, limit: int, suspects: bool) -> tuple[list[Job], int]:
        """Up to `limit` ready jobs in order, and the ms until the first deferred one is due (-1).

        Each queue gets its share of `limit`; what one does not need goes to the others. `suspects`
        False leaves out jobs whose process died under them; True takes one of those and nothing
        else.
        """
        limit = min(limit, 1) if suspects else limit
        with self._connection.cursor() as cursor:
            if not suspects:
                # Read before the rows: a commit in between is then seen by changed(). A look for
                # suspects does not see the others' rows, so it must not take the news of them.
                self._seen_version = self._dialect.data_version(cursor)
            queues, resumptions = self._open_queues(cursor)
            rows = self._claim_rows(cursor, queues, limit, suspects) if limit and queues else []
            # A full batch is followed by another claim before the keeper sleeps.
            wait_ms = -1
            if len(rows) < limit or not limit:
                wait_ms = self._wait_ms(cursor, queues, resumptions, suspects)
        rows.sort(key=lambda row: (-row.priority, row.due_at, row.id))
        self._held.update((row.id, row.lease) for row in rows)
        return [_job(row) for row in rows], wait_ms

    def _claim_rows(
        self, cursor: Any, queues: Sequence[str], limit: int, suspects: bool
    ) -> list[Any]:
        shares = {queues[0]: limit}
        if len(queues) > 1 or self._dialect.peeks_always:
            shares = self._divide(cursor, queues, suspects=suspects, limit=limit)
        if not shares:
            return []
        rows = []
        with self.transaction(cursor):
            for queue, share in shares.items():
                rows += self._dialect.claim(
                    cursor,
                    queue,
                    suspects=suspects,
                    limit=share,
                    node=self._incarnation,
                    worker=self._worker,
                )
        self._shares.note([row.queue_name for row in rows])
        return rows

    def _divide(self, cursor: Any, queues: Sequence[str], **which: Any) -> dict[str, int]:
        return self._dialect.peek(cursor, queues, **which, shares=self._shares)

    def _open_queues(self, cursor: Any) -> tuple[list[str], list[tuple[Any, Any]]]:
        """The queues to claim from, and when paused ones go on, each with the present."""
        queues = self._queues
        if queues is None:
            queues = self._dialect.queues_with_ready_jobs(cursor)
        if not queues:
            return [], []
        paused = self._dialect.paused(cursor)
        resumptions = [when for name in queues if (when := paused.get(name)) is not None]
        return [name for name in queues if name not in paused], resumptions

    def _wait_ms(
        self,
        cursor: Any,
        queues: Sequence[str],
        resumptions: Sequence[tuple[Any, Any]],
        suspects: bool,
    ) -> int:
        found = [*resumptions]
        if queues and (due := self._dialect.earliest_due(cursor, queues, suspects=suspects)):
            found.append(due)
        return min((_span_ms(*when) for when in found), default=-1)

    # --- finish and release

    def finish(self, outcomes: Sequence[Outcome]) -> int:
        """Write outcomes; returns how many were late: their lease had passed on."""
        rows = [self._finished(outcome) for outcome in outcomes]
        written = sum(self._write(batch) for batch in self._batches(rows))
        self._held.difference_update((key, lease) for key, lease, *_ in outcomes)
        return len(rows) - written

    def release(self, jobs: Iterable[tuple[str, int]]) -> None:
        """Give claimed jobs back as if never claimed."""
        jobs = list(jobs)
        with self._connection.cursor() as cursor, self.transaction(cursor):
            for key, lease in jobs:
                self._release(cursor, {"id": self._dialect.key(key), "lease": lease})
        self._held.difference_update(jobs)

    def _release(self, cursor: Any, which: dict[str, Any]) -> None:
        guard = "WHERE id = %(id)s AND lease = %(lease)s AND status = 'RUNNING'"
        cursor.execute(f"SELECT worker_ids FROM corral_job {guard}", which)
        if (row := cursor.fetchone()) is None:
            return
        workers = records.loads(row[0])[:-1]
        never = "" if workers else "started_at = NULL, last_attempted_at = NULL, "
        cursor.execute(
            f"UPDATE corral_job SET status = 'READY', lease = lease + 1, node = NULL, {never}"
            f"worker_ids = %(worker_ids)s {guard}",
            {**which, "worker_ids": records.dumps(workers)},
        )

    def _finished(self, outcome: Outcome) -> Any:
        from .sql import Finished

        key, lease, successful, result = outcome
        try:
            record = records.parse(result)
        except ValueError:
            record = None
        if not records.is_outcome(record):
            # Not from the runner: the engine speaks for an attempt that gave no answer.
            message = bytes(result).decode("utf-8", "replace") or "the attempt gave no answer"
            entry = records.plain_error(records.TASK_EXECUTION_ERROR, message)
            record = {"began": (now := time.monotonic_ns()), "ended": now, "error": entry}
            successful = False
        errors = record.get("errors")
        if (entry := record.get("error")) is not None:
            errors = self._errors_with(key, entry)
        now = time.monotonic_ns()
        ended = min((record["ended"] - now) // 1000, 0)
        retry = record.get("retry_in")
        is_over = retry is None
        return Finished(
            key,
            lease,
            "READY" if not is_over else "SUCCESSFUL" if successful else "FAILED",
            min((record["began"] - now) // 1000, 0),
            ended if is_over else None,
            retry,
            self._prune_in(key, record, ended) if is_over else None,
            record.get("return_value"),
            errors,
            record.get("worker_ids"),
        )

    def _prune_in(self, key: str, record: dict[str, Any], ended: int) -> int | None:
        if "retention" in record:
            retention = record["retention"]
        else:
            retention = self.failed_retention(self._column(key, "backend_name") or "")
        return None if retention is None else ended + int(retention * 1_000_000)

    def _errors_with(self, key: str, entry: dict[str, str]) -> str:
        errors = self._column(key, "errors")
        return records.dumps(records.with_error(records.loads(errors) if errors else [], entry))

    def _column(self, key: str, name: str) -> str | None:
        with self._connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {name} FROM corral_job WHERE id = %(id)s", {"id": self._dialect.key(key)}
            )
            row = cursor.fetchone()
        return row[0] if row else None

    def _batches(self, rows: list[Any]) -> Iterator[list[Any]]:
        """`rows` in pieces the database takes in one statement."""
        batch: list[Any] = []
        size = 0
        for row in rows:
            if row.size() > self._dialect.row_bytes_max:
                limit = self._dialect.row_bytes_max
                row = self._refused(row, f"it has {row.size()} bytes, the database takes {limit}")
            if batch and size + row.size() > self._dialect.batch_bytes_max:
                yield batch
                batch, size = [], 0
            batch.append(row)
            size += row.size()
        if batch:
            yield batch

    def _write(self, rows: list[Any]) -> int:
        """Write a batch in one transaction; a refused row does not hold up the others."""
        from django.db import DataError, IntegrityError

        try:
            return self._write_once(rows)
        except (DataError, IntegrityError) as error:
            if len(rows) == 1:
                return self._write_once([self._refused(rows[0], str(error))])
        return sum(self._write([row]) for row in rows)

    def _write_once(self, rows: list[Any]) -> int:
        with self._connection.cursor() as cursor, self.transaction(cursor):
            return self._dialect.finish(cursor, rows)

    def _refused(self, row: Any, reason: str) -> Any:
        entry = records.plain_error(
            records.TASK_EXECUTION_ERROR, f"the outcome could not be stored: {reason}"
        )
        errors = self._errors_with(row.id, entry)
        prune = self._prune_in(row.id, {}, row.ended or 0)
        return row._replace(
            status="FAILED",
            ended=row.ended or 0,
            retry=None,
            prune=prune,
            return_value=None,
            errors=errors,
            worker_ids=None,
        )

    # --- cancel

    def cancelled(self) -> list[tuple[str, int]]:
        """End the cancelled jobs that wait; returns (id, lease) of those that this node runs."""
        from .cancelled import cancelled

        with self._connection.cursor() as cursor:
            return cancelled(self, cursor)

    # --- prune

    def prune(self, limit: int) -> int:
        """Delete up to `limit` finished jobs whose retention is over; returns how many."""
        with self._connection.cursor() as cursor:
            return self._dialect.prune(cursor, limit)

    # --- shared with rescue.py

    @contextmanager
    def transaction(self, cursor: Any) -> Iterator[None]:
        """One transaction, spelled out: `atomic()` defers on SQLite, costs round trips on MySQL."""
        cursor.execute(self._dialect.begin)
        try:
            yield
        except BaseException:
            self._roll_back(cursor)
            raise
        cursor.execute("COMMIT")

    def max_crashes(self, backend_name: str) -> int:
        """After how many deaths of its process a job of this backend fails."""
        return self._max_crashes.get(backend_name, MAX_CRASHES_DEFAULT)

    def failed_retention(self, backend_name: str) -> float | None:
        """How many seconds a failed job of this backend is kept whose task was not asked."""
        return self._failed_retention.get(backend_name)

    @property
    def dialect(self) -> Any:
        return self._dialect

    @property
    def incarnation(self) -> str:
        return self._incarnation

    # --- the connection

    def _connect(self) -> Any:
        from django.db.utils import ConnectionHandler

        return ConnectionHandler({"default": copy.deepcopy(self._database)})["default"]

    def _disconnect(self) -> None:
        from django.db import Error

        connection, self._connection, self._dialect = self._connection, None, None
        if connection is not None:
            with suppress(Error):  # broken already
                connection.close()

    def _roll_back(self, cursor: Any) -> None:
        from django.db import Error

        with suppress(Error):  # the connection is gone, and the transaction with it
            cursor.execute("ROLLBACK")

    def _renew(self, cursor: Any) -> None:
        dialect = self._dialect
        values = {
            **dialect.clock(expiry=int(self._part_s * VALID_PARTS * 1_000_000)),
            "incarnation": dialect.key(self._incarnation),
        }
        expiry = dialect.shifted("expiry")
        cursor.execute(
            f"UPDATE corral_node SET expires_at = {expiry} WHERE incarnation = %(incarnation)s",
            values,
        )
        if cursor.rowcount:
            return
        cursor.execute(
            "INSERT INTO corral_node (incarnation, host, pid, machine, process_started, "
            "started_at, expires_at) VALUES (%(incarnation)s, %(host)s, %(pid)s, %(machine)s, "
            f"%(process_started)s, {dialect.now()}, {expiry})",
            {
                **values,
                "host": self._host,
                "pid": self._pid,
                "machine": machine.machine(),
                "process_started": _process_started(self._pid),
            },
        )


def _span_ms(due: Any, now: Any) -> int:
    """From `now` until `due`, as the driver gives them; above 0."""
    due, now = (datetime.fromisoformat(t) if isinstance(t, str) else t for t in (due, now))
    wait = math.ceil((due - now) / timedelta(milliseconds=1))
    return wait if wait > 0 else _RECHECK_MS


def _process_started(pid: int) -> int | None:
    try:
        return machine.process_started(pid)
    except OSError:
        return None


def _job(row: Any) -> Job:
    payload = _payload(row)
    return row.id, row.lease, row.queue_name, row.crashes, payload, bool(row.at_most_once)


def _payload(row: Any) -> bytes:
    """What the runner needs, as JSON around the JSON texts of the row."""
    return (
        f'{{"id":"{row.id}","task":{quoted(row.task_path)},"backend":{quoted(row.backend_name)},'
        f'"queue":{quoted(row.queue_name)},"priority":{row.priority},"crashes":{row.crashes},'
        f'"run_after":{_time(row.run_after)},"enqueued_at":{_time(row.enqueued_at)},'
        f'"started_at":{_time(row.started_at)},"args":{row.args},"kwargs":{row.kwargs},'
        f'"errors":{row.errors},"worker_ids":{row.worker_ids},"options":{row.options}}}'
    ).encode("ascii")


def _time(text: str | None) -> str:
    return "null" if text is None else f'"{text}"'
