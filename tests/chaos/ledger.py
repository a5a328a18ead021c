"""What was done, when: what doubles and rescues are traced to. Moments are time.monotonic_ns()."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

Note = dict[str, Any]


class Death(NamedTuple):
    """A process that held jobs was killed."""

    at: int
    harm: str


class Pause(NamedTuple):
    """A node was silent for longer than its lease."""

    begin: int
    end: int
    harm: str


class Rescue(NamedTuple):
    """How long it took until no job was RUNNING under a dead node."""

    harm: str
    jobs: int
    after_death_s: float
    after_restart_s: float | None  # None: another node did it


@dataclass
class Ledger:
    """Written by the driver, read by the audit. Processes are named host:pid."""

    deaths: dict[str, Death] = field(default_factory=dict)
    pauses: dict[str, list[Pause]] = field(default_factory=dict)
    rescues: list[Rescue] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, str] = field(default_factory=dict)


class Notes:
    """The file that tasks and producers write, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._all: list[Note] = []

    def all(self) -> list[Note]:
        """Every note so far."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read)
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            self._read += len(whole)
            self._all += [json.loads(line) for line in whole.splitlines()]
        return self._all

    def of(self, what: str) -> list[Note]:
        """Those of a kind."""
        return [note for note in self.all() if note["what"] == what]
