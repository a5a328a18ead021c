"""`TASKS[alias]["OPTIONS"]` of a Corral backend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .names import FAILED_RETENTION_DEFAULT_S, MAX_CRASHES_DEFAULT

MAX_CRASHES_RANGE = range(1, 101)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may stand in OPTIONS.

    `database`: alias of the database that holds the jobs; None leaves it to the database routers.
    `max_crashes`: a job fails with WorkerCrashed when the process has died under it so many times,
    1..100. Before that it runs again, alone.
    """

    database: str | None = None
    max_crashes: int = MAX_CRASHES_DEFAULT
    failed_retention: float | None = FAILED_RETENTION_DEFAULT_S


def problems(given: dict[str, Any], databases: list[str]) -> Iterator[str]:
    """One line, without its subject, for each thing wrong with OPTIONS."""
    known = sorted(Options.__dataclass_fields__)
    for name in sorted(set(given) - set(known)):
        yield f"has the unknown option {name!r}; the options are {', '.join(known)}"
    database = given.get("database")
    if database is not None and database not in databases:
        yield f"option 'database' is {database!r}, which is not in DATABASES"
    crashes = given.get("max_crashes", MAX_CRASHES_DEFAULT)
    if type(crashes) is not int or crashes not in MAX_CRASHES_RANGE:
        allowed = f"{MAX_CRASHES_RANGE[0]}..{MAX_CRASHES_RANGE[-1]}"
        yield f"option 'max_crashes' is {crashes!r}; allowed are {allowed}"


def parse(given: dict[str, Any]) -> Options:
    """The options that are valid; `problems` (a system check) reports the others."""
    return Options(**{name: given[name] for name in Options.__dataclass_fields__ if name in given})
