"""The server that most HTTP tests share, in each isolation."""

from collections.abc import Iterator

import pytest
from http_servers import serve

from harness import Corral
from harness.gate import Gate


@pytest.fixture(scope="session")
def gate() -> Iterator[Gate]:
    with Gate() as gate:
        yield gate


@pytest.fixture(scope="session", params=["interpreter", "process"])
def shared(request: pytest.FixtureRequest, gate: Gate) -> Iterator[Corral]:
    with serve(gate, isolation=request.param) as server:
        yield server


@pytest.fixture
def server(shared: Corral) -> Iterator[Corral]:
    """The shared server, which must be left as it was found."""
    with shared.no_leaks():
        yield shared
    shared.check_log()
