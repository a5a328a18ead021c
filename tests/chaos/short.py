"""The short form: some harms, once each, then the audit."""

import os

import pytest

from chaos.audit import Bars
from chaos.databases import Unavailable
from chaos.harms import Harm
from chaos.storm import Storm

LEASE_S = 2.0
# Liveness bounds; `make chaos` holds the bars themselves.
BARS = Bars(rescue_here_s=20.0, rescue_elsewhere_s=20.0)


def strike_each(vendor: str, *kinds: type[Harm]) -> None:
    """Does each to a storm of its own; fails with what the audit finds."""
    harms = [kind() for kind in kinds]
    is_clock_false = any(harm.needs_clock for harm in harms)
    hosts = max(harm.hosts for harm in harms)
    try:
        storm = Storm(vendor, 1, lease_s=LEASE_S, hosts=hosts, is_clock_false=is_clock_false)
    except Unavailable as lack:
        if os.environ.get("CI") == "true":
            pytest.fail(str(lack))
        pytest.skip(str(lack))
    skipped = []
    with storm:
        for harm in harms:
            if reason := harm.why_not(storm):
                skipped.append(f"{harm.name}: {reason}")
                continue
            harm.strike(storm)
            storm.settle()
        verdict = storm.finish(BARS)
        assert not verdict.faults, "\n".join(verdict.faults)
        assert verdict.statuses["SUCCESSFUL"] > 0
    if skipped:
        pytest.skip("; ".join(skipped))
