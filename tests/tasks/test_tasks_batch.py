"""Many jobs at once: the same rows as one by one, all of them or none, one statement."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.tasks import TaskResultStatus, task_backends
from django.tasks.exceptions import InvalidTask
from django.tasks.signals import task_enqueued
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone
from tasks_harness import backend, enqueue, row
from tasks_site import tasks

from corral.tasks import aenqueue_many, arguments, enqueue_many, guest, insertion
from corral.tasks.batch import enqueue_calls
from corral.tasks.models import Job


@pytest.fixture
def wakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    seen: list[bool] = []
    monkeypatch.setattr(guest, "wake_keeper", lambda: not seen.append(True))
    yield seen


def count(alias: str) -> int:
    return Job.objects.using(alias).count()


def test_calls_of_each_kind_come_back_in_their_order(alias: str) -> None:
    calls = [(1, 2), {"a": 3}, arguments(4, b=5), ()]
    results = enqueue_calls(backend(alias), tasks.echo, calls)
    assert [(r.args, r.kwargs) for r in results] == [
        ([1, 2], {}), ([], {"a": 3}), ([4], {"b": 5}), ([], {}),
    ]  # fmt: skip
    stored = [row(alias, result.id) for result in results]
    assert [(j.args, j.kwargs) for j in stored] == [(r.args, r.kwargs) for r in results]
    assert sorted(results, key=lambda r: r.id) == results, "ids rise, so age breaks ties"


def test_the_rows_are_those_of_single_jobs(alias: str) -> None:
    later = timezone.now() + timedelta(hours=1)
    task = tasks.add.using(priority=7, run_after=later)
    many, _ = enqueue_calls(backend(alias), task, [(1,), (2,)])
    single = row(alias, enqueue(alias, task, 1))
    job = row(alias, many.id)
    for field in Job._meta.concrete_fields:
        if field.name not in ("id", "enqueued_at"):
            assert getattr(job, field.name) == getattr(single, field.name), field.name
    assert abs(job.enqueued_at - single.enqueued_at) < timedelta(minutes=1)
    assert many.enqueued_at == job.enqueued_at and many.status is TaskResultStatus.READY


def test_any_text_survives(alias: str) -> None:
    text = "ä\x00\ud800\"'\\%s%(a)s{}"
    results = enqueue_calls(backend(alias), tasks.echo, [(text,), {"k": text}])
    assert row(alias, results[0].id).args == [text]
    assert row(alias, results[1].id).kwargs == {"k": text}


def test_it_is_one_statement(alias: str) -> None:
    with CaptureQueriesContext(connections[alias]) as queries:
        enqueue_calls(backend(alias), tasks.add, [(n,) for n in range(500)])
    inserts = [query for query in queries if "INSERT" in query["sql"]]
    assert len(inserts) == 1
    assert count(alias) == 500


def test_more_than_one_statement_holds(alias: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insertion, "ROWS_MAX", 10)
    results = enqueue_calls(backend(alias), tasks.add, [(n,) for n in range(35)])
    assert count(alias) == 35
    assert [row(alias, r.id).args for r in results] == [[n] for n in range(35)]


def test_none_is_enqueued_when_one_cannot_be(
    alias: str, wakes: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TypeError, match="call 1: Unsupported type"):
        enqueue_calls(backend(alias), tasks.add, [(1,), (object(),), (3,)])
    with pytest.raises(TypeError, match="call 2 is 3; allowed: a tuple"):
        enqueue_calls(backend(alias), tasks.add, [(1,), (2,), 3])  # type: ignore[list-item]
    with pytest.raises(InvalidTask):
        enqueue_calls(backend(alias), tasks.add.using(priority=101), [(1,)])
    monkeypatch.setattr(insertion, "ROWS_MAX", 2)
    mine = backend(alias)
    results = [mine.new_result(tasks.add, (n,), {}) for n in range(4)]
    object.__setattr__(results[3], "id", results[0].id)  # the second statement fails
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        mine.insert(results)
    assert count(alias) == 0 and wakes == []


def test_they_belong_to_the_callers_transaction(alias: str, wakes: list[bool]) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=alias):
        enqueue_calls(backend(alias), tasks.add, [(1,), (2,)])
        raise ZeroDivisionError
    assert count(alias) == 0 and wakes == []
    with transaction.atomic(using=alias):
        enqueue_calls(backend(alias), tasks.add, [(1,), (2,)])
        assert wakes == []
    assert count(alias) == 2 and wakes == [True]


def test_nothing_is_no_statement(default_database: str, wakes: list[bool]) -> None:
    with CaptureQueriesContext(connections["default"]) as queries:
        assert enqueue_calls(backend("default"), tasks.add, []) == []
    assert len(queries) == 0 and wakes == []


def test_receivers_hear_of_each(default_database: str) -> None:
    heard: list[str] = []

    def hear(task_result: Any, **more: Any) -> None:
        heard.append(task_result.id)

    task_enqueued.connect(hear)
    try:
        results = enqueue_many(tasks.add, [(1,), (2,)])
    finally:
        task_enqueued.disconnect(hear)
    assert heard == [result.id for result in results]


def test_asynchronous_code(default_database: str) -> None:
    results = asyncio.run(aenqueue_many(tasks.add, [(1,), (2,)]))
    assert [row("default", result.id).args for result in results] == [[1], [2]]


def test_a_task_of_another_backend_is_refused() -> None:
    with override_settings(
        TASKS={"default": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"}}
    ):
        assert not hasattr(task_backends["default"], "insert")
        with pytest.raises(TypeError, match=r"is one of django\.tasks\..*\.DummyBackend"):
            enqueue_many(tasks.add, [(1,)])
