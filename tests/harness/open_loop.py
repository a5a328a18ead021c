"""Requests that come when they come, whether or not the ones before have been answered.

An open loop: each request has a connection of its own and a client that waits `patience_s` at most
and then leaves. Against this, unlike against a fixed number of clients that wait for each other, a
server can be asked for more than it can do.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

GIVEN_UP = 0
BROKEN = -1


class Phase(NamedTuple):
    """So many requests a second for so long."""

    rate: float
    seconds: float


class Visit(NamedTuple):
    """One request: its phase, when it was due (s from the start), what came and after how long.

    `status` is GIVEN_UP when nothing came in time, BROKEN when the connection failed.
    """

    phase: int
    at_s: float
    status: int
    took_s: float


def visit(port: int, phases: Sequence[Phase], path: str = "/", patience_s: float = 1.0):
    """Runs the phases one after the other against 127.0.0.1; returns a list of Visit."""
    return asyncio.run(_run(port, phases, path, patience_s))


async def _run(port: int, phases: Sequence[Phase], path: str, patience_s: float) -> list[Visit]:
    request = f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode()
    begin = time.monotonic()
    tasks: list[asyncio.Task[Visit]] = []
    phase_at = 0.0
    for number, phase in enumerate(phases):
        for index in range(round(phase.rate * phase.seconds)):
            due = phase_at + index / phase.rate
            if (wait := begin + due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(_visit(port, request, patience_s, number, due, begin)))
        phase_at += phase.seconds
        await asyncio.sleep(max(0.0, begin + phase_at - time.monotonic()))
    return list(await asyncio.gather(*tasks))


async def _visit(
    port: int, request: bytes, patience_s: float, phase: int, due_s: float, begin: float
) -> Visit:
    """Counts from when the request was due, so that a late generator flatters nobody."""
    writer: asyncio.StreamWriter | None = None
    status = BROKEN
    try:
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + patience_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            answer = await reader.read()
        if answer.startswith(b"HTTP/1.1 ") and b"\r\n\r\n" in answer:
            status = int(answer[9:12])
    except TimeoutError:
        status = GIVEN_UP
    except OSError:
        pass
    finally:
        if writer is not None:
            writer.close()
    return Visit(phase, due_s, status, time.monotonic() - begin - due_s)
