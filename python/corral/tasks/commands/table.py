"""How commands show rows to people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Columns as wide as they need; the line `empty` where there are no rows."""
    if not rows:
        print(empty)
        return
    lines = [titles, *rows]
    widths = [max(len(line[n]) for line in lines) for n in range(len(titles))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())


def age(moment: datetime | None) -> str:
    """How long ago it was, or how long until then, in the largest unit that fits."""
    from django.utils import timezone

    if moment is None:
        return "-"
    seconds = (timezone.now() - moment).total_seconds()
    size, unit = next((u for u in _UNITS if abs(seconds) >= u[0]), _UNITS[-1])
    number = int(abs(seconds) / size)
    return f"{number} {unit} ago" if seconds >= 0 else f"in {number} {unit}"
