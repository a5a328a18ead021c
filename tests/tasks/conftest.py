"""Django with the databases of `tasks_databases`, and child processes of the same site."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tasks_databases import DATABASES, HERE, PYTHON, VENDORS, created, require


def _set_up_django(databases: dict[str, Any]) -> None:
    # Not through DJANGO_SETTINGS_MODULE: servers that other tests start would inherit it.
    if str(PYTHON) not in sys.path:
        sys.path.insert(0, str(PYTHON))
    import django
    from django.conf import settings

    os.environ["CORRAL_TEST_DATABASES"] = json.dumps(databases)
    from tasks_site import settings as site

    del os.environ["CORRAL_TEST_DATABASES"]
    settings.configure(**{name: value for name, value in vars(site).items() if name.isupper()})
    django.setup()


_set_up_django(json.loads(json.dumps(DATABASES)))


@pytest.fixture(scope="session", autouse=True)
def databases() -> Iterator[None]:
    """Every database whose server is there, migrated."""
    from django.core.management import call_command
    from django.db import connections

    with created() as aliases:
        for alias in aliases:
            call_command("migrate", database=alias, verbosity=0)
        yield
        connections.close_all()


@pytest.fixture(params=VENDORS)
def alias(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each database in turn, without rows."""
    alias = require(request.param)
    _empty(alias)
    yield alias
    _empty(alias)


@pytest.fixture
def default_database() -> Iterator[str]:
    """The SQLite database, without rows."""
    _empty("default")
    yield "default"
    _empty("default")


def _empty(alias: str) -> None:
    from django.db import connections

    from corral.tasks.models import Job, Node, Queue
    from corral.tasks.schedule_model import Schedule

    connections[alias].close()
    Job.objects.using(alias).all().delete()
    Node.objects.using(alias).all().delete()
    Schedule.objects.using(alias).all().delete()
    Queue.objects.using(alias).all().delete()


@pytest.fixture
def child() -> Iterator[Any]:
    """Starts Python programs of tests/tasks/programs with the test site; none outlives the test."""
    running: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "programs" / program), *arguments],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join((str(PYTHON), str(HERE))),
                "DJANGO_SETTINGS_MODULE": "tasks_site.settings",
                "CORRAL_TEST_DATABASES": json.dumps(DATABASES),
                **environment,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()
