"""Nodes that die: their jobs come back, guilty ones fail in the end, late ones change nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tasks_harness import enqueue, new_store, row
from tasks_site import tasks

from corral.tasks import machine
from corral.tasks.models import Job, Node
from harness import eventually

LONG = 600_000  # a lease time no test waits for
SHORT = 300
PAST = datetime(2020, 1, 1, tzinfo=UTC)


def hold(child: Any, alias: str, count: int) -> subprocess.Popen[str]:
    """A process whose node holds `count` running jobs."""
    keys = [enqueue(alias, tasks.add, n) for n in range(count)]
    process = child("holder.py", alias, str(LONG))
    assert sorted(process.stdout.readline().split()) == sorted(keys)
    return process


def test_a_killed_process_is_seen_at_once(alias: str, child: Any) -> None:
    holder = hold(child, alias, 3)
    store = new_store(alias)
    assert store.open() == 0, "its process is alive"
    holder.send_signal(signal.SIGKILL)
    # Not reaped yet on purpose: a zombie is dead as well.
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
    assert store.beat() == 3
    assert Node.objects.using(alias).count() == 1
    rows = Job.objects.using(alias).all()
    assert {(j.status, j.crashes, j.lease, j.node) for j in rows} == {("READY", 1, 2, None)}
    assert {len(j.worker_ids) for j in rows} == {1}
    assert store.beat() == 0
    assert store.claim(9, False) == ([], -1)
    assert len(store.claim(9, True)[0]) == 1
    store.close()


def test_the_next_start_finds_them(alias: str, child: Any) -> None:
    holder = hold(child, alias, 2)
    holder.kill()
    holder.wait()
    store = new_store(alias)
    assert store.open() == 2
    assert not Job.objects.using(alias).filter(status="RUNNING").exists()
    store.close()


def test_a_node_elsewhere_is_dead_when_its_lease_is_over(alias: str) -> None:
    key = enqueue(alias, tasks.add, 1)
    theirs = new_store(alias, lease_ms=LONG)
    theirs.open()
    (job,), _ = theirs.claim(1, False)
    Node.objects.using(alias).update(machine="another machine", pid=2**30)
    ours = new_store(alias, lease_ms=SHORT)
    assert ours.open() == 0
    Node.objects.using(alias).filter(machine="another machine").update(expires_at=PAST)
    assert ours.beat() == 0, "after an outage the time of all nodes is over"
    assert eventually(ours.beat, "the rescue") == 1
    assert row(alias, key).status == "READY"
    # It was only slow: what it says now is late, and it goes on as a node.
    late = (key, job[1], True, b'{"began":1,"ended":1,"return_value":"1"}')
    assert theirs.finish([late]) == 1
    theirs.open()
    assert Node.objects.using(alias).count() == 2
    assert len(theirs.claim(1, True)[0]) == 1
    assert ours.beat() == 0
    theirs.close()
    ours.close()


def test_after_an_outage_longer_than_the_lease_nobody_takes_the_others_for_dead(alias: str) -> None:
    theirs, ours = new_store(alias), new_store(alias)
    theirs.open()
    ours.open()
    key = enqueue(alias, tasks.add, 1)
    (job,), _ = theirs.claim(1, False)
    for _ in range(2):
        Node.objects.using(alias).update(expires_at=PAST)
        assert ours.open() == 0
        for _ in range(10):
            assert ours.beat() == 0
        theirs.open()
    assert (row(alias, key).status, row(alias, key).lease) == ("RUNNING", job[1])
    theirs.close()
    ours.close()


def test_running_rows_without_a_node_are_rescued(alias: str) -> None:
    lost, unknown = enqueue(alias, tasks.add, 1), enqueue(alias, tasks.add, 2)
    Job.objects.using(alias).filter(pk=lost).update(status="RUNNING", lease=4, node=uuid.uuid4())
    Job.objects.using(alias).filter(pk=unknown).update(status="RUNNING", lease=4, node=None)
    store = new_store(alias)
    assert store.open() == 2
    assert (row(alias, lost).lease, row(alias, unknown).lease) == (5, 5)
    store.close()


def test_a_job_that_kills_again_and_again_fails(alias: str) -> None:
    key = enqueue(alias, tasks.add, 1)
    kept = {"exception_class_path": "builtins.OSError", "message": "kept", "traceback": "kept"}
    Job.objects.using(alias).update(errors=[kept])
    store = new_store(alias, max_crashes=3)
    for crashes in (1, 2, 3):
        Job.objects.using(alias).update(status="RUNNING", node=uuid.uuid4())
        assert store.open() == 1
        assert row(alias, key).crashes == crashes
        assert row(alias, key).status == ("READY" if crashes < 3 else "FAILED")
    stored = row(alias, key)
    assert stored.finished_at is not None and stored.errors[0] == kept
    assert stored.errors[1]["exception_class_path"] == "corral.exceptions.WorkerCrashed"
    from corral.tasks.lookup import task_result

    assert issubclass(task_result(stored).errors[1].exception_class, Exception)
    store.close()


def test_a_job_that_runs_at_most_once_fails_with_its_first_crash(alias: str) -> None:
    key = enqueue(alias, tasks.add, 1)
    Job.objects.using(alias).update(at_most_once=True)
    store = new_store(alias)
    store.open()
    (job,), _ = store.claim(1, False)
    store.release([job[:2]])
    assert (row(alias, key).status, row(alias, key).crashes) == ("READY", 0)
    assert len(store.claim(1, False)[0]) == 1
    Job.objects.using(alias).update(node=uuid.uuid4())
    assert store.beat() == 1
    stored = row(alias, key)
    assert (stored.status, stored.crashes) == ("FAILED", 1)
    (error,) = stored.errors
    assert error["exception_class_path"] == "corral.exceptions.WorkerCrashed"
    assert "at most once" in error["message"]
    assert stored.prune_at - stored.finished_at == timedelta(days=30)
    store.close()


def test_by_default_the_second_crash_fails_a_job(alias: str) -> None:
    key = enqueue(alias, tasks.add, 1)
    store = new_store(alias)
    assert store.open() == 0
    for crashes, status in ((1, "READY"), (2, "FAILED")):
        assert len(store.claim(1, crashes > 1)[0]) == 1
        Job.objects.using(alias).update(node=uuid.uuid4())
        assert store.beat() == 1
        assert (row(alias, key).crashes, row(alias, key).status) == (crashes, status)
    store.close()


def test_many_orphans(alias: str) -> None:
    now = datetime.now(UTC)
    Job.objects.using(alias).bulk_create(
        Job(
            task_path="tasks_site.tasks.add",
            queue_name="default",
            backend_name="default",
            status="RUNNING",
            enqueued_at=now,
            due_at=now,
        )
        for _ in range(1203)
    )
    store = new_store(alias)
    assert store.open() == 1203
    store.close()


def test_nodes_that_rescue_together_count_each_job_once(alias: str, child: Any) -> None:
    holder = hold(child, alias, 40)
    holder.kill()
    holder.wait()
    first, second = new_store(alias), new_store(alias)
    assert first.open() + second.open() == 40
    assert set(Job.objects.using(alias).values_list("crashes", flat=True)) == {1}
    first.close()
    second.close()


def test_the_name_of_a_process_is_no_proof_of_death(monkeypatch: pytest.MonkeyPatch) -> None:
    started = machine.process_started(os.getpid())
    here = machine.machine()

    def gone(**changes: Any) -> bool:
        known = {"machine_then": here, "pid": os.getpid(), "started_then": started}
        return machine.is_provably_gone(**{**known, **changes})

    assert here and started
    assert not gone()
    assert gone(started_then=started - 1), "the number was given to another process"
    assert not gone(machine_then="", started_then=1)
    assert not gone(machine_then="another boot", started_then=1)
    assert not gone(started_then=None)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert gone(pid=ended.pid)
    monkeypatch.setattr(machine, "process_started", _hidden)
    assert not gone(), "hidden from us, but alive"
    assert gone(pid=ended.pid)


def test_a_clock_that_is_set_back_delays_no_plain_job(
    default_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = new_store(default_database)
    store.open()
    plain, deferred = (enqueue(default_database, tasks.add, n) for n in range(2))
    ahead = datetime.now(UTC) + timedelta(hours=1)
    Job.objects.update(due_at=ahead)
    Job.objects.filter(pk=deferred).update(run_after=ahead)
    from corral.tasks import store as module

    real = module.time.time
    monkeypatch.setattr(store, "_mend_until_s", 0.0)
    store.beat()
    assert store.claim(9, False)[0] == [], "without a jump nothing is looked for"
    monkeypatch.setattr(module.time, "time", lambda: real() - 3600)
    store.beat()
    assert [job[0] for job in store.claim(9, False)[0]] == [plain]
    store.close()


def _hidden(pid: int) -> int:
    raise FileNotFoundError


def test_a_clock_of_the_host_that_is_wrong_kills_nobody(
    alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if alias == "default":
        pytest.skip("SQLite has no clock but the host's")
    theirs, ours = new_store(alias), new_store(alias)
    theirs.open()
    enqueue(alias, tasks.add, 1)
    assert len(theirs.claim(1, False)[0]) == 1
    from corral.tasks import clock, sql

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(days=1)

    monkeypatch.setattr(clock, "datetime", Wrong)
    monkeypatch.setattr(sql, "datetime", Wrong)
    assert ours.open() == 0
    theirs.close()
    ours.close()
