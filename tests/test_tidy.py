"""What a machine can see about the sources: sizes, leftovers, and the registry of log codes."""

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ERRORS_PAGE = ROOT / "docs" / "errors.md"

COLUMNS_MAX = 100
FILE_LINES_MAX = 800
CODE = {".cc", ".h", ".py"}
COLUMN_FOLDERS = ("src", "python", "tests", "tools", "bench", "examples", "fuzz")

# Written so that this file does not match itself.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:wor[k]|far[m]|roo[t])/")
REGISTRY_HOST = re.compile(
    r"deb[.]debian|security[.]debian|pypi[.]org|pythonhoste[d]|registry[.]npmjs|proxy[.]golang"
)
LOOSE_TODO = re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X])\b(?!\(\w+\))")


def tracked_files() -> list[Path]:
    """Every file git tracks or would track; without git, the tree less what builds make."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode == 0:
        files = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        files = [path for path in ROOT.rglob("*") if not is_generated(path)]
    return sorted(path for path in set(files) if path.is_file() and not path.is_symlink())


def is_generated(path: Path) -> bool:
    made = {".git", ".python", ".tools", ".venv", ".bench", "build", "dist", "__pycache__"}
    return bool(made & set(path.relative_to(ROOT).parts)) or path.suffix in {".so", ".sqlite3"}


def read_text(path: Path) -> str | None:
    """The text of a file; None for a binary one."""
    data = path.read_bytes()
    return None if b"\0" in data else data.decode("utf-8", "replace")


TEXTS = {path: text for path in tracked_files() if (text := read_text(path)) is not None}
SOURCES = {path: text for path, text in TEXTS.items() if path.suffix in CODE}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def find(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name(path)}:{number}: {line.strip()[:100]}"
        for path, text in TEXTS.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def fail_with(found: list[str]) -> None:
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def test_there_are_sources() -> None:
    assert len(SOURCES) > 50


def test_lines_fit_the_columns() -> None:
    fail_with(
        [
            f"{name(path)}:{number}: {len(line)} columns"
            for path, text in SOURCES.items()
            if path.relative_to(ROOT).parts[0] in COLUMN_FOLDERS
            for number, line in enumerate(text.splitlines(), 1)
            if len(line) > COLUMNS_MAX
        ]
    )


def test_files_stay_readable_in_one_sitting() -> None:
    lines = {name(path): len(text.splitlines()) for path, text in SOURCES.items()}
    fail_with([f"{file}: {count} lines" for file, count in lines.items() if count > FILE_LINES_MAX])


def test_no_path_of_a_machine() -> None:
    fail_with(find(MACHINE_PATH))


def test_no_host_of_a_package_registry() -> None:
    fail_with(find(REGISTRY_HOST))


def test_every_todo_has_a_kind() -> None:
    fail_with(find(LOOSE_TODO))


# Codes. In C++ one is the first argument of Log::warning and Log::error, or stands in a text as it
# does in Python: CORRAL-NNN.

CPP_CALL = re.compile(r"\b(?:warning|error)\(\s*(?P<code>[1-9]\d\d)\b")
CPP_COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)
WRITTEN = re.compile(r"CORRAL-(?P<code>[1-9]\d\d)\b")
PAGE_ENTRY = re.compile(r"^(?:#+\s*|\|\s*)`?CORRAL-(?P<code>[1-9]\d\d)`?", re.MULTILINE)


def product_sources() -> Iterator[tuple[Path, str]]:
    for path, text in SOURCES.items():
        if path.relative_to(ROOT).parts[0] in {"src", "python"} and not path.stem.endswith("_test"):
            yield path, text


def used_codes() -> dict[str, set[str]]:
    """Each code with the files that use it."""
    uses: dict[str, set[str]] = defaultdict(set)
    for path, text in product_sources():
        patterns = [WRITTEN]
        if path.suffix != ".py":
            patterns.append(CPP_CALL)
            text = CPP_COMMENT.sub("", text)
        for pattern in patterns:
            for match in pattern.finditer(text):
                uses[match["code"]].add(name(path))
    return uses


def test_codes_are_found() -> None:
    assert len(used_codes()) > 10


def test_every_code_is_listed_once_and_used() -> None:
    used = used_codes()
    assert ERRORS_PAGE.is_file(), f"{name(ERRORS_PAGE)} is missing; codes in use: {sorted(used)}"
    listed = [match["code"] for match in PAGE_ENTRY.finditer(ERRORS_PAGE.read_text())]
    fail_with(
        [f"CORRAL-{code} is listed twice" for code in {c for c in listed if listed.count(c) > 1}]
        + [f"CORRAL-{code} is not listed; {sorted(used[code])}" for code in set(used) - set(listed)]
        + [f"CORRAL-{code} is listed but nothing uses it" for code in set(listed) - set(used)]
    )


def test_a_code_stays_in_one_room() -> None:
    """One code has one meaning: it may be said in several files of a room, not in several rooms."""
    rooms = {
        code: {"/".join(Path(file).parts[:2]) for file in files}
        for code, files in used_codes().items()
    }
    fail_with(
        [f"CORRAL-{code}: {sorted(where)}" for code, where in rooms.items() if len(where) > 1]
    )


# Decisions. Their numbers are what texts name them by, so a number is given once and never again.

ADR_FOLDER = ROOT / "docs" / "adr"
# "ADR 0001", "ADRs 0001", a path such as "adr/0001" with or without its title, and within the
# folder a link to a neighbour.
ADR_NAMED = re.compile(r"(?:\bADRs? |\badr/|\]\()(?P<number>\d{4})\b(?P<title>-[a-z][\w-]*)?")


def adrs() -> dict[str, list[str]]:
    """Each number with the names, less ".md", of the pages that have it."""
    pages: dict[str, list[str]] = defaultdict(list)
    for path in ADR_FOLDER.iterdir():
        pages[path.stem[:4]].append(path.stem)
    return pages


def test_each_adr_has_the_next_number() -> None:
    pages = adrs()
    wanted = {f"{number:04}" for number in range(1, len(pages) + 1)}
    fail_with(
        [f"{number} is given twice: {sorted(same)}" for number, same in pages.items() if same[1:]]
        + [f"there is no ADR {number}" for number in sorted(wanted - set(pages))]
        + [f"{pages[number]} has no number or comes after a gap" for number in set(pages) - wanted]
    )


def test_an_adr_begins_with_its_number() -> None:
    fail_with(
        [
            f"{name(path)} begins with {first!r}"
            for path, text in TEXTS.items()
            if path.parent == ADR_FOLDER
            and not (first := text.partition("\n")[0]).startswith(f"# {path.stem[:4]}. ")
        ]
    )


def test_every_adr_that_is_named_exists() -> None:
    pages = adrs()
    named = [(path, match) for path, text in TEXTS.items() for match in ADR_NAMED.finditer(text)]
    assert named
    fail_with(
        [
            f"{name(path)}: there is no {match[0].lstrip('](')!r}"
            for path, match in named
            if not any(
                match["title"] is None or page == match["number"] + match["title"]
                for page in pages.get(match["number"], [])
            )
        ]
    )


def test_no_two_test_files_share_a_name() -> None:
    """pytest takes them for one module where their folders are no packages."""
    places = defaultdict(list)
    for path in SOURCES:
        if path.name.startswith("test_") and path.is_relative_to(ROOT / "tests"):
            places[path.name].append(name(path))
    assert [same for same in places.values() if len(same) > 1] == []
