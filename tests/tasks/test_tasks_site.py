"""What a site sees: system checks, migrations, admin pages, indexes that are used."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connections
from django.test import Client, override_settings
from django.test.utils import setup_test_environment, teardown_test_environment
from tasks_databases import require
from tasks_harness import enqueue, new_store
from tasks_site import tasks

from corral.tasks.models import Job
from corral.tasks.runner import Runner

CORRAL = {"BACKEND": "corral.tasks.DatabaseBackend"}


def check_ids() -> list[str]:
    return [message.id for message in run_checks() if message.id.startswith("corral.")]


def test_a_good_site_passes() -> None:
    assert check_ids() == []
    for vendor in ("postgresql", "mariadb"):
        if vendor in connections:
            call_command("check", databases=[vendor], fail_level="WARNING", verbosity=0)


@pytest.mark.parametrize(
    ("tasks_setting", "expected"),
    [
        ({"OPTIONS": {"max_crashes": 1.5}}, "corral.E002"),
        ({"OPTIONS": {"database": "gone"}}, "corral.E002"),
        ({"OPTIONS": {"unknown": 1}}, "corral.E002"),
        ({"QUEUES": ["q" * 129]}, "corral.E003"),
    ],
)
def test_wrong_settings_are_named(tasks_setting: dict[str, Any], expected: str) -> None:
    with override_settings(TASKS={"default": {**CORRAL, **tasks_setting}}):
        assert check_ids() == [expected]


def test_the_app_must_be_installed() -> None:
    with override_settings(
        INSTALLED_APPS=["django.contrib.contenttypes"], TASKS={"default": CORRAL}
    ):
        from corral.tasks.checks import check_backend, corral_backends

        (ours,) = corral_backends()
        assert [message.id for message in check_backend(ours)] == ["corral.E001"]


def test_several_databases_are_refused() -> None:
    require("postgresql")
    other = {**CORRAL, "OPTIONS": {"database": "postgresql"}}
    with override_settings(TASKS={"default": CORRAL, "other": other}):
        assert check_ids() == ["corral.E004"]


def test_deferred_sqlite_is_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = connections["default"].settings_dict
    monkeypatch.setitem(settings["OPTIONS"], "transaction_mode", "DEFERRED")
    assert check_ids() == ["corral.W001"]


def test_migrations_are_complete() -> None:
    call_command("makemigrations", "corral_tasks", check=True, dry_run=True, verbosity=0)


@pytest.fixture
def admin(default_database: str) -> Iterator[Client]:
    from django.contrib.auth.models import User

    User.objects.all().delete()
    setup_test_environment()
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="root"))
    yield client
    teardown_test_environment()


def test_admin_pages(admin: Client) -> None:
    store = new_store("default")
    store.open()
    keys = [
        enqueue("default", tasks.echo, "<b>žluť</b>", n=1),
        enqueue("default", tasks.fail, "ValueError"),
        enqueue("default", tasks.give, "surrogate"),
    ]
    runner = Runner()
    jobs, _ = store.claim(9, False)
    store.finish([(key, lease, *runner.run(payload)) for key, lease, _, _, payload, _ in jobs])
    listed = admin.get("/admin/corral_tasks/job/?status__exact=FAILED")
    assert [str(job.id) for job in listed.context["cl"].result_list] == keys[1:2]
    for query in (keys[0], keys[0].replace("-", ""), "echo", "no such"):
        page = admin.get("/admin/corral_tasks/job/", {"q": query})
        found = page.context["cl"].result_count
        assert page.status_code == 200 and found == (0 if query == "no such" else 1)
    pages = [admin.get(f"/admin/corral_tasks/job/{key}/change/").content.decode() for key in keys]
    assert "&lt;b&gt;žluť&lt;/b&gt;" in pages[0] and "<b>žluť" not in pages[0]
    assert "ValueError" in pages[1] and "Traceback" in pages[1] and "\\udc80" in pages[1]
    assert "\\udc80" in pages[2]
    assert all('name="_save"' not in page and "deletelink" not in page for page in pages)
    assert admin.get("/admin/corral_tasks/job/add/").status_code == 403
    nodes = admin.get("/admin/corral_tasks/node/")
    assert nodes.status_code == 200 and nodes.context["cl"].result_count == 1
    store.close()


def test_claims_read_the_index_in_its_order(alias: str) -> None:
    """With thousands of other rows, a claim reads a few entries and sorts nothing."""
    now = datetime.now(UTC)
    rows = [
        Job(
            task_path="t",
            queue_name="default",
            backend_name="default",
            status="READY" if n % 2 else "SUCCESSFUL",
            priority=n % 5,
            enqueued_at=now,
            due_at=now - timedelta(seconds=n),
        )
        for n in range(4000)
    ]
    Job.objects.using(alias).bulk_create(rows)
    store = new_store(alias)
    store.open()
    dialect = store.dialect
    with store._connection.cursor() as cursor:
        if alias != "default":
            kind = "TABLE" if alias == "mariadb" else ""
            cursor.execute(f"ANALYZE {kind} corral_job")
        explain = "EXPLAIN QUERY PLAN" if alias == "default" else "EXPLAIN"
        cursor.execute(
            f"{explain} SELECT id FROM corral_job WHERE "
            f"{dialect.ready('%(queue)s', suspects=False)} "
            "ORDER BY priority DESC, due_at, id LIMIT 10",
            {**dialect.clock(), "queue": "default"},
        )
        plan = str(cursor.fetchall())
    assert "corral_job_ready" in plan
    assert "Sort" not in plan and "TEMP B-TREE" not in plan and "filesort" not in plan
    store.close()
