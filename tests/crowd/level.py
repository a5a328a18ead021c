"""What processes hold: memory, descriptors, threads."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Level(NamedTuple):
    """Of several processes together. A process that has ended holds nothing."""

    pss_bytes: int
    descriptors: int
    threads: int

    @classmethod
    def of(cls, pids: Iterable[int]) -> Level:
        found = [_of_process(pid) for pid in pids]
        return cls(*(sum(numbers) for numbers in zip(*found, strict=True)))


def _of_process(pid: int) -> Level:
    try:
        memory = Path(f"/proc/{pid}/smaps_rollup").read_text()
        pss = next(line.split()[1] for line in memory.splitlines() if line.startswith("Pss:"))
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        threads = len(os.listdir(f"/proc/{pid}/task"))
    except FileNotFoundError, ProcessLookupError:
        return Level(0, 0, 0)
    return Level(int(pss) * 1024, descriptors, threads)
