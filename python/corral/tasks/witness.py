"""Proof of death of nodes that nobody here can see: how long they have been silent.

A row of `corral_node` says until when its node counts as alive, by the database's clock. That alone
proves nothing: after an outage that was longer than that everybody's time is over, and who comes
back first must not take the others for dead; and clocks jump. So a node is dead when others have
looked again and again, while a living one would have had the time to renew, and found its row
unchanged.

All spans are parts of the lease time, so that a node is rescued within it:

    renewed every 3/15, valid for 9/15, then 4 looks, one each 1/15: at most 9 + 1 + 4 = 14/15
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

PARTS = 15
RENEW_PARTS = 3  # a living node writes its row this often
VALID_PARTS = 9  # and says that it counts as alive for so long: two renewals may be missed
LOOKS = 4  # more than RENEW_PARTS: a node that is back from an outage has renewed


@dataclass(slots=True)
class _Sight:
    expires_at: Any
    looks: int
    seen_s: float


class Witness:
    """What one node has seen of the others since it could last reach the database.

    Looks count only when they are a part of the lease apart: a node that was paused itself has not
    looked meanwhile. The keeper looks once in each part.
    """

    def __init__(self, lease_s: float) -> None:
        # A little less: the keeper's looks are not exactly so far apart.
        self._part_s = 0.9 * lease_s / PARTS
        self._sights: dict[str, _Sight] = {}

    def forget(self) -> None:
        """The database was out of reach: what was seen before proves nothing."""
        self._sights.clear()

    def sees_dead(self, over: dict[str, Any]) -> list[str]:
        """Looks at the nodes whose time is over, with their `expires_at`; returns the dead ones."""
        now_s = time.monotonic()
        seen, self._sights = self._sights, {}
        for node, expires_at in over.items():
            sight = seen.get(node)
            if sight is None or sight.expires_at != expires_at:
                sight = _Sight(expires_at, 0, now_s)
            elif now_s - sight.seen_s >= self._part_s:
                sight = _Sight(expires_at, sight.looks + 1, now_s)
            self._sights[node] = sight
        return [node for node, sight in self._sights.items() if sight.looks >= LOOKS]
