"""As many requests as the server can answer, from wrk."""

from dataclasses import dataclass

from cases.base import Case, Column, Measured
from running import Running, ServerFailed
from wrk import Wrk

WARM_UP_SECONDS = 1
CONNECTIONS = 32

RATE = Column("requests_per_second", "requests/s", "{:,.0f}", has_ratio=True)
P50 = Column("p50_ms", "p50 ms", "{:.3f}")
P99 = Column("p99_ms", "p99 ms", "{:.2f}", has_ratio=True)
CPU = Column("cpu_us", "CPU µs/request", "{:.1f}", has_ratio=True)
MEMORY = Column("pss_mb", "PSS MB", "{:.0f}", has_ratio=True)
START = Column("start_ms", "start ms", "{:.0f}")
RATE_COLUMNS = (RATE, P50, P99, CPU, MEMORY, START)


@dataclass(frozen=True, kw_only=True)
class RateCase(Case):
    """`script` is a file of bench/lua."""

    columns: tuple[Column, ...] = RATE_COLUMNS
    connections: int = CONNECTIONS
    script: str | None = None

    def load(self, running: Running, seconds: int) -> Measured:
        self._wrk(running, WARM_UP_SECONDS).result()
        before = running.usage()
        load = self._wrk(running, seconds).result()
        used = running.usage() - before
        if not load.requests:
            raise ServerFailed("answered nothing under load")
        return Measured(
            {
                "requests_per_second": load.requests_per_second,
                "p50_ms": load.p50_ms,
                "p99_ms": load.p99_ms,
                "cpu_us": used.server / load.requests * 1e6,
                "pss_mb": running.tree.pss_bytes() / 1e6,
            },
            load.errors,
        )

    def _wrk(self, running: Running, seconds: int) -> Wrk:
        path = self.request.path
        return Wrk(running.port, path, self.connections, seconds, self.script)
