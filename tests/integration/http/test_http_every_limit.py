"""Each limit of src/base/limits.h is met over the wire: its status, its record, its counter.

Four that take more than this are met elsewhere: body_rate and write_rate in test_http_slow.py,
overload_wait in test_http_overload.py, request_time in test_http_time.py.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from http_servers import assert_alive, counters, serve

from harness import Client, Corral
from harness.gate import Gate

HEADER = (Path(__file__).resolve().parents[3] / "src/base/limits.h").read_text()
ROWS = {
    name: (int(status), code)
    for name, status, code in re.findall(
        r'\{Limit::\w+, "(\w+)", "\w*", (\d+), "(CORRAL-\d+)"', HEADER
    )
}
ELSEWHERE = {"body_rate", "write_rate", "overload_wait", "request_time"}

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: a\r\n"
REFUSED = {
    "request_line": b"GET /" + b"a" * 9000,
    "header_bytes": HEAD + b"X: " + b"x" * 40_000,
    "header_count": HEAD + b"X: x\r\n" * 101 + b"\r\n",
    "body_bytes": POST + b"Content-Length: 99999999999\r\n\r\n",
    "chunk_extension": POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 300,
    "header_time": b"GET",
    "body_idle": POST + b"Content-Length: 3\r\n\r\nxx",
}


@pytest.fixture(params=["interpreter", "process"])
def isolation(request: pytest.FixtureRequest) -> str:
    return request.param


def end(server: Corral, *names: str) -> None:
    """Each of these was met once, and recorded so."""
    server.stop()
    records = {record.get("limit"): record.get("code") for record in server.log_records()}
    counted = counters(server)
    for name in names:
        assert counted[name] == 1, name
        assert records[name] == ROWS[name][1]


def test_refused_requests(gate: Gate, isolation: str) -> None:
    quick = ["--header-timeout=0.3", "--body-timeout=0.3"]
    with serve(gate, *quick, isolation=isolation) as server:
        for name, request in REFUSED.items():
            with server.connect() as client:
                assert client.send(request).response().status == ROWS[name][0], name
                client.assert_closed()
        end(server, *REFUSED)


def keep_alive(server: Corral, gate: Gate) -> None:
    with server.connect() as client:
        assert_alive(client)
        client.assert_closed()


def write_stall(server: Corral, gate: Gate) -> None:
    """As much as is kept for a client, which takes nothing of it."""
    with server.connect(receive_buffer=4096).request("/size?7000000"):
        server.expect_log("CORRAL-320")


def unsent_bytes(server: Corral, gate: Gate) -> None:
    with server.connect(receive_buffer=4096).request("/size?30000000") as client:
        server.expect_log("CORRAL-322")
        assert len(client.response().body) == 30_000_000


def connections(server: Corral, gate: Gate) -> None:
    with server.connect().request("/hold?held") as held, server.connect() as other:
        visitor = gate.wait("held")
        other.request("/hello")
        server.expect_log("CORRAL-302")
        visitor.let_go()
        held.response()
        assert other.response().text == "hello"


def idle_closed(server: Corral, gate: Gate) -> None:
    with server.connect() as idle:
        assert idle.request("/up").response().status == 200
        with server.connect() as other:
            assert_alive(other)
            idle.assert_closed()


def refused_in_queue(server: Corral, gate: Gate, others: int) -> None:
    """The last of so many requests that come while the only thread is held."""
    with server.connect().request("/hold?held") as held:
        visitor = gate.wait("held")
        waiting: list[Client] = []
        for _ in range(others):
            waiting.append(server.connect().request("/hello"))
            assert server.get("/up").status == 200  # it has been read
        refusal = waiting.pop().response()
        assert (refusal.status, refusal.header("Retry-After")) == (503, "1")
        visitor.let_go()
        assert held.response().status == 200
        for client in waiting:
            assert client.response().status == 200
            client.close()


def queue_depth(server: Corral, gate: Gate) -> None:
    refused_in_queue(server, gate, 2)
    server.expect_log("CORRAL-323")


def queue_wait(server: Corral, gate: Gate) -> None:
    refused_in_queue(server, gate, 1)
    server.expect_log("CORRAL-324")


MET: dict[Callable[[Corral, Gate], None], list[str]] = {
    keep_alive: ["--keep-alive=0.3"],
    write_stall: ["--write-timeout=0.3"],
    unsent_bytes: [],
    connections: ["--limit-connections=1"],
    idle_closed: ["--limit-connections=1"],
    queue_depth: ["--limit-queued-requests=1"],
    queue_wait: ["--queued-timeout=0.3"],
}


@pytest.mark.parametrize("meet", MET, ids=lambda meet: meet.__name__)
def test_met(gate: Gate, isolation: str, meet: Callable[[Corral, Gate], None]) -> None:
    options = [*MET[meet], "--log-level=debug"]
    with serve(gate, *options, isolation=isolation, threads=1) as server:
        meet(server, gate)
        if meet is connections:
            server.stop()  # how often it paused, and who had to make room, is a matter of time
            assert counters(server)["connections"] >= 1
            return
        end(server, meet.__name__)


def test_keep_alive_requests(gate: Gate, isolation: str) -> None:
    options = ["--keep-alive-requests=3", "--log-level=debug"]
    with serve(gate, *options, isolation=isolation) as server:
        with server.connect() as client:
            assert_alive(client)
            assert client.request("/up").response().header("Connection") is None
            assert client.request("/hello").response().header("Connection") == "close"
            client.assert_closed()
        end(server, "keep_alive_requests")


def test_no_limit_is_forgotten() -> None:
    met = REFUSED.keys() | {meet.__name__ for meet in MET} | {"keep_alive_requests"} | ELSEWHERE
    assert met == ROWS.keys()
