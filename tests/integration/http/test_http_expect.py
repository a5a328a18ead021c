"""Expect: 100-continue (RFC 9110 section 10.1.1)."""

import pytest
from http_servers import assert_alive, serve, wait_until_read

from harness import Corral
from harness.gate import Gate

EXPECT = {"Expect": "100-continue", "Content-Length": "5"}


def test_client_is_told_to_go_on(server: Corral) -> None:
    with server.connect() as client:
        client.request("/echo", method="POST", headers=EXPECT)
        assert client.head().status == 100
        assert client.send(b"hello").response().text == "hello"
        assert_alive(client)


def test_client_with_a_chunked_body_is_told_to_go_on(server: Corral) -> None:
    headers = {"Expect": "100-Continue", "Transfer-Encoding": "chunked"}
    with server.connect() as client:
        client.request("/echo", method="POST", headers=headers)
        assert client.head().status == 100
        assert client.send(b"5\r\nhello\r\n0\r\n\r\n").response().text == "hello"


def test_client_that_has_gone_on_is_not_told(server: Corral) -> None:
    with server.connect() as client:
        client.request("/echo", method="POST", headers=EXPECT, body=b"hello")
        assert client.head().status == 200


def test_client_of_http_1_0_is_not_told(server: Corral) -> None:
    with server.connect() as client:
        client.request("/echo", method="POST", headers=EXPECT, version="1.0")
        wait_until_read(server)
        client.send(b"hello")
        assert client.head().status == 200


def test_client_with_too_large_a_body_is_refused_at_once(server: Corral) -> None:
    with server.connect() as client:
        headers = {"Expect": "100-continue", "Content-Length": "99999999999"}
        client.request("/echo", method="POST", headers=headers)
        assert client.head().status == 413


def test_client_without_a_body_is_not_told(server: Corral) -> None:
    with server.connect() as client:
        client.request("/hello", headers={"Expect": "100-continue"})
        assert client.head().status == 200


def test_leave_comes_after_the_responses_before_it(server: Corral, gate: Gate) -> None:
    with server.connect() as client:
        client.request("/hold?before").request("/echo", method="POST", headers=EXPECT)
        visitor = gate.wait("before")
        wait_until_read(server)
        visitor.let_go()
        first = client.head()
        assert (first.status, client.read(len("let go"))) == (200, b"let go")
        assert client.head().status == 100
        assert client.send(b"hello").response().text == "hello"


REFUSED = {
    "malformed": ("POST /echo HTTP/1.1", "X-A : a", 400),
    "host": ("POST /echo HTTP/1.1", "Host: other", 400),
    "length": ("POST /echo HTTP/1.1", "Content-Length: 6", 400),
    "framing": ("POST /echo HTTP/1.1", "Transfer-Encoding: chunked", 400),
    "coding": ("POST /echo HTTP/1.1", "Transfer-Encoding: gzip", 400),
    "version": ("POST /echo HTTP/1.2", "X-A: a", 505),
    "line": (f"POST /{'a' * 9000} HTTP/1.1", "X-A: a", 414),
    "head": ("POST /echo HTTP/1.1", f"X-A: {'a' * 40_000}", 431),
    "fields": ("POST /echo HTTP/1.1", "\r\n".join(["X-A: a"] * 101), 431),
    "expectation": ("POST /echo HTTP/1.1", "Expect: else", 417),
}


@pytest.mark.parametrize("what", REFUSED)
def test_client_with_a_refused_head_is_refused_at_once(server: Corral, what: str) -> None:
    """No 100 before it, and no wait for the body."""
    line, field, status = REFUSED[what]
    with server.connect() as client:
        client.send(f"{line}\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n")
        client.send(f"{field}\r\n\r\n")
        head = client.head()
        assert (head.status, head.header("Connection")) == (status, "close")


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("isolation", ["interpreter", "process"])
def test_client_is_not_asked_for_a_body_that_nobody_would_take(
    gate: Gate, isolation: str, framing: str
) -> None:
    """With the queue full the final status comes at once, and no 100 before it."""
    options = {"threads": 1, "isolation": isolation}
    with serve(gate, "--limit-queued-requests=1", **options) as server, server.no_leaks():
        running = server.connect().request("/hold?running")
        visitor = gate.wait("running")
        queued = server.connect().request("/hello")
        wait_until_read(server)
        body = {"length": {"Content-Length": "5"}, "chunked": {"Transfer-Encoding": "chunked"}}
        headers = {"Expect": "100-continue"} | body[framing]
        with server.connect() as client:
            client.request("/echo", method="POST", headers=headers)
            head = client.head()
            assert (head.status, head.header("Retry-After")) == (503, "1")
            assert head.header("Connection") == "close"  # the body may be on its way all the same
        server.expect_log("CORRAL-323")
        visitor.let_go()
        assert running.response().text == "let go"
        assert queued.response().text == "hello"
        for client in (running, queued):
            client.close()


@pytest.mark.parametrize("isolation", ["interpreter", "process"])
def test_leave_is_no_promise(gate: Gate, isolation: str) -> None:
    """The room that was there before the body came may be somebody else's after it."""
    options = {"threads": 1, "isolation": isolation}
    with serve(gate, "--limit-queued-requests=1", **options) as server, server.no_leaks():
        running = server.connect().request("/hold?running")
        visitor = gate.wait("running")
        with server.connect() as client:
            client.request("/echo", method="POST", headers=EXPECT)
            assert client.head().status == 100
            queued = server.connect().request("/hello")
            wait_until_read(server)
            assert client.send(b"hello").response().status == 503
            server.expect_log("CORRAL-323")
            visitor.let_go()
            assert running.response().text == "let go"
            assert queued.response().text == "hello"
            assert_alive(client)  # the body has been read: nothing stands in the way
        for one in (running, queued):
            one.close()
