"""Jobs that are cancelled and queues that are paused, under real nodes."""

import pytest
from task_site import Row, TaskSite

CANCELLED = "corral.exceptions.TaskCancelled"
# Nothing is found by polling for jobs in these.
NEVER_POLLS = "--task-poll-interval=3600"


def cancel_outside(site: TaskSite, key: str) -> str:
    """Cancels from a program of its own; returns what was done."""
    code = (
        "import django, sys; django.setup(); import corral.tasks; "
        "print(corral.tasks.cancel(sys.argv[1]))"
    )
    return site.python(code, key)


def wait_cancelled(site: TaskSite, key: str) -> Row:
    """The row of a cancelled job, checked."""
    (row,) = site.wait_finished(key)
    assert row["status"] == "FAILED" and row["return_value"] is None and row["node"] is None
    (error,) = row["errors"]
    assert error["exception_class_path"] == CANCELLED
    return row


def test_a_running_job_is_interrupted_and_not_tried_again(site: TaskSite) -> None:
    with site.serve("--task-threads=1", NEVER_POLLS) as server:
        for number in range(2):
            key = site.enqueue(server, "loop_until_cancelled", f"job{number}")
            site.wait_note(f"begins job{number}")
            assert cancel_outside(site, key) == "asked"
            row = wait_cancelled(site, key)
            trace = row["errors"][0]["traceback"]
            assert "in compute_for_ever" in trace and trace.endswith(f"\n{CANCELLED}\n")
            site.wait_note(f"job{number} got TaskCancelled")
            assert cancel_outside(site, key) == "finished"
            (good,) = site.wait_finished(site.enqueue(server, "add", number))
            assert good["return_value"] == number + 1
    assert [note for note in site.notes() if note.startswith("begins")] == [
        "begins job0",
        "begins job1",
    ]


def test_a_view_of_the_same_process_cancels(site: TaskSite) -> None:
    with site.serve("--task-threads=1", NEVER_POLLS) as server:
        key = site.enqueue(server, "loop_until_cancelled", "job")
        site.wait_note("begins job")
        assert server.get(f"/cancel?id={key}").text == "asked"
        wait_cancelled(site, key)


def test_a_job_that_no_thread_has_begun_never_begins(site: TaskSite) -> None:
    with site.work("--task-threads=1", "--task-poll-interval=0.2"):
        first = site.enqueue_outside("loop_until_cancelled", "first")
        site.wait_note("begins first")
        second = site.enqueue_outside("count", 2)
        third = site.enqueue_outside("count", 3)
        assert cancel_outside(site, second) in ("asked", "cancelled")
        wait_cancelled(site, second)
        cancel_outside(site, first)
        wait_cancelled(site, first)
        site.wait_finished(third)
    assert "ran 2" not in site.notes()


def test_what_swallows_the_interrupt_is_abandoned(sqlite_site: TaskSite) -> None:
    site = sqlite_site
    with site.serve("--task-threads=1") as server:
        key = site.enqueue(server, "swallow_for_long", "flag")
        site.wait_note("swallows")
        cancel_outside(site, key)
        wait_cancelled(site, key)
        site.wait_note("swallowed")
        site.wait_finished(site.enqueue(server, "add", 1))
        (site.folder / "flag").touch()
        site.wait_note("past the flag")
        assert site.job(key)["status"] == "FAILED"


@pytest.mark.parametrize("option", ["--queues=mail", "--queues=mail,default", ""])
def test_a_paused_queue_goes_on_when_it_is_resumed(site: TaskSite, option: str) -> None:
    def change(call: str) -> str:
        return site.python(
            f"import django; django.setup(); import corral.tasks; print(corral.tasks.{call})"
        )

    with site.work(*filter(None, [option]), "--task-poll-interval=0.1"):
        site.wait_finished(site.enqueue_outside("send", "one"))
        assert change("pause('mail')") == "True"
        key = site.enqueue_outside("send", "two")
        if option != "--queues=mail":
            site.wait_finished(site.enqueue_outside("add", 1))
        assert site.job(key)["status"] == "READY"
        assert change("resume('mail')") == "True"
        site.wait_finished(key)
