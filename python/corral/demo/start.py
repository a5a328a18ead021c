"""What `corral demo` calls before it serves: make the demo's folder ready, in a child process.

The caller is the supervisor. It loads no user code, so everything that needs Django runs in
`python -m corral.demo.setup DIR`, and only an exit status and one line come back.
"""

import dataclasses
import os
import pathlib
import subprocess
import sys

from corral.exceptions import ConfigurationError

DEFAULT_DIRECTORY = pathlib.Path("corral-demo")
USER_NAME = "demo"
PASSWORD = "demo"
SETUP_TIME_MAX_S = 120


class DemoError(ConfigurationError):
    """The demo's folder could not be made ready. The text is one line for the operator."""


@dataclasses.dataclass(frozen=True, slots=True)
class DemoSite:
    """What the server needs to know to serve the demo."""

    directory: pathlib.Path
    settings: str = "corral.demo.settings"
    app: str = "corral.demo.wsgi:application"
    paths: list[str] = dataclasses.field(default_factory=list)
    env: dict[str, str] = dataclasses.field(default_factory=dict)
    user: str = USER_NAME
    password: str = PASSWORD


def prepare(directory: str | os.PathLike[str] = DEFAULT_DIRECTORY) -> DemoSite:
    """Create or update the demo in `directory`; raises DemoError with one line when it cannot.

    May be called any number of times: what is already there stays as it is. An interrupted call
    leaves a folder that the next call completes.
    """
    path = pathlib.Path(directory).expanduser().absolute()
    site = DemoSite(directory=path, env={"CORRAL_DEMO_DIR": str(path)})
    # -P keeps the working directory off sys.path, as in the server's own processes.
    command = [sys.executable, "-P", "-m", "corral.demo.setup", str(path)]
    try:
        child = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=SETUP_TIME_MAX_S
        )
    except subprocess.TimeoutExpired:
        raise DemoError(
            f"CORRAL-610 the demo in {path} was not ready after {SETUP_TIME_MAX_S} s; "
            "nothing was started, try again or name another folder"
        ) from None
    except OSError as error:
        raise DemoError(f"CORRAL-610 cannot run {sys.executable}: {error}") from error
    if child.returncode != 0:
        raise DemoError(_reason(child.stderr, child.returncode))
    return site


def _reason(stderr: str, returncode: int) -> str:
    """The last line the child wrote: its own message, or the end of a traceback."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    last = lines[-1] if lines else f"the set-up ended with status {returncode} and said nothing"
    if last.startswith("CORRAL-"):
        return last
    return f"CORRAL-610 the demo could not be set up: {last}"
