"""The rows of the schedules: brought in line with the code, planned, and ticked.

A tick is a compare-and-set of `next_run_at` in the transaction that inserts the job: of any number
of nodes that try, one enqueues. Each transaction here begins with its UPDATE, so that it holds the
row (on SQLite the file) before it looks at anything.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, connections, transaction
from django.db.models import F, Q
from django.tasks import Task
from django.utils import timezone

from . import cron, lookup, policy, records, schedule_sql, schedules
from .decorator import PolicyTask
from .schedule_checks import find_backend
from .schedule_model import Missed, Schedule, Source

logger = logging.getLogger("corral.tasks")

MISSED_TICKS_MAX = 100  # of one schedule, with missed="all"
LATE_MAX = timedelta(seconds=60)  # a tick that comes later was missed
# So long a tick is left to other nodes when this one cannot import its task: during a deployment
# some have code that others have not.
LEFT_MAX = timedelta(seconds=30)
# As cron has it: a clock set back by more was wrong before, and what was planned by it is too.
CLOCK_CHANGE_MAX = timedelta(hours=3)
_DUE_BATCH = 100
_ERROR_CHARS_MAX = 2_000


def now(database: str) -> datetime:
    """The present by the clock of the database, in UTC."""
    return datetime.fromtimestamp(schedule_sql.epoch(connections[database]), UTC)


# --- definitions


def synchronise(
    database: str, declarations: Mapping[str, schedules.Declaration], *, broken: Iterable[str] = ()
) -> None:
    """Make the rows of the code's schedules say what this interpreter's code says.

    The node that started last decides. It takes nothing from others that run: a removed schedule
    is only marked, and nodes whose code still has it go on with it (`_tick`). Of the apps in
    `broken`, whose modules could not be imported, nothing is taken for removed. `enabled` is the
    operator's and stays.
    """
    present = now(database)
    unknown = tuple(f"{name}." for name in broken)
    rows = Schedule.objects.using(database)
    known = set(rows.values_list("name", flat=True))
    rows.bulk_create(
        [
            Schedule(
                name=one.name,
                source=Source.CODE,
                next_run_at=cron.parse(one.cron, one.tz).next_after(present),
                **one.columns(),
            )
            for name, one in sorted(declarations.items())
            if name not in known
        ],
        ignore_conflicts=True,  # another node was faster
    )
    for row in rows.all():
        one = declarations.get(row.name)
        if one is not None and row.source == Source.ADMIN:
            logger.warning(
                "CORRAL-572 the code declares a schedule %r, but that name is taken by one made in "
                "the admin, which goes on; rename one of them",
                row.name,
            )
        elif one is not None:
            wanted = one.columns()
            if row.gone_at is not None or any(getattr(row, k) != v for k, v in wanted.items()):
                redefine(database, row, {**wanted, "gone_at": None})
        elif (
            row.source == Source.CODE
            and row.gone_at is None
            and not row.task_path.startswith(unknown)
            and rows.filter(pk=row.pk, version=row.version, gone_at=None).update(gone_at=present)
        ):
            logger.info("schedule %r is no longer in the code and ends", row.name)
    _replan_after_clock_change(database, present)


def redefine(database: str, row: Schedule, values: Mapping[str, Any]) -> bool:
    """Give `row` new `values` and plan it anew; False when it was redefined meanwhile.

    A tick that is due already is not lost: it comes with the new values.
    """
    present = now(database)
    rows = Schedule.objects.using(database)
    with transaction.atomic(using=database):
        if not rows.filter(pk=row.pk, version=row.version).update(
            **values, version=F("version") + 1
        ):
            return False
        fresh = rows.get(pk=row.pk)
        is_retimed = (fresh.cron, fresh.tz) != (row.cron, row.tz)
        rows.filter(pk=row.pk).update(next_run_at=_plan(fresh, present, is_retimed=is_retimed))
    return True


def set_enabled(database: str, keys: Iterable[Any], *, enabled: bool) -> int:
    """Switch schedules on or off; returns how many that changed. Raises ValueError for a bad cron.

    What came while one was off is not a missed tick.
    """
    count = 0
    for row in Schedule.objects.using(database).filter(pk__in=keys).exclude(enabled=enabled):
        count += redefine(database, row, {"enabled": enabled})
    return count


def plan(row: Schedule, present: datetime) -> datetime | None:
    """When a new or changed row comes next; None while it is off."""
    return _plan(row, present, is_retimed=True)


def _plan(row: Schedule, present: datetime, *, is_retimed: bool) -> datetime | None:
    if not row.enabled:
        return None
    planned = row.next_run_at
    if planned is not None and (planned <= present or not is_retimed):
        return planned
    return cron.parse(row.cron, row.tz).next_after(present)


def _replan_after_clock_change(database: str, present: datetime) -> None:
    rows = Schedule.objects.using(database)
    for row in rows.filter(last_run_at__gt=present + CLOCK_CHANGE_MAX, next_run_at__isnull=False):
        try:
            planned = cron.parse(row.cron, row.tz).next_after(present)
        except ValueError:
            continue  # its own tick says so
        if rows.filter(pk=row.pk, next_run_at=row.next_run_at).update(
            next_run_at=planned, last_run_at=None
        ):
            logger.warning(
                "CORRAL-574 schedule %r last ran at %s, which is yet to come: the clock of the "
                "database was set back; it is planned anew for %s",
                row.name,
                row.last_run_at,
                planned,
            )


# --- ticks


def tick(database: str) -> bool:
    """Enqueue what is due; False when something due is left and may be tried again soon."""
    present = now(database)
    rows = Schedule.objects.using(database)
    due = Q(next_run_at__lte=present) | Q(last_run_at__gt=present + CLOCK_CHANGE_MAX)
    is_done = True
    for row in rows.filter(due, next_run_at__isnull=False).order_by("next_run_at")[:_DUE_BATCH]:
        if row.next_run_at <= present:
            is_done &= _tick(database, row, present)
        else:
            _replan_after_clock_change(database, present)
    return is_done


def _tick(database: str, row: Schedule, present: datetime) -> bool:
    may_wait = present - row.next_run_at <= LEFT_MAX
    if row.gone_at is not None and row.name not in schedules.declared():
        if not may_wait:
            _compare_and_set(database, row, next_run_at=None)
        return not may_wait
    try:
        timing = cron.parse(row.cron, row.tz)
    except ValueError as error:
        # Written past the checks, or a zone that this host has not.
        if not may_wait:
            _note(database, row, error, None)
        return not may_wait
    following = timing.next_after(present)
    try:
        task = lookup.find_task(row.task_path)
    except (Exception, SystemExit) as error:
        if not may_wait:
            _note(database, row, error, following)
        return not may_wait
    try:
        with transaction.atomic(using=database):
            _enqueue(database, row, task, _ticks_to_run(row, timing, present), following)
    except (DataError, IntegrityError) as error:
        _note(database, row, error, following)
    except DatabaseError:
        raise  # the database is away: what is due stays due
    except Exception as error:
        _note(database, row, error, following)
    return True


def _enqueue(
    database: str, row: Schedule, task: Task, ticks: list[datetime], following: datetime
) -> None:
    changes: dict[str, Any] = {"next_run_at": following, "last_error": ""}
    if ticks:
        changes["last_run_at"] = ticks[-1]
    if not _compare_and_set(database, row, **changes) or not ticks:
        return
    backend = find_backend(row.backend_name)
    wanted = _as_wanted(task, row)
    for moment in ticks:
        as_planned = wanted.using(
            run_after=moment if settings.USE_TZ else timezone.make_naive(moment)
        )
        result = backend.enqueue(as_planned, row.args, row.kwargs)
    Schedule.objects.using(database).filter(pk=row.pk).update(last_job=result.id)


def _as_wanted(task: Task, row: Schedule) -> Task:
    """`task` with what the row says of backend, queue, priority and policy."""
    if row.options and isinstance(task, PolicyTask):
        task = dataclasses.replace(task, overrides=policy.from_stored(row.options))
    return task.using(backend=row.backend_name, queue_name=row.queue_name, priority=row.priority)


def _ticks_to_run(row: Schedule, timing: cron.Cron, present: datetime) -> list[datetime]:
    """The ticks for which a job is due, oldest first."""
    if row.missed == Missed.ALL:
        ticks = _latest(timing, row.next_run_at, present, MISSED_TICKS_MAX)
        if ticks[0] != row.next_run_at:
            logger.warning(
                "CORRAL-573 schedule %r missed more than %d ticks since %s; the last %d are "
                "enqueued and those before are left out",
                row.name,
                MISSED_TICKS_MAX,
                row.next_run_at,
                MISSED_TICKS_MAX,
            )
        return ticks
    last = _latest(timing, row.next_run_at, present, 1)
    if row.missed == Missed.SKIP and present - last[0] > LATE_MAX:
        return []
    return last


def _latest(timing: cron.Cron, first: datetime, present: datetime, count: int) -> list[datetime]:
    """The last `count` of `first` and the ticks after it, without going through a year of them."""
    span = timedelta(minutes=10)
    while (start := present - span) > first:
        ticks = list(timing.ticks(start, present))
        if len(ticks) >= count:
            return ticks[-count:]
        span *= 8
    return [first, *timing.ticks(first, present)][-count:]


def _note(database: str, row: Schedule, error: BaseException, following: datetime | None) -> None:
    """The tick is spent without a job: say why, on the row and in the log, and plan the next."""
    entry = records.exception_entry(error)
    line = f"{entry['exception_class_path']}: {entry['message']}"
    text = line.replace("\0", "").encode("utf-8", "backslashreplace").decode()[:_ERROR_CHARS_MAX]
    if _compare_and_set(database, row, next_run_at=following, last_error=text):
        logger.error(
            "CORRAL-570 schedule %r enqueued nothing at its tick of %s: %s; the next one is %s",
            row.name,
            row.next_run_at,
            text,
            following or "when it was mended and saved",
        )


def _compare_and_set(database: str, row: Schedule, **changes: Any) -> bool:
    return bool(
        Schedule.objects.using(database)
        .filter(pk=row.pk, version=row.version, next_run_at=row.next_run_at)
        .update(**changes)
    )


def run_now(database: str, row: Schedule) -> str:
    """Enqueue its job once, beside its ticks; returns the job's id.

    Raises what importing the task or enqueueing raises.
    """
    task = _as_wanted(lookup.find_task(row.task_path), row)
    with transaction.atomic(using=database):
        result = find_backend(row.backend_name).enqueue(task, row.args, row.kwargs)
        Schedule.objects.using(database).filter(pk=row.pk).update(last_job=result.id)
    return result.id
