"""The table of schedules."""

from django.db import migrations, models

import corral.tasks.fields


class Migration(migrations.Migration):
    dependencies = (("corral_tasks", "0001_initial"),)

    operations = (
        migrations.CreateModel(
            name="Schedule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=200, unique=True)),
                (
                    "task_path",
                    models.CharField(
                        help_text="Dotted path, such as shop.tasks.send_report.",
                        max_length=500,
                        verbose_name="task",
                    ),
                ),
                (
                    "backend_name",
                    models.CharField(default="default", max_length=128, verbose_name="backend"),
                ),
                (
                    "queue_name",
                    models.CharField(default="default", max_length=128, verbose_name="queue"),
                ),
                ("priority", models.SmallIntegerField(default=0)),
                (
                    "args",
                    corral.tasks.fields.JSONTextField(
                        blank=True, default=list, verbose_name="arguments"
                    ),
                ),
                (
                    "kwargs",
                    corral.tasks.fields.JSONTextField(
                        blank=True, default=dict, verbose_name="keyword arguments"
                    ),
                ),
                ("options", corral.tasks.fields.JSONTextField(default=dict, editable=False)),
                (
                    "cron",
                    models.CharField(
                        help_text="Five fields, from minute to day of week; or @hourly, @daily, …",
                        max_length=200,
                    ),
                ),
                (
                    "tz",
                    models.CharField(
                        help_text="An IANA name, such as Europe/Berlin.",
                        max_length=64,
                        verbose_name="time zone",
                    ),
                ),
                (
                    "missed",
                    models.CharField(
                        choices=[
                            ("skip", "skip them"),
                            ("once", "run once for all of them"),
                            ("all", "run each of them"),
                        ],
                        default="once",
                        max_length=4,
                        verbose_name="missed ticks",
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                (
                    "source",
                    models.CharField(
                        choices=[("code", "code"), ("admin", "admin")],
                        default="admin",
                        editable=False,
                        max_length=5,
                    ),
                ),
                ("gone_at", corral.tasks.fields.InstantField(editable=False, null=True)),
                ("version", models.BigIntegerField(default=0, editable=False)),
                ("next_run_at", corral.tasks.fields.InstantField(editable=False, null=True)),
                ("last_run_at", corral.tasks.fields.InstantField(editable=False, null=True)),
                ("last_job", models.UUIDField(editable=False, null=True)),
                ("last_error", models.TextField(blank=True, default="", editable=False)),
            ],
            options={
                "db_table": "corral_schedule",
                "ordering": ("name",),
                "indexes": [models.Index(fields=["next_run_at"], name="corral_schedule_next")],
            },
        ),
    )
