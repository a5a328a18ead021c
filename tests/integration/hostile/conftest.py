"""The server that most tests share, in each isolation."""

from collections.abc import Iterator

import pytest
from hostile_servers import serve

from harness import Corral


@pytest.fixture(scope="module", params=["interpreter", "process"])
def shared(request: pytest.FixtureRequest) -> Iterator[Corral]:
    with serve(isolation=request.param) as server:
        yield server


@pytest.fixture
def server(shared: Corral) -> Iterator[Corral]:
    """The shared server, which logs nothing above info."""
    yield shared
    shared.check_log()


@pytest.fixture(params=["interpreter", "process"])
def isolation(request: pytest.FixtureRequest) -> str:
    return request.param
