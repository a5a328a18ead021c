"""`corral.tasks.cancel`, over every database, and what the stores make of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.tasks import TaskResultStatus
from django.tasks.exceptions import TaskResultDoesNotExist
from django.test import override_settings
from tasks_harness import backend, enqueue, new_store, row
from tasks_site import tasks

import corral.tasks
import corral.testing
from corral.tasks import Cancellation
from corral.tasks.models import Job
from corral.tasks.runner import RETRY, Runner
from corral.tasks.store import Store

CANCELLED = "corral.exceptions.TaskCancelled"
Make = Callable[..., Store]


@pytest.fixture
def site(alias: str) -> Iterator[str]:
    """TASKS with a backend that keeps its jobs in the database."""
    setting = {
        "BACKEND": "corral.tasks.DatabaseBackend",
        "QUEUES": [],
        "OPTIONS": {"database": alias, "failed_retention": 60},
    }
    with override_settings(TASKS={"default": setting}):
        yield alias


@pytest.fixture
def make(alias: str) -> Iterator[Make]:
    stores: list[Store] = []

    def open_node(**options: Any) -> Store:
        store = new_store(alias, **options)
        store.open()
        stores.append(store)
        return store

    yield open_node
    for store in stores:
        store.close()


def errors(job: Job) -> list[str]:
    return [entry["exception_class_path"] for entry in job.errors]


def is_cancelled(job: Job) -> bool:
    return job.status == "FAILED" and errors(job)[-1:] == [CANCELLED]


def test_a_job_that_waits_is_failed_at_once(site: str, make: Make) -> None:
    later = tasks.add.using(run_after=datetime.now(UTC) + timedelta(hours=1))
    keys = [enqueue(site, tasks.add, 1), enqueue(site, later, 1)]
    for key in keys:
        assert corral.tasks.cancel(key) is Cancellation.CANCELLED
        job = row(site, key)
        assert is_cancelled(job) and job.finished_at is not None
        assert job.prune_at == job.finished_at + timedelta(seconds=60)
        assert corral.tasks.cancel(key) is Cancellation.FINISHED
        assert row(site, key).errors == job.errors
    store = make()
    assert store.cancelled() == []
    assert store.claim(5, False) == ([], -1)


def test_a_result_and_its_uuid_do_as_well(site: str) -> None:
    first = backend(site).enqueue(tasks.add, (1,), {})
    assert corral.tasks.cancel(first) == "cancelled"
    assert corral.tasks.cancel(uuid.UUID(first.id)) == "finished"
    first.refresh()
    assert first.status == TaskResultStatus.FAILED
    assert first.errors[0].exception_class is corral.exceptions.TaskCancelled


@pytest.mark.parametrize("unknown", ["0198c0de-0000-7000-8000-000000000000", "no id"])
def test_an_unknown_id_is_refused(site: str, unknown: str) -> None:
    with pytest.raises(TaskResultDoesNotExist):
        corral.tasks.cancel(unknown)


def test_the_node_that_runs_it_hears_of_it(site: str, make: Make) -> None:
    key = enqueue(site, tasks.add, 1)
    mine, other = make(), make()
    ((job_id, lease, *_),) = mine.claim(5, False)[0]
    assert corral.tasks.cancel(key) is Cancellation.ASKED
    assert row(site, key).status == "RUNNING"
    assert other.cancelled() == []
    assert mine.cancelled() == [(job_id, lease)]
    error = {"exception_class_path": CANCELLED, "message": "", "traceback": ""}
    record = {"began": 0, "ended": 1, "error": error}
    assert mine.finish([(job_id, lease, False, json.dumps(record).encode())]) == 0
    assert is_cancelled(row(site, key))
    assert mine.cancelled() == []


def test_what_is_given_back_or_retried_is_ended(site: str, make: Make) -> None:
    keys = {enqueue(site, tasks.add, number) for number in range(2)}
    store = make()
    first, second = store.claim(5, False)[0]
    for key in keys:
        corral.tasks.cancel(key)
    store.release([first[:2]])
    record = {"began": 0, "ended": 1, "retry_in": 0, "errors": "[]"}
    store.finish([(*second[:2], False, json.dumps(record).encode())])
    assert store.claim(5, False)[0] == []
    assert store.cancelled() == []
    assert all(is_cancelled(row(site, key)) for key in keys)
    assert store.cancelled() == [] and store.changed() in (True, False)


def test_a_job_that_succeeds_all_the_same_is_successful(site: str, make: Make) -> None:
    key = enqueue(site, tasks.add, 1)
    store = make()
    ((job_id, lease, *_),) = store.claim(5, False)[0]
    corral.tasks.cancel(key)
    store.finish([(job_id, lease, True, b'{"began": 0, "ended": 1, "return_value": "2"}')])
    assert row(site, key).status == "SUCCESSFUL"
    assert store.cancelled() == []


def test_it_belongs_to_the_callers_transaction(site: str) -> None:
    key = enqueue(site, tasks.add, 1)
    with pytest.raises(RuntimeError), transaction.atomic(using=site):
        corral.tasks.cancel(key)
        raise RuntimeError
    assert row(site, key).status == "READY" and row(site, key).cancel_requested_at is None


def test_an_attempt_that_was_cancelled_is_not_retried(default_database: str) -> None:
    class Watch:
        def limit(self, milliseconds: int, status: int, outcome: bytes) -> None: ...

        def hold(self) -> bool:
            return False

        def is_cancelled(self) -> bool:
            return True

    from tasks_site import policy_tasks  # noqa: F401

    key = enqueue("default", tasks.add, 1)
    store = new_store("default")
    store.open()
    ((_, _, _, _, payload, _),) = store.claim(1, False)[0]
    status, outcome = Runner().run(payload, Watch())
    store.close()
    assert status != RETRY and CANCELLED in outcome.decode()
    assert row("default", key).status == "RUNNING"


def test_jobs_in_memory_are_cancelled_too(default_database: str) -> None:
    with corral.testing.tasks() as jobs:
        result = tasks.add.enqueue(1)
        assert corral.tasks.cancel(result) is Cancellation.CANCELLED
        assert jobs.run() == []
        result.refresh()
        assert result.status == TaskResultStatus.FAILED
        assert corral.tasks.cancel(result) is Cancellation.FINISHED
        corral.tasks.pause("default")
        tasks.add.enqueue(1)
        assert jobs.run() == []
        corral.tasks.resume("default")
        assert len(jobs.run()) == 1
