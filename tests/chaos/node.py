"""A node that is to be harmed: on this host, or on what it takes for another one."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from harness.processes import eventually, session_members, threads

WAIT_S = 120.0  # a liveness bound for boot and drain
SITE = Path(__file__).parent / "site"
# Namespaces of its own: another host name, and process numbers that prove nothing here.
ELSEWHERE = (
    *("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child=KILL"),
    *("--mount-proc", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"'),
)


class Keeper(NamedTuple):
    """The process of a node that holds jobs."""

    pid: int  # here
    name: str  # host:pid as in the rows and in the notes


class Node:
    """`corral` with the site. It is started again and again: each life has a log of its own."""

    def __init__(
        self, name: str, folder: Path, environment: Mapping[str, str], *options: str,
        is_elsewhere: bool = False,
    ) -> None:  # fmt: skip
        self.name = name
        self.is_elsewhere = is_elsewhere
        self._folder = folder
        self._environment = environment
        self._options = options
        self._lives = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._host = os.uname().nodename

    # --- life

    def start(self) -> None:
        """Starts it; returns when it works."""
        self._lives += 1
        command = [sys.executable, "-P", "-m", "corral", *self._options, "--log-format=json"]
        if self.is_elsewhere:
            self._host = f"{self.name}-{self._lives}"
            command = [*ELSEWHERE, self._host, *command]
        with self._log().open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=SITE, env=self._environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        eventually(self._is_ready, f"{self.name} to be ready; its log is {self._log()}", WAIT_S)

    def _log(self) -> Path:
        return self._folder / f"{self.name}-{self._lives}.log"

    def _is_ready(self) -> bool:
        assert self._process and self._process.poll() is None, self._log().read_text()
        text = self._log().read_text()
        return '"ready"' in text or '"listening on ' in text

    def stop(self) -> int:
        """Stops it as an operator does; returns its exit code."""
        assert self._process
        os.kill(self.supervisor(), signal.SIGTERM)
        return self._process.wait(WAIT_S)

    def kill(self) -> None:
        """Kills what is left of it."""
        if self._process:
            for pid in self.members():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._wait_gone()

    def revive(self) -> None:
        """Starts it again after all of it has been killed."""
        self._wait_gone()
        self.start()

    def _wait_gone(self) -> None:
        assert self._process
        self._process.wait(WAIT_S)
        eventually(lambda: not self.members(), f"the end of {self.name}")

    # --- processes

    def supervisor(self) -> int:
        """The parent of all others; on another host its own parent here is `unshare`."""
        assert self._process
        pid = self._process.pid
        if self.is_elsewhere:
            (pid,) = [member.pid for member in session_members(pid) if member.parent == pid]
        return pid

    def members(self) -> list[int]:
        """All its processes."""
        assert self._process
        return [member.pid for member in session_members(self._process.pid)]

    def find_keeper(self) -> Keeper | None:
        """The engine, once it has a keeper."""
        for pid in self.members():
            with contextlib.suppress(FileNotFoundError):
                if "keeper" in threads(pid):
                    return Keeper(pid, f"{self._host}:{_number_inside(pid)}")
        return None

    def keeper(self) -> Keeper:
        """The engine; waits for it."""
        return eventually(self.find_keeper, f"a keeper of {self.name}", WAIT_S)

    def web_workers(self) -> list[int]:
        """The processes of web workers."""
        keeper, supervisor = self.keeper().pid, self.supervisor()
        assert self._process
        members = session_members(self._process.pid)
        return [m.pid for m in members if m.parent == supervisor and m.pid != keeper]

    # --- what it said

    def address(self) -> tuple[str, int]:
        """Where it listens now."""
        for record in self._records(self._log()):
            message = str(record.get("message"))
            if message.startswith("listening on http://"):
                host, _, port = message.removeprefix("listening on http://").partition(":")
                return host, int(port)
        raise AssertionError(f"{self.name} does not say where it listens")

    def codes(self) -> Counter[str]:
        """The codes of all its logs."""
        logs = self._folder.glob(f"{self.name}-*.log")
        return Counter(
            str(record["code"]) for log in logs for record in self._records(log) if "code" in record
        )

    def _records(self, log: Path) -> list[dict[str, object]]:
        records = []
        for line in log.read_text(errors="replace").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                record = json.loads(line)
                if isinstance(record, dict):
                    records.append(record)
        return records


def _number_inside(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("NSpid:"):
            return int(line.split()[-1])
    return pid
