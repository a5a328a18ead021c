"""Loads and runs one management command, as manage.py would."""

import contextlib
import io
import json
import shlex
import sys
from collections.abc import Callable
from typing import Any

from corral import failures, signals, site
from corral.config import suggest
from corral.exceptions import ConfigurationError


def load(load: str) -> Callable[[], int]:
    """Finds the command and reads its arguments, so that mistakes show at boot.

    Returns run(), which runs it to its end on the calling thread and returns its exit status.
    Raises WorkerException with one line for the operator.
    """
    config: dict[str, Any] = json.loads(load)
    text: str = config["command"]
    name, *arguments = shlex.split(text)
    what = f"--command {text!r}"
    site.setup_django(config)
    command = _find(name, what)
    options = _parse(command, name, arguments, what)
    return lambda: _run(command, dict(options), name)


def _find(name: str, what: str) -> Any:
    from django.core.management import BaseCommand, get_commands, load_command_class

    try:
        commands = get_commands()
        if name not in commands:
            hint = suggest(name, commands) or "; `python manage.py help` lists them"
            raise ConfigurationError(f"{what}: the site has no command {name!r}{hint}")
        owner = commands[name]
        return owner if isinstance(owner, BaseCommand) else load_command_class(owner, name)
    except BaseException as error:
        raise failures.load_failure(error, what) from error


def _parse(command: Any, name: str, arguments: list[str], what: str) -> dict[str, Any]:
    """The options that run_from_argv() would pass to execute()."""
    from django.core.management import CommandError, handle_default_options

    try:
        # A help text would go to standard output and end the worker.
        with contextlib.redirect_stdout(io.StringIO()):
            options = command.create_parser("manage.py", name).parse_args(arguments)
    except SystemExit:
        raise ConfigurationError(
            f"{what}: only prints a text and ends; run it as python manage.py {name} --help"
        ) from None
    except CommandError as error:
        reason = str(error).removeprefix("Error: ")
        raise ConfigurationError(f"{what}: {' '.join(reason.split())}") from None
    except BaseException as error:
        raise failures.load_failure(error, what) from error
    handle_default_options(options)
    return vars(options)


def _run(command: Any, options: dict[str, Any], name: str) -> int:
    positional = options.pop("args", ())
    try:
        with signals.running_command():
            command.execute(*positional, **options)
        status = 0
    except BaseException as error:
        status = _report(error, name, options.get("traceback", False))
    _close_connections()
    return status


def _report(error: BaseException, name: str, wants_traceback: bool) -> int:
    """Says on standard error how the command failed; returns the exit status of a process."""
    from django.core.management import CommandError

    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            return (error.code or 0) & 0xFF
        print(error.code, file=sys.stderr)
        return 1
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, CommandError) and not wants_traceback:
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        return error.returncode
    import traceback

    traceback.print_exception(error)
    return error.returncode if isinstance(error, CommandError) else 1


def _close_connections() -> None:
    from django.core.exceptions import ImproperlyConfigured
    from django.db import connections

    with contextlib.suppress(ImproperlyConfigured):
        connections.close_all()
