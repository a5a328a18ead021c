"""A server as a tree of processes: started in a session of its own, measured whole, ended whole."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
STOP_SECONDS_MAX = 10.0


@dataclass(frozen=True)
class Stat:
    """The fields of /proc/PID/stat that matter here."""

    pid: int
    parent: int
    session: int
    ticks: int  # user and system, of it and of its children that were waited for
    started: int


def read_stat(pid: int) -> Stat | None:
    """None for a process that is gone, or that only waits to be collected."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name may hold anything
    if fields[0] in "ZX":
        return None
    return Stat(
        pid=pid,
        parent=int(fields[1]),
        session=int(fields[3]),
        ticks=sum(int(field) for field in fields[11:15]),
        started=int(fields[19]),
    )


class ProcessTree:
    """A process that we started, with all that it started."""

    def __init__(self, command: list[str], env: dict[str, str], cwd: Path, log: IO[bytes]) -> None:
        self._process = subprocess.Popen(
            command,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self._seen: dict[tuple[int, int], Stat] = {}

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def members(self) -> list[Stat]:
        """All living processes of the session, and descendants that made a session of their own."""
        everybody = [
            stat
            for entry in os.scandir("/proc")
            if entry.name.isdigit() and (stat := read_stat(int(entry.name)))
        ]
        ours = {self._process.pid}
        size = 0
        while size != len(ours):
            size = len(ours)
            ours |= {
                stat.pid
                for stat in everybody
                if stat.parent in ours
                or stat.session == self._process.pid
                or (stat.pid, stat.started) in self._seen
            }
        found = [stat for stat in everybody if stat.pid in ours]
        for stat in found:
            self._seen[stat.pid, stat.started] = stat
        return found

    def cpu_seconds(self) -> float:
        """User and system time of the tree so far."""
        return sum(stat.ticks for stat in self.members()) / TICKS_PER_SECOND

    def pss_bytes(self) -> int:
        """Memory of the tree, shared pages counted by share."""
        total = 0
        for stat in self.members():
            try:
                lines = Path(f"/proc/{stat.pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        return total

    def stop(self, stop_signal: signal.Signals) -> bool:
        """Sends the signal to the first process, later SIGKILL to what is left of the tree.

        Returns False when SIGKILL was needed.
        """
        self.members()
        if self._process.poll() is None:
            self._process.send_signal(stop_signal)
        if self._wait_until_gone(STOP_SECONDS_MAX):
            return True
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while (left := self.members()) and time.monotonic() < deadline:
            for stat in left:
                again = read_stat(stat.pid)
                if again and again.started == stat.started:  # not another one with its number
                    os.kill(stat.pid, signal.SIGKILL)
            self._wait_until_gone(0.5)
        return False

    def _wait_until_gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            self._process.poll()
            if not self.members():
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
