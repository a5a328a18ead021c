"""Which process is which: what proves that a node's process is gone."""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


def machine() -> str:
    """This boot of this kernel and this process namespace; empty where the system does not tell.

    Two containers on one machine share the first and may share the host name, but not the second;
    only where both agree does a process number mean the same process.
    """
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = os.readlink(_PROC / "self/ns/pid")
    except OSError:
        return ""
    return f"{boot} {namespace}"


def process_started(pid: int) -> int | None:
    """When the process `pid` started, in the kernel's ticks since boot; None for a zombie.

    Raises OSError when the kernel does not say: no such process, or one that is hidden from us.
    """
    stat = (_PROC / str(pid) / "stat").read_bytes()
    # The second field, the program's name, may hold spaces and parentheses: count from the last
    # one.
    fields = stat[stat.rindex(b")") + 2 :].split()
    state, started = fields[0], int(fields[19])
    return None if state in (b"Z", b"X") else started


def is_provably_gone(*, machine_then: str, pid: int, started_then: int | None) -> bool:
    """True when a process that was `pid` on `machine_then` is certainly over; else not known."""
    if not machine_then or started_then is None or machine_then != machine():
        return False
    try:
        return process_started(pid) != started_then
    except OSError:
        return not _exists(pid)


def _exists(pid: int) -> bool:
    # /proc may hide other users' processes (mount option hidepid); the kill call does not.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
