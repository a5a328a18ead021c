"""Worker processes that share the listening sockets: who accepts, and who leaves it to others."""

import contextlib
from collections import Counter
from pathlib import Path

import pytest

from harness import Corral
from harness.gate import Gate, Visitor

SITES = Path(__file__).parent / "sites"


def serve(gate: Gate, workers: int, threads: int = 1, bind: str = "127.0.0.1:0") -> Corral:
    return Corral(
        "gated", SITES, isolation="process", workers=workers, threads=threads, bind=[bind],
        env=gate.env,
    )  # fmt: skip


def hold(server: Corral, gate: Gate, stack: contextlib.ExitStack) -> Visitor:
    """A thread that is taken, by a connection of its own."""
    stack.enter_context(server.connect()).request("/hold")
    return gate.wait("hold")


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_who_has_no_free_thread_leaves_connections_to_the_others(
    gate: Gate, folder: Path, open_clients: contextlib.ExitStack, kind: str
) -> None:
    bind = "127.0.0.1:0" if kind == "tcp" else f"unix:{folder}/site.sock"
    with serve(gate, workers=3, bind=bind) as server:
        visitors = [hold(server, gate, open_clients) for _ in range(2)]
        taken = {int(visitor.rest) for visitor in visitors}
        [free] = set(server.pids().workers) - taken
        for _ in range(50):
            assert server.get("/pid").text == str(free)
        for visitor in visitors:
            visitor.let_go()


def test_every_thread_counts(gate: Gate, open_clients: contextlib.ExitStack) -> None:
    with serve(gate, workers=2, threads=2) as server:
        visitors = [hold(server, gate, open_clients) for _ in range(4)]
        pids = Counter(int(visitor.rest) for visitor in visitors)
        assert pids == dict.fromkeys(server.pids().workers, 2)
        for visitor in visitors:
            visitor.let_go()


def test_connections_wait_while_every_thread_is_taken(
    gate: Gate, open_clients: contextlib.ExitStack
) -> None:
    with serve(gate, workers=2) as server:
        visitors = [hold(server, gate, open_clients) for _ in range(2)]
        waiting = [open_clients.enter_context(server.connect()).request("/pid") for _ in range(20)]
        visitors[0].let_go()
        for client in waiting:  # by the one that is free again
            assert client.response().text == visitors[0].rest
        visitors[1].let_go()


def test_they_take_turns(gate: Gate) -> None:
    with serve(gate, workers=3) as server:
        served = Counter(int(server.get("/pid").text) for _ in range(300))
        assert set(served) == set(server.pids().workers)
        assert min(served.values()) > 50
