"""Memory that a server keeps after large bodies have gone through it in both directions."""

import http.client
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from cases.base import Case, Column, Measured
from running import Running, ServerFailed

CLIENTS = 32
BODY_BYTES = 2**20
UPLOADS = DOWNLOADS = 200
SLOW_READERS = 40
SLOW_BYTES = 5_000_000
SLOW_RECEIVE_BUFFER = 64 * 1024
SLOW_SECONDS = 1.0  # in which the server can make all it wants to, and nobody reads
QUIET_SECONDS = 2.0  # nobody asks for anything: what is not needed goes back to the system
TIMEOUT_SECONDS = 30.0

COLUMNS = (
    Column("before_mb", "PSS MB before", "{:.1f}"),
    Column("uploads_mb", "kept after uploads, MB", "{:.1f}", has_ratio=True),
    Column("downloads_mb", "and downloads, MB", "{:.1f}", has_ratio=True),
    Column("slow_mb", "and slow readers, MB", "{:.1f}", has_ratio=True),
)


@dataclass(frozen=True, kw_only=True)
class KeptCase(Case):
    """200 MB up, 200 MB down, 200 MB down to clients that read only when all have asked."""

    columns: tuple[Column, ...] = COLUMNS

    def load(self, running: Running, seconds: int) -> Measured:
        # What the first requests cost is not due to their size.
        exchange_all(running.port, "GET", "/?1", None, CLIENTS)
        before = running.tree.pss_bytes()
        exchange_all(running.port, "POST", "/", bytes(BODY_BYTES), UPLOADS)
        uploads = kept(running)
        exchange_all(running.port, "GET", f"/?{BODY_BYTES}", None, DOWNLOADS)
        downloads = kept(running)
        read_slowly(running.port)
        slow = kept(running)
        return Measured(
            {
                "before_mb": before / 1e6,
                "uploads_mb": (uploads - before) / 1e6,
                "downloads_mb": (downloads - before) / 1e6,
                "slow_mb": (slow - before) / 1e6,
            }
        )


def kept(running: Running) -> int:
    time.sleep(QUIET_SECONDS)
    return running.tree.pss_bytes()


def exchange_all(port: int, method: str, path: str, body: bytes | None, count: int) -> None:
    """`count` requests from CLIENTS connections."""

    def work(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        for _ in range(number, count, CLIENTS):
            connection.request(method, path, body)
            response = connection.getresponse()
            if response.status != 200 or len(response.read()) == 0:
                raise ServerFailed(f"answered {response.status}")
        connection.close()

    at_once([lambda number=number: work(number) for number in range(CLIENTS)])


def read_slowly(port: int) -> None:
    """SLOW_READERS clients ask, and begin to read when all of them have."""
    all_have_asked = threading.Barrier(SLOW_READERS)

    def work() -> None:
        with ask(port) as one:
            all_have_asked.wait(TIMEOUT_SECONDS)
            time.sleep(SLOW_SECONDS)
            count = read_all(one)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while count < SLOW_BYTES:  # it was turned away: so many at once are an overload
            if time.monotonic() > deadline:
                raise ServerFailed(f"a slow reader got {count:,} bytes of {SLOW_BYTES:,}")
            time.sleep(0.05)
            with ask(port) as one:
                count = read_all(one)

    at_once([work] * SLOW_READERS)


def ask(port: int) -> socket.socket:
    one = socket.socket()
    one.settimeout(TIMEOUT_SECONDS)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_RECEIVE_BUFFER)
    one.connect(("127.0.0.1", port))
    one.sendall(f"GET /?{SLOW_BYTES} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    return one


def read_all(one: socket.socket) -> int:
    count = 0
    while data := one.recv(2**16):
        count += len(data)
    return count


def at_once(jobs: list[Callable[[], None]]) -> None:
    """Runs each in a thread. Raises ServerFailed when one of them could not."""
    failures: list[Exception] = []

    def run(job: Callable[[], None]) -> None:
        try:
            job()
        except (OSError, http.client.HTTPException, threading.BrokenBarrierError) as error:
            failures.append(error)
        except ServerFailed as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise ServerFailed(f"under large bodies: {failures[0]!r}")
