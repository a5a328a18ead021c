"""The whole site in an interpreter with its own GIL: nothing of it may need the main one."""

import os
import subprocess
import sys

from corral.demo import prepare

# Runs in the sub-interpreter; every extension module it loads must allow that.
SCRIPT = """
import io, os, sys
from wsgiref.util import setup_testing_defaults
os.environ["DJANGO_SETTINGS_MODULE"] = "corral.demo.settings"
from corral.demo.wsgi import application

def get(path):
    environ, seen = {}, []
    setup_testing_defaults(environ)
    environ |= {"PATH_INFO": path, "HTTP_HOST": "localhost", "wsgi.input": io.BytesIO()}
    body = application(environ, lambda status, headers, *_: seen.append(status))
    content = b"".join(body)
    body.close()
    return seen[0], content

for path in ("/", "/jobs.json", "/admin/login/", "/static/demo/demo.css", "/documents/1/"):
    status, content = get(path)
    assert status == "200 OK" and content, (path, status)

from corral.demo.kinds import KINDS
from corral.demo.models import Document
from corral.demo.uploads import decode
assert decode("a", "Grüße".encode("utf-16"))[0] == "Grüße"
table = Document.objects.filter(kind="csv").first()
for slug, kind in KINDS.items():
    if slug != "fail":
        assert kind.task.call(table.pk), slug
"""

HOST = """
import sys
from concurrent import interpreters
interpreter = interpreters.create()  # with its own GIL, as Corral's workers
interpreter.exec(sys.stdin.read())
interpreter.close()
print("all of it ran")
"""


def test_the_site_runs_in_an_interpreter_of_its_own(tmp_path):
    site = prepare(tmp_path)
    child = subprocess.run(
        [sys.executable, "-c", HOST],
        input=SCRIPT,
        env={**os.environ, **site.env},
        capture_output=True,
        text=True,
    )
    assert (child.returncode, child.stdout) == (0, "all of it ran\n"), child.stderr
