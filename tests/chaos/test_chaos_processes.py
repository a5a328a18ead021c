"""Processes are killed, from outside and by what tasks do; the audit finds nothing amiss."""

import pytest

from chaos import harms
from chaos.short import strike_each


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_deaths_lose_nothing(vendor: str) -> None:
    strike_each(
        vendor,
        harms.EngineKilled,
        harms.WebWorkerKilled,
        harms.SupervisorKilled,
        harms.NodeKilled,
        harms.TaskSegfaults,
        harms.TaskExits,
    )
