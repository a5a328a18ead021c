"""What several tests need: stores as the keeper makes them, jobs as sites make them."""

from __future__ import annotations

import json
import os
import pickle
import socket
import uuid
from typing import Any

from django.db import connections

from corral.tasks.backend import DatabaseBackend
from corral.tasks.models import Job
from corral.tasks.store import Store, open_store
from corral.tasks.worker import store_config

LEASE_MS = 60_000


def backend(alias: str, **options: Any) -> DatabaseBackend:
    """A Corral backend whose jobs are in the database `alias`."""
    params = {"QUEUES": [], "OPTIONS": {"database": alias, **options}}
    return DatabaseBackend("default", params)


def new_store(
    alias: str,
    *,
    queues: list[str] | None = None,
    lease_ms: int = LEASE_MS,
    max_crashes: int = 2,
    incarnation: str | None = None,
    weights: dict[str, int] | None = None,
) -> Store:
    """A store of one more node, not open yet, from the very bytes a task worker would hand over."""
    config = store_config(alias, [backend(alias, max_crashes=max_crashes)], queues, weights)
    node = {
        "incarnation": incarnation or str(uuid.uuid4()),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "lease_ms": lease_ms,
    }
    return open_store(pickle.dumps(config), json.dumps(node))


def enqueue(alias: str, task: Any, *args: Any, **kwargs: Any) -> str:
    """A job in the database `alias`; returns its id."""
    return backend(alias).enqueue(task, args, kwargs).id


def row(alias: str, key: str) -> Job:
    """The row as it is now."""
    return Job.objects.using(alias).get(pk=key)


def execute(alias: str, sql: str, *parameters: Any) -> None:
    """A statement on the test's own connection, committed."""
    with connections[alias].cursor() as cursor:
        cursor.execute(sql, parameters)
