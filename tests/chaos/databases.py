"""The databases that are harmed: a server and a disk of their own, so that nobody else suffers."""

import contextlib
import os
import pwd
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

Row = dict[str, Any]

DISK_BYTES = 64 * 1024 * 1024
BUSY_S = 0.5  # how long a statement waits for SQLite's lock: less than the harm lasts
SERVER_USER = "postgres"  # runs the server when the tests run as root, which it refuses to be


class Unavailable(Exception):
    """What the machine lacks for this database."""


class Database:
    """A database in `folder`. `django` is its entry in DATABASES."""

    vendor: str
    django: dict[str, Any]

    def rows(self, query: str) -> list[Row]:
        """The answer to a query past Django. Raises what the driver raises."""
        raise NotImplementedError

    def close(self) -> None:
        """Removes it."""


class Sqlite(Database):
    """A file on a small disk in memory, where one may be mounted; else in the folder."""

    vendor = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.disk = folder / "disk"
        self.disk.mkdir()
        size = f"size={DISK_BYTES}"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", size, "corral-chaos", str(self.disk)],
            capture_output=True, text=True,
        )  # fmt: skip
        self.why_not_full = mounted.stderr.strip()  # empty: the disk can be filled
        self.path = self.disk / "site.sqlite3"
        self.django = {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(self.path),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": BUSY_S,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            },
        }

    def connect(self) -> sqlite3.Connection:
        """A connection in autocommit."""
        return sqlite3.connect(self.path, timeout=20, isolation_level=None)

    def rows(self, query: str) -> list[Row]:
        with contextlib.closing(self.connect()) as connection:
            cursor = connection.execute(query)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def close(self) -> None:
        if not self.why_not_full:
            subprocess.run(["umount", "--lazy", str(self.disk)], check=True)


class Postgres(Database):
    """A cluster of its own, reached through a socket in the folder."""

    vendor = "postgresql"

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "cluster"
        self._folder.mkdir()
        self._sockets = folder / "sockets"  # not in the cluster, where only the server may go
        self._sockets.mkdir()
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam(SERVER_USER)
            for path in (self._folder, self._sockets):
                os.chown(path, user.pw_uid, user.pw_gid)
            self._as_user = ["setpriv", "--reuid", SERVER_USER, "--regid", SERVER_USER]
            self._as_user += ["--clear-groups", "--"]
        self._run("initdb", "--no-sync", "--auth=trust", f"--username={SERVER_USER}")
        with (self._folder / "postgresql.conf").open("a") as settings:
            settings.write(
                f"listen_addresses = ''\nunix_socket_directories = '{self._sockets}'\n"
                "fsync = off\nshared_buffers = 16MB\nmax_connections = 60\n"
            )
        self.start()
        self.django = {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": str(self._sockets),
            "USER": SERVER_USER,
            "NAME": "postgres",
        }

    def _run(self, program: str, *arguments: str) -> None:
        path = _program(program)
        subprocess.run(
            [*self._as_user, path, "-D", str(self._folder), *arguments], cwd=self._folder,
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip

    def start(self) -> None:
        """Starts the server; returns when it accepts connections."""
        log = str(self._folder / "log")
        path = [_program("pg_ctl"), "-D", str(self._folder), "-w", "-l", log, "start"]
        # Not captured: the server keeps the descriptors.
        subprocess.run(
            [*self._as_user, *path], cwd=self._folder, check=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip

    def stop(self, mode: str) -> None:
        """Stops the server: `immediate` is a crash of it."""
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def connect(self, name: str = "postgres") -> psycopg.Connection[Any]:
        """A connection in autocommit, as a superuser."""
        return psycopg.connect(
            host=str(self._sockets), user=SERVER_USER, dbname=name, autocommit=True
        )

    def rows(self, query: str) -> list[Row]:
        with self.connect() as connection:
            cursor = connection.execute(query)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def close(self) -> None:
        self.stop("immediate")


def _program(name: str) -> str:
    """Of the newest server that the distribution has."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_version)
    path = str(found[-1]) if found else shutil.which(name)
    if not path:
        raise Unavailable(f"PostgreSQL's {name} is not there: install the package postgresql")
    return path


def _version(path: Path) -> Sequence[int]:
    return [int(part) for part in path.parts[4].split(".") if part.isdecimal()]


DATABASES: dict[str, type[Database]] = {"sqlite": Sqlite, "postgresql": Postgres}
