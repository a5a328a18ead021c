"""An ordinary client that wants an ordinary answer, whatever else goes on, and times it."""

import contextlib
import socket
import time

ANSWER = b"\r\n\r\nhello"
REQUEST = b"GET /hello HTTP/1.1\r\nHost: test\r\n%s\r\n"


class Probe:
    """Asks in turns on a new connection and on one that it keeps. The times are in seconds."""

    def __init__(self, address: tuple[str, int], wait_s: float) -> None:
        self._address = address
        self._wait_s = wait_s
        self._kept: socket.socket | None = None
        self.fresh_s: list[float] = []
        self.kept_s: list[float] = []
        self.failures: list[str] = []
        self.reopened = 0  # how often the kept connection had been closed meanwhile

    def ask(self) -> None:
        """One request of each sort. What goes wrong is noted in `failures`."""
        for times, ask in ((self.fresh_s, self._ask_fresh), (self.kept_s, self._ask_kept)):
            begin = time.perf_counter()
            try:
                ask()
            except (OSError, ValueError) as failure:
                self.failures.append(f"{ask.__name__}: {type(failure).__name__} {failure}")
                self.close()
            times.append(time.perf_counter() - begin)

    def close(self) -> None:
        if self._kept:
            self._kept.close()
            self._kept = None

    def _ask_fresh(self) -> None:
        with socket.create_connection(self._address, self._wait_s) as connection:
            _exchange(connection, b"Connection: close\r\n")

    def _ask_kept(self) -> None:
        """A server may close an idle connection at any time; then a client asks again elsewhere."""
        if self._kept:
            with contextlib.suppress(ConnectionError):
                return _exchange(self._kept)
            self.close()
            self.reopened += 1
        self._kept = socket.create_connection(self._address, self._wait_s)
        _exchange(self._kept)


def _exchange(connection: socket.socket, fields: bytes = b"") -> None:
    connection.sendall(REQUEST % fields)
    answer = b""
    while not answer.endswith(ANSWER):
        data = connection.recv(4096)
        if not data:
            if not answer:
                raise ConnectionResetError("closed without an answer")
            raise ValueError(f"not the answer: {answer[:100]!r}")
        answer += data
