"""Many connections that have sent one request each and are kept."""

import resource
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from cases.base import Case, Column, Measured
from running import Running, ServerFailed

SPARE_DESCRIPTORS = 200
PER_ADDRESS = 5_000  # from 127.0.0.1, 127.0.0.2, …: a port is used once for each address
AT_ONCE = 100
ANSWER_SECONDS_MAX = 10.0
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
IP_BIND_ADDRESS_NO_PORT = 24

COLUMNS = (
    Column("kib_each", "KiB each", "{:.2f}", has_ratio=True),
    Column("before_mb", "PSS MB before", "{:.1f}"),
    Column("after_mb", "PSS MB with them", "{:.1f}"),
    Column("kept", "kept", "{:,.0f}"),
)


@dataclass(frozen=True, kw_only=True)
class IdleCase(Case):
    """`connections`, and how much user memory each takes."""

    columns: tuple[Column, ...] = COLUMNS
    connections: int

    def environment(self) -> Mapping[str, str]:
        # The server inherits the limit, and has as many descriptors as we.
        need = self.connections + SPARE_DESCRIPTORS
        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < need:
            raise ServerFailed(
                f"this machine allows {hard} descriptors a process, {need} are needed: "
                f"ulimit -Hn {need}, as root"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))
        return {}

    def load(self, running: Running, seconds: int) -> Measured:
        with ExitStack() as stack:
            # What the first ones cost (buffers a thread, tables that grow) is not the others'.
            self._open(stack, running.port, 0, AT_ONCE)
            before = running.tree.pss_bytes()
            made = self._open(stack, running.port, AT_ONCE, AT_ONCE + self.connections)
            after = running.tree.pss_bytes()
            kept = sum(is_open(one) for one in made)
        if kept < self.connections:
            raise ServerFailed(f"keeps {kept:,} of {self.connections:,} connections")
        return Measured(
            {
                "kib_each": (after - before) / self.connections / 1024,
                "before_mb": before / 1e6,
                "after_mb": after / 1e6,
                "kept": kept,
            }
        )

    def _open(self, stack: ExitStack, port: int, begin: int, end: int) -> list[socket.socket]:
        """Connections number `begin` to `end`, each with its answer read."""
        made: list[socket.socket] = []
        for first in range(begin, end, AT_ONCE):
            some = [
                stack.enter_context(connect(port, number))
                for number in range(first, min(first + AT_ONCE, end))
            ]
            for one in some:
                one.sendall(REQUEST)
            for one in some:
                read_answer(one)
            made += some
        return made


def connect(port: int, number: int) -> socket.socket:
    one = socket.socket()
    try:
        one.settimeout(ANSWER_SECONDS_MAX)
        one.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        one.bind((f"127.0.0.{number // PER_ADDRESS + 1}", 0))
        one.connect(("127.0.0.1", port))
    except OSError as error:
        one.close()
        raise ServerFailed(f"connection {number:,} failed: {error}") from None
    return one


def read_answer(one: socket.socket) -> None:
    """Reads a response with a Content-Length to its end."""
    data = b""
    try:
        while not is_whole(data):
            if not (some := one.recv(65536)):
                raise ServerFailed("a connection was closed before its answer was whole")
            data += some
    except OSError as error:
        raise ServerFailed(f"no answer: {error}") from None


def is_whole(data: bytes) -> bool:
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return len(body) >= int(value)
    raise ServerFailed("an answer without Content-Length")


def is_open(one: socket.socket) -> bool:
    """Whether the server has kept it."""
    one.setblocking(False)
    try:
        return one.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
