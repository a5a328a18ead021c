"""Settings of the test site; conftest.py says through the environment where its databases are."""

import json
import os

from tasks_site import mysql_driver

DATABASES = json.loads(os.environ["CORRAL_TEST_DATABASES"])
if any(database["ENGINE"].endswith("mysql") for database in DATABASES.values()):
    mysql_driver.load()
USE_TZ = os.environ.get("CORRAL_TEST_USE_TZ", "1") == "1"
TIME_ZONE = os.environ.get("CORRAL_TEST_TIME_ZONE", "UTC")
SECRET_KEY = "for tests"
ROOT_URLCONF = "tasks_site.urls"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "corral.tasks",
    "django_tasks_db",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"
TASKS = {
    "default": {
        "BACKEND": "corral.tasks.DatabaseBackend",
        "QUEUES": ["default", "mail", "slow"],
    },
    "old": {
        "BACKEND": "django_tasks_db.DatabaseBackend",
        "QUEUES": [],
    },
    "immediate": {
        "BACKEND": "django.tasks.backends.immediate.ImmediateBackend",
        "QUEUES": [],
    },
}
LOGGING_CONFIG = None
