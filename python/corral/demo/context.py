"""What every page says at its foot: the program and the worker that made it."""

import platform
from importlib.metadata import PackageNotFoundError, version

import django
from django.http import HttpRequest

from corral.demo.start import PASSWORD, USER_NAME


def served_by(request: HttpRequest) -> dict:
    """Context processor."""
    return {
        "served_by": {
            "worker": _worker_name(),
            "corral": _corral_version(),
            "python": platform.python_version(),
            "django": django.get_version(),
        },
        "demo_login": {"user": USER_NAME, "password": PASSWORD},
    }


def _worker_name() -> str:
    try:
        from corral import _guest  # present in the server's workers only
    except ImportError:
        return ""
    return _guest.worker_name()


def _corral_version() -> str:
    try:
        return version("corral")
    except PackageNotFoundError:
        return ""
