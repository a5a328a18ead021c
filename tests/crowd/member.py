"""One connection of a crowd: bytes go out as given, responses are read as their framing says."""

import asyncio
import re
import socket
import struct
from typing import NamedTuple, Self

READ_BYTES = 1 << 16


class Reply(NamedTuple):
    """A whole response."""

    status: int
    body: bytes


class Cut(Exception):
    """The connection ended inside a response."""


class Member:
    """A connected socket, for use in the crowd's loop. Leaving the `with` closes it."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()

    @classmethod
    async def connect(cls, address: tuple[str, int], receive_buffer: int = 0) -> Self:
        made = socket.socket()
        made.setblocking(False)
        if receive_buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            await asyncio.get_running_loop().sock_connect(made, address)
        except BaseException:
            made.close()
            raise
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(made)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    # --- out

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._socket, data)

    def send_what_fits(self, data: bytes) -> int:
        """As many bytes as the kernel takes at once."""
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    # --- in

    def has_input(self) -> bool:
        """Bytes, or the end of the connection, wait to be read."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    async def wait_input(self) -> None:
        """Returns when bytes, or the end of the connection, can be read."""
        readable = self._loop.create_future()
        self._loop.add_reader(self._socket, lambda: readable.done() or readable.set_result(None))
        try:
            await readable
        finally:
            self._loop.remove_reader(self._socket)

    async def read_some(self, count: int = READ_BYTES) -> bytes:
        """The next bytes, none at the end of the connection."""
        if self._buffer:
            return self._take(min(count, len(self._buffer)))
        return await self._loop.sock_recv(self._socket, count)

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        parts = []
        while data := await self.read_some():
            parts.append(data)
        return b"".join(parts)

    async def head(self) -> tuple[int, bytes]:
        """Status and header lines of the next final response."""
        while True:
            head = await self._read_until(b"\r\n\r\n")
            found = re.match(rb"HTTP/1\.[01] (\d{3})", head)
            assert found, f"no status line: {head[:80]!r}"
            if (status := int(found[1])) >= 200:
                return status, head

    async def reply(self) -> Reply:
        """The next whole final response."""
        status, head = await self.head()
        if found := re.search(rb"\r\ncontent-length:[ ]*(\d+)\r\n", head, re.IGNORECASE):
            return Reply(status, await self._read(int(found[1])))
        if re.search(rb"\r\ntransfer-encoding:[ ]*chunked\r\n", head, re.IGNORECASE):
            parts = []
            while part := await self.chunk():
                parts.append(part)
            return Reply(status, b"".join(parts))
        return Reply(status, await self.rest())

    async def chunk(self) -> bytes:
        """One chunk of a chunked body; nothing at its end."""
        size = int((await self._read_until(b"\r\n"))[:-2], 16)
        return (await self._read(size + 2))[:-2]

    async def _read(self, count: int) -> bytes:
        while len(self._buffer) < count:
            await self._fill()
        return self._take(count)

    async def _read_until(self, mark: bytes) -> bytes:
        while (at := self._buffer.find(mark)) < 0:
            await self._fill()
        return self._take(at + len(mark))

    async def _fill(self) -> None:
        data = await self._loop.sock_recv(self._socket, READ_BYTES)
        if not data:
            raise Cut(f"the connection ended with {bytes(self._buffer[:80])!r} left")
        self._buffer += data

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken
