"""`corral tasks …`: commands that look at jobs or change them. Each is a module with a COMMAND.

Importing these needs no Django: the command line is parsed, and `--help` shown, without a site.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path

from .base import Command

NAMES = (
    "list",
    "show",
    "cancel",
    "retry",
    "queues",
    "pause",
    "resume",
    "schedules",
    "adopt",
)


def commands() -> list[Command]:
    """All of them, in the order of `--help`."""
    return [importlib.import_module(f"{__name__}.{name}").COMMAND for name in NAMES]


def run(command: Command, settings: str | None, options: argparse.Namespace) -> int:
    """Set the site up and run; returns the exit code. Raises ConfigurationError."""
    from corral.config import load
    from corral.node import find_project
    from corral.site import setup_django

    config = load({"settings": settings, "task_workers": "1"})
    project = find_project("work", config, Path.cwd())
    for path in reversed(project.paths):
        if path not in sys.path:
            sys.path.insert(0, path)
    os.environ["DJANGO_SETTINGS_MODULE"] = project.settings or ""
    setup_django({"settings": project.settings})
    return command.run(options)
