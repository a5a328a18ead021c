"""Medians, ratios, tables."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from cases.base import Case, Column
from measure import Sample
from servers import BASE_SERVER, Server

QUIET_SHARE_MAX = 0.05


@dataclass
class Result:
    """One server's rounds; `failure` says why there are none, or why they ended."""

    server: Server
    version: str
    samples: list[Sample] = field(default_factory=list)
    failure: str = ""

    def median(self, key: str) -> float:
        return median(sample.values[key] for sample in self.samples)

    @property
    def title(self) -> str:
        return f"{self.server.title} {self.version}".strip()

    @property
    def errors(self) -> int:
        return sum(sample.errors for sample in self.samples)

    @property
    def late_stops(self) -> int:
        return sum(not sample.stopped_in_time for sample in self.samples)


Row = tuple[str, ...]


def head(columns: Sequence[Column]) -> Row:
    cells = ["server"]
    for column in columns:
        cells += [column.head, "x"] if column.has_ratio else [column.head]
    return (*cells, "errors")


def rows(columns: Sequence[Column], results: list[Result]) -> list[Row]:
    """One row a server. Each x is that server's number divided by Corral's."""
    base = next((one for one in results if one.server.name == BASE_SERVER and one.samples), None)
    return [row(columns, one, base) if one.samples else (one.title, one.failure) for one in results]


def row(columns: Sequence[Column], result: Result, base: Result | None) -> Row:
    cells = [result.title]
    for column in columns:
        value = result.median(column.key)
        cells.append(column.form.format(value))
        if column.has_ratio:
            of = base.median(column.key) if base else 0.0
            cells.append(f"{value / of:.2f}" if of else "-")
    return (*cells, str(result.errors))


def remarks(results: list[Result]) -> list[str]:
    """What the digits do not say."""
    said = []
    for result in results:
        if result.samples and result.failure:
            said.append(f"{result.server.title}: failed in a later round: {result.failure}")
        if result.late_stops:
            name = result.server.stop_signal.name
            said.append(
                f"{result.server.title}: did not stop within 10 s of {name} "
                f"and was killed ({result.late_stops} of {len(result.samples)} rounds)"
            )
    shares = [sample.others_cpu_share for result in results for sample in result.samples]
    if shares and median(shares) > QUIET_SHARE_MAX:
        said.append(
            f"The machine was not quiet: other programs used {median(shares):.0%} of its CPUs "
            f"(worst round {max(shares):.0%}); compare CPU µs, and measure again"
        )
    return said


def as_text(case: Case, results: list[Result]) -> str:
    """For a terminal."""
    first_row = head(case.columns)
    table = rows(case.columns, results)
    whole = [first_row, *(row for row in table if len(row) == len(first_row))]
    widths = [max(len(row[column]) for row in whole) for column in range(len(first_row))]
    widths[0] = max(widths[0], *(len(row[0]) for row in table))
    lines = [case.title]
    for cells in [first_row, *table]:
        first, *rest = cells
        if len(cells) == len(first_row):
            rest = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *rest]))
    return "\n".join(lines + remarks(results))


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table. A row may be shorter than the head."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    lines += [
        "| " + " | ".join([*cells, *[""] * (len(head) - len(cells))]) + " |" for cells in rows
    ]
    return "\n".join(lines)


def as_markdown(
    case: Case, results: list[Result], marks: list[str], machine: dict, settings: dict
) -> str:
    """For docs/benchmarks.md."""
    first_row = head(case.columns)
    lines = [
        f"### {case.title}",
        "",
        f"{machine['cpu']}, {machine['cpus']} CPUs, Linux {machine['kernel']}, "
        f"Python {machine['python']}, Django {machine['django']}; {case.shape.workers} workers "
        f"each, {case.load_title} on the same machine, medians of {settings['rounds']} "
        f"interleaved rounds of {settings['seconds']} s.",
        "",
        "| " + " | ".join(first_row) + " |",
        "|---|" + "---:|" * (len(first_row) - 1),
    ]
    for row in rows(case.columns, results):
        cells = (*row, *[""] * (len(first_row) - len(row)))
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", *(f"- {remark}" for remark in remarks(results) + marks)]
    return "\n".join(lines).rstrip() + "\n"


def write(
    folder: Path,
    case: Case,
    results: list[Result],
    marks: list[str],
    machine: dict,
    settings: dict,
) -> list[Path]:
    """Writes <case>.json with every sample and <case>.md with the table."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "case": case.name,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "settings": settings,
        "marks": marks,
        "servers": {
            result.server.name: {
                "title": result.server.title,
                "version": result.version,
                "failure": result.failure,
                "samples": [sample.to_json() for sample in result.samples],
            }
            for result in results
        },
    }
    paths = [folder / f"{case.name}.json", folder / f"{case.name}.md"]
    paths[0].write_text(json.dumps(document, indent=1) + "\n")
    paths[1].write_text(as_markdown(case, results, marks, machine, settings))
    return paths
