"""Starting a node from Python, for programs that do not want the command line."""

import shlex
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from corral import node
from corral.config import BY_NAME, load, suggest


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A management command to keep running, with call_command()'s kind of options."""

    command: str
    args: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    instances: int = 1

    def __str__(self) -> str:
        """As `--command` takes it: `2*name --flag value`."""
        words = [self.command]
        for name, value in self.options.items():
            flag = "--" + name.replace("_", "-")
            if value is True:
                words.append(flag)
            elif value is not None and value is not False:
                words.append(f"{flag}={value}")
        return f"{self.instances}*{shlex.join([*words, *self.args])}"


def run_application(
    app_path: str | None = None,
    *,
    bind: str | Iterable[str] | None = None,
    workers: int | None = None,
    task_workers: int | None = None,
    django_settings_module: str | None = None,
    command_workers: Iterable[CommandSpec | str] = (),
    **settings: Any,
) -> int:
    """Serves until stopped by SIGTERM or SIGINT; returns the exit code (0, 1 or 3).

    `settings` are any others of docs/configuration.md. What is not given comes from the
    environment, pyproject.toml and the defaults, as for `corral serve`. Call it on the main thread
    of a process that has not loaded the site. Raises ConfigurationError for values that cannot work
    and TypeError for settings that do not exist.
    """
    named = {
        "app": app_path,
        "bind": [bind] if isinstance(bind, str) else bind,
        "workers": workers,
        "task_workers": task_workers,
        "settings": django_settings_module,
        "command": [str(command) for command in command_workers] or None,
    }
    for name in settings:
        if name not in BY_NAME or name in named:
            raise TypeError(f"run_application() has no setting {name!r}{suggest(name, BY_NAME)}")
    options = {
        name: [str(item) for item in value] if BY_NAME[name].kind.is_list else str(value)
        for name, value in (named | settings).items()
        if value is not None
    }
    before = {number: signal.getsignal(number) for number in node.STOPS}
    try:
        return node.run("serve", load(options))
    finally:
        for number, handler in before.items():
            if handler is not None:  # not Python's: it cannot be put back
                signal.signal(number, handler)
