"""`corral.testing`: a site's tests decide when tasks run and what time it is."""

from __future__ import annotations

import json
import threading
import unittest
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.tasks import TaskResultStatus, task_backends
from django.tasks.exceptions import TaskResultDoesNotExist
from django.tasks.signals import task_finished
from django.test import TestCase, override_settings
from django.utils import timezone
from tasks_harness import backend, enqueue, new_store
from tasks_site import tasks as site

import corral.testing
from corral.tasks import enqueue_many, memory
from corral.tasks.models import Job


def group_names() -> list[str]:
    from django.contrib.auth.models import Group

    return list(Group.objects.values_list("name", flat=True))


SQLITE = pytest.mark.usefixtures("default_database")


@SQLITE
def test_nothing_runs_until_it_is_said() -> None:
    with corral.testing.tasks() as queue:
        result = site.add.enqueue(1, b=2)
        assert result.status is TaskResultStatus.READY
        assert [r.id for r in queue.waiting] == [result.id]
        (ran,) = queue.run()
        assert ran.id == result.id and ran.return_value == 3 and ran.attempts == 1
        result.refresh()
        assert result.is_finished and result.finished_at is not None
        assert queue.waiting == [] and queue.run() == []
    assert Job.objects.count() == 0


@SQLITE
def test_inline_enqueue_returns_what_came_of_it() -> None:
    with corral.testing.tasks(inline=True) as queue:
        assert site.add.enqueue(1).return_value == 2
        assert [r.return_value for r in enqueue_many(site.add, [(1,), (2,)])] == [2, 3]
        assert queue.waiting == []


@SQLITE
def test_order_is_that_of_a_worker() -> None:
    with corral.testing.tasks() as queue:
        for name, priority in (("late", -5), ("first", 0), ("second", 0), ("urgent", 9)):
            site.echo.using(priority=priority).enqueue(name)
        assert [r.args[0] for r in queue.run()] == ["urgent", "first", "second", "late"]


@SQLITE
def test_only_the_queues_asked_for() -> None:
    with corral.testing.tasks() as queue:
        site.add.enqueue(1)
        mail = site.add.using(queue_name="mail").enqueue(2)
        assert [r.id for r in queue.run(["mail"])] == [mail.id]
        assert len(queue.waiting) == 1


@SQLITE
def test_deferred_jobs_wait_for_their_time() -> None:
    begin = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    with corral.testing.tasks() as queue:
        queue.freeze(begin)
        site.add.using(run_after=begin + timedelta(hours=1)).enqueue(1)
        assert queue.run() == []
        queue.advance(3599)
        assert queue.run() == []
        queue.advance(timedelta(seconds=1))
        (ran,) = queue.run()
        assert ran.finished_at == timezone.now() == begin + timedelta(hours=1)
    assert timezone.now() > begin + timedelta(days=1), "the clock is the real one again"


@SQLITE
def test_retries_wait_for_their_backoff_and_keep_every_error() -> None:
    with corral.testing.tasks() as queue:
        failing = site.fail.using(max_attempts=3, backoff=60)
        result = failing.enqueue("ValueError")
        assert [r.status for r in queue.run()] == [TaskResultStatus.READY]
        queue.advance(59)
        assert queue.run() == []
        queue.advance(1)
        queue.run()
        queue.advance(60)
        (last,) = queue.run()
        assert last.status is TaskResultStatus.FAILED and len(last.errors) == 3
        result.refresh()
        assert result.attempts == 3


@SQLITE
def test_a_rollback_takes_the_job_with_it() -> None:
    with corral.testing.tasks() as queue:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            site.add.enqueue(1)
            raise ZeroDivisionError
        assert queue.results == []
        with transaction.atomic():
            kept = site.add.enqueue(2)
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                site.add.enqueue(3)
                raise ZeroDivisionError
        assert [r.id for r in queue.run()] == [kept.id]


@SQLITE
def test_it_works_inside_a_test_case_whose_transaction_never_commits() -> None:
    seen: dict[str, Any] = {}

    class Inside(TestCase):
        databases = {"default"}  # noqa: RUF012  # Django's own form

        def test(self) -> None:
            with corral.testing.tasks() as queue:
                site.write_group.enqueue("inside")
                with pytest.raises(ZeroDivisionError), transaction.atomic():
                    site.add.enqueue(1)
                    raise ZeroDivisionError
                seen["ran"] = [r.status for r in queue.run()]
                seen["atomic"] = connections["default"].in_atomic_block
                seen["written"] = group_names()

    outcome = unittest.TestResult()
    unittest.TestSuite([Inside("test")]).run(outcome)
    assert outcome.wasSuccessful() and outcome.testsRun == 1, outcome
    assert seen == {
        "ran": [TaskResultStatus.SUCCESSFUL], "atomic": True, "written": ["inside"],
    }  # fmt: skip
    assert group_names() == []


@SQLITE
def test_tasks_that_enqueue_others_are_run_too_and_loops_are_noticed() -> None:
    with corral.testing.tasks() as queue:
        site.countdown.enqueue(3)
        assert [r.args[0] for r in queue.run()] == [3, 2, 1, 0]
        site.countdown.enqueue(-1)
        with pytest.raises(RuntimeError, match=r"20 attempts were made and .*countdown is due"):
            queue.run(limit=20)


@SQLITE
def test_assertions_say_what_was_enqueued() -> None:
    with corral.testing.tasks() as queue:
        with pytest.raises(AssertionError, match=r"add\(1\) was not enqueued; nothing was"):
            queue.assert_enqueued(site.add, 1)
        made = site.add.enqueue(1, b=[2, (3,)])
        assert queue.assert_enqueued(site.add, 1, b=(2, [3])).id == made.id
        with pytest.raises(AssertionError, match=r"enqueued: .*add\(1, b=\[2, \[3\]\]\)"):
            queue.assert_enqueued(site.add, 2)
        queue.assert_not_enqueued(site.echo)
        with pytest.raises(AssertionError, match=r"add was enqueued; enqueued: .*add\(1, b="):
            queue.assert_not_enqueued(site.add)


@SQLITE
def test_signals_and_context_are_the_real_ones() -> None:
    heard: list[Any] = []

    def hear(task_result: Any, **more: Any) -> None:
        heard.append(task_result.status)

    task_finished.connect(hear)
    try:
        with corral.testing.tasks() as queue:
            result = site.who.enqueue()
            queue.run()
            result.refresh()
    finally:
        task_finished.disconnect(hear)
    assert heard == [TaskResultStatus.SUCCESSFUL]
    assert result.return_value["id"] == result.id and result.return_value["attempt"] == 1


@SQLITE
def test_other_threads_of_the_site_enqueue_into_the_same_queue() -> None:
    with corral.testing.tasks() as queue:
        threads = [threading.Thread(target=site.add.enqueue, args=(n,)) for n in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(r.return_value for r in queue.run()) == [1, 2, 3, 4, 5]


@SQLITE
def test_the_payload_is_that_of_a_store() -> None:
    enqueue("default", site.add, 1)
    store = new_store("default")
    store.open()
    (job,), _ = store.claim(1, False)
    store.close()
    with corral.testing.tasks():
        site.add.enqueue(1)
        (ours,) = memory.book().jobs()
        assert json.loads(memory.payload(ours)).keys() == json.loads(job[4]).keys()


@SQLITE
def test_mistakes_are_explained() -> None:
    with corral.testing.tasks() as queue:
        with pytest.raises(RuntimeError, match="in use already"), corral.testing.tasks():
            pass
        with pytest.raises(ValueError, match="needs a moment with a time zone"):
            queue.freeze(datetime(2026, 1, 1))
        with pytest.raises(ValueError, match="time does not go back"):
            queue.advance(-1)
        with pytest.raises(TaskResultDoesNotExist):
            task_backends["default"].get_result("nonsense")
    with pytest.raises(RuntimeError, match=r"works within corral\.testing"):
        memory.MemoryBackend("default", {"QUEUES": []}).enqueue(site.add, (1,), {})
    dummy = {"default": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"}}
    with override_settings(TASKS=dummy), pytest.raises(RuntimeError, match="nothing for"):
        corral.testing.tasks().__enter__()
    assert isinstance(backend("default"), type(task_backends["default"]))
