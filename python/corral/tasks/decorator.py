"""`corral.tasks.task`: Django's decorator, and what a task can ask for on top of it.

On Django 6.1 `django.tasks.task` takes the same keywords where the task's backend is Corral's; on
6.0 only this one does.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.tasks import Task
from django.tasks.base import (
    DEFAULT_TASK_BACKEND_ALIAS,
    DEFAULT_TASK_PRIORITY,
    DEFAULT_TASK_QUEUE_NAME,
)
from django.tasks.exceptions import InvalidTask
from django.utils.module_loading import import_string

from corral.exceptions import ConfigurationError

from .policy import NAMES, NOTHING, Policy, make, problems, resolve, stored
from .unique import unknown_names

_SCHEDULE_NAMES = ("cron", "tz", "missed")
_DJANGO_NAMES = tuple(field.name for field in dataclasses.fields(Task))


@dataclass(frozen=True, slots=True, kw_only=True, init=False)
class PolicyTask(Task):
    """A Django task that also knows what it asks for.

    `policy` is what the decorator says, `overrides` what `using()` added. With another backend than
    Corral's both are without effect.
    """

    policy: Policy = NOTHING
    overrides: Policy = NOTHING

    def __init__(
        self, *, policy: Policy = NOTHING, overrides: Policy = NOTHING, **given: Any
    ) -> None:
        asked = {name: given.pop(name) for name in NAMES if name in given}
        timing = {name: given.pop(name) for name in _SCHEDULE_NAMES if name in given}
        subject = _subject(given.get("func"))
        _require_known(subject, given, (*_DJANGO_NAMES, *NAMES, *_SCHEDULE_NAMES))
        object.__setattr__(self, "policy", _with(policy, asked, subject))
        object.__setattr__(self, "overrides", overrides)
        Task.__init__(self, **given)  # which validates
        _require_parameters(self, self.policy)
        if timing:
            _declare(self, timing)

    def using(self, **changes: Any) -> PolicyTask:
        """As Django's, and with the names of the policy.

        Raises InvalidTask for values that are not allowed, TypeError for unknown names.
        """
        subject = _subject(self.func)
        asked = {name: changes.pop(name) for name in NAMES if name in changes}
        usable = ("priority", "queue_name", "run_after", "backend")
        _require_known(subject, changes, (*usable, *NAMES))
        if asked:
            overrides = _with(self.overrides, asked, subject)
            _require_parameters(self, overrides)
            try:
                stored(overrides)
            except ValueError as error:
                raise InvalidTask(f"{subject}: {error}") from None
            changes["overrides"] = overrides
        return dataclasses.replace(
            self, **{name: value for name, value in changes.items() if value is not None}
        )

    def resolved(self, defaults: Policy = NOTHING) -> Policy:
        """What counts for a job of this task where OPTIONS say `defaults`."""
        return resolve(self.overrides, self.policy, defaults)

    def __reduce__(self) -> Any:
        # The function, the policy and the callables in it come from the code.
        changes = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("func", "policy")
        }
        return _reconstruct, (self.module_path, changes)


def _declare(task: PolicyTask, timing: dict[str, Any]) -> None:
    """The schedule that stands on the decorator."""
    if "cron" not in timing:
        names = " and ".join(timing)
        raise ConfigurationError(f"{_subject(task.func)}: {names} without cron; give cron as well")
    from .schedules import schedule

    schedule(task, **timing)


def _reconstruct(path: str, changes: dict[str, Any]) -> PolicyTask:
    try:
        known = import_string(path)
        return dataclasses.replace(known, **changes)
    except (ImportError, TypeError) as error:
        raise ValueError(f"Expected {path!r} to point to a Task instance.") from error


def task(
    function: Callable[..., Any] | None = None,
    *,
    priority: int = DEFAULT_TASK_PRIORITY,
    queue_name: str = DEFAULT_TASK_QUEUE_NAME,
    backend: str = DEFAULT_TASK_BACKEND_ALIAS,
    takes_context: bool = False,
    **policy: Any,
) -> Any:
    """Makes a task of a function, as `django.tasks.task` does.

    `policy`: max_attempts, backoff, retry_on, no_retry_on, timeout, at_most_once, retention,
    isolation, unique, unique_by; docs/tasks.md says what each means. cron, tz, missed: its
    schedule, without
    arguments; docs/schedules.md. Raises InvalidTask for a value that is not
    allowed, TypeError for an unknown name.
    """
    if "run_after" in policy:
        raise TypeError(
            "run_after cannot be defined statically with the @task decorator. "
            "Use .using(run_after=...) to set it dynamically."
        )

    def wrap(func: Callable[..., Any]) -> PolicyTask:
        return PolicyTask(
            func=func,
            priority=priority,
            queue_name=queue_name,
            backend=backend,
            takes_context=takes_context,
            **policy,
        )

    return wrap if function is None else wrap(function)


def _require_parameters(task: PolicyTask, asked: Policy) -> None:
    if isinstance(asked.unique_by, tuple) and (unknown := unknown_names(task, asked.unique_by)):
        raise InvalidTask(
            f"{_subject(task.func)}: unique_by is {asked.unique_by!r}, but the task has no "
            f"parameter {unknown[0]!r}; allowed: names of its parameters"
        )


def _subject(func: Any) -> str:
    return f"task {getattr(func, '__module__', '?')}.{getattr(func, '__qualname__', func)}"


def _require_known(subject: str, given: dict[str, Any], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise TypeError(f"{subject} has no option {name!r}{hint}")


def _with(level: Policy, asked: dict[str, Any], subject: str) -> Policy:
    for problem in problems(asked):
        error = ConfigurationError if problem.startswith("isolation is 'process'") else InvalidTask
        raise error(f"{subject}: {problem}")
    more = make(asked)
    return dataclasses.replace(level, **{name: getattr(more, name) for name in asked})
