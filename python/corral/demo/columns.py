"""Statistics of the columns of a CSV text."""

import csv
import io
import math
import statistics
from collections import Counter
from datetime import date, datetime

DELIMITERS = ",;\t|"
SAMPLE_LINES = 50
COLUMNS_MAX = 60
SHOWN_CHARACTERS_MAX = 60


class BrokenTable(ValueError):
    """The text cannot be read as CSV; says where."""


def describe_columns(text: str) -> dict:
    """Rows, delimiter, and for each column its type, gaps, range and most common values."""
    delimiter = find_delimiter(text)
    rows = _read(text, delimiter)
    header = rows[0] if rows else []
    body = rows[1:]
    columns = [
        describe_column(name, [row[index] if index < len(row) else "" for row in body], delimiter)
        for index, name in enumerate(header[:COLUMNS_MAX])
    ]
    return {
        "rows": len(body),
        "columns": len(header),
        "delimiter": {"\t": "tab"}.get(delimiter, delimiter),
        "uneven_rows": sum(1 for row in body if len(row) != len(header)),
        "described": columns,
    }


def find_delimiter(text: str) -> str:
    """The delimiter that cuts the first lines into the most columns of equal number."""
    lines = text.splitlines()[:SAMPLE_LINES]

    def agreement(delimiter: str) -> tuple[float, int]:
        try:
            widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
        except csv.Error:
            return (0.0, 0)
        width, times = widths.most_common(1)[0] if widths else (0, 0)
        return (times / widths.total() if width > 1 else 0.0, width)

    return max(DELIMITERS, key=agreement)


def describe_column(name: str, values: list[str], delimiter: str = ",") -> dict:
    """One column: what its filled cells have in common."""
    filled = [value.strip() for value in values if value.strip()]
    counts = Counter(filled)
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]
    column = {
        "name": _shown(name) or "(no name)",
        "type": "empty",
        "filled": len(filled),
        "empty": len(values) - len(filled),
        "distinct": len(counts),
        "common": [{"value": _shown(value), "count": times} for value, times in common],
    }
    if filled:
        column |= _numbers(filled, delimiter) or _dates(filled) or _texts(filled)
    return column


def _read(text: str, delimiter: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return [row for row in reader if row]
    except csv.Error as error:
        raise BrokenTable(f"line {reader.line_num}: {error}") from error


def _numbers(filled: list[str], delimiter: str) -> dict | None:
    # Where columns are cut at semicolons, numbers are usually written with a decimal comma.
    decimal_comma = delimiter == ";"
    try:
        numbers = [float(v.replace(",", ".") if decimal_comma else v) for v in filled]
    except ValueError:
        return None
    if not all(map(math.isfinite, numbers)):
        return None
    mean = math.fsum(number / len(numbers) for number in numbers)
    return {
        "type": "number",
        "least": _number(min(numbers)),
        "greatest": _number(max(numbers)),
        "mean": _number(mean),
        "median": _number(statistics.median_low(numbers)),
    }


def _dates(filled: list[str]) -> dict | None:
    try:
        moments = [datetime.fromisoformat(value) for value in filled]
    except ValueError:
        return None
    if len({moment.tzinfo is None for moment in moments}) > 1:
        return None  # with and without a zone: they cannot be ordered
    least, greatest = min(moments), max(moments)
    if all(len(value) == len(date.min.isoformat()) for value in filled):
        least, greatest = least.date(), greatest.date()
    return {"type": "date", "least": least.isoformat(), "greatest": greatest.isoformat()}


def _texts(filled: list[str]) -> dict:
    return {"type": "text", "least": _shown(min(filled)), "greatest": _shown(max(filled))}


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < 1e15 else float(f"{value:.6g}")


def _shown(value: str) -> str:
    return value if len(value) <= SHOWN_CHARACTERS_MAX else value[: SHOWN_CHARACTERS_MAX - 1] + "…"
