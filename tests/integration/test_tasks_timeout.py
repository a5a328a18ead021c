"""Jobs that run longer than their timeout: what is written, and what becomes of the thread."""

import uuid

from task_site import Row, TaskSite

from harness import Corral

TIMEOUT = "corral.exceptions.TaskTimeout"
LIMIT_MS = 500


def wait_timed_out(site: TaskSite, key: str) -> Row:
    """The row of a job whose time was over, checked."""
    (row,) = site.wait_finished(key)
    assert row["status"] == "FAILED" and row["return_value"] is None and row["node"] is None
    (error,) = row["errors"]
    assert error["exception_class_path"] == TIMEOUT
    assert error["message"] == "it ran for longer than its timeout, 0.5 s"
    return row


def expect_late(server: Corral, key: str) -> dict[str, object]:
    """The record of a job whose time was over."""
    record = server.expect_log("CORRAL-512", key)
    assert record["level"] == "warning" and record["job"] == key
    assert record["ran_ms"] >= LIMIT_MS
    return record


def stop_with_abandoned(server: Corral) -> None:
    """Stops a server that has abandoned threads."""
    server.send_signal()
    server.expect_log("CORRAL-209")
    assert server.stop(None).code == 0


def test_a_loop_is_interrupted_and_its_place_is_written_down(site: TaskSite) -> None:
    with site.serve("--task-threads=1") as server:
        site.result(server, first := site.enqueue(server, "loop", "the first"))
        wait_timed_out(site, first)
        expect_late(server, first)
        site.wait_finished(site.enqueue(server, "add", 1))  # what opens for good is open now
        with server.no_leaks():
            for number in range(3):
                key = site.enqueue(server, "loop", f"job{number}")
                row = wait_timed_out(site, key)
                trace = row["errors"][0]["traceback"]
                assert trace.startswith("Traceback (most recent call last):\n")
                assert "in compute_for_ever" in trace and trace.endswith(f"\n{TIMEOUT}\n")
                assert "in compute_for_ever" in str(expect_late(server, key)["stack"])
                site.wait_note(f"job{number} got TaskTimeout")
                assert site.result(server, key)["errors"][0][0] == TIMEOUT
                (good,) = site.wait_finished(site.enqueue(server, "add", number))
                assert good["return_value"] == number + 1


def test_it_is_tried_again_as_its_policy_says(site: TaskSite) -> None:
    with site.serve("--task-threads=1") as server:
        key = site.enqueue(server, "loop_twice")
        (row,) = site.wait_finished(key)
        assert row["status"] == "FAILED" and row["lease"] == 2
        assert [error["exception_class_path"] for error in row["errors"]] == [TIMEOUT] * 2
        for _ in range(2):
            expect_late(server, key)
        site.wait_finished(site.enqueue(server, "nothing"))
        server.expect_log("stray", "CORRAL-564 attempt 1 of 2 of task site_tasks.tasks.loop_twice")
    attempts = [note for note in site.notes() if note.startswith("attempt")]
    assert attempts == ["attempt 1 of 2", "attempt 2 of 2"]


def test_who_swallows_the_interrupt_is_late(sqlite_site: TaskSite) -> None:
    site = sqlite_site
    with site.serve("--task-threads=1") as server:
        key = site.enqueue(server, "swallow", "go_on")
        wait_timed_out(site, key)
        expect_late(server, key)
        site.wait_note("swallowed")
        (good,) = site.wait_finished(site.enqueue(server, "add", 1))
        assert good["return_value"] == 2, "its only thread is at something else"
        server.expect_log("CORRAL-205")
        (site.folder / "go_on").touch()
        site.wait_note("past the flag")
        server.expect_message("an abandoned thread has come back and ended")
        assert site.job(key)["status"] == "FAILED"


def test_a_call_costs_its_thread_until_it_returns(site: TaskSite) -> None:
    gate = site.make_gate(uuid.uuid4().hex)
    with site.serve("--task-threads=1") as server:
        key = site.enqueue(server, "call", gate)
        site.wait_note(f"at {gate}")
        row = wait_timed_out(site, key)
        assert "in wait_at" in row["errors"][0]["traceback"]
        expect_late(server, key)
        server.expect_log("CORRAL-205")
        (good,) = site.wait_finished(site.enqueue(server, "add", 1))
        assert good["return_value"] == 2
        site.open_gate(gate)
        server.expect_message("an abandoned thread has come back and ended")
        (after,) = site.wait_finished(key)
        assert after == row, "what came late changed nothing"


def test_a_stop_does_not_wait_for_abandoned_threads(sqlite_site: TaskSite) -> None:
    site = sqlite_site
    gate = site.make_gate(uuid.uuid4().hex)
    with site.serve("--task-threads=1") as server:
        key = site.enqueue(server, "call", gate)
        wait_timed_out(site, key)
        expect_late(server, key)
        server.expect_log("CORRAL-205")
        stop_with_abandoned(server)
    assert site.job(key)["status"] == "FAILED"


def test_who_keeps_the_gil_costs_its_worker(site: TaskSite) -> None:
    with site.serve("--task-threads=1", "--task-workers=1") as server:
        key = site.enqueue(server, "keep_gil")
        site.wait_note("keeps the GIL")
        row = wait_timed_out(site, key)
        assert "could not be looked at" in row["errors"][0]["traceback"]
        assert "no_stack" in expect_late(server, key)
        assert server.expect_log("CORRAL-206")["worker"] == "tasks.1"
        assert server.get("/here").status == 200
        keys = site.enqueue_many(server, [["add", n] for n in range(20)])
        assert {row["status"] for row in site.wait_finished(*keys)} == {"SUCCESSFUL"}
        stop_with_abandoned(server)


def test_failed_attempts_are_repeated_and_kept(site: TaskSite) -> None:
    with site.serve() as server:
        key = site.enqueue(server, "third_time")
        (row,) = site.wait_finished(key)
        assert (row["status"], row["return_value"]) == ("SUCCESSFUL", 3)
        assert [error["message"] for error in row["errors"]] == ["attempt 1", "attempt 2"]
        assert len(row["worker_ids"]) == 3 and row["prune_at"] is not None
        for number in (1, 2):
            server.expect_log("stray", f"CORRAL-564 attempt {number} of 4")


def test_a_job_that_runs_at_most_once_is_not_begun_again_by_a_drain(site: TaskSite) -> None:
    gate = site.make_gate(uuid.uuid4().hex)
    with site.serve("--task-threads=1", "--graceful-timeout=1") as server:
        running = site.enqueue(server, "once", gate)
        site.wait_note(f"at {gate}")
        waiting = site.enqueue(server, "once", gate)
        server.send_signal()
        server.expect_log("CORRAL-504")
        server.expect_log("CORRAL-204")
        server.expect_log("CORRAL-108")
        assert server.stop(None).code == 3
    row = site.job(running)
    assert row["status"] == "FAILED" and "at most once" in row["errors"][0]["message"]
    assert site.job(waiting)["status"] == "READY", "it had not begun"
