"""What `/proc` says about the processes of a server."""

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from harness.lines import WAIT_S

POLL_S = 0.005


def eventually[Value](look: Callable[[], Value], what: str, wait_s: float = WAIT_S) -> Value:
    """Looks until the answer is true, and returns it. For states that nothing announces."""
    end = time.monotonic() + wait_s
    while not (value := look()):
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {wait_s:g} s")
        time.sleep(POLL_S)
    return value


class Process(NamedTuple):
    """A line of /proc/PID/stat, as far as it is of interest."""

    pid: int
    name: str
    state: str
    parent: int
    session: int
    started: int  # clock ticks since the machine's boot


def read_process(pid: int) -> Process | None:
    """The process, or None when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return Process(pid, name, fields[0], int(fields[1]), int(fields[3]), int(fields[19]))


def session_members(session: int) -> list[Process]:
    """The living processes of a session, the oldest first. Zombies are not alive."""
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdecimal()]
    found = [process for pid in pids if (process := read_process(pid))]
    living = [p for p in found if p.session == session and p.state not in "ZX"]
    return sorted(living, key=lambda process: (process.started, process.pid))


def descriptors(pid: int) -> Counter[str]:
    """What a process has open, "socket", "/path/of/a/file", ..., and how many of each."""
    kinds: Counter[str] = Counter()
    folder = f"/proc/{pid}/fd"
    for entry in os.listdir(folder):
        try:
            target = os.readlink(f"{folder}/{entry}")
        except FileNotFoundError:
            continue  # closed meanwhile
        kinds[target if target.startswith("/") else target.partition(":")[0]] += 1
    return kinds


def threads(pid: int) -> Counter[str]:
    """The names of a process's threads, and how many have each."""
    names: Counter[str] = Counter()
    for entry in os.listdir(f"/proc/{pid}/task"):
        try:
            names[Path(f"/proc/{pid}/task/{entry}/comm").read_text().strip()] += 1
        except FileNotFoundError, ProcessLookupError:
            continue
    return names
