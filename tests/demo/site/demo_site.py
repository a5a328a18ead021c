"""A demo in a temporary folder, for the checks of one process; loaded as a pytest plugin."""

import atexit
import contextlib
import json
import os
import pathlib
import tempfile
import uuid

import pytest

FOLDER = tempfile.TemporaryDirectory(prefix="corral-demo-")
atexit.register(FOLDER.cleanup)

from corral.demo import setup  # noqa: E402

setup.set_up(pathlib.Path(FOLDER.name))

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.files.uploadedfile import SimpleUploadedFile  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

from corral.demo.models import Document  # noqa: E402
from corral.tasks import store, worker  # noqa: E402
from corral.tasks.models import Job, Node  # noqa: E402

setup_test_environment()


@pytest.fixture(autouse=True)
def clean():
    """No document and no job."""
    Document.objects.all().delete()
    Job.objects.all().delete()
    Node.objects.all().delete()
    yield
    connection.close()


@pytest.fixture
def client():
    """A browser without a login that checks forms' tokens only where a test asks for it."""
    return Client()


@pytest.fixture
def admin_client():
    """A browser that is logged in as demo."""
    browser = Client()
    browser.force_login(get_user_model().objects.get(username="demo"))
    return browser


def file(name, content, kind="text/plain"):
    """A file to upload; a text goes in as UTF-8."""
    data = content.encode() if isinstance(content, str) else content
    return SimpleUploadedFile(name, data, content_type=kind)


def upload(client, *files):
    """Send files as the form does; the page that comes after."""
    return client.post("/upload/", {"files": list(files)}, follow=True)


def complaints(response):
    """The texts of the messages of a page."""
    return [str(message) for message in response.context["messages"]]


@contextlib.contextmanager
def _open_store():
    load = {"role": "tasks", "settings": os.environ["DJANGO_SETTINGS_MODULE"], "queues": None}
    run, config, _ = worker.load(json.dumps(load))
    node = {"incarnation": str(uuid.uuid4()), "host": "here", "pid": os.getpid(), "lease_ms": 15000}
    keeper = store.open_store(config, json.dumps(node))
    keeper.open()
    try:
        yield run, keeper
    finally:
        keeper.close()


def run_jobs():
    """Run everything that is due through the real store and runner; the number of jobs run."""
    count = 0
    with _open_store() as (run, keeper):
        while jobs := keeper.claim(20, False)[0]:
            outcomes = [(job[0], job[1], *run(job[4])) for job in jobs]
            assert keeper.finish(outcomes) == 0
            count += len(jobs)
    return count


@contextlib.contextmanager
def claimed(limit):
    """Claim jobs and leave them RUNNING for the time of the block."""
    with _open_store() as (_, keeper):
        jobs, _ = keeper.claim(limit, False)
        yield jobs
        keeper.release([(job[0], job[1]) for job in jobs])
