"""`corral.tasks.pause` and `resume`, over every database, and as the stores see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings
from tasks_harness import enqueue, new_store, row
from tasks_site import tasks

import corral.tasks
from corral.tasks.models import Queue
from corral.tasks.store import Store

Make = Callable[..., Store]


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


def ids(jobs: list[Any]) -> list[str]:
    return [job[0] for job in jobs]


def later(**span: int) -> datetime:
    return datetime.now(UTC) + timedelta(**span)


@pytest.mark.parametrize("queues", [None, ["mail"], ["default", "mail"]])
def test_a_paused_queue_gives_nothing_until_it_is_resumed(
    site: str, make: Make, queues: list[str] | None
) -> None:
    key = enqueue(site, tasks.add.using(queue_name="mail"), 1)
    store = make(queues=queues)
    assert corral.tasks.pause("mail") is True
    assert corral.tasks.pause("mail") is False
    assert store.claim(5, False) == ([], -1)
    assert corral.tasks.resume("mail") is True
    assert corral.tasks.resume("mail") is False
    assert ids(store.claim(5, False)[0]) == [key]


@pytest.mark.parametrize("queues", [None, ["default", "mail"]])
def test_the_other_queues_go_on(site: str, make: Make, queues: list[str] | None) -> None:
    enqueue(site, tasks.add.using(queue_name="mail", priority=9), 1)
    key = enqueue(site, tasks.add, 1)
    store = make(queues=queues)
    corral.tasks.pause("mail")
    assert store.changed() is True
    assert ids(store.claim(5, False)[0]) == [key]
    assert store.claim(5, True) == ([], -1)


def test_a_claim_says_when_a_paused_queue_goes_on(site: str, make: Make) -> None:
    key = enqueue(site, tasks.add.using(queue_name="mail"), 1)
    store = make()
    corral.tasks.pause("mail", later(minutes=2))
    jobs, wait_ms = store.claim(5, False)
    assert jobs == [] and 110_000 < wait_ms <= 120_000
    enqueue(site, tasks.add.using(run_after=later(seconds=30)), 1)
    assert 20_000 < store.claim(5, False)[1] <= 30_000
    Queue.objects.using(site).update(resume_at=later(seconds=-1))
    assert ids(store.claim(5, False)[0]) == [key]
    assert corral.tasks.resume("mail") is False
    assert not Queue.objects.using(site).exists()


def test_what_is_over_is_paused_anew(site: str) -> None:
    corral.tasks.pause("mail", later(minutes=2))
    Queue.objects.using(site).update(resume_at=later(seconds=-1), paused_at=later(hours=-1))
    assert corral.tasks.pause("mail") is True
    queue = Queue.objects.using(site).get()
    assert queue.resume_at is None and queue.paused_at > later(minutes=-1)


def test_what_runs_goes_on(site: str, make: Make) -> None:
    key = enqueue(site, tasks.add.using(queue_name="mail"), 1)
    store = make()
    ((job_id, lease, *_),) = store.claim(5, False)[0]
    corral.tasks.pause("mail")
    assert store.finish([(job_id, lease, True, b'{"began": 0, "ended": 1}')]) == 0
    assert row(site, key).status == "SUCCESSFUL"


def test_it_belongs_to_the_callers_transaction(site: str) -> None:
    with pytest.raises(RuntimeError), transaction.atomic(using=site):
        corral.tasks.pause("mail")
        raise RuntimeError
    assert not Queue.objects.using(site).exists()


def test_mistakes_are_named(default_database: str) -> None:
    declared = {"BACKEND": "corral.tasks.DatabaseBackend", "QUEUES": ["default", "mail"]}
    with override_settings(TASKS={"default": declared}):
        with pytest.raises(ValueError, match="'male'; declared are 'default', 'mail'"):
            corral.tasks.pause("male")
        with pytest.raises(ValueError, match="which is past"):
            corral.tasks.pause("mail", later(seconds=-1))
        with pytest.raises(ValueError, match="USE_TZ asks for an aware datetime"):
            corral.tasks.pause("mail", datetime(2100, 1, 1))
    assert not Queue.objects.exists()
