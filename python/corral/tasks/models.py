"""The tables: jobs, the nodes that run them, the queues that are paused.

`sql.py` writes the same rows without the ORM; a change here is a change there. Statuses are
Django's four: scheduled is READY with `run_after`, a job whose node died is READY again with
`crashes` counted.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.tasks import TaskResultStatus
from django.tasks.base import TASK_MAX_PRIORITY, TASK_MIN_PRIORITY

from .fields import JSONTextField
from .indexes import StatusIndex, UniqueKey
from .names import NAME_CHARS_MAX


class Job(models.Model):
    """One enqueued task: what to run, how it stands, what came of it."""

    # Time-ordered, so that new rows go to the end of the index and the id breaks ties by age.
    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    task_path = models.TextField("task")
    queue_name = models.CharField("queue", max_length=NAME_CHARS_MAX)
    backend_name = models.CharField("backend", max_length=NAME_CHARS_MAX)
    priority = models.SmallIntegerField(default=0)
    args = JSONTextField(default=list)
    kwargs = JSONTextField(default=dict)
    status = models.CharField(
        max_length=10, choices=TaskResultStatus.choices, default=TaskResultStatus.READY
    )

    # What the enqueuer asked for, beyond what the task's code says: `policy.stored`.
    options = JSONTextField(default=dict)
    # Here for the rescuer, which has not the code: an attempt whose process died is not repeated.
    at_most_once = models.BooleanField(default=False)

    run_after = models.DateTimeField(null=True)
    enqueued_at = models.DateTimeField()
    # run_after, else enqueued_at: one column to order by, so that a deferred job that became due
    # does not overtake older plain ones. In the future only where run_after is set; whoever defers
    # a job again sets both.
    due_at = models.DateTimeField()
    started_at = models.DateTimeField("first started at", null=True)
    last_attempted_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    prune_at = models.DateTimeField(null=True)  # finished_at + retention; NULL keeps the row

    # What `unique` asks for: no other row has this key while the job is READY or RUNNING, or later
    # than that where `unique_until` is set, until that is past and somebody needs the key.
    unique_key = models.CharField(max_length=64, null=True, editable=False)
    unique_until = models.DateTimeField(null=True, editable=False)

    return_value = JSONTextField(null=True)
    errors = JSONTextField(default=list)  # records.error_entry, one a failed attempt, oldest first
    worker_ids = JSONTextField(default=list)  # one an attempt, oldest first

    # `cancellation.py` asked for the job's end; while it waits or runs, a keeper sees to it.
    cancel_requested_at = models.DateTimeField(null=True)

    lease = models.BigIntegerField(default=0)  # rises with each claim; proves who may finish it
    crashes = models.SmallIntegerField(default=0)  # attempts that ended because their process died
    # While RUNNING, the incarnation that claimed it. No foreign key: jobs must not pin nodes.
    node = models.UUIDField(null=True)

    class Meta:
        db_table = "corral_job"
        ordering = ("-id",)
        indexes = (
            StatusIndex(
                name="corral_job_ready",
                status="READY",
                fields=["queue_name", "crashes", "-priority", "due_at", "id"],
            ),
            StatusIndex(
                name="corral_job_deferred",
                status="READY",
                where={"run_after__isnull": False},
                fields=["queue_name", "due_at"],
            ),
            StatusIndex(name="corral_job_running", status="RUNNING", fields=["node"]),
            StatusIndex(
                name="corral_job_cancel",
                where={"cancel_requested_at__isnull": False, "finished_at__isnull": True},
                fields=["cancel_requested_at"],
            ),
            StatusIndex(
                name="corral_job_prune", where={"prune_at__isnull": False}, fields=["prune_at"]
            ),
        )
        constraints = (
            models.CheckConstraint(
                name="corral_job_priority",
                condition=models.Q(priority__range=(TASK_MIN_PRIORITY, TASK_MAX_PRIORITY)),
            ),
            UniqueKey(
                name="corral_job_unique",
                fields=["unique_key"],
                condition=models.Q(unique_key__isnull=False)
                & (
                    models.Q(status__in=["READY", "RUNNING"]) | models.Q(unique_until__isnull=False)
                ),
            ),
        )

    def __str__(self) -> str:
        return f"{self.task_path} {self.id}"


class Node(models.Model):
    """One running Corral. Whether it is dead when `expires_at` has passed, `witness` finds out."""

    incarnation = models.UUIDField(primary_key=True, editable=False)
    host = models.CharField(max_length=255)
    pid = models.BigIntegerField()
    # Which boot of which kernel and process namespace `pid` belongs to, and when that process
    # started, in the kernel's ticks: together they prove on the same machine that a process is gone
    # and not merely that its number is in use.
    machine = models.CharField(max_length=100, blank=True)
    process_started = models.BigIntegerField(null=True)
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "corral_node"
        ordering = ("-started_at",)

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class Queue(models.Model):
    """A queue that is, or was until `resume_at`, paused; the others have no row."""

    name = models.CharField(primary_key=True, max_length=NAME_CHARS_MAX)
    paused_at = models.DateTimeField()
    resume_at = models.DateTimeField(null=True)  # NULL: until somebody resumes it

    class Meta:
        db_table = "corral_queue"
        ordering = ("name",)
        verbose_name = "paused queue"

    def __str__(self) -> str:
        return self.name


from .schedule_model import Schedule  # noqa: E402, F401  a table of its own module
