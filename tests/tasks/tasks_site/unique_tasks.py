"""Tasks of which there is one at a time."""

from __future__ import annotations

from typing import Any

from corral.tasks import task


@task(unique=True)
def sync(account: int, full: bool = False) -> None:
    """One of each arguments while it lives."""


@task(unique=3600)
def remind(account: int) -> None:
    """One an hour."""


@task(unique=True, unique_by="account", takes_context=True)
def refresh(context: Any, account: int, reason: str = "") -> None:
    """One an account, whatever the reason."""


@task(unique=True, max_attempts=3, backoff=60)
def fails(account: int) -> None:
    """Fails, and is tried again."""
    raise OSError(account)
