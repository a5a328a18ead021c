"""The runner: every way a task can end is that job's outcome and does not reach the next job."""

from __future__ import annotations

import json
import logging
import sys
import types
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.tasks import TaskResultStatus
from django.tasks.signals import task_finished, task_started
from tasks_harness import backend, enqueue, new_store, row
from tasks_site import tasks

from corral.tasks import announce
from corral.tasks.backend import DatabaseBackend
from corral.tasks.hygiene import Hygiene
from corral.tasks.models import Job, Node
from corral.tasks.runner import SUCCESSFUL, Runner
from corral.tasks.store import Store


@pytest.fixture
def store(default_database: str) -> Iterator[Store]:
    store = new_store(default_database, queues=["default", "mail", "slow"])
    store.open()
    yield store
    store.close()


@pytest.fixture
def runner() -> Runner:
    return Runner()


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of the engine."""
    guest = types.ModuleType("corral._guest")
    guest.worker_name = lambda: "tasks.1.0"  # type: ignore[attr-defined]
    guest.wake_keeper = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "corral._guest", guest)


def run_one(store: Store, runner: Runner) -> tuple[bool, Any]:
    """The whole way of the next job; returns whether it was successful, and Django's result."""
    (job,), _ = store.claim(1, False)
    status, result = runner.run(job[4])
    successful = status == SUCCESSFUL
    assert store.finish([(job[0], job[1], successful, result)]) == 0
    return successful, DatabaseBackend("default", {"QUEUES": []}).get_result(job[0])


def run_task(store: Store, runner: Runner, task: Any, *args: Any, **kwargs: Any) -> Any:
    enqueue("default", task, *args, **kwargs)
    successful, result = run_one(store, runner)
    assert successful is (result.status is TaskResultStatus.SUCCESSFUL)
    return result


def test_a_good_one(store: Store, runner: Runner, named: None) -> None:
    result = run_task(store, runner, tasks.add, 20, b=22)
    assert result.return_value == 42 and result.attempts == 1 and result.errors == []
    assert result.worker_ids[0].endswith("/tasks.1.0")
    assert result.enqueued_at <= result.started_at <= result.finished_at
    assert datetime.now(UTC) - result.finished_at < timedelta(seconds=60)


def test_the_context(store: Store, runner: Runner) -> None:
    result = run_task(store, runner, tasks.who)
    assert result.return_value == {
        "id": result.id,
        "attempt": 1,
        "status": "RUNNING",
        "workers": result.worker_ids,
        "started": True,
    }


def test_a_second_attempt_knows_the_first(store: Store, runner: Runner) -> None:
    enqueue("default", tasks.fail, "ValueError")
    long_ago = datetime(2020, 1, 1, 1, 1, 1, 1, tzinfo=UTC)
    entry = {"exception_class_path": "builtins.OSError", "message": "first", "traceback": "t"}
    Job.objects.update(started_at=long_ago, worker_ids=["first"], errors=[entry])
    seen: list[Any] = []

    def receiver(sender: Any, task_result: Any, **kwargs: Any) -> None:
        seen.append((task_result.started_at, task_result.attempts, len(task_result.errors)))

    task_started.connect(receiver)
    task_finished.connect(receiver)
    try:
        _, result = run_one(store, runner)
    finally:
        task_started.disconnect(receiver)
        task_finished.disconnect(receiver)
    assert seen == [(long_ago, 2, 1), (long_ago, 2, 2)]
    assert [error.exception_class for error in result.errors] == [OSError, ValueError]
    assert result.started_at == long_ago and result.attempts == 2


def test_async_tasks(store: Store, runner: Runner) -> None:
    assert run_task(store, runner, tasks.add_async, 1, 2).return_value == 3
    for kind, error in (("ValueError", ValueError), ("KeyboardInterrupt", KeyboardInterrupt)):
        result = run_task(store, runner, tasks.fail_async, kind)
        assert result.errors[0].exception_class is error
    assert run_task(store, runner, tasks.add_async, 1, 2).return_value == 3


@pytest.mark.parametrize(
    "kind",
    [
        "ValueError",
        "SystemExit",
        "KeyboardInterrupt",
        "GeneratorExit",
        "MemoryError",
        "StopIteration",
        "group",
    ],
)
def test_whatever_is_raised_is_a_failed_attempt(store: Store, runner: Runner, kind: str) -> None:
    result = run_task(store, runner, tasks.fail, kind)
    raised = tasks.failures(kind)
    assert result.status is TaskResultStatus.FAILED
    assert result.errors[0].exception_class is type(raised)
    assert "in fail\n" in result.errors[0].traceback
    assert "runner.py" not in result.errors[0].traceback
    assert row("default", result.id).errors[0]["message"] == str(raised)
    assert run_task(store, runner, tasks.add, 1).return_value == 2


def test_an_exception_that_cannot_be_printed(store: Store, runner: Runner) -> None:
    result = run_task(store, runner, tasks.fail, "unprintable")
    assert result.errors[0].exception_class is tasks.Unprintable
    assert "in fail\n" in result.errors[0].traceback


def test_recursion(store: Store, runner: Runner) -> None:
    result = run_task(store, runner, tasks.recurse)
    assert result.errors[0].exception_class is RecursionError
    assert len(result.errors[0].traceback) < 10_000
    assert run_task(store, runner, tasks.add, 1).return_value == 2


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("object", TypeError),
        ("set", TypeError),
        ("bytes", ValueError),
        ("huge", ValueError),
        ("circle", RecursionError),
    ],
)
def test_what_json_cannot_hold_is_a_failure(
    store: Store, runner: Runner, kind: str, error: type[Exception]
) -> None:
    result = run_task(store, runner, tasks.give, kind)
    assert result.errors[0].exception_class is error
    assert result.errors[0].traceback


def test_what_json_can_hold_comes_back(store: Store, runner: Runner) -> None:
    def value(kind: str) -> Any:
        return run_task(store, runner, tasks.give, kind).return_value

    assert value("nul") == "a\x00b" and value("surrogate") == "\udc80"
    assert value("none") is None and value("tuple") == [1, [2, 3]]
    assert value("text bytes") == "é" and value("nan") != value("nan")


def test_wrong_arguments(store: Store, runner: Runner) -> None:
    result = run_task(store, runner, tasks.add, 1, 2, 3)
    assert result.errors[0].exception_class is TypeError
    assert "positional argument" in result.errors[0].traceback


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("tasks_site.tasks.gone", "builtins.ImportError"),
        ("no.such.module.task", "builtins.ModuleNotFoundError"),
        ("nodots", "builtins.ImportError"),
        ("tasks_site.tasks.plain", "django.tasks.exceptions.InvalidTask"),
        ("tasks_site.broken.anything", "builtins.SystemExit"),
    ],
)
def test_a_task_that_cannot_be_had(
    store: Store, runner: Runner, path: str, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = enqueue("default", tasks.add, 1)
    Job.objects.update(task_path=path)
    (job,), _ = store.claim(1, False)
    successful, result = runner.run(job[4])
    assert not successful
    assert store.finish([(key, job[1], successful, result)]) == 0
    stored = row("default", key)
    assert stored.status == "FAILED" and stored.finished_at is not None
    assert [entry["exception_class_path"] for entry in stored.errors] == [error]
    assert "CORRAL-561" in caplog.text and key in caplog.text


def test_a_backend_that_left_the_settings(store: Store, runner: Runner) -> None:
    for alias, error in (("immediate", "InvalidTask"), ("gone", "InvalidTaskBackend")):
        key = enqueue("default", tasks.add, 1)
        Job.objects.filter(pk=key).update(backend_name=alias)
        (job,), _ = store.claim(1, False)
        successful, result = runner.run(job[4])
        assert not successful
        store.finish([(key, job[1], successful, result)])
        (entry,) = row("default", key).errors
        assert entry["exception_class_path"].endswith(error)


def test_a_payload_that_is_none_of_ours(runner: Runner) -> None:
    successful, result = runner.run(b"\xff{")
    assert not successful and json.loads(result)["error"]["traceback"]


def test_signals_have_the_class_as_sender(store: Store, runner: Runner) -> None:
    heard: list[Any] = []

    def receiver(signal: Any, sender: Any, task_result: Any, **kwargs: Any) -> None:
        heard.append((signal, sender, task_result.status, sys.exc_info()[0]))

    task_started.connect(receiver)
    task_finished.connect(receiver)
    try:
        run_task(store, runner, tasks.add, 1)
        run_task(store, runner, tasks.fail, "ValueError")
    finally:
        task_started.disconnect(receiver)
        task_finished.disconnect(receiver)
    assert heard == [
        (task_started, DatabaseBackend, "RUNNING", None),
        (task_finished, DatabaseBackend, "SUCCESSFUL", None),
        (task_started, DatabaseBackend, "RUNNING", None),
        (task_finished, DatabaseBackend, "FAILED", ValueError),
    ]


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("signal", [task_started, task_finished])
def test_receivers_that_raise_lose_no_job(
    store: Store, runner: Runner, signal: Any, error: type, caplog: pytest.LogCaptureFixture
) -> None:
    def receiver(**kwargs: Any) -> None:
        raise error("from a receiver")

    signal.connect(receiver)
    try:
        assert run_task(store, runner, tasks.add, 1).return_value == 2
        assert run_task(store, runner, tasks.fail, "ValueError").errors[0].exception_class
    finally:
        signal.disconnect(receiver)
    assert "from a receiver" in caplog.text


@pytest.mark.parametrize("task", ["leave_atomic", "leave_autocommit_off", "leave_raw_begin"])
def test_a_transaction_left_open_is_rolled_back(
    store: Store, runner: Runner, task: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert Node.objects.count() == 1
    result = run_task(store, runner, getattr(tasks, task))
    assert result.status is TaskResultStatus.SUCCESSFUL
    assert "CORRAL-563" in caplog.text
    assert not connection.in_atomic_block and connection.get_autocommit()
    assert Node.objects.count() == 1, "what it did in that transaction is undone"
    assert run_task(store, runner, tasks.add, 1).return_value == 2


def test_a_raw_transaction_on_a_server_is_rolled_back(runner: Runner) -> None:
    from tasks_databases import require

    cursor = connections[require("postgresql")].cursor()
    cursor.execute("SELECT 1")
    Hygiene().after()
    assert connections["postgresql"].connection is not None
    cursor.execute("BEGIN")
    cursor.execute("SELECT 1")
    Hygiene().after()
    assert connections["postgresql"].connection is None


def test_a_clean_connection_is_kept(
    store: Store, runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    connection.ensure_connection()
    before = connection.connection
    run_task(store, runner, tasks.add, 1)
    run_task(store, runner, tasks.fail, "ValueError")
    assert connection.connection is before and "CORRAL" not in caplog.text


def test_context_ends_with_the_job(store: Store, runner: Runner) -> None:
    first = run_task(store, runner, tasks.leave_context).return_value
    assert run_task(store, runner, tasks.leave_context).return_value == first


def test_defaults_of_the_task_and_of_the_job(store: Store, runner: Runner) -> None:
    heard: list[Any] = []

    def receiver(task_result: Any, **kwargs: Any) -> None:
        heard.append(task_result.task)

    past = datetime(2020, 1, 1, tzinfo=UTC)
    wanted = [
        tasks.send_mail,
        tasks.send_mail.using(priority=1, queue_name="slow"),
        tasks.send_mail.using(run_after=past),
    ]
    task_started.connect(receiver)
    try:
        for task in wanted:
            run_task(store, runner, task, "you")
    finally:
        task_started.disconnect(receiver)
    assert heard == wanted


def test_same_outcome_as_the_immediate_backend(store: Store, runner: Runner) -> None:
    cases: list[tuple[Any, tuple[Any, ...]]] = [
        (tasks.add, (1, 2)),
        (tasks.echo, ({"a": (1, 2)}, "é")),
        (tasks.add_async, (1, 2)),
        (tasks.fail, ("ValueError",)),
        (tasks.fail, ("SystemExit",)),
        (tasks.fail_async, ("ValueError",)),
        (tasks.give, ("object",)),
        (tasks.give, ("bytes",)),
        (tasks.give, ("tuple",)),
        (tasks.add, (1, 2, 3, 4)),
        (tasks.recurse, ()),
    ]
    for task, args in cases:
        theirs = task.using(backend="immediate").enqueue(*args)
        ours = run_task(store, runner, task, *args)
        assert ours.status == theirs.status, task
        assert ours._return_value == theirs._return_value
        assert ours.args == theirs.args
        assert [e.exception_class_path for e in ours.errors] == [
            e.exception_class_path for e in theirs.errors
        ]
        assert ours.attempts == theirs.attempts == 1


def test_djangos_own_log_lines(
    store: Store, runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="django.tasks"):
        run_task(store, runner, tasks.fail, "ValueError")
    states = [r for r in caplog.records if r.name == "django.tasks"]
    assert [r.levelname for r in states] == ["INFO", "ERROR"]
    assert states[1].exc_info and states[1].exc_info[0] is ValueError


def test_on_every_database(alias: str, runner: Runner, named: None) -> None:
    store = new_store(alias)
    store.open()
    good, bad = enqueue(alias, tasks.echo, "é"), enqueue(alias, tasks.fail, "group")
    outcomes = [(k, lease, *runner.run(payload)) for k, lease, _, _, payload, _ in _all(store)]
    assert store.finish(outcomes) == 0
    assert backend(alias).get_result(good).return_value == {"args": ["é"], "kwargs": {}}
    assert backend(alias).get_result(bad).errors[0].exception_class is ExceptionGroup
    assert row(alias, good).worker_ids[0].endswith("/tasks.1.0")
    store.close()


def _all(store: Store) -> list[Any]:
    return store.claim(100, False)[0]


def test_what_an_interrupted_attempt_left_is_cleaned_before_the_next(default_database: str) -> None:
    hygiene = Hygiene()
    hygiene.before()
    connection.set_autocommit(False)
    Node.objects.count()
    hygiene.before()  # the attempt never came to its after()
    assert connection.connection is None


def test_signals_are_not_sent_where_nobody_listens(
    store: Store, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(announce, "_send", lambda signal, sender, result: heard.append(result.id))
    log = logging.getLogger("django.tasks")
    monkeypatch.setattr(log, "level", logging.WARNING)
    log.manager._clear_cache()  # type: ignore[attr-defined]
    run_task(store, runner, tasks.add, 1)
    assert heard == []
    run_task(store, runner, tasks.fail, "ValueError")
    assert len(heard) == 1, "a failure is of a level that is wanted"
    task_started.connect(_listen)
    try:
        run_task(store, runner, tasks.add, 1)
    finally:
        task_started.disconnect(_listen)
    assert len(heard) == 2, "a receiver of the site"
    monkeypatch.setattr(log, "level", logging.INFO)
    log.manager._clear_cache()  # type: ignore[attr-defined]
    run_task(store, runner, tasks.add, 1)
    assert len(heard) == 4, "Django's own lines"


def _listen(**signal: Any) -> None:
    """A receiver."""
