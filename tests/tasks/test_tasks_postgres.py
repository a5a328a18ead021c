"""The PostgreSQL store in C++: its tests against tables that Django's migrations made."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connections
from tasks_databases import POSTGRES, require

from corral.tasks import postgres, tuning
from corral.tasks.worker import store_config

ROOT = Path(__file__).parent.parent.parent
BUILD = ROOT / os.environ.get("CORRAL_BUILD_DIR", "build/release")
SUITE_TIME_MAX_S = 300


@pytest.fixture
def conninfo() -> Iterator[str]:
    alias = require("postgresql")
    yield postgres.conninfo(connections[alias])
    for table in ("corral_job", "corral_node", "corral_queue", "corral_schedule"):
        with connections[alias].cursor() as cursor:
            cursor.execute(f"DELETE FROM {table}")


@pytest.fixture
def pooled(conninfo: str, tmp_path: Path) -> Iterator[str]:
    """The database through pgbouncer, which gives each transaction another session."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("pgbouncer is not there")
        pytest.skip("pgbouncer is not there: apt-get install pgbouncer")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    settings = tmp_path / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n* = host={POSTGRES['HOST']} port={POSTGRES['PORT']} "
        f"user={POSTGRES['USER']}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\n"
        "unix_socket_dir =\npool_mode = transaction\nmin_pool_size = 2\n"
        "server_reset_query_always = 1\nserver_reset_query = DISCARD ALL\n"
    )
    user = []
    if os.geteuid() == 0:  # it refuses to be root
        user = ["-u", "nobody"]
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o755)
    running = subprocess.Popen([program, *user, settings], stderr=subprocess.PIPE, text=True)
    try:
        assert running.stderr is not None
        for line in running.stderr:
            if "process up" in line:
                break
        else:
            pytest.fail(f"pgbouncer ended with {running.wait()}")
        yield f"{conninfo} host=127.0.0.1 port={port}"
    finally:
        running.terminate()
        running.communicate()


def test_the_store_passes_its_tests(conninfo: str) -> None:
    run_store_tests(conninfo, "*Postgres*")


def test_without_notify_a_pooler_of_transactions_does_no_harm(pooled: str) -> None:
    run_store_tests(pooled, "*PostgresSessionless*")


def run_store_tests(conninfo: str, which: str) -> None:
    environment = {**os.environ, "CORRAL_TEST_POSTGRES": conninfo}
    if copies := postgres.libpq_places()[1:]:
        environment["CORRAL_TEST_LIBPQ"] = copies[0]
    finished = subprocess.run(
        [BUILD / "tasks_test", f"--gtest_filter={which}", "--gtest_brief=1"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=SUITE_TIME_MAX_S,
    )
    assert finished.returncode == 0, finished.stdout
    assert "[  PASSED  ]" in finished.stdout and "SKIPPED" not in finished.stdout


def test_the_table_is_tuned_and_back() -> None:
    alias = require("postgresql")

    def settings() -> dict[str, str]:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT reloptions FROM pg_class WHERE oid = 'corral_job'::regclass")
            (options,) = cursor.fetchone()
        return dict(option.split("=") for option in options or ())

    assert settings() == tuning.SETTINGS
    for change, left in ((tuning.untune, {}), (tuning.tune, tuning.SETTINGS)):
        with connections[alias].schema_editor() as editor:
            change(apps, editor)
        assert settings() == left


def described(monkeypatch: pytest.MonkeyPatch, **changes: object) -> dict[str, object]:
    """The description of the store for the test's database with other settings."""
    connection = connections[require("postgresql")]
    options = changes.pop("OPTIONS", {})
    settings = {**connection.settings_dict, **changes, "OPTIONS": options}
    monkeypatch.setattr(connection, "settings_dict", settings)
    return json.loads(postgres.description(connection, store_config(connection.alias, [], None)))


def parsed(description: dict[str, object]) -> dict[str, str]:
    from psycopg.conninfo import conninfo_to_dict

    return {name: str(value) for name, value in conninfo_to_dict(description["conninfo"]).items()}


def test_settings_become_a_conninfo(monkeypatch: pytest.MonkeyPatch) -> None:
    password = "it's a \\ 'pass word' =;é"
    options = {
        "sslmode": "prefer",
        "passfile": Path("/no/where"),
        "options": "-c search_path=jobs,public",
        "connect_timeout": 3,
        "pool": {"min_size": 2},
        "isolation_level": 2,
        "server_side_binding": True,
        "assume_role": "worker",
        "keepalives": False,
    }
    description = described(monkeypatch, PASSWORD=password, OPTIONS=options)
    found = parsed(description)
    assert found["password"] == password and found["options"] == options["options"]
    assert found["sslmode"] == "prefer" and found["passfile"] == "/no/where"
    assert found["connect_timeout"] == "3" and found["keepalives"] == "0"
    assert found["keepalives_idle"] == "10" and found["client_encoding"] == "UTF8"
    assert not {"pool", "isolation_level", "server_side_binding", "assume_role"} & set(found)
    assert description["role"] == "worker" and "why_not" not in description


def test_a_service_needs_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"service": "jobs"}
    found = parsed(described(monkeypatch, NAME="", HOST="", PORT="", OPTIONS=options))
    assert found["service"] == "jobs" and not {"dbname", "host", "port"} & set(found)


def test_what_libpq_cannot_be_told_is_named_without_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    description = described(monkeypatch, OPTIONS={"hosts": ["secret"]})
    assert description == {"why_not": "its connection parameter 'hosts' is a list"}
    kind = type(connections["postgresql"])

    class Own(kind):  # type: ignore[misc, valid-type]
        __module__ = "site.backend"

        def get_connection_params(self) -> dict[str, str]:
            return {**super().get_connection_params(), "password": "secret"}

    with pytest.raises(postgres.NotTranslatable) as refusal:
        postgres.conninfo(Own(connections["postgresql"].settings_dict, "postgresql"))
    assert "site.backend" in str(refusal.value) and "secret" not in str(refusal.value)
    assert postgres.description(connections["default"], {"vendor": "sqlite"}) == ""
