"""The admin page of the paused queues: to add one is to pause it, to delete it resumes it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from . import queues
from .models import Queue


class QueueForm(forms.ModelForm):
    """Which queue, and until when."""

    class Meta:
        model = Queue
        fields = ("name", "resume_at")
        help_texts = {  # noqa: RUF012  # Django's own form
            "resume_at": _("When it goes on by itself; without it, when somebody resumes it."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["resume_at"].required = False

    def clean_name(self) -> str:
        try:
            queues.require_known(self.cleaned_data["name"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None
        return self.cleaned_data["name"]

    def clean_resume_at(self) -> Any:
        resume_at = self.cleaned_data["resume_at"]
        if resume_at is not None and resume_at <= timezone.now():
            raise forms.ValidationError(_("This is past."))
        return resume_at


class QueueAdmin(admin.ModelAdmin):
    """Queues without a row are open."""

    form = QueueForm
    list_display = ("name", "is_paused", "paused_at", "resume_at")
    actions = ("resume",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("name", "paused_at") if obj is not None else ()

    @admin.display(description=_("paused"), boolean=True)
    def is_paused(self, row: Queue) -> bool:
        return row.resume_at is None or row.resume_at > timezone.now()

    def save_model(self, request: HttpRequest, obj: Queue, form: Any, change: bool) -> None:
        queues.pause(obj.name, obj.resume_at)

    def delete_model(self, request: HttpRequest, obj: Queue) -> None:
        queues.resume(obj.name)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Queue]) -> None:
        for row in queryset:
            queues.resume(row.name)

    @admin.action(description=_("Resume"), permissions=["delete"])
    def resume(self, request: HttpRequest, rows: QuerySet[Queue]) -> None:
        names = [row.name for row in rows]
        for name in names:
            queues.resume(name)
        self.message_user(request, ", ".join(names), messages.SUCCESS)
