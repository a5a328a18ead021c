"""What serving takes is given back: descriptors and threads meanwhile, everything at the end."""

from collections.abc import Callable

import pytest

from harness import Client, Corral
from harness.gate import Gate

Make = Callable[..., Corral]
ROUNDS = 30

LARGE = b"x" * 200_000  # goes to a temporary file
CHUNKED = "POST /upload HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"


def ask_well(client: Client) -> None:
    """Six requests on one connection."""
    assert client.request("/").response().text == "hello"
    assert client.request("/", method="HEAD").response("HEAD").body == b""
    assert client.request("/upload", method="POST", body=b"abc").response().text == "3"
    assert client.request("/upload", method="POST", body=LARGE).response().text == "200000"
    assert client.send(CHUNKED + "4\r\nabcd\r\n0\r\n\r\n").response().text == "4"
    assert client.request("/up").response().status == 200


def ask_and_leave(server: Corral, gate: Gate) -> None:
    """Four requests whose clients do not stay."""
    with server.connect() as client:
        assert client.send("nonsense\r\n\r\n").response().status == 400
    with server.connect() as client:
        client.send("POST /upload HTTP/1.1\r\nHost: t\r\nContent-Length: 300000\r\n\r\n")
        client.send(LARGE).abort()
    with server.connect() as client:
        client.request("/").request("/hold").request("/")
        visitor = gate.wait("hold")
        client.abort()
        visitor.let_go()


def test_requests_of_all_kinds_leave_nothing_behind(server: Make, gate: Gate) -> None:
    with server() as running:
        running.get("/hold-nothing")  # what is imported once stays
        running.expect_log("CORRAL-401", "KeyError")
        with running.connect() as client:
            ask_well(client)
        with running.no_leaks():
            for _ in range(ROUNDS):
                with running.connect() as client:
                    ask_well(client)
                ask_and_leave(running, gate)


@pytest.mark.parametrize("mode", ["PYTHONDEVMODE", "PYTHONMALLOC"])
def test_a_life_under_pythons_own_checks(server: Make, gate: Gate, mode: str) -> None:
    """Debug allocators of every interpreter, and warnings about what was not closed."""
    value = "debug" if mode == "PYTHONMALLOC" else "1"
    with server(env={mode: value}) as running:
        for _ in range(5):
            with running.connect() as client:
                ask_well(client)
            ask_and_leave(running, gate)
        assert running.stop().code == 0
