"""Views enqueue, task workers run, views see the result; on each database and isolation."""

import json
import socket
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from task_site import MakeSite, TaskSite

from harness import Corral

SERVERS = [
    ("sqlite", "interpreter"),
    ("sqlite", "process"),
    ("postgresql", "interpreter"),
    ("postgresql", "process"),
]


@pytest.fixture(scope="module", params=SERVERS, ids="-".join)
def served(
    request: pytest.FixtureRequest, make_site: MakeSite
) -> Iterator[tuple[TaskSite, Corral]]:
    """A server whose keeper never looks by itself, so that only a wake explains what runs."""
    vendor, isolation = request.param
    site = make_site(vendor)
    quiet = ("--task-poll-interval=3600", "--node-lease=3600", "--task-threads=2")
    with site.serve(*quiet, isolation=isolation, threads=2) as server:
        yield site, server


def test_a_view_enqueues_and_the_task_runs(served: tuple[TaskSite, Corral]) -> None:
    site, server = served
    key = site.enqueue(server, "add", 2, 3)
    (row,) = site.wait_finished(key)
    assert (row["status"], row["return_value"], row["lease"]) == ("SUCCESSFUL", 5, 1)
    assert site.result(server, key) == {
        "status": "SUCCESSFUL", "value": 5, "errors": [], "attempts": 1, "is_finished": True,
        "workers": row["worker_ids"],
    }  # fmt: skip
    (worker,) = row["worker_ids"]
    assert worker == f"{socket.gethostname()}:{server.pids().engine}/tasks.1"


def test_a_commit_wakes_the_keeper_at_once(served: tuple[TaskSite, Corral]) -> None:
    site, server = served
    for how in ("plain", "atomic") * 10:
        site.wait_finished(site.enqueue(server, "nothing", how=how))
    spans = []
    for _ in range(20):
        (row,) = site.wait_finished(site.enqueue(server, "nothing"))
        spans.append(_moment(row["started_at"]) - _moment(row["enqueued_at"]))
    assert sorted(spans)[10] < timedelta(seconds=2), "the keeper's own looks are an hour apart"


def _moment(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def test_nothing_runs_before_the_commit(served: tuple[TaskSite, Corral]) -> None:
    site, server = served
    gate = site.make_gate("commit") if not (site.folder / "commit").exists() else "commit"
    before = len(site.jobs())
    number = uuid.uuid4().hex
    with server.connect() as client:
        client.request(f"/enqueue?how=gate&task=count&args=[%22{number}%22]")
        site.wait_note("at commit")
        # Another job goes by: the keeper is awake, and does not see the uncommitted one.
        if "sqlite" not in site.database.django["ENGINE"]:  # where one writer keeps out the others
            site.wait_finished(site.enqueue(server, "nothing"))
            before += 1
        assert len(site.jobs()) == before and f"ran {number}" not in site.notes()
        site.open_gate(gate)
        (key,) = json.loads(client.response().text)["ids"]
    (row,) = site.wait_finished(key)
    assert row["status"] == "SUCCESSFUL" and site.notes().count(f"ran {number}") == 1


def test_a_rollback_enqueues_nothing(served: tuple[TaskSite, Corral]) -> None:
    site, server = served
    before = site.jobs().keys()
    undone = site.enqueue(server, "count", "undone", how="rollback")
    after = site.enqueue(server, "nothing")
    site.wait_finished(after)
    assert site.jobs().keys() - before == {after} and undone != after
    assert "ran undone" not in site.notes()


def test_a_job_waits_for_its_time(served: tuple[TaskSite, Corral]) -> None:
    site, server = served
    later = site.enqueue(server, "add", 1, after=1.5)
    never = site.enqueue(server, "add", 1, after=3600)
    at_once = site.enqueue(server, "add", 1)
    first, second = site.wait_finished(at_once, later)
    assert _moment(second["started_at"]) >= _moment(second["run_after"])
    assert _moment(second["started_at"]) - _moment(second["run_after"]) < timedelta(seconds=10)
    assert _moment(first["finished_at"]) < _moment(second["started_at"])
    assert site.job(never)["status"] == "READY"


def test_priorities_decide_the_order(served: tuple[TaskSite, Corral]) -> None:
    site, server = served
    gates = [site.make_gate(uuid.uuid4().hex) for _ in range(2)]
    for gate in gates:  # both threads are busy
        site.enqueue(server, "wait", gate)
        site.wait_note(f"at {gate}")
    keys = {p: site.enqueue(server, "count", 1000 + p, priority=p) for p in (0, 50, -50, 10)}
    ready = [site.job(key)["status"] for key in keys.values()]
    assert ready == ["READY"] * 4, "what waits behind slow jobs is not held by anybody"
    site.open_gate(gates[0])
    site.wait_finished(*keys.values())
    ran = [note for note in site.notes() if note.startswith("ran ")][-4:]
    assert ran == ["ran 1050", "ran 1010", "ran 1000", "ran 950"]
    site.open_gate(gates[1])


def test_a_tasks_own_queue_and_priority(served: tuple[TaskSite, Corral]) -> None:
    site, server = served
    (row,) = site.wait_finished(site.enqueue(server, "send", "you"))
    assert (row["queue_name"], row["priority"], row["return_value"]) == ("mail", 7, "you")


def test_a_task_sees_its_context(served: tuple[TaskSite, Corral]) -> None:
    site, server = served
    key = site.enqueue(server, "who")
    (row,) = site.wait_finished(key)
    seen = row["return_value"]
    assert (seen["id"], seen["attempt"], seen["status"]) == (key, 1, "RUNNING")
    assert seen["workers"] == row["worker_ids"]
    assert seen["thread"] in ("tasks.1.0", "tasks.1.1")
    assert seen["pid"] == server.pids().engine


def test_an_async_task(served: tuple[TaskSite, Corral]) -> None:
    site, server = served
    (row,) = site.wait_finished(site.enqueue(server, "add_async", 20, 22))
    assert row["return_value"] == 42


def test_a_failing_task_keeps_its_error(served: tuple[TaskSite, Corral]) -> None:
    site, server = served
    key = site.enqueue(server, "fail", "a message")
    (row,) = site.wait_finished(key)
    (error,) = row["errors"]
    assert (row["status"], error["message"]) == ("FAILED", "a message")
    result = site.result(server, key)
    ((path, trace),) = result["errors"]
    assert path == "builtins.ValueError" and result["is_finished"]
    assert trace.startswith("Traceback") and "raise ValueError(text)" in trace
    assert "runner.py" not in trace, "our own frames say nothing to the reader"


@pytest.mark.parametrize(
    ("task", "argument", "error"),
    [
        ("give", "object", "builtins.TypeError"),
        ("give", "set", "builtins.TypeError"),
        ("give", "huge", "builtins.ValueError"),
        ("leave", "SystemExit", "builtins.SystemExit"),
        ("leave", "KeyboardInterrupt", "builtins.KeyboardInterrupt"),
        ("leave", "RecursionError", "builtins.RecursionError"),
    ],
)
def test_an_ending_that_is_no_result(
    served: tuple[TaskSite, Corral], task: str, argument: str, error: str
) -> None:
    site, server = served
    keys = [site.enqueue(server, task, argument) for _ in range(4)]
    for row in site.wait_finished(*keys):
        assert row["status"] == "FAILED"
        assert [entry["exception_class_path"] for entry in row["errors"]] == [error]
    (row,) = site.wait_finished(site.enqueue(server, "add", 1))
    assert row["status"] == "SUCCESSFUL", "the workers go on"


def test_a_task_that_is_not_there_any_more(served: tuple[TaskSite, Corral]) -> None:
    site, server = served
    key = site.enqueue_outside("vanished", SITE_HAS_VANISHED="1")
    site.enqueue(server, "nothing")  # wakes the keeper
    (row,) = site.wait_finished(key)
    (error,) = row["errors"]
    assert (row["status"], error["exception_class_path"]) == ("FAILED", "builtins.ImportError")
    assert "vanished" in error["message"]
    server.expect_log("stray", "CORRAL-561")


def test_a_transaction_left_open_reaches_nobody_else(served: tuple[TaskSite, Corral]) -> None:
    site, server = served
    keys = [site.enqueue(server, "leave_transaction") for _ in range(3)]
    for row in site.wait_finished(*keys):
        assert row["status"] == "SUCCESSFUL"
        server.expect_log("stray", "CORRAL-563")
    assert len(site.nodes()) == 1, "what they wrote is rolled back"
    (row,) = site.wait_finished(site.enqueue(server, "add", 1))
    assert row["status"] == "SUCCESSFUL"


def test_a_closed_connection_is_made_anew(served: tuple[TaskSite, Corral]) -> None:
    site, server = served
    keys = [site.enqueue(server, "close_connection") for _ in range(3)]
    keys += [site.enqueue(server, "add", 1) for _ in range(3)]
    assert {row["status"] for row in site.wait_finished(*keys)} == {"SUCCESSFUL"}


def test_signals_are_sent_by_the_backends_class(served: tuple[TaskSite, Corral]) -> None:
    site, server = served
    good, bad = site.enqueue(server, "add", 1), site.enqueue(server, "fail", "no")
    site.wait_finished(good, bad)
    sender = "corral.tasks.backend.DatabaseBackend"
    for key, end in ((good, "SUCCESSFUL"), (bad, "FAILED")):
        seen = [note for note in site.notes() if f" {key} " in note]
        assert sorted(seen) == sorted(
            f"signal {signal} {key} {status} {sender}"
            for signal, status in (("enqueued", "READY"), ("started", "RUNNING"), ("finished", end))
        )


def test_the_site_answers_while_every_task_thread_is_busy(
    served: tuple[TaskSite, Corral],
) -> None:
    site, server = served
    gates = [site.make_gate(uuid.uuid4().hex) for _ in range(2)]
    keys = [site.enqueue(server, "wait", gate) for gate in gates]
    for gate in gates:
        site.wait_note(f"at {gate}")
    assert server.get("/here").status == 200
    for gate in gates:
        site.open_gate(gate)
    assert {row["status"] for row in site.wait_finished(*keys)} == {"SUCCESSFUL"}
