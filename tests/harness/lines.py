"""The lines of a pipe, read as they come by a thread of its own."""

import threading
from collections.abc import Callable
from typing import IO

WAIT_S = 30.0  # a liveness bound: long enough for a loaded machine, and only ever met by a fault


class Lines[Item]:
    """What a pipe has said so far. What a test waits for is claimed; the rest is left over."""

    def __init__(self, stream: IO[bytes], parse: Callable[[str], Item]) -> None:
        self._stream = stream
        self._parse = parse
        self._changed = threading.Condition()
        self._all: list[Item] = []  # guarded by _changed
        self._left: list[Item] = []  # guarded by _changed
        self._ended = False  # guarded by _changed
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, accept: Callable[[Item], bool], what: str, wait_s: float = WAIT_S) -> Item:
        """Claims the first unclaimed item that `accept` takes; fails when the pipe ends without."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._ended or any(accept(item) for item in self._left), wait_s
            )
            for index, item in enumerate(self._left):
                if accept(item):
                    return self._left.pop(index)
            why = "the pipe ended" if self._ended else f"not within {wait_s:g} s"
            raise AssertionError(f"no {what} ({why}); unclaimed: {self._left}")

    def all(self) -> list[Item]:
        """Everything so far, claimed or not."""
        with self._changed:
            return list(self._all)

    def take_left(self) -> list[Item]:
        """Claims what nobody has claimed."""
        with self._changed:
            left, self._left = self._left, []
            return left

    def drop(self, accept: Callable[[Item], bool]) -> None:
        """Claims whatever `accept` takes of what has come."""
        with self._changed:
            self._left = [item for item in self._left if not accept(item)]

    def join(self, wait_s: float = WAIT_S) -> bool:
        """Waits for the pipe's end: every process that holds it is gone."""
        self._reader.join(wait_s)
        return not self._reader.is_alive()

    def _read(self) -> None:
        for line in self._stream:
            item = self._parse(line.decode("utf-8", "backslashreplace").rstrip("\n"))
            with self._changed:
                self._all.append(item)
                self._left.append(item)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
