"""What is wrong with the task set-up is said at the start: one line, exit code 1."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from task_site import APP, HERE, SETTINGS, SqliteDatabase, TaskSite

CORRAL = "corral.tasks.DatabaseBackend"
LIVENESS_S = 60  # no promise, only the time after which a start hangs


def refusal(command: str, *options: str, site: TaskSite, **env: str) -> str:
    """Starts a server that must refuse to; returns the reason it gives."""
    arguments = [APP, "--bind=127.0.0.1:0"] if command == "serve" else []
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "corral", command, *arguments),
            *(f"--settings={SETTINGS}", "--log-format=json", *options),
        ],
        cwd=HERE, env=os.environ | site.env | env, capture_output=True, text=True,
        timeout=LIVENESS_S,
    )  # fmt: skip
    assert done.returncode == 1, done
    (line,) = done.stderr.splitlines()
    record = json.loads(line)
    assert (record["code"], record["level"]) == ("CORRAL-101", "error")
    return record["message"]


@pytest.mark.parametrize("command", ["serve", "work"])
def test_missing_migrations(tmp_path: Path, command: str) -> None:
    site = TaskSite(tmp_path, SqliteDatabase(tmp_path / "empty.sqlite3"))
    assert "python manage.py migrate corral_tasks" in refusal(command, site=site)


def test_an_app_that_is_not_installed(sqlite_site: TaskSite) -> None:
    reason = refusal("serve", site=sqlite_site, SITE_APPS='["site_tasks"]')
    assert "'corral.tasks' is not in INSTALLED_APPS" in reason and "migrate" in reason


@pytest.mark.parametrize("command", ["serve", "work"])
def test_an_unknown_queue(sqlite_site: TaskSite, command: str) -> None:
    reason = refusal(command, "--queues=default,mial", site=sqlite_site)
    assert "'mial'" in reason and "'default', 'mail'" in reason


def test_no_backend_of_corrals(sqlite_site: TaskSite) -> None:
    tasks = {"default": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"}}
    reason = refusal("work", site=sqlite_site, SITE_TASKS=json.dumps(tasks))
    assert CORRAL in reason
    with sqlite_site.serve(env={"SITE_TASKS": json.dumps(tasks)}) as server:
        assert server.get("/here").status == 200, "a site without tasks of Corral's is served"
        assert sqlite_site.nodes() == []


def test_an_option_that_makes_no_sense(sqlite_site: TaskSite) -> None:
    tasks = {"default": {"BACKEND": CORRAL, "OPTIONS": {"max_crashes": 0}}}
    reason = refusal("serve", site=sqlite_site, SITE_TASKS=json.dumps(tasks))
    assert "max_crashes" in reason and "1..100" in reason


def test_a_database_that_is_not_there(sqlite_site: TaskSite) -> None:
    nowhere = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "127.0.0.1", "PORT": "1", "USER": "nobody", "NAME": "nothing",
    }  # fmt: skip
    reason = refusal("work", site=sqlite_site, SITE_DATABASE=json.dumps(nowhere))
    assert "OperationalError" in reason or "connection" in reason


def test_an_sqlite_database_in_memory(sqlite_site: TaskSite) -> None:
    memory = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    reason = refusal("work", site=sqlite_site, SITE_DATABASE=json.dumps(memory))
    assert "in memory" in reason and "give it a file" in reason
