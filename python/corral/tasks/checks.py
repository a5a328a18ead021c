"""System checks: `manage.py check` says what would else fail at the first enqueue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning
from django.db import connections

from . import options
from .names import NAME_CHARS_MAX

if TYPE_CHECKING:
    from .backend import DatabaseBackend

VENDORS = ("sqlite", "postgresql", "mysql")


def check_backend(backend: DatabaseBackend) -> list[CheckMessage]:
    """One backend by itself; Django asks each backend of TASKS."""
    subject = f"TASKS[{backend.alias!r}]"
    found: list[CheckMessage] = []
    if not apps.is_installed("corral.tasks"):
        found.append(
            Error(
                f"{subject} is corral.tasks.DatabaseBackend, but 'corral.tasks' is not in "
                "INSTALLED_APPS.",
                hint="Add 'corral.tasks' to INSTALLED_APPS and run manage.py migrate.",
                id="corral.E001",
            )
        )
    found += [
        Error(f"{subject} {problem}.", id="corral.E002")
        for problem in options.problems(backend.options, list(connections))
    ]
    found += [
        Error(
            f"{subject}: the name {name!r} has more than {NAME_CHARS_MAX} characters.",
            id="corral.E003",
        )
        for name in sorted({backend.alias, *backend.queues})
        if len(name) > NAME_CHARS_MAX
    ]
    return found


def check_site(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """All Corral backends together, and the database they share."""
    backends = [b for b in corral_backends() if not _has_wrong_database(b)]
    aliases = {backend.database(): backend.alias for backend in backends}
    found: list[CheckMessage] = []
    if len(aliases) > 1:
        found.append(Error(several_databases(backends), id="corral.E004"))
    for alias in aliases:
        found += _check_database(alias)
    return found


def corral_backends() -> list[DatabaseBackend]:
    """The backends of TASKS that are Corral's, in the order of the settings."""
    from django.tasks import task_backends

    from .backend import DatabaseBackend

    return [backend for backend in task_backends.all() if isinstance(backend, DatabaseBackend)]


def several_databases(backends: list[DatabaseBackend]) -> str:
    """The line for backends whose jobs are not in one database."""
    where = ", ".join(f"{backend.alias!r} in {backend.database()!r}" for backend in backends)
    return (
        f"The Corral backends of TASKS keep their jobs in different databases ({where}); "
        "one keeper serves one database. Give all of them the same OPTIONS['database']."
    )


def unsupported_vendor(alias: str) -> str | None:
    """The line for a database that Corral cannot claim jobs from, or None."""
    connection = connections[alias]
    if connection.vendor in VENDORS:
        return None
    return (
        f"The database {alias!r} that holds the jobs of corral.tasks is {connection.display_name}; "
        "SQLite, PostgreSQL, MariaDB and MySQL are supported."
    )


def _has_wrong_database(backend: DatabaseBackend) -> bool:
    database = backend.parsed_options.database
    return database is not None and database not in connections


def _check_database(alias: str) -> Iterator[CheckMessage]:
    if problem := unsupported_vendor(alias):
        yield Error(problem, id="corral.E005")
        return
    connection = connections[alias]
    chosen = connection.settings_dict["OPTIONS"].get("transaction_mode")
    if connection.vendor == "sqlite" and (chosen or "DEFERRED").upper() == "DEFERRED":
        yield Warning(
            f"DATABASES[{alias!r}] is SQLite with deferred transactions: one that reads and then "
            "enqueues fails at once with 'database is locked' when a task wrote in between, "
            "however long its timeout.",
            hint=f"Set DATABASES[{alias!r}]['OPTIONS']['transaction_mode'] = 'IMMEDIATE'.",
            id="corral.W001",
        )
