"""What an ordinary client notices of all bad clients at once, and what is left of them.

    make hostile                             # 60 seconds for each isolation
    make hostile SECONDS=10 SEED=7 ARGS="--servers granian"

The crowds of tests/crowd, all together: 200 connections of fuzzed bytes, 500 slow heads, 2,000 idle
connections, 100 slow readers of 5 MB, TLS on the plain port, clients that leave at once. Beside
them a probe asks on a kept connection and on fresh ones. The server has its usual limits of time.

Exit status 1 if a server of Corral's misses a mark: the probe's p99 below 50 ms in the worst ten
seconds, and no failure; memory, descriptors and threads back afterwards; no wrong answer.
"""

import argparse
import contextlib
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for bench.apps
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))  # for crowd and harness

import environment
from report import markdown
from running import Request, Running, ServerFailed
from servers import ROOT, SERVERS, Server, Shape, chosen

from crowd import Attack, Level, Probe

SITE = ROOT / "tests" / "crowd" / "sites"
APP = "plain:application"
SHAPE = Shape(workers=2, threads=2)
OURS = ("corral", "corral-process")


@dataclass(frozen=True)
class Kind:
    """One of the crowds; see tests/crowd/__main__.py."""

    name: str
    size: int
    pace_s: float  # between the bytes, or the rounds, of one member


# Slow enough that two processors have time for the server and its probe beside all of them.
KINDS = [
    Kind("fuzzer", 200, 0.5),
    Kind("tls_client", 50, 0.5),
    Kind("comer_and_goer", 100, 0.5),
    Kind("slow_head", 500, 1.0),
    Kind("idle", 2000, 1.0),
    Kind("slow_reader", 100, 0.05),
]

P99_S_MAX = 0.050
WINDOW_SECONDS = 10.0
ARRIVAL_SECONDS = 0.5  # from the start of one crowd to that of the next
LOOKS = 20  # at the memory
PROBE_PAUSE_S = 0.01
PROBE_WAIT_S = 10.0
WARM_UP_PROBES = 200
MEMORY_KEPT_BYTES_MAX = 24_000_000  # caches of allocators, of every thread and worker
BACK_SECONDS_MAX = 60.0  # more than any limit of time that holds a connection

HEAD = (
    "server", "probes", "p50 ms", "p99 ms", "worst 10 s p99 ms", "max ms", "failures",
    "peak MB more", "left MB more", "descriptors", "threads", "marks",
)  # fmt: skip


@dataclass
class Outcome:
    """What one server has shown."""

    title: str
    before: Level
    after: Level
    peak_pss_bytes: int = 0
    asked: list[tuple[float, float]] = field(default_factory=list)  # when, how long
    failures: list[str] = field(default_factory=list)
    met: dict[str, dict[str, int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def worst_p99_s(self) -> float:
        """Of the windows of ten seconds."""
        begin_s = self.asked[0][0]
        windows = itertools.groupby(
            self.asked, lambda one: int((one[0] - begin_s) / WINDOW_SECONDS)
        )
        return max(p99([took_s for _, took_s in window]) for _, window in windows)

    def missed(self) -> list[str]:
        """The marks that it has missed."""
        marks = {
            "p99": self.worst_p99_s() < P99_S_MAX,
            "failures": not self.failures,
            "answers": not self.faults,
            "memory": self.after.pss_bytes - self.before.pss_bytes <= MEMORY_KEPT_BYTES_MAX,
            "descriptors": self.after.descriptors <= self.before.descriptors,
            "threads": self.after.threads <= self.before.threads,
        }
        return [mark for mark, is_met in marks.items() if not is_met]

    def row(self) -> tuple[str, ...]:
        took = [took_s for _, took_s in self.asked]
        missed = self.missed()
        return (
            self.title,
            str(len(took)),
            *(f"{seconds * 1000:.1f}" for seconds in (
                statistics.median(took), p99(took), self.worst_p99_s(), max(took)
            )),
            str(len(self.failures)),
            f"{(self.peak_pss_bytes - self.before.pss_bytes) / 1e6:.0f}",
            f"{(self.after.pss_bytes - self.before.pss_bytes) / 1e6:.1f}",
            f"{self.before.descriptors} → {self.after.descriptors}",
            f"{self.before.threads} → {self.after.threads}",
            "missed: " + ", ".join(missed) if missed else "met",
        )  # fmt: skip


def p99(took_s: Sequence[float]) -> float:
    if len(took_s) < 2:
        return took_s[0]
    return statistics.quantiles(took_s, n=100, method="inclusive")[98]


def level_of(running: Running) -> Level:
    return Level.of(stat.pid for stat in running.tree.members())


def run(server: Server, seconds: float, seed: int) -> Outcome:
    """Starts the server, has it attacked for so long, stops it. Raises ServerFailed."""
    with (
        tempfile.TemporaryFile() as log,
        Running(
            server, APP, SHAPE, Request(b"hello", path="/hello"),
            {"PYTHONPATH": f"{SITE}:{ROOT}"}, log,
        ) as running,
    ):  # fmt: skip
        address = ("127.0.0.1", running.port)
        probe = Probe(address, PROBE_WAIT_S)
        for _ in range(WARM_UP_PROBES):
            probe.ask()
        probe.close()
        before = level_of(running)
        outcome = Outcome(server.title, before, before)
        attack(running, address, outcome, seconds, seed)
        outcome.after = wait_until_back(running, before)
        return outcome


def attack(
    running: Running, address: tuple[str, int], outcome: Outcome, seconds: float, seed: int
) -> None:
    """The crowds come one after the other, and then stay for so long."""
    probe = Probe(address, PROBE_WAIT_S)
    begin_s = time.monotonic()

    def ask_for(span_s: float) -> None:
        end_s = time.monotonic() + span_s
        while (now_s := time.monotonic()) < end_s:
            count = len(probe.fresh_s)
            probe.ask()
            took = (*probe.fresh_s[count:], *probe.kept_s[count:])
            outcome.asked += [(now_s - begin_s, took_s) for took_s in took]
            time.sleep(PROBE_PAUSE_S)
        outcome.peak_pss_bytes = max(outcome.peak_pss_bytes, level_of(running).pss_bytes)

    with contextlib.ExitStack() as stack:
        crowds = {}
        for kind in KINDS:
            crowd = Attack(kind.name, address, kind.size, pace_s=kind.pace_s, seed=seed)
            crowds[kind.name] = stack.enter_context(crowd)
            ask_for(ARRIVAL_SECONDS)
        for _ in range(LOOKS):
            ask_for(seconds / LOOKS)
        for name, crowd in crowds.items():
            outcome.met[name], faults = crowd.stop()
            outcome.met[name]["stood"] = int(crowd.has_stood())
            outcome.faults += [f"{name}: {fault}" for fault in faults]
    probe.close()
    outcome.failures = probe.failures


def wait_until_back(running: Running, before: Level) -> Level:
    """What it holds when that is as before, or not in a long time."""
    end_s = time.monotonic() + BACK_SECONDS_MAX
    while True:
        now = level_of(running)
        is_back = (
            now.descriptors <= before.descriptors
            and now.threads <= before.threads
            and now.pss_bytes - before.pss_bytes <= MEMORY_KEPT_BYTES_MAX
        )
        if is_back or time.monotonic() > end_s:
            return now
        time.sleep(0.2)


def met_table(outcomes: Sequence[Outcome]) -> str:
    """What the members of each crowd met."""
    rows = [
        (one.title, f"{kind.size} x {kind.name}", ", ".join(
            f"{what} {count}" for what, count in sorted(one.met[kind.name].items())
            if what != "stood"
        ), "yes" if one.met[kind.name]["stood"] else "no")
        for one in outcomes for kind in KINDS
    ]  # fmt: skip
    return markdown(("server", "crowd", "met", "all got into position"), rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="hostile", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="default: 60")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random; default: 1")
    parser.add_argument("--servers", default=",".join(OURS), help="default: %(default)s")
    options = parser.parse_args()
    servers = chosen(SERVERS, options.servers, "server")
    missing = environment.prepare_peers(servers)
    outcomes, failed = [], []
    for server in servers:
        print(f"hostile: {server.title}, {options.seconds:g} s", file=sys.stderr)
        try:
            if reason := missing.get(server.package or "", ""):
                raise ServerFailed(reason)
            outcomes.append(run(server, options.seconds, options.seed))
        except ServerFailed as failure:
            failed.append((server, str(failure)))
    rows = [outcome.row() for outcome in outcomes]
    rows += [(server.title, reason) for server, reason in failed]
    print(markdown(HEAD, rows), met_table(outcomes), sep="\n\n")
    for outcome in outcomes:
        for what in (*outcome.failures[:5], *outcome.faults[:5]):
            print(f"{outcome.title}: {what}")
    ours = {server.title for server in SERVERS if server.name in OURS}
    is_missed = any(outcome.missed() for outcome in outcomes if outcome.title in ours)
    return int(is_missed or any(server.name in OURS for server, _ in failed))


if __name__ == "__main__":
    sys.exit(main())
