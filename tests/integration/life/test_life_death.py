"""Processes that die: what served comes back on the same sockets, and the rest goes on."""

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import Corral, eventually
from harness.gate import Gate
from harness.processes import read_process, session_members

Make = Callable[..., Corral]


@pytest.fixture
def imports(folder: Path) -> Path:
    """While this file exists, a worker that imports the site stands at the gate first."""
    return folder / "imports-wait"


@contextlib.contextmanager
def unresponsive_server(make: Make, gate: Gate, imports: Path) -> Iterator[Corral]:
    """A server that has lost its only process, whose successor is held while it boots."""
    with make(env={"GATE_AT_IMPORT": str(imports)}, workers=1) as running:
        imports.touch()
        [victim] = running.pids().children
        os.kill(victim, signal.SIGKILL)
        yield running


def is_gone(pid: int) -> bool:
    process = read_process(pid)
    return process is None or process.state in "ZX"


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def test_who_connects_meanwhile_is_served_later(
    server: Make, gate: Gate, imports: Path, open_clients: contextlib.ExitStack
) -> None:
    with unresponsive_server(server, gate, imports) as running:
        record = running.expect_log("CORRAL-102", "was killed by SIGKILL")
        assert record["pause_ms"] == 0
        booting = gate.wait("import")
        clients = [open_clients.enter_context(running.connect()).request("/") for _ in range(20)]
        imports.unlink()
        booting.let_go()
        for client in clients:
            assert client.response().text == "hello"
        running.expect_message("engine serves again" if running.pids().engine else "web serves")


@pytest.mark.parametrize(
    ("view", "ending"), [("/leave", "exited with code 7"), ("/fault", "was killed by SIGSEGV")]
)
def test_a_view_that_ends_its_process(server: Make, view: str, ending: str) -> None:
    with server() as running:
        before = running.pids()
        with running.connect() as client:
            assert client.request(view).rest() == b""
        running.expect_log("CORRAL-102", ending)
        if view == "/fault":
            running.expect_fatal_error("Segmentation fault")
        assert running.get("/").text == "hello"
        after = running.pids()
        assert after.supervisor == before.supervisor
        assert after.children != before.children


def test_the_others_do_not_notice(gate: Gate, open_clients: contextlib.ExitStack) -> None:
    with Corral(
        "gated", Path(__file__).parent / "sites", isolation="process", workers=2, env=gate.env
    ) as running:
        kept = open_clients.enter_context(running.connect()).request("/hold")
        visitor = gate.wait("hold")
        one = int(visitor.rest)
        lost = open_clients.enter_context(running.connect())
        other = int(lost.request("/pid").response().text)
        assert {one, other} == set(running.pids().workers)
        os.kill(other, signal.SIGKILL)
        running.expect_log("CORRAL-102", "was killed by SIGKILL")
        assert lost.rest() == b""
        running.expect_message("web.")  # "... serves again"
        assert one in running.pids().workers
        assert other not in running.pids().workers
        visitor.let_go()
        assert kept.response().text == "let go"
        assert kept.request("/pid").response().text == str(one)


def test_what_keeps_dying_is_started_ever_more_rarely(
    server: Make, gate: Gate, imports: Path
) -> None:
    """Killed while it boots, again and again: each pause is at least as long as the one before."""
    with unresponsive_server(server, gate, imports) as running:
        running.expect_log("CORRAL-102")
        pauses = []
        for _ in range(4):
            os.kill(int(gate.wait("import").rest), signal.SIGKILL)
            pauses.append(running.expect_log("CORRAL-103", "was killed by SIGKILL")["pause_ms"])
        assert pauses == [100, 200, 400, 800]
        visitor = gate.wait("import")
        imports.unlink()
        visitor.let_go()
        assert running.get("/").text == "hello"


def test_stop_while_nothing_serves(server: Make, gate: Gate, imports: Path) -> None:
    with unresponsive_server(server, gate, imports) as running:
        running.expect_log("CORRAL-102")
        booting = gate.wait("import")
        running.send_signal()
        booting.wait_gone()
        assert running.stop(None).code == 0


def test_stop_during_a_pause(server: Make, gate: Gate, imports: Path) -> None:
    with unresponsive_server(server, gate, imports) as running:
        running.expect_log("CORRAL-102")
        pause_ms = 0
        while pause_ms < 800:
            os.kill(int(gate.wait("import").rest), signal.SIGKILL)
            pause_ms = running.expect_log("CORRAL-103")["pause_ms"]
        assert running.stop().code == 0


def test_children_do_not_outlive_a_killed_supervisor(server: Make, gate: Gate) -> None:
    with server() as running, running.connect() as client:
        client.request("/hold")
        visitor = gate.wait("hold")
        pids = running.pids()
        os.kill(pids.supervisor, signal.SIGKILL)
        visitor.wait_gone()
        eventually(lambda: all(map(is_gone, pids.children)), "the children are gone")
        eventually(lambda: is_free(running.port), "the port is free")
        # They may have had the time to say so.
        assert running.log.join()
        running.log.drop(lambda record: record.get("code") == "CORRAL-201")
        assert running.stop(None).code == -signal.SIGKILL


def test_children_of_a_supervisor_killed_while_they_boot(
    server: Make, gate: Gate, imports: Path
) -> None:
    imports.touch()
    with server(env={"GATE_AT_IMPORT": str(imports)}).booting() as running:
        visitor = gate.wait("import")
        supervisor = running.pids().supervisor
        running.send_signal(signal.SIGKILL)
        visitor.wait_gone()
        eventually(lambda: not session_members(supervisor), "the children are gone")
        assert running.stop(None).code == -signal.SIGKILL
