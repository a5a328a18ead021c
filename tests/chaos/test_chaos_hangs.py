"""Tasks hang for longer than the lease, and the clock jumps: nobody is taken for dead."""

import pytest

from chaos import harms
from chaos.short import strike_each


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_hanging_tasks_and_a_wrong_clock_cost_nothing(vendor: str) -> None:
    strike_each(vendor, harms.TasksHang, harms.ClockJumps)
