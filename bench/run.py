"""Measures Corral beside other servers.

Rounds are interleaved: each round runs every server once, and begins with another one, so that a
machine that warms up, throttles or is disturbed does it to all of them. Results go to
bench/results/.
"""

import argparse
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for bench.apps

import environment
import marks
import report
from cases import CASES
from cases.base import Case
from measure import measure
from running import ServerFailed
from servers import ROOT, SERVERS, Server, chosen

RESULTS = ROOT / "bench" / "results"


def parse_arguments() -> argparse.Namespace:
    def count(text: str) -> int:
        number = int(text)
        if not 1 <= number <= 600:
            raise argparse.ArgumentTypeError(f"{number} is not between 1 and 600")
        return number

    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=count, default=5, help="default: 5")
    parser.add_argument("--seconds", type=count, default=2, help="load per round; default: 2")
    parser.add_argument("--case", help=f"of {', '.join(case.name for case in CASES)}")
    parser.add_argument("--servers", help=f"of {', '.join(server.name for server in SERVERS)}")
    return parser.parse_args()


def version_of(server: Server, versions: dict[str, str]) -> str:
    return versions.get(server.package, "") if server.package else ""


def servers_of(case: Case, names: str | None) -> list[Server]:
    """Those asked for, else those that the case is about."""
    return chosen(SERVERS, names or ",".join(case.servers), "server")


def run_case(
    case: Case, servers: list[Server], missing: dict[str, str], rounds: int, seconds: int
) -> list[report.Result]:
    """All rounds of one case. A server that fails is left out of the rounds that follow."""
    versions = environment.installed_versions()
    results = [report.Result(server, version_of(server, versions)) for server in servers]
    for result in results:
        result.failure = missing.get(result.server.package or "", "")
    try:
        env = case.environment()
    except ServerFailed as failure:
        print(f"bench: {case.name}: {failure}", file=sys.stderr)
        for result in results:
            result.failure = str(failure)
        return results
    for number in range(rounds):
        shift = number % len(results)
        for result in results[shift:] + results[:shift]:
            if result.failure:
                continue
            try:
                sample = measure(case, result.server, seconds, env)
            except ServerFailed as failure:
                result.failure = str(failure)
                print(f"bench: {case.name}: {result.server.name}: {failure}", file=sys.stderr)
                continue
            result.samples.append(sample)
            shown = ", ".join(
                f"{column.head} {column.form.format(sample.values[column.key])}"
                for column in case.columns
            )
            print(
                f"bench: {case.name} {number + 1}/{rounds} {result.server.name}: {shown}",
                file=sys.stderr,
            )
    return results


def main() -> int:
    """Returns 0, or 1 when Corral itself could not be measured."""
    options = parse_arguments()
    # Ends through `finally` clauses, which stop the servers; and servers must not inherit an
    # ignored SIGINT, which a shell gives to what it runs in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    cases = chosen(CASES, options.case, "case")
    plan = [(case, servers_of(case, options.servers)) for case in cases]
    environment.need_wrk()
    missing = environment.prepare_peers([server for _, servers in plan for server in servers])
    machine = environment.describe_machine()
    is_whole = True
    all_judged: list[str] = []
    for case, servers in plan:
        rounds = min(options.rounds, case.rounds_max)
        settings = {"rounds": rounds, "seconds": options.seconds * case.seconds_factor}
        results = run_case(case, servers, missing, rounds, options.seconds)
        judged = marks.judge_case(case.name, results)
        print(report.as_text(case, results), *judged, sep="\n", end="\n\n")
        written = report.write(RESULTS, case, results, judged, machine, settings)
        print(f"written: {', '.join(str(path.relative_to(ROOT)) for path in written)}\n")
        all_judged += judged
        is_whole &= not any(one.failure and one.server.package is None for one in results)
    if len(plan) > 1:
        print(*all_judged, sep="\n")
    return 0 if is_whole else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
