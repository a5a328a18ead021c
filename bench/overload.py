"""What servers do when three times as much is asked as they can do.

    .venv/bin/python bench/overload.py [--servers corral,granian] [--seconds 4]

An open loop (tests/harness/open_loop.py): requests come at a constant rate whatever becomes of the
ones before, each from a client of its own that leaves after a second. Each holds a thread for 10 ms
(apps/slow.py), so two workers with a thread each can do 200 a second. First half of that for a
while, for the normal latency; then three times as much; then half of it again, for the recovery.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for bench.apps
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))  # for harness

import environment
from report import markdown
from running import Request, Running, ServerFailed
from servers import SERVERS, Server, Shape, chosen

from bench.apps.slow import BODY, SECONDS
from harness.open_loop import BROKEN, GIVEN_UP, Phase, Visit, visit

APP = "bench.apps.slow:app"
SHAPE = Shape(workers=2, threads=1)
CAPACITY = SHAPE.workers / SECONDS
FACTOR = 3
NORMAL_SECONDS = 1.5
RECOVERY_SECONDS = 3.0
PATIENCE_SECONDS = 1.0

HEAD = (
    "server", "answered/s", "of capacity", "p50 ms", "p99 ms", "normal p99 ms", "503/s",
    "503 p50 ms", "503 p99 ms", "gave up", "broken", "recovered after ms",
)  # fmt: skip


def percentile(values: Sequence[float], percent: int) -> float:
    if len(values) < 2:
        return values[0] if values else float("nan")
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def milliseconds(visits: Sequence[Visit], status: int) -> list[float]:
    return [one.took_s * 1000 for one in visits if one.status == status]


def recovery_ms(visits: Sequence[Visit], normal_p99_ms: float) -> float | None:
    """From the end of the overload until half a second begins in which all but one are as before.

    As before: answered, within three times the normal p99 or 50 ms. None: not in this run.
    """
    bound_s = max(3 * normal_p99_ms, 50.0) / 1000
    begin_s = visits[0].at_s
    bad = [one.at_s - begin_s for one in visits if one.status != 200 or one.took_s > bound_s]
    for tenth in range(round((RECOVERY_SECONDS - 0.5) * 10) + 1):
        if sum(tenth / 10 <= at_s < tenth / 10 + 0.5 for at_s in bad) <= 1:
            return tenth * 100.0
    return None


def row(title: str, visits: Sequence[Visit], seconds: float) -> tuple[str, ...]:
    """One line of the table; `visits` are those of all three phases."""
    normal, load, after = ([one for one in visits if one.phase == n] for n in range(3))
    answered, refused = milliseconds(load, 200), milliseconds(load, 503)
    normal_p99 = percentile(milliseconds(normal, 200), 99)
    recovered = recovery_ms(after, normal_p99)
    return (
        title,
        f"{len(answered) / seconds:.0f}",
        f"{len(answered) / seconds / CAPACITY:.0%}",
        f"{percentile(answered, 50):.0f}",
        f"{percentile(answered, 99):.0f}",
        f"{normal_p99:.0f}",
        f"{len(refused) / seconds:.0f}",
        f"{percentile(refused, 50):.0f}",
        f"{percentile(refused, 99):.0f}",
        f"{sum(one.status == GIVEN_UP for one in load) / len(load):.0%}",
        f"{sum(one.status == BROKEN for one in load) / len(load):.0%}",
        "not within the run" if recovered is None else f"{recovered:.0f}",
    )


def run(server: Server, seconds: float) -> list[Visit]:
    """Starts the server, visits it, stops it. Raises ServerFailed."""
    phases = [
        Phase(CAPACITY / 2, NORMAL_SECONDS),
        Phase(CAPACITY * FACTOR, seconds),
        Phase(CAPACITY / 2, RECOVERY_SECONDS),
    ]
    with (
        tempfile.TemporaryFile() as log,
        Running(server, APP, SHAPE, Request(BODY), {}, log) as running,
    ):
        return visit(running.port, phases, patience_s=PATIENCE_SECONDS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="overload", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="of overload; default: 4")
    parser.add_argument("--servers", help=f"of {', '.join(server.name for server in SERVERS)}")
    options = parser.parse_args()
    servers = chosen(SERVERS, options.servers, "server")
    missing = environment.prepare_peers(servers)
    rows = []
    for server in servers:
        failure = missing.get(server.package or "", "")
        try:
            if failure:
                raise ServerFailed(failure)
            rows.append(row(server.title, run(server, options.seconds), options.seconds))
        except ServerFailed as failed:
            rows.append((server.title, str(failed)))
        print(f"overload: {' '.join(rows[-1])}", file=sys.stderr)
    print(markdown(HEAD, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
