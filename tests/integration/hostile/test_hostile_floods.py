"""Clients that want more than they take."""

from hostile_servers import endure

from harness import Corral

FLOOD_PEAK_BYTES = 64_000_000


def test_flood_of_pipelined_requests(server: Corral) -> None:
    """Twenty clients ask for 400 MB together; what they do not take is not made."""
    met = endure(server, "flood", 20, peak_bytes=FLOOD_PEAK_BYTES)
    assert met["whole"] == 5


def test_half_closed_clients(server: Corral) -> None:
    met = endure(server, "half_closer", 20)
    assert met["whole"] == met["connections"] >= 60
