"""Fields whose values come back exactly as they went in."""

from __future__ import annotations

import datetime
from typing import Any

from django.db import models

from .records import dumps, loads


class JSONTextField(models.TextField):
    """JSON kept as ASCII text; None is SQL NULL. `records` says why it is not a `JSONField`."""

    description = "JSON, kept as text"

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        return None if value is None else loads(value)

    def get_prep_value(self, value: Any) -> Any:
        if value is None or hasattr(value, "resolve_expression"):
            return value
        return dumps(value)

    def to_python(self, value: Any) -> Any:
        return loads(value) if isinstance(value, str) else value

    def value_to_string(self, obj: models.Model) -> str:
        return dumps(self.value_from_object(obj))


class InstantField(models.BigIntegerField):
    """A moment in whole seconds, an aware datetime in UTC here and a number in the database.

    Times that Django stores without a zone (SQLite, MySQL, USE_TZ = False) come twice where clocks
    are set back. What must be compared exactly, across an hour that comes twice, is kept as this.
    """

    description = "A moment, kept as seconds since 1970"

    def from_db_value(
        self, value: int | None, expression: Any, connection: Any
    ) -> datetime.datetime | None:
        return None if value is None else datetime.datetime.fromtimestamp(value, datetime.UTC)

    def get_prep_value(self, value: Any) -> Any:
        return int(value.timestamp()) if isinstance(value, datetime.datetime) else value

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, datetime.datetime):
            return value
        return datetime.datetime.fromtimestamp(int(value), datetime.UTC)

    def value_to_string(self, obj: models.Model) -> str:
        value = self.get_prep_value(self.value_from_object(obj))
        return "" if value is None else str(value)
