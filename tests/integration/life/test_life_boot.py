"""Starting: signals that come too early, and sites that do odd things while they are imported."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import Corral
from harness.gate import Gate
from harness.processes import eventually, session_members

Make = Callable[..., Corral]
STOPS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_while_the_site_is_imported(
    server: Make, gate: Gate, folder: Path, number: signal.Signals
) -> None:
    imports = folder / "imports-wait"
    imports.touch()
    booting = server(
        f"--pid={folder}/pid", bind=[f"unix:{folder}/site.sock"],
        env={"GATE_AT_IMPORT": str(imports)}, workers=1,
    ).booting()  # fmt: skip
    with booting as running:
        visitor = gate.wait("import")
        running.send_signal(number)
        visitor.wait_gone()
        if number == signal.SIGQUIT:
            running.expect_log("CORRAL-106")
        assert running.stop(None).code == (3 if number == signal.SIGQUIT else 0)
    imports.unlink()
    assert list(folder.iterdir()) == []


def test_ctrl_c_while_the_site_is_imported(server: Make, gate: Gate, folder: Path) -> None:
    imports = folder / "imports-wait"
    imports.touch()
    with server(env={"GATE_AT_IMPORT": str(imports)}, workers=1).booting() as running:
        visitor = gate.wait("import")
        os.killpg(running.pids().supervisor, signal.SIGINT)
        visitor.wait_gone()
        assert running.stop(None).code == 0


# Sends a signal to its own process at a moment that a test outside cannot hit.
EARLY = """
import os, signal, sys
from corral import cli, {module}
real = {module}.{name}
def signalled(*given, **named):
    result = real(*given, **named)
    os.kill(os.getpid(), signal.{signal})
    return result
{module}.{name} = signalled
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize(
    ("module", "name"), [("node", "_open_listeners"), ("node", "_make_wake_fd"), ("plan", "build")]
)
def test_a_signal_before_the_supervisor_listens(
    folder: Path, module: str, name: str, number: str
) -> None:
    script = EARLY.format(module=module, name=name, signal=number)
    command = [
        sys.executable, "-P", "-c", script, "serve", "gated:application",
        f"--bind=unix:{folder}/site.sock", f"--pid={folder}/pid",
    ]  # fmt: skip
    ended = subprocess.run(
        command, cwd=Path(__file__).parent / "sites", capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("isolation", ["interpreter", "process"])
def test_a_site_that_does_odd_things_at_import(isolation: str, folder: Path) -> None:
    """It prints, warns, starts threads, installs signal handlers and goes elsewhere."""
    with Corral(
        "odd", Path(__file__).parent / "sites", isolation=isolation,
        options=["--graceful-timeout=3600", "--access-logfile=/dev/null"],
        env={"ODD_FOLDER": str(folder)},
    ).booting() as running:  # fmt: skip
        running.expect_log("stray", "said on standard error")
        running.expect_log("stray", "UserWarning: mind the gap")
        running.expect_log("stray", "warnings.warn(")
        running.wait_listening()
        response = running.get("/")
        assert (response.status, response.text) == (200, str(folder))
        supervisor = running.pids().supervisor
        assert running.stop(signal.SIGINT).code == 0
        assert running.access.all() == ["said on standard output"]
        eventually(lambda: not session_members(supervisor), "nothing is left")
