"""The demo as a Django app."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Documents and the analyses that run on them."""

    name = "corral.demo"
    label = "corral_demo"
    verbose_name = "Demo"
    default_auto_field = "django.db.models.BigAutoField"
