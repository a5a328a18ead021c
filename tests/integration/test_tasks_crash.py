"""The engine dies while jobs run: by a kill from outside, and by what a task does."""

import os
import signal
import uuid
from collections import Counter

import pytest
from task_site import MakeSite, TaskSite

from harness import Corral, eventually

PREFETCH_MAX = 500  # the default of --task-prefetch
CRASHED = "corral.exceptions.WorkerCrashed"


def kill_engine(server: Corral) -> int:
    """Kills the engine; returns its process id once it is gone."""
    engine = server.pids().engine
    assert engine
    os.kill(engine, signal.SIGKILL)
    server.expect_log("CORRAL-102", "killed")
    server.expect_message("engine serves again")
    assert server.pids().engine != engine
    return engine


def test_a_killed_engine_loses_no_job(site: TaskSite) -> None:
    gates = [site.make_gate(uuid.uuid4().hex) for _ in range(2)]
    with site.serve("--task-threads=2") as server:
        running = [site.enqueue(server, "wait", gate) for gate in gates]
        for gate in gates:
            site.wait_note(f"at {gate}")
        waiting = site.enqueue_many(server, [["count", number] for number in range(20)])
        (node,) = site.nodes()
        kill_engine(server)
        server.expect_log("CORRAL-503")
        assert str(node["incarnation"]) not in {under for _, under in site.running_under()}
        assert {str(row["incarnation"]) for row in site.nodes()} != {str(node["incarnation"])}
        for row in site.wait_finished(*waiting):
            assert (row["status"], row["crashes"], row["lease"]) == ("SUCCESSFUL", 0, 1)
        for gate in gates:  # one after the other: they are suspects
            site.wait_note(f"at {gate}", times=2)
            site.open_gate(gate)
        for row in site.wait_finished(*running):
            assert (row["status"], row["crashes"]) == ("SUCCESSFUL", 1)
            assert len(row["worker_ids"]) == 2 and row["errors"] == []
        assert len(site.nodes()) == 1
    counts = Counter(note for note in site.notes() if note.startswith("ran "))
    assert counts == {f"ran {number}": 1 for number in range(20)}, "begun or not: they ran once"


def test_a_kill_amid_quick_jobs_repeats_only_what_had_begun(site: TaskSite) -> None:
    with site.serve("--task-workers=2", "--task-threads=2") as server:
        site.enqueue_many(server, [["count", number] for number in range(1_000)])
        eventually(lambda: len(site.notes()) > 300, "some jobs to have run")
        kill_engine(server)
        server.expect_log("CORRAL-503")
        assert site.wait_all_finished(1_000) == {"SUCCESSFUL": 1_000}
        rows = site.jobs().values()
    ran = Counter(site.notes())
    assert ran.keys() == {f"ran {number}" for number in range(1_000)}
    held = {f"ran {row['args'][0]}" for row in rows if row["crashes"]}
    assert {name for name, times in ran.items() if times > 1} <= held
    assert max(ran.values()) <= 2 and len(held) <= 4 + PREFETCH_MAX
    assert {row["crashes"] for row in rows} <= {0, 1}


@pytest.mark.parametrize("kind", ["exit", "segfault"])
def test_a_job_that_kills_the_engine_fails_alone(site: TaskSite, kind: str) -> None:
    gate = site.make_gate(uuid.uuid4().hex)
    with site.serve("--task-threads=3", isolation="process") as server:
        poison = site.enqueue(server, "die", kind, gate)
        site.wait_note(f"at {gate}")
        beside = site.enqueue(server, "wait", other := site.make_gate(uuid.uuid4().hex))
        site.wait_note(f"at {other}")
        waiting = site.enqueue_many(server, [["count", number] for number in range(20)])
        site.wait_finished(*waiting)
        site.open_gate(gate)
        _expect_crash(server, kind)
        assert server.get("/here").status == 200, "the web workers are processes of their own"
        later = site.enqueue_many(server, [["count", number] for number in range(20, 40)])
        # Both were running: each runs again, alone.
        for suspect, key in ((gate, poison), (other, beside)):
            site.wait_note(f"at {suspect}", times=2)
            assert [row[0] for row in _running(site)] == [key]
            site.open_gate(suspect)
            if key == poison:
                _expect_crash(server, kind)
        (row,) = site.wait_finished(poison)
        assert (row["status"], row["crashes"]) == ("FAILED", 2)
        assert [error["exception_class_path"] for error in row["errors"]] == [CRASHED]
        assert "2 times" in row["errors"][0]["message"]
        result = site.result(server, poison)
        assert result["status"] == "FAILED" and result["errors"][0][0] == CRASHED
        for row in site.wait_finished(beside, *waiting, *later):
            assert row["status"] == "SUCCESSFUL"
    assert site.notes().count(f"dies of {kind}") == 2
    ran = Counter(note for note in site.notes() if note.startswith("ran "))
    assert ran == {f"ran {number}": 1 for number in range(40)}


def _expect_crash(server: Corral, kind: str) -> None:
    server.expect_log("CORRAL-102", "exited with code 7" if kind == "exit" else "SIGSEGV")
    if kind == "segfault":
        server.expect_fatal_error("Segmentation fault")
    server.expect_message("engine serves again")
    server.expect_log("CORRAL-503")


def _running(site: TaskSite) -> list[tuple[str, str]]:
    return [(key, row["status"]) for key, row in site.jobs().items() if row["status"] == "RUNNING"]


def test_a_job_that_kills_at_once_does_not_stop_the_others(sqlite_site: TaskSite) -> None:
    site = sqlite_site
    with site.serve("--task-workers=2") as server:
        jobs = [["count", number] for number in range(100)]
        jobs[50] = ["die", "exit"]
        keys = site.enqueue_many(server, jobs)
        for _ in range(2):
            _expect_crash(server, "exit")
        rows = site.wait_finished(*keys)
        assert [row["status"] for row in rows].count("FAILED") == 1
        assert rows[50]["status"] == "FAILED" and rows[50]["crashes"] == 2
        assert max(row["crashes"] for row in rows) == 2
        assert {row["crashes"] for row in rows[:50] + rows[51:]} <= {0, 1}


def test_the_whole_node_killed_leaves_nothing_running_after_the_next_start(site: TaskSite) -> None:
    gate = site.make_gate(uuid.uuid4().hex)
    with pytest.raises(InterruptedError), site.serve() as server:
        key = site.enqueue(server, "wait", gate)
        site.wait_note(f"at {gate}")
        raise InterruptedError  # the harness kills every process of the server
    assert [(job, status) for job, status in _running(site)] == [(key, "RUNNING")]
    with site.work() as node:
        node.expect_log("CORRAL-503")
        site.wait_note(f"at {gate}", times=2)
        site.open_gate(gate)
        (row,) = site.wait_finished(key)
        assert (row["status"], row["crashes"]) == ("SUCCESSFUL", 1)
        assert len(site.nodes()) == 1


def test_a_lost_connection_loses_no_job(make_site: MakeSite) -> None:
    site = make_site("postgresql")
    gate = site.make_gate(uuid.uuid4().hex)
    with site.serve("--task-threads=2") as server:
        running = site.enqueue(server, "wait", gate)
        site.wait_note(f"at {gate}")
        cut = site.database.rows(
            "SELECT pg_terminate_backend(pid) AS done FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert {row["done"] for row in cut} == {True}
        keys = site.enqueue_many(server, [["count", number] for number in range(20)])
        server.expect_log("CORRAL-501")
        server.expect_message("the database of the jobs is back")
        assert {row["status"] for row in site.wait_finished(*keys)} == {"SUCCESSFUL"}
        site.open_gate(gate)
        (row,) = site.wait_finished(running)
        assert (row["status"], row["lease"], row["crashes"]) == ("SUCCESSFUL", 1, 0)
    ran = Counter(note for note in site.notes() if note.startswith("ran "))
    assert ran == {f"ran {number}": 1 for number in range(20)}
