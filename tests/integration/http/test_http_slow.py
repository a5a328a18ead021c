"""Clients that are slow rather than silent, and what the log and the counters say of limits."""

import select

import pytest
from http_servers import counters, serve, wait_until_read

from harness import Client, Corral, ResponseCut
from harness.gate import Gate


def records(server: Corral, limit: str) -> list[dict[str, object]]:
    return [record for record in server.log_records() if record.get("limit") == limit]


def has_answer(client: Client) -> bool:
    return bool(select.select([client.socket], [], [], 0)[0])


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_that_dribbles(gate: Gate, framing: str) -> None:
    """Never silent for as long as the limit of silence."""
    with serve(gate, "--body-timeout=0.4", "--min-body-rate=100M") as server:
        with server.no_leaks(), server.connect() as client:
            if framing == "length":
                client.request("/echo", method="POST", headers={"Content-Length": "1000000"})
            else:
                client.request("/echo", method="POST", headers={"Transfer-Encoding": "chunked"})
            while not has_answer(client):
                client.send(b"x" if framing == "length" else b"1\r\nx\r\n")
                wait_until_read(server)
            assert client.response().status == 408
            client.assert_closed()
        server.stop()
        assert counters(server)["body_rate"] == 1
        assert records(server, "body_rate")[0]["code"] == "CORRAL-317"


def test_body_may_dribble_where_no_rate_is_asked_for(gate: Gate) -> None:
    with serve(gate, "--body-timeout=0.4", "--min-body-rate=0") as server:
        with server.connect() as dribbler, server.connect() as silent:
            for client in (dribbler, silent):
                client.request("/echo", method="POST", headers={"Content-Length": "1000000"})
            sent = 0
            while not has_answer(silent):  # its time is over, and a window of the other
                sent += len(dribbler.send(b"x") and b"x")
                wait_until_read(server)
            dribbler.send(b"x" * (1_000_000 - sent))
            assert len(dribbler.response().body) == 1_000_000
            assert silent.response().status == 408


@pytest.mark.parametrize("memory", ["1M", "64M"])
def test_client_that_takes_too_little_is_disconnected(gate: Gate, memory: str) -> None:
    """Whether the worker waits with the rest of the response or the I/O thread has it."""
    options = ["--write-timeout=0.4", "--min-write-rate=1G", f"--unsent-memory={memory}"]
    with serve(gate, *options, threads=1) as server:
        client = server.connect(receive_buffer=4096).request("/size?30000000")
        with pytest.raises((ConnectionResetError, ResponseCut)):
            while True:
                client.read(1000)
                wait_until_read(server)
        client.close()
        assert server.get("/hello").text == "hello"
        server.stop()
        assert counters(server)["write_rate"] == 1


@pytest.mark.parametrize("isolation", ["interpreter", "process"])
def test_a_flood_is_one_record_and_is_counted(gate: Gate, isolation: str) -> None:
    with serve(gate, isolation=isolation) as server:
        for _ in range(50):
            with server.connect() as client:
                assert client.send(b"GET /" + b"a" * 9000).response().status == 414
        assert server.get("/hello").text == "hello"
        server.stop()
        counted = counters(server)
        assert (counted["request_line"], counted["refused"], counted["requests"]) == (50, 50, 1)
        assert counted["accepted"] == 51
        (record,) = records(server, "request_line")
        assert (record["level"], record["code"]) == ("info", "CORRAL-310")
        assert (record["count"], record["client"]) == (1, "127.0.0.1")
