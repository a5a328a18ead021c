"""Settings of the demo site: one folder holds the database and the secret key.

The folder is CORRAL_DEMO_DIR. The site is for the machine it runs on: its password is printed on
its first page, so ALLOWED_HOSTS admits local names only.
"""

import logging
import os
import pathlib

from django.utils.csp import CSP

DIRECTORY = pathlib.Path(os.environ.get("CORRAL_DEMO_DIR", "corral-demo")).absolute()

SECRET_KEY = (DIRECTORY / "secret.key").read_text(encoding="ascii").strip()
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = [
    "corral.demo",
    "corral.tasks",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "corral.demo.urls"
WSGI_APPLICATION = "corral.demo.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "corral.demo.context.served_by",
            ]
        },
    }
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DIRECTORY / "db.sqlite3",
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            # A transaction that will write takes its lock when it begins, where waiting works;
            # taken later, by the first write, SQLite refuses at once with "database is locked".
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        },
    }
}

TASKS = {
    "default": {
        "BACKEND": "corral.tasks.DatabaseBackend",
        "QUEUES": ["default", "slow"],
    }
}

STATIC_URL = "/static/"
LOGIN_URL = "admin:login"
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False

# Cookies do not know ports: names of our own keep other sites on localhost logged in.
SESSION_COOKIE_NAME = "corral_demo_session"
CSRF_COOKIE_NAME = "corral_demo_csrf"

SECURE_CSP = {
    "default-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}

UPLOAD_BYTES_MAX = 8 * 1024 * 1024
UPLOAD_COUNT_MAX = 10
DATA_UPLOAD_MAX_NUMBER_FILES = 2 * UPLOAD_COUNT_MAX
FILE_UPLOAD_MAX_MEMORY_SIZE = UPLOAD_BYTES_MAX


def _is_no_deliberate_failure(record: logging.LogRecord) -> bool:
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or kind.__name__ != "DeliberateFailure"


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "meant": {
            "()": "django.utils.log.CallbackFilter",
            "callback": _is_no_deliberate_failure,
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "filters": ["meant"]}},
    "loggers": {
        # DEBUG is off, so Django would send errors by mail; a demo's errors belong in the terminal.
        "django": {"handlers": ["stderr"], "level": "ERROR", "propagate": False},
    },
}
