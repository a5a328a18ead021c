"""Tasks that ask for something."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from corral.tasks import Discard, Exponential, Retry, task

calls: list[tuple[Any, ...]] = []


class Nearly(ConnectionError):
    """For retry_on."""


def raised(kind: str) -> BaseException:
    """An exception by name."""
    return {
        "OSError": OSError("away"),
        "Nearly": Nearly("nearly"),
        "ValueError": ValueError("wrong"),
        "SystemExit": SystemExit(1),
        "Discard": Discard("of no use"),
        "Retry": Retry("not yet"),
        "Retry after": Retry("not yet", after=7),
        "Retry later": Retry(after=timedelta(minutes=2)),
    }[kind]


@task(max_attempts=3, backoff=10)
def three_times(kind: str) -> None:
    """Fixed pauses."""
    raise raised(kind)


@task(takes_context=True, max_attempts=4, backoff=0)
def third_time(context: Any) -> list[int]:
    """Good on its third attempt."""
    calls.append((context.attempt, context.max_attempts, len(context.task_result.errors)))
    if context.attempt < 3:
        raise OSError(f"attempt {context.attempt}")
    return [context.attempt, context.max_attempts]


@task(max_attempts=9, backoff=0, retry_on=(OSError, KeyError), no_retry_on=Nearly)
def choosy(kind: str) -> None:
    """By classes."""
    raise raised(kind)


@task(
    max_attempts=9, backoff=0, retry_on="OSError", no_retry_on=("tasks_site.policy_tasks.Nearly",)
)
def choosy_by_name(kind: str) -> None:
    """By names."""
    raise raised(kind)


@task(max_attempts=9, backoff=0, retry_on=("no.such.Error", "OSError"))
def misspelt(kind: str) -> None:
    """One name leads nowhere."""
    raise raised(kind)


def pauses(attempt: int, error: BaseException) -> Any:
    """A backoff of the site's own."""
    calls.append((attempt, type(error).__name__))
    if attempt == 2:
        raise RuntimeError("no idea")
    return {1: 30, 3: -1, 4: "soon", 5: float("nan"), 6: timedelta(seconds=90), 7: None}[attempt]


@task(max_attempts=100, backoff=pauses)
def own_backoff() -> None:
    """Asks `pauses`."""
    raise OSError("away")


@task(max_attempts=100, backoff=Exponential(2, factor=3, max=500, jitter=0.5))
def growing() -> None:
    """With jitter."""
    raise OSError("away")


@task(max_attempts=2, timeout=5, retention=60, isolation="interpreter", at_most_once=False)
def asks_for_all() -> None:
    """Everything at once."""


@task(at_most_once=True, timeout=None)
def once(kind: str) -> None:
    """Not repeated."""
    raise raised(kind)


@task(max_attempts=2, backoff=3, timeout=5)
def limited(kind: str) -> str:
    """Has a time limit."""
    if kind:
        raise raised(kind)
    return "in time"


@task(max_attempts=1000, backoff=0)
def endless() -> None:
    """Fails with a long traceback."""
    raise OSError("x" * 1000)
