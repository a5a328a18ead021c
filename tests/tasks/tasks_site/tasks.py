"""Tasks of every kind: good, slow to believe, and hostile."""

from __future__ import annotations

import contextvars
from typing import Any

from django.db import connection, transaction
from django.tasks import task
from django.utils import translation

seen = contextvars.ContextVar("seen", default="nothing")


@task
def add(a: int, b: int = 1) -> int:
    """The plain one."""
    return a + b


@task
def echo(*args: Any, **kwargs: Any) -> Any:
    """Returns what it was given."""
    return {"args": args, "kwargs": kwargs}


@task
def countdown(number: int) -> None:
    """Enqueues the next one, until zero."""
    if number:
        countdown.enqueue(number - 1)


@task
def write_group(name: str) -> None:
    """A row of the site's own."""
    from django.contrib.auth.models import Group

    with transaction.atomic():
        Group.objects.create(name=name)


@task(takes_context=True)
def who(context: Any) -> dict[str, Any]:
    """What a task sees of itself."""
    result = context.task_result
    return {
        "id": result.id,
        "attempt": context.attempt,
        "status": result.status,
        "workers": result.worker_ids,
        "started": result.started_at is not None,
    }


@task
async def add_async(a: int, b: int) -> int:
    """A coroutine."""
    return a + b


@task
async def fail_async(kind: str) -> None:
    """A coroutine that raises."""
    raise failures(kind)


@task
def fail(kind: str) -> None:
    """Raises what `kind` names."""
    raise failures(kind)


@task(priority=7, queue_name="mail")
def send_mail(to: str) -> str:
    """Has defaults of its own."""
    return to


def failures(kind: str) -> BaseException:
    """An exception by name."""
    if kind == "group":
        return ExceptionGroup("several", [ValueError("one"), KeyError("two")])
    if kind == "unprintable":
        return Unprintable()
    return {
        "ValueError": ValueError("the \x00 value \udc80 is bad"),
        "SystemExit": SystemExit(3),
        "KeyboardInterrupt": KeyboardInterrupt(),
        "GeneratorExit": GeneratorExit(),
        "MemoryError": MemoryError(),
        "StopIteration": StopIteration("early"),
    }[kind]


class Unprintable(Exception):
    """Its text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@task
def recurse() -> None:
    """Deeper than Python goes."""
    recurse.func()


@task
def give(kind: str) -> Any:
    """Returns what `kind` names."""
    circle: list[Any] = []
    circle.append(circle)
    return {
        "object": object(),
        "set": {1, 2},
        "bytes": b"\xff\xfe",
        "text bytes": "é".encode(),
        "nan": float("nan"),
        "huge": 10**5000,
        "circle": circle,
        "nul": "a\x00b",
        "surrogate": "\udc80",
        "none": None,
        "tuple": (1, (2, 3)),
    }[kind]


@task
def leave_atomic() -> None:
    """Enters a transaction and never leaves it."""
    transaction.atomic().__enter__()
    connection.cursor().execute("DELETE FROM corral_node")


@task
def leave_autocommit_off() -> None:
    """Turns autocommit off."""
    transaction.set_autocommit(False)
    connection.cursor().execute("DELETE FROM corral_node")


@task
def leave_raw_begin() -> None:
    """Begins a transaction that Django does not know of."""
    connection.cursor().execute("BEGIN")
    connection.cursor().execute("DELETE FROM corral_node")


@task
def leave_context() -> list[str]:
    """Changes what belongs to the context; returns how it found it."""
    found = [seen.get(), translation.get_language()]
    seen.set("something")
    translation.activate("de")
    return found


def plain() -> None:
    """Not a task."""
