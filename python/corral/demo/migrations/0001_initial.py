"""The tables of the demo."""

from typing import ClassVar

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies: ClassVar = []

    operations: ClassVar = [
        migrations.CreateModel(
            name="Document",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "kind",
                    models.CharField(choices=[("text", "Text"), ("csv", "CSV")], max_length=8),
                ),
                (
                    "encoding",
                    models.CharField(help_text="Of the file that was dropped in.", max_length=20),
                ),
                ("is_sample", models.BooleanField(default=False, verbose_name="sample")),
                ("size_bytes", models.PositiveIntegerField(verbose_name="bytes")),
                ("sha256", models.CharField(max_length=64, verbose_name="SHA-256")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_index=True, default=django.utils.timezone.now, verbose_name="added"
                    ),
                ),
                ("text", models.TextField()),
            ],
            options={
                "ordering": ["-created_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="Analysis",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=30)),
                ("task_id", models.UUIDField(verbose_name="task result")),
                (
                    "enqueued_at",
                    models.DateTimeField(db_index=True, default=django.utils.timezone.now),
                ),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="analyses",
                        to="corral_demo.document",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "analyses",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("document", "kind"), name="corral_demo_one_of_a_kind"
                    )
                ],
            },
        ),
    ]
