"""The table of schedules. `schedule_sql.py` reads it without the ORM.

`next_run_at` NULL is not planned: switched off, retired, or never to come. It changes only together
with `version`'s or its own former value as a condition, so that nodes need no leader.
"""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.tasks.base import DEFAULT_TASK_QUEUE_NAME
from django.utils.translation import gettext_lazy as _

from .fields import InstantField, JSONTextField
from .names import NAME_CHARS_MAX

SCHEDULE_NAME_CHARS_MAX = 200


class Missed(models.TextChoices):
    """What becomes of ticks that nobody was there for."""

    SKIP = "skip", _("skip them")
    ONCE = "once", _("run once for all of them")
    ALL = "all", _("run each of them")


class Source(models.TextChoices):
    """Who decides about cron, arguments and the rest."""

    CODE = "code", _("code")
    ADMIN = "admin", _("admin")


class Schedule(models.Model):
    """One task, its arguments, and when it is enqueued again and again."""

    name = models.CharField(max_length=SCHEDULE_NAME_CHARS_MAX, unique=True)
    task_path = models.CharField(
        _("task"), max_length=500, help_text=_("Dotted path, such as shop.tasks.send_report.")
    )
    backend_name = models.CharField(_("backend"), max_length=NAME_CHARS_MAX, default="default")
    queue_name = models.CharField(
        _("queue"), max_length=NAME_CHARS_MAX, default=DEFAULT_TASK_QUEUE_NAME
    )
    priority = models.SmallIntegerField(default=0)
    args = JSONTextField(_("arguments"), default=list, blank=True)
    kwargs = JSONTextField(_("keyword arguments"), default=dict, blank=True)
    options = JSONTextField(default=dict, editable=False)  # what using() said; policy.stored()
    cron = models.CharField(
        max_length=200,
        help_text=_("Five fields, from minute to day of week; or @hourly, @daily, …"),
    )
    tz = models.CharField(
        _("time zone"), max_length=64, help_text=_("An IANA name, such as Europe/Berlin.")
    )
    missed = models.CharField(
        _("missed ticks"), max_length=4, choices=Missed.choices, default=Missed.ONCE
    )
    enabled = models.BooleanField(default=True)  # the operator's; code never changes it

    source = models.CharField(
        max_length=5, choices=Source.choices, default=Source.ADMIN, editable=False
    )
    gone_at = InstantField(null=True, editable=False)  # since when the code has it no more
    version = models.BigIntegerField(default=0, editable=False)  # rises with each new definition
    next_run_at = InstantField(null=True, editable=False)
    last_run_at = InstantField(null=True, editable=False)  # the time of the last tick, not of work
    last_job = models.UUIDField(null=True, editable=False)
    last_error = models.TextField(blank=True, default="", editable=False)

    class Meta:
        db_table = "corral_schedule"
        ordering = ("name",)
        indexes = (models.Index(fields=["next_run_at"], name="corral_schedule_next"),)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Whether it could run: cron, zone, task, queue and arguments."""
        from .schedule_checks import problems

        if found := dict(problems(self)):
            raise ValidationError(found)
