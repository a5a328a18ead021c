"""Notes the signals that tasks send."""

from django.apps import AppConfig
from django.tasks.signals import task_enqueued, task_finished, task_started

from site_tasks.notes import note

WATCHED = ("site_tasks.tasks.add", "site_tasks.tasks.fail")


class SiteConfig(AppConfig):
    """The one app of the site."""

    name = "site_tasks"

    def ready(self) -> None:
        for name, signal in (
            ("enqueued", task_enqueued),
            ("started", task_started),
            ("finished", task_finished),
        ):
            signal.connect(_receiver(name), weak=False)


def _receiver(name):
    def receive(sender, task_result, **kwargs):
        if task_result.task.module_path in WATCHED:
            kind = f"{sender.__module__}.{sender.__qualname__}"
            note(f"signal {name} {task_result.id} {task_result.status} {kind}")

    return receive
