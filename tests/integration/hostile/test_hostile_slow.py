"""Clients that are slow or silent: none of them holds a thread of a worker."""

import pytest
from hostile_servers import endure, serve

from harness import Corral


def test_idle_connections(server: Corral) -> None:
    met = endure(server, "idle", 2000)
    assert met == {"connections": 2000, "200": 1000}


def test_slow_heads(server: Corral) -> None:
    met = endure(server, "slow_head", 500)
    assert met == {"connections": 500, "200": 500}


@pytest.mark.parametrize("kind", ["slow_body", "large_slow_body"])
def test_slow_bodies(server: Corral, kind: str) -> None:
    met = endure(server, kind, 200)
    assert met == {"connections": 200, "200": 200}


def test_slow_readers(server: Corral) -> None:
    """Both threads are free although a hundred responses of 5 MB are on their way."""
    met = endure(server, "slow_reader", 100, pace_s=0.01)
    assert met["connections"] == 100
    assert met["whole"] == 20


@pytest.mark.parametrize(("memory", "readers"), [("600M", 100), ("1M", 20)])
def test_slow_readers_of_one_worker(isolation: str, memory: str, readers: int) -> None:
    """Half of them read a stream; what does not fit into memory waits in files."""
    options = [f"--unsent-memory-total={memory}"]
    with serve(*options, isolation=isolation, workers=1, threads=2) as server:
        assert endure(server, "slow_reader", readers, pace_s=0.01)["whole"] == readers // 5
        server.stop()
        counters = [r for r in server.log_records() if r["message"] == "web counters at the end"]
        assert counters
        assert not any("unsent_bytes" in record for record in counters), "a worker has waited"


def test_clients_that_stop_reading_a_stream(isolation: str) -> None:
    """More than may be kept: a thread waits for the client, for the time allowed."""
    options = ["--unsent-memory=64K", "--write-timeout=0.3"]
    with serve(*options, isolation=isolation) as server:
        met = endure(server, "stalled_stream", 4, pace_s=3600)
        assert met["connections"] >= 4


def test_heads_that_are_given_up(isolation: str) -> None:
    with serve("--header-timeout=0.3", isolation=isolation) as server:
        met = endure(server, "given_up_head", 100)
        assert met["408"] >= 100
        assert met.keys() == {"connections", "408"}
