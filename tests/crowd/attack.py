"""The crowd as a test sees it: a process that is started, stands, and is told to stop."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple, Self

from harness.lines import WAIT_S, Lines

TESTS = Path(__file__).resolve().parent.parent


class Outcome(NamedTuple):
    """What the members met: statuses and other words with how often, and what was wrong."""

    counts: dict[str, int]
    faults: list[str]


class Attack:
    """`size` members of a `kind` (crowd/__main__.py), as a context manager."""

    def __init__(
        self, kind: str, address: tuple[str, int], size: int, *, pace_s: float = 0.05, seed: int = 1
    ) -> None:
        host, port = address
        self._command = [sys.executable, "-P", "-m", "crowd"]
        self._command += [kind, host, str(port), str(size), str(pace_s), str(seed)]
        self.outcome: Outcome | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={"PYTHONPATH": str(TESTS)},
        )  # fmt: skip
        assert self._process.stdout
        self._lines: Lines[dict[str, Any]] = Lines(self._process.stdout, json.loads)
        return self

    def __exit__(self, *_: object) -> None:
        if self.outcome is None:
            self._process.kill()
        self._process.wait()

    def is_standing(self) -> bool:
        """Whether all members are where they want to be."""
        assert self._process.poll() is None, "the crowd has run away"
        return self.has_stood()

    def has_stood(self) -> bool:
        """Whether all were there at once, whatever has become of them."""
        return "standing" in self._states()

    def faults(self) -> list[str]:
        """What members have found wrong so far."""
        return [line["what"] for line in self._lines.all() if line["state"] == "fault"]

    def stop(self, wait_s: float = WAIT_S) -> Outcome:
        """Tells the members to come to their end, and returns what they met."""
        assert self._process.stdin
        self._process.stdin.close()
        done = self._lines.wait_for(lambda line: line["state"] == "done", "crowd's end", wait_s)
        self.outcome = Outcome(done["counts"], done["faults"])
        return self.outcome

    def _states(self) -> list[str]:
        return [line["state"] for line in self._lines.all()]
