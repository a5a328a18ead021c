"""Starting analyses, and telling how far they are."""

import dataclasses
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count
from django.tasks import TaskResultStatus
from django.utils import timezone

from corral.demo.kinds import KINDS, Kind
from corral.demo.models import Analysis, Document
from corral.tasks.models import Job

LABELS = {
    "ready": "Ready",
    "scheduled": "Scheduled",
    "running": "Running",
    "done": "Done",
    "failed": "Failed",
    "gone": "Not recorded",
}
# The shortest run still gets a visible bar.
BAR_SHARE_MIN = 0.6


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """What the pages show of one analysis at one moment."""

    analysis: Analysis
    kind: Kind
    state: str
    waited_ms: float | None
    ran_ms: float | None
    due_in_s: int | None
    worker: str
    value: object
    error: str
    traceback: str

    @property
    def worker_name(self) -> str:
        """The worker without its host and process, which are one here; empty until one has it."""
        return self.worker.partition("/")[2]

    @property
    def label(self) -> str:
        """The state in words."""
        if self.state == "scheduled":
            return f"In {self.due_in_s} s"
        return LABELS[self.state]

    @property
    def waited(self) -> str:
        """Time between being due and being started, for people."""
        return duration(self.waited_ms)

    @property
    def ran(self) -> str:
        """Time between being started and being finished, for people."""
        return duration(self.ran_ms)


def start_analyses(document: Document, kinds: Iterable[Kind] | None = None) -> None:
    """Enqueue the kinds that suit the document, all of them unless told.

    One transaction: the document page never shows an analysis whose task was not enqueued, and no
    task starts before the rows it belongs to are committed.
    """
    wanted = KINDS.values() if kinds is None else kinds
    with transaction.atomic():
        for kind in wanted:
            if kind.suits(document):
                result = kind.enqueue(document)
                Analysis.objects.update_or_create(
                    document=document,
                    kind=kind.slug,
                    defaults={"task_id": result.id, "enqueued_at": timezone.now()},
                )


def rows_of(analyses: Iterable[Analysis]) -> list[Row]:
    """What to show of the analyses, in the same order; one query for all their jobs."""
    known = [analysis for analysis in analyses if analysis.kind in KINDS]
    jobs = Job.objects.in_bulk([analysis.task_id for analysis in known])
    now = timezone.now()
    return [_row(analysis, jobs.get(analysis.task_id), now) for analysis in known]


def document_rows(document: Document) -> list[Row]:
    """One document's jobs, in the order of the catalogue."""
    order = list(KINDS)
    rows = rows_of(document.analyses.all())
    return sorted(rows, key=lambda row: order.index(row.kind.slug))


def recent_rows(count: int) -> list[Row]:
    """The jobs enqueued last, newest first."""
    analyses = Analysis.objects.select_related("document").defer("document__text")
    return rows_of(analyses.order_by("-enqueued_at", "-pk")[:count])


def tally(rows: Iterable[Row]) -> dict[str, int]:
    """How many of the rows are in each state that the document page counts."""
    counts = dict.fromkeys(("ready", "running", "done", "failed"), 0)
    for row in rows:
        state = "ready" if row.state == "scheduled" else row.state
        if state in counts:
            counts[state] += 1
    return counts


def tally_of_all() -> dict[str, int]:
    """The same over every job there ever was."""
    found = dict(Job.objects.order_by().values_list("status").annotate(Count("pk")))
    return {
        "ready": found.get(TaskResultStatus.READY, 0),
        "running": found.get(TaskResultStatus.RUNNING, 0),
        "done": found.get(TaskResultStatus.SUCCESSFUL, 0),
        "failed": found.get(TaskResultStatus.FAILED, 0),
    }


def labelled(counts: dict[str, int]) -> list[tuple[str, str, int]]:
    """A tally for people: state, word, number."""
    words = {"ready": "waiting", "running": "running", "done": "done", "failed": "failed"}
    return [(state, word, counts[state]) for state, word in words.items()]


def unfinished(counts: dict[str, int]) -> int:
    """How many jobs of a tally may still change: looking again is worth while."""
    return counts["ready"] + counts["running"]


def bars(rows: list[Row]) -> dict[int, dict[str, str]]:
    """For each analysis the bar of its time: wait, then run, in percent of the longest."""
    spans = {row.analysis.pk: (row.waited_ms or 0, row.ran_ms or 0) for row in rows}
    longest = max((sum(span) for span in spans.values()), default=0) or 1
    drawn = {}
    for row in rows:
        waited, ran = (part * 100 / longest for part in spans[row.analysis.pk])
        ran = max(ran, BAR_SHARE_MIN) if row.ran_ms is not None else 0
        waited = min(waited, 100 - ran)
        drawn[row.analysis.pk] = {"wait": f"{waited:.2f}%", "run": f"{ran:.2f}%"}
    return drawn


def duration(ms: float | None) -> str:
    """Milliseconds as people write them: 4 ms, 1.3 s, 2 min 5 s."""
    if ms is None:
        return ""
    if ms < 1000:
        return f"{ms:.1f} ms" if ms < 10 else f"{ms:.0f} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    return f"{minutes} min {seconds} s"


def _row(analysis: Analysis, job: Job | None, now: datetime) -> Row:
    kind = KINDS[analysis.kind]
    if job is None:  # deleted, or pruned: the page says so
        return Row(analysis, kind, "gone", None, None, None, "", None, "", "")
    # How long it waited counts from when it was wanted, not from when it was written down.
    due = max(job.enqueued_at, job.run_after or job.enqueued_at)
    state = _state(job, now)
    started, finished = job.last_attempted_at, job.finished_at
    error = job.errors[-1] if state == "failed" and job.errors else {}
    return Row(
        analysis=analysis,
        kind=kind,
        state=state,
        waited_ms=None if state == "scheduled" else _ms((started or now) - due),
        ran_ms=_ms((finished or now) - started) if started else None,
        due_in_s=max(1, round((due - now).total_seconds())) if state == "scheduled" else None,
        worker=job.worker_ids[-1] if job.worker_ids else "",
        value=job.return_value if state == "done" else None,
        error=_last_line(error.get("traceback", "")) if state == "failed" else "",
        traceback=error.get("traceback", ""),
    )


def _state(job: Job, now: datetime) -> str:
    match job.status:
        case TaskResultStatus.SUCCESSFUL:
            return "done"
        case TaskResultStatus.FAILED:
            return "failed"
        case TaskResultStatus.RUNNING:
            return "running"
    return "scheduled" if job.run_after and job.run_after > now else "ready"


def _last_line(traceback: str) -> str:
    lines = traceback.strip().splitlines()
    return lines[-1] if lines else "failed without a traceback"


def _ms(span: timedelta) -> float:
    # Clocks of two processes may disagree by a little; a wait is never shown as negative.
    return max(0.0, span.total_seconds() * 1000)
