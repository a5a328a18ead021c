"""Connections are spread over worker processes, whoever accepts them, and are answered when one
of them is stopped or killed.
"""

import contextlib
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from harness import Corral
from harness.client import Client
from harness.gate import Gate
from harness.processes import descriptors, eventually

SITES = Path(__file__).parent / "sites"
CONNECTIONS = 64


def serve(
    gate: Gate, workers: int, bind: str = "127.0.0.1:0", limits: tuple[int, int] | None = None
) -> Corral:
    return Corral(
        "gated", SITES, isolation="process", workers=workers, bind=[bind], env=gate.env,
        descriptors=limits,
    )  # fmt: skip


def connect(server: Corral, stack: contextlib.ExitStack, count: int = CONNECTIONS) -> list[Client]:
    return [stack.enter_context(server.connect()) for _ in range(count)]


def halt(pid: int) -> None:
    """Stops a process, and returns when no thread of it runs any more."""
    os.kill(pid, signal.SIGSTOP)
    stats = Path(f"/proc/{pid}/task").glob("*/stat")
    states = [lambda stat=stat: stat.read_text().rpartition(")")[2].split()[0] for stat in stats]
    eventually(lambda: all(state() == "T" for state in states), "every thread is stopped")


def ask(clients: list[Client]) -> list[int]:
    """Who answers each of them, one after the other."""
    return [int(client.request("/pid").response().text) for client in clients]


def is_spread(served: Counter[int], workers: list[int]) -> bool:
    """Whether each process has at least a third of its fair share."""
    share = served.total() / len(workers)
    return set(served) <= set(workers) and all(served[pid] >= share / 3 for pid in workers)


def are_spread(server: Corral, clients: list[Client]) -> bool:
    return is_spread(Counter(ask(clients)), server.pids().workers)


@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_connections_are_spread(
    gate: Gate, folder: Path, open_clients: contextlib.ExitStack, workers: int, kind: str
) -> None:
    bind = "127.0.0.1:0" if kind == "tcp" else f"unix:{folder}/site.sock"
    with serve(gate, workers, bind) as server, server.no_leaks():
        with contextlib.ExitStack() as stack:
            clients = connect(server, stack)
            # One that begins to serve a moment after the others gets its share a moment later.
            eventually(lambda: are_spread(server, clients), "every process has a share")


def test_a_process_that_comes_back_gets_its_share(
    gate: Gate, open_clients: contextlib.ExitStack
) -> None:
    """Of connections that were all the other's, as it was alone meanwhile."""
    with serve(gate, workers=2) as server:
        killed, other = server.pids().workers
        halt(killed)
        clients = connect(server, open_clients)
        served = set(ask(clients))
        assert served == {other}
        os.kill(killed, signal.SIGKILL)
        server.expect_log("CORRAL-102", "was killed by SIGKILL")
        server.expect_message("web.")  # "... serves again"
        eventually(lambda: are_spread(server, clients), "both have a share")


def test_a_stopped_process_stops_nobody(gate: Gate, open_clients: contextlib.ExitStack) -> None:
    with serve(gate, workers=2) as server:
        before = connect(server, open_clients)
        homes = ask(before)
        stopped, other = server.pids().workers
        halt(stopped)
        try:
            assert set(ask(connect(server, open_clients))) == {other}
            assert {int(server.get("/pid").text) for _ in range(50)} == {other}
            kept = [client for client, home in zip(before, homes, strict=True) if home == other]
            assert set(ask(kept)) == {other}
        finally:
            os.kill(stopped, signal.SIGCONT)
        clients = connect(server, open_clients)
        eventually(lambda: stopped in ask(clients), "it takes connections again")


def test_a_killed_process_takes_only_its_own_connections(
    gate: Gate, open_clients: contextlib.ExitStack
) -> None:
    with serve(gate, workers=4) as server:
        clients = connect(server, open_clients)
        eventually(lambda: are_spread(server, clients), "every process has a share")
        workers = server.pids().workers
        homes = ask(clients)
        killed = homes[0]
        os.kill(killed, signal.SIGKILL)
        for client, home in zip(clients, homes, strict=True):
            if home == killed:
                assert client.rest() == b""
        kept = [client for client, home in zip(clients, homes, strict=True) if home != killed]
        assert killed not in ask(kept)
        assert killed not in ask(connect(server, open_clients, 20))
        server.expect_log("CORRAL-102", "was killed by SIGKILL")
        server.expect_message("web.")  # "... serves again"
        more = connect(server, open_clients)
        [new] = set(server.pids().workers) - set(workers)
        eventually(lambda: new in ask(more), "its successor takes connections")


def test_a_kept_connection_does_not_wait_behind_a_slow_view(
    gate: Gate, open_clients: contextlib.ExitStack
) -> None:
    """Its process is occupied, so the request is answered by the other."""
    with serve(gate, workers=2) as server:
        clients = connect(server, open_clients, 16)
        holding = clients[0].request("/hold")
        visitor = gate.wait("hold")
        [free] = set(server.pids().workers) - {int(visitor.rest)}
        assert set(ask(clients[1:])) == {free}
        visitor.let_go()
        assert holding.response().text == "let go"


def test_inboxes_are_no_room_for_connections(gate: Gate) -> None:
    """Every process holds both ends of everybody's inbox, and keeps to what it may hold."""
    workers, limit = 8, 200
    room = limit - 2 * workers - 64 - 16
    with serve(gate, workers, limits=(100, limit)) as server:
        record = server.expect_log("CORRAL-109", "--limit-connections is 10000")
        assert f"it accepts {room} connections at a time" in record["message"]
        for pid in server.pids().workers:
            assert descriptors(pid).total() <= 64 + 2 * workers
