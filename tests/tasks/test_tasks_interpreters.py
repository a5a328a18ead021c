"""The store where the keeper has it: in a lean interpreter, and under any time zone settings."""

from __future__ import annotations

import json
from typing import Any

import pytest


def test_works_in_a_lean_interpreter(alias: str, child: Any) -> None:
    program = child("lean.py", alias)
    output, _ = program.communicate(timeout=120)
    assert program.returncode == 0
    assert json.loads(output) == ["SUCCESSFUL", 7, "READY", []]


@pytest.mark.parametrize(
    ("use_tz", "zone"), [("0", "America/New_York"), ("1", "Asia/Kolkata"), ("0", "UTC")]
)
def test_any_time_zone(alias: str, child: Any, use_tz: str, zone: str) -> None:
    program = child("zones.py", alias, CORRAL_TEST_USE_TZ=use_tz, CORRAL_TEST_TIME_ZONE=zone)
    output, _ = program.communicate(timeout=120)
    assert program.returncode == 0
    assert json.loads(output) == {"status": "SUCCESSFUL", "aware": use_tz == "1"}


def test_a_database_with_a_zone_of_its_own(alias: str, child: Any) -> None:
    from tasks_databases import DATABASES

    databases = json.loads(json.dumps(DATABASES))
    databases[alias]["TIME_ZONE"] = "Australia/Adelaide"
    program = child("zones.py", alias, CORRAL_TEST_DATABASES=json.dumps(databases))
    output, _ = program.communicate(timeout=120)
    assert program.returncode == 0
    assert json.loads(output) == {"status": "SUCCESSFUL", "aware": True}
