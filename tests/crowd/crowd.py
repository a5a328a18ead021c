"""The crowd as its members see it: where to connect, when to stop, what to tell."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable

from crowd.member import Member

Kind = Callable[["Crowd", int], Awaitable[None]]
FAULTS_TOLD = 5


class Crowd:
    """`size` members that all run the same `kind` until they are told to stop.

    A member says arrived() when it is where it wants to be: connected and idle, stuck in a
    response, or through its first rounds. When all have, the crowd stands, which is printed as a
    line of JSON.
    """

    def __init__(self, address: tuple[str, int], size: int, pace_s: float, seed: int) -> None:
        self.address = address
        self.size = size
        self.pace_s = pace_s
        self.chance = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self._absent = set(range(size))
        self._stop = asyncio.Event()
        self._stopped = asyncio.ensure_future(self._stop.wait())

    @property
    def is_stopped(self) -> bool:
        return self._stop.is_set()

    def stop(self) -> None:
        self._stop.set()

    async def run(self, kind: Kind) -> None:
        await asyncio.gather(*(self._run_member(kind, number) for number in range(self.size)))
        self.tell("done", counts=self.counts, faults=self.faults[:FAULTS_TOLD])

    async def _run_member(self, kind: Kind, number: int) -> None:
        try:
            await kind(self, number)
        except Exception as fault:
            self.faults.append(f"member {number}: {type(fault).__name__}: {fault}")
            self.tell("fault", what=self.faults[-1])

    def tell(self, state: str, **more: object) -> None:
        print(json.dumps({"state": state} | more), flush=True)

    # --- for members

    async def connect(self, receive_buffer: int = 0) -> Member:
        self.counts["connections"] += 1
        return await Member.connect(self.address, receive_buffer)

    def note(self, what: object) -> None:
        """Counts what a member has met."""
        self.counts[str(what)] += 1

    def arrived(self, number: int) -> None:
        if not self._absent:
            return
        self._absent.discard(number)
        if not self._absent:
            self.tell("standing")

    async def pause(self, seconds: float | None = None) -> bool:
        """One pace, or so long. False when the crowd is to stop."""
        await asyncio.wait({self._stopped}, timeout=self.pace_s if seconds is None else seconds)
        return not self.is_stopped

    async def stay(self, member: Member) -> bool:
        """Says nothing until bytes or the end come (True), or the order to stop (False)."""
        input_comes = asyncio.ensure_future(member.wait_input())
        await asyncio.wait({self._stopped, input_comes}, return_when=asyncio.FIRST_COMPLETED)
        if input_comes.done():
            return True
        input_comes.cancel()
        await asyncio.wait({input_comes})
        return False
