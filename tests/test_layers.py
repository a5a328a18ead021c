"""The layers of src/: who may include whom is what CMakeLists.txt says, and nothing else.

That each header compiles alone is checked by the compiler: `make test` builds CMake's target
all_verify_interface_header_sets.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"

# The rooms that may use the C API of Python; the others say what they want through these.
PYTHON_ROOMS = {"interp", "gateway", "ext"}
# Not a corral_room() but the extension module, on top of everything.
TOP_ROOM = "ext"

ROOM = re.compile(r"^corral_room\((?P<name>\w+)(?P<options>[^)]*)\)", re.MULTILINE)
INCLUDE = re.compile(r'^\s*#\s*include\s*(?P<path>"[^"]+"|<[^>]+>)', re.MULTILINE)


def read_rooms() -> dict[str, set[str]]:
    """Each room with the rooms it may include, in the order of CMakeLists.txt."""
    rooms: dict[str, set[str]] = {}
    for match in ROOM.finditer((ROOT / "CMakeLists.txt").read_text()):
        words = match["options"].split()
        rooms[match["name"]] = set(words) - {"DEPENDS", "PYTHON"}
    rooms[TOP_ROOM] = set(rooms)
    return rooms


ROOMS = read_rooms()


def sources_of(room: str) -> list[Path]:
    return sorted(path for path in (SRC / room).iterdir() if path.suffix in {".h", ".cc"})


def includes_of(path: Path) -> list[str]:
    return [match["path"] for match in INCLUDE.finditer(path.read_text())]


def test_folders_and_targets_are_the_same() -> None:
    folders = {path.name for path in SRC.iterdir() if path.is_dir()}
    assert folders == set(ROOMS)


def test_rooms_are_listed_after_what_they_depend_on() -> None:
    seen: set[str] = set()
    for room, below in ROOMS.items():
        assert below <= seen, f"{room} depends on {below - seen}, which CMakeLists.txt lists later"
        seen.add(room)


@pytest.mark.parametrize("room", ROOMS)
def test_room_includes_only_what_it_depends_on(room: str) -> None:
    allowed = ROOMS[room] | {room}
    wrong = []
    for path in sources_of(room):
        for include in includes_of(path):
            if not include.startswith('"'):
                continue
            target = include.strip('"')
            if target.split("/")[0] not in allowed or "/" not in target:
                wrong.append(f"{path.relative_to(ROOT)} includes {target}")
            elif not (SRC / target).is_file():
                wrong.append(f"{path.relative_to(ROOT)} includes {target}, which does not exist")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in PYTHON_ROOMS])
def test_python_stays_in_its_rooms(room: str) -> None:
    """Tests are free to look at what happened inside an interpreter."""
    wrong = [
        str(path.relative_to(ROOT))
        for path in sources_of(room)
        if not path.stem.endswith("_test")
        and {"<Python.h>", '"Python.h"', '"interp/reference.h"'} & set(includes_of(path))
    ]
    assert not wrong, f"Python.h belongs to {sorted(PYTHON_ROOMS)}, not to {wrong}"


@pytest.mark.parametrize("room", ROOMS)
def test_room_has_a_readme_and_a_line_on_the_map(room: str) -> None:
    readme = SRC / room / "README.md"
    assert readme.is_file(), f"{readme.relative_to(ROOT)} is missing"
    lines = readme.read_text().splitlines()
    assert 8 <= len(lines) <= 40, f"{readme.relative_to(ROOT)}: {len(lines)} lines, not 10 to 30"
    assert f"[{room}]({room}/README.md)" in (SRC / "README.md").read_text()


@pytest.mark.parametrize("room", ROOMS)
def test_every_source_lives_directly_in_its_room(room: str) -> None:
    nested = [path for path in (SRC / room).rglob("*") if path.is_dir()]
    assert not nested, f"CMakeLists.txt does not look into {nested}"
