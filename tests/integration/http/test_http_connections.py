"""Connections: kept, pipelined, cut at any byte, half-closed, reset."""

import pytest
from http_servers import assert_alive, pattern, serve, wait_until_read

from harness import Corral, ResponseCut
from harness.gate import Gate

GET = b"GET %s HTTP/1.1\r\nHost: test\r\n\r\n"
POST = b"POST %s HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%s"
CHUNKED = (
    b"POST /echo?x HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n00A;name=value\r\n0123456789\r\n0\r\nX-Trailer: x\r\n\r\n"
)


def test_many_requests_on_one_connection(server: Corral) -> None:
    with server.connect() as client:
        for number in range(500):
            assert client.request(f"/target?{number}").response().text == f"/target?{number}"


def test_pipelined_requests_are_answered_in_order(server: Corral) -> None:
    with server.connect() as client:
        client.send(b"".join(GET % b"/target?%d" % number for number in range(500)))
        for number in range(500):
            assert client.response().text == f"/target?{number}"
        assert_alive(client)


@pytest.mark.parametrize("first", [b"/hello", b"/up", b"/hold?burst"])
def test_pipelined_requests_beyond_one_read(server: Corral, gate: Gate, first: bytes) -> None:
    """All are in the socket before the first is answered, and no event tells of the rest."""
    bodies = [pattern(65_536 - cut) for cut in range(0, 400, 40)]
    requests = b"".join(POST % (b"/echo", len(body), body) for body in bodies)
    with server.connect() as client:
        client.send(GET % first + requests)
        if b"hold" in first:
            gate.wait("burst").let_go()
        assert client.response().status == 200
        for body in bodies:
            assert client.response().body == body
        assert_alive(client)


def test_pipelined_requests_of_all_kinds(server: Corral) -> None:
    body = pattern(100_000)
    requests = [
        GET % b"/hello", b"HEAD /hello HTTP/1.1\r\nHost: test\r\n\r\n", GET % b"/up", CHUNKED,
        POST % (b"/echo", len(body), body), GET % b"/stream?200000", GET % b"/none",
        POST % (b"/echo", 0, b""), b"\r\n" + GET % b"/target?last",
    ]  # fmt: skip
    with server.connect() as client:
        client.send(b"".join(requests))
        assert client.response().text == "hello"
        assert client.response("HEAD").body == b""
        assert client.response().text == "ok\n"
        assert client.response().text == "hello0123456789"
        assert client.response().body == body
        assert client.response().body == b"".join(pattern(65_536) for _ in range(3)) + pattern(3392)
        assert client.response().status == 404
        assert client.response().body == b""
        assert client.response().text == "/target?last"


def test_pipelined_request_does_not_overtake_a_slow_one(server: Corral, gate: Gate) -> None:
    with server.connect() as client:
        client.send(GET % b"/hold?slow" + GET % b"/up" + GET % b"/hello")
        visitor = gate.wait("slow")
        wait_until_read(server)
        visitor.let_go()
        assert [client.response().text for _ in range(3)] == ["let go", "ok\n", "hello"]


def test_nothing_is_answered_after_the_last_request(server: Corral) -> None:
    last = b"GET /hello HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    with server.connect() as client:
        client.send(last + GET % b"/hello" * 100)
        assert client.response().header("Connection") == "close"
        client.assert_closed()


@pytest.mark.parametrize("request_bytes", [CHUNKED, POST % (b"/echo", 15, b"hello0123456789")])
def test_request_may_be_split_at_any_byte(server: Corral, request_bytes: bytes) -> None:
    with server.connect() as client:
        for cut in range(1, len(request_bytes)):
            client.send(request_bytes[:cut])
            wait_until_read(server)
            client.send(request_bytes[cut:])
            assert client.response().text == "hello0123456789", f"split after {cut} bytes"


def test_requests_may_come_byte_by_byte(server: Corral) -> None:
    with server.connect() as client:
        for byte in CHUNKED + GET % b"/hello":
            client.send(bytes([byte]))
        assert client.response().text == "hello0123456789"
        assert client.response().text == "hello"


# --- the client ends its side


def test_half_closed_client_gets_its_response(server: Corral) -> None:
    with server.connect() as client:
        response = client.request("/size?3000000").half_close().response()
        assert response.body == pattern(3_000_000)
        client.assert_closed()


def test_half_closed_client_gets_a_response_that_takes_time(server: Corral, gate: Gate) -> None:
    with server.connect() as client:
        client.request("/hold?half").half_close()
        visitor = gate.wait("half")
        wait_until_read(server)
        visitor.let_go()
        assert client.response().text == "let go"
        client.assert_closed()


def test_half_closed_client_gets_all_pipelined_responses(server: Corral) -> None:
    with server.connect() as client:
        client.send(b"".join(GET % b"/target?%d" % number for number in range(100))).half_close()
        for number in range(100):
            assert client.response().text == f"/target?{number}"
        client.assert_closed()


@pytest.mark.parametrize("target", [b"/up", b"/hello"])
def test_connection_ends_with_the_last_response_of_a_half_closed_client(
    server: Corral, target: bytes
) -> None:
    """In one packet, so that the end of file is announced together with the request."""
    with server.connect() as client:
        client.send(GET % target)
        client.half_close()
        assert client.response().status == 200
        client.assert_closed()


@pytest.mark.parametrize(
    "part",
    [b"", b"G", b"GET /hello HTTP/1.1\r\nHost: te", CHUNKED[:-1], POST % (b"/echo", 100, b"x")],
)
def test_half_closed_client_with_half_a_request_is_let_go(server: Corral, part: bytes) -> None:
    with server.connect() as client:
        client.send(part).half_close()
        client.assert_closed()


# --- the client is gone: the fixture sees that nothing is left of it

STAGES = {
    "connected": b"",
    "first byte": b"G",
    "half a head": b"GET /hello HTTP/1.1\r\nHost: te",
    "half a body": POST % (b"/echo", 100, b"x"),
    "half a large body": POST % (b"/echo", 300_000, b"x" * 200_000),
    "half a chunked body": CHUNKED[:-20],
    "whole": GET % b"/hello",
    "whole, of a probe": GET % b"/up",
    "whole, with a large body": POST % (b"/echo", 300_000, b"x" * 300_000),
    "whole, for a large response": GET % b"/size?5000000",
    "whole, for an endless response": GET % b"/stream?100000000000",
    "pipelined": (GET % b"/hello") * 200,
    "after a refused one": b"GET / HTTP/1.1\r\nHost : test\r\n\r\n" + b"x" * 100_000,
}


@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize("stage", STAGES)
def test_client_may_vanish(server: Corral, stage: str, how: str) -> None:
    for read_first in (True, False):
        client = server.connect()
        client.send(STAGES[stage])
        if read_first:
            wait_until_read(server)
        getattr(client, how)()


@pytest.mark.parametrize("how", ["close", "abort"])
def test_client_may_vanish_while_its_request_runs(server: Corral, gate: Gate, how: str) -> None:
    client = server.connect().request("/hold?run")
    visitor = gate.wait("run")
    getattr(client, how)()
    wait_until_read(server)
    visitor.let_go()


@pytest.mark.parametrize("how", ["close", "abort"])
def test_client_may_vanish_inside_a_response(server: Corral, gate: Gate, how: str) -> None:
    client = server.connect().request("/held-stream?inside")
    client.head()
    assert client.chunk() == b"begun "
    visitor = gate.wait("inside")
    getattr(client, how)()
    wait_until_read(server)
    visitor.let_go()


@pytest.mark.parametrize("how", ["close", "abort"])
def test_client_may_vanish_between_requests(server: Corral, how: str) -> None:
    client = server.connect()
    assert_alive(client)
    getattr(client, how)()


@pytest.mark.parametrize("how", ["close", "abort"])
def test_clients_may_vanish_from_the_queue(gate: Gate, how: str) -> None:
    with serve(gate, threads=1) as server, server.no_leaks():
        first = server.connect().request("/hold?first")
        visitor = gate.wait("first")
        waiting = [server.connect().request("/hello") for _ in range(20)]
        wait_until_read(server)
        for client in waiting:
            getattr(client, how)()
        visitor.let_go()
        assert first.response().text == "let go"
        first.close()


@pytest.mark.parametrize("how", ["close", "abort"])
def test_application_is_told_to_stop_when_the_client_vanishes(
    server: Corral, gate: Gate, how: str
) -> None:
    client = server.connect().request("/endless?closed")
    client.head()
    client.chunk()
    getattr(client, how)()
    gate.wait("closed").let_go()


# --- many


def test_requests_flow_beside_hundreds_of_idle_connections(server: Corral) -> None:
    idle = [server.connect() for _ in range(500)]
    for client in idle[::2]:
        assert_alive(client)  # these have spoken, the others never
    for number in range(200):
        assert server.get(f"/target?{number}").text == f"/target?{number}"
    for client in idle[:100]:
        assert_alive(client)
    for client in idle:
        client.close()


def test_many_clients_at_once(gate: Gate) -> None:
    with serve(gate, workers=2, threads=2) as server, server.no_leaks():
        clients = [server.connect() for _ in range(100)]
        for turn in range(20):
            for number, client in enumerate(clients):
                client.request(f"/target?{turn}-{number}")
            for number, client in enumerate(clients):
                assert client.response().text == f"/target?{turn}-{number}"
        for client in clients:
            client.close()


def test_response_cut_by_an_error_is_seen_as_cut(server: Corral) -> None:
    with server.connect() as client, pytest.raises(ResponseCut):
        client.request("/fails-later").response()
    server.expect_log("CORRAL-401", "LookupError: of the site")


def test_client_that_was_never_heard_is_no_request(server: Corral) -> None:
    server.access.take_left()
    for _ in range(10):
        server.connect().close()
    server.get("/target?marker")
    server.expect_access("/target?marker")
    assert all(record.get("target") for record in server.access.take_left())
