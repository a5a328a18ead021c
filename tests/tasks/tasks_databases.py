"""The databases of the task tests: an SQLite file, PostgreSQL and MariaDB, of this run alone."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PYTHON = HERE.parent.parent / "python"
POSTGRES = {"HOST": "127.0.0.1", "PORT": "5432", "USER": "postgres"}
MARIADB = {"HOST": "127.0.0.1", "PORT": "3306", "USER": "root"}
VENDORS = ("sqlite", "postgresql", "mariadb")

_missing: dict[str, str] = {}
_folder = tempfile.mkdtemp(prefix="corral-tasks-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)


def _postgres_admin(statement: str) -> None:
    import psycopg

    with psycopg.connect(
        host=POSTGRES["HOST"],
        port=POSTGRES["PORT"],
        user=POSTGRES["USER"],
        dbname="postgres",
        autocommit=True,
        connect_timeout=5,
    ) as connection:
        connection.execute(statement)


def _mariadb_admin(statement: str) -> None:
    from tasks_site import mysql_driver

    database = mysql_driver.load()
    connection = database.connect(
        host=MARIADB["HOST"], port=int(MARIADB["PORT"]), user=MARIADB["USER"], connect_timeout=5
    )
    try:
        connection.cursor().execute(statement)
    finally:
        connection.close()


_ADMIN = {"postgresql": _postgres_admin, "mariadb": _mariadb_admin}


def _databases() -> dict[str, Any]:
    run = uuid.uuid4().hex[:12]
    databases = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": f"{_folder}/jobs.sqlite3",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            },
        },
        "postgresql": {"ENGINE": "django.db.backends.postgresql", **POSTGRES},
        "mariadb": {"ENGINE": "django.db.backends.mysql", **MARIADB},
    }
    for database in databases.values():
        database.setdefault("NAME", f"corral_test_{run}")
        database["CONN_MAX_AGE"] = None  # tests look at what is left on a connection: keep it
    return databases


DATABASES = _databases()


@contextmanager
def created() -> Iterator[list[str]]:
    """Makes the databases, gives the aliases of those whose server is there, drops them after."""
    there = ["default"]
    for alias, admin in _ADMIN.items():
        try:
            admin(f"CREATE DATABASE {DATABASES[alias]['NAME']}")
        except Exception as error:
            _missing[alias] = f"{alias} is not there: {type(error).__name__}: {error}"
        else:
            there.append(alias)
    yield there
    for alias in there[1:]:
        _ADMIN[alias](f"DROP DATABASE {DATABASES[alias]['NAME']}")


def require(vendor: str) -> str:
    """The alias of the vendor's database; without it skips, and fails in CI."""
    if reason := _missing.get(vendor):
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return "default" if vendor == "sqlite" else vendor
