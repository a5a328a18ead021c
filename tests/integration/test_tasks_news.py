"""News of other programs and between nodes, sessions that are cut, what a keeper leaves behind."""

import uuid
from collections import Counter
from collections.abc import Iterator

import pytest
from task_site import MakeSite, TaskSite

from harness import eventually

NEVER = "--task-poll-interval=3600"
KEEPERS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'corral%'"
)
JOBS = 1_000


@pytest.fixture
def pg_site(make_site: MakeSite) -> Iterator[TaskSite]:
    site = make_site("postgresql")
    yield site


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_jobs_of_other_programs_are_heard(make_site: MakeSite, database: str) -> None:
    site = make_site(database)
    with site.work(NEVER):
        eventually(lambda: site.nodes(), "the node")
        for number in range(5):
            (row,) = site.wait_finished(site.enqueue_outside("add", number))
            assert row["return_value"] == number + 1


def test_a_keeper_that_listens_pins_nothing(pg_site: TaskSite) -> None:
    with pg_site.work(NEVER):
        pg_site.wait_finished(pg_site.enqueue_outside("add", 1))
        (keeper,) = pg_site.database.rows(f"SELECT state, backend_xmin, query {KEEPERS}")
        assert keeper["state"] == "idle" and keeper["backend_xmin"] is None, "vacuum goes on"


def expiries(site: TaskSite) -> dict[str, str]:
    """When the lease of each node ends."""
    return {str(row["incarnation"]): str(row["expires_at"]) for row in site.nodes()}


def test_a_node_without_task_workers_tells_the_others(pg_site: TaskSite) -> None:
    with pg_site.work(NEVER), pg_site.serve("--task-workers=0") as web:
        keys = [pg_site.enqueue(web, "add", number) for number in range(3)]
        assert [row["return_value"] for row in pg_site.wait_finished(*keys)] == [1, 2, 3]


def test_what_has_no_room_here_is_told_to_others(pg_site: TaskSite) -> None:
    gate = pg_site.make_gate(uuid.uuid4().hex)
    with pg_site.serve(NEVER, "--node-lease=2") as busy:
        slow = pg_site.enqueue(busy, "wait", gate)
        pg_site.wait_note(f"at {gate}")
        with pg_site.work(NEVER):
            eventually(lambda: len(pg_site.nodes()) == 2, "two nodes")
            # The first one learns of its company with its next heartbeat.
            before = expiries(pg_site)
            eventually(lambda: not before.items() & expiries(pg_site).items(), "heartbeats")
            key = pg_site.enqueue(busy, "add", 1)
            pg_site.wait_finished(key)
            assert pg_site.job(slow)["status"] == "RUNNING"
        pg_site.open_gate(gate)
        pg_site.wait_finished(slow)


def test_sessions_cut_again_and_again_lose_and_double_nothing(pg_site: TaskSite) -> None:
    options = ("--task-workers=2", "--task-threads=2")
    with pg_site.serve(*options) as server, pg_site.work(*options) as other:
        eventually(lambda: len(pg_site.nodes()) == 2, "two nodes")
        keys = pg_site.enqueue_many(server, [["count", number] for number in range(JOBS)])
        for part in range(1, 6):
            eventually(
                lambda part=part: len(pg_site.notes()) > part * JOBS / 10, "some jobs to have run"
            )
            cut = pg_site.database.rows(f"SELECT pg_terminate_backend(pid) AS done {KEEPERS}")
            assert len(cut) <= 2
            for node in (server, other):
                node.expect_log("CORRAL-501")
                node.expect_message("the database of the jobs is back")
        assert pg_site.wait_all_finished(JOBS) == {"SUCCESSFUL": JOBS}
        assert len(keys) == JOBS
    ran = Counter(note for note in pg_site.notes() if note.startswith("ran "))
    assert ran == {f"ran {number}": 1 for number in range(JOBS)}
    assert {row["crashes"] for row in pg_site.jobs().values()} == {0}
