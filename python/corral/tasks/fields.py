"""A field for JSON that comes back exactly as it went in."""

from __future__ import annotations

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
