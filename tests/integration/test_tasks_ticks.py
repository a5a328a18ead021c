"""Schedules of real nodes on one database: each tick once, whatever happens to a node."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from task_site import TaskSite
from test_tasks_start import refusal

from harness import Corral, eventually

NAMES = ("a", "b", "c", "d", "e")  # of site_schedules.tasks


def scheduled(site: TaskSite) -> TaskSite:
    """The site with the app that declares the schedules."""
    apps = ["corral.tasks", "site_tasks", "site_schedules"]
    site.env["SITE_APPS"] = json.dumps(apps)
    return site


def ticks(site: TaskSite) -> Counter[tuple[str, datetime]]:
    """How many jobs there are of each tick, by name and time."""
    rows = site.database.rows("SELECT args, run_after FROM corral_job WHERE run_after IS NOT NULL")
    return Counter((json.loads(row["args"])[0], moment(row["run_after"])) for row in rows)


def moment(value: Any) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def wait_for_ticks(site: TaskSite, count: int) -> None:
    eventually(lambda: len(ticks(site)) >= count, f"{count} ticks", wait_s=120)


def require_each_once(site: TaskSite) -> None:
    """No tick twice, and none between the first and the last of a schedule missing."""
    found = ticks(site)
    assert set(found.values()) == {1}
    for name in NAMES:
        times = sorted(time for of, time in found if of == name)
        seconds = (times[-1] - times[0]) / timedelta(seconds=1)
        assert seconds + 1 == len(times), f"{name} has gaps: {times}"


def kill_engine(server: Corral) -> None:
    engine = server.pids().engine
    assert engine
    os.kill(engine, signal.SIGKILL)
    server.expect_log("CORRAL-102", "killed")
    server.expect_message("engine serves again")


def claim_rescues(*servers: Corral) -> None:
    """Whether the killed engine ran jobs at that moment, and which node found them, is open."""
    for server in servers:
        server.log.drop(lambda record: record.get("code") == "CORRAL-503")


def test_two_nodes_enqueue_each_tick_once_though_one_is_killed(site: TaskSite) -> None:
    scheduled(site)
    with site.work("--task-threads=2") as one, site.work("--task-threads=2") as other:
        wait_for_ticks(site, 25)
        kill_engine(one)
        wait_for_ticks(site, 60)
        rows = site.database.rows(
            "SELECT name, source, last_error, next_run_at FROM corral_schedule"
        )
        assert {row["name"] for row in rows} == {*NAMES, "site_schedules.tasks.tick"}
        assert all(row["source"] == "code" and row["last_error"] == "" for row in rows)
        assert all(row["next_run_at"] is not None for row in rows)
        claim_rescues(one, other)
    require_each_once(site)


def test_a_tick_comes_in_its_second_and_runs(sqlite_site: TaskSite) -> None:
    site = scheduled(sqlite_site)
    with site.work():
        wait_for_ticks(site, 15)
    rows = site.database.rows("SELECT enqueued_at, run_after, status, return_value FROM corral_job")
    finished = [row for row in rows if row["status"] == "SUCCESSFUL"]
    assert len(finished) >= 10
    late = sorted(moment(row["enqueued_at"]) - moment(row["run_after"]) for row in rows)
    assert late[0] >= timedelta(0), "never early"
    assert {json.loads(row["return_value"]) for row in finished} == set(NAMES)


def test_a_wrong_schedule_refuses_the_start(sqlite_site: TaskSite) -> None:
    apps = json.dumps(["corral.tasks", "site_tasks", "site_wrong_schedule"])
    reason = refusal("work", site=sqlite_site, SITE_APPS=apps)
    assert "site_wrong_schedule.tasks.never: cron '61 * * * *': field 1 (minute)" in reason
