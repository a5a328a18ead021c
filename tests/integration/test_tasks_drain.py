"""SIGTERM while jobs run: they finish within the grace or go back, and nothing is lost."""

import signal
import uuid
from collections import Counter

import pytest
from task_site import Row, TaskSite

from harness import Corral, eventually
from harness.server import Record


def as_if_never_claimed(row: Row) -> bool:
    """READY without a trace of the node that held it."""
    return (row["status"], row["crashes"], row["node"], row["worker_ids"], row["started_at"]) == (
        "READY", 0, None, [], None,
    )  # fmt: skip


def _expect_forced(server: Corral) -> None:
    server.expect_log("CORRAL-204", "tasks.1")
    server.expect_log("CORRAL-108", "exited with code 3")


def _is_left_behind(record: Record) -> bool:
    return record.get("code") == "CORRAL-204"


def _has_counted(server: Corral) -> bool:
    return any(record.get("code") == "CORRAL-106" for record in server.log_records())


@pytest.mark.parametrize("isolation", ["interpreter", "process"])
def test_a_running_job_is_waited_for(site: TaskSite, isolation: str) -> None:
    gate = site.make_gate(uuid.uuid4().hex)
    with site.serve(isolation=isolation) as server:
        key = site.enqueue(server, "wait", gate)
        site.wait_note(f"at {gate}")
        after = site.enqueue(server, "nothing")
        server.send_signal(signal.SIGTERM)
        server.expect_message("SIGTERM: finishing what runs")
        site.open_gate(gate)
        ended = server.stop(None)
        assert ended.code == 0
    assert site.job(key)["status"] == "SUCCESSFUL" and site.job(key)["return_value"] == "done"
    assert as_if_never_claimed(site.job(after))
    assert site.nodes() == []


def test_a_job_beyond_the_grace_goes_back(site: TaskSite) -> None:
    gate = site.make_gate(uuid.uuid4().hex)
    with site.serve("--graceful-timeout=1") as server:
        key = site.enqueue(server, "wait", gate)
        site.wait_note(f"at {gate}")
        server.send_signal()
        _expect_forced(server)
        server.expect_log("CORRAL-504")
        ended = server.stop(None)
        assert ended.code == 3
    assert as_if_never_claimed(site.job(key))
    assert site.nodes() == []
    with site.work():
        site.wait_note(f"at {gate}", times=2)
        site.open_gate(gate)
        (row,) = site.wait_finished(key)
        assert (row["status"], row["crashes"], len(row["worker_ids"])) == ("SUCCESSFUL", 0, 1)


def test_a_second_signal_ends_it_at_once(sqlite_site: TaskSite) -> None:
    site = sqlite_site
    gate = site.make_gate(uuid.uuid4().hex)
    with site.serve("--graceful-timeout=60") as server:
        key = site.enqueue(server, "wait", gate)
        site.wait_note(f"at {gate}")
        server.send_signal(signal.SIGTERM)
        server.expect_message("SIGTERM: finishing what runs")
        # Two signals at once count as one, sent to us and to our whole group.
        eventually(lambda: server.send_signal() or _has_counted(server), "the second signal")
        server.expect_log("CORRAL-106")
        server.expect_log("CORRAL-504")
        server.expect_message("stopped")
        server.log.drop(_is_left_behind)  # who ends in time is a matter of luck
        ended = server.stop(None)
        assert ended.code == 3
    assert as_if_never_claimed(site.job(key))


def test_what_was_claimed_ahead_is_handed_back(site: TaskSite) -> None:
    gate = site.make_gate(uuid.uuid4().hex)
    with site.serve() as server:
        quick = [["nothing"]] * 300
        counted = [["count", number] for number in range(300)]
        keys = site.enqueue_many(server, [*quick, ["wait", gate], *counted])
        site.wait_note(f"at {gate}")
        server.send_signal(signal.SIGTERM)
        server.expect_message("SIGTERM: finishing what runs")
        eventually(lambda: site.statuses()["RUNNING"] == 1, "the others to be given back")
        site.open_gate(gate)
        assert server.stop(None).code == 0
    jobs = site.jobs()
    assert {jobs[key]["status"] for key in keys[:301]} == {"SUCCESSFUL"}
    assert all(as_if_never_claimed(jobs[key]) for key in keys[301:])
    with site.work():
        site.wait_all_finished(601)
    ran = Counter(note for note in site.notes() if note.startswith("ran "))
    assert ran == {f"ran {number}": 1 for number in range(300)}


def test_a_stop_amid_many_jobs_repeats_none(site: TaskSite) -> None:
    with site.serve("--task-workers=2", "--task-threads=2") as server:
        site.enqueue_many(server, [["count", number] for number in range(1_000)])
        eventually(lambda: len(site.notes()) > 100, "some jobs to have run")
        assert server.stop().code == 0
    assert site.statuses()["RUNNING"] == 0
    with site.work():
        assert site.wait_all_finished(1_000) == {"SUCCESSFUL": 1_000}
    assert Counter(site.notes()) == {f"ran {number}": 1 for number in range(1_000)}
