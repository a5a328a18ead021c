"""Whether a schedule could run; one line for each thing that is wrong with it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.tasks import Task
from django.tasks.exceptions import InvalidTask, InvalidTaskBackend
from django.utils.json import normalize_json

from . import cron, lookup

if TYPE_CHECKING:
    from .schedule_model import Schedule


def problems(schedule: Schedule) -> Iterator[tuple[str, str]]:
    """(field, line) for each field of `schedule` that is wrong."""
    if line := timing_problem(schedule.cron, schedule.tz):
        yield ("tz" if line.startswith("tz ") else "cron"), line
    try:
        task = lookup.find_task(schedule.task_path)
    except (Exception, SystemExit) as error:
        yield "task_path", f"the task cannot be imported: {error}"
        return
    try:
        find_backend(schedule.backend_name)
    except InvalidTask as error:
        yield "backend_name", str(error)
        return
    try:
        task.using(
            backend=schedule.backend_name,
            queue_name=schedule.queue_name,
            priority=schedule.priority,
        )
    except InvalidTask as error:
        yield "queue_name", str(error)
    if line := argument_problem(task, schedule.args, schedule.kwargs):
        yield "args", line


def timing_problem(expression: str, tz: str) -> str | None:
    """The line about `expression` or `tz`, or None."""
    try:
        cron.find_zone(tz)
        cron.parse(expression, tz)
    except ValueError as error:
        return str(error)
    return None


def argument_problem(task: Task, args: Any, kwargs: Any) -> str | None:
    """The line about arguments that JSON cannot hold or the task does not take, or None."""
    if not isinstance(args, (list, tuple)) or not isinstance(kwargs, dict):
        return "arguments are a list, keyword arguments are a dictionary"
    try:
        normalize_json([list(args), kwargs])
        parameters = inspect.signature(task.func)
        context = [None] if task.takes_context else []
        parameters.bind(*context, *args, **kwargs)
    except (TypeError, ValueError) as error:
        return f"the arguments do not fit the task: {error}"
    return None


def find_backend(alias: str) -> Any:
    """The Corral backend `alias`; raises InvalidTask where it is none."""
    from django.tasks import task_backends

    from .backend import DatabaseBackend

    try:
        backend = task_backends[alias]
    except InvalidTaskBackend as error:
        raise InvalidTask(str(error)) from None
    if not isinstance(backend, DatabaseBackend):
        raise InvalidTask(f"TASKS[{alias!r}] is not corral.tasks.DatabaseBackend")
    return backend
