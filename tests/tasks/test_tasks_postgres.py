"""The PostgreSQL store in C++: its tests against tables that Django's migrations made."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections
from tasks_databases import require

from corral.tasks import postgres

ROOT = Path(__file__).parent.parent.parent
BUILD = ROOT / os.environ.get("CORRAL_BUILD_DIR", "build/release")
SUITE_TIME_MAX_S = 300


@pytest.fixture
def conninfo() -> Iterator[str]:
    alias = require("postgresql")
    yield postgres.conninfo(connections[alias])
    for table in ("corral_job", "corral_node"):
        with connections[alias].cursor() as cursor:
            cursor.execute(f"DELETE FROM {table}")


def test_the_store_passes_its_tests(conninfo: str) -> None:
    environment = {**os.environ, "CORRAL_TEST_POSTGRES": conninfo}
    if copies := postgres.libpq_places()[1:]:
        environment["CORRAL_TEST_LIBPQ"] = copies[0]
    finished = subprocess.run(
        [BUILD / "tasks_test", "--gtest_filter=*Postgres*", "--gtest_brief=1"],
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
