"""The C++ tests of the rooms that need an interpreter around them: one process a GoogleTest suite.

They are linked into the module corral_room_tests (tests/room_tests/module.cc) in the build folder,
CORRAL_BUILD_DIR or build/release. CORRAL_TEST_PRELOAD names a sanitizer's runtime to load first
(tools/sanitize.sh).
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / os.environ.get("CORRAL_BUILD_DIR", "build/release")
SUITE_TIME_MAX_S = 300
RUN = (
    "import sys, corral_room_tests; sys.exit(corral_room_tests.run(['room_tests', *sys.argv[1:]]))"
)


def run_room_tests(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the module in a fresh interpreter; its output has both streams in order."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(
        path for path in (str(BUILD), environment.get("PYTHONPATH")) if path
    )
    if preload := environment.pop("CORRAL_TEST_PRELOAD", None):
        environment["LD_PRELOAD"] = preload
    return subprocess.run(
        [sys.executable, "-P", "-c", RUN, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=SUITE_TIME_MAX_S,
    )


def list_suites() -> list[str]:
    """The names of the test suites in the module, or an error that says how to build it."""
    if not list(BUILD.glob("corral_room_tests.*.so")):
        raise FileNotFoundError(f"{BUILD} holds no corral_room_tests; `make test` builds it")
    listed = run_room_tests("--gtest_list_tests")
    if listed.returncode != 0:
        raise RuntimeError(f"corral_room_tests does not load:\n{listed.stdout}")
    # A suite stands at the start of a line and ends with a dot; its tests are indented below it.
    lines = [line.split("#")[0].rstrip() for line in listed.stdout.splitlines()]
    return [line[:-1] for line in lines if line.endswith(".") and not line.startswith(" ")]


@pytest.mark.parametrize("suite", list_suites())
def test_suite(suite: str) -> None:
    finished = run_room_tests(f"--gtest_filter={suite}.*", "--gtest_brief=1")
    if finished.returncode != 0:
        pytest.fail(f"exit status {finished.returncode}\n{finished.stdout}", pytrace=False)
    assert "[  PASSED  ]" in finished.stdout
    assert "[  PASSED  ] 0 tests" not in finished.stdout
