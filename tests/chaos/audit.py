"""Holds notes and rows against the bars, and names the job and the moments where one is missed."""

import itertools
import json
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from chaos.ledger import Death, Ledger, Note

MAX_CRASHES = 2  # the default of the backend
CRASHED = "corral.exceptions.WorkerCrashed"


@dataclass
class Run:
    """One run of a job, as its task noted it."""

    token: str
    process: str
    begin: int
    end: int | None = None

    def __str__(self) -> str:
        end = "no end" if self.end is None else f"end {self.end}"
        return f"run {self.token} in {self.process} begin {self.begin} {end}"


@dataclass
class Bars:
    """The bounds that are held; spans in seconds."""

    rescue_here_s: float  # after the restart, on one host
    rescue_elsewhere_s: float  # after the death, by another host


@dataclass
class Verdict:
    """What the audit found. `faults` is empty when every bar holds."""

    faults: list[str]
    statuses: Counter[str]
    doubles: list[str]  # each double run with its trace


class Audit:
    """Of one storm, at its end."""

    def __init__(self, notes: list[Note], rows: list[dict[str, Any]], ledger: Ledger) -> None:
        self._ledger = ledger
        self._rows = {_key(row["id"]): row for row in rows}
        self._enqueued = {note["job"]: note["at"] for note in notes if note["what"] == "enqueued"}
        self._runs = _runs(notes)
        self._deaths = dict(ledger.deaths)
        for note in notes:
            if note["what"] == "dies":
                death = Death(note["at"], f"a task: {note['how']}")
                self._deaths.setdefault(note["process"], death)
        self._faults: list[str] = []
        self._doubles: list[str] = []

    def verdict(self, bars: Bars) -> Verdict:
        """Checks everything."""
        for job, at in self._enqueued.items():
            if job not in self._rows:
                self._fault(job, f"lost: committed at {at}, and there is no row")
        for job, row in self._rows.items():
            self._check_end(job, row)
            self._check_crashes(job, row)
            self._check_doubles(job)
        self._check_rescues(bars)
        statuses = Counter(row["status"] for row in self._rows.values())
        return Verdict(self._faults, statuses, self._doubles)

    def _fault(self, job: str, what: str) -> None:
        runs = "; ".join(map(str, self._runs.get(job, []))) or "no run"
        self._faults.append(f"job {job}: {what}; {runs}; row {self._rows.get(job)}")

    # --- how a job ended

    def _check_end(self, job: str, row: dict[str, Any]) -> None:
        task = row["task_path"].rpartition(".")[2]
        status = row["status"]
        if status not in ("SUCCESSFUL", "FAILED"):
            return self._fault(job, f"lost: it is {status} when everything is over")
        errors = [error["exception_class_path"] for error in json.loads(row["errors"])]
        if task == "poison":
            if errors != [CRASHED] or row["crashes"] != MAX_CRASHES:
                self._fault(job, f"poison is {status}, crashes {row['crashes']}, {errors}")
        elif task == "fail":
            if errors != ["builtins.ValueError"]:
                self._fault(job, f"failed with {errors} instead of its own error")
        elif status != "SUCCESSFUL":
            self._fault(job, f"an innocent one is FAILED: {errors}")
        else:
            self._check_result(job, row)

    def _check_result(self, job: str, row: dict[str, Any]) -> None:
        token = json.loads(row["return_value"])
        runs = self._runs.get(job, [])
        run = next((run for run in runs if run.token == token), None)
        if run is None or run.end is None:
            self._fault(job, f"its result {token!r} is of no run that ended")
        elif run is not runs[-1]:
            self._fault(job, f"a late finish: the result is of {run}")

    # --- proof of death

    def _check_crashes(self, job: str, row: dict[str, Any]) -> None:
        workers = [worker.partition("/")[0] for worker in json.loads(row["worker_ids"])]
        proven = [name for name in workers if name in self._deaths or name in self._ledger.pauses]
        if row["crashes"] > len(proven):
            self._fault(job, f"{row['crashes']} crashes, but only {proven} of {workers} died")

    def _check_doubles(self, job: str) -> None:
        runs = self._runs.get(job, [])
        for run, after in itertools.pairwise(runs):
            cause = self._cause(run, after)
            if cause is None:
                self._fault(job, f"ran again at {after.begin} without a cause after {run}")
            else:
                self._doubles.append(f"job {job}: {run}; {cause}; again at {after.begin}")

    def _cause(self, run: Run, after: Run) -> str | None:
        death = self._deaths.get(run.process)
        if death and death.at <= after.begin:  # a task that dies says so a little before it does
            return f"{death.harm} at {death.at}"
        for pause in self._ledger.pauses.get(run.process, []):
            if run.begin <= pause.end and pause.begin <= after.begin:
                return f"{pause.harm} from {pause.begin} to {pause.end}"
        return None

    def _check_rescues(self, bars: Bars) -> None:
        for rescue in self._ledger.rescues:
            if rescue.after_restart_s is None:
                took_s, bound_s = rescue.after_death_s, bars.rescue_elsewhere_s
            else:
                took_s, bound_s = rescue.after_restart_s, bars.rescue_here_s
            if took_s > bound_s:
                self._faults.append(f"{rescue.harm}: rescued after {took_s:.2f} s, not {bound_s:g}")


def _key(value: Any) -> str:
    return str(uuid.UUID(str(value)))


def _runs(notes: list[Note]) -> dict[str, list[Run]]:
    """Of each job, in the order of their begin."""
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    by_token: dict[str, Run] = {}
    for note in notes:
        if note["what"] == "begin":
            run = Run(note["token"], note["process"], note["at"])
            by_token[run.token] = run
            runs[note["job"]].append(run)
        elif note["what"] == "end":
            by_token[note["token"]].end = note["at"]
    for of_job in runs.values():
        of_job.sort(key=lambda run: run.begin)
    return runs
