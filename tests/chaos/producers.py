"""Those who enqueue: programs of their own, and clients of the node's view."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from typing import Any

from chaos.node import SITE, WAIT_S
from harness.processes import eventually


class Producer:
    """A program that enqueues at its own pace, and what it is told."""

    def __init__(self, environment: Mapping[str, str], seed: int, pace_s: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SITE / "producer.py"), str(seed), str(pace_s)],
            cwd=SITE, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def enqueue(self, task: str, *args: Any) -> str:
        """The id of a new job; asks again while the database refuses."""
        return eventually(lambda: self._ask([task, *args]), f"a place for {task}", WAIT_S)

    def _ask(self, job: list[Any]) -> str:
        assert self._process.stdin and self._process.stdout
        print(json.dumps(job), file=self._process.stdin, flush=True)
        return self._process.stdout.readline().strip()

    def stop(self) -> None:
        """Ends it; a program that came to grief is a fault of the test."""
        assert self._process.stdin
        self._process.stdin.close()
        code = self._process.wait(WAIT_S)
        assert code == 0, f"a producer ended with {code}"

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()
        self._process.wait()


class Caller(threading.Thread):
    """A client of the view: its web worker enqueues. Refusals are no news here."""

    def __init__(self, address: Callable[[], tuple[str, int]], pace_s: float) -> None:
        super().__init__(daemon=True)
        self._address = address
        self._pace_s = pace_s
        self._is_stopped = threading.Event()
        self.enqueued: list[tuple[str, int]] = []  # job and moment, as answered

    def run(self) -> None:
        while not self._is_stopped.wait(self._pace_s):
            try:
                self._call()
            except OSError, HTTPException, AssertionError:
                continue

    def _call(self) -> None:
        connection = HTTPConnection(*self._address(), timeout=5)
        try:
            connection.request("GET", "/enqueue")
            response = connection.getresponse()
            text = response.read().decode()
            if response.status == 200:
                self.enqueued.append((text, time.monotonic_ns()))
        finally:
            connection.close()

    def stop(self) -> None:
        """Returns when it calls no more."""
        self._is_stopped.set()
        self.join(WAIT_S)
