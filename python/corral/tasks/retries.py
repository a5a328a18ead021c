"""What becomes of a failed attempt: another one, and when, or the end of the job."""

from __future__ import annotations

import contextlib
import functools
import logging
from random import Random

from django.utils.module_loading import import_string

from corral.exceptions import Discard, Retry, TaskCancelled

from . import backoff as backoffs
from .policy import ExceptionNames, Policy

logger = logging.getLogger("corral.tasks")


def pause(
    policy: Policy, attempt: int, error: BaseException, random: Random, *, job: str
) -> float | None:
    """Seconds until the next attempt of a job whose attempt number `attempt` raised `error`.

    None: there is none. `policy` is a resolved one.
    """
    if isinstance(error, (Discard, TaskCancelled)):
        return None
    if attempt >= policy.max_attempts:  # type: ignore[operator]
        return None
    if isinstance(error, Retry):
        if error.after is not None:
            return error.after
    elif not _is_retried(policy, error):
        return None
    return _backoff(policy, attempt, error, random, job)


def _is_retried(policy: Policy, error: BaseException) -> bool:
    if isinstance(error, _classes(policy.no_retry_on)):  # type: ignore[arg-type]
        return False
    return isinstance(error, _classes(policy.retry_on))  # type: ignore[arg-type]


@functools.lru_cache(maxsize=512)
def _classes(names: ExceptionNames) -> tuple[type[BaseException], ...]:
    return tuple(kind for name in names if (kind := _class(name)) is not None)


def _class(name: type[BaseException] | str) -> type[BaseException] | None:
    """The class that `name` is or names; None, logged once, where there is none."""
    if not isinstance(name, str):
        return name
    found = None
    with contextlib.suppress(Exception):
        found = import_string(name if "." in name else f"builtins.{name}")
    if isinstance(found, type) and issubclass(found, BaseException):
        return found
    logger.error(
        "CORRAL-565 retry_on or no_retry_on names %r, which is no exception that can be imported; "
        "it is left out",
        name,
    )
    return None


def _backoff(policy: Policy, attempt: int, error: BaseException, random: Random, job: str) -> float:
    backoff: backoffs.Backoff = policy.backoff  # type: ignore[assignment]
    try:
        return backoffs.pause(backoff, attempt, error, random)
    except BaseException as wrong:
        fallback = backoffs.pause(backoffs.DEFAULT, attempt, error, random)
        logger.error(
            "CORRAL-566 the backoff %r of job %s failed: %r; the default is used, %.1f s",
            backoff,
            job,
            wrong,
            fallback,
        )
        return fallback
