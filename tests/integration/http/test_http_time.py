"""Requests that take too long: what clients get, what the log says, what becomes of threads."""

from collections import Counter
from collections.abc import Iterator

import pytest
from http_servers import SITES, counters

from harness import Client, Corral, ResponseCut
from harness.gate import Gate
from harness.server import Record

LIMIT_S = 1


def serve(
    gate: Gate, isolation: str = "interpreter", *, timeout: float = LIMIT_S,
    slow: float = 0, threads: int = 1, options: tuple[str, ...] = (),
) -> Corral:  # fmt: skip
    """A worker whose requests have a second each."""
    return Corral(
        "late:application", SITES, isolation=isolation, threads=threads, env=gate.env,
        options=[f"--timeout={timeout}", f"--slow-request={slow}", *options],
    )  # fmt: skip


def stop(server: Corral) -> Record:
    """Stops a server that has abandoned threads; returns what it says of them."""
    server.send_signal()
    record = server.expect_log("CORRAL-209")
    assert server.stop(None).code == 0
    return record


@pytest.fixture(scope="module", params=["interpreter", "process"])
def shared_late(request: pytest.FixtureRequest, gate: Gate) -> Iterator[Corral]:
    with serve(gate, request.param) as server:
        yield server


@pytest.fixture
def late(shared_late: Corral) -> Iterator[Corral]:
    """A server with one thread. Whatever happens in a test, it serves as before afterwards."""
    shared_late.get("/seen")  # forgets it
    with shared_late.no_leaks():
        yield shared_late
        assert shared_late.get("/hello").text == "hello"
    shared_late.check_log()


def test_client_gets_504_and_the_stack_is_written_down(late: Corral) -> None:
    response = late.get("/loop?a")
    assert response.status == 504
    assert response.text == "the request took too long\n"
    record = late.expect_log("CORRAL-326", "/loop?a")
    assert record["level"] == "warning"
    assert (record["method"], record["client_gets"]) == ("GET", "504")
    assert record["thread"] == "web.1.0"
    assert record["ran_ms"] >= LIMIT_S * 1000
    assert "late.py" in record["stack"]
    assert record["stack"].splitlines()[-2].endswith("in compute_for_ever")
    assert late.expect_access("/loop?a")["status"] == 504


def test_exactly_that_request_is_interrupted(late: Corral) -> None:
    assert late.get("/loop").status == 504
    late.expect_log("CORRAL-326")
    ended = late.expect_message("a request that was broken off has ended")
    assert ended["ending"].startswith("RequestTimeout")
    assert ended["duration_ms"] >= LIMIT_S * 1000
    assert late.get("/seen").text == "corral.exceptions.RequestTimeout finally"


def test_its_connection_goes_on(late: Corral) -> None:
    with late.connect() as client:
        client.request("/loop").request("/hello")  # pipelined
        assert client.response().status == 504
        assert client.response().text == "hello"
        assert client.request("/hello").response().text == "hello"
    late.expect_log("CORRAL-326")


@pytest.mark.parametrize("target", ["/stream", "/write"])
def test_a_response_that_has_begun_is_cut(late: Corral, target: str) -> None:
    with late.connect() as client:
        client.request(target)
        assert client.head().status == 200
        assert client.chunk() == b"begun"
        with pytest.raises(ResponseCut):
            client.chunk()
    record = late.expect_log("CORRAL-326", target)
    assert record["client_gets"] == "a cut response"
    late.expect_access(target)


def test_what_has_begun_is_told_by_a_reset_where_the_end_would_complete_it(late: Corral) -> None:
    with late.connect() as client:
        client.request("/stream", version="1.0")
        assert client.head().framing == "close"
        with pytest.raises(ConnectionResetError):
            client.rest()
    late.expect_log("CORRAL-326")


def test_a_call_costs_its_thread_until_it_returns(late: Corral, gate: Gate) -> None:
    with late.connect() as client:
        client.request("/call?stuck")
        visitor = gate.wait("stuck")
        assert client.response().status == 504
        record = late.expect_log("CORRAL-326", "stuck")
        assert "gate.recv(1)" in record["stack"]
        late.expect_log("CORRAL-205")
        assert late.get("/hello").text == "hello"  # by another thread
        visitor.let_go()
        late.expect_message("an abandoned thread has come back and ended")
        assert client.request("/hello").response().text == "hello"


def test_what_comes_too_late_is_not_sent(late: Corral, gate: Gate) -> None:
    with late.connect() as client:
        client.request("/write-late?stuck")
        visitor = gate.wait("stuck")
        assert client.response().status == 504
        late.expect_log("CORRAL-326")
        late.expect_log("CORRAL-205")
        visitor.let_go()
        late.expect_message("an abandoned thread has come back and ended")
        assert client.request("/hello").response().text == "hello"
    assert late.get("/seen").text in ("", "write RequestTimeout")  # the first: before it could ask


def test_who_swallows_the_interrupt_gets_another(late: Corral) -> None:
    assert late.get("/swallow").status == 504
    late.expect_log("CORRAL-326")
    late.expect_log("CORRAL-205")
    again = late.expect_message("a request goes on although it was interrupted")
    assert "compute_for_ever" in again["stack"]
    late.expect_message("an abandoned thread has come back and ended")
    assert late.get("/seen").text == "RequestTimeout RequestTimeout"


def test_close_is_the_applications_time_too(late: Corral) -> None:
    assert late.get("/close").text == "whole"
    record = late.expect_log("CORRAL-326")
    assert "in Closing.close" in record["stack"]
    assert (record["target"], record["client_gets"]) == ("/close", "its response")
    assert late.expect_access("/close")["status"] == 200


def test_a_slow_client_is_not_the_applications_time(gate: Gate) -> None:
    options = ("--unsent-memory=64K", "--min-write-rate=0")
    with serve(gate, threads=2, options=options) as server:
        reader = server.connect(receive_buffer=4096).request("/size?8000000")
        assert reader.head().status == 200
        assert server.get("/loop").status == 504  # more than the reader's time has passed
        server.expect_log("CORRAL-326")
        assert len(reader.read(8_000_000)) == 8_000_000
        reader.close()


@pytest.mark.parametrize("isolation", ["interpreter", "process"])
def test_forty_that_never_return_starve_nobody(gate: Gate, isolation: str) -> None:
    with serve(gate, isolation, timeout=0.4, threads=4) as server:
        clients = [server.connect().request("/call?stuck") for _ in range(40)]
        for client in clients:
            assert server.get("/hello").text == "hello"
            gate.wait("stuck")
            assert client.response().status == 504
            client.close()
        for _ in clients:
            server.expect_log("CORRAL-326")
            server.expect_log("CORRAL-205")
        assert stop(server)["threads"] == 40


def test_a_call_that_keeps_the_gil_costs_its_worker(gate: Gate) -> None:
    with serve(gate, threads=2) as server:
        with server.connect() as client, server.connect() as other:
            client.request("/keep-gil")
            assert client.response().status == 504
            record = server.expect_log("CORRAL-326")
            assert "could not be entered" in record["no_stack"]
            server.expect_log("CORRAL-206")
            assert other.request("/hello").response().status in (200, 504)
            assert server.get("/hello").text == "hello"
        server.log.drop(lambda record: record.get("code") == "CORRAL-326")
        assert stop(server)["stuck_workers"] == 1


def test_a_call_that_keeps_the_gil_costs_a_process(gate: Gate) -> None:
    with serve(gate, "process") as server:
        with server.connect() as client:
            client.request("/keep-gil")
            assert client.response().status == 504
            server.expect_log("CORRAL-326")
            server.expect_log("CORRAL-206")
        server.expect_log("CORRAL-102", "exited with code 1")
        assert server.get("/hello").text == "hello"


def test_no_limit(gate: Gate) -> None:
    with serve(gate, timeout=0, threads=2) as server, server.connect() as client:
        client.request("/hold?it")
        visitor = gate.wait("it")
        assert server.get("/hello").text == "hello"
        visitor.let_go()
        assert client.response().text == "let go"
        server.stop()
        assert counters(server)["request_time"] == 0


@pytest.mark.parametrize("isolation", ["interpreter", "process"])
def test_slow_requests_are_written_down_twice(gate: Gate, isolation: str) -> None:
    with serve(gate, isolation, timeout=0, slow=0.2) as server, server.connect() as client:
        client.request("/hold?slow", method="POST", body=b"")
        visitor = gate.wait("slow")
        record = server.expect_message("a request is slow; this is where it is")
        assert (record["level"], record["method"]) == ("info", "POST")
        assert (record["target"], record["thread"]) == ("/hold?slow", "web.1.0")
        assert "gate.recv(1)" in record["stack"]
        visitor.let_go()
        assert client.response().text == "let go"
        ended = server.expect_message("a slow request has ended")
        assert ended["target"] == "/hold?slow"
        assert ended["duration_ms"] >= record["ran_ms"] >= 200


def test_a_thread_serves_on_after_a_slow_request(gate: Gate) -> None:
    with serve(gate, timeout=0, slow=0.2) as server, server.connect() as client:
        for _ in range(2):
            client.request("/hold?slow")
            visitor = gate.wait("slow")
            server.expect_message("a request is slow; this is where it is")
            visitor.let_go()
            assert client.response().text == "let go"
            server.expect_message("a slow request has ended")
            assert client.request("/hello").response().text == "hello"


def test_a_stop_does_not_wait_for_what_was_abandoned(gate: Gate) -> None:
    with serve(gate, options=("--graceful-timeout=3600",)) as server:
        with server.connect() as client:
            client.request("/call?stuck")
            gate.wait("stuck")
            assert client.response().status == 504
            server.expect_log("CORRAL-326")
            server.expect_log("CORRAL-205")
        assert stop(server)["threads"] == 1


def test_requests_that_end_as_their_time_does(gate: Gate) -> None:
    """Each gets one whole answer, and no interrupt meets another request."""
    with serve(gate, timeout=0.1, threads=2) as server:
        clients = [Client(("127.0.0.1", server.port)) for _ in range(4)]
        statuses: Counter[int] = Counter()
        for number in range(20):
            for index, client in enumerate(clients):
                client.request(f"/spin?{0.07 + 0.004 * (number + index)}")
            statuses.update(client.response().status for client in clients)
        for client in clients:
            client.close()
        assert server.get("/seen").text == ""
        assert statuses.keys() == {200, 504}
        for _ in range(statuses[504]):
            server.expect_log("CORRAL-326")
        # On a busy machine one may not get to leaving.
        server.log.drop(lambda record: record.get("code") == "CORRAL-205")
