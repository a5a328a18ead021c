"""What Corral wants to reach, as data, and whether a run reached it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from report import Result


@dataclass(frozen=True)
class Mark:
    """Corral's median of `key` is at most, or at least, `factor` times a peer's, plus `plus`.

    Without a peer `plus` is the bound itself.
    """

    case: str
    key: str
    what: str
    relation: Literal["≤", "≥"]
    factor: float = 1.0
    peer: str | None = None
    plus: float = 0.0
    unit: str = ""

    @property
    def bound_text(self) -> str:
        absolute = f"{self.plus:g} {self.unit}".strip()
        if self.peer is None:
            return absolute
        text = self.peer if self.factor == 1 else f"{self.factor:g} x {self.peer}"
        return f"{text} + {absolute}" if self.plus else text


MARKS = [
    Mark("raw", "cpu_us", "CPU µs/request", "≤", 0.85, "fastpysgi"),
    Mark("raw", "requests_per_second", "requests/s", "≥", 1.2, "fastpysgi"),
    Mark("raw", "requests_per_second", "requests/s", "≥", 2, "granian"),
    Mark("django", "cpu_us", "CPU µs/request", "≤", 0.97, "fastpysgi"),
    Mark("django", "cpu_us", "CPU µs/request", "≤", 0.97, "fastpysgi-closing"),
    Mark("django", "requests_per_second", "requests/s", "≥", 2, "gunicorn-sync"),
    Mark("django", "requests_per_second", "requests/s", "≥", 9, "melnottam"),
    Mark("django", "p99_ms", "p99 ms", "≤", 1, "fastpysgi"),
    Mark("page", "cpu_us", "CPU µs/request", "≤", 1, "fastpysgi"),
    Mark("page", "cpu_us", "CPU µs/request", "≤", 1, "fastpysgi-closing"),
    Mark("page", "p99_ms", "p99 ms", "≤", 0.5, "granian"),
    Mark("big", "requests_per_second", "requests/s", "≥", 1, "granian"),
    Mark("big", "cpu_us", "CPU µs/request", "≤", 1, "granian"),
    Mark("upload", "requests_per_second", "requests/s", "≥", 1, "granian"),
    Mark("upload", "cpu_us", "CPU µs/request", "≤", 1, "granian"),
    Mark("stream", "requests_per_second", "requests/s", "≥", 1, "granian"),
    Mark("stream", "cpu_us", "CPU µs/request", "≤", 1, "granian"),
    Mark("pipeline", "requests_per_second", "requests/s", "≥", 3, "fastpysgi"),
    Mark("pipeline", "cpu_us", "CPU µs/request", "≤", 1, "fastpysgi-nodelay"),
    Mark("one", "p50_ms", "p50", "≤", 1, "fastpysgi", plus=0.005, unit="ms"),
    Mark("mixed", "compute_p99_ms", "p99 of the computing half", "≤", 1, "granian"),
    Mark("mixed", "compute_p99_ms", "p99 of the computing half", "≤", 0.7, "gunicorn-gthread"),
    Mark("mixed", "sleep_p99_ms", "p99 of the sleeping half", "≤", 1, "granian"),
    Mark("mixed", "sleep_p99_ms", "p99 of the sleeping half", "≤", 0.7, "gunicorn-gthread"),
    Mark("mixed", "requests_per_second", "requests/s", "≥", 1, "granian"),
    Mark("mixed", "requests_per_second", "requests/s", "≥", 1, "gunicorn-gthread"),
    Mark("kept", "downloads_mb", "memory kept after 200 MB up and down", "≤", plus=15, unit="MB"),
    Mark("kept", "slow_mb", "memory kept after slow readers too", "≤", plus=15, unit="MB"),
    Mark("idle", "kib_each", "user memory each", "≤", plus=4, unit="KiB"),
]


def judge(mark: Mark, ours: Result, results: Mapping[str, Result]) -> str:
    """One line: met or not, with the number that decides, as a ratio where the mark is one."""
    begin = f"mark: {mark.case}, {ours.server.title}: {mark.what} {mark.relation} {mark.bound_text}"
    peer = results.get(mark.peer) if mark.peer else None
    if mark.peer and (peer is None or not peer.samples):
        return f"{begin}: {mark.peer} was not measured"
    value = ours.median(mark.key)
    theirs = peer.median(mark.key) if peer else 0.0
    bound = mark.factor * theirs + mark.plus
    met = value <= bound if mark.relation == "≤" else value >= bound
    if peer and not mark.plus:
        shown = f"{value / theirs:.2f} x"
    else:
        shown = f"{value:.3g} {mark.unit}" + (f" beside {theirs:.3g}" if peer else "")
    return f"{begin}: {'met' if met else 'NOT met'} ({shown})"


def judge_case(case_name: str, all_results: list[Result]) -> list[str]:
    """A line for each mark of the case and each of Corral's own servers that was measured."""
    results = {result.server.name: result for result in all_results}
    ours = [one for one in all_results if one.server.package is None and one.samples]
    return [
        judge(mark, result, results) for result in ours for mark in MARKS if mark.case == case_name
    ]
