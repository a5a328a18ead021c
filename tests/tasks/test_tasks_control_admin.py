"""The admin: jobs are cancelled and run again, queues are paused and resumed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.test.utils import setup_test_environment, teardown_test_environment
from tasks_harness import enqueue, row
from tasks_site import tasks

from corral.tasks.models import Queue

JOBS = "/admin/corral_tasks/job/"
QUEUES = "/admin/corral_tasks/queue/"


@pytest.fixture
def make_client(default_database: str) -> Iterator[Any]:
    from django.contrib.auth.models import Permission, User

    User.objects.all().delete()
    setup_test_environment()

    def make(*permissions: str) -> Client:
        user = User.objects.create_user("somebody", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client = Client()
        client.force_login(user)
        return client

    yield make
    teardown_test_environment()


def act(client: Client, page: str, action: str, *keys: str) -> str:
    data = {"action": action, "_selected_action": keys}
    return client.post(page, data, follow=True).content.decode()


def test_jobs_are_cancelled_and_run_again(make_client: Any) -> None:
    client = make_client("view_job", "change_job")
    keys = [enqueue("default", tasks.add, number) for number in range(2)]
    assert "2 cancelled" in act(client, JOBS, "cancel", *keys)
    assert {row("default", key).status for key in keys} == {"FAILED"}
    assert "2 had finished already" in act(client, JOBS, "cancel", *keys)
    assert "1 will run again" in act(client, JOBS, "run_again", keys[0])
    assert row("default", keys[0]).status == "READY"
    text = act(client, JOBS, "run_again", *keys)
    assert "1 will run again" in text and "1 had not failed" in text
    assert client.get(f"{JOBS}{keys[0]}/change/").status_code == 200


def test_who_may_only_look_cannot_cancel(make_client: Any) -> None:
    client = make_client("view_job", "view_queue")
    key = enqueue("default", tasks.add, 1)
    assert "Cancel, interrupt what runs" not in client.get(JOBS).content.decode()
    act(client, JOBS, "cancel", key)
    assert row("default", key).status == "READY"
    assert client.get(QUEUES).status_code == 200
    assert client.post(f"{QUEUES}add/", {"name": "mail"}).status_code == 403


def test_queues_are_paused_and_resumed(make_client: Any) -> None:
    client = make_client("view_queue", "add_queue", "change_queue", "delete_queue")
    assert client.get(f"{QUEUES}add/").status_code == 200
    late = {"name": "mail", "resume_at_0": "2001-01-01", "resume_at_1": "00:00"}
    assert "This is past." in client.post(f"{QUEUES}add/", late).content.decode()
    assert client.post(f"{QUEUES}add/", {"name": "mail"}).status_code == 302
    assert Queue.objects.get().resume_at is None
    page = f"{QUEUES}mail/change/"
    assert client.get(page).status_code == 200
    later = {"resume_at_0": "2100-01-01", "resume_at_1": "00:00"}
    assert client.post(page, later).status_code == 302
    assert Queue.objects.get().resume_at.year >= 2099
    assert "mail" in act(client, QUEUES, "resume", "mail")
    assert not Queue.objects.exists()
