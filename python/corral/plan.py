"""From settings to what the supervisor is told to run. Pure: opens and reads nothing.

The dict that build() returns is described in docs/architecture.md; ext/core_module.cc reads it.
"""

import json
import sys
from typing import Any, NamedTuple

from corral import descriptors
from corral.config import Config
from corral.exceptions import ConfigurationError

CONFIG_BYTES_MAX = 128 * 1024  # kMessageBytesMax of src/control/channel.h
TASK_NICE = 10  # task threads give way to web threads


class Project(NamedTuple):
    """What to run: an application, Django settings, and the folders first on sys.path."""

    app: str | None
    settings: str | None
    paths: list[str]


class Resources(NamedTuple):
    """What is open already. Descriptors keep their numbers in every child."""

    listen_fds: list[int]
    addresses: list[str]
    wake_fd: int
    access_fd: int
    log_format: str  # "text" or "json"
    descriptors: int  # that a process may have open


def build(command: str, config: Config, project: Project, resources: Resources) -> dict[str, Any]:
    """The plan for `corral serve`, `corral demo` or `corral work`."""
    in_processes = command != "work" and config["isolation"] == "process"
    background = _task_groups(command, config, project) + _command_groups(config, project)
    if not any(group["role"] == "tasks" for group in background):
        resources = resources._replace(wake_fd=-1)  # there is no keeper to wake
    processes = []
    engine_groups = background
    if command != "work" and not in_processes:
        engine_groups = [_web_group(config, project), *background]
    if engine_groups:
        fds = [] if in_processes else resources.listen_fds
        processes.append(_process("engine", 1, config, resources, fds, engine_groups))
    if in_processes:
        _check_descriptors(config, resources)
        web = [_web_group(config, project)]
        fds = resources.listen_fds
        processes.append(_process("web", config["workers"], config, resources, fds, web))
    return {
        "processes": processes,
        "listen_fds": resources.listen_fds,
        "addresses": resources.addresses,
        "few_descriptors": _few_descriptors(command, config, resources),
        "wake_fd": resources.wake_fd,
        "grace_ms": _grace_ms(config),
        "log": _log(config, resources),
    }


def _process(
    name: str, count: int, config: Config, resources: Resources, listen_fds: list[int],
    groups: list[dict[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    text = json.dumps({
        "name": name,
        "listen_fds": listen_fds,
        "wake_fd": resources.wake_fd,
        "keeper": any(group["role"] == "tasks" for group in groups),
        "groups": groups,
        "limits": _limits(config, count, resources),
        "grace_ms": _grace_ms(config),
        "log": _log(config, resources),
    })  # fmt: skip
    if len(text.encode()) >= CONFIG_BYTES_MAX:
        raise ConfigurationError(
            f"the settings take {len(text.encode())} bytes together; allowed: {CONFIG_BYTES_MAX}; "
            "use fewer or shorter --command and --bind"
        )
    argv = [sys.executable, *interpreter_flags(), "-P", "-m", "corral.boot", "--control-fd"]
    return {"name": name, "argv": argv, "config": text, "count": count}


def _limits(config: Config, count: int, resources: Resources) -> dict[str, int | str]:
    """For one of so many equal processes: what is a limit of all together, it has its part of."""
    limits = config.limits()
    limits["connections_max"] = min(config["limit_connections"], _room(config, resources))
    for name, value in limits.items():
        if "_total_" in name and isinstance(value, int):
            limits[name] = value // count
    return limits


def _room(config: Config, resources: Resources) -> int:
    """How many connections the descriptors of a process are enough for."""
    workers, processes = config["workers"], 1
    if config["isolation"] == "process":
        workers, processes = 1, config["workers"]
    threads = workers * config["threads"]
    return descriptors.for_connections(resources.descriptors, threads, processes)


def _check_descriptors(config: Config, resources: Resources) -> None:
    """Raises ConfigurationError when the supervisor cannot have so many worker processes."""
    wanted = descriptors.for_supervisor(config["workers"])
    if config["workers"] > 1 and wanted > resources.descriptors:
        raise ConfigurationError(
            f"{config.spelling('workers')} is {config['workers']}; the supervisor of so many "
            f"processes needs {wanted} open files, but may have only {resources.descriptors}. "
            "Raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd), or lower the setting"
        )


def _few_descriptors(command: str, config: Config, resources: Resources) -> str:
    """A warning when they are not enough, else nothing."""
    wanted, room = config["limit_connections"], _room(config, resources)
    if command == "work" or wanted <= room:
        return ""
    return (
        f"{config.spelling('limit_connections')} is {wanted}, but a process may have only "
        f"{resources.descriptors} open files; it accepts {room} connections at a time. Raise the "
        "hard limit (ulimit -Hn, LimitNOFILE= of systemd), or lower the setting"
    )


def _web_group(config: Config, project: Project) -> dict[str, Any]:
    in_processes = config["isolation"] == "process"
    return {
        "name": "web",
        "role": "web",
        "workers": 1 if in_processes else config["workers"],
        "threads": config["threads"],
        "multiprocess": config["workers"] > 1,
        "placement": "main" if in_processes else "sub",
        "nice": 0,
        "load": _load(project, "web", "web", isolation=config["isolation"]),
    }


def _task_groups(command: str, config: Config, project: Project) -> list[dict[str, Any]]:
    """No group or one. Unless their number was given, task workers may turn out not needed."""
    workers = config["task_workers"]
    is_optional = workers is None and (command != "work" or bool(config["command"]))
    if workers == 0 or (project.settings is None and is_optional):
        return []
    return [{
        "name": "tasks",
        "role": "tasks",
        "workers": workers or 1,
        "threads": config["task_threads"],
        "placement": "sub",
        "nice": TASK_NICE,
        "optional": is_optional,
        "load": _load(project, "tasks", "tasks", queues=config["queues"], optional=is_optional),
    }]  # fmt: skip


def _command_groups(config: Config, project: Project) -> list[dict[str, Any]]:
    groups = []
    for number, command in enumerate(config["command"], 1):
        name = f"command-{number}"
        groups.append({
            "name": name,
            "role": "command",
            "workers": command.copies,
            "threads": 1,
            "placement": "sub",
            "nice": 0,
            "load": _load(project, "command", name, command=command.text),
        })  # fmt: skip
    return groups


def _load(project: Project, role: str, group: str, **more: Any) -> str:
    """What the Python loaders of a group's workers are told."""
    load = {
        "role": role,
        "group": group,
        "app": project.app,
        "settings": project.settings,
        "paths": project.paths,
        "queues": None,
        "optional": False,
        "command": None,
        "isolation": "interpreter",
    }
    return json.dumps(load | more)


def _grace_ms(config: Config) -> int:
    return round(config["graceful_timeout"] * 1000)


def _log(config: Config, resources: Resources) -> dict[str, Any]:
    return {
        "level": config["log_level"],
        "format": resources.log_format,
        "access_fd": resources.access_fd,
    }


def interpreter_flags() -> list[str]:
    """The options of this Python that its children must have too (-X, -W, -O, ...)."""
    letters = {
        "debug": "d",
        "dont_write_bytecode": "B",
        "no_user_site": "s",
        "no_site": "S",
        "ignore_environment": "E",
        "verbose": "v",
        "bytes_warning": "b",
        "optimize": "O",
    }
    flags = [
        "-" + letter * int(getattr(sys.flags, name))
        for name, letter in letters.items()
        if getattr(sys.flags, name)
    ]
    for name, value in sys._xoptions.items():
        flags += ["-X", name if value is True else f"{name}={value}"]
    for warning in sys.warnoptions:
        flags += ["-W", warning]
    return flags
