"""`unique`: one job of the same arguments, on every database and in `corral.testing`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.tasks import TaskResultStatus
from django.tasks.exceptions import InvalidTask
from django.tasks.signals import task_enqueued
from tasks_databases import require
from tasks_harness import backend, enqueue, new_store, row
from tasks_site import tasks, unique_tasks
from test_tasks_store import outcome

from corral import testing
from corral.tasks import task
from corral.tasks.batch import enqueue_calls
from corral.tasks.models import Job
from corral.tasks.store import Store

PROCESSES = 4
JOBS = 25


def count(alias: str) -> int:
    return Job.objects.using(alias).count()


@pytest.fixture
def store(alias: str) -> Iterator[Store]:
    store = new_store(alias)
    store.open()
    yield store
    store.close()


@pytest.fixture
def enqueued() -> Iterator[list[str]]:
    """The ids of `task_enqueued`."""
    seen: list[str] = []

    def note(sender: Any, task_result: Any, **kwargs: Any) -> None:
        seen.append(task_result.id)

    task_enqueued.connect(note)
    yield seen
    task_enqueued.disconnect(note)


def test_the_second_enqueue_gets_the_first_ones_result(alias: str, enqueued: list[str]) -> None:
    mine = backend(alias)
    first = mine.enqueue(unique_tasks.sync.using(priority=3), (1,), {})
    second = mine.enqueue(unique_tasks.sync, (), {"full": False, "account": 1})
    assert second.id == first.id and second == mine.get_result(first.id)
    assert second.task.priority == 3 and second.enqueued_at == first.enqueued_at
    other = mine.enqueue(unique_tasks.sync, (1, True), {})
    assert other.id != first.id and count(alias) == 2
    assert enqueued == [first.id, other.id]


def test_plain_jobs_are_not_unique(alias: str) -> None:
    assert enqueue(alias, tasks.add, 1) != enqueue(alias, tasks.add, 1)
    assert row(alias, enqueue(alias, tasks.add, 1)).unique_key is None
    mine = tasks.add.using(unique=True)
    assert enqueue(alias, mine, 1) == enqueue(alias, mine, 1)


@pytest.mark.parametrize("successful", [True, False])
def test_the_key_is_free_when_the_job_has_ended(alias: str, store: Store, successful: bool) -> None:
    first = enqueue(alias, unique_tasks.sync, 1)
    (job,), _ = store.claim(5, False)
    assert enqueue(alias, unique_tasks.sync, 1) == first  # it runs
    entry = {"exception_class_path": "builtins.OSError", "message": "", "traceback": ""}
    store.finish([outcome(job, error=None if successful else entry)])
    second = enqueue(alias, unique_tasks.sync, 1)
    assert second != first and enqueue(alias, unique_tasks.sync, 1) == second


def test_retries_releases_and_crashes_keep_the_key(alias: str, store: Store) -> None:
    first = enqueue(alias, unique_tasks.fails, 1)
    (job,), _ = store.claim(5, False)
    store.finish([outcome(job, retry_in=0)])
    assert row(alias, first).status == "READY"
    assert enqueue(alias, unique_tasks.fails, 1) == first
    (job,), _ = store.claim(5, False)
    store.release([job[:2]])
    assert enqueue(alias, unique_tasks.fails, 1) == first
    dead = new_store(alias, lease_ms=1)
    dead.open()
    assert dead.claim(5, False)[0]
    Job.objects.using(alias).update(node=None)  # as when its node is gone
    assert store.beat() == 1 and row(alias, first).crashes == 1
    assert enqueue(alias, unique_tasks.fails, 1) == first
    dead.close()


def test_a_window_outlasts_the_job_and_ends(alias: str, store: Store) -> None:
    first = enqueue(alias, unique_tasks.remind, 1)
    until = row(alias, first).unique_until
    assert abs(until - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=1)
    (job,), _ = store.claim(5, False)
    store.finish([outcome(job)])
    assert enqueue(alias, unique_tasks.remind, 1) == first
    past = datetime.now(UTC) - timedelta(seconds=1)
    Job.objects.using(alias).update(unique_until=past)
    second = enqueue(alias, unique_tasks.remind, 1)
    assert second != first and enqueue(alias, unique_tasks.remind, 1) == second
    assert row(alias, first).unique_key is None
    # A live one counts beyond its window.
    Job.objects.using(alias).filter(pk=second).update(unique_until=past)
    assert enqueue(alias, unique_tasks.remind, 1) == second


def test_by_some_of_the_arguments(alias: str) -> None:
    first = enqueue(alias, unique_tasks.refresh, 1, "login")
    assert enqueue(alias, unique_tasks.refresh, account=1, reason="timer") == first
    assert enqueue(alias, unique_tasks.refresh, 2) != first


def test_the_callers_transaction_goes_on(alias: str) -> None:
    first = enqueue(alias, unique_tasks.sync, 1)
    with transaction.atomic(using=alias):
        plain = enqueue(alias, tasks.add, 1)
        assert enqueue(alias, unique_tasks.sync, 1) == first
        mine = enqueue(alias, unique_tasks.sync, 2)
        assert enqueue(alias, unique_tasks.sync, 2) == mine
    assert {str(job.pk) for job in Job.objects.using(alias).all()} == {first, plain, mine}
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=alias):
        third = enqueue(alias, unique_tasks.sync, 3)
        raise ZeroDivisionError
    assert enqueue(alias, unique_tasks.sync, 3) != third


def test_many_at_once_agree(alias: str, enqueued: list[str]) -> None:
    first = enqueue(alias, unique_tasks.sync, 1)
    results = enqueue_calls(backend(alias), unique_tasks.sync, [(0,), (1,), (0,), (2,)])
    ids = [result.id for result in results]
    assert ids[1] == first and ids[0] == ids[2] and len(set(ids)) == 3
    assert enqueued == [first, ids[0], ids[3]] and count(alias) == 3


def test_processes_that_race_agree(alias: str, child: Any) -> None:
    racers = [child("uniquely.py", alias, str(JOBS)) for _ in range(PROCESSES)]
    for racer in racers:
        assert racer.stdout.readline() == "open\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = [racer.communicate(timeout=120)[0].split() for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * PROCESSES
    assert len(answers[0]) == JOBS and all(answer == answers[0] for answer in answers)
    assert count(alias) == JOBS


def test_who_waits_for_a_transaction_gets_what_it_leaves() -> None:
    """PostgreSQL: the second caller waits for the first one's commit or rollback."""
    alias = require("postgresql")
    Job.objects.using(alias).all().delete()
    answers: list[str] = []

    def ask() -> None:
        answers.append(enqueue(alias, unique_tasks.sync, 7))
        connections[alias].close()

    for commits in (True, False):
        Job.objects.using(alias).all().delete()
        answers.clear()
        with transaction.atomic(using=alias):
            mine = enqueue(alias, unique_tasks.sync, 7)
            other = threading.Thread(target=ask)
            other.start()
            _wait_for_a_blocked_insert(alias)
            assert answers == []
            transaction.set_rollback(not commits, using=alias)
        other.join(30)
        assert (answers == [mine]) is commits and len(answers) == 1
        assert count(alias) == 1
    Job.objects.using(alias).all().delete()


def _wait_for_a_blocked_insert(alias: str) -> None:
    blocked = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(blocked)
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nobody waits")


def test_in_the_tests_of_a_site() -> None:
    with testing.tasks() as jobs:
        first = unique_tasks.remind.enqueue(1)
        assert unique_tasks.remind.enqueue(1).id == first.id
        jobs.run()
        again = unique_tasks.remind.enqueue(1)
        assert again.id == first.id and again.status is TaskResultStatus.SUCCESSFUL
        live = unique_tasks.sync.enqueue(1)
        jobs.run()
        assert unique_tasks.sync.enqueue(1).id != live.id


@pytest.mark.parametrize("value", [0, -1, "yes", None, 10**12])
def test_bad_values_are_refused_where_they_are_said(value: object) -> None:
    with pytest.raises(InvalidTask, match=r"unique is .*; allowed: True .*seconds or a timedelta"):
        task(unique=value)(unique_tasks.sync.func)
    with pytest.raises(InvalidTask, match=r"unique_by is .*no parameter 'x'; allowed: names"):
        task(unique=True, unique_by=("account", "x"))(unique_tasks.sync.func)
    with pytest.raises(InvalidTask, match="unique_by is 3; allowed: names of parameters"):
        unique_tasks.sync.using(unique_by=3)


def test_stored_overrides_read_back(alias: str) -> None:
    key = enqueue(alias, unique_tasks.remind.using(unique=60, unique_by="account"), 1)
    assert row(alias, key).options == {"unique": 60, "unique_by": ["account"]}
    assert backend(alias).get_result(key).task.overrides.unique_by == ("account",)
