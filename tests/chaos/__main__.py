"""Harm after harm to a site that works, and an audit of what is left.

    make chaos SECONDS=120 SEED=1 DATABASE=postgresql

Two nodes, one of them on what it takes for another host, work for programs and a web worker that
enqueue without a pause. Harms come in an order that the seed decides: each at least once, and on
until the time is over. Exit status 1 if a bar is missed: see README.md.
"""

import argparse
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for harness

from chaos.audit import Bars, Verdict
from chaos.databases import DATABASES
from chaos.harms import HARMS, Harm
from chaos.ledger import Ledger
from chaos.storm import Storm, faketime

RESCUE_HERE_S = 1.0
FAULTS_TOLD = 20


def order(seed: int, vendor: str) -> Iterator[Harm]:
    """All harms of a database, shuffled, again and again."""
    chance = random.Random(seed)
    harms = [kind() for kind in HARMS if vendor in kind.vendors]
    while True:
        chance.shuffle(harms)
        yield from harms


def run(storm: Storm, seed: int, seconds: float) -> None:
    """All harms once, and on until the time is over."""
    end = time.monotonic() + seconds
    vendor = storm.database.vendor
    kinds = sum(vendor in kind.vendors for kind in HARMS)
    for number, harm in enumerate(order(seed, vendor)):
        if number >= kinds and time.monotonic() > end:
            return
        if reason := harm.why_not(storm):
            storm.ledger.skipped[harm.name] = reason
            continue
        begin = time.monotonic()
        harm.strike(storm)
        storm.settle()
        storm.ledger.done[harm.name] += 1
        print(f"chaos: {harm.name}, {time.monotonic() - begin:.1f} s", file=sys.stderr, flush=True)


def report(ledger: Ledger, verdict: Verdict) -> None:
    """Tables for people."""
    print("\n| harm | what it breaks | may double | done | rescue, s |")
    print("|---|---|---|---|---|")
    for harm in HARMS:
        spans = [
            f"{one.after_death_s:.2f}" if one.after_restart_s is None else
            f"{one.after_restart_s:.2f} ({one.after_death_s:.2f} from the death)"
            for one in ledger.rescues if one.harm == harm.name
        ]  # fmt: skip
        if done := ledger.done[harm.name]:
            print(f"| {harm.name} | {harm.breaks} | {harm.doubles} | {done} | {', '.join(spans)} |")
    for name, reason in ledger.skipped.items():
        print(f"skipped: {name}: {reason}")
    print(f"\njobs: {dict(verdict.statuses)}; double runs, all traced: {len(verdict.doubles)}")
    for line in verdict.doubles:
        print(f"  {line}")
    for fault in verdict.faults[:FAULTS_TOLD]:
        print(f"MISSED: {fault}")
    if len(verdict.faults) > FAULTS_TOLD:
        print(f"MISSED: {len(verdict.faults)} bars in all")


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="default: 120")
    parser.add_argument("--seed", type=int, default=1, help="of the order; default: 1")
    parser.add_argument("--database", choices=DATABASES, default="sqlite", help="default: sqlite")
    parser.add_argument("--lease", type=float, default=3.0, help="of the nodes, s; default: 3")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leave nothing running
    with Storm(
        options.database, options.seed, lease_s=options.lease, hosts=2,
        is_clock_false=faketime() is not None,
    ) as storm:  # fmt: skip
        run(storm, options.seed, options.seconds)
        verdict = storm.finish(Bars(RESCUE_HERE_S, options.lease))
        for node in storm.nodes:
            print(f"{node.name} logged {dict(node.codes())}", file=sys.stderr)
        report(storm.ledger, verdict)
    return int(bool(verdict.faults))


if __name__ == "__main__":
    sys.exit(main())
