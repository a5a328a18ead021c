"""The site `site_tasks` with a database and a folder of its own, for one test or several."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest

from harness import Corral, eventually

HERE = Path(__file__).parent
APP = "site_tasks.wsgi:application"
SETTINGS = "site_tasks.settings"
POSTGRES = {"host": "127.0.0.1", "port": 5432, "user": "postgres"}
FINISHED = ("SUCCESSFUL", "FAILED")

Row = dict[str, Any]


class Database:
    """A migrated database: `django` is its entry in DATABASES."""

    django: dict[str, Any]

    def rows(self, query: str) -> list[Row]:
        """The answer to a query, with the names of its columns."""
        raise NotImplementedError


class SqliteDatabase(Database):
    """A file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.django = {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(path),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            },
        }

    def copy(self, folder: Path) -> SqliteDatabase:
        """One like this, as it stands."""
        path = folder / "site.sqlite3"
        shutil.copy(self._path, path)
        return SqliteDatabase(path)

    def rows(self, query: str) -> list[Row]:
        connection = sqlite3.connect(self._path, timeout=20)
        try:
            cursor = connection.execute(query)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]
        finally:
            connection.close()


class PostgresDatabase(Database):
    """One of the server's on this machine."""

    def __init__(self) -> None:
        self._name = f"corral_test_{uuid.uuid4().hex[:12]}"
        self._server(f"CREATE DATABASE {self._name}")
        self.django = {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": self._name,
            **{name.upper(): str(value) for name, value in POSTGRES.items()},
        }

        self._connection: psycopg.Connection[Any] | None = None

    def _server(self, statement: str) -> None:
        with psycopg.connect(
            **POSTGRES, dbname="postgres", autocommit=True, connect_timeout=5
        ) as it:
            it.execute(statement)

    def _execute(self, statement: str) -> psycopg.Cursor[Any]:
        if self._connection is None:
            self._connection = psycopg.connect(**POSTGRES, dbname=self._name, autocommit=True)
        return self._connection.execute(statement)

    def rows(self, query: str) -> list[Row]:
        cursor = self._execute(query)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def clear(self) -> None:
        """Empties it for the next test: to make and drop a database takes seconds."""
        self._execute("TRUNCATE corral_job, corral_node, corral_queue, corral_schedule")

    def drop(self) -> None:
        """Removes it from the server."""
        if self._connection is not None:
            self._connection.close()
        self._server(f"DROP DATABASE {self._name} WITH (FORCE)")


class TaskSite:
    """The site. Its rows are read past Django, its notes and gates are files in its folder."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = database
        self.env = {
            "SITE_FOLDER": str(folder),
            "SITE_DATABASE": json.dumps(database.django),
        }

    # --- programs

    def serve(self, *options: str, env: dict[str, str] | None = None, **more: Any) -> Corral:
        """`corral serve` of the site."""
        options = (f"--settings={SETTINGS}", *options)
        return Corral(APP, HERE, options=options, env=self.env | (env or {}), **more)

    def work(self, *options: str) -> Corral:
        """`corral work` of the site."""
        options = (f"--settings={SETTINGS}", *options)
        return Corral(None, HERE, command="work", options=options, env=self.env)

    def manage(self, *arguments: str, **env: str) -> str:
        """`manage.py ARGUMENTS`: a program that knows nothing of a server; returns its output."""
        return self._run([sys.executable, "-m", "django", *arguments], env)

    def enqueue_outside(self, task: str, *args: Any, **env: str) -> str:
        """A job enqueued by a program of its own."""
        code = (
            "import django, json, sys; django.setup(); from site_tasks import tasks; "
            "name, args = json.loads(sys.argv[1]); print(getattr(tasks, name).enqueue(*args).id)"
        )
        return self._run([sys.executable, "-c", code, json.dumps([task, args])], env).strip()

    def python(self, code: str, *arguments: str) -> str:
        """Runs `code` in a program of its own; returns what it prints."""
        return self._run([sys.executable, "-c", code, *arguments], {}).strip()

    def _run(self, command: Sequence[str], env: dict[str, str]) -> str:
        done = subprocess.run(
            command, cwd=HERE, capture_output=True, text=True, timeout=60,
            env=os.environ | self.env | {"DJANGO_SETTINGS_MODULE": SETTINGS} | env,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    # --- jobs

    def enqueue(self, server: Corral, task: str, *args: Any, **query: Any) -> str:
        """A job enqueued by a view; returns its id."""
        (key,) = self.enqueue_each(server, [task], *args, **query)
        return key

    def enqueue_each(
        self, server: Corral, tasks: Sequence[str], *args: Any, **query: Any
    ) -> list[str]:
        """Jobs enqueued by one request, all with the same arguments."""
        text = urlencode({"task": tasks, "args": json.dumps(args), **query}, doseq=True)
        response = server.get(f"/enqueue?{text}")
        assert response.status == 200, response.text
        return json.loads(response.text)["ids"]

    def enqueue_many(self, server: Corral, jobs: Sequence[Sequence[Any]]) -> list[str]:
        """Jobs enqueued in one transaction: (task, argument, ...) each."""
        response = server.get("/many", method="POST", body=json.dumps(jobs).encode())
        assert response.status == 200, response.text
        return json.loads(response.text)["ids"]

    def jobs(self) -> dict[str, Row]:
        """Every row, by its id; what is stored as JSON is parsed."""
        rows = {}
        for row in self.database.rows("SELECT * FROM corral_job ORDER BY id"):
            for name in ("errors", "worker_ids", "return_value", "args"):
                row[name] = None if row[name] is None else json.loads(row[name])
            rows[str(uuid.UUID(str(row["id"])))] = row
        return rows

    def job(self, key: str) -> Row:
        """The row of this job."""
        return self.jobs()[key]

    def statuses(self) -> Counter[str]:
        """How many jobs stand how."""
        query = "SELECT status, count(*) AS jobs FROM corral_job GROUP BY status"
        return Counter({row["status"]: row["jobs"] for row in self.database.rows(query)})

    def running_under(self) -> list[tuple[str, str]]:
        """The node, as text, of each RUNNING job."""
        query = "SELECT id, node FROM corral_job WHERE status = 'RUNNING'"
        return [(str(row["id"]), str(row["node"])) for row in self.database.rows(query)]

    def nodes(self) -> list[Row]:
        """The rows of the nodes that run."""
        return self.database.rows("SELECT * FROM corral_node")

    def wait_finished(self, *keys: str) -> list[Row]:
        """Waits until these jobs are over, well or not; returns their rows."""
        found: dict[str, Row] = {}

        def are_finished() -> bool:
            found.update(self.jobs())
            return all(found[key]["status"] in FINISHED for key in keys)

        try:
            eventually(are_finished, "the end of the jobs")
        except AssertionError as error:
            raise AssertionError(f"{error}: {[found[key] for key in keys]}") from None
        return [found[key] for key in keys]

    def wait_all_finished(self, count: int) -> Counter[str]:
        """Waits until so many jobs are over, however they ended."""

        def finished() -> int:
            statuses = self.statuses()
            return sum(statuses[status] for status in FINISHED)

        eventually(lambda: finished() >= count, f"the end of {count} jobs", wait_s=120)
        return self.statuses()

    def result(self, server: Corral, key: str) -> dict[str, Any]:
        """The result as the site tells it."""
        response = server.get(f"/result?id={key}")
        assert response.status == 200, response.text
        return json.loads(response.text)

    # --- notes and gates

    def notes(self) -> list[str]:
        """What tasks, views and commands have noted so far."""
        path = self.folder / "notes"
        return path.read_text().splitlines() if path.exists() else []

    def wait_note(self, text: str, times: int = 1) -> None:
        """Waits until this has been noted so many times."""
        eventually(lambda: self.notes().count(text) >= times, f"the note {text!r} {times} times")

    def make_gate(self, name: str) -> str:
        """A gate for `wait`, closed."""
        os.mkfifo(self.folder / name)
        return name

    def open_gate(self, name: str) -> None:
        """Lets those pass who wait at the gate now; somebody must."""
        os.close(os.open(self.folder / name, os.O_WRONLY))


type MakeSite = Callable[..., TaskSite]


class Databases:
    """Migrated databases for sites: copies of one SQLite file, PostgreSQL's one after another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sqlite: SqliteDatabase | None = None
        self._made: list[PostgresDatabase] = []
        self._free: list[PostgresDatabase] = []

    def take(self, vendor: str, folder: Path) -> Database:
        """A database without rows. Skips the test where there is no server; fails it in CI."""
        if vendor == "sqlite":
            if self._sqlite is None:
                self._sqlite = self._migrate(SqliteDatabase(self._folder / "site.sqlite3"))
            return self._sqlite.copy(folder)
        if not self._free:
            self._free.append(self._migrate(self._make_postgres()))
        return self._free.pop()

    def put_back(self, database: Database) -> None:
        """The test is done with it."""
        if isinstance(database, PostgresDatabase):
            database.clear()
            self._free.append(database)

    def close(self) -> None:
        """Removes what is not in the folder."""
        for database in self._made:
            database.drop()

    def _make_postgres(self) -> PostgresDatabase:
        try:
            database = PostgresDatabase()
        except psycopg.OperationalError as error:
            if os.environ.get("CI") == "true":
                pytest.fail(f"PostgreSQL is not there: {error}")
            pytest.skip(f"PostgreSQL is not there: {error}")
        self._made.append(database)
        return database

    def _migrate[Kind: Database](self, database: Kind) -> Kind:
        TaskSite(self._folder, database).manage("migrate", "--verbosity=0")
        return database
