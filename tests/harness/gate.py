"""Where a site's code waits until the test lets it go on, and the test waits until it is there.

The site connects to 127.0.0.1, port GATE_PORT of its environment, sends one line, whose first word
says what it is about to do, and reads one byte; see tests/integration/http/sites/web.py.
"""

import contextlib
import socket
from typing import Self

from harness.lines import WAIT_S


class Visitor:
    """Somebody who stands at the gate; `what` it said first, and the rest of its line."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        connection.settimeout(WAIT_S)
        line = connection.makefile(encoding="utf-8").readline().rstrip()
        self.what, _, self.rest = line.partition(" ")

    def let_go(self) -> None:
        """Lets it go on."""
        self._connection.sendall(b"!")
        self._connection.close()

    def wait_gone(self) -> None:
        """Returns when it cannot stand there any longer: its process has ended."""
        with contextlib.suppress(ConnectionResetError):
            assert self._connection.recv(1) == b"", "a visitor says nothing more"


class Gate:
    """Listens for visitors. Closing it lets go of all, so that a failed test hangs nobody."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._socket.settimeout(WAIT_S)
        self._visitors: list[Visitor] = []

    @property
    def env(self) -> dict[str, str]:
        """How the site finds us."""
        return {"GATE_PORT": str(self._socket.getsockname()[1])}

    def wait(self, what: str) -> Visitor:
        """The next one that comes, which must say `what`."""
        visitor = Visitor(self._socket.accept()[0])
        self._visitors.append(visitor)
        assert visitor.what == what, f"at the gate: {visitor.what!r}, expected {what!r}"
        return visitor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        for visitor in self._visitors:
            visitor._connection.close()
