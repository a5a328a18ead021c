"""Cron expressions in a time zone: when is the next tick?

Fields, names and steps are the library cronsim's, read as wall-clock times. What a change of the
clocks does to them is decided here, as Vixie's and Debian's cron do: a job at a fixed time whose
time is skipped runs right after the jump, and once where the time comes twice; a job with ``*`` in
its minutes or hours follows the wall clock, through every minute that there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

FIELDS = ("minute", "hour", "day of month", "month", "day of week")
ALLOWED = ("0-59", "0-23", "1-31, L or LW", "1-12 or JAN-DEC", "0-7 or SUN-SAT, with #n or L")
NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

# A test may add six: the library then takes seconds in front.
_field_counts = {5}

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


class Cron:
    """One expression in one zone. Immutable."""

    def __init__(self, expression: str, tz: str) -> None:
        """`expression` has five fields or is a nickname; `tz` is an IANA name.

        Raises ValueError with one line that names the field, its value and what is allowed.
        """
        self.zone = find_zone(tz)
        self._fields = _normal(expression)
        try:
            CronSim(self._fields, datetime(2000, 1, 1))
        except CronSimError as error:
            raise ValueError(_explain(expression, self._fields, error)) from None
        *_, minute, hour, _, _, _ = self._fields.split()
        self._has_fixed_time = not (minute.startswith("*") or hour.startswith("*"))
        if self._first(datetime(2000, 1, 1)) is None:
            raise ValueError(f"cron {expression!r} never comes: no day fits it")

    def next_after(self, moment: datetime) -> datetime:
        """The first tick later than `moment` (aware), in UTC."""
        local = moment.astimezone(self.zone)
        wall = local.replace(tzinfo=None, fold=0)
        if self._has_fixed_time:
            return self._next_fixed(moment, wall)
        return self._next_of_wall_clock(wall, local.fold)

    def ticks(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Every tick later than `after`, up to and including `until`, in order."""
        tick = self.next_after(after)
        while tick <= until:
            yield tick
            tick = self.next_after(tick)

    def _next_fixed(self, moment: datetime, wall: datetime) -> datetime:
        for at in CronSim(self._fields, wall):
            tick = self._instant(at)
            if tick > moment:
                return tick
        raise self._never()

    def _next_of_wall_clock(self, wall: datetime, fold: int) -> datetime:
        if self._is_repeated(wall) and (tick := self._next_in_overlap(wall, fold)):
            return tick
        for at in CronSim(self._fields, wall):
            if not self._is_skipped(at):
                return self._instant(at)
        raise self._never()

    def _next_in_overlap(self, wall: datetime, fold: int) -> datetime | None:
        """From inside an hour that comes twice, the first (`fold` 0) or the second time."""
        begin = wall.replace(second=0)
        while self._is_repeated(begin - _MINUTE):
            begin -= _MINUTE
        rest = [(wall, 1)] if fold else [(wall, 0), (begin - _SECOND, 1)]
        for start, side in rest:
            at = self._first(start)
            if at and at - wall < _DAY and self._is_repeated(at):
                return self._instant(at, side)
        return None

    def _first(self, wall: datetime) -> datetime | None:
        return next(CronSim(self._fields, wall), None)

    def _instant(self, wall: datetime, fold: int = 0) -> datetime:
        """The moment of a wall-clock time; of one that is skipped, the moment of the jump."""
        while self._is_skipped(wall):
            wall = wall.replace(second=0) + _MINUTE
        return wall.replace(tzinfo=self.zone, fold=fold).astimezone(UTC)

    def _is_skipped(self, wall: datetime) -> bool:
        there = wall.replace(tzinfo=self.zone).astimezone(UTC).astimezone(self.zone)
        return there.replace(tzinfo=None, fold=0) != wall

    def _is_repeated(self, wall: datetime) -> bool:
        first = wall.replace(tzinfo=self.zone, fold=0).utcoffset()
        second = wall.replace(tzinfo=self.zone, fold=1).utcoffset()
        return first != second and not self._is_skipped(wall)

    def _never(self) -> ValueError:
        return ValueError(f"cron {self._fields!r} does not come any more")


@lru_cache(maxsize=256)
def parse(expression: str, tz: str) -> Cron:
    """`Cron(expression, tz)`, kept for the next time."""
    return Cron(expression, tz)


def find_zone(name: str) -> ZoneInfo:
    """The zone; raises ValueError with one line."""
    try:
        return ZoneInfo(name)
    except OSError, KeyError, ValueError, TypeError:
        raise ValueError(
            f"tz {name!r} is not a time zone of this system: give an IANA name such as "
            "'Europe/Berlin' or 'UTC' (where the system has none, install the package tzdata)"
        ) from None


def _normal(expression: str) -> str:
    if not isinstance(expression, str):
        raise ValueError(f"cron {expression!r} is not a text such as '*/5 * * * *'")
    text = " ".join(expression.split())
    if text.startswith("@"):
        if (known := NICKNAMES.get(text.lower())) is not None:
            return known
        raise ValueError(f"cron {expression!r} is unknown; allowed are {', '.join(NICKNAMES)}")
    count = len(text.split())
    if count not in _field_counts:
        hint = "; seconds are not supported" if count == 6 else ""
        raise ValueError(
            f"cron {expression!r} has {count} fields; it needs five: {', '.join(FIELDS)}{hint}"
        )
    return text


def _explain(expression: str, fields: str, error: CronSimError) -> str:
    """Which field is wrong: each is tried alone."""
    for n, (value, name, allowed) in enumerate(
        zip(fields.split()[-5:], FIELDS, ALLOWED, strict=True)
    ):
        alone = ["*"] * 5
        alone[n] = value
        try:
            CronSim(" ".join(alone), datetime(2000, 1, 1))
        except CronSimError:
            return (
                f"cron {expression!r}: field {n + 1} ({name}) is {value!r}; allowed are {allowed}, "
                "lists, ranges and steps of them, and *"
            )
    return f"cron {expression!r} never comes: {error}"
