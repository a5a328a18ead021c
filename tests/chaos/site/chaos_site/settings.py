"""The settings of the site; where it keeps its things is said by the environment."""

import json
import os

DATABASES = {"default": json.loads(os.environ["CHAOS_DATABASE"])}
TASKS = {"default": {"BACKEND": "corral.tasks.DatabaseBackend"}}
INSTALLED_APPS = ["corral.tasks"]
SECRET_KEY = "for tests"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "chaos_site.urls"
WSGI_APPLICATION = "chaos_site.wsgi.application"
MIDDLEWARE: list[str] = []
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"nowhere": {"class": "logging.NullHandler"}},
    # Django logs every failed task and request; the audit looks at the rows and the notes.
    "loggers": {"django": {"handlers": ["nowhere"], "propagate": False}},
}
