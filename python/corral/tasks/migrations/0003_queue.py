"""Queues can be paused."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("corral_tasks", "0002_schedule"),)

    operations = (
        migrations.CreateModel(
            name="Queue",
            fields=[
                ("name", models.CharField(max_length=128, primary_key=True, serialize=False)),
                ("paused_at", models.DateTimeField()),
                ("resume_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "corral_queue",
                "ordering": ("name",),
                "verbose_name": "paused queue",
            },
        ),
    )
