"""Schedules in code: `schedule(task, cron=...)` beside the task, and where they are gathered.

A declaration is checked when its module is imported. A node that starts brings the table in line
with them (`schedule_rows.synchronise`); from then on the rows decide.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from django.tasks import Task
from django.utils.json import normalize_json

from corral.exceptions import ConfigurationError

from . import policy, schedule_checks
from .backend import DatabaseBackend
from .decorator import PolicyTask

logger = logging.getLogger("corral.tasks")

MISSED = ("skip", "once", "all")
NAME_CHARS_MAX = 200

# What the modules of this interpreter declare; a module that is imported again says the same again.
_declared: dict[str, Declaration] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A schedule as the code has it."""

    name: str
    task: Task
    cron: str
    tz: str
    missed: str
    args: list[Any]
    kwargs: dict[str, Any]

    def columns(self) -> dict[str, Any]:
        """What the row has of it."""
        return {
            "task_path": self.task.module_path,
            "backend_name": self.task.backend,
            "queue_name": self.task.queue_name,
            "priority": int(self.task.priority),
            "options": policy.stored(self.task.overrides)
            if isinstance(self.task, PolicyTask)
            else {},
            "args": self.args,
            "kwargs": self.kwargs,
            "cron": self.cron,
            "tz": self.tz,
            "missed": self.missed,
        }


def schedule(
    task: Task,
    *,
    cron: str,
    tz: str | None = None,
    args: Iterable[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    missed: str = "once",
    name: str | None = None,
) -> None:
    """Enqueue `task` with `args` and `kwargs` at every tick of `cron`.

    `cron`: five fields (minute, hour, day of month, month, day of week) or @hourly, @daily, ...
    `tz`: the IANA zone whose wall clock `cron` means; by default TIME_ZONE of the settings.
    `missed`: what becomes of ticks that came while nothing ran: "skip" forgets them, "once"
    enqueues one job for all of them, "all" enqueues each, up to the last 100.
    `name`: unique in the site; by default the task's path, so several schedules of one task need
    names. The job's `run_after` is the time of its tick.

    Raises corral.exceptions.ConfigurationError with one line that names the task, the value and
    what is allowed.
    """
    path = task.module_path
    made = Declaration(
        name=path if name is None else name,
        task=task,
        cron=cron,
        tz=tz if tz is not None else settings.TIME_ZONE or "UTC",
        missed=missed,
        args=list(args),
        kwargs=dict(kwargs or {}),
    )
    if line := _problem(made):
        raise ConfigurationError(f"the schedule of task {path}: {line}")
    _declared[made.name] = made


def declared() -> dict[str, Declaration]:
    """The schedules of this interpreter that Corral runs, by name.

    Not those of tasks that another backend runs: a site's tests may well replace the backend.
    """
    return {
        name: one
        for name, one in _declared.items()
        if isinstance(one.task.get_backend(), DatabaseBackend)
    }


def discover() -> tuple[str, ...]:
    """Import the module `tasks` of every installed app; returns the apps where that failed.

    A wrong schedule is the operator's mistake and raises. Any other failure is that module's own:
    an app may have tasks for another queue whose package is not installed here.
    """
    broken = []
    for app in apps.get_app_configs():
        name = f"{app.name}.tasks"
        if not hasattr(app.module, "__path__"):
            continue  # a module by itself
        try:
            if importlib.util.find_spec(name) is not None:
                importlib.import_module(name)
        except ConfigurationError:
            raise
        except (Exception, SystemExit) as error:
            broken.append(app.name)
            logger.warning(
                "CORRAL-571 the module %s could not be imported: %s: %s; schedules declared in it "
                "stay as their rows say",
                name,
                type(error).__name__,
                error,
            )
    return tuple(broken)


def _problem(made: Declaration) -> str | None:
    if not isinstance(made.name, str) or not 1 <= len(made.name) <= NAME_CHARS_MAX:
        return f"name {made.name!r} needs 1..{NAME_CHARS_MAX} characters: give it one with name="
    if made.missed not in MISSED:
        return f"missed {made.missed!r} is unknown; allowed are {', '.join(MISSED)}"
    if line := schedule_checks.timing_problem(made.cron, made.tz):
        return line
    if line := schedule_checks.argument_problem(made.task, made.args, made.kwargs):
        return line
    before = _declared.get(made.name)
    if before is not None and _definition(before) != _definition(made):
        return (
            f"the name {made.name!r} is taken by {before.cron!r} of {before.task.module_path}: "
            "give one of them another with name="
        )
    return None


def _definition(one: Declaration) -> Any:
    return normalize_json(one.columns())
