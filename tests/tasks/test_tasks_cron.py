"""Cron and the changes of the clocks: tables for three zones, and a minute-by-minute reference."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corral.tasks.cron import NICKNAMES, Cron

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"

# (cron, zone, wall clock to begin at, ticks as day, wall clock and offset)
TABLE = [
    # Clocks go forward: a fixed time that is skipped comes right after the jump, once.
    ("30 2 * * *", BERLIN, "2026-03-28 03:00", ["29 03:00+0200", "30 02:30+0200"]),
    ("0,30 2 * * *", BERLIN, "2026-03-28 03:00", ["29 03:00+0200", "30 02:00+0200"]),
    ("30 2 * * *", NEW_YORK, "2026-03-07 03:00", ["08 03:00-0400", "09 02:30-0400"]),
    ("15 2 * * *", LORD_HOWE, "2026-10-03 03:00", ["04 02:30+1100", "05 02:15+1100"]),
    ("45 2 * * *", LORD_HOWE, "2026-10-03 03:00", ["04 02:45+1100", "05 02:45+1100"]),
    # One that is not skipped is where it was; nor does the next one move.
    ("0 3 * * *", BERLIN, "2026-03-28 12:00", ["29 03:00+0200", "30 03:00+0200"]),
    # Stars follow the wall clock over the gap.
    ("30 * * * *", BERLIN, "2026-03-29 01:00", ["29 01:30+0100", "29 03:30+0200"]),
    ("*/15 2 * * *", BERLIN, "2026-03-28 12:00", ["30 02:00+0200", "30 02:15+0200"]),
    (
        "*/15 * * * *",
        LORD_HOWE,
        "2026-10-04 01:40",
        ["04 01:45+1030", "04 02:30+1100", "04 02:45+1100", "04 03:00+1100"],
    ),
    ("* 3 * * *", LORD_HOWE, "2026-10-04 01:10", ["04 03:00+1100", "04 03:01+1100"]),
    # Clocks go back: a fixed time comes the first time only.
    ("30 2 * * *", BERLIN, "2026-10-24 03:00", ["25 02:30+0200", "26 02:30+0100"]),
    ("30 1 * * *", NEW_YORK, "2026-10-31 03:00", ["01 01:30-0400", "02 01:30-0500"]),
    ("45 1 * * *", LORD_HOWE, "2026-04-04 03:00", ["05 01:45+1100", "06 01:45+1030"]),
    # Stars come in both.
    (
        "30 * * * *",
        BERLIN,
        "2026-10-25 01:00",
        ["25 01:30+0200", "25 02:30+0200", "25 02:30+0100", "25 03:30+0100"],
    ),
    (
        "*/30 1 * * *",
        NEW_YORK,
        "2026-11-01 00:59",
        ["01 01:00-0400", "01 01:30-0400", "01 01:00-0500", "01 01:30-0500", "02 01:00-0500"],
    ),
    (
        "*/15 * * * *",
        LORD_HOWE,
        "2026-04-05 01:20",
        ["05 01:30+1100", "05 01:45+1100", "05 01:30+1030", "05 01:45+1030", "05 02:00+1030"],
    ),
    # The days of both fields where neither has a star, else of the one that has none.
    ("0 0 1 * MON", "UTC", "2026-11-28 00:00", ["30 00:00+0000", "01 00:00+0000"]),
    ("0 0 29 2 *", "UTC", "2096-03-01 00:00", ["29 00:00+0000"]),  # 2100 has none
    ("@weekly", "UTC", "2026-11-21 00:00", ["22 00:00+0000", "29 00:00+0000"]),
    ("0 12 L * *", "UTC", "2026-02-01 00:00", ["28 12:00+0000", "31 12:00+0000"]),
]


@pytest.mark.parametrize(("cron", "zone", "begin", "expected"), TABLE)
def test_ticks(cron: str, zone: str, begin: str, expected: list[str]) -> None:
    at = datetime.fromisoformat(begin).replace(tzinfo=ZoneInfo(zone))
    timing = Cron(cron, zone)
    found = []
    for _ in expected:
        at = timing.next_after(at)
        assert at.tzinfo is UTC
        found.append(at.astimezone(ZoneInfo(zone)).strftime("%d %H:%M%z"))
    assert found == expected


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("61 * * * *", ["field 1 (minute)", "'61'", "0-59"]),
        ("* 24 * * *", ["field 2 (hour)", "'24'", "0-23"]),
        ("* * 0 * *", ["field 3 (day of month)", "'0'"]),
        ("* * * 13 *", ["field 4 (month)", "'13'"]),
        ("* * * * FRIDAY", ["field 5 (day of week)", "'FRIDAY'"]),
        ("*/0 * * * *", ["field 1", "'*/0'"]),
        ("5-1 * * * *", ["field 1", "'5-1'"]),
        ("* * * *", ["has 4 fields", "it needs five"]),
        ("* * * * * *", ["has 6 fields", "seconds are not supported"]),
        ("", ["has 0 fields"]),
        ("@reboot", ["'@reboot'", "@hourly"]),
        ("0 0 31 2 *", ["'0 0 31 2 *'", "never comes"]),
        (5, ["5", "not a text"]),
    ],
)
def test_a_bad_expression_is_explained(cron: str, words: list[str]) -> None:
    with pytest.raises(ValueError) as refused:
        Cron(cron, "UTC")
    line = str(refused.value)
    assert all(word in line for word in words), line
    assert "\n" not in line


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../etc/passwd", "a\0b", None, "/etc/localtime"])
def test_a_bad_zone_is_explained(zone: str) -> None:
    with pytest.raises(ValueError, match=r"tz .* is not a time zone"):
        Cron("* * * * *", zone)


@pytest.mark.parametrize("name", NICKNAMES)
def test_nicknames(name: str) -> None:
    at = datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert Cron(name.upper(), "UTC").next_after(at) == Cron(NICKNAMES[name], "UTC").next_after(at)


# --- against a reference that walks through every minute


def reference(minutes: set[int], hours: set[int], fixed: bool, zone: ZoneInfo, begin: datetime):
    """Every tick in the 30 hours after `begin`, as Vixie's cron finds them, minute by minute."""
    ticks = []
    done: set[datetime] = set()  # wall clock times of fixed jobs that ran
    at = begin.replace(second=0)
    before = at.astimezone(zone).replace(tzinfo=None)
    first = at.astimezone(zone).replace(tzinfo=None, fold=0)
    for _ in range(30 * 60):
        at += timedelta(minutes=1)
        wall = at.astimezone(zone).replace(tzinfo=None, fold=0)
        if fixed:
            # Those that were jumped over, and this one; none twice.
            passed, walls = before + timedelta(minutes=1), []
            while passed <= wall:
                walls.append(passed)
                passed += timedelta(minutes=1)
            hits = [w for w in walls if w.minute in minutes and w.hour in hours and w not in done]
            done.update(hits)
            if hits:
                ticks.append(at)
        elif wall.minute in minutes and wall.hour in hours:
            ticks.append(at)
        before = max(before, wall) if fixed else wall
    return ticks, first


CHANGES = [
    (BERLIN, datetime(2026, 3, 29, 1, tzinfo=UTC)),
    (BERLIN, datetime(2026, 10, 25, 1, tzinfo=UTC)),
    (NEW_YORK, datetime(2026, 3, 8, 7, tzinfo=UTC)),
    (NEW_YORK, datetime(2026, 11, 1, 6, tzinfo=UTC)),
    (LORD_HOWE, datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    (LORD_HOWE, datetime(2026, 4, 4, 15, tzinfo=UTC)),
    ("Asia/Beirut", datetime(2026, 3, 28, 22, tzinfo=UTC)),  # at midnight
    ("America/Havana", datetime(2026, 11, 1, 5, tzinfo=UTC)),
]


@settings(max_examples=60, deadline=None)
@given(
    change=st.sampled_from(CHANGES),
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=5),
    hours=st.sets(st.integers(0, 23), min_size=1, max_size=8) | st.just(set(range(24))),
    hours_before=st.integers(6, 26),
    minutes_before=st.integers(0, 59),
)
def test_every_tick_around_a_change(change, minutes, hours, hours_before, minutes_before) -> None:
    name, moment = change
    begin = moment - timedelta(hours=hours_before, minutes=minutes_before)
    fixed = len(hours) < 24
    hour_field = ",".join(map(str, sorted(hours))) if fixed else "*"
    timing = Cron(f"{','.join(map(str, sorted(minutes)))} {hour_field} * * *", name)
    expected, _ = reference(minutes, hours, fixed, ZoneInfo(name), begin)
    assert list(timing.ticks(begin, begin + timedelta(hours=30))) == expected


@settings(max_examples=60, deadline=None)
@given(
    change=st.sampled_from(CHANGES),
    cron=st.sampled_from(
        ["30 2 * * *", "*/20 1,2 * * *", "5 * * * *", "0,45 0-3 * * *", "* 1 * * *"]
    ),
    seconds_before=st.integers(-4 * 3600, 4 * 3600),
)
def test_where_one_begins_does_not_matter(change, cron, seconds_before) -> None:
    """The ticks are a property of the schedule: every node finds the same next one."""
    name, moment = change
    timing = Cron(cron, name)
    begin = moment - timedelta(hours=40)
    asked = moment - timedelta(seconds=seconds_before)
    later = [tick for tick in timing.ticks(begin, moment + timedelta(hours=40)) if tick > asked]
    assert timing.next_after(asked) == later[0]
