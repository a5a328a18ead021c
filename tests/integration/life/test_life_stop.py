"""Stopping: what is under way is finished, what cannot be is cut off in time, nothing is left."""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import Client, Corral, Response, eventually
from harness.gate import Gate

Make = Callable[..., Corral]
STOPS = [signal.SIGTERM, signal.SIGINT]


def is_refused(server: Corral) -> bool:
    """Nobody listens any more."""
    try:
        server.connect().close()
    except ConnectionRefusedError, FileNotFoundError:
        return True
    except ConnectionResetError:
        pass  # it was on its way while the last listener closed
    return False


def wait_drained_listeners(server: Corral) -> None:
    eventually(lambda: is_refused(server), "the listeners are closed")


def assert_last_response(client: Client, text: str) -> Response:
    """The response that a request under way gets: whole, and the last one of its connection."""
    response = client.response()
    assert (response.status, response.text) == (200, text)
    client.assert_closed()
    return response


def signal_all(server: Corral, number: signal.Signals) -> None:
    """As a terminal and service managers do: the supervisor and everything below it."""
    os.killpg(server.pids().supervisor, number)


@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_what_is_under_way_is_finished(
    server: Make, gate: Gate, folder: Path, open_clients: contextlib.ExitStack, kind: str,
    number: signal.Signals,
) -> None:  # fmt: skip
    bind = "127.0.0.1:0" if kind == "tcp" else f"unix:{folder}/site.sock"
    pid_file = folder / "pid"
    with server(f"--pid={pid_file}", bind=[bind]) as running:
        connect = lambda: open_clients.enter_context(running.connect())  # noqa: E731
        idle = connect().request("/")
        assert idle.response().text == "hello"
        held = [connect().request("/hold") for _ in range(2)]
        visitors = [gate.wait("hold") for _ in held]
        waiting = connect().request("/")  # no thread is free for it
        uploading = connect().send(
            "POST /upload HTTP/1.1\r\nHost: t\r\nContent-Length: 6\r\n\r\nabc"
        )
        assert running.get("/up").status == 200  # has met the two before it
        assert pid_file.read_text() == f"{running.pids().supervisor}\n"

        running.send_signal(number)
        wait_drained_listeners(running)
        idle.assert_closed()
        uploading.send("def")
        for visitor in visitors:
            visitor.let_go()
        last = [assert_last_response(client, "let go") for client in held]
        last += [assert_last_response(waiting, "hello"), assert_last_response(uploading, "6")]
        assert {response.header("Connection") for response in last} == {"close"}
        assert running.stop(None).code == 0
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_connections_that_nobody_had_accepted_are_served(
    server: Make, folder: Path, open_clients: contextlib.ExitStack, kind: str
) -> None:
    bind = "127.0.0.1:0" if kind == "tcp" else f"unix:{folder}/site.sock"
    with server(bind=[bind]) as running:
        connect = lambda: open_clients.enter_context(running.connect())  # noqa: E731
        kept = connect().request("/")
        kept.response()
        children = running.pids().children
        for pid in children:
            os.kill(pid, signal.SIGSTOP)
        clients = [connect().request("/") for _ in range(20)]
        kept.request("/")
        silent = connect()
        running.send_signal()
        running.expect_message("SIGTERM: finishing what runs")
        for pid in children:
            os.kill(pid, signal.SIGCONT)
        for client in clients:
            assert_last_response(client, "hello")
        assert_last_response(kept, "hello")
        silent.assert_closed()
        assert running.stop(None).code == 0


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_to_the_whole_group_counts_once(
    server: Make, gate: Gate, number: signal.Signals
) -> None:
    with server() as running, running.connect() as client:
        client.request("/hold")
        visitor = gate.wait("hold")
        signal_all(running, number)
        running.expect_message(f"{number.name}: finishing what runs")
        visitor.let_go()
        assert_last_response(client, "let go")
        assert running.stop(None).code == 0


def test_a_second_signal_stops_at_once(server: Make, gate: Gate) -> None:
    with server("--graceful-timeout=3600") as running, running.connect() as client:
        client.request("/hold")
        visitor = gate.wait("hold")
        running.send_signal(signal.SIGTERM)
        wait_drained_listeners(running)

        def is_heard() -> bool:
            running.send_signal(signal.SIGINT)
            return any(record.get("code") == "CORRAL-106" for record in running.log_records())

        # Copies of one signal that come within a moment count once: repeat it until it is heard.
        eventually(is_heard, "the second signal is noticed")
        running.expect_log("CORRAL-106", "a second signal (SIGINT)")
        ended = running.stop(None)
        assert ended.code == 3
        visitor.wait_gone()
        assert client.rest() == b""


def test_quit_stops_at_once(server: Make, gate: Gate) -> None:
    with server("--graceful-timeout=3600") as running, running.connect() as client:
        client.request("/hold")
        gate.wait("hold")
        running.send_signal(signal.SIGQUIT)
        running.expect_log("CORRAL-106", "SIGQUIT")
        assert running.stop(None).code == 3


def test_a_view_that_never_returns_ends_with_the_grace(server: Make, gate: Gate) -> None:
    with server("--graceful-timeout=0.5") as running, running.connect() as client:
        client.request("/never")
        visitor = gate.wait("never")
        visitor.let_go()
        running.send_signal()
        running.expect_log("CORRAL-204")
        running.expect_log("CORRAL-108", "exited with code 3")
        ended = running.stop(None)
        assert ended.code == 3
        assert client.rest() == b""


def test_a_thread_of_the_site_cannot_outlast_the_grace(server: Make) -> None:
    with server("--graceful-timeout=0.5") as running:
        assert running.get("/stray").text == "started"
        running.send_signal()
        running.expect_log("CORRAL-204")
        running.expect_log("CORRAL-108", "exited with code 3")
        assert running.stop(None).code == 3


def test_nothing_to_do_means_no_waiting(server: Make) -> None:
    with server("--graceful-timeout=3600") as running:
        assert running.get("/").status == 200
        assert running.stop().code == 0


def test_signals_without_a_meaning_change_nothing(server: Make) -> None:
    harmless = [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU]
    with server() as running:
        pids = running.pids()
        for number in harmless:
            running.send_signal(number)
            running.expect_log("CORRAL-107", number.name)
        assert running.get("/").text == "hello"
        assert running.pids() == pids


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_children_obey_the_supervisor_alone(server: Make, number: signal.Signals) -> None:
    with server() as running:
        pids = running.pids()
        for pid in pids.children:
            os.kill(pid, number)
        for _ in pids.children:
            assert running.get("/").text == "hello"
        assert running.pids() == pids


def test_programs_of_the_site_hear_their_signals(server: Make) -> None:
    with server() as running:
        assert running.get("/terminate-child").text == str(-signal.SIGTERM)
