"""src/base/limits.h, the settings and docs/http.md say the same about every limit."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from corral.config import load
from corral.exceptions import ConfigurationError
from corral.settings_table import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
HEADER = (ROOT / "src/base/limits.h").read_text()
CORE_MODULE = (ROOT / "src/ext/core_module.cc").read_text()
PAGE = ROOT / "docs" / "http.md"

BY_NAME = {setting.name: setting for setting in SETTINGS}


class Row(NamedTuple):
    """A row of kLimitRows."""

    limit: str
    counter: str
    setting: str
    status: str
    code: str
    severity: str


ROWS = [
    Row(*found)
    for found in re.findall(
        r'\{Limit::(\w+), "(\w+)", "(\w*)", (\d+), "(CORRAL-\d+)",\s*LimitSeverity::(\w+)', HEADER
    )
]


def fields() -> dict[str, int | str]:
    """Each number of the structs in limits.h, and each choice."""
    found = re.findall(r"^  (?:std::size_t|Milliseconds|int) (\w+) =\s*([^;]+);", HEADER, re.M)
    choices = re.findall(r"^  (\w+) (\w+) = \1::(\w+);", HEADER, re.M)
    choices += re.findall(r'^  (std::string) (\w+) = "(.*)";', HEADER, re.M)
    numbers = {name: eval(text.replace("'", "")) for name, text in found}
    return numbers | {name: word for _, name, word in choices}


def test_rows_are_found() -> None:
    names = re.search(r"enum class Limit : std::uint8_t \{([^}]*)\}", HEADER)
    assert names
    assert [row.limit for row in ROWS] == re.findall(r"\w+", names[1])[1:-1]


def test_a_counter_is_named_as_its_limit() -> None:
    assert [row.counter for row in ROWS] == [row.limit for row in ROWS]


def test_every_limit_that_is_not_fixed_has_a_setting() -> None:
    assert [row.limit for row in ROWS if not row.setting] == ["chunk_extension"]
    assert {row.setting for row in ROWS if row.setting} <= set(BY_NAME)


def test_defaults_of_settings_are_those_of_the_header(tmp_path: Path) -> None:
    limits = load({}, {}, tmp_path).limits()
    assert len(limits) > 20
    assert {name: fields().get(name) for name in limits} == limits


def test_spans_are_seconds_for_people_and_milliseconds_for_the_engine(tmp_path: Path) -> None:
    limits = load({"keep_alive": "0.25", "limit_request_body": "3K"}, {}, tmp_path).limits()
    assert limits["keep_alive_max_ms"] == 250
    assert limits["body_bytes_max"] == 3072


def test_every_setting_reaches_the_engine() -> None:
    read = set(re.findall(r'limits\.(?:maybe|text)\("(\w+)"', CORE_MODULE))
    assert {setting.limit for setting in SETTINGS if setting.limit} <= read


def table() -> str:
    """What docs/http.md must hold, between its two marks."""
    lines = [
        "| exceeded | setting | default | allowed | the client gets | code | level |",
        "|---|---|---|---|---|---|---|",
    ]
    levels = {"usual": "debug", "client": "info", "capacity": "warning"}
    for row in ROWS:
        setting = BY_NAME.get(row.setting)
        if setting is None:
            limit = f"{fields()[row.limit + '_bytes_max']} bytes"
            shown = ["fixed", limit, ""]
        else:
            assert setting.default is not None
            unit = " s" if setting.unit_ms else ""
            name = setting.name.replace("_", "-")
            allowed = setting.kind.allowed.partition(" (")[0]
            shown = [f"`{name}`", setting.default + unit, allowed]
        status = row.status if row.status != "0" else ""
        cells = [f"`{row.counter}`", *shown, status, row.code, levels[row.severity]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def test_the_page_has_the_table() -> None:
    page = PAGE.read_text()
    assert table() in page, f"put this into {PAGE.relative_to(ROOT)}:\n\n{table()}"


def test_a_request_line_longer_than_a_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load({"limit_request_line": "64K"}, {}, tmp_path)
    assert str(caught.value) == (
        "--limit-request-line: 64K is more than the whole head may have; "
        "allowed: up to limit-request-head, which is 32K"
    )
    load({"limit_request_line": "64K", "limit_request_head": "128K"}, {}, tmp_path)
    load({"limit_request_head": "4K"}, {}, tmp_path)
