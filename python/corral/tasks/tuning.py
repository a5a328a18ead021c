"""How PostgreSQL keeps the table of jobs, where every row is updated twice and then deleted."""

from __future__ import annotations

from typing import Any

# Room on the page for the versions that claim and finish make; autovacuum after some thousand dead
# rows rather than a fifth of the table, and without pauses, as the dead ones lie at the head of
# the index that claims read.
SETTINGS = {
    "fillfactor": "80",
    "autovacuum_vacuum_scale_factor": "0.01",
    "autovacuum_vacuum_threshold": "1000",
    "autovacuum_vacuum_insert_scale_factor": "0.02",
    "autovacuum_analyze_scale_factor": "0.02",
    "autovacuum_vacuum_cost_delay": "0",
}


def tune(apps: Any, schema_editor: Any) -> None:
    """Forwards, in a migration."""
    values = ", ".join(f"{name} = {value}" for name, value in SETTINGS.items())
    _alter(apps, schema_editor, f"SET ({values})")


def untune(apps: Any, schema_editor: Any) -> None:
    """Backwards."""
    _alter(apps, schema_editor, f"RESET ({', '.join(SETTINGS)})")


def _alter(apps: Any, schema_editor: Any, change: str) -> None:
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    table = apps.get_model("corral_tasks", "Job")._meta.db_table
    schema_editor.execute(f"ALTER TABLE {connection.ops.quote_name(table)} {change}")
