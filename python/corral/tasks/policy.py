"""What a task can ask for: how often it is tried, for how long it may run, how long it is kept.

Said on the decorator (read from the code when the job runs, so a deploy changes jobs that wait),
through `using()` (kept in the row), or as a default in OPTIONS: the nearest to the job counts.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from . import backoff as backoffs

ATTEMPTS_MAX = 1_000
SECONDS_MAX = 100 * 366 * 86_400
UNIQUE_MIN_S = 0.001
TIMEOUT_MIN_S = 0.1  # the watcher looks a few times a second


class Unset(enum.Enum):
    """The type of UNSET: nothing was said, so the next default counts. None is a value."""

    token = enum.auto()

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset.token

ExceptionNames = tuple[type[BaseException] | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One level of what was asked for; make it with `make`, which checks."""

    max_attempts: int | Unset = UNSET
    backoff: backoffs.Backoff | Unset = UNSET
    retry_on: ExceptionNames | Unset = UNSET
    no_retry_on: ExceptionNames | Unset = UNSET
    timeout: float | Unset | None = UNSET
    at_most_once: bool | Unset = UNSET
    retention: float | Unset | None = UNSET
    isolation: str | Unset | None = UNSET
    unique: bool | float | Unset = UNSET
    unique_by: tuple[str, ...] | Unset | None = UNSET


NAMES = tuple(field.name for field in dataclasses.fields(Policy))
NOTHING = Policy()
# Where nobody says anything. How long a job is kept depends on its end: OPTIONS has two defaults.
DEFAULTS = Policy(
    max_attempts=1,
    backoff=backoffs.DEFAULT,
    retry_on=(Exception,),
    no_retry_on=(),
    timeout=None,
    at_most_once=False,
    isolation=None,
    unique=False,
    unique_by=None,
)


def problems(given: dict[str, Any]) -> Iterator[str]:
    """`name is value; allowed is ...` for each thing wrong with the values in `given`."""
    for name in NAMES:
        value = given.get(name, UNSET)
        if value is not UNSET and (allowed := _not_allowed(name, value)) is not None:
            yield f"{name} is {value!r}; allowed: {allowed}"
    attempts = given.get("max_attempts", UNSET)
    if given.get("at_most_once") is True and type(attempts) is int and attempts > 1:
        yield f"max_attempts is {attempts} with at_most_once; allowed: 1, or no at_most_once"


def _not_allowed(name: str, value: Any) -> str | None:
    """What would be allowed, or None."""
    try:
        normal = _NORMAL[name](value)
    except ValueError as error:
        return str(error)
    if name == "isolation" and normal == "process":
        return (
            "'interpreter' or None: task workers run in interpreters, none runs in a process of "
            "its own"
        )
    return None


def make(given: dict[str, Any]) -> Policy:
    """A level of values that are without `problems`, in their normal form."""
    return Policy(**{n: _NORMAL[n](v) for n, v in given.items() if v is not UNSET})


def resolve(*levels: Policy) -> Policy:
    """The nearest value that was said, the first level being the nearest, over DEFAULTS."""
    chosen: dict[str, Any] = {}
    for name in NAMES:
        said = (getattr(level, name) for level in (*levels, DEFAULTS))
        chosen[name] = next((value for value in said if value is not UNSET), UNSET)
    if chosen["at_most_once"]:
        chosen["max_attempts"] = 1
    return Policy(**chosen)


def stored(policy: Policy) -> dict[str, Any]:
    """What was said, as the row keeps it. Raises ValueError as `name: what is allowed`."""
    record: dict[str, Any] = {}
    for name in NAMES:
        value = getattr(policy, name)
        if value is UNSET:
            continue
        if name == "backoff":
            try:
                value = backoffs.stored(value)
            except ValueError as error:
                raise ValueError(f"backoff is {value!r}; allowed: {error}") from None
        elif name in ("retry_on", "no_retry_on"):
            value = [item if isinstance(item, str) else _path(item) for item in value]
        record[name] = value
    return record


def from_stored(record: dict[str, Any]) -> Policy:
    """What `stored` made. Names and values of another version of Corral are left out."""
    known: dict[str, Any] = {}
    for name, value in record.items():
        try:
            if name == "backoff":
                value = backoffs.from_stored(value)
            known[name] = _NORMAL[name](value)
        except KeyError, ValueError:
            continue
    return Policy(**known)


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


# --- normal forms; each raises ValueError with what is allowed


def _attempts(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= ATTEMPTS_MAX:
        raise ValueError(f"1..{ATTEMPTS_MAX}")
    return value


def _exceptions(value: Any) -> ExceptionNames:
    items = value if isinstance(value, (tuple, list, set, frozenset)) else (value,)
    for item in items:
        is_class = isinstance(item, type) and issubclass(item, BaseException)
        is_name = isinstance(item, str) and all(part.isidentifier() for part in item.split("."))
        if not is_class and not is_name:
            raise ValueError("exception classes, or their dotted names")
    return tuple(items)


def _span(value: Any, least: float) -> float | None:
    if value is None:
        return None
    number = value.total_seconds() if isinstance(value, timedelta) else value
    is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
    if not is_number or not least <= number <= SECONDS_MAX:
        raise ValueError(f"{least:g}..{SECONDS_MAX} seconds, a timedelta, or None for no limit")
    return number


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("True or False")
    return value


def _isolation(value: Any) -> str | None:
    if value not in (None, "interpreter", "process"):
        raise ValueError("'interpreter', 'process' or None")
    return value


def _unique(value: Any) -> bool | float:
    if isinstance(value, bool):
        return value
    allowed = (
        "True (while such a job waits or runs), False, or for how long besides: "
        f"{UNIQUE_MIN_S}..{SECONDS_MAX} seconds or a timedelta"
    )
    try:
        span = _span(value, UNIQUE_MIN_S)
    except ValueError:
        span = None
    if span is None:
        raise ValueError(allowed)
    return span


def _parameter_names(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = (value,) if isinstance(value, str) else value
    is_list = isinstance(names, (tuple, list)) and len(names) > 0
    if not is_list or not all(isinstance(name, str) and name.isidentifier() for name in names):
        raise ValueError("names of parameters of the task, or None for all of them")
    return tuple(names)


def retention(value: Any) -> float | None:
    """Seconds, a timedelta or None, for ever. Raises ValueError with what is allowed."""
    return _span(value, 0)


_NORMAL: dict[str, Any] = {
    "max_attempts": _attempts,
    "backoff": backoffs.parse,
    "retry_on": _exceptions,
    "no_retry_on": _exceptions,
    "timeout": lambda value: _span(value, TIMEOUT_MIN_S),
    "at_most_once": _flag,
    "retention": retention,
    "isolation": _isolation,
    "unique": _unique,
    "unique_by": _parameter_names,
}
