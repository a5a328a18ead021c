"""The Django app: table names, checks, admin title."""

from django.apps import AppConfig


class TasksConfig(AppConfig):
    """`corral.tasks` as Django sees it; the label is part of the table names and stays for ever."""

    name = "corral.tasks"
    label = "corral_tasks"
    verbose_name = "Background tasks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.core.checks import register

        from . import checks

        register(checks.check_site)
