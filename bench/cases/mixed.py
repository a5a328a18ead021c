"""Half the connections on a view that computes, half on one that sleeps."""

from collections.abc import Mapping
from dataclasses import dataclass

from cases.base import Case, Column, Measured
from cases.rate import CPU, WARM_UP_SECONDS
from running import Running, ServerFailed
from wrk import Load, Wrk

from bench.apps.mixed import calibrate

COLUMNS = (
    Column("requests_per_second", "requests/s", "{:,.0f}", has_ratio=True),
    Column("compute_per_second", "compute/s", "{:,.0f}"),
    Column("compute_p50_ms", "p50 ms", "{:.1f}"),
    Column("compute_p99_ms", "p99 ms", "{:.1f}", has_ratio=True),
    Column("sleep_per_second", "sleep/s", "{:,.0f}"),
    Column("sleep_p50_ms", "p50 ms", "{:.1f}"),
    Column("sleep_p99_ms", "p99 ms", "{:.1f}", has_ratio=True),
    CPU,
)


@dataclass(frozen=True, kw_only=True)
class MixedCase(Case):
    """`connections` in all."""

    columns: tuple[Column, ...] = COLUMNS
    connections: int = 64

    def environment(self) -> Mapping[str, str]:
        return {"BENCH_TURNS": str(calibrate())}

    def load(self, running: Running, seconds: int) -> Measured:
        self._both(running, WARM_UP_SECONDS)
        before = running.usage()
        compute, sleep = self._both(running, seconds)
        used = running.usage() - before
        if not compute.requests or not sleep.requests:
            raise ServerFailed("one half was answered nothing")
        return Measured(
            {
                "requests_per_second": compute.requests_per_second + sleep.requests_per_second,
                "compute_per_second": compute.requests_per_second,
                "compute_p50_ms": compute.p50_ms,
                "compute_p99_ms": compute.p99_ms,
                "sleep_per_second": sleep.requests_per_second,
                "sleep_p50_ms": sleep.p50_ms,
                "sleep_p99_ms": sleep.p99_ms,
                "cpu_us": used.server / (compute.requests + sleep.requests) * 1e6,
            },
            compute.errors + sleep.errors,
        )

    def _both(self, running: Running, seconds: int) -> tuple[Load, Load]:
        half = self.connections // 2
        runs = [Wrk(running.port, path, half, seconds) for path in ("/compute", "/sleep")]
        compute, sleep = [run.result() for run in runs]
        return compute, sleep
