"""docs/tutorial.md as its reader would follow it: every file from the page, then the server."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import Corral, eventually

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
FILE = re.compile(
    r"(?P<how>At the end of|In) `(?P<path>[\w/.]+)`:\n\n```python\n(?P<text>.*?)```", re.S
)


@pytest.fixture
def project(tmp_path):
    """The project that the page makes."""
    run = [sys.executable, "-m", "django", "startproject", "mysite"]
    subprocess.run(run, cwd=tmp_path, check=True)
    folder = tmp_path / "mysite"
    files = list(FILE.finditer(TUTORIAL.read_text(encoding="utf-8")))
    assert [Path(file["path"]).name for file in files] == [
        *("settings.py", "tasks.py", "views.py", "urls.py")
    ]
    for file in files:
        path = folder / file["path"]
        before = path.read_text() if file["how"] == "At the end of" else ""
        path.write_text(before + file["text"])
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=folder, check=True)
    return folder


def test_the_tutorial_works(project):
    with Corral(None, project) as server:
        host = {"Host": "127.0.0.1"}
        started = json.loads(server.get("/primes/200000/", headers=host).body)

        def look():
            return json.loads(server.get(f"/look/{started['id']}/", headers=host).body)

        eventually(lambda: look()["status"] not in ("READY", "RUNNING"), "the job's end")
        answer = look()
        assert (answer["status"], answer["primes"]) == ("SUCCESSFUL", 17984)
        assert len(answer["workers"]) == 1
        for state in ("RUNNING", "SUCCESSFUL"):  # Django's own lines while DEBUG is on
            server.expect_log("stray", f"mysite.tasks.count_primes state={state}")
