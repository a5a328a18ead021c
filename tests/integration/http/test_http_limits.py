"""Limits and time limits, admission."""

from pathlib import Path

import pytest
from http_servers import assert_alive, pattern, serve, wait_until_read

from harness import Corral, ResponseCut
from harness.gate import Gate
from harness.processes import eventually

HOST = b"Host: test\r\n"
REFUSED = [
    (413, b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999\r\n\r\n"),
    (414, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    (414, b"GET /" + b"a" * 9000),
    (431, b"GET / HTTP/1.1\r\n" + HOST + b"X-Name: value\r\n" * 101 + b"\r\n"),
    (431, b"GET / HTTP/1.1\r\n" + HOST + b"X-Name: " + b"v" * 40_000 + b"\r\n\r\n"),
    (431, b"GET / HTTP/1.1\r\n" + HOST + b"X-Name: " + b"v" * 40_000),
]  # fmt: skip


@pytest.mark.parametrize(("status", "request_bytes"), REFUSED)
def test_refused(server: Corral, status: int, request_bytes: bytes) -> None:
    with server.connect() as client:
        response = client.send(request_bytes).response()
        assert response.status == status, response
        assert response.header("Connection") == "close"
        client.assert_closed()


@pytest.mark.parametrize("behind", [1, 1000, 100_000, 1_000_000])
def test_refusal_arrives_although_more_was_sent(server: Corral, behind: int) -> None:
    """Closing with unread bytes would reset the connection and take the response with it."""
    with server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost : test\r\n\r\n" + b"x" * behind)
        assert client.response().status == 400
        client.assert_closed()


def test_refusal_after_good_requests(server: Corral) -> None:
    good = b"GET /hello HTTP/1.1\r\nHost: test\r\n\r\n"
    with server.connect() as client:
        client.send(good * 3 + b"nonsense\r\n\r\n" + good)
        assert [client.response().status for _ in range(4)] == [200, 200, 200, 400]
        client.assert_closed()


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("isolation", ["interpreter", "process"])
def test_body_over_its_limit(gate: Gate, isolation: str, framing: str) -> None:
    limit = "--limit-request-body=100000"
    with serve(gate, limit, isolation=isolation) as server, server.connect() as client:
        assert client.request("/digest", body=pattern(100_000)).response().status == 200
        if framing == "length":
            client.request("/digest", body=pattern(100_001))
        else:
            client.request("/digest", headers={"Transfer-Encoding": "chunked"})
            client.send(b"C350\r\n" + pattern(50_000) + b"\r\n")
            client.send(b"C351\r\n" + pattern(50_001) + b"\r\n0\r\n\r\n")
        assert client.response().status == 413
        client.assert_closed()


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize(
    ("total", "size", "in_memory"),
    [("0", 65_000, True), ("0", 65_537, False), ("8M", 100_000, True), ("8M", 1_000_000, True),
     ("8M", 1_100_000, False)],
)  # fmt: skip
@pytest.mark.parametrize("isolation", ["interpreter", "process"])
def test_bodies_are_in_files_when_memory_is_short(
    gate: Gate, tmp_path: Path, isolation: str, total: str, size: int, framing: str, in_memory: bool
) -> None:
    """One body may have an eighth of --body-memory-total. What needs a file fails without one."""
    folder = tmp_path / "bodies"
    folder.mkdir()
    options = [f"--body-memory-total={total}", f"--body-folder={folder}"]
    with serve(gate, *options, isolation=isolation) as server, server.connect() as client:
        folder.rmdir()
        if framing == "length":
            client.request("/digest", body=pattern(size))
        else:
            client.request("/digest", headers={"Transfer-Encoding": "chunked"})
            client.send(b"%x\r\n%s\r\n0\r\n\r\n" % (size, pattern(size)))
        assert client.response().status == (200 if in_memory else 507)
        if not in_memory:
            assert server.expect_log("CORRAL-301")["folder"] == str(folder)


def test_memory_of_bodies_is_shared(gate: Gate, tmp_path: Path) -> None:
    """Unfinished bodies hold it, so that others go to files; ended ones give it back."""
    options = ["--body-memory-total=1M", f"--body-folder={tmp_path}"]

    def count_files() -> int:
        [(files, _)] = server.resources().values()
        return sum(count for path, count in files.items() if path.startswith(str(tmp_path)))

    with serve(gate, *options) as server:
        for _ in range(3):
            clients = [server.connect() for _ in range(20)]
            for client in clients:
                client.request("/digest", method="POST", headers={"Content-Length": "100000"})
                client.send(pattern(99_999))
            eventually(lambda: count_files() == 10, "10 of 20 bodies of 100 kB in files")
            for client in clients:
                client.send(b"x")
                assert client.response().text.startswith("100000 ")
                client.close()
            eventually(lambda: count_files() == 0, "no file of a body that was answered")


def test_large_head_within_the_limits(server: Corral) -> None:
    headers = {f"X-Name-{number}": "v" * 250 for number in range(90)}
    assert server.get("/target?" + "q" * 5000, headers=headers).text == "/target?" + "q" * 5000


# --- time: the connections outlive no limit, and the limits are the only thing that ends them


def test_head_that_does_not_end(gate: Gate) -> None:
    with serve(gate, "--header-timeout=0.3") as server, server.no_leaks():
        with server.connect() as client:
            client.send("GET /hello HTTP/1.1\r\nHost: te")
            assert client.response().status == 408
            client.assert_closed()
        with server.connect() as client:  # also the second head of a connection
            assert_alive(client)
            client.send("G")
            assert client.response().status == 408
            client.assert_closed()


def test_client_that_never_says_anything_is_closed_quietly(gate: Gate) -> None:
    with serve(gate, "--header-timeout=0.3") as server, server.connect() as client:
        client.assert_closed()


@pytest.mark.parametrize("size", [10, 300_000])
def test_body_that_does_not_end(gate: Gate, size: int) -> None:
    with serve(gate, "--body-timeout=0.3") as server, server.connect() as client:
        client.request("/echo", method="POST", headers={"Content-Length": str(size)})
        client.send(b"x" * (size - 1))
        assert client.response().status == 408
        client.assert_closed()


def test_idle_connection_is_closed_quietly(gate: Gate) -> None:
    with serve(gate, "--keep-alive=0.3") as server, server.no_leaks(), server.connect() as client:
        assert_alive(client)
        client.assert_closed()


def test_keep_alive_does_not_end_a_request_that_runs(gate: Gate) -> None:
    with serve(gate, "--keep-alive=0.3", "--header-timeout=0.3") as server:
        idle = server.connect()
        assert_alive(idle)
        with server.connect() as client:
            client.request("/hold?long")
            visitor = gate.wait("long")
            idle.assert_closed()  # by now the limit is long over
            visitor.let_go()
            assert client.response().text == "let go"


@pytest.mark.parametrize("path", ["/size", "/stream"])
@pytest.mark.parametrize("memory", ["1M", "64M"])
def test_client_that_takes_nothing_is_disconnected(gate: Gate, path: str, memory: str) -> None:
    """Whether the worker waits with the rest of the response or the I/O thread has it."""
    options = ["--write-timeout=0.3", f"--unsent-memory={memory}"]
    with serve(gate, *options, threads=1) as server:
        with server.no_leaks():  # the server has closed it, although the client has not
            client = server.connect(receive_buffer=4096).request(f"{path}?30000000")
            assert server.get("/hello").text == "hello"  # the only thread is free again
        with pytest.raises((ConnectionResetError, ResponseCut)):
            client.response()
        client.close()


# --- admission


def test_full_queue_is_answered_with_503(gate: Gate) -> None:
    with serve(gate, "--limit-queued-requests=2", threads=1) as server, server.no_leaks():
        running = server.connect().request("/hold?running")
        visitor = gate.wait("running")
        queued = [server.connect().request(f"/target?{number}") for number in range(2)]
        wait_until_read(server)
        with server.connect() as refused:
            for _ in range(3):
                response = refused.request("/hello").response()
                assert (response.status, response.header("Retry-After")) == (503, "1")
            assert refused.request("/up").response().status == 200
            server.expect_log("CORRAL-323", "127.0.0.1")
            head = refused.request("/hello", method="HEAD").response("HEAD")
            assert (head.status, head.body) == (503, b"")
            visitor.let_go()
            assert running.response().text == "let go"
            assert [client.response().text for client in queued] == ["/target?0", "/target?1"]
            assert_alive(refused)  # the same connection, when there is room again
        for client in [running, *queued]:
            client.close()


def test_request_that_waited_too_long_is_answered_with_503(gate: Gate) -> None:
    with serve(gate, "--queued-timeout=0.05", threads=1) as server, server.no_leaks():
        idle_limit = 0.3
        with serve(gate, f"--keep-alive={idle_limit}") as clock, clock.connect() as tick:
            running = server.connect().request("/hold?running")
            visitor = gate.wait("running")
            late = server.connect().request("/hello")
            wait_until_read(server)
            assert_alive(tick)
            tick.assert_closed()  # more time has gone by than may be spent in the queue
            visitor.let_go()
        assert running.response().text == "let go"
        response = late.response()
        assert (response.status, response.header("Retry-After")) == (503, "1")
        server.expect_log("CORRAL-324")
        assert_alive(late)
        running.close()
        late.close()
