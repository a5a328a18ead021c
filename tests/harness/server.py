"""`corral serve` in a session of its own, and what must hold when it has ended."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from harness.client import Client, Response
from harness.lines import WAIT_S, Lines
from harness.processes import Process, descriptors, eventually, session_members, threads

Record = dict[str, Any]
REPORTED_RECORDS = 20
REPORTED_LINES = 200  # of the end of each server's log, in the report of a failed test
QUIET = ("debug", "info")

_reported: list[Corral] = []


def take_logs() -> list[tuple[str, str]]:
    """For the report of a failed test: a title and the log of each server it had."""
    servers = list(_reported)
    _reported[:] = [server for server in servers if server.ended is None]
    return [
        (f"log of the server at {server.addresses}", _end_of(server.log_text()))
        for server in servers
    ]


def _end_of(log: str) -> str:
    lines = log.splitlines(keepends=True)
    left_out = max(0, len(lines) - REPORTED_LINES)
    return (f"({left_out} lines before these)\n" if left_out else "") + "".join(lines[left_out:])


class Pids(NamedTuple):
    """`engine` is None when all it would do is done by worker processes."""

    supervisor: int
    engine: int | None
    workers: list[int]

    @property
    def children(self) -> list[int]:
        return ([] if self.engine is None else [self.engine]) + self.workers


class Ended(NamedTuple):
    """How a server ended after its stop signal."""

    code: int


def _parse_record(line: str) -> Record:
    """A record of the log. A line that is none (a print, a crash) counts as level "stray"."""
    with contextlib.suppress(json.JSONDecodeError):
        record = json.loads(line)
        if isinstance(record, dict) and "level" in record:
            return record
    return {"level": "stray", "message": line}


def _clean_environment() -> dict[str, str]:
    """The environment without anything that is a setting of Corral's or Django's.

    CORRAL_TEST_PRELOAD names a sanitizer's runtime for the servers (tools/sanitize.sh).
    """
    strange = ("CORRAL_", "LISTEN_", "DJANGO_", "PYTHONWARNINGS")
    names = {"PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS"}
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(strange) and name not in names
    }
    if preload := os.environ.get("CORRAL_TEST_PRELOAD"):
        clean["LD_PRELOAD"] = preload
    return clean


class Corral:
    """A running server, as a context manager. Leaving it stops the server and checks its end.

    `app` is "module:callable" in `directory`. `bind` holds values of --bind, where port 0 means
    a free one. `options` are further arguments of `corral serve`, or of another `command`, which is
    told nothing of the web. `descriptors`: its soft and hard limit of open files at the start.
    """

    def __init__(
        self, app: str | None, directory: Path, *, command: str = "serve", workers: int = 1,
        threads: int = 1, isolation: str = "interpreter", bind: Sequence[str] = ("127.0.0.1:0",),
        options: Sequence[str] = (), env: Mapping[str, str] | None = None,
        descriptors: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        self.isolation = isolation
        self._workers = workers
        self._is_web = command == "serve"
        web = [
            *(f"--workers={workers}", f"--threads={threads}", f"--isolation={isolation}"),
            *(f"--bind={address}" for address in bind),
            "--access-logfile=-",
        ]
        self._command = [
            *(sys.executable, "-P", "-m", "corral", command, *([app] if app else [])),
            *(web if self._is_web else []),
            *("--log-format=json", *options),
        ]
        if descriptors:
            limit = "ulimit -S -n {}; ulimit -H -n {}; ".format(*descriptors)
            self._command = ["sh", "-c", limit + 'exec "$@"', "sh", *self._command]
        self._directory = directory
        self.environment = _clean_environment() | dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.ended: Ended | None = None
        self.addresses: list[str] = []

    # --- life

    def __enter__(self) -> Self:
        self._start()
        try:
            self.wait_listening()
        except BaseException:
            self._kill()
            raise
        return self

    @contextlib.contextmanager
    def booting(self) -> Iterator[Self]:
        """As the server itself in a with statement, but the body begins before it listens."""
        self._start()
        try:
            yield self
        except BaseException as error:
            self.__exit__(type(error))
            raise
        self.__exit__(None)

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._command, cwd=self._directory, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout and self._process.stderr
        self.log = Lines(self._process.stderr, _parse_record)
        self.access = Lines(self._process.stdout, json.loads)
        _reported.append(self)

    def wait_listening(self) -> None:
        """Returns when the server says where it listens: every worker has loaded its site."""
        record = self.expect_message("listening on " if self._is_web else "ready")
        if self._is_web:
            self.addresses = str(record["message"]).removeprefix("listening on ").split(", ")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            return self._kill()
        if self.ended is None:
            ended = self.stop()
            assert ended.code == 0, f"exit code {ended.code} after SIGTERM"

    def send_signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Sends the supervisor a signal, and waits for nothing."""
        assert self._process
        self._process.send_signal(number)

    def stop(self, number: signal.Signals | None = signal.SIGTERM) -> Ended:
        """Stops the server and checks what it left. None: it has been told to stop already."""
        assert self._process and self.ended is None
        members = session_members(self._process.pid)
        if number is not None:
            self.send_signal(number)
        try:
            code = self._process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self._kill()
            raise AssertionError(f"still running {WAIT_S:g} s after the stop signal") from None
        self.ended = Ended(code)
        self._check_nothing_left(members)
        self.check_log()
        _reported.remove(self)
        return self.ended

    def _check_nothing_left(self, members: list[Process]) -> None:
        assert self._process
        left = session_members(self._process.pid)
        if left:
            self._kill()
            raise AssertionError(f"processes outlive the supervisor: {left} of {members}")
        assert self.log.join() and self.access.join(), "somebody holds the standard streams open"
        for address in self.addresses:
            if address.startswith("unix:"):
                assert not os.path.exists(address[5:]), f"{address} is left behind"

    def _kill(self) -> None:
        """Ends everything at once; for tests that have failed already."""
        assert self._process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.ended = self.ended or Ended(self._process.returncode)

    # --- processes

    def pids(self) -> Pids:
        """The supervisor and its children."""
        assert self._process
        supervisor = self._process.pid
        members = session_members(supervisor)
        children = [process.pid for process in members if process.parent == supervisor]
        if self.isolation == "interpreter":
            return Pids(supervisor, children[0], children[1:])
        if len(children) > self._workers:  # the engine is made first
            return Pids(supervisor, children[0], children[1:])
        return Pids(supervisor, None, children)

    def resources(self) -> dict[int, tuple[Counter[str], Counter[str]]]:
        """Of each child, what its descriptors are and its threads are called."""
        return {pid: (descriptors(pid), threads(pid)) for pid in self.pids().children}

    @contextlib.contextmanager
    def no_leaks(self, wait_s: float = WAIT_S) -> Iterator[None]:
        """What the body opens in the server, descriptors and threads, is gone again afterwards."""
        before = self.resources()
        yield
        now: dict[int, tuple[Counter[str], Counter[str]]] = {}

        def is_as_before() -> bool:
            now.update(self.resources())
            # Threads are counted: a new one gives itself its name a moment later.
            return now.keys() == before.keys() and all(
                now[pid][0] <= files and now[pid][1].total() <= names.total()
                for pid, (files, names) in before.items()
            )

        try:
            eventually(is_as_before, "descriptors and threads as before", wait_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; before {before}, now {now}") from None

    # --- log

    def log_records(self) -> list[Record]:
        """Every record so far."""
        return self.log.all()

    def log_text(self) -> str:
        """The end of the log for people, with tracebacks as Python prints them."""
        records = self.log.all()[-REPORTED_RECORDS:]
        return "\n".join(json.dumps(record).replace("\\n", "\n") for record in records)

    def expect_log(self, code: str, text: str = "") -> Record:
        """Waits for a record with this code ("CORRAL-401", or "stray" for a line that is no record)
        in which `text` occurs, and claims it.
        """

        def fits(record: Record) -> bool:
            named = record["level"] == "stray" if code == "stray" else record.get("code") == code
            return named and text in json.dumps(record, ensure_ascii=False)

        return self.log.wait_for(fits, f"{code} {text}".strip())

    def expect_fatal_error(self, text: str = "") -> None:
        """Waits for Python's report of a process that crashed, and claims its lines."""
        self.expect_log("stray", f"Fatal Python error: {text}")
        self.expect_log("stray", "Extension modules: ")  # its last line
        self.log.drop(lambda record: record["level"] == "stray")

    def expect_message(self, text: str) -> Record:
        """Waits for a record whose message begins with `text`, and claims it."""
        return self.log.wait_for(lambda record: str(record["message"]).startswith(text), text)

    def check_log(self) -> None:
        """Nothing above info has been logged that was not expected."""
        left = self.log.take_left()  # reported once, so that one fault fails one test
        unexpected = [record for record in left if record["level"] not in QUIET]
        assert not unexpected, f"unexpected in the log: {unexpected}"

    def expect_access(self, target: str) -> Record:
        """Waits for the access record of a request, and claims it."""
        return self.access.wait_for(lambda r: r.get("target") == target, f"access to {target}")

    # --- clients

    @property
    def url(self) -> str:
        """Of the first address: http://127.0.0.1:34567 or unix:/path."""
        return self.addresses[0]

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def connect(self, which: int = 0, receive_buffer: int = 0) -> Client:
        """A new connection to the address with this number."""
        address = self.addresses[which]
        if address.startswith("unix:"):
            return Client(address[5:], receive_buffer)
        parts = urlsplit(address)
        assert parts.hostname and parts.port
        return Client((parts.hostname, parts.port), receive_buffer)

    def get(self, target: str = "/", **request: Any) -> Response:
        """One request on a connection of its own."""
        with self.connect() as client:
            client.request(target, **request)
            return client.response(request.get("method", "GET"))
