"""Whose turn it is among the queues of a node: each gets its weight's share of the claims.

Start-time fair queueing. A queue's next job bears a tag; the smallest tags are claimed first, and
each claimed job moves its queue's tag on by a step, shorter the heavier the queue. A queue without
jobs saves nothing up. src/tasks/shares.h does the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

STEP = 1_000_000  # of weight 1; whole numbers, so that equal tags are equal


class Shares:
    """What one node claimed lately from its queues."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._weights = weights
        self._tags: dict[str, int] = {}  # of the next job, where that is not `_now`
        self._now = 0

    def step(self, queue: str) -> int:
        """How far one job moves the queue's tag."""
        return STEP // self._weights.get(queue, 1)

    def ahead(self, queue: str) -> int:
        """The tag of the queue's next job, from that of a queue which was idle."""
        return self._tags.get(queue, self._now) - self._now

    def note(self, queues: Sequence[str]) -> None:
        """These were claimed: the queue of each job."""
        counts = {queue: queues.count(queue) for queue in set(queues)}
        now = self._now
        for queue, count in counts.items():
            step = self.step(queue)
            tag = self._tags.get(queue, self._now)
            now = max(now, tag + (count - 1) * step)
            self._tags[queue] = tag + count * step
        self._now = now
        self._tags = {queue: tag for queue, tag in self._tags.items() if tag > now}
