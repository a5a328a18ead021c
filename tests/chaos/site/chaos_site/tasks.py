"""Tasks that behave, and tasks that do not. Each returns the token of its run."""

import ctypes
import os
import select
import time
from typing import Any

from django.tasks import task

from chaos_site import notes


@task(takes_context=True)
def quick(context: Any) -> str:
    """As quick as a noted task can be."""
    with notes.run(context) as token:
        return token


@task(takes_context=True)
def slow(context: Any, seconds: float) -> str:
    """Waits."""
    with notes.run(context) as token:
        select.select((), (), (), seconds)  # libfaketime breaks time.sleep()
        return token


@task(takes_context=True)
def fail(context: Any) -> None:
    """Fails as tasks do."""
    with notes.run(context):
        raise ValueError("as it should")


@task(takes_context=True)
def spin(context: Any, seconds: float) -> str:
    """Loops in Python."""
    with notes.run(context) as token:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
        return token


@task(takes_context=True)
def swallow(context: Any, seconds: float) -> str:
    """Loops in Python and takes no exception for an answer."""
    with notes.run(context) as token:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                sum(range(1000))
            except BaseException:  # what is to be swallowed
                continue
        return token


@task(takes_context=True)
def hold(context: Any, seconds: float) -> str:
    """One call into C that keeps the interpreter's lock."""
    with notes.run(context) as token:
        ctypes.PyDLL(None).usleep(int(seconds * 1_000_000))
        return token


@task(takes_context=True)
def poison(context: Any, how: str) -> str:
    """Kills its process, each time it runs."""
    with notes.run(context) as token:
        _die(how)
        return token


@task(takes_context=True)
def stumble(context: Any, how: str) -> str:
    """Kills its process the first time it runs."""
    with notes.run(context) as token:
        if len(context.task_result.worker_ids) == 1:
            _die(how)
        return token


def _die(how: str) -> None:
    notes.note("dies", process=notes.process(), how=how)
    if how == "exit":
        os._exit(7)
    ctypes.string_at(0)
