"""The engine around this interpreter, if there is one: `corral._guest`, written in C++."""

from __future__ import annotations

import functools
import sys
from types import ModuleType


@functools.cache
def _imported() -> ModuleType | None:
    try:
        from corral import _guest  # type: ignore[attr-defined]
    except ImportError:
        return None
    return _guest


def find_guest() -> ModuleType | None:
    """`corral._guest`, or None outside the engine (manage.py, another server, a test)."""
    return sys.modules.get("corral._guest") or _imported()


def wake_keeper() -> bool:
    """Tell this node's keeper that jobs were committed; False when there is none."""
    guest = find_guest()
    return bool(guest and guest.wake_keeper())


def wake_for_cancelled() -> None:
    """Tell this node's keeper that jobs were cancelled; without one, a look of theirs sees it."""
    if guest := find_guest():
        guest.wake_for_cancelled()


def worker_name() -> str:
    """The name of this interpreter's worker, such as ``tasks.1``; empty outside the engine."""
    guest = find_guest()
    return guest.worker_name() if guest else ""
