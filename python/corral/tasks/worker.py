"""Start of a task worker: check the site, make its runner, and describe the store for the keeper.

Every mistake of the operator ends here with one line that names the remedy, before a job is
claimed.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from .backend import DatabaseBackend

Run = Callable[..., tuple[int, bytes]]  # runner.Runner.run


def load(load: str) -> tuple[Run, bytes, str] | None:
    """What a task worker runs, and how the keeper reaches the jobs; None when `optional` and not
    needed.

    The second is for `store.open_store`, the third what `postgres.description` says; the engine
    chooses between them.

    `load` is the JSON of the engine. Raises corral.exceptions.ConfigurationError, or what the site
    raises.
    """
    from corral.values import split_weights

    wanted = json.loads(load)
    backends = _find_backends(wanted)
    if not backends:
        if wanted.get("optional"):
            return None
        _refuse(
            "no backend in TASKS is corral.tasks.DatabaseBackend: "
            "set TASKS = {'default': {'BACKEND': 'corral.tasks.DatabaseBackend'}}"
        )
    alias = _database_of(backends)
    asked, weights = split_weights(wanted.get("queues"))
    queues = _queues_of(backends, asked)
    _require_tables(alias)
    config = store_config(alias, backends, queues, weights)

    from django.db import connections

    from . import postgres
    from .runner import Runner
    from .ticker import with_ticks

    run = with_ticks(Runner().run, alias)
    native = postgres.description(connections[alias], config)
    connections.close_all()
    return run, pickle.dumps(config), native


def _refuse(message: str) -> NoReturn:
    from corral.exceptions import ConfigurationError

    raise ConfigurationError(message)


def _find_backends(wanted: dict[str, Any]) -> list[DatabaseBackend]:
    """Set Django up and return the site's Corral backends; none where `optional` allows it."""
    optional = bool(wanted.get("optional"))
    settings = wanted.get("settings") or os.environ.get("DJANGO_SETTINGS_MODULE")
    if not settings and not _settings_are_made():
        if optional:
            return []
        _refuse("task workers need Django settings: give --settings or DJANGO_SETTINGS_MODULE")
    import django

    if django.VERSION < (6, 0):
        if optional:
            return []
        _refuse(f"task workers need Django 6.0 or newer; this is {django.get_version()}")
    if settings:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings)
    django.setup()

    from .checks import corral_backends

    return corral_backends()


def _settings_are_made() -> bool:
    """True when the application called settings.configure() itself."""
    try:
        from django.conf import settings
    except ImportError:
        return False
    return settings.configured


def _database_of(backends: list[DatabaseBackend]) -> str:
    """The alias of the one database with the jobs, checked to be one the keeper can work with."""
    from django.apps import apps
    from django.db import connections

    from . import checks, options

    if not apps.is_installed("corral.tasks"):
        _refuse(
            f"TASKS[{backends[0].alias!r}] is corral.tasks.DatabaseBackend, but 'corral.tasks' is "
            "not in INSTALLED_APPS: add it and run `python manage.py migrate corral_tasks`"
        )
    for backend in backends:
        for problem in options.problems(backend.options, list(connections)):
            _refuse(f"TASKS[{backend.alias!r}] {problem}")
    aliases = {backend.database() for backend in backends}
    if len(aliases) > 1:
        _refuse(checks.several_databases(backends))
    (alias,) = aliases
    if problem := checks.unsupported_vendor(alias):
        _refuse(problem)
    _require_features(alias)
    return alias


def _require_features(alias: str) -> None:
    from django.db import connections

    connection = connections[alias]
    if connection.vendor == "sqlite" and connection.is_in_memory_db():
        _refuse(
            f"DATABASES[{alias!r}] is an SQLite database in memory, which the keeper cannot "
            "share: give it a file as NAME"
        )
    if connection.vendor == "mysql" and not connection.features.has_select_for_update_skip_locked:
        version = ".".join(str(part) for part in connection.mysql_version)
        _refuse(
            f"the server of DATABASES[{alias!r}] is {connection.display_name} {version}, "
            "which has no SKIP LOCKED: corral.tasks needs MariaDB 10.6, MySQL 8.0 or newer"
        )


def _queues_of(backends: list[DatabaseBackend], asked: list[str] | None) -> list[str] | None:
    """The queues to serve; None, any, when nothing was asked and a backend takes every name."""
    takes_any = any(not backend.queues for backend in backends)
    declared = sorted({queue for backend in backends for queue in backend.queues})
    if asked is None:
        return None if takes_any else declared
    unknown = [queue for queue in asked if queue not in declared]
    if unknown and not takes_any:
        _refuse(
            f"--queues names {', '.join(map(repr, unknown))}, which no Corral backend in "
            f"TASKS declares; declared are {', '.join(map(repr, declared))}"
        )
    return list(dict.fromkeys(asked))


def _require_tables(alias: str) -> None:
    """Refuse a database without the tables of this version.

    Looks at Corral's own migrations only: Django's executor would import those of every app in
    every worker.
    """
    from django.conf import settings
    from django.db import connections
    from django.db.migrations.recorder import MigrationRecorder

    connection = connections[alias]
    if "corral_tasks" in settings.MIGRATION_MODULES:  # replaced or switched off by the site
        complete = {"corral_job", "corral_node", "corral_queue", "corral_schedule"} <= set(
            connection.introspection.table_names()
        )
    else:
        applied = {
            name
            for app, name in MigrationRecorder(connection).applied_migrations()
            if app == "corral_tasks"
        }
        complete = _migration_names() <= applied
    if not complete:
        option = "" if alias == "default" else f" --database {alias}"
        _refuse(
            f"the tables of corral.tasks are missing or old in database {alias!r}: "
            f"run `python manage.py migrate corral_tasks{option}`"
        )


def _migration_names() -> set[str]:
    import pkgutil

    from . import migrations

    return {module.name for module in pkgutil.iter_modules(migrations.__path__)}


def store_config(
    alias: str,
    backends: list[DatabaseBackend],
    queues: list[str] | None,
    weights: dict[str, int] | None = None,
) -> dict[str, Any]:
    """Plain values only: it crosses to an interpreter that has none of the site's modules."""
    from django.conf import settings
    from django.db import connections

    database = dict(connections[alias].settings_dict)
    # The keeper holds one connection for its life: no pool, no age. Its updates are made for READ
    # COMMITTED.
    chosen = dict(database["OPTIONS"])
    for option in ("pool", "isolation_level"):
        chosen.pop(option, None)
    database |= {
        "OPTIONS": chosen,
        "AUTOCOMMIT": True,
        "ATOMIC_REQUESTS": False,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": False,
    }
    database.pop("TEST", None)
    return {
        "vendor": connections[alias].vendor,
        "database": _plain(database, f"DATABASES[{alias!r}]"),
        "use_tz": bool(settings.USE_TZ),
        "time_zone": str(settings.TIME_ZONE),
        "queues": queues,
        "weights": weights or {},
        "max_crashes": {b.alias: b.parsed_options.max_crashes for b in backends},
        "notify": all(b.parsed_options.notify for b in backends),
        "failed_retention": {b.alias: b.parsed_options.failed_retention for b in backends},
    }


def _plain(value: Any, where: str) -> Any:
    """`value` of built-in types only; refuses, naming the place, what cannot become that."""
    from django.utils.functional import Promise

    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    if isinstance(value, dict):
        return {_plain(k, where): _plain(v, f"{where}[{k!r}]") for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value)(_plain(item, where) for item in value)
    if isinstance(value, (str, Path, Promise)):
        return str(value)
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    _refuse(
        f"{where} holds a {type(value).__qualname__}, which cannot be given to the "
        "keeper's interpreter: use plain values"
    )
