"""What the tests of a node's life share."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Corral
from harness.gate import Gate

SITES = Path(__file__).parent / "sites"


@pytest.fixture
def gate() -> Iterator[Gate]:
    with Gate() as gate:
        yield gate


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder whose path is short enough for unix sockets."""
    with tempfile.TemporaryDirectory(prefix="corral-") as name:
        yield Path(name)


@pytest.fixture(params=["interpreter", "process"])
def isolation(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def server(gate: Gate, isolation: str) -> Callable[..., Corral]:
    """Makes a server of sites/gated.py with two threads to serve, in the test's isolation."""

    def make(*options: str, env: dict[str, str] | None = None, **more: Any) -> Corral:
        # Two processes accept as they like: which one a connection meets is left to the kernel.
        capacity = {"workers": 2} if isolation == "interpreter" else {"workers": 1, "threads": 2}
        return Corral(
            "gated", SITES, isolation=isolation, options=options, env=gate.env | (env or {}),
            **capacity | more,
        )  # fmt: skip

    return make


@pytest.fixture
def open_clients() -> Iterator[contextlib.ExitStack]:
    """Closes clients at the end of the test."""
    with contextlib.ExitStack() as stack:
        yield stack
