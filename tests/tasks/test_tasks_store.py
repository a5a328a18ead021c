"""The store over every database: order, leases, outcomes, release, due times."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, Error, OperationalError, connections
from django.tasks import TaskResultStatus
from tasks_harness import backend, enqueue, execute, new_store, row
from tasks_site import tasks

from corral.tasks.batch import enqueue_calls
from corral.tasks.models import Job, Node
from corral.tasks.store import Store
from harness import eventually

Make = Callable[..., Store]


@pytest.fixture
def make(alias: str) -> Iterator[Make]:
    """Opens nodes on the database, closed after the test."""
    stores: list[Store] = []

    def open_node(**options: Any) -> Store:
        store = new_store(alias, **options)
        store.open()
        stores.append(store)
        return store

    yield open_node
    for store in stores:
        store.close()


def outcome(
    job: Any, value: Any = None, *, error: dict[str, str] | None = None, **more: Any
) -> Any:
    """What the runner would answer for a claimed job."""
    key, lease, _, _, payload, _ = job
    record = json.loads(payload)
    now = time.monotonic_ns()
    result = {
        "began": now - 3_000_000,
        "ended": now - 1_000_000,
        "worker_ids": json.dumps([*record["worker_ids"][:-1], "the worker"]),
        **({"errors": json.dumps([*record["errors"], error])} if error else {}),
        **({} if error else {"return_value": json.dumps(value)}),
        **more,
    }
    return key, lease, error is None, json.dumps(result).encode()


def ids(jobs: list[Any]) -> list[str]:
    return [job[0] for job in jobs]


def test_claims_by_priority_then_due_time_then_age(alias: str, make: Make) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    low = enqueue(alias, tasks.add.using(priority=-5), 1)
    plain = enqueue(alias, tasks.add, 1)
    later = enqueue(alias, tasks.add, 1)
    high = enqueue(alias, tasks.add.using(priority=5), 1)
    # Deferred jobs: one became due before the others were enqueued, one after.
    became_due_first = enqueue(alias, tasks.add.using(run_after=past), 1)
    became_due_last = enqueue(alias, tasks.add.using(run_after=datetime.now(UTC)), 1)
    expected = [high, became_due_first, plain, later, became_due_last, low]
    store = make()
    first, _ = store.claim(4, False)
    second, _ = store.claim(4, False)
    assert ids(first) + ids(second) == expected
    assert store.claim(4, False) == ([], -1)


def test_a_claim_marks_the_row_and_tells_the_runner_all(alias: str, make: Make) -> None:
    result = backend(alias).enqueue(
        tasks.echo.using(priority=3, queue_name="mail"), ["é\x00\udc80", 2**70], {"k": 1e22}
    )
    node = str(uuid.uuid4())
    store = make(incarnation=node)
    (claimed,), wait = store.claim(5, False)
    key, lease, queue, crashes, payload, at_most_once = claimed
    assert (key, lease, queue, crashes, wait) == (result.id, 1, "mail", 0, -1)
    assert at_most_once is False
    stored = row(alias, key)
    assert stored.status == "RUNNING" and stored.lease == 1 and str(stored.node) == node
    assert stored.started_at == stored.last_attempted_at >= stored.enqueued_at
    assert len(stored.worker_ids) == 1
    record = json.loads(payload)
    assert record["id"] == result.id and record["task"] == "tasks_site.tasks.echo"
    assert record["args"] == ["é\x00\udc80", 2**70] and record["kwargs"] == {"k": 1e22}
    assert type(record["kwargs"]["k"]) is float
    assert (record["priority"], record["queue"], record["backend"]) == (3, "mail", "default")
    assert record["worker_ids"] == stored.worker_ids and record["errors"] == []
    assert record["run_after"] is None
    assert datetime.fromisoformat(record["enqueued_at"]) == stored.enqueued_at
    assert payload.isascii()


def test_only_the_asked_queues(alias: str, make: Make) -> None:
    mail = enqueue(alias, tasks.add.using(queue_name="mail"), 1)
    slow = enqueue(alias, tasks.add.using(queue_name="slow", priority=50), 1)
    enqueue(alias, tasks.add, 1)
    both = make(queues=["mail", "slow"])
    assert ids(both.claim(9, False)[0]) == [slow, mail]
    nothing = make(queues=["nothing"])
    assert nothing.claim(9, False) == ([], -1)


def test_priority_counts_across_queues(alias: str, make: Make) -> None:
    keys = {
        (queue, priority): enqueue(alias, tasks.add.using(queue_name=queue, priority=priority), 1)
        for queue in ("default", "mail", "slow")
        for priority in (1, 3, 2)
    }
    for queues in (["default", "mail", "slow"], None):
        store = make(queues=queues)
        jobs, _ = store.claim(4, False)
        expected = [keys[q, p] for p, q in ((3, "default"), (3, "mail"), (3, "slow"))]
        assert ids(jobs)[:3] == expected
        assert len(jobs) == 4
        store.release((key, lease) for key, lease, *_ in jobs)
        store.close()


def queues_of(jobs: list[Any]) -> Counter[str]:
    return Counter(job[2] for job in jobs)


@pytest.mark.parametrize("queues", [["default", "mail", "slow"], None])
def test_each_queue_gets_its_weights_share(
    alias: str, make: Make, queues: list[str] | None
) -> None:
    mine = backend(alias)
    calls = [(n,) for n in range(40)]
    enqueue_calls(mine, tasks.add.using(queue_name="mail", priority=50), calls)
    enqueue_calls(mine, tasks.add.using(queue_name="slow"), calls)
    small = enqueue(alias, tasks.add, 1)
    store = make(queues=queues, weights={"slow": 3})
    jobs, _ = store.claim(9, False)
    assert queues_of(jobs) == {"default": 1, "mail": 2, "slow": 6} and small in ids(jobs)
    singles = [job for _ in range(12) for job in store.claim(1, False)[0]]
    assert queues_of(singles) == {"mail": 3, "slow": 9}
    # What one does not need goes to the others.
    assert len(store.claim(99, False)[0]) == 81 - 9 - 12


def test_any_queue_when_none_is_named(alias: str, make: Make) -> None:
    keys = set()
    for name in ("a", "b", "ç"):
        keys.add(key := enqueue(alias, tasks.add, 1))
        Job.objects.using(alias).filter(pk=key).update(queue_name=name)
    assert set(ids(make(queues=None).claim(9, False)[0])) == keys


def test_deferred_jobs_wait_and_say_how_long(alias: str, make: Make) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    enqueue(alias, tasks.add.using(run_after=soon + timedelta(hours=1), priority=100), 1)
    deferred = enqueue(alias, tasks.add.using(run_after=soon), 1)
    for queues in (["default"], ["default", "mail"], None):
        store = make(queues=queues)
        jobs, wait = store.claim(5, False)
        assert jobs == [] and 10_000 < wait <= 30_500
        store.close()
    store = make()
    Job.objects.using(alias).filter(pk=deferred).update(due_at=datetime.now(UTC))
    jobs, wait = store.claim(5, False)
    assert ids(jobs) == [deferred] and wait > 3_000_000


def test_a_due_job_that_another_node_holds_is_asked_for_again_soon(alias: str, make: Make) -> None:
    if alias == "default":
        pytest.skip("SQLite has no row locks: a claim waits for the other one")
    store = make(queues=["default"])
    due = datetime.now(UTC) - timedelta(seconds=1)
    key = enqueue(alias, tasks.add.using(run_after=due), 1)
    with connections[alias].cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT id FROM corral_job FOR UPDATE")
        jobs, wait = store.claim(1, False)
        cursor.execute("ROLLBACK")
    assert jobs == [] and 0 < wait <= 10
    assert ids(store.claim(1, False)[0]) == [key]


def test_suspects_are_claimed_alone_and_only_when_asked(alias: str, make: Make) -> None:
    one, two = enqueue(alias, tasks.add, 1), enqueue(alias, tasks.add, 2)
    innocent = enqueue(alias, tasks.add, 3)
    Job.objects.using(alias).filter(pk__in=[one, two]).update(crashes=1)
    store = make()
    assert ids(store.claim(9, False)[0]) == [innocent]
    jobs, _ = store.claim(9, True)
    assert ids(jobs) == [one] and jobs[0][3] == 1
    assert ids(store.claim(9, True)[0]) == [two]
    assert store.claim(9, True) == ([], -1)


def test_finish_writes_the_outcome(alias: str, make: Make) -> None:
    value = {"text": "é\x00\udc80", "n": [2**70, 1e22, None]}
    good = enqueue(alias, tasks.add, 1)
    bad = enqueue(alias, tasks.add, 2)
    store = make()
    jobs, _ = store.claim(9, False)
    entry = {"exception_class_path": "builtins.OSError", "message": "\x00", "traceback": "t\udc80"}
    assert store.finish([outcome(jobs[0], value), outcome(jobs[1], error=entry)]) == 0
    result = backend(alias).get_result(good)
    assert result.status is TaskResultStatus.SUCCESSFUL and result.return_value == value
    assert [type(n) for n in result.return_value["n"]] == [int, float, type(None)]
    assert result.worker_ids == ["the worker"] and result.errors == []
    assert abs(result.started_at - result.enqueued_at) < timedelta(seconds=60)
    assert result.started_at == result.last_attempted_at
    assert result.finished_at - result.started_at == timedelta(milliseconds=2)
    assert datetime.now(UTC) - result.finished_at < timedelta(seconds=60)
    failed = backend(alias).get_result(bad)
    assert failed.status is TaskResultStatus.FAILED
    assert failed.errors[0].exception_class is OSError and failed.errors[0].traceback == "t\udc80"
    assert row(alias, bad).errors == [entry]
    assert row(alias, good).node is None


def test_a_retry_makes_the_job_ready_again_later(alias: str, make: Make) -> None:
    key = enqueue(alias, tasks.add, 1)
    store = make()
    (job,), _ = store.claim(1, False)
    entry = {"exception_class_path": "builtins.OSError", "message": "m", "traceback": "t"}
    before = row(alias, key)
    again = outcome(job, error=entry, retry_in=60_000_000, retention=5)
    assert store.finish([again]) == 0
    stored = row(alias, key)
    assert (stored.status, stored.node, stored.finished_at) == ("READY", None, None)
    assert stored.prune_at is None and stored.errors == [entry] and stored.lease == 1
    assert stored.run_after == stored.due_at
    wait = stored.due_at - before.last_attempted_at
    assert timedelta(seconds=60) <= wait < timedelta(seconds=120)
    assert stored.worker_ids == ["the worker"] and stored.started_at is not None
    jobs, wait_ms = store.claim(1, False)
    assert jobs == [] and 10_000 < wait_ms <= 60_000
    assert store.finish([outcome(job, "late")]) == 1
    Job.objects.using(alias).update(due_at=before.enqueued_at)
    (second,), _ = store.claim(1, False)
    assert json.loads(second[4])["errors"] == [entry]
    assert store.finish([outcome(second, 5)]) == 0
    stored = row(alias, key)
    assert stored.status == "SUCCESSFUL" and stored.errors == [entry]
    assert stored.started_at < stored.last_attempted_at <= stored.finished_at
    assert len(stored.worker_ids) == 2


def test_outcomes_of_every_kind_in_one_batch(alias: str, make: Make) -> None:
    keys = [enqueue(alias, tasks.add, n) for n in range(4)]
    store = make()
    jobs, _ = store.claim(9, False)
    entry = {"exception_class_path": "builtins.OSError", "message": "m", "traceback": "t"}
    done = [
        outcome(jobs[0], 1, retention=3600),
        outcome(jobs[1], error=entry, retention=None),
        outcome(jobs[2], error=entry, retry_in=0),
        outcome(jobs[3], 4),
    ]
    assert store.finish(done) == 0
    rows = [row(alias, key) for key in keys]
    assert [r.status for r in rows] == ["SUCCESSFUL", "FAILED", "READY", "SUCCESSFUL"]
    assert rows[0].prune_at - rows[0].finished_at == timedelta(hours=1)
    assert [r.prune_at for r in rows[1:3]] == [None, None]
    assert rows[3].prune_at is not None, "what says nothing has the backend's default"
    assert [r.run_after is None for r in rows] == [True, True, False, True]
    assert ids(store.claim(9, False)[0]) == [keys[2]]


def test_prune_deletes_what_is_over_and_nothing_else(alias: str, make: Make) -> None:
    keys = [enqueue(alias, tasks.add, n) for n in range(6)]
    store = make()
    jobs, _ = store.claim(5, False)
    retentions = (0, 0, 0, 3600, None)
    store.finish([outcome(j, 1, retention=r) for j, r in zip(jobs, retentions, strict=True)])
    assert store.prune(2) == 2
    assert store.prune(2) == 1
    assert store.prune(2) == 0
    left = {str(key) for key in Job.objects.using(alias).values_list("pk", flat=True)}
    assert left == set(keys[3:])


def test_finish_keeps_the_first_start(alias: str, make: Make) -> None:
    key = enqueue(alias, tasks.add, 1)
    long_ago = datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    Job.objects.using(alias).update(started_at=long_ago, worker_ids=["the first"])
    store = make()
    (job,), _ = store.claim(1, False)
    record = json.loads(job[4])
    assert record["worker_ids"][0] == "the first"
    assert datetime.fromisoformat(record["started_at"]) == long_ago
    store.finish([outcome(job, 5)])
    stored = row(alias, key)
    assert stored.started_at == long_ago < stored.last_attempted_at
    assert stored.worker_ids == ["the first", "the worker"]


def test_a_late_finish_changes_nothing_and_is_counted(alias: str, make: Make) -> None:
    keys = [enqueue(alias, tasks.add, n) for n in range(3)]
    store = make()
    jobs, _ = store.claim(9, False)
    store.release([(jobs[0][0], jobs[0][1])])
    again, _ = store.claim(9, False)
    assert ids(again) == keys[:1] and again[0][1] == 3
    assert store.finish([outcome(job, "late") for job in jobs]) == 1
    assert row(alias, keys[0]).status == "RUNNING"
    assert store.finish([outcome(again[0], "right")]) == 0
    assert store.finish([outcome(again[0], "twice")]) == 1
    assert row(alias, keys[0]).return_value == "right"


def test_release_leaves_no_trace(alias: str, make: Make) -> None:
    key = enqueue(alias, tasks.add, 1)
    fresh = row(alias, key)
    store = make()
    (job,), _ = store.claim(1, False)
    store.release([(key, job[1] + 1)])
    assert row(alias, key).status == "RUNNING"
    store.release([(key, job[1])])
    released = row(alias, key)
    assert released.lease == 2
    released.lease = 0
    fields = [field.attname for field in Job._meta.fields]
    assert [getattr(released, f) for f in fields] == [getattr(fresh, f) for f in fields]


def test_release_of_a_second_attempt_keeps_the_first(alias: str, make: Make) -> None:
    key = enqueue(alias, tasks.add, 1)
    first = datetime(2020, 1, 1, tzinfo=UTC)
    Job.objects.using(alias).update(started_at=first, worker_ids=["the first"], crashes=1)
    store = make()
    (job,), _ = store.claim(1, True)
    store.release([(key, job[1])])
    released = row(alias, key)
    assert released.started_at == first and released.worker_ids == ["the first"]
    assert released.crashes == 1 and released.status == "READY"


def test_an_outcome_that_is_not_the_runners_is_a_failure_with_its_text(
    alias: str, make: Make
) -> None:
    key = enqueue(alias, tasks.add, 1)
    store = make()
    (job,), _ = store.claim(1, False)
    assert store.finish([(key, job[1], True, b"the worker \xff went away")]) == 0
    (error,) = row(alias, key).errors
    assert error["exception_class_path"] == "corral.exceptions.TaskExecutionError"
    assert error["message"].startswith("the worker ") and row(alias, key).status == "FAILED"


def test_an_outcome_the_database_refuses_does_not_hold_up_the_others(
    alias: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [enqueue(alias, tasks.add, n) for n in range(3)]
    store = make()
    jobs, _ = store.claim(9, False)
    monkeypatch.setattr(store.dialect, "row_bytes_max", 100_000)
    answers = [outcome(job, "fine") for job in jobs]
    answers[1] = outcome(jobs[1], "x" * 200_000)
    assert store.finish(answers) == 0
    assert [row(alias, key).status for key in keys] == ["SUCCESSFUL", "FAILED", "SUCCESSFUL"]
    assert "could not be stored" in row(alias, keys[1]).errors[0]["message"]


def test_a_row_that_breaks_a_constraint_does_not_hold_up_the_others(alias: str, make: Make) -> None:
    keys = [enqueue(alias, tasks.add, n) for n in range(3)]
    store = make()
    jobs, _ = store.claim(9, False)
    execute(
        alias,
        "ALTER TABLE corral_job ADD CONSTRAINT refusal CHECK (return_value <> '\"bad\"')"
        if alias != "default"
        else "CREATE TRIGGER refusal BEFORE UPDATE ON corral_job WHEN NEW.return_value = '\"bad\"' "
        "BEGIN SELECT raise(ABORT, 'refused'); END",
    )
    try:
        answers = [outcome(job, "bad" if n == 1 else "fine") for n, job in enumerate(jobs)]
        assert store.finish(answers) == 0
    finally:
        execute(
            alias,
            "ALTER TABLE corral_job DROP CONSTRAINT refusal"
            if alias != "default"
            else "DROP TRIGGER refusal",
        )
    assert [row(alias, key).status for key in keys] == ["SUCCESSFUL", "FAILED", "SUCCESSFUL"]


def test_large_batches(alias: str, make: Make) -> None:
    ours = backend(alias)
    for n in range(300):
        ours.enqueue(tasks.add, [n], {})
    store = make(queues=["default"])
    jobs, _ = store.claim(1000, False)
    assert len(jobs) == 300
    assert store.finish([outcome(job, "x" * 2000) for job in jobs]) == 0
    assert Job.objects.using(alias).filter(status="SUCCESSFUL").count() == 300


def test_a_node_appears_beats_and_leaves(alias: str, make: Make) -> None:
    store = make(lease_ms=150)
    node = Node.objects.using(alias).get()
    assert node.started_at + timedelta(seconds=0.09) == node.expires_at, "9/15: see witness.py"
    assert node.machine and node.process_started and node.pid

    def is_renewed() -> bool:
        store.beat()
        return Node.objects.using(alias).get().expires_at > node.expires_at

    eventually(is_renewed, "a beat that renews")
    Node.objects.using(alias).all().delete()
    store.beat()
    assert Node.objects.using(alias).get().incarnation == node.incarnation
    store.close()
    assert not Node.objects.using(alias).exists()
    store.close()


def test_open_again_reconnects_and_keeps_what_runs(alias: str, make: Make) -> None:
    key = enqueue(alias, tasks.add, 1)
    store = make(lease_ms=1)
    (job,), _ = store.claim(1, False)
    store._connection.connection.close()
    with pytest.raises(Error):
        store.claim(1, False)
    assert store.open() == 0
    assert row(alias, key).status == "RUNNING"
    assert store.finish([outcome(job, 1)]) == 0


def test_open_gives_back_a_claim_whose_answer_was_lost(
    alias: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [enqueue(alias, tasks.add, n) for n in range(4)]
    store = make()
    held, _ = store.claim(2, False)

    def lose(*_: Any) -> int:
        store._connection.connection.close()
        raise OperationalError("the connection was lost")

    with monkeypatch.context() as patched:
        patched.setattr(store, "_wait_ms", lose)  # the first statement after the commit
        with pytest.raises(OperationalError):
            store.claim(9, False)
    assert {row(alias, key).status for key in keys} == {"RUNNING"}
    assert store.open() == 0
    assert [row(alias, key).status for key in keys] == ["RUNNING", "RUNNING", "READY", "READY"]
    assert [row(alias, key).crashes for key in keys] == [0, 0, 0, 0]
    assert row(alias, keys[2]).worker_ids == []
    assert store.finish([outcome(job, 1) for job in held]) == 0
    assert ids(store.claim(9, False)[0]) == keys[2:]


def test_open_keeps_what_is_held_and_repeats_are_harmless(alias: str, make: Make) -> None:
    keys = [enqueue(alias, tasks.add, n) for n in range(3)]
    store = make()
    jobs, _ = store.claim(9, False)
    assert store.finish([outcome(jobs[0], 1)]) == 0
    store.release([jobs[1][:2]])
    assert store.open() == 0
    assert store.finish([outcome(jobs[0], 1)]) == 1, "the keeper repeats what it is not sure of"
    store.release([jobs[1][:2]])
    assert [row(alias, key).status for key in keys] == ["SUCCESSFUL", "READY", "RUNNING"]
    assert store._held == {jobs[2][:2]}


@pytest.mark.parametrize("queues", [None, ["default"], ["default", "mail"]])
def test_sees_jobs_of_other_programs(alias: str, make: Make, queues: list[str] | None) -> None:
    store = make(queues=queues)
    store.claim(1, False)
    assert store.changed() is False
    enqueue(alias, tasks.add, 1)
    assert store.changed() is True
    assert len(store.claim(1, False)[0]) == 1
    assert store.changed() is False


def test_a_look_for_suspects_does_not_take_the_news_of_other_rows(alias: str, make: Make) -> None:
    store = make()
    store.claim(1, False)
    enqueue(alias, tasks.add, 1)
    assert store.claim(1, True)[0] == []
    assert store.changed() is True


def test_sees_commits_of_others(default_database: str) -> None:
    store = new_store("default")
    store.open()
    store.claim(1, False)
    assert store.changed() is False
    enqueue("default", tasks.add, 1)
    assert store.changed() is True and store.changed() is True
    (job,), _ = store.claim(1, False)
    assert store.changed() is False
    store.finish([outcome(job, 1)])
    assert store.changed() is False
    store.close()


def test_a_locked_sqlite_file_is_waited_for_then_reported(default_database: str) -> None:
    enqueue("default", tasks.add, 1)
    store = new_store("default")
    store._database["OPTIONS"]["timeout"] = 0.3
    store.open()
    with connections["default"].cursor() as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseError, match="locked"):
            store.claim(1, False)
        cursor.execute("ROLLBACK")
    assert store.open() == 0
    assert len(store.claim(1, False)[0]) == 1
    store.close()


def test_a_lock_that_ends_in_time_is_waited_for(default_database: str) -> None:
    enqueue("default", tasks.add, 1)
    claimed: list[Any] = []
    at_it = threading.Event()

    def keeper() -> None:
        store = new_store("default")
        store.open()
        at_it.set()
        assert go_on.wait(20)
        claimed.extend(store.claim(1, False)[0])
        store.close()

    go_on = threading.Event()
    thread = threading.Thread(target=keeper)
    thread.start()
    assert at_it.wait(20)
    with connections["default"].cursor() as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        go_on.set()
        thread.join(0.2)
        assert thread.is_alive() and claimed == []
        cursor.execute("COMMIT")
    thread.join(20)
    assert len(claimed) == 1


def test_processes_never_claim_the_same_job(alias: str, child: Any) -> None:
    keys = [enqueue(alias, tasks.add, n) for n in range(200)]
    claimers = [child("claimer.py", alias) for _ in range(3)]
    for claimer in claimers:
        assert claimer.stdout.readline() == "open\n"
    for claimer in claimers:
        claimer.stdin.write("go\n")
        claimer.stdin.flush()
    claimed = [key for claimer in claimers for key in claimer.communicate(timeout=120)[0].split()]
    assert [claimer.returncode for claimer in claimers] == [0, 0, 0]
    assert sorted(claimed) == sorted(keys)
    rows = Job.objects.using(alias).all()
    assert {(job.status, job.lease) for job in rows} == {("SUCCESSFUL", 1)}


def test_says_which_files_tell_of_commits(alias: str, make: Make) -> None:
    store = make()
    store.open()
    if alias != "default":
        assert store.files() == []
        return
    path = str(connections["default"].settings_dict["NAME"]).encode()
    assert store.files() == [path, path + b"-wal"]
