"""What a command of `corral tasks` is, and what several of them need."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from corral.exceptions import ConfigurationError

if TYPE_CHECKING:
    from corral.tasks.backend import DatabaseBackend


@dataclass(frozen=True)
class Command:
    """`run` is called with the site set up, prints, and returns the exit code.

    It raises ConfigurationError for what the operator has to put right.
    """

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def refuse(message: str) -> NoReturn:
    """End the command with one line on standard error and exit code 1."""
    raise ConfigurationError(message)


def corral_backend(alias: str | None) -> DatabaseBackend:
    """The Corral backend named `alias`, or the only one there is."""
    from corral.tasks.checks import corral_backends

    found = corral_backends()
    names = ", ".join(repr(backend.alias) for backend in found) or "none"
    if alias is None and len(found) == 1:
        return found[0]
    if alias is None:
        refuse(f"which backend is meant? Corral's backends in TASKS are: {names}; give --backend")
    for backend in found:
        if backend.alias == alias:
            return backend
    refuse(f"--backend: {alias!r} is no Corral backend of TASKS; allowed: {names}")
