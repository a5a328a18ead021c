"""What every case is: an application, a load, and numbers with names."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from running import Request, Running
from servers import Shape

# Those measured where more would only take time, and the others.
FAST = ("corral", "corral-process", "fastpysgi", "granian")
SLOW = ("gunicorn-sync", "gunicorn-gthread", "melnottam", "melnottam-process")

Values = dict[str, float]


@dataclass(frozen=True)
class Column:
    """A number of a sample in a table. `form` is a format of str.format."""

    key: str
    head: str
    form: str
    has_ratio: bool = False


@dataclass(frozen=True)
class Measured:
    """What one load gave; `errors` counts answers that were not, and requests that failed."""

    values: Values
    errors: int = 0


@dataclass(frozen=True, kw_only=True)
class Case(ABC):
    """`app` is module:attribute, importable from the checkout's root."""

    name: str
    title: str
    app: str
    request: Request
    columns: tuple[Column, ...]
    load_title: str  # for the line above the table
    servers: tuple[str, ...]  # those measured unless others are named
    shape: Shape = field(default_factory=Shape)
    rounds_max: int = 600
    seconds_factor: int = 1

    def environment(self) -> Mapping[str, str]:
        """Made once before the first round; for every server."""
        return {}

    @abstractmethod
    def load(self, running: Running, seconds: int) -> Measured:
        """One round on a server that has just answered its first request."""
