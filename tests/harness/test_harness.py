"""The harness notices what it promises to notice."""

import signal
from pathlib import Path

import pytest

from harness import Client, Corral, ResponseCut

SITE = """
import os, subprocess, threading
kept = []

def leak_descriptor():
    kept.append(os.open("/dev/null", os.O_RDONLY))

def leak_thread():
    kept.append(threading.Event())
    threading.Thread(target=kept[-1].wait).start()

def end_threads():
    for event in kept:
        isinstance(event, threading.Event) and event.set()

def leak_process():
    kept.append(subprocess.Popen(["sleep", "1000"], stdin=-3, stdout=-3, stderr=-3))

def fail():
    raise LookupError("on purpose")

def say():
    print("a line that is no record", flush=True, file=__import__("sys").stderr)

def nothing():
    pass

def application(environ, start_response):
    globals()[environ["PATH_INFO"][1:]]()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]
"""


@pytest.fixture
def server(tmp_path: Path) -> Corral:
    (tmp_path / "made_up.py").write_text(SITE)
    return Corral("made_up:application", tmp_path)


def test_good_server_passes(server: Corral) -> None:
    with server, server.no_leaks():
        assert server.get("/nothing").text == "done"
        assert server.pids().children
    assert server.ended is not None
    assert server.ended.code == 0


def test_unexpected_record_fails(server: Corral) -> None:
    with pytest.raises(AssertionError, match="CORRAL-401"), server:
        assert server.get("/fail").status == 500


def test_expected_record_passes_once(server: Corral) -> None:
    with pytest.raises(AssertionError, match="CORRAL-401"), server:
        for _ in range(2):
            server.get("/fail")
        assert server.expect_log("CORRAL-401", "on purpose")["path"] == "/fail"


def test_record_that_does_not_come_fails(server: Corral) -> None:
    with server:
        server.get("/nothing")
        server.stop()
        with pytest.raises(AssertionError, match="no CORRAL-401"):
            server.expect_log("CORRAL-401")


def test_stray_line_fails(server: Corral) -> None:
    with pytest.raises(AssertionError, match="no record"), server:
        server.get("/say")


def test_process_left_behind_fails(server: Corral) -> None:
    with pytest.raises(AssertionError, match="outlive"), server:
        server.get("/leak_process")


@pytest.mark.parametrize("what", ["descriptor", "thread"])
def test_what_is_left_in_the_server_fails(server: Corral, what: str) -> None:
    with server:
        with pytest.raises(AssertionError, match="as before"), server.no_leaks(wait_s=0.2):
            server.get(f"/leak_{what}")
        server.get("/end_threads")


def test_other_exit_code_fails(server: Corral) -> None:
    with pytest.raises(AssertionError, match="exit code 3"), server:
        server.send_signal(signal.SIGQUIT)
        server.expect_log("CORRAL-106")


def test_server_that_does_not_start_fails(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="there is no module named 'missing'"),
        Corral("missing:application", tmp_path),
    ):
        pass


def test_client_sees_a_cut_response(server: Corral) -> None:
    with server, server.connect() as client:
        client.request("/nothing").response()
        client.half_close()
        with pytest.raises(ResponseCut):
            client.response()


@pytest.mark.parametrize(
    "response",
    [b"HTTP/1.1 200\r\n\r\n", b"HTTP/1.1 200 OK\n\n", b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nDate: x\r\nServer: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
     b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
     b"HTTP/1.1 204 No Content\r\nDate: x\r\nServer: x\r\nContent-Length: 0\r\n\r\n"],
)  # fmt: skip
def test_client_refuses_ambiguous_framing(response: bytes) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = Client(listener.getsockname())
        peer, _ = listener.accept()
        peer.sendall(response)
        peer.close()
        with pytest.raises(AssertionError):
            client.response()
        client.close()
