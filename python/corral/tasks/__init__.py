"""The task backend of Corral: a database table as the queue of ``django.tasks``.

Put ``"corral.tasks"`` into ``INSTALLED_APPS``, ``corral.tasks.DatabaseBackend`` into ``TASKS``, run
``manage.py migrate``, and ``corral serve`` runs what views enqueue.

The walk of a job: `backend` (enqueue) -> the table (`models`) -> `store` (claim, for the keeper) ->
`runner` (run, in a task worker) -> `store` (finish). `worker` wires the last three when a task
worker starts.

Importing this package loads neither Django nor the models: settings name the backend before the app
registry is ready, and the keeper's interpreter imports `corral.tasks.store` without any app.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from corral.exceptions import Discard, Retry

from .backoff import Exponential, Fixed, Linear

if TYPE_CHECKING:
    from .backend import DatabaseBackend
    from .batch import aenqueue_many, arguments, enqueue_many
    from .cancellation import Cancellation, acancel, cancel
    from .decorator import task
    from .queues import apause, aresume, pause, resume
    from .schedules import schedule

__all__ = [
    "Cancellation",
    "DatabaseBackend",
    "Discard",
    "Exponential",
    "Fixed",
    "Linear",
    "Retry",
    "acancel",
    "aenqueue_many",
    "apause",
    "aresume",
    "arguments",
    "cancel",
    "enqueue_many",
    "pause",
    "resume",
    "schedule",
    "task",
]

# What needs Django, and the module that has it: loaded when it is first asked for.
_LAZY = {
    "Cancellation": "cancellation",
    "DatabaseBackend": "backend",
    "acancel": "cancellation",
    "aenqueue_many": "batch",
    "apause": "queues",
    "aresume": "queues",
    "arguments": "batch",
    "cancel": "cancellation",
    "enqueue_many": "batch",
    "pause": "queues",
    "resume": "queues",
    "schedule": "schedules",
    "task": "decorator",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
