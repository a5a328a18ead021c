"""How long a failed task waits for its next attempt.

Spelled as a number (always so many seconds), as text (``"linear:5"``, ``"exponential:2:3600"``), as
one of the classes here, or as a callable ``backoff(attempt, error) -> seconds``, where `attempt` is
the number of the attempt that failed, from 1.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

PAUSE_MAX_S = 366 * 86_400  # nobody waits longer for an attempt; more is a mistake

Pause = int | float | timedelta
Callback = Callable[[int, BaseException], Pause]

ALLOWED = (
    f"a number of seconds (0..{PAUSE_MAX_S}), 'fixed:SECONDS', 'linear:STEP', 'linear:STEP:MAX', "
    "'exponential:FIRST', 'exponential:FIRST:MAX', an object of corral.tasks.backoff, a callable "
    "of (attempt, error) or its dotted name"
)


def seconds(value: Any) -> float | None:
    """`value`, a number or a timedelta, as seconds; None when it is no possible pause."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value <= PAUSE_MAX_S else None


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same pause. `jitter` is the part of it by which it varies, 0..1."""

    seconds: float
    jitter: float = 0.0

    def __post_init__(self) -> None:
        _require(self)

    def pause(self, attempt: int) -> float:
        return self.seconds


@dataclass(frozen=True, slots=True)
class Linear:
    """`step` seconds after the first attempt, twice that after the second, up to `max`."""

    step: float
    max: float = 3600.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        _require(self)

    def pause(self, attempt: int) -> float:
        return min(self.step * attempt, self.max)


@dataclass(frozen=True, slots=True)
class Exponential:
    """`first` seconds after the first attempt, then `factor` times as long each, up to `max`.

    The jitter keeps jobs that failed together from coming back together.
    """

    first: float
    factor: float = 2.0
    max: float = 3600.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        _require(self)
        if self.factor < 1:
            raise ValueError(f"factor is {self.factor!r}; allowed is 1 or more")

    def pause(self, attempt: int) -> float:
        try:
            return min(self.first * self.factor ** (attempt - 1), self.max)
        except OverflowError:
            return self.max


Formula = Fixed | Linear | Exponential
Backoff = Formula | Callback | str

_KINDS: dict[str, type[Formula]] = {"fixed": Fixed, "linear": Linear, "exponential": Exponential}


def _require(formula: Formula) -> None:
    for field in dataclasses.fields(formula):
        value = getattr(formula, field.name)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        bound = 1 if field.name == "jitter" else PAUSE_MAX_S
        if not is_number or not (0 <= value <= bound):
            raise ValueError(f"{field.name} is {value!r}; allowed are 0..{bound}")


DEFAULT = Exponential(5.0)


def parse(value: Any) -> Backoff:
    """What `value` spells; a dotted name stays text until `find`.

    Raises ValueError with what is allowed.
    """
    if isinstance(value, (Fixed, Linear, Exponential)):
        return value
    if isinstance(value, str):
        return _parse_text(value)
    if (fixed := seconds(value)) is not None:
        return Fixed(fixed)
    if callable(value):
        return value
    raise ValueError(ALLOWED)


def _parse_text(text: str) -> Backoff:
    kind, *numbers = text.split(":")
    if not numbers and "." in kind and all(part.isidentifier() for part in kind.split(".")):
        return kind
    try:
        values = [float(number) for number in numbers]
        if kind == "fixed" and len(values) == 1:
            return Fixed(values[0])
        if kind in ("linear", "exponential") and len(values) in (1, 2):
            largest = {"max": values[1]} if len(values) == 2 else {}
            return _KINDS[kind](values[0], **largest)  # type: ignore[arg-type]
    except ValueError:
        pass
    raise ValueError(ALLOWED)


def stored(backoff: Backoff) -> Any:
    """`backoff` as JSON holds it. Raises ValueError for a callable that has no dotted name."""
    if isinstance(backoff, str):
        return backoff
    if isinstance(backoff, (Fixed, Linear, Exponential)):
        return [type(backoff).__name__.lower(), *dataclasses.astuple(backoff)]
    path = f"{getattr(backoff, '__module__', '')}.{getattr(backoff, '__qualname__', '')}"
    if "<" in path or not all(part.isidentifier() for part in path.split(".")):
        raise ValueError("a callable at the top level of a module: the job keeps its name")
    return path


def from_stored(value: Any) -> Backoff:
    """What `stored` made. Raises ValueError."""
    if isinstance(value, list) and value and value[0] in _KINDS:
        try:
            return _KINDS[value[0]](*value[1:])
        except TypeError as error:
            raise ValueError(str(error)) from None
    return parse(value)


def pause(backoff: Backoff, attempt: int, error: BaseException, random: Random) -> float:
    """Seconds to wait after attempt number `attempt`, which ended with `error`.

    Raises what a callable raises, ImportError where its name leads nowhere, ValueError when it
    returns no pause.
    """
    if isinstance(backoff, (Fixed, Linear, Exponential)):
        base = backoff.pause(attempt)
        return base * random.uniform(1 - backoff.jitter, 1 + backoff.jitter)
    if isinstance(backoff, str):
        from django.utils.module_loading import import_string

        backoff = import_string(backoff)
    answer = backoff(attempt, error)  # type: ignore[operator]
    found = seconds(answer)
    if found is None or math.isnan(found):
        raise ValueError(f"it returned {answer!r}; allowed are 0..{PAUSE_MAX_S} seconds")
    return found
