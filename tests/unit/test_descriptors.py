"""How many of the open files that a process may have are for connections."""

import pytest

from corral import descriptors


@pytest.mark.parametrize(
    ("limit", "threads", "connections"),
    [(20_000, 4, 20_000 - 64 - 64), (1024, 2, 1024 - 96), (100, 2, 50), (3, 1, 2)],
)
def test_connections(limit: int, threads: int, connections: int) -> None:
    assert descriptors.for_connections(limit, threads) == connections
