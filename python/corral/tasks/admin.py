"""Admin pages: jobs and nodes, which are read only, schedules, and paused queues."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.tasks import task_backends
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from . import cancellation
from .backend import DatabaseBackend
from .models import Job, Node, Queue
from .queue_admin import QueueAdmin
from .schedule_admin import ScheduleAdmin
from .schedule_model import Schedule


class ReadOnlyAdmin(admin.ModelAdmin):
    """Lists and shows; jobs change by running, nodes by living."""

    show_full_result_count = False

    class Media:
        css = {"all": ["corral_tasks/admin.css"]}  # noqa: RUF012  # Django's own form

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """The jobs, newest first. Whoever may change jobs may cancel them and run them again."""

    actions = ("cancel", "run_again")
    list_display = (
        "task_path",
        "status",
        "queue_name",
        "priority",
        "enqueued_at",
        "started_at",
        "finished_at",
        "took",
        "attempts",
        "worker",
    )
    list_filter = ("status", "queue_name", "backend_name", "task_path")
    search_fields = ("id", "task_path", "args", "kwargs", "errors")
    fieldsets = (
        (None, {"fields": ("id", "task_path", "status", "shown_args", "shown_kwargs")}),
        (_("Outcome"), {"fields": ("attempts", "shown_return_value", "shown_errors")}),
        (
            _("Times"),
            {
                "fields": (
                    "enqueued_at",
                    "run_after",
                    "started_at",
                    "last_attempted_at",
                    "finished_at",
                    "took",
                    "prune_at",
                )
            },
        ),
        (
            _("Where"),
            {
                "fields": (
                    "queue_name",
                    "priority",
                    "backend_name",
                    "shown_workers",
                    "crashes",
                    "shown_options",
                    "at_most_once",
                    "lease",
                    "cancel_requested_at",
                    "node",
                )
            },
        ),
    )

    # --- actions

    def has_control_permission(self, request: HttpRequest) -> bool:
        """Of the actions: the pages themselves change nothing."""
        return request.user.has_perm("corral_tasks.change_job")

    @admin.action(description=_("Cancel, interrupt what runs"), permissions=["control"])
    def cancel(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        done = [_backend(job).cancel_job(str(job.pk)) for job in jobs]
        for kind in cancellation.Cancellation:
            if count := done.count(kind):
                self.message_user(request, f"{count} {_SAID[kind]}", messages.SUCCESS)

    @admin.action(description=_("Run again those that failed"), permissions=["control"])
    def run_again(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        changed = []
        for job in jobs:
            try:
                changed.append(_backend(job).run_again(str(job.pk)))
            except ValueError as error:
                self.message_user(request, str(error), messages.ERROR)
        self.message_user(request, f"{sum(changed)} {_('will run again')}", messages.SUCCESS)
        if left := changed.count(False):
            self.message_user(request, f"{left} {_('had not failed')}", messages.WARNING)

    # --- shown

    @admin.display(description=_("took"))
    def took(self, job: Job) -> str:
        if job.finished_at is None or job.last_attempted_at is None:
            return ""
        seconds = (job.finished_at - job.last_attempted_at).total_seconds()
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"

    @admin.display(description=_("attempts"))
    def attempts(self, job: Job) -> int:
        return max(len(job.worker_ids) - job.crashes, 0)

    @admin.display(description=_("options of its own"))
    def shown_options(self, job: Job) -> SafeString:
        return _pretty(job.options)

    @admin.display(description=_("worker"))
    def worker(self, job: Job) -> str:
        return job.worker_ids[-1] if job.worker_ids else ""

    @admin.display(description=_("arguments"))
    def shown_args(self, job: Job) -> SafeString:
        return _pretty(job.args)

    @admin.display(description=_("keyword arguments"))
    def shown_kwargs(self, job: Job) -> SafeString:
        return _pretty(job.kwargs)

    @admin.display(description=_("return value"))
    def shown_return_value(self, job: Job) -> SafeString | str:
        return _pretty(job.return_value) if job.status == "SUCCESSFUL" else ""

    @admin.display(description=_("attempts, by worker"))
    def shown_workers(self, job: Job) -> SafeString:
        return format_html_join(SafeString("<br>"), "{}", ((name,) for name in job.worker_ids))

    @admin.display(description=_("errors"))
    def shown_errors(self, job: Job) -> SafeString:
        return format_html_join(
            "",
            '<p><strong>{}</strong>: {}</p><pre class="corral-text">{}</pre>',
            (
                [_printable(e.get(k, "")) for k in ("exception_class_path", "message", "traceback")]
                for e in job.errors
            ),
        )


@admin.register(Node)
class NodeAdmin(ReadOnlyAdmin):
    """The running nodes, and dead ones until their jobs are rescued."""

    list_display = ("host", "pid", "started_at", "expires_at", "incarnation")
    fields = ("incarnation", "host", "pid", "started_at", "expires_at", "machine")


_SAID = {
    cancellation.Cancellation.CANCELLED: _("cancelled"),
    cancellation.Cancellation.ASKED: _("will be interrupted"),
    cancellation.Cancellation.FINISHED: _("had finished already"),
}


def _backend(job: Job) -> DatabaseBackend:
    backend = task_backends[job.backend_name]
    assert isinstance(backend, DatabaseBackend)
    return backend


def _pretty(value: Any) -> SafeString:
    text = _printable(json.dumps(value, indent=2, ensure_ascii=False))
    return format_html('<pre class="corral-text">{}</pre>', text)


def _printable(text: str) -> str:
    # A task may return or raise lone surrogates, which no page can hold.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


admin.site.register(Queue, QueueAdmin)
admin.site.register(Schedule, ScheduleAdmin)
