"""Jobs can be cancelled."""

from django.db import migrations, models

import corral.tasks.indexes


class Migration(migrations.Migration):
    dependencies = (("corral_tasks", "0004_unique"),)

    operations = (
        migrations.AddField(
            model_name="job",
            name="cancel_requested_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="job",
            index=corral.tasks.indexes.StatusIndex(
                fields=["cancel_requested_at"],
                name="corral_job_cancel",
                where={"cancel_requested_at__isnull": False, "finished_at__isnull": True},
            ),
        ),
    )
