"""The backend: Django's contract, the caller's transaction, the wake on commit."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import types
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from django.db.transaction import TransactionManagementError
from django.tasks import TaskResultStatus, task_backends
from django.tasks.exceptions import InvalidTask, TaskResultDoesNotExist, TaskResultMismatch
from django.tasks.signals import task_enqueued
from tasks_harness import backend, row
from tasks_site import tasks

import corral.tasks
from corral.tasks.backend import DatabaseBackend
from corral.tasks.lookup import with_options
from corral.tasks.models import Job

ARGUMENTS = {
    "text": 'žluťoučký 🐎 \x00 \udc80 \\ " %s %(x)s',
    "numbers": [0, -1, 2**80, 1e22, 0.1, -0.0, True, None],
    "deep": {"a": [{"b": [[], {}]}]},
    "": "",
}


@pytest.fixture
def wakes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A fake engine around us; holds, for each wake, whether a transaction was still open."""
    calls: list[bool] = []
    guest = types.ModuleType("corral._guest")
    guest.wake_keeper = lambda: (
        not calls.append(  # type: ignore[attr-defined]
            connections["default"].in_atomic_block
        )
    )
    monkeypatch.setitem(sys.modules, "corral._guest", guest)
    return calls


def test_capabilities() -> None:
    ours = task_backends["default"]
    assert type(ours) is DatabaseBackend
    assert ours.supports_defer and ours.supports_async_task
    assert ours.supports_get_result and ours.supports_priority


def test_every_field_comes_back(alias: str) -> None:
    ours = backend(alias)
    before = datetime.now(UTC)
    enqueued = ours.enqueue(tasks.echo, [ARGUMENTS, "x"], ARGUMENTS)
    result = ours.get_result(enqueued.id)
    assert uuid.UUID(result.id).version == 7
    assert result == enqueued
    assert result.args == [ARGUMENTS, "x"] and result.kwargs == ARGUMENTS
    assert [type(n) for n in result.kwargs["numbers"]] == [type(n) for n in ARGUMENTS["numbers"]]
    assert list(result.kwargs) == list(ARGUMENTS)
    assert result.status is TaskResultStatus.READY and not result.is_finished
    assert result.task == tasks.echo and result.backend == "default"
    assert abs(result.enqueued_at - before) < timedelta(seconds=60)
    assert result.enqueued_at.utcoffset() == timedelta(0)
    assert (result.started_at, result.finished_at, result.last_attempted_at) == (None, None, None)
    assert result.errors == [] and result.worker_ids == [] and result.attempts == 0
    with pytest.raises(ValueError, match="not finished"):
        _ = result.return_value


def test_priority_queue_and_run_after_come_back(alias: str) -> None:
    ours = backend(alias)
    later = datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    wanted = tasks.send_mail.using(priority=-100, queue_name="slow", run_after=later)
    result = ours.get_result(ours.enqueue(wanted, ["you"], {}).id)
    assert result.task == wanted
    stored = row(alias, result.id)
    assert stored.due_at == later and stored.run_after == later
    plain = row(alias, ours.enqueue(tasks.send_mail, ["you"], {}).id)
    assert (plain.priority, plain.queue_name, plain.run_after) == (7, "mail", None)
    assert abs(plain.due_at - plain.enqueued_at) < timedelta(seconds=60)


def test_arguments_that_json_cannot_hold_are_refused(default_database: str) -> None:
    for wrong, error in (({1, 2}, TypeError), (b"\xff", ValueError), (10**5000, ValueError)):
        with pytest.raises(error):
            tasks.echo.enqueue(wrong)
    assert not Job.objects.exists()


def test_refusals_are_djangos(default_database: str) -> None:
    def local() -> None: ...

    from django.tasks import task

    with pytest.raises(InvalidTask, match="module level"):
        task(local)
    for wrong in ({"priority": 101}, {"priority": 1.5}, {"queue_name": "unknown"}):
        with pytest.raises(InvalidTask):
            tasks.add.using(**wrong)
    with pytest.raises(InvalidTask, match="aware"):
        tasks.add.using(run_after=datetime(2030, 1, 1))
    with pytest.raises(InvalidTask, match="at most 128"):
        backend("default").validate_task(_with_queue("q" * 129))


def _with_queue(name: str) -> Any:
    return with_options(
        tasks.add, backend="default", priority=0, queue_name=name, run_after=None, options={}
    )


def test_results_that_are_not_there(default_database: str) -> None:
    elsewhere = DatabaseBackend("other", {"QUEUES": []}).enqueue(tasks.add, [1], {})
    for unknown in (str(uuid.uuid7()), "no uuid", "", 7, None, elsewhere.id):
        with pytest.raises(TaskResultDoesNotExist):
            tasks.add.get_result(unknown)
    mine = tasks.add.enqueue(1)
    assert tasks.add.get_result(mine.id.upper().replace("-", "")).id == mine.id
    with pytest.raises(TaskResultMismatch):
        tasks.echo.get_result(mine.id)


def test_a_result_of_a_task_that_left_the_site(default_database: str) -> None:
    mine = tasks.add.enqueue(1)
    for gone in ("tasks_site.tasks.gone", "no.such.module.task", "tasks_site.tasks.plain"):
        Job.objects.update(task_path=gone)
        with pytest.raises(InvalidTask, match=gone):
            task_backends["default"].get_result(mine.id)


def test_a_queue_that_left_the_settings_does_not_hide_the_result(default_database: str) -> None:
    mine = tasks.add.enqueue(1)
    Job.objects.update(queue_name="gone")
    assert tasks.add.get_result(mine.id).task.queue_name == "gone"


def test_refresh_reads_what_changed(default_database: str) -> None:
    result = tasks.add.enqueue(1)
    entry = {"exception_class_path": "builtins.KeyError", "message": "'x'", "traceback": "trace"}
    now = datetime.now(UTC)
    Job.objects.update(
        status="FAILED", errors=[entry], worker_ids=["a", "b"], started_at=now, finished_at=now
    )
    result.refresh()
    assert result.status is TaskResultStatus.FAILED and result.attempts == 2
    assert result.errors[0].exception_class is KeyError
    assert result.errors[0].traceback == "trace"
    assert result.started_at == result.finished_at == now
    Job.objects.update(status="SUCCESSFUL", return_value={"x": [1e22]})
    asyncio.run(result.arefresh())
    assert result.return_value == {"x": [1e22]}


def test_enqueue_is_one_statement(alias: str, wakes: list[bool]) -> None:
    ours = backend(alias)
    ours.enqueue(tasks.add, [1], {})
    with _counted(alias) as statements:
        ours.enqueue(tasks.add, [1], {})
    assert len(statements) == 1 and statements[0].startswith("INSERT")


def test_a_rollback_takes_the_job_with_it(alias: str, wakes: list[bool]) -> None:
    ours = backend(alias)
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=alias):
        result = ours.enqueue(tasks.add, [1], {})
        assert ours.get_result(result.id) == result
        _ = 1 / 0
    assert not Job.objects.using(alias).exists()
    assert wakes == []
    with pytest.raises(TaskResultDoesNotExist):
        ours.get_result(result.id)


def test_wakes_once_a_commit_and_after_it(default_database: str, wakes: list[bool]) -> None:
    tasks.add.enqueue(1)
    assert wakes == [False]
    with transaction.atomic():
        tasks.add.enqueue(1)
        with transaction.atomic():
            tasks.add.enqueue(2)
        tasks.add.enqueue(3)
        assert wakes == [False]
    assert wakes == [False, False]


def test_wakes_when_only_a_savepoint_was_rolled_back(
    default_database: str, wakes: list[bool]
) -> None:
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            tasks.add.enqueue(1)
            _ = 1 / 0
        tasks.add.enqueue(2)
    assert wakes == [False]
    with transaction.atomic(), pytest.raises(ZeroDivisionError), transaction.atomic():
        tasks.add.enqueue(1)
        _ = 1 / 0
    assert wakes == [False]
    assert Job.objects.count() == 1


def test_a_failing_wake_breaks_nothing(
    default_database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    guest = types.ModuleType("corral._guest")
    guest.wake_keeper = lambda: 1 / 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "corral._guest", guest)
    after: list[str] = []
    with transaction.atomic():
        tasks.add.enqueue(1)
        transaction.on_commit(lambda: after.append("ran"))
    tasks.add.enqueue(2)
    assert after == ["ran"] and Job.objects.count() == 2
    assert "ZeroDivisionError" in caplog.text


def test_manual_transactions_work(default_database: str, wakes: list[bool]) -> None:
    transaction.set_autocommit(False)
    try:
        tasks.add.enqueue(1)
        transaction.rollback()
        tasks.add.enqueue(2)
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    assert [job.args for job in Job.objects.all()] == [[2]]
    assert wakes == []


def test_a_failing_insert_leaves_a_transaction_as_django_does(default_database: str) -> None:
    class Lax(DatabaseBackend):
        def validate_task(self, task: Any) -> None: ...

    lax = Lax("default", {"QUEUES": []})
    wrong = with_options(
        tasks.add, backend="default", priority=500, queue_name="default", run_after=None, options={}
    )
    with pytest.raises(TransactionManagementError), transaction.atomic():
        with pytest.raises(IntegrityError):
            lax.enqueue(wrong, [1], {})
        Job.objects.count()
    assert Job.objects.count() == 0


def test_signals_have_the_class_as_sender(default_database: str) -> None:
    heard: list[tuple[Any, str, bool]] = []

    def receiver(sender: Any, task_result: Any, **kwargs: Any) -> None:
        heard.append((sender, task_result.id, Job.objects.filter(pk=task_result.id).exists()))

    async def async_receiver(sender: Any, task_result: Any, **kwargs: Any) -> None:
        heard.append((sender, task_result.id, True))

    task_enqueued.connect(receiver)
    task_enqueued.connect(async_receiver)
    try:
        one = tasks.add.enqueue(1)
        two = asyncio.run(tasks.add.aenqueue(2))
    finally:
        task_enqueued.disconnect(receiver)
        task_enqueued.disconnect(async_receiver)
    assert heard == [(DatabaseBackend, key, True) for key in (one.id, one.id, two.id, two.id)]


def test_async_variants(default_database: str, wakes: list[bool]) -> None:
    async def use() -> Any:
        enqueued = await tasks.add.aenqueue(4, b=5)
        found = await tasks.add.aget_result(enqueued.id)
        assert found == enqueued
        with pytest.raises(TaskResultDoesNotExist):
            await tasks.add.aget_result("nothing")
        return enqueued

    result = asyncio.run(use())
    assert row("default", result.id).kwargs == {"b": 5}
    assert wakes == [False]


def test_importing_needs_no_apps_and_no_django() -> None:
    source = Path(corral.tasks.__file__).parents[2]
    code = (
        f"import sys; sys.path.insert(0, {str(source)!r}); "
        "import corral.tasks, corral.tasks.store; "
        "assert 'django' not in sys.modules; "
        "from corral.tasks import DatabaseBackend; "
        "assert 'corral.tasks.models' not in sys.modules"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


class _counted:
    """Collects the statements of one connection."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def __enter__(self) -> list[str]:
        self.statements: list[str] = []

        def wrapper(execute: Any, sql: str, *rest: Any) -> Any:
            self.statements.append(sql)
            return execute(sql, *rest)

        self.context = connections[self.alias].execute_wrapper(wrapper)
        self.context.__enter__()
        return self.statements

    def __exit__(self, *error: Any) -> None:
        self.context.__exit__(*error)
