"""The rows of the schedules on every database: in line with the code, ticked once, nothing lost."""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DatabaseError
from django.tasks import task_backends
from django.tasks.signals import task_enqueued
from tasks_harness import backend, new_store
from tasks_site import tasks

from corral.exceptions import ConfigurationError
from corral.tasks import schedule_rows, schedules
from corral.tasks.models import Job
from corral.tasks.schedule_model import Schedule

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """No schedule is declared but those of the test."""
    monkeypatch.setattr(schedules, "_declared", {})


@pytest.fixture
def site(alias: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site on the database whose clock the test moves."""
    before = task_backends["default"]
    task_backends["default"] = backend(alias)
    site = Site(alias)
    monkeypatch.setattr(schedule_rows, "now", lambda database: site.now)
    yield site
    task_backends["default"] = before


class Site:
    """One node's view, and what is in the tables."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.now = NOON

    def start(self, **more: Any) -> None:
        """What the first tick of a node does."""
        schedule_rows.synchronise(self.alias, schedules.declared(), **more)

    def tick(self, at: datetime | None = None) -> bool:
        self.now = at or self.now
        return schedule_rows.tick(self.alias)

    def row(self, name: str = "tasks_site.tasks.add") -> Schedule:
        return Schedule.objects.using(self.alias).get(name=name)

    def add(self, **values: Any) -> Schedule:
        """A row as the admin makes it."""
        row = Schedule(
            **{"name": "row", "task_path": "tasks_site.tasks.add", "args": [1], "tz": "UTC"}
            | values
        )
        if "next_run_at" not in values:
            row.next_run_at = schedule_rows.plan(row, self.now)
        row.save(using=self.alias)
        return row

    def jobs(self) -> list[Job]:
        return list(Job.objects.using(self.alias).order_by("id"))

    def ticks(self) -> list[datetime | None]:
        return [job.run_after for job in self.jobs()]


def declare(task: Any = tasks.add, **values: Any) -> None:
    schedules.schedule(task, **{"cron": "*/5 * * * *", "tz": "UTC", "args": [1]} | values)


# --- declarations


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"cron": "61 * * * *"}, ["tasks_site.tasks.add", "field 1 (minute)", "'61'", "0-59"]),
        ({"cron": "* * * * * *"}, ["seconds are not supported"]),
        ({"tz": "Europe/Berln"}, ["tasks_site.tasks.add", "'Europe/Berln'"]),
        ({"missed": "never"}, ["'never'", "skip, once, all"]),
        ({"args": [1, 2, 3]}, ["do not fit", "too many"]),
        ({"args": [object()]}, ["do not fit"]),
        ({"kwargs": {"c": 1}}, ["do not fit", "'c'"]),
        ({"name": "x" * 201}, ["1..200 characters"]),
        ({"name": ""}, ["1..200 characters"]),
    ],
)
def test_a_wrong_declaration_is_refused_with_one_line(
    values: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        declare(**values)
    line = str(refused.value)
    assert all(word in line for word in words), line
    assert "\n" not in line
    assert not schedules.declared()


def test_several_schedules_of_a_task_need_names() -> None:
    declare()
    declare()  # the module is imported again
    with pytest.raises(ConfigurationError, match="give one of them another with name="):
        declare(args=[2])
    declare(args=[2], name="add two")
    assert sorted(schedules.declared()) == ["add two", "tasks_site.tasks.add"]


def test_a_task_of_another_backend_is_none_of_ours() -> None:
    declare(tasks.add.using(backend="immediate"))
    assert not schedules.declared()


# --- synchronising


def test_the_first_start_makes_rows_and_the_second_changes_nothing(site: Site) -> None:
    declare(tasks.echo.using(queue_name="mail", priority=3), args=["é"], kwargs={"k": [1.5]})
    site.start()
    row = site.row("tasks_site.tasks.echo")
    assert (row.task_path, row.backend_name, row.queue_name, row.priority) == (
        "tasks_site.tasks.echo", "default", "mail", 3,
    )  # fmt: skip
    assert (row.args, row.kwargs, row.cron, row.tz, row.missed) == (
        ["é"], {"k": [1.5]}, "*/5 * * * *", "UTC", "once",
    )  # fmt: skip
    assert row.enabled and row.source == "code" and row.version == 0
    assert row.next_run_at == NOON + 5 * MINUTE
    site.now += MINUTE
    site.start()
    after = site.row("tasks_site.tasks.echo")
    assert (after.version, after.next_run_at) == (0, row.next_run_at)


def test_a_change_in_the_code_changes_the_row_and_its_plan(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare()
    site.start()
    monkeypatch.setattr(schedules, "_declared", {})
    declare(cron="0 * * * *", args=[7])
    site.start()
    row = site.row()
    assert (row.cron, row.args, row.next_run_at) == ("0 * * * *", [7], NOON + 60 * MINUTE)


def test_arguments_alone_do_not_move_the_next_tick(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare()
    site.start()
    monkeypatch.setattr(schedules, "_declared", {})
    declare(args=[7])
    site.now += 30 * MINUTE  # nobody ticked: it is due, and stays so
    site.start()
    assert (site.row().args, site.row().next_run_at) == ([7], NOON + 5 * MINUTE)


def test_a_due_tick_survives_a_change_of_its_cron(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare()
    site.start()
    monkeypatch.setattr(schedules, "_declared", {})
    declare(cron="0 0 * * *")
    site.now = NOON + 5 * MINUTE
    site.start()
    assert site.tick()
    assert len(site.jobs()) == 1
    assert site.row().next_run_at == NOON + timedelta(hours=12)


def test_the_operator_switches_and_the_code_does_not(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare()
    site.start()
    assert schedule_rows.set_enabled(site.alias, [site.row().pk], enabled=False) == 1
    assert site.row().next_run_at is None
    site.start()
    monkeypatch.setattr(schedules, "_declared", {})
    declare(cron="0 * * * *")
    site.start()
    row = site.row()
    assert (row.enabled, row.next_run_at, row.cron) == (False, None, "0 * * * *")
    site.tick(NOON + timedelta(days=3))
    assert schedule_rows.set_enabled(site.alias, [row.pk], enabled=True) == 1
    assert site.row().next_run_at == site.now + 60 * MINUTE
    assert site.tick() and not site.jobs(), "what came while it was off is not missed"


def test_gone_from_the_code_it_ends_at_its_next_tick(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare()
    site.start()
    monkeypatch.setattr(schedules, "_declared", {})
    site.start()
    row = site.row()
    assert row.gone_at == NOON and row.next_run_at is not None
    assert not site.tick(row.next_run_at), "another node may have the code still"
    assert site.tick(row.next_run_at + schedule_rows.LEFT_MAX + MINUTE)
    assert site.row().next_run_at is None
    assert not site.jobs()
    declare()  # back in the code
    site.start()
    assert site.row().gone_at is None
    assert site.row().next_run_at > site.now


def test_during_a_deployment_old_nodes_go_on_with_what_new_code_removed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare()
    site.start()
    old = dict(schedules._declared)
    monkeypatch.setattr(schedules, "_declared", {})
    site.start()  # the new node
    assert not site.tick(NOON + 5 * MINUTE)
    monkeypatch.setattr(schedules, "_declared", old)
    assert site.tick()
    assert site.ticks() == [NOON + 5 * MINUTE]
    assert site.row().gone_at is not None


def test_a_module_that_cannot_be_imported_removes_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare()
    site.start()
    monkeypatch.setattr(schedules, "_declared", {})
    site.start(broken=["other", "tasks_site"])
    assert site.row().gone_at is None
    site.start(broken=["other", "tasks"])
    assert site.row().gone_at is not None


def test_a_name_taken_in_the_admin_is_left_alone(site: Site, caplog: Any) -> None:
    site.add(name="tasks_site.tasks.add", cron="0 0 * * *", args=[5])
    declare()
    site.start()
    assert (site.row().args, site.row().source) == ([5], "admin")
    assert "CORRAL-572" in caplog.text


def test_nodes_that_start_together_make_one_row_each(alias: str) -> None:
    for n in range(5):
        declare(args=[n], name=f"schedule {n}")
    errors: list[BaseException] = []
    barrier = threading.Barrier(4)

    def start() -> None:
        from django.db import connections

        try:
            barrier.wait()
            schedule_rows.synchronise(alias, dict(schedules._declared))
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    rows = Schedule.objects.using(alias)
    assert rows.count() == 5
    assert not rows.exclude(version=0).exists()


# --- ticks


def test_a_tick_enqueues_and_plans_the_next(site: Site) -> None:
    declare(tasks.echo.using(queue_name="mail", priority=3), args=["é"], kwargs={"k": 1})
    site.start()
    assert site.tick(NOON + 4 * MINUTE) and not site.jobs()
    assert site.tick(NOON + 5 * MINUTE)
    (job,) = site.jobs()
    assert (job.task_path, job.queue_name, job.priority) == ("tasks_site.tasks.echo", "mail", 3)
    assert (job.args, job.kwargs, job.run_after) == (["é"], {"k": 1}, NOON + 5 * MINUTE)
    row = site.row("tasks_site.tasks.echo")
    assert row.next_run_at == NOON + 10 * MINUTE
    assert (row.last_run_at, row.last_job, row.last_error) == (NOON + 5 * MINUTE, job.id, "")
    assert site.tick() and len(site.jobs()) == 1, "the same moment again"


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        # Down from 12:04 to 12:21:30, every five minutes: 12:05, 12:10, 12:15, 12:20.
        ("skip", []),
        ("once", [20]),
        ("all", [5, 10, 15, 20]),
    ],
)
def test_what_becomes_of_missed_ticks(site: Site, missed: str, expected: list[int]) -> None:
    declare(missed=missed)
    site.start()
    assert site.tick(NOON + 21.5 * MINUTE)
    assert site.ticks() == [NOON + n * MINUTE for n in expected]
    assert site.row().next_run_at == NOON + 25 * MINUTE


def test_skip_does_not_skip_what_is_merely_late(site: Site) -> None:
    declare(missed="skip")
    site.start()
    assert site.tick(NOON + 5 * MINUTE + timedelta(seconds=59))
    assert site.ticks() == [NOON + 5 * MINUTE]


def test_all_has_a_bound_and_says_so(site: Site, caplog: Any) -> None:
    declare(cron="* * * * *", missed="all")
    site.start()
    back = NOON + timedelta(days=400)
    assert site.tick(back)
    assert site.ticks() == [back - n * MINUTE for n in reversed(range(100))]
    assert "CORRAL-573" in caplog.text
    assert site.row().next_run_at == back + MINUTE


def test_a_clock_set_forward_is_a_missed_tick_and_back_is_none_twice(site: Site) -> None:
    declare(cron="0 * * * *")
    site.start()
    assert site.tick(NOON + 61 * MINUTE)  # an hour ahead of what it was
    assert len(site.jobs()) == 1
    for minutes in range(5, 60, 5):  # an hour back
        assert site.tick(NOON + minutes * MINUTE)
    assert site.tick(NOON + 61 * MINUTE) and len(site.jobs()) == 1
    assert site.tick(NOON + 120 * MINUTE) and len(site.jobs()) == 2


def test_a_clock_that_was_a_year_ahead_does_not_stop_a_schedule(site: Site, caplog: Any) -> None:
    declare(cron="0 * * * *")
    declare(args=[2], name="other")
    site.start()
    site.tick(NOON + timedelta(days=365))
    assert len(site.jobs()) == 2
    site.now = NOON
    site.start()
    assert "CORRAL-574" in caplog.text
    assert site.row().next_run_at == NOON + 60 * MINUTE
    assert site.tick(NOON + 60 * MINUTE) and len(site.jobs()) == 4


# --- failures


def test_a_task_that_cannot_be_imported_is_left_to_others_then_noted(
    site: Site, caplog: Any
) -> None:
    due = NOON + 5 * MINUTE
    bad = [
        site.add(name=path, task_path=path, cron="*/5 * * * *")
        for path in ("no_such.module", "tasks_site.tasks.plain", "tasks_site.broken.task")
    ]
    declare()
    site.start()
    assert not site.tick(due), "something due is left"
    assert site.ticks() == [due], "the others go on"
    assert {site.row(row.name).next_run_at for row in bad} == {due}
    assert site.tick(due + timedelta(seconds=31))
    for row in bad:
        now = site.row(row.name)
        assert now.next_run_at == due + 5 * MINUTE
        assert now.last_error and now.last_run_at is None
        assert f"CORRAL-570 schedule {row.name!r}" in caplog.text
    assert "no_such" in site.row("no_such.module").last_error
    assert len(site.jobs()) == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"queue_name": "elsewhere"}, "Queue 'elsewhere'"),
        ({"backend_name": "gone"}, "gone"),
        ({"backend_name": "immediate"}, "is not corral.tasks.DatabaseBackend"),
    ],
)
def test_what_cannot_be_enqueued_is_noted_at_once(
    site: Site, values: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_backends["default"], "queues", {"default", "mail"})
    site.add(cron="*/5 * * * *", **values)
    assert site.tick(NOON + 5 * MINUTE)
    row = site.row("row")
    assert words in row.last_error
    assert (row.next_run_at, row.last_job) == (NOON + 10 * MINUTE, None)
    assert not site.jobs()


def test_a_receiver_that_raises_enqueues_nothing_and_the_next_tick_goes_on(site: Site) -> None:
    site.add(cron="*/5 * * * *")

    def refuse(**kwargs: Any) -> None:
        raise RuntimeError("not \0 today \udc80")

    task_enqueued.connect(refuse)
    try:
        assert site.tick(NOON + 5 * MINUTE)
    finally:
        task_enqueued.disconnect(refuse)
    assert not site.jobs()
    assert "RuntimeError: not  today" in site.row("row").last_error
    assert site.tick(NOON + 10 * MINUTE)
    assert len(site.jobs()) == 1 and site.row("row").last_error == ""


def test_a_lost_database_spends_no_tick(site: Site) -> None:
    site.add(cron="*/5 * * * *")

    def lose(**kwargs: Any) -> None:
        raise DatabaseError("gone")

    task_enqueued.connect(lose)
    try:
        with pytest.raises(DatabaseError):
            site.tick(NOON + 5 * MINUTE)
    finally:
        task_enqueued.disconnect(lose)
    assert not site.jobs()
    assert site.tick() and site.ticks() == [NOON + 5 * MINUTE]


def test_a_cron_broken_past_the_checks_is_noted_and_not_planned(site: Site) -> None:
    due = NOON + 5 * MINUTE
    row = site.add(cron="*/5 * * * *")
    Schedule.objects.using(site.alias).filter(pk=row.pk).update(cron="nonsense")
    assert not site.tick(due)
    assert site.tick(due + MINUTE)
    assert "has 1 fields" in site.row("row").last_error
    assert site.row("row").next_run_at is None


# --- several nodes


def test_a_row_redefined_between_look_and_tick_is_not_ticked_by_its_old_cron(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = site.add(cron="*/5 * * * *")
    site.now = NOON + 5 * MINUTE
    stale = site.row("row")
    assert schedule_rows.redefine(site.alias, row, {"cron": "0 0 * * *"})
    assert schedule_rows._tick(site.alias, stale, site.now)
    assert not site.jobs()
    assert site.tick()  # due before the change: it comes, planned by the new cron
    assert site.row("row").next_run_at == NOON + timedelta(hours=12)


def test_two_nodes_tick_fifty_times_and_one_is_killed(
    alias: str, site: Site, child: Callable[..., Any]
) -> None:
    crons = {"minutely": "* * * * *", "again": "* * * * *", "odd": "1-59/2 * * * *"}
    for name, cron in crons.items():
        site.add(name=name, cron=cron, missed="all")
    nodes = [child("ticking.py", alias) for _ in range(2)]
    for node in nodes:
        assert node.stdout.readline() == "ready\n"
    for n in range(1, 51):
        moment = NOON + n * MINUTE
        for node in nodes:
            node.stdin.write(f"{moment.timestamp()}\n")
            node.stdin.flush()
        if n == 25:  # in the middle of its tick, or near it
            nodes[0].send_signal(signal.SIGKILL)
            nodes.pop(0).wait()
        for node in nodes:
            assert node.stdout.readline() == "True\n"
    every = [NOON + n * MINUTE for n in range(1, 51)]
    expected = sorted([*every, *every, *every[::2]])
    assert sorted(site.ticks()) == expected


# --- what the keeper asks


def test_the_store_says_how_long_until_the_next_tick(
    alias: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the database's own clock
    store = new_store(alias)
    store.open()
    try:
        assert store.next_tick_ms() == -1
        present = datetime.now(UTC)
        site.add(name="off", cron="* * * * *", enabled=False, next_run_at=None)
        assert store.next_tick_ms() == -1
        site.add(name="later", cron="* * * * *", next_run_at=present + timedelta(hours=2))
        site.add(name="soon", cron="* * * * *", next_run_at=present + timedelta(hours=1))
        assert 3_500_000 < store.next_tick_ms() <= 3_600_000
        site.add(name="due", cron="* * * * *", next_run_at=present - timedelta(hours=1))
        assert store.next_tick_ms() == 0
    finally:
        store.close()


# --- on the decorator


def by_hand() -> None:
    """A function that the tests below decorate."""


@pytest.mark.parametrize("decorate", ["corral", "django"])
def test_a_schedule_stands_on_the_decorator(decorate: str) -> None:
    import django
    from django.tasks import task as django_task

    from corral.tasks import task

    if decorate == "django" and django.VERSION < (6, 1):
        pytest.skip("Django 6.0 passes no keywords to the backend")
    decorator = task if decorate == "corral" else django_task
    made = decorator(cron="@hourly", tz="Europe/Berlin", missed="skip")(by_hand)
    (one,) = schedules.declared().values()
    assert (one.name, one.cron, one.tz, one.missed) == (
        f"{__name__}.by_hand", "@hourly", "Europe/Berlin", "skip",
    )  # fmt: skip
    made.using(queue_name="mail", max_attempts=2)
    assert list(schedules.declared().values()) == [one], "using() declares nothing"


def test_a_wrong_schedule_on_the_decorator_names_the_task() -> None:
    from corral.tasks import task

    with pytest.raises(ConfigurationError, match=r"by_hand: cron '61 .*field 1 \(minute\)"):
        task(cron="61 * * * *")(by_hand)
    with pytest.raises(ConfigurationError, match="by_hand: tz without cron"):
        task(tz="UTC")(by_hand)
    with pytest.raises(ConfigurationError, match="do not fit"):
        task(cron="* * * * *")(tasks.add.func)


def test_the_policy_of_using_comes_with_each_job(site: Site) -> None:
    from tasks_site import policy_tasks

    declare(policy_tasks.three_times.using(max_attempts=7), args=["ValueError"])
    site.start()
    assert site.tick(NOON + 5 * MINUTE)
    (job,) = site.jobs()
    assert job.options == {"max_attempts": 7}


def test_a_task_worker_runs_ticks_beside_jobs(site: Site) -> None:
    from corral.tasks import ticker

    declare()
    run = ticker.with_ticks(lambda payload, *more: (1, payload + b"".join(more)), site.alias)
    assert run(b'{"id":"x"}', b" and more") == (1, b'{"id":"x"} and more')
    assert run(b'{"tick":1,"synchronise":true}') == (True, b"")
    assert site.row().next_run_at == NOON + 5 * MINUTE
    site.now = NOON + 5 * MINUTE
    assert run(b'{"tick":2,"synchronise":false}', object()) == (True, b"")
    assert len(site.jobs()) == 1
    site.add(task_path="no.such.task", cron="*/5 * * * *", next_run_at=site.now)
    assert run(b'{"tick":3,"synchronise":false}') == (False, b""), "something is left"


def test_a_tick_without_a_database_is_tried_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    from corral.tasks import ticker

    def lose(database: str) -> datetime:
        raise DatabaseError("gone")

    run = ticker.with_ticks(lambda payload: (1, payload), site.alias)
    monkeypatch.setattr(schedule_rows, "now", lose)
    assert run(b'{"tick":1,"synchronise":true}') == (False, b"")
    assert "CORRAL-575" in caplog.text


# --- the command line


def test_the_command_lists_them(default_database: str, capsys: Any) -> None:

    from corral.tasks.commands.schedules import COMMAND

    def listed(*arguments: str) -> str:
        parser = argparse.ArgumentParser()
        COMMAND.add_arguments(parser)
        assert COMMAND.run(parser.parse_args([*arguments, "--backend=default"])) == 0
        return capsys.readouterr().out

    assert "there are no schedules" in listed()
    values = {"task_path": "tasks_site.tasks.add", "args": [1], "cron": "0 3 * * *"}
    Schedule.objects.create(name="a", tz="Europe/Berlin", next_run_at=NOON, **values)
    Schedule.objects.create(name="b", tz="Mars", enabled=False, last_run_at=NOON, **values)
    title, first, second = listed().splitlines()
    assert title.split() == ["name", "cron", "tz", "state", "next", "run", "last", "run"]
    assert first.split() == [
        "a", "0", "3", "*", "*", "*", "Europe/Berlin", "on", "2026-06-01", "14:00", "CEST", "-",
    ]  # fmt: skip
    assert second.split()[-5:] == ["off", "-", "2026-06-01", "12:00", "UTC"]

    records = [json.loads(line) for line in listed("--json").splitlines()]
    assert [record["next_run_at"] for record in records] == [NOON.isoformat(), None]
    assert records[0]["args"] == [1] and records[1]["enabled"] is False


def test_modules_that_cannot_be_imported_are_named_and_the_others_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    sources = {
        "sched_good": "imported = True",
        "sched_missing": "import no_such_package",
        "sched_exits": "raise SystemExit(3)",
        "sched_without": None,
    }
    for name, source in sources.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        if source is not None:
            (tmp_path / name / "tasks.py").write_text(source)
    (tmp_path / "sched_module.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    configs = [
        SimpleNamespace(name=name, module=importlib.import_module(name))
        for name in (*sources, "sched_module")
    ]
    monkeypatch.setattr(schedules.apps, "get_app_configs", lambda: configs)
    assert schedules.discover() == ("sched_missing", "sched_exits")
    assert sys.modules["sched_good.tasks"].imported
    assert caplog.text.count("CORRAL-571") == 2 and "no_such_package" in caplog.text
