"""The task systems, with the command lines of their workers."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from servers import CORRAL, PEERS_PYTHON, ROOT

SETTINGS = "bench.apps.jobs.settings"


@dataclass(frozen=True)
class TaskSystem:
    """`label` is what BENCH_SYSTEM says; `packages` are installed for its client and its workers.

    `workers` are the commands to start, each a process tree of its own. `jobs` is how many make a
    round of about a second.
    """

    name: str
    title: str
    label: str
    database: str  # "sqlite", "postgresql" or "redis"
    packages: tuple[str, ...]
    workers: tuple[tuple[str, ...], ...]
    jobs: int
    stop_signal: signal.Signals = signal.SIGTERM


def _corral(workers: int) -> tuple[tuple[str, ...], ...]:
    return (
        (str(CORRAL), "work", "--settings", SETTINGS, "--task-workers", str(workers),
         "--log-level", "warning"),
    )  # fmt: skip


def _django(*arguments: str) -> tuple[str, ...]:
    return (str(PEERS_PYTHON), "-m", "django", *arguments)


_CELERY = (str(PEERS_PYTHON), "-m", "celery", "-A", "bench.apps.jobs.celery_app:app", "worker")
_POSTGRES = ("psycopg[binary]",)

TASK_SYSTEMS = [
    TaskSystem(
        "corral-sqlite", "Corral, SQLite, 1 worker", "corral", "sqlite", ("asgiref",), _corral(1),
        20_000,
    ),
    TaskSystem(
        "corral", "Corral, PostgreSQL, 2 workers", "corral", "postgresql", _POSTGRES, _corral(2),
        30_000,
    ),
    TaskSystem(
        "tasks-db-sqlite", "django-tasks-db, SQLite, 1 worker", "django-tasks-db", "sqlite",
        ("django-tasks-db",), (_django("db_worker"),), 1_000,
    ),
    TaskSystem(
        "tasks-db", "django-tasks-db, PostgreSQL, 2 workers", "django-tasks-db", "postgresql",
        ("django-tasks-db", *_POSTGRES), (_django("db_worker"),) * 2, 1_000,
    ),
    TaskSystem(
        "ox-sqlite", "django-ox, SQLite, 1 worker", "django-ox", "sqlite", ("django-ox",),
        (_django("ox_worker"),), 500,
    ),
    TaskSystem(
        "ox", "django-ox, PostgreSQL, 2 processes x 4", "django-ox", "postgresql",
        ("django-ox", *_POSTGRES),
        (_django("ox_worker", "--processes", "2", "--concurrency", "4"),), 1_000,
    ),
    TaskSystem(
        "procrastinate", "procrastinate, PostgreSQL, 2 workers x 10", "procrastinate", "postgresql",
        ("procrastinate[django]", *_POSTGRES),
        (_django("procrastinate", "worker", "--concurrency", "10"),) * 2, 1_000,
        signal.SIGINT,
    ),
    TaskSystem(
        "celery", "Celery, Redis, 2 processes, late acks", "celery", "redis", ("celery[redis]",),
        ((*_CELERY, "--concurrency", "2", "--loglevel", "warning"),), 2_000,
    ),
]  # fmt: skip


def environment_of(system: TaskSystem, database: str) -> dict[str, str]:
    """What its client and its workers need to know; `database` is a path or a name."""
    paths = {name: os.environ[name] for name in os.environ if name.startswith("BENCH_")}
    return paths | {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'python'}",
        "BENCH_SYSTEM": system.label,
        "BENCH_DATABASE": database,
        "DJANGO_SETTINGS_MODULE": SETTINGS,
        "PATH": f"{Path(PEERS_PYTHON).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
