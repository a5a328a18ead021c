"""How the keeper reaches PostgreSQL by itself, through libpq: Django's settings as a conninfo.

What cannot be said to libpq (a backend of the site's own that connects in its own way, a password
that is made for each connection) is left to Django's connection.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from .names import MAX_CRASHES_DEFAULT

# For the keeper's connection, where the site says nothing: a dead server is noticed.
_DEFAULTS = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # ms
    "fallback_application_name": "corral keeper",
}
# What get_connection_params() gives the driver and not the server.
_DRIVER_ONLY = ("context", "cursor_factory", "prepare_threshold")
# Where a backend decides how to connect and what the connection is like.
_CONNECTING = (
    "get_connection_params",
    "get_new_connection",
    "init_connection_state",
    "connect",
    "_configure_connection",
    "_configure_role",
    "_configure_timezone",
)


class NotTranslatable(Exception):
    """The settings say what libpq cannot be told; the text says what. Never holds a password."""


def description(connection: Any, config: dict[str, Any]) -> str:
    """JSON for the keeper's own store (src/tasks/postgres_store.h), of `worker.store_config`.

    Only ``{"why_not": ...}`` where Django's connection must do; empty where the database is none of
    PostgreSQL.
    """
    if config["vendor"] != "postgresql":
        return ""
    try:
        how = {"conninfo": conninfo(connection), "role": role(connection)}
    except NotTranslatable as reason:
        return json.dumps({"why_not": str(reason)})
    return json.dumps(
        {
            **how,
            "libpq": libpq_places(),
            "queues": config["queues"],
            "weights": config["weights"],
            "max_crashes": config["max_crashes"],
            "max_crashes_default": MAX_CRASHES_DEFAULT,
            "failed_retention": config["failed_retention"],
            "time_zone": "" if config["use_tz"] else config["time_zone"],
            "keeps_session": config["notify"],
        }
    )


def conninfo(connection: Any) -> str:
    """libpq's connection string for a Django connection.

    Raises NotTranslatable.
    """
    _require_plain_backend(connection)
    params: dict[str, Any] = connection.get_connection_params()
    for name in _DRIVER_ONLY:
        params.pop(name, None)
    return " ".join(
        f"{name}={_quoted(name, value)}"
        for name, value in {**_DEFAULTS, **params}.items()
        if value is not None
    )


def role(connection: Any) -> str:
    """The role that the site's connections assume; empty for none."""
    return str(connection.settings_dict["OPTIONS"].get("assume_role") or "")


def libpq_places() -> list[str]:
    """Where to look for libpq, in order: the system's, then the copy that psycopg brings."""
    places = ["libpq.so.5"]
    spec = importlib.util.find_spec("psycopg_binary")
    for folder in (spec and spec.submodule_search_locations) or ():
        bundled = Path(folder).with_name("psycopg_binary.libs")
        places += sorted(str(path) for path in bundled.glob("libpq-*.so*"))
    return places


def _require_plain_backend(connection: Any) -> None:
    from django.db.backends.postgresql.base import DatabaseWrapper

    kind = type(connection)
    if not isinstance(connection, DatabaseWrapper):
        raise NotTranslatable(f"the backend {kind.__module__} is not Django's own")
    for name in _CONNECTING:
        if getattr(kind, name, None) is not getattr(DatabaseWrapper, name, None):
            raise NotTranslatable(f"the backend {kind.__module__} connects in its own way: {name}")


def _quoted(name: str, value: Any) -> str:
    if isinstance(value, bool):
        value = int(value)
    if not isinstance(value, (str, int, float, Path)):
        kind = type(value).__qualname__
        raise NotTranslatable(f"its connection parameter {name!r} is a {kind}")
    text = str(value)
    if "\0" in text:
        raise NotTranslatable(f"its connection parameter {name!r} holds a NUL character")
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
