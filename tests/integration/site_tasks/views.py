"""Views that enqueue tasks in every way, and tell what became of them."""

import json
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.tasks import TaskResultStatus, default_task_backend
from django.utils import timezone
from django.utils.module_loading import import_string

import corral.tasks
from site_tasks import notes


class Unwanted(Exception):
    """Undoes a transaction."""


def enqueue(request: HttpRequest) -> JsonResponse:
    """?task=add&args=[1]&how=plain|atomic|rollback|gate: a job for each of the values of `task`."""
    query = request.GET
    how = query.get("how", "plain")
    if how == "plain":
        return JsonResponse({"ids": _enqueue_all(query)})
    ids: list[str] = []
    try:
        with transaction.atomic():
            ids = _enqueue_all(query)
            if how == "gate":
                notes.wait_at("commit")
            if how == "rollback":
                raise Unwanted
    except Unwanted:
        pass
    return JsonResponse({"ids": ids})


def _enqueue_all(query: Any) -> list[str]:
    args = json.loads(query.get("args", "[]"))
    return [_task(name, query).enqueue(*args).id for name in query.getlist("task")]


def _task(name: str, query: Any) -> Any:
    task = import_string(f"site_tasks.tasks.{name}")
    changes: dict[str, Any] = {}
    if "queue" in query:
        changes["queue_name"] = query["queue"]
    if "priority" in query:
        changes["priority"] = int(query["priority"])
    if "after" in query:
        changes["run_after"] = timezone.now() + timedelta(seconds=float(query["after"]))
    return task.using(**changes) if changes else task


def enqueue_many(request: HttpRequest) -> JsonResponse:
    """?jobs=[["count", 1], ...]: all in one transaction."""
    with transaction.atomic():
        ids = [
            import_string(f"site_tasks.tasks.{name}").enqueue(*args).id
            for name, *args in json.loads(request.body)
        ]
    return JsonResponse({"ids": ids})


def result(request: HttpRequest) -> JsonResponse:
    """?id=...: the result as the site sees it."""
    found = default_task_backend.get_result(request.GET["id"])
    is_good = found.status == TaskResultStatus.SUCCESSFUL
    return JsonResponse({
        "status": found.status,
        "value": found.return_value if is_good else None,
        "errors": [[error.exception_class_path, error.traceback] for error in found.errors],
        "attempts": found.attempts,
        "workers": found.worker_ids,
        "is_finished": found.is_finished,
    })  # fmt: skip


def here(request: HttpRequest) -> JsonResponse:
    """That the site answers."""
    return JsonResponse({"thread": notes.thread_name()})


def cancel(request: HttpRequest) -> HttpResponse:
    """?id=…: what was done about the job."""
    return HttpResponse(corral.tasks.cancel(request.GET["id"]))
