"""The database's clock, as SQL and as stored values.

Nodes and web servers may disagree about the time; the database decides when a job is due and when a
node is dead. SQLite's clock is the host's.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any

from django.conf import settings
from django.utils import timezone


def stored_zone(connection: Any) -> tzinfo:
    """The time zone of the naive values that SQLite and MySQL store."""
    return connection.timezone if settings.USE_TZ else timezone.get_default_timezone()


def stored_now(connection: Any) -> datetime:
    """The host's present as a naive value of SQLite and MySQL; SQLite's clock."""
    return datetime.now(stored_zone(connection)).replace(tzinfo=None)


def now_sql(connection: Any) -> str:
    """An SQL expression for the present in the form of the stored times.

    On SQLite it is the named parameter `now`.
    """
    if connection.vendor == "sqlite":
        return "%(now)s"
    if connection.vendor == "postgresql":
        return "statement_timestamp()"
    return _mysql_now(stored_zone(connection))


def _mysql_now(zone: tzinfo) -> str:
    # Not NOW(): that is in the server's time zone, which Django neither sets nor reads.
    offset = datetime.now(zone).strftime("%:z")
    if offset == "+00:00":
        return "utc_timestamp(6)"
    return f"convert_tz(utc_timestamp(6), '+00:00', '{offset}')"


def payload_time(connection: Any, value: Any) -> str | None:
    """A stored time, as the driver gives it, as the ISO text of what the ORM would give."""
    if value is None:
        return None
    if isinstance(value, str) and (value.endswith("+00:00") or not settings.USE_TZ):
        return value
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if settings.USE_TZ and moment.tzinfo is None:
        moment = moment.replace(tzinfo=stored_zone(connection)).astimezone(UTC)
    return moment.isoformat()
