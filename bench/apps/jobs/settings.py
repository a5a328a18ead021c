"""Settings as small as each task system allows; BENCH_SYSTEM names it, BENCH_DATABASE the database.

`BENCH_DATABASE` is the path of an SQLite file or the name of a PostgreSQL database.
"""

import os

SYSTEM = os.environ["BENCH_SYSTEM"]
APPS = {
    "corral": ["corral.tasks"],
    "django-tasks-db": ["django_tasks_db"],
    "django-ox": ["django_ox"],
    "procrastinate": ["procrastinate.contrib.django"],
    "celery": [],
}
BACKENDS = {
    "corral": "corral.tasks.DatabaseBackend",
    "django-tasks-db": "django_tasks_db.DatabaseBackend",
    "django-ox": "django_ox.backend.OxBackend",
}

SECRET_KEY = "only-for-measuring"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "bench.apps.jobs.urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "bench.apps.jobs",
    *APPS[SYSTEM],
]
if SYSTEM in BACKENDS:
    TASKS = {"default": {"BACKEND": BACKENDS[SYSTEM]}}

NAME = os.environ["BENCH_DATABASE"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": NAME,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        },
    }
    if NAME.startswith("/")
    else {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": NAME,
        "HOST": os.environ.get("BENCH_POSTGRES_HOST", "127.0.0.1"),
        "PORT": os.environ.get("BENCH_POSTGRES_PORT", "5432"),
        "USER": os.environ.get("BENCH_POSTGRES_USER", "postgres"),
        "CONN_MAX_AGE": None,
    }
}
# Django would make a log record at the begin and the end of each task.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"django.tasks": {"level": "WARNING"}},
}
REDIS = os.environ.get("BENCH_REDIS", "redis://127.0.0.1:6379/15")
