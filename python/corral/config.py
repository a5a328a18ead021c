"""Settings: where each value comes from, and what is said when it is wrong.

The first source that knows a setting wins: command line, environment, `[tool.corral]` of
pyproject.toml in the working directory, default.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from corral.cpus import usable_cpus
from corral.exceptions import ConfigurationError
from corral.settings_table import SETTINGS, Setting
from corral.values import Kind, Port, Size


class Found(NamedTuple):
    """A raw value and the name of the place it was found at."""

    where: str
    texts: list[str]  # one, unless the setting is a list
    kind: Kind


class Source(Protocol):
    """A place that may know a setting."""

    def find(self, setting: Setting) -> Found | None: ...


class CommandLine:
    """Options as argparse left them: text, lists of text, or None."""

    def __init__(self, options: Mapping[str, str | Sequence[str] | None]) -> None:
        self._options = options

    def find(self, setting: Setting) -> Found | None:
        value = self._options.get(setting.name)
        if value is None:
            return None
        texts = [value] if isinstance(value, str) else list(value)
        return Found(setting.spelling, texts, setting.kind)


class Environment:
    """CORRAL_<NAME>, then the names other programs use. An empty variable counts as not set."""

    def __init__(self, environ: Mapping[str, str], local_only: bool = False) -> None:
        self._environ = environ
        self._local_only = local_only  # PORT is a port of this machine alone: for the demo

    def find(self, setting: Setting) -> Found | None:
        text = self._environ.get(setting.variable)
        if text:
            return Found(setting.variable, self._split(setting.kind, text), setting.kind)
        if setting.name == "bind" and (passed := self._passed_sockets()):
            return Found("LISTEN_FDS", passed, setting.kind)
        for name, kind in setting.environment:
            if text := self._environ.get(name):
                if self._local_only and isinstance(kind, Port):
                    kind = Port("127.0.0.1")
                return Found(name, [text], kind)
        return None

    @staticmethod
    def _split(kind: Kind, text: str) -> list[str]:
        if not kind.is_list:
            return [text]
        return [item.strip() for item in text.split(kind.separator) if item.strip()]

    def _passed_sockets(self) -> list[str]:
        """What a service manager handed over (sd_listen_fds(3)): descriptors from 3 on."""
        count = self._environ.get("LISTEN_FDS", "")
        if not count.isdecimal() or self._environ.get("LISTEN_PID") != str(os.getpid()):
            return []
        return [f"fd://{3 + n}" for n in range(min(int(count), 64))]


class Pyproject:
    """`[tool.corral]`. Names may be written with hyphens or underscores."""

    def __init__(self, path: Path) -> None:
        self._where = path.name
        self._table = _read_table(path)
        for key in self._table:
            if key.replace("-", "_") not in BY_NAME:
                names = [s.name.replace("_", "-") for s in SETTINGS]
                raise ConfigurationError(
                    f"{self._where}: [tool.corral] has no setting {key!r}{suggest(key, names)}"
                )

    def find(self, setting: Setting) -> Found | None:
        value = self._table.get(setting.name, self._table.get(setting.name.replace("_", "-")))
        if value is None:
            return None
        where = f"{setting.name.replace('_', '-')} in [tool.corral] of {self._where}"
        values = value if isinstance(value, list) else [value]
        if isinstance(value, list) and not setting.kind.is_list:
            raise _bad_value(setting, Found(where, [], setting.kind), str(value), "is a list")
        for item in values:
            if not isinstance(item, str | int | float) or isinstance(item, bool):
                reason = "is neither text nor a number"
                raise _bad_value(setting, Found(where, [], setting.kind), str(item), reason)
        return Found(where, [str(item) for item in values], setting.kind)


BY_NAME = {setting.name: setting for setting in SETTINGS}


class Config:
    """Every setting's value, and where it came from."""

    def __init__(self, sources: Iterable[Source]) -> None:
        """Resolves all settings; raises ConfigurationError with one line for the first bad one."""
        self._values: dict[str, Any] = {}
        self._found: dict[str, str] = {}
        ordered = list(sources)
        for setting in SETTINGS:
            found = next((f for s in ordered if (f := s.find(setting)) is not None), None)
            self._values[setting.name] = self._read(setting, found)
            self._found[setting.name] = found.where if found else "default"
        if self._values["workers"] is None:
            self._values["workers"] = usable_cpus()
        self._check_relations()

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def where(self, name: str) -> str:
        """The flag, variable or file entry that gave the value, or "default"."""
        return self._found[name]

    def is_default(self, name: str) -> bool:
        return self._found[name] == "default"

    def spelling(self, name: str) -> str:
        """How to name the setting in an error about its value."""
        return BY_NAME[name].spelling if self.is_default(name) else self._found[name]

    def limits(self) -> dict[str, int | str]:
        """Values for src/base/limits.h, under its names and in its units; a choice is its word."""
        return {
            setting.limit: value
            if isinstance(value := self[setting.name], str)
            else round(value * (1000 if setting.unit_ms else 1))
            for setting in SETTINGS
            if setting.limit
        }

    def _check_relations(self) -> None:
        """Refuses values that are allowed each but have no effect together."""
        line, head = self["limit_request_line"], self["limit_request_head"]
        if line > head and not self.is_default("limit_request_line"):
            raise ConfigurationError(
                f"{self.where('limit_request_line')}: {Size.show(line)} is more than the whole "
                f"head may have; allowed: up to limit-request-head, which is {Size.show(head)}"
            )

    @staticmethod
    def _read(setting: Setting, found: Found | None) -> Any:
        if found is None:
            if setting.default is None:
                return [] if setting.kind.is_list else None
            value = setting.kind.parse(setting.default)
            return [value] if setting.kind.is_list else value
        values: list[Any] = []
        for text in found.texts:
            try:
                values.append(found.kind.parse(text))
            except ValueError as error:
                raise _bad_value(setting, found, text, str(error)) from None
        if not setting.kind.is_list:
            return values[0]
        # PORT gives a list of addresses as one value.
        return values[0] if values and isinstance(values[0], list) else values


def load(
    options: Mapping[str, str | Sequence[str] | None],
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Config:
    """The configuration of this process. Raises ConfigurationError (one line)."""
    local_only = options.get("subcommand") == "demo"
    sources: list[Source] = [
        CommandLine(options),
        Environment(os.environ if environ is None else environ, local_only=local_only),
        # Here Django's CORRAL dict, once the supervisor can know it without loading the site.
        Pyproject((directory or Path()) / "pyproject.toml"),
    ]
    return Config(sources)


def misspelt_variables(environ: Mapping[str, str]) -> list[str]:
    """A line for each CORRAL_* variable that is no setting but looks much like one.

    Others are left alone: container platforms invent such names for a service called corral.
    """
    known = {setting.variable for setting in SETTINGS} | {"CORRAL_DEBUG", "CORRAL_DEMO_DIR"}
    strangers = sorted(n for n in environ if n.startswith("CORRAL_") and n not in known)
    lines = []
    for name in strangers:
        if hint := suggest(name, known, cutoff=0.88):
            lines.append(f"CORRAL-601 {name} is not a setting and has no effect{hint}")
    return lines


def suggest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Asks "did you mean X?" at the end of a message; empty when no known word is near."""
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return f"; did you mean {near[0]}?" if near else ""


def _bad_value(setting: Setting, found: Found, text: str, reason: str) -> ConfigurationError:
    shown = repr(text if len(text) <= 120 else text[:117] + "...")
    remedy = f" (leave it out for {setting.default})" if setting.default else ""
    return ConfigurationError(
        f"{found.where}: {shown} {reason}; allowed: {found.kind.allowed}{remedy}"
    )


def _read_table(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except FileNotFoundError, NotADirectoryError:
        return {}
    except OSError as error:
        raise ConfigurationError(f"{path.name}: cannot be read: {error.strerror}") from None
    if b"corral" not in data:  # nearly always: saves the parser's import
        return {}
    import tomllib

    try:
        table = tomllib.loads(data.decode()).get("tool", {}).get("corral", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path.name}: is not valid TOML: {error}") from None
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path.name}: tool.corral is not a table")
    return table
