"""A host dies, and a node stands still: what they ran runs again, late finishes change nothing."""

import pytest

from chaos import harms
from chaos.short import strike_each


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_hosts_that_die_or_stand_still_lose_nothing(vendor: str) -> None:
    strike_each(vendor, harms.HostDies, harms.NodePaused)
