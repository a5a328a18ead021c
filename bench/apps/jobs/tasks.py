"""What every task system runs: nothing, and a word to whoever waits for its begin."""

import socket
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings


def _decorator() -> Callable[[Callable[..., Any]], Any]:
    if settings.SYSTEM == "celery":
        from bench.apps.jobs.celery_app import app

        return app.task
    if settings.SYSTEM == "procrastinate":
        from procrastinate.contrib.django import app

        return app.task
    from django.tasks import task

    return task


_task = _decorator()


@_task
def noop() -> None:
    pass


@_task
def stamp(port: int) -> None:
    """Tell the loopback port the time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(repr(time.time()).encode(), ("127.0.0.1", port))


@_task
def burn(milliseconds: int) -> None:
    """Keep a CPU busy."""
    until = time.thread_time() + milliseconds / 1000
    while time.thread_time() < until:
        pass
