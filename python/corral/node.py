"""Starts a node: opens what it needs, makes the plan, and becomes its supervisor."""

import contextlib
import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from corral import descriptors, plan
from corral.config import Config
from corral.discovery import VARIABLE, find_settings
from corral.exceptions import ConfigurationError
from corral.plan import Project, Resources
from corral.sockets import UNIX_MODE, Listeners

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)


def run(command: str, config: Config, find: Callable[[], Project] | None = None) -> int:
    """Runs `corral serve`, `work` or `demo` until it is stopped; returns the exit code.

    `find` says what to run; by default it is looked for in the working directory. Raises
    ConfigurationError, whose text is one line, for everything that is wrong before the start.
    Once the node has run, this process ignores the signals that would have stopped it.
    """
    with contextlib.ExitStack() as stack:
        if config["umask"] is not None:
            os.umask(config["umask"])
        project = None if find else find_project(command, config, Path.cwd())
        listeners = _open_listeners(stack, command, config)
        project = project or find()  # type: ignore[misc]  # slow for the demo: after the sockets
        if pid_file := config["pid"]:
            stack.enter_context(_pid_file(Path(pid_file), config.spelling("pid")))
        resources = Resources(
            listen_fds=listeners.fds if listeners else [],
            addresses=listeners.addresses if listeners else [],
            wake_fd=_make_wake_fd(stack),
            access_fd=_open_access_log(stack, command, config),
            log_format=_log_format(config),
            descriptors=descriptors.raise_limit(),
        )
        if config["log_level"] == "debug":
            os.environ["CORRAL_DEBUG"] = "1"  # failures.py of every child
        for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
            os.environ.pop(name, None)  # were meant for this process
        return _supervise(plan.build(command, config, project, resources))


def find_project(command: str, config: Config, directory: Path) -> Project:
    """What to run in `directory`; raises ConfigurationError when it is not enough to start."""
    app = config["app"] if command == "serve" else None
    settings = (
        config["settings"] or os.environ.get(VARIABLE) or find_settings(app, directory) or None
    )
    paths = [str(directory)]
    remedy = (
        "give --settings, set DJANGO_SETTINGS_MODULE, or start in the directory of manage.py "
        f"(this one is {directory})"
    )
    if settings and not _is_django_installed(directory):
        if app is None or _needs_settings(command, config):
            raise ConfigurationError(
                f"Django is not installed in {sys.prefix}, and settings {settings} need it; "
                "install it there: pip install django"
            )
        settings = None
    if settings is None and command == "serve" and app is None:
        raise ConfigurationError(
            f"nothing to serve: name an application (corral serve module:callable), {remedy}"
        )
    if settings is None and (needed_by := _needs_settings(command, config)):
        raise ConfigurationError(f"{needed_by} needs Django settings: {remedy}")
    if command == "work" and config["task_workers"] == 0 and not config["command"]:
        raise ConfigurationError(
            f"{config.spelling('task_workers')}: 0 leaves nothing to do without --command; "
            "allowed: 1 to 512 or auto"
        )
    return Project(app, settings, paths)


def _needs_settings(command: str, config: Config) -> str:
    """The setting that cannot do without Django, or nothing."""
    if config["command"]:
        return config.spelling("command")
    if config["task_workers"]:
        return config.spelling("task_workers")
    return "corral work" if command == "work" else ""


def _is_django_installed(directory: Path) -> bool:
    if (directory / "django" / "__init__.py").is_file():
        return True
    return importlib.util.find_spec("django") is not None


def _open_listeners(stack: contextlib.ExitStack, command: str, config: Config) -> Listeners | None:
    if command == "work":
        return None
    name = config.spelling("bind")
    unix_mode = UNIX_MODE & ~(config["umask"] or 0)
    return stack.enter_context(Listeners(config["bind"], config["backlog"], name, unix_mode))


def _make_wake_fd(stack: contextlib.ExitStack) -> int:
    """The eventfd by which every process of the node wakes its keeper."""
    fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    stack.callback(os.close, fd)
    return fd


def _open_access_log(stack: contextlib.ExitStack, command: str, config: Config) -> int:
    path = config["access_logfile"]
    if path is None or command == "work":
        return -1
    if path == "-":
        return 1
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigurationError(
            f"{config.spelling('access_logfile')}: {path!r} cannot be written: {error.strerror}; "
            "choose another file"
        ) from None
    stack.callback(os.close, fd)
    os.set_inheritable(fd, True)
    return fd


def _log_format(config: Config) -> str:
    if config["log_format"] != "auto":
        return config["log_format"]
    return "text" if os.isatty(2) else "json"


@contextlib.contextmanager
def _pid_file(path: Path, setting: str) -> Iterator[None]:
    """Holds our process id in `path`; refuses when another Corral's is there."""
    try:
        if other := _living_corral(path):
            raise ConfigurationError(
                f"{setting}: {path} names process {other}, a Corral that still runs; "
                "stop it or choose another file"
            )
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(f"{os.getpid()}\n")
        temporary.replace(path)
    except OSError as error:
        raise ConfigurationError(
            f"{setting}: {str(path)!r} cannot be written: {error.strerror}; choose another file"
        ) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if path.read_text().strip() == str(os.getpid()):
                path.unlink()


def _living_corral(path: Path) -> int | None:
    try:
        pid = int(path.read_text())
        is_corral = b"corral" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError, ValueError:
        return None
    return pid if is_corral and pid != os.getpid() else None


def _supervise(plan: dict[str, Any]) -> int:
    try:
        from corral import _core  # type: ignore[attr-defined]
    except ImportError as error:
        raise ConfigurationError(
            f"the compiled part of Corral is missing or made for another Python ({error}); "
            "install it again: pip install --force-reinstall corral"
        ) from None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # they wait for the supervisor
    try:
        return _core.supervise(plan)
    finally:
        # Who is impatient must neither break off the tidying up nor change the exit code.
        for number in STOPS:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
