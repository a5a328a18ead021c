"""`make demo` in a real terminal: it says where it is, and Ctrl-C ends it with nothing left."""

import os
import pty
import re
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Client, eventually
from harness.lines import WAIT_S
from harness.processes import session_members

ROOT = Path(__file__).parents[3]


class Terminal:
    """A command on a terminal of its own, as somebody would sit there."""

    def __init__(self, command: list[str], **env: str) -> None:
        self.session, self._fd = pty.fork()
        if self.session == 0:
            os.chdir(ROOT)
            os.execvpe(command[0], command, os.environ | env)
        self._shown = ""

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Waits until the screen shows it."""
        end = time.monotonic() + 2 * WAIT_S
        while not (found := re.search(pattern, self._shown)):
            ready, _, _ = select.select([self._fd], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"no {pattern!r} within {2 * WAIT_S:g} s on the screen:\n{self._shown}"
            try:
                self._shown += os.read(self._fd, 1 << 16).decode()
            except OSError:  # the last process has left the terminal
                raise AssertionError(f"no {pattern!r} on the screen:\n{self._shown}") from None
        return found

    def close(self) -> None:
        for process in session_members(self.session):
            os.kill(process.pid, signal.SIGKILL)
        os.waitpid(self.session, 0)
        os.close(self._fd)


@pytest.fixture
def terminal(folder: Path) -> Iterator[Terminal]:
    """Runs the Makefile's own `demo`, on what is built already."""
    if shutil.which("make") is None or not (ROOT / ".venv" / "bin" / "corral").exists():
        pytest.skip(f"{sys.executable} is not the environment that make builds")
    make = f"make -o build demo ARGS={folder}/demo; echo status $?; read line"
    terminal = Terminal(["bash", "-c", make], PORT="0", TERM="xterm")
    yield terminal
    terminal.close()


def test_ctrl_c_ends_the_demo(terminal: Terminal) -> None:
    port = int(terminal.wait_for(r"listening on http://[\d.]+:(\d+)")[1])
    with Client(("127.0.0.1", port)) as client:
        assert client.request("/", headers={"Host": "localhost"}).response().status == 200
    served_by = {process.pid for process in session_members(terminal.session)}
    assert len(served_by) >= 4  # bash, make, the supervisor, the engine
    terminal.type("\x03")
    assert terminal.wait_for(r"status (\d+)")[1] == "0"
    eventually(
        lambda: [p.pid for p in session_members(terminal.session)] == [terminal.session],
        "only the shell is left",
    )
