"""`corral tasks adopt`: what waits in django-tasks-db's own table is run by Corral."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.tasks import TaskResultStatus, task_backends
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from tasks_databases import DATABASES, HERE, PYTHON
from tasks_harness import backend, new_store
from tasks_site import tasks

from corral.exceptions import ConfigurationError
from corral.tasks.commands import adopt, base
from corral.tasks.models import Job
from corral.tasks.runner import Runner

COMMAND = [sys.executable, "-P", "-m", "corral", "tasks"]


@pytest.fixture
def alias(alias: str) -> Iterator[str]:
    """Each database, without old rows too."""
    yield alias
    for name in {alias, "default"}:
        DBTaskResult.objects.using(name).all().delete()


def old_rows(alias: str, *calls: tuple[Any, tuple[Any, ...]]) -> list[str]:
    """Enqueues through django-tasks-db itself; it knows no database but its router's."""
    results = [task.using(backend="old").enqueue(*args) for task, args in calls]
    ids = [result.id for result in results]
    if alias != "default":
        for row in DBTaskResult.objects.filter(pk__in=ids):
            row.save(using=alias, force_insert=True)
        DBTaskResult.objects.filter(pk__in=ids).delete()
    return ids


def run(alias: str, monkeypatch: pytest.MonkeyPatch, **given: Any) -> int:
    mine = backend(alias)
    monkeypatch.setattr(adopt, "corral_backend", lambda name: mine)
    options = {"from_database": alias, "backend": None, "dry_run": False} | given
    return adopt.COMMAND.run(argparse.Namespace(**options))


def test_waiting_tasks_keep_all_that_they_had(
    alias: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    later = timezone.now().replace(microsecond=0) + timedelta(hours=1)
    deferred = tasks.echo.using(run_after=later, priority=7, queue_name="mail")
    plain, other = old_rows(alias, (tasks.add, (1,)), (deferred, ("x",)))
    before = DBTaskResult.objects.using(alias).in_bulk()
    assert run(alias, monkeypatch) == 0
    assert "done: 2 waiting tasks adopted by TASKS['default']" in capsys.readouterr().out
    assert DBTaskResult.objects.using(alias).count() == 0
    jobs = {str(job.pk): job for job in Job.objects.using(alias)}
    assert set(jobs) == {plain, other}
    first, second = jobs[plain], jobs[other]
    assert (first.args, first.kwargs, first.run_after, first.priority) == ([1], {}, None, 0)
    assert first.enqueued_at == first.due_at == before[first.pk].enqueued_at
    assert (second.run_after, second.due_at, second.queue_name) == (later, later, "mail")
    assert second.priority == 7 and second.backend_name == "default"


def test_an_adopted_task_runs_and_its_result_is_found_by_its_old_id(
    alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (key,) = old_rows(alias, (tasks.add, (1, 2)))
    run(alias, monkeypatch)
    store = new_store(alias)
    store.open()
    (job,), _ = store.claim(1, False)
    store.finish([(job[0], job[1], *Runner().run(job[4]))])
    store.close()
    result = backend(alias).get_result(key)
    assert result.status is TaskResultStatus.SUCCESSFUL and result.return_value == 3


def test_what_runs_or_has_ended_stays(
    alias: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = old_rows(alias, *[(tasks.add, (n,)) for n in range(4)])
    old = DBTaskResult.objects.using(alias)
    for key, status in zip(keys, ("RUNNING", "FAILED", "SUCCESSFUL"), strict=False):
        old.filter(pk=key).update(status=status)
    assert run(alias, monkeypatch) == 0
    printed = capsys.readouterr().out
    assert "1 tasks are RUNNING there and stay: stop the old workers" in printed
    assert "2 ended tasks stay there" in printed
    assert [str(job.pk) for job in Job.objects.using(alias)] == [keys[3]]
    assert old.count() == 3


def test_many_go_in_batches(alias: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopt, "BATCH", 3)
    keys = old_rows(alias, *[(tasks.add, (n,)) for n in range(8)])
    run(alias, monkeypatch)
    assert {str(job.pk) for job in Job.objects.using(alias)} == set(keys)


def test_a_dry_run_changes_nothing(
    alias: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old_rows(alias, (tasks.add, (1,)))
    assert run(alias, monkeypatch, dry_run=True) == 0
    assert "1 waiting tasks would be adopted" in capsys.readouterr().out
    assert DBTaskResult.objects.using(alias).count() == 1 and Job.objects.using(alias).count() == 0


def test_a_break_between_two_databases_doubles_nothing(
    alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if alias == "default":
        pytest.skip("the other database is this one")
    keys = old_rows("default", (tasks.add, (1,)), (tasks.add, (2,)))
    remove = adopt._remove
    monkeypatch.setattr(adopt, "_remove", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(alias, monkeypatch, from_database="default")
    assert Job.objects.using(alias).count() == DBTaskResult.objects.count() == 2
    monkeypatch.setattr(adopt, "_remove", remove)
    run(alias, monkeypatch, from_database="default")
    assert {str(job.pk) for job in Job.objects.using(alias)} == set(keys)
    assert DBTaskResult.objects.count() == 0


def test_rows_that_an_old_worker_holds_are_left_to_it(
    alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not connections[alias].features.has_select_for_update_skip_locked:
        pytest.skip("no row locks here: the old worker's transaction is waited for")
    held, free = old_rows(alias, (tasks.add, (1,)), (tasks.add, (2,)))
    other = connections.create_connection(alias)
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            pk = DBTaskResult._meta.pk.get_db_prep_value(held, other)
            cursor.execute(f"SELECT 1 FROM {adopt.TABLE} WHERE id = %s FOR UPDATE", [pk])
        run(alias, monkeypatch)
        assert [str(job.pk) for job in Job.objects.using(alias)] == [free]
    finally:
        other.rollback()
        other.close()


def test_a_queue_that_nobody_serves_is_refused(alias: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old_rows(alias, (tasks.add.using(queue_name="mail"), (1,)))
    mine = backend(alias)
    mine.queues = {"default"}
    monkeypatch.setattr(adopt, "corral_backend", lambda name: mine)
    options = argparse.Namespace(from_database=alias, backend=None, dry_run=False)
    with pytest.raises(ConfigurationError, match="tasks wait in 'mail', which"):
        adopt.COMMAND.run(options)
    assert DBTaskResult.objects.using(alias).count() == 1


def test_names_that_are_not_there_are_refused(alias: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="--from-database: 'nope' is not in DATABASES"):
        run(alias, monkeypatch, from_database="nope")
    with pytest.raises(ConfigurationError, match="--backend: 'old' is no Corral backend of TASKS"):
        base.corral_backend("old")
    assert base.corral_backend(None) is task_backends["default"]
    monkeypatch.setattr(adopt, "TABLE", "no_such_table")
    with pytest.raises(ConfigurationError, match="has no table no_such_table"):
        run(alias, monkeypatch)


def test_the_command_itself(default_database: str) -> None:
    DBTaskResult.objects.all().delete()
    old_rows("default", (tasks.add, (1,)))
    env = {**os.environ, "CORRAL_TEST_DATABASES": json.dumps(DATABASES)}
    env["PYTHONPATH"] = os.pathsep.join([str(PYTHON), str(HERE)])
    done = subprocess.run(
        [*COMMAND, "--settings", "tasks_site.settings", "adopt"],
        env=env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "done: 1 waiting tasks adopted by TASKS['default']" in done.stdout
    assert Job.objects.count() == 1
