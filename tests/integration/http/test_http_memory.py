"""What large bodies leave behind in memory."""

import threading
from pathlib import Path

import pytest
from http_servers import assert_alive, pattern, serve

from harness import Corral
from harness.gate import Gate
from harness.processes import eventually

ALL_BYTES = 200_000_000
KEPT_BYTES_MAX = 30_000_000


def private_bytes(server: Corral) -> int:
    """What the children of the supervisor have for themselves."""
    total = 0
    for pid in server.pids().children:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_"):
                total += int(line.split()[1]) * 1024
    return total


def upload(server: Corral, count: int, size: int) -> None:
    body = pattern(size)
    with server.connect() as client:
        for _ in range(count):
            client.request("/digest", method="POST", body=body)
            assert client.response().text.startswith(f"{size} ")


def download_slowly(server: Corral, readers: int, size: int) -> None:
    """All of them ask before any of them reads."""
    slow = [server.connect(receive_buffer=65_536) for _ in range(readers)]
    for client in slow:
        client.request(f"/size?{size}")
    for client in slow:
        assert len(client.response().body) == size
        assert_alive(client)
        client.close()


@pytest.mark.parametrize("isolation", ["interpreter", "process"])
def test_memory_comes_back_after_large_bodies(gate: Gate, isolation: str) -> None:
    """The allocator keeps none of what it had for them, whichever of many threads made them."""
    with serve(gate, "--overload-wait=0", threads=8, workers=2, isolation=isolation) as server:
        for _ in range(32):
            assert server.get("/hello").text == "hello"
        before = private_bytes(server)
        uploads = [
            threading.Thread(target=upload, args=(server, ALL_BYTES // 8_000_000, 1_000_000))
            for _ in range(8)
        ]
        for one in uploads:
            one.start()
        for one in uploads:
            one.join()
        for _ in range(2):
            download_slowly(server, ALL_BYTES // 2 // 5_000_000, 5_000_000)
        eventually(
            lambda: private_bytes(server) - before < KEPT_BYTES_MAX,
            f"less than {KEPT_BYTES_MAX / 1e6:g} MB more than before",
        )
