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

from typing import TYPE_CHECKING, Any

from corral.exceptions import Discard, Retry

from .backoff import Exponential, Fixed, Linear

if TYPE_CHECKING:
    from .backend import DatabaseBackend
    from .decorator import task

__all__ = ["DatabaseBackend", "Discard", "Exponential", "Fixed", "Linear", "Retry", "task"]


def __getattr__(name: str) -> Any:
    if name == "DatabaseBackend":
        from .backend import DatabaseBackend

        return DatabaseBackend
    if name == "task":
        from .decorator import task

        return task
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
