"""`task_started` and `task_finished`, to whoever listens.

Most sites have no receivers but Django's own, which writes a line of level INFO to the log
``django.tasks``; where nobody wants that either, sending would be a third of a short job's time.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any

from django.dispatch import Signal
from django.tasks import TaskResult
from django.tasks import signals as django_signals

logger = logging.getLogger("corral.tasks")
_django_logger = logging.getLogger("django.tasks")


def started(sender: type, result: TaskResult) -> None:
    """An attempt begins."""
    if is_heard(django_signals.task_started, django_signals.log_task_started):
        _send(django_signals.task_started, sender, result)


def succeeded(sender: type, result: TaskResult) -> bool:
    """The job has ended well; returns whether anybody was told."""
    heard = is_heard(django_signals.task_finished, django_signals.log_task_finished)
    if heard:
        _send(django_signals.task_finished, sender, result)
    return heard


def failed(sender: type, result: TaskResult) -> None:
    """The job has ended badly. Called inside the handler: Django's receiver logs the traceback."""
    _send(django_signals.task_finished, sender, result)


def is_heard(signal: Signal, django_own: Callable[..., None]) -> bool:
    """Whether anybody but Django's own receiver listens, or that would write its line."""
    receivers: list[Any] = signal.receivers
    if not receivers:
        return False
    if len(receivers) > 1 or receivers[0][0][0] != id(django_own):
        return True
    return _django_logger.isEnabledFor(logging.INFO)


def _send(signal: Signal, sender: type, result: TaskResult) -> None:
    """Tell the receivers; one that raises is logged and loses neither job nor thread."""
    try:
        signal.send_robust(sender, task_result=result)
    except BaseException as error:
        with contextlib.suppress(BaseException):
            logger.error(
                "CORRAL-560 a receiver of a task signal raised %r; job %s goes on without it",
                error,
                result.id,
                exc_info=error,
            )
