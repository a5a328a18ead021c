"""Runs the checks of the site, each file in a process of its own. See README.md."""

import os
import pathlib
import subprocess
import sys

import pytest

SITE = pathlib.Path(__file__).parent / "site"


@pytest.mark.parametrize("checks", sorted(path.name for path in SITE.glob("check_*.py")))
def test_site(checks):
    path = os.pathsep.join(filter(None, (str(SITE), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "demo_site"]
    child = subprocess.run(
        [*command, str(SITE / checks)],
        cwd=SITE,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    if child.returncode != 0:
        pytest.fail(f"{child.stdout}\n{child.stderr}", pytrace=False)


def test_there_are_checks():
    assert len(list(SITE.glob("check_*.py"))) >= 4
