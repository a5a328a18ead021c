"""When a silent node is dead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from corral.tasks import witness

EARLY = datetime(2020, 1, 1, tzinfo=UTC)
LATER = EARLY + timedelta(seconds=1)


class Time:
    """A clock that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr(witness.time, "monotonic", lambda: self.now_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def looks(seen: witness.Witness, clock: Time, count: int, expiry: datetime = EARLY) -> list[bool]:
    """So many looks at one node, one each second."""
    dead = []
    for _ in range(count):
        dead.append(seen.sees_dead({"node": expiry}) == ["node"])
        clock.now_s += 1
    return dead


def test_a_node_is_dead_after_looks_that_are_apart(clock: Time) -> None:
    seen = witness.Witness(15.0)
    assert looks(seen, clock, witness.LOOKS + 1) == [False] * witness.LOOKS + [True]


def test_a_node_that_renews_is_alive(clock: Time) -> None:
    seen = witness.Witness(15.0)
    assert not any(looks(seen, clock, witness.LOOKS))
    assert not any(looks(seen, clock, witness.LOOKS, LATER))
    assert seen.sees_dead({}) == []
    assert not any(looks(seen, clock, witness.LOOKS, LATER)), "it was alive in between"


def test_looks_in_a_hurry_and_looks_before_an_outage_prove_nothing(clock: Time) -> None:
    seen = witness.Witness(15.0)
    for _ in range(100):
        assert seen.sees_dead({"node": EARLY}) == []
    clock.now_s += 3600  # whoever was paused himself has looked once
    assert not any(looks(seen, clock, witness.LOOKS - 1))
    seen.forget()
    assert not any(looks(seen, clock, witness.LOOKS))


def test_a_node_is_rescued_within_its_lease_and_has_time_to_renew() -> None:
    parts = witness.VALID_PARTS + 1 + witness.LOOKS
    assert parts < witness.PARTS
    assert 0.9 * witness.LOOKS > witness.RENEW_PARTS
    assert witness.VALID_PARTS > 2 * witness.RENEW_PARTS
