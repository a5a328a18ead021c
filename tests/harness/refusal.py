"""Runs a `corral` that should not start, to its end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.lines import WAIT_S
from harness.processes import session_members
from harness.server import _clean_environment, _parse_record

REFUSED_MAX_S = 20.0  # the promise is 5; a loaded machine gets more


class Refusal(NamedTuple):
    """What a start that failed has said."""

    line: str  # the only one on standard error, with the code of its record before it
    seconds: float


def expect_refusal(
    arguments: Sequence[str], directory: Path, env: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> Refusal:  # fmt: skip
    """Runs `corral ARGUMENTS`. It must end with 1, soon, with one line, and leave no process."""
    begin = time.monotonic()
    process = subprocess.Popen(
        [python, *([] if python != sys.executable else ["-P"]), "-m", "corral", *arguments],
        cwd=directory, env=_clean_environment() | dict(env or {}), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=WAIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"still there after {WAIT_S:g} s:\n{out}{err}") from None
    seconds = time.monotonic() - begin
    assert process.returncode == 1, f"exit code {process.returncode}:\n{out}{err}"
    assert out == "", f"on standard output: {out}"
    lines = err.splitlines()
    assert len(lines) == 1, f"{len(lines)} lines on standard error:\n{err}"
    assert not session_members(process.pid), "processes are left"
    assert seconds < REFUSED_MAX_S, f"took {seconds:.1f} s: {err}"
    record = _parse_record(lines[0])
    return Refusal(" ".join(filter(None, (record.get("code"), record["message"]))), seconds)
