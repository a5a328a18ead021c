"""The site of the task tests. Where it keeps its things is said by the environment."""

import json
import os

DATABASES = {"default": json.loads(os.environ["SITE_DATABASE"])}
TASKS = json.loads(
    os.environ.get("SITE_TASKS")
    or '{"default": {"BACKEND": "corral.tasks.DatabaseBackend", "QUEUES": ["default", "mail"]}}'
)
INSTALLED_APPS = json.loads(os.environ.get("SITE_APPS") or '["corral.tasks", "site_tasks"]')
SECRET_KEY = "for tests"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "site_tasks.urls"
WSGI_APPLICATION = "site_tasks.wsgi.application"
MIDDLEWARE: list[str] = []
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "stderr": {"class": "logging.StreamHandler"},
        "nowhere": {"class": "logging.NullHandler"},
    },
    # Django logs every failed task; the tests look at the errors elsewhere.
    "loggers": {"django": {"handlers": ["nowhere"], "propagate": False}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
