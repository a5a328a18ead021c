"""Management commands beside the site: they run, come back when they fail, and end when told."""

import pytest
from task_site import TaskSite

from harness import Corral


def threads_of(server: Corral) -> set[str]:
    """The names of the engine's threads."""
    engine = server.pids().engine
    assert engine
    return set(server.resources()[engine][1])


@pytest.mark.parametrize("isolation", ["interpreter", "process"])
def test_two_copies_run_and_end_through_their_handler(
    sqlite_site: TaskSite, isolation: str
) -> None:
    site = sqlite_site
    with site.serve("--command=2*loop handler --loud", isolation=isolation) as server:
        site.wait_note("loop handler ready", times=2)
        assert threads_of(server) >= {"command-1.1.0", "command-1.2.0"}
        begun = [note for note in site.notes() if "begun" in note]
        assert sorted(begun) == [
            f"loop handler begun loud on command-1.{number}.0" for number in (1, 2)
        ]
        assert server.get("/here").status == 200
        ended = server.stop()
        assert ended.code == 0
    assert site.notes().count("loop handler ended") == 2


def test_a_command_without_a_handler_is_interrupted(sqlite_site: TaskSite) -> None:
    site = sqlite_site
    with site.work("--command=loop default", "--command=loop handler") as node:
        site.wait_note("loop default ready")
        site.wait_note("loop handler ready")
        ended = node.stop()
        assert ended.code == 0
    assert {"loop default interrupted", "loop handler ended"} <= set(site.notes())
    assert "loop default begun quiet on command-1.0" in site.notes()


def test_a_command_that_fails_comes_back_with_growing_pauses(sqlite_site: TaskSite) -> None:
    site = sqlite_site
    with site.serve("--command=loop flaky") as server:
        for error, pause_ms in (("the first time", 500), ("the second time", 1_000)):
            server.expect_log("stray", error)
            assert server.expect_log("CORRAL-202")["pause_ms"] == pause_ms
        site.wait_note("loop handler ready")
        assert site.notes().count("loop flaky begun quiet on command-1.0") == 3
        assert server.get("/here").status == 200
        server.log.drop(lambda record: record["level"] == "stray")  # the second one's traceback
    assert site.notes()[-1] == "loop handler ended"


def test_a_command_that_ends_well_stays_ended(sqlite_site: TaskSite) -> None:
    site = sqlite_site
    with site.serve("--command=loop once") as server:
        server.expect_message("a management command has ended well")
        assert server.get("/here").status == 200
        (row,) = site.wait_finished(site.enqueue(server, "nothing"))
        assert row["status"] == "SUCCESSFUL"
    assert len(site.notes()) == 1


def test_a_command_that_does_not_listen_is_left_behind(sqlite_site: TaskSite) -> None:
    site = sqlite_site
    site.make_gate("deaf")
    with site.serve("--command=loop deaf", "--graceful-timeout=1") as server:
        site.wait_note("at deaf")
        server.send_signal()
        server.expect_log("CORRAL-204", "command-1")
        server.expect_log("CORRAL-108", "exited with code 3")
        ended = server.stop(None)
        assert ended.code == 3


def test_commands_and_tasks_without_the_web(sqlite_site: TaskSite) -> None:
    site = sqlite_site
    with site.work("--command=loop handler", "--task-poll-interval=0.1") as node:
        site.wait_note("loop handler ready")
        (row,) = site.wait_finished(site.enqueue_outside("add", 41))
        assert row["return_value"] == 42
        assert {"command-1.0", "tasks.1.0", "keeper"} <= threads_of(node)
    assert site.notes()[-1] == "loop handler ended"


def test_commands_alone(sqlite_site: TaskSite) -> None:
    site = sqlite_site
    with site.work("--command=loop handler", "--task-workers=0") as node:
        site.wait_note("loop handler ready")
        assert not any(name.startswith(("tasks", "keeper")) for name in threads_of(node))
    assert site.notes()[-1] == "loop handler ended"
