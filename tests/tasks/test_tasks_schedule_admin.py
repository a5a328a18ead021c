"""The admin pages of the schedules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.test.utils import setup_test_environment, teardown_test_environment
from tasks_site import tasks

from corral.tasks import schedule_rows, schedules
from corral.tasks.models import Job
from corral.tasks.schedule_model import Schedule

PAGE = "/admin/corral_tasks/schedule/"


@pytest.fixture
def admin(default_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    from django.contrib.auth.models import User

    monkeypatch.setattr(schedules, "_declared", {})
    User.objects.all().delete()
    setup_test_environment()
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="root"))
    yield client
    teardown_test_environment()


def form(**values: Any) -> dict[str, Any]:
    return {
        "name": "nightly",
        "task_path": "tasks_site.tasks.add",
        "args": "[1]",
        "kwargs": "{}",
        "cron": "0 3 * * *",
        "tz": "Europe/Berlin",
        "missed": "once",
        "backend_name": "default",
        "queue_name": "default",
        "priority": "0",
        "enabled": "on",
        **values,
    }


def declare() -> Schedule:
    schedules.schedule(tasks.add, cron="*/5 * * * *", tz="UTC", args=[1])
    schedule_rows.synchronise("default", schedules.declared())
    return Schedule.objects.get()


def test_a_schedule_is_made_and_changed(admin: Client) -> None:
    assert admin.get(f"{PAGE}add/").status_code == 200
    assert admin.post(f"{PAGE}add/", form()).status_code == 302
    row = Schedule.objects.get()
    assert (row.source, row.args, row.kwargs) == ("admin", [1], {})
    assert row.next_run_at.astimezone(schedule_rows.cron.find_zone("Europe/Berlin")).hour == 3
    changed = form(cron="0 4 * * *", args="[1, 2]")
    assert admin.post(f"{PAGE}{row.pk}/change/", changed).status_code == 302
    after = Schedule.objects.get()
    assert (after.cron, after.args, after.version) == ("0 4 * * *", [1, 2], 1)
    assert after.next_run_at.astimezone(schedule_rows.cron.find_zone("Europe/Berlin")).hour == 4
    listed = admin.get(PAGE).content.decode()
    assert "nightly" in listed and ("04:00 CET" in listed or "04:00 CEST" in listed)


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"cron": "0 25 * * *"}, "cron", "field 2 (hour)"),
        ({"tz": "Mars"}, "tz", "'Mars' is not a time zone"),
        ({"task_path": "no.such.task"}, "task_path", "cannot be imported"),
        ({"task_path": "tasks_site.tasks.plain"}, "task_path", "not a task"),
        ({"queue_name": "elsewhere"}, "queue_name", "elsewhere"),
        ({"backend_name": "immediate"}, "backend_name", "not corral.tasks.DatabaseBackend"),
        ({"args": "[1, 2, 3]"}, "args", "do not fit"),
        ({"args": "{}"}, "args", "JSON list"),
        ({"args": "[1"}, "args", "valid JSON"),
        ({"kwargs": "[]"}, "kwargs", "JSON object"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    admin: Client, values: dict[str, Any], field: str, words: str
) -> None:
    page = admin.post(f"{PAGE}add/", form(**values))
    assert page.status_code == 200
    errors = page.context["adminform"].form.errors
    assert list(errors) == [field] and words in str(errors[field][0])
    assert not Schedule.objects.exists()


def test_of_the_codes_only_the_switch_can_be_changed(admin: Client) -> None:
    row = declare()
    page = admin.get(f"{PAGE}{row.pk}/change/").content.decode()
    assert 'name="enabled"' in page and 'name="cron"' not in page
    assert "deletelink" not in page
    assert admin.post(f"{PAGE}{row.pk}/change/", form()).status_code == 302
    assert Schedule.objects.get().cron == "*/5 * * * *"
    off = {k: v for k, v in form().items() if k != "enabled"}
    assert admin.post(f"{PAGE}{row.pk}/change/", off).status_code == 302
    after = Schedule.objects.get()
    assert (after.enabled, after.next_run_at) == (False, None)
    schedule_rows.synchronise("default", schedules.declared())
    assert not Schedule.objects.get().enabled


def test_switch_and_run_now(admin: Client) -> None:
    row = declare()

    def act(action: str) -> str:
        data = {"action": action, "_selected_action": [row.pk]}
        return admin.post(PAGE, data, follow=True).content.decode()

    act("switch_off")
    assert Schedule.objects.get().next_run_at is None
    act("switch_on")
    after = Schedule.objects.get()
    assert datetime.now(UTC) < after.next_run_at <= datetime.now(UTC) + timedelta(minutes=5)
    act("run_now")
    (job,) = Job.objects.all()
    assert (job.args, job.run_after) == ([1], None)
    assert Schedule.objects.get().last_job == job.id
    assert Schedule.objects.get().next_run_at == after.next_run_at
    act("delete_selected")
    assert Schedule.objects.exists()
    Schedule.objects.update(task_path="no.such.task")
    assert "no" in act("run_now")
    assert Job.objects.count() == 1
