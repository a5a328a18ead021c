"""Servers for the tests of bad clients, and what a server must do while it has them."""

import os
from pathlib import Path
from typing import Any

from crowd import Attack, Level, Probe
from harness import Corral, eventually

SITES = Path(__file__).parents[2] / "crowd" / "sites"

# No time limit ends what a crowd does not want to end.
PATIENT = ["--keep-alive=3600", "--header-timeout=3600", "--body-timeout=3600"]
PATIENT += ["--write-timeout=3600", "--queued-timeout=3600"]

PROBES = 20  # of each sort while the crowd stands
PROBE_WAIT_S = 5.0
MEMORY_KEPT_BYTES = 24_000_000  # caches of allocators, of every thread and worker


def serve(*options: str, isolation: str, **more: Any) -> Corral:
    """The crowd's site with two workers of one thread."""
    more.setdefault("workers", 2)
    return Corral(
        "plain:application", SITES, isolation=isolation, options=[*PATIENT, *options], **more
    )


def address_of(server: Corral) -> tuple[str, int]:
    return ("127.0.0.1", server.port)


def level_of(server: Corral) -> Level:
    return Level.of(server.pids().children)


def endure(
    server: Corral,
    kind: str,
    size: int,
    *,
    probes: int = PROBES,
    peak_bytes: int = 0,
    **attack: Any,
) -> dict[str, int]:
    """Has the crowd attack the server, whose other clients are served meanwhile, and which is
    afterwards as before. With `peak_bytes` it may take no more memory than that while the crowd
    stands. Returns what the crowd met.
    """
    warm_up(server)
    before = level_of(server)
    with server.no_leaks():
        with Attack(kind, address_of(server), size, **attack) as crowd:
            probe = Probe(address_of(server), PROBE_WAIT_S)
            eventually(lambda: _ask(probe, crowd) or crowd.is_standing(), f"{kind} stand")
            for _ in range(probes):
                _ask(probe, crowd)
            if peak_bytes:
                grown = level_of(server).pss_bytes - before.pss_bytes
                assert grown <= peak_bytes, f"{grown} bytes more while the crowd stands"
            outcome = crowd.stop()
        probe.close()
    assert not outcome.faults, outcome.faults
    _assert_memory_is_back(server, before)
    server.access.take_left()
    return outcome.counts


def warm_up(server: Corral) -> None:
    """What is allocated once and kept is there: code, caches, a buffer for each thread."""
    probe = Probe(address_of(server), PROBE_WAIT_S)
    for _ in range(PROBES):
        probe.ask()
    probe.close()
    assert probe.failures == []


def _ask(probe: Probe, crowd: Attack) -> None:
    probe.ask()
    faults = probe.failures + crowd.faults()
    assert not faults, f"after {len(probe.fresh_s)} rounds: {faults}"


def _assert_memory_is_back(server: Corral, before: Level) -> None:
    def grown() -> int:
        return level_of(server).pss_bytes - before.pss_bytes

    if os.environ.get("CORRAL_TEST_PRELOAD"):
        return  # a sanitizer keeps what is freed
    eventually(lambda: grown() <= MEMORY_KEPT_BYTES, f"memory as before ({grown()} bytes more)")
