"""`result.wait()` and `await result.await_finished()`, over every database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.tasks import TaskResultStatus
from django.tasks.exceptions import TaskResultDoesNotExist
from django.test import override_settings
from tasks_harness import new_store
from tasks_site import tasks

import corral.testing
from corral.tasks.models import Job

LONG_S = 60  # generous: a test that needs it has failed


@pytest.fixture
def site(alias: str) -> Iterator[str]:
    """TASKS with a backend that keeps its jobs in the database."""
    setting = {
        "BACKEND": "corral.tasks.DatabaseBackend",
        "QUEUES": [],
        "OPTIONS": {"database": alias},
    }
    with override_settings(TASKS={"default": setting}):
        yield alias


def finish_one(alias: str, *, good: bool) -> None:
    """A node claims the only job and finishes it."""
    store = new_store(alias)
    store.open()
    ((key, lease, *_),) = store.claim(1, False)[0]
    value = '"return_value": "[41]"' if good else '"errors": "[]"'
    store.finish([(key, lease, good, f'{{"began": 0, "ended": 1, {value}}}'.encode())])
    store.close()


class Waiter(threading.Thread):
    """Waits on a thread of its own; says when it has looked at the row for the first time."""

    def __init__(self, result: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.result = result
        self.waits = threading.Event()
        self.end: Any = None
        backend = type(result.task.get_backend())
        status = backend.status

        def seen(backend: Any, job_id: str) -> str:
            found = status(backend, job_id)
            self.waits.set()
            return found

        monkeypatch.setattr(backend, "status", seen)

    def run(self) -> None:
        try:
            self.end = self.result.wait(timedelta(seconds=LONG_S))
        except BaseException as error:
            self.end = error
        finally:
            connections.close_all()


@pytest.mark.parametrize("good", [True, False])
def test_the_end_of_a_job_is_seen(site: str, good: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    result = tasks.add.enqueue(1)
    waiter = Waiter(result, monkeypatch)
    waiter.start()
    assert waiter.waits.wait(LONG_S)
    finish_one(site, good=good)
    waiter.join(LONG_S)
    assert waiter.end is result and result.is_finished
    assert result.status == ("SUCCESSFUL" if good else "FAILED")
    assert result.wait(0) is result
    assert not good or result.return_value == [41]


def test_time_is_limited(site: str) -> None:
    result = tasks.add.enqueue(1)
    with pytest.raises(TimeoutError, match=f"job {result.id} has not finished within 0.05 s"):
        result.wait(0.05)
    with pytest.raises(TimeoutError):
        result.wait(0)
    with pytest.raises(ValueError, match="timeout is -1"):
        result.wait(-1)
    assert result.status == TaskResultStatus.READY


def test_inside_of_a_transaction_it_is_refused(site: str) -> None:
    with transaction.atomic(using=site):
        result = tasks.add.enqueue(1)
        with pytest.raises(RuntimeError, match="wait after the transaction"):
            result.wait(LONG_S)
    with pytest.raises(TimeoutError):
        result.wait(0)


def test_a_row_that_is_gone_is_said(site: str) -> None:
    result = tasks.add.enqueue(1)
    Job.objects.using(site).all().delete()
    with pytest.raises(TaskResultDoesNotExist):
        result.wait(LONG_S)


def test_asynchronous_code_waits_too(default_database: str) -> None:
    async def both() -> None:
        result = await tasks.add.aenqueue(1)
        with pytest.raises(TimeoutError):
            await result.await_finished(0.05)
        waiting = asyncio.create_task(result.await_finished(LONG_S))
        await asyncio.to_thread(finish_one, "default", good=True)
        assert await waiting is result
        assert result.return_value == [41]

    setting = {"BACKEND": "corral.tasks.DatabaseBackend", "QUEUES": []}
    with override_settings(TASKS={"default": setting}):
        asyncio.run(both())


def test_in_a_sites_tests_only_what_ran_can_be_waited_for(default_database: str) -> None:
    with corral.testing.tasks() as jobs:
        result = tasks.add.enqueue(1)
        with pytest.raises(RuntimeError, match=r"with run\(\)"):
            result.wait()
        jobs.run()
        assert result.wait(0).is_finished
