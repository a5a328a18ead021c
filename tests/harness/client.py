"""A raw HTTP/1.1 client that believes nothing: bytes go out as given, and what comes back must be
framed so that no reader of RFC 9112 could misunderstand it.
"""

import re
import socket
import struct
from typing import NamedTuple, Self

from harness.lines import WAIT_S

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-9]\d\d) ([\t -~\x80-\xff]*)")
FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")


class ResponseCut(AssertionError):
    """The connection ended inside a response."""


class Response(NamedTuple):
    """One response. `headers` keeps the order and case sent; values are latin-1."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """The values of every header of this name."""
        return [value for sent, value in self.headers if sent.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The value of the only header of this name, or None."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} is repeated: {values}"
        return values[0] if values else None

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def framing(self) -> str:
        """How the end of the body is told: none, length, chunked, close."""
        if self.status < 200 or self.status in (204, 304):
            return "none"
        if self.header("Transfer-Encoding") is not None:
            return "chunked"
        return "close" if self.header("Content-Length") is None else "length"


class Client:
    """A connection. `address` is (host, port) or the path of a unix socket."""

    def __init__(self, address: tuple[str, int] | str, receive_buffer: int = 0) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        if not isinstance(address, str) and ":" in address[0]:
            family = socket.AF_INET6
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(WAIT_S)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(address)
        if family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- out

    def send(self, data: bytes | str) -> Self:
        """Sends bytes as they are; a str goes out as latin-1."""
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)
        return self

    def request(
        self, target: str = "/", *, method: str = "GET", headers: dict[str, str] | None = None,
        body: bytes | None = None, version: str = "1.1",
    ) -> Self:  # fmt: skip
        """Sends one well-formed request. With a body it has a Content-Length."""
        lines = [f"{method} {target} HTTP/{version}"]
        fields = {"Host": "test"} | (headers or {})
        if body is not None:
            fields.setdefault("Content-Length", str(len(body)))
        lines += [f"{name}: {value}" for name, value in fields.items()]
        return self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))

    def half_close(self) -> Self:
        """Says that nothing more will be sent."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    # --- in

    def response(self, method: str = "GET") -> Response:
        """Reads one whole final response, passing over interim ones."""
        head = self.head()
        while head.status < 200:
            head = self.head()
        return head._replace(body=self._read_body(head, method))

    def head(self) -> Response:
        """Reads a head, interim ones included; its body is left in the connection."""
        lines = self._read_until(b"\r\n\r\n")[:-4].split(b"\r\n")
        status = STATUS_LINE.fullmatch(lines[0])
        assert status, f"malformed status line {lines[0]!r}"
        headers = []
        for line in lines[1:]:
            field = FIELD_LINE.fullmatch(line)
            assert field, f"malformed header line {line!r}"
            headers.append((field[1].decode(), field[2].decode("latin-1")))
        head = Response(int(status[1]), status[2].decode("latin-1"), headers, b"")
        _check_framing(head)
        return head

    def chunk(self) -> bytes:
        """Reads one chunk of a chunked body; b"" is its end."""
        line = self._read_until(b"\r\n")[:-2]
        assert re.fullmatch(rb"[0-9a-f]+", line), f"malformed chunk size {line!r}"
        size = int(line, 16)
        data = self.read(size)
        end = self.read(2)  # there are no trailers
        assert end == b"\r\n", f"chunk of {size} bytes is followed by {end!r}"
        return data

    def read(self, count: int) -> bytes:
        """Reads exactly so many bytes."""
        parts, missing = [self._buffer[:count]], count - len(self._buffer)
        self._buffer = self._buffer[count:]
        while missing > 0:
            data = self._receive(min(missing, 1 << 20))
            if not data:
                raise ResponseCut(f"the connection ended {missing} bytes before the end")
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def rest(self) -> bytes:
        """Everything up to the end of the connection, which must be an orderly one."""
        parts = [self._buffer]
        self._buffer = b""
        while data := self._receive(1 << 20):
            parts.append(data)
        return b"".join(parts)

    def assert_closed(self) -> None:
        """The server has nothing more to say and ends the connection."""
        rest = self.rest()
        assert rest == b"", f"{len(rest)} bytes beyond the last response: {rest[:200]!r}"

    def _read_body(self, head: Response, method: str) -> bytes:
        if method == "HEAD" or head.framing == "none":
            return b""
        if head.framing == "length":
            return self.read(int(head.header("Content-Length") or 0))
        if head.framing == "close":
            return self.rest()
        parts = []
        while part := self.chunk():
            parts.append(part)
        return b"".join(parts)

    def _read_until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            data = self._receive(1 << 16)
            if not data:
                raise ResponseCut(f"the connection ended with {self._buffer[:200]!r} left")
            self._buffer += data
        end = self._buffer.index(mark) + len(mark)
        found, self._buffer = self._buffer[:end], self._buffer[end:]
        return found

    def _receive(self, count: int) -> bytes:
        try:
            return self.socket.recv(count)
        except TimeoutError:
            raise AssertionError(f"nothing came for {WAIT_S:g} s") from None

    # --- end

    def close(self) -> None:
        self.socket.close()

    def abort(self) -> None:
        """Ends the connection with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def _check_framing(head: Response) -> None:
    length, coding = head.header("Content-Length"), head.header("Transfer-Encoding")
    assert length is None or coding is None, "Content-Length beside Transfer-Encoding"
    assert length is None or re.fullmatch(r"\d+", length), f"Content-Length {length!r}"
    assert coding in (None, "chunked"), f"Transfer-Encoding {coding!r}"
    if head.status < 200 or head.status == 204:
        assert length is None and coding is None, f"a {head.status} speaks of a body"
    if head.status >= 200:
        assert head.header("Date"), "no Date"
        assert head.header("Server"), "no Server"
