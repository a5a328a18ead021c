"""The other end of a task system: enqueues and counts, as a program of its own.

    python -m bench.apps.jobs.client

Reads a command a line (`migrate`, `enqueue COUNT`, `enqueue_many COUNT`, `burn COUNT MS`,
`finished`, `latency COUNT`), answers each with a line of JSON.
"""

import json
import os
import random
import socket
import sys
import time
from typing import Any

# Between two jobs whose latency is measured: the system is idle again, and who looks only now and
# then does not always look at the same moment.
PAUSE_SECONDS = (0.02, 1.02)
PATIENCE_SECONDS = 10.0
NAMES = {"stamp": ("port",), "burn": ("milliseconds",)}  # of the tasks' arguments


def enqueue(name: str, *args: Any) -> float:
    """Enqueue one job of `tasks`; returns the time before the call."""
    from django.conf import settings

    from bench.apps.jobs import tasks

    task = getattr(tasks, name)
    began = time.time()
    if settings.SYSTEM == "celery":
        task.delay(*args)
    elif settings.SYSTEM == "procrastinate":
        task.defer(**dict(zip(NAMES.get(name, ()), args, strict=True)))
    else:
        task.enqueue(*args)
    return began


def migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def enqueue_all(count: str) -> float:
    """Seconds for `count` jobs, a transaction each."""
    began = time.perf_counter()
    for _ in range(int(count)):
        enqueue("noop")
    return time.perf_counter() - began


def enqueue_many(count: str) -> float:
    """Seconds for `count` jobs at once, where the system can do that."""
    from bench.apps.jobs.tasks import noop
    from corral.tasks import enqueue_many as many

    began = time.perf_counter()
    many(noop, [()] * int(count))
    return time.perf_counter() - began


def burn(count: str, milliseconds: str) -> None:
    for _ in range(int(count)):
        enqueue("burn", int(milliseconds))


def finished() -> int:
    """How many jobs have ended well so far."""
    from django.conf import settings

    if settings.SYSTEM == "celery":
        return _celery_results()
    table, column, value = {
        "corral": ("corral_job", "status", "SUCCESSFUL"),
        "django-tasks-db": ("django_tasks_database_dbtaskresult", "status", "SUCCESSFUL"),
        "django-ox": ("django_ox_oxtask", "status", "SUCCESSFUL"),
        "procrastinate": ("procrastinate_jobs", "status", "succeeded"),
    }[settings.SYSTEM]
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table} WHERE {column} = %s", [value])
        return cursor.fetchone()[0]


def _celery_results() -> int:
    from bench.apps.jobs.celery_app import app

    return sum(1 for _ in app.backend.client.scan_iter("corral-bench:celery-task-meta-*", 10_000))


def latency(count: str) -> list[float]:
    """Milliseconds from the call of enqueue() to the first line of the task, job by job."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(PATIENCE_SECONDS)
        port = receiver.getsockname()[1]
        found = []
        for _ in range(int(count)):
            began = enqueue("stamp", port)
            found.append((float(receiver.recv(100)) - began) * 1000)
            time.sleep(random.uniform(*PAUSE_SECONDS))
    return found


COMMANDS = {run.__name__: run for run in (migrate, enqueue_many, burn, finished, latency)} | {
    "enqueue": enqueue_all
}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.apps.jobs.settings")
    import django

    django.setup()
    for line in sys.stdin:
        name, *arguments = line.split()
        print(json.dumps(COMMANDS[name](*arguments)), flush=True)


if __name__ == "__main__":
    main()
