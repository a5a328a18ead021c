"""`corral tasks pause QUEUE …`: no node begins a job of these queues."""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timedelta
from typing import Any

from .base import Command, refuse

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("queues", metavar="QUEUE", nargs="+", help="the name of a queue")
    until = parser.add_mutually_exclusive_group()
    until.add_argument(
        "--for", metavar="TIME", dest="span", type=_span,
        help="they go on by themselves after this: 30s, 10m, 2h, 1d",
    )  # fmt: skip
    until.add_argument(
        "--until", metavar="WHEN", type=_moment,
        help="they go on by themselves at this time: 2027-01-31T06:00, or with +02:00 behind it",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="a JSON object a line")


def _span(text: str) -> timedelta:
    number, unit = text[:-1], _UNITS.get(text[-1:])
    if unit is None or not (number.isascii() and number.isdigit()) or not 0 < int(number) < 10**6:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 30s, 10m, 2h, 1d")
    return timedelta(seconds=int(number) * unit)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2027-01-31T06:00") from None


def _run(options: argparse.Namespace) -> int:
    from corral.tasks import queues

    resume_at = _resume_at(options)
    for name in options.queues:
        try:
            was_open = queues.pause(name, resume_at)
        except ValueError as error:
            refuse(str(error))
        print(_said(options, name, resume_at, was_open))
    return 0


def _resume_at(options: argparse.Namespace) -> datetime | None:
    from django.conf import settings
    from django.utils import timezone

    if options.span is not None:
        return timezone.now() + options.span
    if options.until is not None and settings.USE_TZ and timezone.is_naive(options.until):
        return timezone.make_aware(options.until)
    return options.until


def _said(options: Any, name: str, resume_at: datetime | None, was_open: bool) -> str:
    until = None if resume_at is None else resume_at.isoformat(timespec="seconds")
    if options.json:
        return json.dumps({"queue": name, "resume_at": until, "changed": was_open})
    was = "is paused" if was_open else "was paused already, now"
    end = f"until {until}" if until else f"until `corral tasks resume {name}`"
    return f"{name} {was} {end}"


COMMAND = Command("pause", "begin no jobs of some queues", _add_arguments, _run)
