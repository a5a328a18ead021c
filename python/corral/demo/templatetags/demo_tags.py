"""Filters for the result cards."""

from collections.abc import Iterable

from django import template

register = template.Library()


@register.filter
def share_of(value: float, greatest: float) -> str:
    """`value` in percent of `greatest`, as a width."""
    return f"{min(100, value * 100 / greatest):.1f}%" if greatest else "0%"


@register.filter
def greatest(rows: Iterable[dict], key: str) -> float:
    """The greatest `key` of some rows."""
    return max((row[key] for row in rows), default=0)


@register.filter
def grouped(value: float) -> str:
    """A number with its thousands apart: 12 345."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
