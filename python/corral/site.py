"""A worker interpreter before its user code: paths, environment, signals, Django.

The engine calls prepare() first in every worker interpreter and enter_thread() once on every one of
its threads. The loaders (web, command, tasks) share what is below.
"""

import importlib
import json
import os
import shlex
import sys
import threading
from types import ModuleType
from typing import Any

from corral import failures, signals
from corral.config import suggest
from corral.exceptions import ConfigurationError, WorkerException

# What prepare() was told; one interpreter has one load.
_current: dict[str, Any] = {}


def role() -> str:
    """What this interpreter is for: "web", "tasks" or "command"."""
    return _current.get("role", "web")


def prepare(load: str) -> None:
    """Makes the interpreter look like the main interpreter of an ordinary Django process."""
    config: dict[str, Any] = json.loads(load)
    _current.clear()
    _current.update(config)
    for path in reversed(config.get("paths") or []):
        if path in sys.path:
            sys.path.remove(path)
        sys.path.insert(0, path)
    settings = config.get("settings")
    # Writing it reaches the whole process: only when it changes something.
    if settings and os.environ.get("DJANGO_SETTINGS_MODULE") != settings:
        os.environ["DJANGO_SETTINGS_MODULE"] = settings
    if config["role"] == "command":
        sys.argv[:] = ["manage.py", *shlex.split(config["command"])]
    else:
        sys.argv[:] = ["corral", "serve" if config["role"] == "web" else "work"]
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # whole lines, at once: an abandoned worker flushes nothing later
            stream.reconfigure(line_buffering=True)
    signals.install(is_command=config["role"] == "command")


def enter_thread() -> None:
    """Makes this thread of the engine's look like one that Python's threading started."""
    thread = threading.current_thread()
    # Threads that it starts must not be daemons because of it.
    thread._daemonic = False  # type: ignore[attr-defined]
    if thread.name.startswith("Dummy-"):
        thread.name = _system_thread_name() or thread.name


def _system_thread_name() -> str:
    """What the engine called this thread ("web.1.0"), as top and py-spy show it too."""
    try:
        with open(f"/proc/self/task/{threading.get_native_id()}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def setup_django(config: dict[str, Any]) -> None:
    """Imports the settings and sets Django up. Raises WorkerException with one line."""
    settings = config.get("settings") or os.environ.get("DJANGO_SETTINGS_MODULE")
    if not settings:
        raise ConfigurationError(
            "no Django settings: give --settings, set DJANGO_SETTINGS_MODULE, "
            "or start in the directory of manage.py"
        )
    import_module("django", "Django")
    import_module(settings, f"settings {settings}")
    try:
        import django

        django.setup()
    except BaseException as error:
        raise failures.load_failure(error, f"settings {settings}") from error


def import_module(name: str, what: str) -> ModuleType:
    """Imports `name`; every failure becomes a WorkerException that begins with `what`."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name != missing and not name.startswith(missing + "."):
            raise failures.load_failure(error, what) from error
        failures.print_traceback(error)
        raise ConfigurationError(f"{what}: {_explain_missing(missing)}") from error
    except WorkerException:
        raise
    except BaseException as error:
        raise failures.load_failure(error, what) from error


def _explain_missing(module: str) -> str:
    if module == "django":
        return f"Django is not installed in {sys.prefix}; install it there: pip install django"
    parent, _, last = module.rpartition(".")
    package = sys.modules.get(parent)
    if not parent:
        folders = [folder for folder in _current.get("paths") or [os.getcwd()]]
        hint = suggest(last, _modules_in(folders))
        where = " or ".join(folders)
        return (
            f"there is no module named {module!r} in {where} nor among the installed ones{hint}; "
            "start in the project's directory or install it"
        )
    folders = list(getattr(package, "__path__", []))
    if not folders:
        return f"there is no module named {module!r}: {parent!r} is not a package"
    hint = suggest(last, _modules_in(folders))
    return f"there is no module named {module!r} in {folders[0]}{hint}"


def _modules_in(folders: list[str]) -> list[str]:
    import pkgutil

    return [module.name for module in pkgutil.iter_modules(folders)]
