"""A server while it is being measured: start, first answer, what it has used, stop."""

import http.client
import os
import resource
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self

from process_tree import TICKS_PER_SECOND, ProcessTree
from servers import ROOT, Server, Shape

START_SECONDS_MAX = 30.0


class ServerFailed(Exception):
    """The server cannot be measured; the text says why."""


@dataclass(frozen=True)
class Request:
    """The one that is sent, and what answers it with status 200."""

    answer: bytes | Callable[[bytes], bool]  # the body, or whether it is right
    method: str = "GET"
    path: str = "/"
    body: bytes | None = None

    def is_answer(self, body: bytes) -> bool:
        return body == self.answer if isinstance(self.answer, bytes) else self.answer(body)


@dataclass(frozen=True)
class Usage:
    """CPU seconds so far: of the server's tree, of ourselves and our load, of the machine."""

    server: float
    load: float
    machine: float
    at: float

    @classmethod
    def now(cls, tree: ProcessTree) -> Usage:
        with open("/proc/stat") as file:
            user, nice, system, _idle, _io, irq, soft_irq, *_ = map(
                int, file.readline().split()[1:]
            )
        ours = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return cls(
            server=tree.cpu_seconds(),
            load=sum(usage.ru_utime + usage.ru_stime for usage in ours),
            machine=(user + nice + system + irq + soft_irq) / TICKS_PER_SECOND,
            at=time.monotonic(),
        )

    def __sub__(self, earlier: Usage) -> Usage:
        return Usage(
            self.server - earlier.server,
            self.load - earlier.load,
            self.machine - earlier.machine,
            self.at - earlier.at,
        )

    @property
    def others_share(self) -> float:
        others = self.machine - self.server - self.load
        return max(others / (self.at * (os.cpu_count() or 1)), 0.0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def server_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The same few variables for every server."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | dict(extra)


class Running:
    """A context manager: a server that has given its first answer. Raises ServerFailed.

    `log` gets its output and stays the caller's.
    """

    def __init__(
        self,
        server: Server,
        app: str,
        shape: Shape,
        request: Request,
        env: Mapping[str, str],
        log: IO[bytes],
    ) -> None:
        self.server = server
        self.shape = shape
        self.port = free_port()
        self.stopped_in_time = True
        self._request = request
        self._log = log
        started = time.monotonic()
        command = server.command(app, self.port, shape)
        try:
            self.tree = ProcessTree(command, server_environment(env), ROOT, self._log)
        except OSError as error:
            raise ServerFailed(f"did not start: {error.strerror}") from None
        try:
            self._wait_for_first_answer(started)
        except BaseException as error:
            self._end(error)
            raise
        self.start_ms = (time.monotonic() - started) * 1000

    def usage(self) -> Usage:
        return Usage.now(self.tree)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None and self.tree.exit_code is not None:
            error = ServerFailed("ended under load")
            self._end(error)
            raise error
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self.stopped_in_time = self.tree.stop(self.server.stop_signal)
        if isinstance(error, ServerFailed):
            error.args = (f"{error}{self._last_line()}",)

    def _wait_for_first_answer(self, started: float) -> None:
        wanted = self._request
        while time.monotonic() - started < START_SECONDS_MAX:
            if self.tree.exit_code is not None:
                raise ServerFailed(f"did not start: exit {self.tree.exit_code}")
            connection = http.client.HTTPConnection(
                "127.0.0.1", self.port, timeout=START_SECONDS_MAX
            )
            try:
                connection.request(wanted.method, wanted.path, wanted.body)
                response = connection.getresponse()
                status, body = response.status, response.read()
            except OSError, http.client.HTTPException:
                time.sleep(0.002)
                continue
            finally:
                connection.close()
            if status == 503:  # not ready yet, and says so
                time.sleep(0.002)
                continue
            if status != 200 or not wanted.is_answer(body):
                raise ServerFailed(f"wrong answer: {status} {body[:60]!r}")
            return
        raise ServerFailed(f"did not answer within {START_SECONDS_MAX:.0f} s")

    def _last_line(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        if not lines:
            return ""
        return f" ({lines[-1].replace(str(ROOT) + os.sep, '')[:200]})"
