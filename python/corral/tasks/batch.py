"""Many jobs of one task at once: one statement instead of one a job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from asgiref.sync import sync_to_async
from django.tasks import Task, TaskResult
from django.tasks.signals import task_enqueued

if TYPE_CHECKING:
    from .backend import DatabaseBackend


class Arguments(NamedTuple):
    """The arguments of one call; made by `arguments`."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


def arguments(*args: Any, **kwargs: Any) -> Arguments:
    """The arguments of one call, for `enqueue_many`."""
    return Arguments(args, kwargs)


Call = Arguments | tuple[Any, ...] | Mapping[str, Any]


def enqueue_many(task: Task, calls: Iterable[Call]) -> list[TaskResult]:
    """Enqueue `task` once for each of `calls`; the results are in their order.

    A call is a tuple of positional arguments, a mapping of keyword arguments, or
    `arguments(*args, **kwargs)`. All jobs are enqueued or, where this raises, none: InvalidTask for
    the task, TypeError or ValueError with the position of a call that is none or that JSON cannot
    hold, and the database's errors. As with `Task.enqueue` the rows belong to the caller's
    transaction.
    """
    return enqueue_calls(_backend_of(task), task, calls)


def enqueue_calls(backend: DatabaseBackend, task: Task, calls: Iterable[Call]) -> list[TaskResult]:
    """The same for a given backend."""
    backend.validate_task(task)
    results = [_result(backend, task, number, call) for number, call in enumerate(calls)]
    standing = backend.insert(results) if results else []
    for new, result in zip(results, standing, strict=True):
        if result is new:
            task_enqueued.send(type(backend), task_result=result)
    return list(standing)


async def aenqueue_many(task: Task, calls: Iterable[Call]) -> list[TaskResult]:
    """`enqueue_many` for asynchronous code; receivers are called on a thread."""
    return await sync_to_async(enqueue_many)(task, calls)


def _backend_of(task: Task) -> DatabaseBackend:
    from .backend import DatabaseBackend

    backend = task.get_backend()
    if isinstance(backend, DatabaseBackend):
        return backend
    kind = type(backend)
    raise TypeError(
        "enqueue_many() needs a task of corral.tasks.DatabaseBackend; "
        f"{task.module_path} is one of {kind.__module__}.{kind.__qualname__}"
    )


def _result(backend: DatabaseBackend, task: Task, number: int, call: Call) -> TaskResult:
    args, kwargs = _arguments(number, call)
    try:
        return backend.new_result(task, args, kwargs)
    except (TypeError, ValueError) as error:
        raise type(error)(f"call {number}: {error}") from error


def _arguments(number: int, call: Call) -> Arguments:
    if isinstance(call, Arguments):
        return call
    if isinstance(call, tuple):
        return Arguments(call, {})
    if isinstance(call, Mapping):
        return Arguments((), call)
    raise TypeError(
        f"call {number} is {call!r}; allowed: a tuple of positional arguments, a dict of keyword "
        "arguments, corral.tasks.arguments(...)"
    )
