"""`corral work`: jobs from other programs, chosen queues, many jobs, and what waits meanwhile."""

import signal
import uuid
from collections import Counter

import pytest
from task_site import TaskSite

from harness import Corral, eventually

JOBS = 2_000


def test_jobs_of_other_programs_are_noticed(site: TaskSite) -> None:
    with site.work("--task-poll-interval=0.2") as node:
        assert node.addresses == []
        for number in range(3):
            (row,) = site.wait_finished(site.enqueue_outside("add", number))
            assert (row["status"], row["return_value"]) == ("SUCCESSFUL", number + 1)


def test_jobs_that_waited_run_at_the_start(site: TaskSite) -> None:
    keys = [site.enqueue_outside("add", number) for number in range(2)]
    with site.work("--task-poll-interval=3600"):
        assert [row["return_value"] for row in site.wait_finished(*keys)] == [1, 2]


def test_only_the_chosen_queues(site: TaskSite) -> None:
    left = site.enqueue_outside("add", 1)
    sent = site.enqueue_outside("send", "you")
    with site.work("--queues=mail", "--task-poll-interval=0.05"):
        site.wait_finished(sent)
        site.wait_finished(site.enqueue_outside("send", "them"))
        assert site.job(left)["status"] == "READY"
    with site.work():
        site.wait_finished(left)


def test_a_deferred_job_of_another_program_runs_in_time(site: TaskSite) -> None:
    with site.serve("--task-poll-interval=0.2") as server:
        # Enqueued by another node's view: this one has to find out by itself.
        with site.serve("--task-workers=0") as other:
            key = site.enqueue(other, "nothing", after=1)
        (row,) = site.wait_finished(key)
        assert row["worker_ids"][0].partition(":")[2].startswith(f"{server.pids().engine}/")


def test_every_one_of_many_jobs_runs_once(site: TaskSite) -> None:
    with site.serve("--task-workers=2", "--task-threads=2") as server:
        for start in range(0, JOBS, 500):
            site.enqueue_many(server, [["count", n] for n in range(start, start + 500)])
        assert site.wait_all_finished(JOBS) == {"SUCCESSFUL": JOBS}
    assert Counter(site.notes()) == {f"ran {number}": 1 for number in range(JOBS)}
    assert {row["lease"] for row in site.jobs().values()} == {1}
    workers = {row["worker_ids"][0].rpartition("/")[2] for row in site.jobs().values()}
    assert workers == {"tasks.1", "tasks.2"}


def test_two_nodes_share_the_jobs(site: TaskSite) -> None:
    with site.serve() as one, site.work("--task-poll-interval=0.05"):
        eventually(lambda: len(site.nodes()) == 2, "two nodes")
        for start in range(0, JOBS, 500):
            site.enqueue_many(one, [["count", n] for n in range(start, start + 500)])
        assert site.wait_all_finished(JOBS) == {"SUCCESSFUL": JOBS}
    assert Counter(site.notes()) == {f"ran {number}": 1 for number in range(JOBS)}
    assert len({row["worker_ids"][0] for row in site.jobs().values()}) == 2
    assert site.nodes() == []


@pytest.fixture
def busy(sqlite_site: TaskSite) -> tuple[TaskSite, list[str]]:
    """A site and the gates of two slow jobs."""
    return sqlite_site, [sqlite_site.make_gate(uuid.uuid4().hex) for _ in range(2)]


def test_behind_slow_jobs_everything_is_ready(busy: tuple[TaskSite, list[str]]) -> None:
    site, gates = busy
    with site.serve("--task-threads=2") as server:
        slow = [["wait", gate] for gate in gates]
        keys = site.enqueue_many(server, [*slow, *[["add", n] for n in range(50)]])
        for gate in gates:
            site.wait_note(f"at {gate}")
        assert site.statuses() == {"RUNNING": 2, "READY": 50}
        _open(site, gates)
        site.wait_finished(*keys)


def test_what_was_claimed_ahead_goes_back_when_jobs_turn_slow(
    busy: tuple[TaskSite, list[str]],
) -> None:
    site, gates = busy
    with site.serve("--task-threads=2") as server:
        quick = [["nothing"]] * 300
        slow = [["wait", gate] for gate in gates]
        keys = site.enqueue_many(server, [*quick, *slow, *[["count", n] for n in range(300)]])
        for gate in gates:
            site.wait_note(f"at {gate}")
        eventually(lambda: site.statuses()["RUNNING"] == 2, "the others to be READY again")
        waiting = [row for row in site.jobs().values() if row["status"] == "READY"]
        assert len(waiting) == 300
        assert {(r["crashes"], r["started_at"], len(r["worker_ids"])) for r in waiting} == {
            (0, None, 0)
        }
        _open(site, gates)
        assert {row["status"] for row in site.wait_finished(*keys)} == {"SUCCESSFUL"}
    ran = [note for note in site.notes() if note.startswith("ran ")]
    assert Counter(ran) == {f"ran {n}": 1 for n in range(300)}


def _open(site: TaskSite, gates: list[str]) -> None:
    for gate in gates:
        site.open_gate(gate)


def test_work_ends_cleanly_on_either_signal(sqlite_site: TaskSite) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with sqlite_site.work() as node:
            ended = node.stop(number)
            assert ended.code == 0
        assert sqlite_site.nodes() == []


def test_what_work_is_made_of(sqlite_site: TaskSite) -> None:
    with sqlite_site.work("--task-workers=2", "--task-threads=2") as node:
        assert _thread_names(node) >= {
            "keeper", "tasks.1.0", "tasks.1.1", "tasks.2.0", "tasks.2.1",
        }  # fmt: skip


def _thread_names(node: Corral) -> set[str]:
    ((_, names),) = node.resources().values()
    return set(names)
