"""`TASKS[alias]["OPTIONS"]` of a Corral backend."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import policy
from .names import FAILED_RETENTION_DEFAULT_S, MAX_CRASHES_DEFAULT, RETENTION_DEFAULT_S

MAX_CRASHES_RANGE = range(1, 101)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may stand in OPTIONS, beside the names of `policy.Policy`, which are its `defaults`.

    `database`: alias of the database that holds the jobs; None leaves it to the database routers.
    `max_crashes`: a job fails with WorkerCrashed when the process has died under it so many times,
    1..100. Before that it runs again, alone.
    `notify`: on PostgreSQL, other nodes hear at once of jobs that are committed elsewhere (LISTEN
    and NOTIFY). False leaves no state in the database's sessions, as poolers of transactions such
    as pgbouncer need it, and the nodes look once per poll_interval instead.
    `retention`, `failed_retention`: for how many seconds (or a timedelta) successful and failed
    jobs are kept whose task does not say it; None: for ever.
    """

    database: str | None = None
    max_crashes: int = MAX_CRASHES_DEFAULT
    notify: bool = True
    retention: float | None = RETENTION_DEFAULT_S
    failed_retention: float | None = FAILED_RETENTION_DEFAULT_S
    defaults: policy.Policy = policy.NOTHING

    def kept_for(self, asked: policy.Policy, *, successful: bool) -> float | None:
        """Seconds for which a finished job is kept; None: for ever."""
        if asked.retention is not policy.UNSET:
            return asked.retention
        return self.retention if successful else self.failed_retention


_OWN = tuple(f.name for f in dataclasses.fields(Options) if f.name != "defaults")
_DEFAULTABLE = tuple(name for name in policy.NAMES if name not in (*_OWN, "unique_by"))


def problems(given: dict[str, Any], databases: list[str]) -> Iterator[str]:
    """One line, without its subject, for each thing wrong with OPTIONS."""
    known = sorted({*_OWN, *_DEFAULTABLE})
    for name in sorted(set(given) - set(known)):
        yield f"has the unknown option {name!r}; the options are {', '.join(known)}"
    database = given.get("database")
    if database is not None and database not in databases:
        yield f"option 'database' is {database!r}, which is not in DATABASES"
    crashes = given.get("max_crashes", MAX_CRASHES_DEFAULT)
    if type(crashes) is not int or crashes not in MAX_CRASHES_RANGE:
        allowed = f"{MAX_CRASHES_RANGE[0]}..{MAX_CRASHES_RANGE[-1]}"
        yield f"option 'max_crashes' is {crashes!r}; allowed are {allowed}"
    if type(notify := given.get("notify", True)) is not bool:
        yield f"option 'notify' is {notify!r}; allowed are True and False"
    if allowed := _wrong_retention(given.get("failed_retention")):
        yield f"option failed_retention is {given['failed_retention']!r}; allowed: {allowed}"
    for problem in policy.problems({n: given[n] for n in policy.NAMES if n in given}):
        yield f"option {problem}"


def _wrong_retention(value: Any) -> str | None:
    try:
        policy.retention(value)
    except ValueError as error:
        return str(error)
    return None


def parse(given: dict[str, Any]) -> Options:
    """The options that are valid; `problems` (a system check) reports the others."""
    own = {name: given[name] for name in _OWN if name in given}
    for name in ("retention", "failed_retention"):
        if name in own and _wrong_retention(own[name]) is None:
            own[name] = policy.retention(own[name])
        else:
            own.pop(name, None)
    asked = {name: given[name] for name in _DEFAULTABLE if name in given}
    valid = {n: v for n, v in asked.items() if not list(policy.problems({n: v}))}
    return Options(**own, defaults=policy.make(valid))
