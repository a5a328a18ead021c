"""Jobs of which there is one at a time."""

from django.db import migrations, models

import corral.tasks.indexes


class Migration(migrations.Migration):
    dependencies = (("corral_tasks", "0003_queue"),)

    operations = (
        migrations.AddField(
            model_name="job",
            name="unique_key",
            field=models.CharField(editable=False, max_length=64, null=True),
        ),
        migrations.AddField(
            model_name="job",
            name="unique_until",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=corral.tasks.indexes.UniqueKey(
                name="corral_job_unique",
                fields=["unique_key"],
                condition=models.Q(unique_key__isnull=False)
                & (
                    models.Q(status__in=["READY", "RUNNING"]) | models.Q(unique_until__isnull=False)
                ),
            ),
        ),
    )
