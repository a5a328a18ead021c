"""An index over some of the rows only: those of one status, or narrower."""

from __future__ import annotations

from typing import Any

from django.core import checks
from django.db import models


class StatusIndex(models.Index):
    """`fields` of the rows whose status is `status`, narrowed by `where` (further conditions).

    Where the database has partial indexes, finished jobs, nearly all rows of an old table, are not
    in it. Elsewhere (MySQL, MariaDB) it is a full index with the status, if any, in front.
    """

    def __init__(
        self,
        *,
        fields: list[str],
        name: str,
        status: str | None = None,
        where: dict[str, Any] | None = None,
    ) -> None:
        self.status = status
        self.where = where or {}
        first = {"status": status} if status else {}
        condition = models.Q(**first, **self.where)
        super().__init__(fields=fields, name=name, condition=condition)

    def create_sql(self, model: Any, schema_editor: Any, using: str = "", **kwargs: Any) -> Any:
        if schema_editor.connection.features.supports_partial_indexes:
            return super().create_sql(model, schema_editor, using, **kwargs)
        first = ["status"] if self.status else []
        full = models.Index(fields=[*first, *self.fields], name=self.name)
        return full.create_sql(model, schema_editor, using, **kwargs)

    def check(self, model: Any, connection: Any) -> list[checks.CheckMessage]:
        # models.W037 warns that the condition is ignored; here that is provided for.
        return [m for m in super().check(model, connection) if m.id != "models.W037"]

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        path, _, _ = super().deconstruct()
        kwargs: dict[str, Any] = {"fields": self.fields, "name": self.name}
        if self.status:
            kwargs["status"] = self.status
        if self.where:
            kwargs["where"] = self.where
        return path, (), kwargs


class UniqueKey(models.UniqueConstraint):
    """No two of the rows that fit `condition` have the same `unique_key`.

    Where the database has no partial indexes (MySQL, MariaDB), a virtual column, `unique_live`,
    that is NULL in all other rows, and an index over that.
    """

    _COLUMN = "unique_live"

    def create_sql(self, model: Any, schema_editor: Any) -> Any:
        if schema_editor.connection.features.supports_partial_indexes:
            return super().create_sql(model, schema_editor)
        return (
            f"ALTER TABLE corral_job ADD COLUMN {self._COLUMN} varchar(64) GENERATED ALWAYS AS "
            "(CASE WHEN status IN ('READY', 'RUNNING') OR unique_until IS NOT NULL "
            f"THEN unique_key END) VIRTUAL, ADD UNIQUE INDEX {self.name} ({self._COLUMN})"
        )

    def remove_sql(self, model: Any, schema_editor: Any) -> Any:
        if schema_editor.connection.features.supports_partial_indexes:
            return super().remove_sql(model, schema_editor)
        return f"ALTER TABLE corral_job DROP COLUMN {self._COLUMN}"

    def check(self, model: Any, connection: Any) -> list[checks.CheckMessage]:
        # models.W036 warns that there is no such constraint; here that is provided for.
        return [m for m in super().check(model, connection) if m.id != "models.W036"]

    def validate(self, *args: Any, **kwargs: Any) -> None:
        """Left to the database: forms do not write keys."""
