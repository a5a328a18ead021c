"""Runs a `corral` that should not start, to its end."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.lines import WAIT_S
from harness.processes import session_members
from harness.server import _clean_environment, _parse_record


class Refusal(NamedTuple):
    """What a start that failed has said."""

    line: str  # the only one on standard error, with the code of its record before it


def expect_refusal(
    arguments: Sequence[str], directory: Path, env: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> Refusal:  # fmt: skip
    """Runs `corral ARGUMENTS`. It must end with 1, with one line, and leave no process."""
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
    assert process.returncode == 1, f"exit code {process.returncode}:\n{out}{err}"
    assert out == "", f"on standard output: {out}"
    lines = err.splitlines()
    assert len(lines) == 1, f"{len(lines)} lines on standard error:\n{err}"
    assert not session_members(process.pid), "processes are left"
    record = _parse_record(lines[0])
    return Refusal(" ".join(filter(None, (record.get("code"), record["message"]))))
