"""Schedules that come every second, so that a test sees many."""

from corral.tasks import cron, schedule, task

cron._field_counts.add(6)  # seconds in front

NAMES = ("a", "b", "c", "d", "e")


@task(cron="@yearly", tz="Europe/Berlin")
def tick(name: str = "yearly") -> str:
    """Returns what it was given."""
    return name


for name in NAMES:
    schedule(tick, name=name, cron="* * * * * *", tz="UTC", args=[name], missed="all")
