"""`corral tasks adopt`: takes the waiting tasks over from django-tasks-db's table.

A task keeps its id, so a result that a page already holds is found in its new place. Each batch is
written before it is removed from the old table: in one transaction where both tables are in one
database; else a break between the two leaves rows that the next run finds to be here already.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from datetime import MAXYEAR
from typing import TYPE_CHECKING, Any

from .base import Command, corral_backend, refuse

if TYPE_CHECKING:
    from django.db.models import Model

    from corral.tasks.backend import DatabaseBackend

TABLE = "django_tasks_database_dbtaskresult"
BATCH = 500


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from-database", metavar="ALIAS", default="default",
        help="the alias in DATABASES that holds the old table [default: default]",
    )  # fmt: skip
    parser.add_argument(
        "--backend", metavar="ALIAS",
        help="the backend in TASKS that the tasks go to [default: the only one of Corral's]",
    )  # fmt: skip
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and change nothing"
    )


def _run(options: argparse.Namespace) -> int:
    backend = corral_backend(options.backend)
    old = _old_model(options.from_database)
    rows = old.objects.using(options.from_database)
    _print_left(Counter(rows.exclude(status="READY").values_list("status", flat=True)))
    waiting = rows.filter(status="READY")
    _require_queues(
        backend, set(waiting.order_by().values_list("queue_name", flat=True).distinct())
    )
    if options.dry_run:
        print(f"{waiting.count()} waiting tasks would be adopted by TASKS[{backend.alias!r}]")
        return 0
    count = 0
    while moved := _move_batch(old, options.from_database, backend):
        count += moved
        print(f"{count} tasks adopted", flush=True)
    print(f"done: {count} waiting tasks adopted by TASKS[{backend.alias!r}]")
    return 0


def _old_model(database: str) -> type[Model]:
    """django-tasks-db's model, also where its app has left the settings already."""
    from django.apps.registry import Apps
    from django.db import connections, models

    if database not in connections:
        refuse(
            f"--from-database: {database!r} is not in DATABASES; "
            f"allowed: {', '.join(map(repr, connections))}"
        )
    if TABLE not in connections[database].introspection.table_names():
        refuse(
            f"the database {database!r} has no table {TABLE} of django-tasks-db: nothing to adopt"
        )

    class OldTask(models.Model):
        id = models.UUIDField(primary_key=True)
        status = models.CharField(max_length=10)
        enqueued_at = models.DateTimeField()
        args_kwargs = models.JSONField()
        priority = models.IntegerField()
        task_path = models.TextField()
        queue_name = models.CharField(max_length=32)
        run_after = models.DateTimeField()

        class Meta:
            app_label = "corral_adopt"
            apps = Apps()
            managed = False
            db_table = TABLE

    return OldTask


def _print_left(counts: Counter[str]) -> None:
    running = counts.pop("RUNNING", 0)
    if running:
        print(
            f"{running} tasks are RUNNING there and stay: stop the old workers, and run this again"
        )
    if ended := counts.total():
        print(f"{ended} ended tasks stay there")


def _require_queues(backend: DatabaseBackend, names: set[str]) -> None:
    unknown = sorted(names - backend.queues) if backend.queues else []
    if unknown:
        refuse(
            f"tasks wait in {', '.join(map(repr, unknown))}, which TASKS[{backend.alias!r}] does "
            "not declare, so nobody would run them: add them to its QUEUES (or set QUEUES to [])"
        )


def _move_batch(old: type[Model], source: str, backend: DatabaseBackend) -> int:
    from django.db import connections, transaction

    from corral.tasks.models import Job

    target = backend.database()
    features = connections[source].features
    with transaction.atomic(using=source), transaction.atomic(using=target):
        waiting = old.objects.using(source).filter(status="READY")
        if features.has_select_for_update_skip_locked:
            waiting = waiting.select_for_update(skip_locked=True)  # an old worker may have the rest
        rows = list(waiting.order_by("enqueued_at", "id")[:BATCH])
        jobs = [_job(row, backend) for row in rows]
        here = Job.objects.using(target).filter(pk__in=[job.pk for job in jobs])
        known = set(here.values_list("pk", flat=True))
        Job.objects.using(target).bulk_create(job for job in jobs if job.pk not in known)
        if source == target:
            _remove(old, source, rows)
    if source != target:
        _remove(old, source, rows)
    backend.wake_on_commit()
    return len(rows)


def _remove(old: type[Model], source: str, rows: Sequence[Any]) -> None:
    old.objects.using(source).filter(pk__in=[row.pk for row in rows], status="READY").delete()


def _job(row: Any, backend: DatabaseBackend) -> Any:
    from corral.tasks.models import Job

    # A task that is not deferred has the largest date there.
    run_after = None if row.run_after.year >= MAXYEAR - 1 else row.run_after
    return Job(
        id=row.id,
        task_path=row.task_path,
        queue_name=row.queue_name,
        backend_name=backend.alias,
        priority=row.priority,
        args=row.args_kwargs["args"],
        kwargs=row.args_kwargs["kwargs"],
        run_after=run_after,
        enqueued_at=row.enqueued_at,
        due_at=run_after or row.enqueued_at,
    )


COMMAND = Command(
    "adopt", "take the waiting tasks over from django-tasks-db's table", _add_arguments, _run
)
