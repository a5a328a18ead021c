"""The pages. Each works without JavaScript; the JSON endpoints only save the reloading."""

from django.conf import settings
from django.contrib import messages
from django.contrib.staticfiles.views import serve
from django.core.exceptions import SuspiciousFileOperation
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_POST, require_safe

from corral.demo import work
from corral.demo.kinds import KINDS
from corral.demo.models import Document
from corral.demo.uploads import UploadRefused, read_upload

RECENT_JOBS = 14
RECENT_DOCUMENTS = 30
EXCERPT_CHARACTERS = 4000


@never_cache
@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """Drop zone, the latest jobs, documents."""
    counts = work.tally_of_all()
    context = {
        "documents": Document.objects.listed()[:RECENT_DOCUMENTS],
        "jobs": work.recent_rows(RECENT_JOBS),
        "tally": work.labelled(counts),
        "unfinished": work.unfinished(counts),
        "bytes_max": settings.UPLOAD_BYTES_MAX,
        "files_max": settings.UPLOAD_COUNT_MAX,
    }
    return render(request, "demo/start.html", context)


@never_cache
@require_safe
def document(request: HttpRequest, pk: int) -> HttpResponse:
    """One document: its jobs and their results."""
    shown = get_object_or_404(Document, pk=pk)
    rows = work.document_rows(shown)
    counts = work.tally(rows)
    drawn = work.bars(rows)
    context = {
        "document": shown,
        "jobs": rows,
        "jobs_and_bars": [(row, drawn[row.analysis.pk]) for row in rows],
        "tally": work.labelled(counts),
        "unfinished": work.unfinished(counts),
        "excerpt": shown.text[:EXCERPT_CHARACTERS],
        "is_cut": len(shown.text) > EXCERPT_CHARACTERS,
    }
    return render(request, "demo/document.html", context)


@never_cache
@require_safe
def recent_jobs(request: HttpRequest) -> JsonResponse:
    """The latest jobs and the tally of all, for the start page."""
    return JsonResponse(_states(work.recent_rows(RECENT_JOBS), work.tally_of_all()))


@never_cache
@require_safe
def document_jobs(request: HttpRequest, pk: int) -> JsonResponse:
    """One document's jobs, for its page."""
    rows = work.document_rows(_listed_or_404(pk))
    return JsonResponse(_states(rows, work.tally(rows)))


@never_cache
@require_safe
def result(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """The result card of one analysis, a part of the document's page."""
    rows = work.rows_of(_listed_or_404(pk).analyses.filter(kind=kind))
    if not rows:
        raise Http404(f"no analysis {kind} of document {pk}")
    return render(request, "demo/result.html", {"job": rows[0]})


@cache_control(no_cache=True)
@require_safe
def static_file(request: HttpRequest, path: str) -> FileResponse:
    """A static file from inside the installed packages, whatever DEBUG says: nothing to collect.

    Browsers revalidate it every time, so that an upgrade shows at once.
    """
    try:
        return serve(request, path, insecure=True)
    except SuspiciousFileOperation as error:
        raise Http404(str(error)) from None


@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    """Take files: each becomes a document with its analyses, or a message why not."""
    files = request.FILES.getlist("files")
    if not files:
        messages.error(request, "No file was chosen.")
    if len(files) > settings.UPLOAD_COUNT_MAX:
        most = settings.UPLOAD_COUNT_MAX
        messages.error(
            request, f"{len(files)} files at once are too many; at most {most} are taken."
        )
        files = []
    taken = []
    for file in files:
        try:
            taken.append(_take(file))
        except UploadRefused as refusal:
            messages.error(request, str(refusal))
    if len(taken) == 1 and len(files) == 1:
        return redirect(taken[0])
    if taken:
        messages.success(request, f"{len(taken)} documents are being analysed.")
    return redirect("start")


@require_POST
def analyse_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Enqueue one kind of analysis of a document again, or all of them."""
    again = _listed_or_404(pk)
    kind = request.POST.get("kind", "")
    if kind and kind not in KINDS:
        raise Http404(f"no kind of analysis {kind!r}")
    work.start_analyses(again, [KINDS[kind]] if kind else None)
    return redirect(again)


@require_POST
def analyse_all_again(request: HttpRequest) -> HttpResponse:
    """Enqueue everything for the documents on the start page: a burst of jobs to watch."""
    with transaction.atomic():
        # The newest document last: the list of jobs has the latest on top.
        for again in reversed(Document.objects.listed()[:RECENT_DOCUMENTS]):
            work.start_analyses(again)
    return redirect("start")


@require_POST
def delete_document(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget a document; a job of it that still waits will fail, as the admin shows."""
    gone = _listed_or_404(pk)
    gone.delete()
    messages.success(request, f"{gone.name} was deleted.")
    return redirect("start")


def _take(file) -> Document:
    understood = read_upload(file)
    with transaction.atomic():
        made = Document.objects.add(
            understood.name, understood.text, understood.kind, understood.encoding
        )
        work.start_analyses(made)
    return made


def _listed_or_404(pk: int) -> Document:
    return get_object_or_404(Document.objects.listed(), pk=pk)


def _states(rows: list[work.Row], counts: dict[str, int]) -> dict:
    drawn = work.bars(rows)
    return {
        "unfinished": work.unfinished(counts),
        "tally": counts,
        "jobs": [
            {
                "id": row.analysis.pk,
                "run": str(row.analysis.task_id),
                "state": row.state,
                "label": row.label,
                "waited": row.waited,
                "ran": row.ran,
                "worker": row.worker_name,
                "bar": drawn[row.analysis.pk],
            }
            for row in rows
        ],
    }
