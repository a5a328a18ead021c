"""From what the table holds back to Django's objects: tasks and results."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.tasks import Task, TaskResultStatus
from django.tasks.base import TaskError
from django.tasks.exceptions import InvalidTask
from django.utils.module_loading import import_string

from . import policy
from .decorator import PolicyTask
from .results import Result

if TYPE_CHECKING:
    from .models import Job


def find_task(path: str) -> Task:
    """The task that `path` names.

    Raises whatever importing its module raises, ImportError where the name is not in it, and
    InvalidTask where it names something else than a task.
    """
    found = import_string(path)
    if not isinstance(found, Task):
        raise InvalidTask(
            f"{path!r} is not a task but {type(found).__name__!r}: "
            "is the @task decorator missing, or was the name taken by something else?"
        )
    return found


def with_options(
    task: Task,
    *,
    backend: str,
    priority: int,
    queue_name: str,
    run_after: datetime | None,
    options: dict[str, Any],
) -> Task:
    """`task` as it was enqueued.

    Not `task.using()`: that would refuse a job whose queue has left the settings since, and costs
    more.
    """
    changes: dict[str, Any] = {
        "backend": backend,
        "priority": priority,
        "queue_name": queue_name,
        "run_after": run_after,
    }
    if isinstance(task, PolicyTask):
        changes["overrides"] = policy.from_stored(options)
    if all(getattr(task, name) == value for name, value in changes.items()):
        return task
    clone = object.__new__(type(task))
    for field in dataclasses.fields(task):
        value = changes[field.name] if field.name in changes else getattr(task, field.name)
        object.__setattr__(clone, field.name, value)
    return clone


def task_errors(entries: list[dict[str, Any]]) -> list[TaskError]:
    """Stored error entries as Django's."""
    return [
        TaskError(exception_class_path=entry["exception_class_path"], traceback=entry["traceback"])
        for entry in entries
    ]


def task_result(job: Job) -> Result:
    """A row as Django's result; raises InvalidTask when the site has no such task any more."""
    try:
        task = find_task(job.task_path)
    except ImportError as error:
        raise InvalidTask(
            f"job {job.id} belongs to the task {job.task_path!r}, which cannot be imported: {error}"
        ) from error
    result = Result(
        task=with_options(
            task,
            backend=job.backend_name,
            priority=job.priority,
            queue_name=job.queue_name,
            run_after=job.run_after,
            options=job.options,
        ),
        id=str(job.id),
        status=TaskResultStatus[job.status],
        enqueued_at=job.enqueued_at,
        started_at=job.started_at,
        last_attempted_at=job.last_attempted_at,
        finished_at=job.finished_at,
        args=job.args,
        kwargs=job.kwargs,
        backend=job.backend_name,
        errors=task_errors(job.errors),
        worker_ids=job.worker_ids,
    )
    object.__setattr__(result, "_return_value", job.return_value)
    return result
