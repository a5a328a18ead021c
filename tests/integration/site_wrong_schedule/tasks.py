"""A cron that has no such minute."""

from corral.tasks import task


@task(cron="61 * * * *")
def never() -> None:
    """Is never run."""
