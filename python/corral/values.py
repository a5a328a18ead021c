"""The kinds of values a setting can have: how each is read, bounded and shown.

A kind's `parse` takes text and raises ValueError with the words that follow the value in the error
line ("is not a whole number"); `allowed` is the range that the same line names.
"""

import ipaddress
import os
import re
import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

COMMAND_COPIES_MAX = 64


class Kind:
    """Base: one value, read from one text."""

    metavar = "TEXT"
    allowed = "any text"
    is_list = False
    # Between the items of a list in an environment variable.
    separator = ","

    def parse(self, text: str) -> Any:
        """The value that `text` means; ValueError says what is wrong with it."""
        return text

    def show(self, value: Any) -> str:
        """The text that parse() would turn into `value`."""
        return "none" if value is None else str(value)


class Whole(Kind):
    """A whole number between two bounds; None when `auto` is allowed and was asked for."""

    metavar = "N"

    def __init__(self, low: int, high: int, *, auto: bool = False) -> None:
        self.low, self.high, self.auto = low, high, auto
        self.allowed = f"{low} to {high}" + (" or auto" if auto else "")

    def parse(self, text: str) -> int | None:
        if self.auto and text == "auto":
            return None
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            raise ValueError("is not a whole number")
        number = int(text)
        if not self.low <= number <= self.high:
            raise ValueError("is too small" if number < self.low else "is too large")
        return number

    def show(self, value: Any) -> str:
        return "auto" if value is None else str(value)


class Umask(Kind):
    """Permissions that new files do not get, in octal as the shell's umask."""

    metavar = "OCTAL"
    allowed = "0 to 777, octal"

    def parse(self, text: str) -> int:
        if not re.fullmatch(r"(0o)?[0-7]{1,6}", text):
            raise ValueError("is not an octal number")
        number = int(text.removeprefix("0o"), 8)
        if number > 0o777:
            raise ValueError("is too large")
        return number

    def show(self, value: Any) -> str:
        return "none" if value is None else f"{value:03o}"


class Seconds(Kind):
    """A span of time in seconds, decimals allowed."""

    metavar = "SECONDS"

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self.allowed = f"{low:g} to {high:g} seconds"

    def parse(self, text: str) -> float:
        if not re.fullmatch(r"[+-]?([0-9]{1,12}(\.[0-9]{0,9})?|\.[0-9]{1,9})", text):
            raise ValueError("is not a number of seconds")
        number = float(text)
        if not self.low <= number <= self.high:
            raise ValueError("is too small" if number < self.low else "is too large")
        return number

    def show(self, value: Any) -> str:
        return f"{value:g}"


class Size(Kind):
    """A number of bytes: `65536`, `64K`, `16M`, `2G` (powers of 1024)."""

    metavar = "SIZE"
    units = (("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10))

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high
        self.allowed = f"{self.show(low)} to {self.show(high)} (bytes; K, M or G may follow)"

    def parse(self, text: str) -> int:
        match = re.fullmatch(r"([0-9]{1,18})([kKmMgG]?)", text)
        if match is None:
            raise ValueError("is not a size")
        number = int(match[1]) * dict(self.units).get(match[2].upper(), 1)
        if not self.low <= number <= self.high:
            raise ValueError("is too small" if number < self.low else "is too large")
        return number

    @classmethod
    def show(cls, value: Any) -> str:
        for letter, unit in cls.units:
            if value and value % unit == 0:
                return f"{value // unit}{letter}"
        return str(value)


class Rate(Size):
    """Bytes a second; 0 where none is asked for."""

    def __init__(self, high: int) -> None:
        super().__init__(0, high)
        self.allowed = f"0 to {self.show(high)} (bytes a second; K, M or G may follow; 0: no limit)"


class Choice(Kind):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.metavar = "|".join(words)
        self.allowed = ", ".join(words[:-1]) + " or " + words[-1]

    def parse(self, text: str) -> str:
        if text not in self.words:
            raise ValueError("is not one of the choices")
        return text


class Text(Kind):
    """Any text that is not empty."""

    def __init__(self, metavar: str, allowed: str, pattern: str = r"[^\0\n]+") -> None:
        self.metavar, self.allowed, self.pattern = metavar, allowed, pattern

    def parse(self, text: str) -> str:
        if not text:
            raise ValueError("is empty")
        if not re.fullmatch(self.pattern, text):
            raise ValueError("does not have that form")
        return text


class Folder(Text):
    """A folder in which files can be made; as an absolute path."""

    def __init__(self) -> None:
        super().__init__("DIR", "a folder that can be written to")

    def parse(self, text: str) -> str:
        folder = os.path.abspath(super().parse(text))
        if not os.path.isdir(folder):
            raise ValueError("is not a folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ValueError("cannot be written to")
        return folder


class Application(Text):
    """Where the WSGI callable is."""

    def __init__(self) -> None:
        super().__init__("APP", "module:attribute, module:factory() or module")

    def parse(self, text: str) -> str:
        module, colon, attribute = text.partition(":")
        if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", module) or module.endswith(".py"):
            stem = re.sub(r"^\./|\.py$", "", module).replace("/", ".").strip(".")
            hint = f"; did you mean {stem}:{attribute or 'application'}?" if "/" in module else ""
            raise ValueError("does not start with a module's dotted name" + hint)
        if colon and not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*(\(\))?", attribute):
            raise ValueError("does not end with an attribute or a call without arguments")
        return text


class Address(NamedTuple):
    """One place to listen. `kind` is "tcp", "unix" or "fd"; the fields of other kinds are empty."""

    kind: str
    host: str = ""
    port: int = 0
    path: str = ""
    fd: int = -1

    def __str__(self) -> str:
        if self.kind == "unix":
            return f"unix:{self.path}"
        if self.kind == "fd":
            return f"fd://{self.fd}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Addresses(Kind):
    """A list of places to listen on."""

    metavar = "ADDRESS"
    allowed = "host:port, [v6]:port, :port, unix:path or fd://n"
    is_list = True

    def parse(self, text: str) -> Address:
        if text.startswith("unix:"):
            path = text.removeprefix("unix:")
            path = path.removeprefix("//")
            if not path:
                raise ValueError("names no path")
            return Address("unix", path=path)
        if text.startswith("fd://"):
            return Address("fd", fd=_bounded(text[5:], 3, 1 << 20, "descriptor"))
        match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^\[\]:/\s]*)):([^:/]*)", text)
        if match is None:
            raise ValueError("is not an address" + _address_hint(text))
        return Address("tcp", match[1] or match[2] or "0.0.0.0", parse_port(match[3]))

    def show(self, value: Sequence[Address]) -> str:
        return ", ".join(map(str, value))


def parse_port(text: str) -> int:
    """A TCP port; 0 lets the system choose one."""
    return _bounded(text, 0, 65535, "port")


def _bounded(text: str, low: int, high: int, what: str) -> int:
    if not re.fullmatch(r"[0-9]{1,7}", text) or not low <= int(text) <= high:
        raise ValueError(f"has no {what} from {low} to {high}")
    return int(text)


def _address_hint(text: str) -> str:
    if text.isdigit():
        return f"; did you mean :{text} or 127.0.0.1:{text}?"
    if text.startswith(("http://", "https://")):
        return "; leave the scheme out"
    if "/" in text:
        return f"; did you mean unix:{text}?"
    return "; the port is missing" if ":" not in text else ""


class Networks(Kind):
    """Addresses and networks, as one text without blanks, each in its canonical form."""

    metavar = "NETWORKS"
    allowed = "addresses or CIDR networks with commas between them, or * for all"

    def parse(self, text: str) -> str:
        items = [item.strip() for item in text.split(",")]
        if not all(items):
            raise ValueError("has an empty item" if text.strip() else "is empty")
        return ",".join(dict.fromkeys(item if item == "*" else _network(item) for item in items))


def _network(text: str) -> str:
    neither = f"has {text!r}, which is neither an address nor a network"
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(neither) from None
    if "%" in text:  # a zone; peers are known without theirs
        raise ValueError(neither)
    address, _, _ = text.partition("/")
    if ipaddress.ip_address(address) != network.network_address:
        raise ValueError(f"has {text!r}, with bits behind its prefix; did you mean {network}?")
    # A peer that comes by IPv4 to an IPv6 socket is known by its IPv4 address.
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= 96:
        network = ipaddress.ip_network((mapped, network.prefixlen - 96))
    is_single = network.prefixlen == network.max_prefixlen
    return str(network.network_address if is_single else network)


class Port(Kind):
    """What PORT holds: every IPv4 address of the machine (or one of them), on that port."""

    metavar = "PORT"
    allowed = "0 to 65535"

    def __init__(self, host: str = "0.0.0.0") -> None:
        self._host = host

    def parse(self, text: str) -> list[Address]:
        return [Address("tcp", self._host, parse_port(text))]


QUEUE_WEIGHT_MAX = 1000


def split_weights(names: list[str] | None) -> tuple[list[str] | None, dict[str, int]]:
    """What `Queues` gives, as the queues (None: all) and the weights that were given."""
    pairs = [_with_weight(name) for name in names or ("*",)]
    weights = {name: weight for name, weight in pairs if weight is not None}
    queues = list(dict.fromkeys(name for name, _ in pairs))
    return (None if "*" in queues else queues), weights


def _with_weight(text: str) -> tuple[str, int | None]:
    name, _, weight = text.rpartition(":")
    if name and weight.isascii() and weight.isdigit():
        return name, int(weight)
    return text, None


class Queues(Kind):
    """Names of task queues, each perhaps with a weight, `name:3`; None means all."""

    metavar = "NAMES"
    allowed = (
        f"queue names with commas between them, each alone or with a weight of 1 to "
        f"{QUEUE_WEIGHT_MAX} (mail:3); * for all (others)"
    )

    def parse(self, text: str) -> list[str] | None:
        if text.strip() == "*":
            return None
        names = [name.strip() for name in text.split(",")]
        if not all(names):
            raise ValueError("has an empty name")
        queues, weights = split_weights(names)
        if not all(1 <= weight <= QUEUE_WEIGHT_MAX for weight in weights.values()):
            raise ValueError(f"has a weight that is not 1 to {QUEUE_WEIGHT_MAX}")
        if queues is None and len(weights) < len(set(names)) - 1:
            raise ValueError("mixes * with names that have no weight")
        if len({name for name, _ in map(_with_weight, names)}) < len(set(names)):
            raise ValueError("names a queue twice")
        return list(dict.fromkeys(names))

    def show(self, value: Any) -> str:
        return "*" if value is None else ",".join(value)


class Command(NamedTuple):
    """A management command to keep running, `copies` times."""

    copies: int
    text: str

    def __str__(self) -> str:
        return f"{self.copies}*{self.text}" if self.copies > 1 else self.text


class Commands(Kind):
    """A list of management commands."""

    metavar = "COMMAND"
    allowed = f'"name arguments" or "2*name arguments", 1 to {COMMAND_COPIES_MAX} copies'
    is_list = True
    separator = ";"

    def parse(self, text: str) -> Command:
        match = re.fullmatch(r"\s*(?:([+-]?[0-9]+)\s*\*)?\s*(.*?)\s*", text, re.DOTALL)
        copies, rest = match[1] or "1", match[2]
        if not re.fullmatch(r"[0-9]{1,4}", copies) or not 1 <= int(copies) <= COMMAND_COPIES_MAX:
            raise ValueError(f"asks for {copies} copies")
        try:
            words = shlex.split(rest)
        except ValueError as error:
            raise ValueError(f"cannot be split into words ({error})") from None
        if not words:
            raise ValueError("names no command")
        if words[0].startswith("-"):
            raise ValueError("starts with an option instead of a command's name")
        return Command(int(copies), rest)

    def show(self, value: Sequence[Command]) -> str:
        return "; ".join(map(str, value)) or "none"
