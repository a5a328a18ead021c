"""What the unit tests share: the real command line and real worker set-ups, each a process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

WAIT_S = 60

_LOADER = """
import json, sys
from corral import failures, site
text = sys.argv[1]
site.prepare(text)
role = json.loads(text)["role"]
from corral import command, web
try:
    loaded = (web if role == "web" else command).load(text)
except BaseException as error:
    print(failures.describe(error))
    sys.exit(1)
"""

_IN_SUB_INTERPRETER = """
import sys
from concurrent import interpreters
inner = interpreters.create()
inner.exec(f"import sys; sys.argv = {sys.argv!r}")
inner.prepare_main(code=sys.argv[2])
try:
    inner.exec("exec(code)")
except interpreters.ExecutionFailed as error:
    sys.exit(1 if error.excinfo.type.__name__ == "SystemExit" else f"unexpected: {error}")
finally:
    inner.close()
"""


@pytest.fixture
def clean_env() -> dict[str, str]:
    """The environment without anything that is a setting of Corral's."""
    strange = ("CORRAL_", "LISTEN_", "DJANGO_")
    names = {"PORT", "WEB_CONCURRENCY"}
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(strange) and name not in names
    }


@pytest.fixture
def corral(clean_env: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Runs `corral ARGUMENTS` in an empty folder to its end."""

    def run(
        *arguments: str, env: dict[str, str] | None = None, cwd: Path = tmp_path, **more: object
    ) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-P", "-m", "corral", *arguments],
            env=clean_env | (env or {}), cwd=cwd, capture_output=True, text=True, timeout=WAIT_S,
            **more,
        )  # fmt: skip

    return run


@pytest.fixture
def refusal(corral: Callable[..., subprocess.CompletedProcess]) -> Callable[..., str]:
    """Runs `corral ARGUMENTS`, which must fail the way an operator expects; returns the line."""

    def run(*arguments: str, **more: object) -> str:
        result = corral(*arguments, **more)
        assert result.returncode == 1, result
        assert result.stdout == ""
        lines = result.stderr.splitlines()
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("corral: error: "), result.stderr
        return lines[0].removeprefix("corral: error: ")

    return run


@pytest.fixture
def project(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Writes files of a site into a folder."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


@pytest.fixture
def worker(clean_env: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Prepares a worker, loads what `load` names, then runs `then` with the result as `loaded`."""

    def run(
        then: str = "", *, sub_interpreter: bool = False, env: dict[str, str] | None = None,
        **load: object,
    ) -> subprocess.CompletedProcess:  # fmt: skip
        text = json.dumps({"role": "web", "app": None, "settings": None, "paths": [str(tmp_path)]}
                          | load)  # fmt: skip
        code = _LOADER + then
        arguments = (
            ["-c", _IN_SUB_INTERPRETER, text, code] if sub_interpreter else ["-c", code, text]
        )
        return subprocess.run(
            [sys.executable, "-P", *arguments], env=clean_env | (env or {}), cwd="/",
            capture_output=True, text=True, timeout=WAIT_S,
        )  # fmt: skip

    return run


@pytest.fixture
def load_error(worker: Callable[..., subprocess.CompletedProcess]) -> Callable[..., str]:
    """Loads what cannot be loaded; returns the one line for the operator."""

    def run(**load: object) -> str:
        result = worker(**load)
        assert result.returncode == 1, result
        assert result.stderr == "", result.stderr
        lines = result.stdout.splitlines()
        assert len(lines) == 1, result.stdout
        return lines[0]

    return run
