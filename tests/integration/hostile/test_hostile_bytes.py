"""Bytes that are no requests, and clients that come and go."""

import pytest
from hostile_servers import endure

from harness import Corral


@pytest.mark.parametrize("seed", [1, 2])
def test_fuzzed_bytes(server: Corral, seed: int) -> None:
    met = endure(server, "fuzzer", 200, seed=seed)
    assert met["200"] > 0
    assert met["400"] > 0


def test_tls(server: Corral) -> None:
    met = endure(server, "tls_client", 50)
    assert met == {"connections": met["connections"], "400": met["connections"]}


def test_clients_that_come_and_go(server: Corral) -> None:
    met = endure(server, "comer_and_goer", 100)
    assert met["connections"] >= 500


def test_megabyte_behind_a_refused_request(server: Corral) -> None:
    met = endure(server, "behind_refusal", 20)
    assert met == {"400": met["connections"], "connections": met["connections"]}


def test_clients_that_never_stop_talking(server: Corral) -> None:
    endure(server, "babbler", 4)


def test_what_never_ends_is_refused(server: Corral) -> None:
    met = endure(server, "endless", 11)
    assert {"400", "413", "414", "431"} <= met.keys()


def test_tiny_chunks(server: Corral) -> None:
    assert endure(server, "tiny_chunks", 10)["200"] >= 30


def test_many_fields(server: Corral) -> None:
    met = endure(server, "many_fields", 20)
    assert met["431"] > met["200"] > 0
