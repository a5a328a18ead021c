"""When descriptors, connections or room for bodies run out."""

import resource
from pathlib import Path

from hostile_servers import endure, serve, warm_up

from harness import Corral

BODY = b"x" * 300_000
TO_FILES = "--body-memory-total=0"  # where bodies beyond --body-memory go


def limit(server: Corral, what: int, number: int) -> None:
    """For the processes that serve. The new limit holds at once."""
    pids = server.pids()
    for pid in pids.children:
        resource.prlimit(pid, what, (number, number))


def test_connections_beyond_the_limit(isolation: str) -> None:
    """Silent clients fill all places; others get theirs as those are given up."""
    options = ["--limit-connections=20", "--header-timeout=0.2"]
    with serve(*options, isolation=isolation) as server:
        endure(server, "silent", 40, probes=3)
        server.log.drop(lambda record: record.get("code") == "CORRAL-302")


def test_no_descriptors_left(isolation: str) -> None:
    with serve("--header-timeout=0.2", isolation=isolation) as server:
        warm_up(server)
        used = max(sum(files.values()) for files, _ in server.resources().values())
        limit(server, resource.RLIMIT_NOFILE, used + 20)
        endure(server, "silent", 40 * len(server.pids().children), probes=3)
        server.expect_log("CORRAL-302", "no descriptor")
        server.log.drop(lambda record: record.get("code") == "CORRAL-302")


def refused_for_want_of_room(server: Corral) -> None:
    with server.connect() as client:
        assert client.request("/count", method="POST", body=BODY).response().status == 507
        client.assert_closed()
    server.expect_log("CORRAL-301")
    with server.connect() as client:  # small ones need no room, and nothing else is the matter
        assert client.request("/count", method="POST", body=b"x" * 1000).response().text == "1000"
        assert client.request("/hello").response().text == "hello"


def test_no_folder_for_bodies(isolation: str, tmp_path: Path) -> None:
    """It was there at the start, else that would have failed."""
    folder = tmp_path / "bodies"
    folder.mkdir()
    env = {"TMPDIR": str(folder)}
    with serve(TO_FILES, isolation=isolation, env=env) as server, server.no_leaks():
        folder.rmdir()
        refused_for_want_of_room(server)


def test_no_room_for_bodies(isolation: str) -> None:
    with serve(TO_FILES, isolation=isolation) as server, server.no_leaks():
        limit(server, resource.RLIMIT_FSIZE, 1000)
        refused_for_want_of_room(server)
