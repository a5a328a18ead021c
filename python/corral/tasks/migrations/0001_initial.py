"""The tables of the first release."""

import uuid

from django.db import migrations, models

import corral.tasks.fields
import corral.tasks.indexes
import corral.tasks.tuning


class Migration(migrations.Migration):
    initial = True

    dependencies = ()

    operations = (
        migrations.CreateModel(
            name="Node",
            fields=[
                (
                    "incarnation",
                    models.UUIDField(editable=False, primary_key=True, serialize=False),
                ),
                ("host", models.CharField(max_length=255)),
                ("pid", models.BigIntegerField()),
                ("machine", models.CharField(blank=True, max_length=100)),
                ("process_started", models.BigIntegerField(null=True)),
                ("started_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
            ],
            options={
                "db_table": "corral_node",
                "ordering": ("-started_at",),
            },
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("task_path", models.TextField(verbose_name="task")),
                ("queue_name", models.CharField(max_length=128, verbose_name="queue")),
                ("backend_name", models.CharField(max_length=128, verbose_name="backend")),
                ("priority", models.SmallIntegerField(default=0)),
                ("args", corral.tasks.fields.JSONTextField(default=list)),
                ("kwargs", corral.tasks.fields.JSONTextField(default=dict)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("READY", "Ready"),
                            ("RUNNING", "Running"),
                            ("FAILED", "Failed"),
                            ("SUCCESSFUL", "Successful"),
                        ],
                        default="READY",
                        max_length=10,
                    ),
                ),
                ("options", corral.tasks.fields.JSONTextField(default=dict)),
                ("at_most_once", models.BooleanField(default=False)),
                ("run_after", models.DateTimeField(null=True)),
                ("enqueued_at", models.DateTimeField()),
                ("due_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(null=True, verbose_name="first started at")),
                ("last_attempted_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("prune_at", models.DateTimeField(null=True)),
                ("return_value", corral.tasks.fields.JSONTextField(null=True)),
                ("errors", corral.tasks.fields.JSONTextField(default=list)),
                ("worker_ids", corral.tasks.fields.JSONTextField(default=list)),
                ("lease", models.BigIntegerField(default=0)),
                ("crashes", models.SmallIntegerField(default=0)),
                ("node", models.UUIDField(null=True)),
            ],
            options={
                "db_table": "corral_job",
                "ordering": ("-id",),
                "indexes": [
                    corral.tasks.indexes.StatusIndex(
                        fields=["queue_name", "crashes", "-priority", "due_at", "id"],
                        name="corral_job_ready",
                        status="READY",
                    ),
                    corral.tasks.indexes.StatusIndex(
                        fields=["queue_name", "due_at"],
                        name="corral_job_deferred",
                        status="READY",
                        where={"run_after__isnull": False},
                    ),
                    corral.tasks.indexes.StatusIndex(
                        fields=["node"], name="corral_job_running", status="RUNNING"
                    ),
                    corral.tasks.indexes.StatusIndex(
                        fields=["prune_at"],
                        name="corral_job_prune",
                        where={"prune_at__isnull": False},
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("priority__range", (-100, 100))),
                        name="corral_job_priority",
                    )
                ],
            },
        ),
        migrations.RunPython(corral.tasks.tuning.tune, corral.tasks.tuning.untune),
    )
