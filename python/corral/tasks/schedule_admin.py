"""The admin page of the schedules: made, changed, switched and run by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db import router, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from . import guest, schedule_rows
from .schedule_model import Schedule, Source

DEFINITION = (
    "name",
    "task_path",
    "args",
    "kwargs",
    "cron",
    "tz",
    "missed",
    "backend_name",
    "queue_name",
    "priority",
)


class ScheduleForm(forms.ModelForm):
    """Arguments as JSON; everything is checked as at a tick."""

    args = forms.JSONField(
        label=_("arguments"), required=False, help_text=_('A JSON list, such as [1, "two"].')
    )
    kwargs = forms.JSONField(
        label=_("keyword arguments"), required=False, help_text=_("A JSON object.")
    )

    class Meta:
        model = Schedule
        fields = (*DEFINITION, "enabled")

    def clean_args(self) -> list[Any]:
        value = self.cleaned_data["args"]
        if value in (None, ""):
            return []
        if not isinstance(value, list):
            raise forms.ValidationError(_("This must be a JSON list, such as [1, 2]."))
        return value

    def clean_kwargs(self) -> dict[str, Any]:
        value = self.cleaned_data["kwargs"]
        if value in (None, ""):
            return {}
        if not isinstance(value, dict):
            raise forms.ValidationError(_('This must be a JSON object, such as {"size": 3}.'))
        return value


class ScheduleAdmin(admin.ModelAdmin):
    """What the code declares can be switched here; the rest of it is changed in the code."""

    form = ScheduleForm
    list_display = ("name", "cron", "tz", "enabled", "state", "next_run", "last_run", "source")
    list_filter = ("enabled", "source", "missed")
    search_fields = ("name", "task_path")
    actions = ("switch_on", "switch_off", "run_now")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"tz": settings.TIME_ZONE or "UTC", **super().get_changeform_initial_data(request)}

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        seen = ("state", "next_run", "last_run", "last_job", "last_error", "source") if obj else ()
        return (*DEFINITION, "enabled", *seen)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        seen = ("state", "next_run", "last_run", "last_job", "last_error", "source")
        return (*DEFINITION, *seen) if obj is not None and obj.source == Source.CODE else seen

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # It would come back with the next start, switched on.
        is_declared = obj is not None and obj.source == Source.CODE and obj.gone_at is None
        return not is_declared and super().has_delete_permission(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        found = list(objs)
        texts, counts, needed, protected = super().get_deleted_objects(found, request)
        kept = [str(o) for o in found if o.source == Source.CODE and o.gone_at is None]
        return texts, counts, needed, [*protected, *kept]

    def save_model(self, request: HttpRequest, obj: Schedule, form: Any, change: bool) -> None:
        database = router.db_for_write(Schedule, instance=obj)
        if not change:
            obj.next_run_at = schedule_rows.plan(obj, schedule_rows.now(database))
            obj.save(using=database)
        elif values := {name: form.cleaned_data[name] for name in form.changed_data}:
            before = Schedule.objects.using(database).get(pk=obj.pk)
            if not schedule_rows.redefine(database, before, {**values, "last_error": ""}):
                self.message_user(
                    request,
                    _("It was changed by somebody else at the same moment; nothing was saved."),
                    messages.ERROR,
                )
        _tell_keeper(database)

    # --- shown

    @admin.display(description=_("state"))
    def state(self, row: Schedule) -> str:
        if row.gone_at is not None:
            return _("no longer in the code")
        if not row.enabled:
            return _("off")
        return _("last tick failed") if row.last_error else _("on")

    @admin.display(description=_("next run"), ordering="next_run_at")
    def next_run(self, row: Schedule) -> str:
        return _local(row.next_run_at, row.tz)

    @admin.display(description=_("last run"), ordering="last_run_at")
    def last_run(self, row: Schedule) -> str:
        return _local(row.last_run_at, row.tz)

    # --- actions

    @admin.action(description=_("Switch on"), permissions=["change"])
    def switch_on(self, request: HttpRequest, rows: QuerySet[Schedule]) -> None:
        self._switch(request, rows, enabled=True)

    @admin.action(description=_("Switch off"), permissions=["change"])
    def switch_off(self, request: HttpRequest, rows: QuerySet[Schedule]) -> None:
        self._switch(request, rows, enabled=False)

    @admin.action(description=_("Run now, beside the plan"), permissions=["change"])
    def run_now(self, request: HttpRequest, rows: QuerySet[Schedule]) -> None:
        database = router.db_for_write(Schedule)
        for row in rows:
            try:
                job = schedule_rows.run_now(database, row)
            except Exception as error:
                self.message_user(request, f"{row}: {error}", messages.ERROR)
            else:
                self.message_user(request, f"{row}: {job}", messages.SUCCESS)

    def _switch(self, request: HttpRequest, rows: QuerySet[Schedule], *, enabled: bool) -> None:
        database = router.db_for_write(Schedule)
        try:
            count = schedule_rows.set_enabled(
                database, list(rows.values_list("pk", flat=True)), enabled=enabled
            )
        except ValueError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        _tell_keeper(database)
        done = _("switched on") if enabled else _("switched off")
        self.message_user(request, f"{count} {done}", messages.SUCCESS)


def _tell_keeper(database: str) -> None:
    transaction.on_commit(guest.wake_keeper, using=database, robust=True)


def _local(moment: datetime | None, tz: str) -> SafeString | str:
    """In the zone of the reader, and in the schedule's own where that differs."""
    if moment is None:
        return ""
    shown = date_format(timezone.localtime(moment), "DATETIME_FORMAT", use_l10n=True)
    try:
        own = moment.astimezone(ZoneInfo(tz))
    except KeyError, OSError, ValueError:
        return shown
    if own.utcoffset() == timezone.localtime(moment).utcoffset():
        return shown
    return cast(str, f"{shown} ({own:%H:%M %Z})")
