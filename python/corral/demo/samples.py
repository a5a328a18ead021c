"""The first documents: real texts and tables that come with Python and Django.

Nothing is shipped and nothing is fetched: what this machine does not have is left out.
"""

import builtins
import codecs
import contextlib
import csv
import dataclasses
import inspect
import io
import pathlib
import sys
import sysconfig
import unicodedata
from collections.abc import Callable, Iterable

from corral.demo.models import Document

# Together some hundred kilobytes of English about one thing.
REFERENCE_TOPICS = ("types", "specialnames", "compound", "debugger", "execmodel", "formatstrings")


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """One document to begin with."""

    name: str
    kind: Document.Kind
    read: Callable[[], str]


def find_samples() -> list[tuple[Sample, str]]:
    """The samples this machine has, with their texts."""
    found = []
    for sample in SAMPLES:
        # A sample is a gift, not a requirement: a Python packed without one still gets a demo.
        with contextlib.suppress(ImportError, OSError, LookupError, AttributeError, ValueError):
            found.append((sample, sample.read()))
    return [(sample, text) for sample, text in found if text.strip()]


def _zen() -> str:
    with contextlib.redirect_stdout(io.StringIO()):  # the module prints itself
        import this
    return codecs.decode(this.s, "rot13") + "\n"


def _python_license() -> str:
    path = pathlib.Path(sysconfig.get_path("stdlib")) / "LICENSE.txt"
    return path.read_text(encoding="utf-8")


def _python_reference() -> str:
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name] for name in REFERENCE_TOPICS if name in topics)


def _builtins() -> str:
    """What Python says itself about each of its built-in names."""
    documented = [name for name in dir(builtins) if not name.startswith("_")]
    return "\n\n\n".join(
        f"{name}\n\n{inspect.getdoc(getattr(builtins, name))}" for name in documented
    )


def _django_in_german() -> str:
    import django

    folder = pathlib.Path(django.__file__).parent / "conf" / "locale" / "de" / "LC_MESSAGES"
    return (folder / "django.po").read_text(encoding="utf-8")


def _standard_library() -> str:
    """Every module file of the standard library: package, lines, bytes, date."""
    root = pathlib.Path(sysconfig.get_path("stdlib"))
    return _table(("module", "package", "lines", "bytes", "has_main"), _module_rows(root))


def _module_rows(root: pathlib.Path) -> Iterable[tuple]:
    for name in sorted(sys.stdlib_module_names):
        single, package = root / f"{name}.py", root / name
        for path in [single] if single.is_file() else sorted(package.glob("*.py")):
            source = path.read_bytes()
            dotted = name if path == single or path.stem == "__init__" else f"{name}.{path.stem}"
            has_main = "yes" if b'__name__ == "__main__"' in source.replace(b"'", b'"') else "no"
            yield (dotted, name, source.count(b"\n"), len(source), has_main)


def _unicode_numbers() -> str:
    """Every character that Unicode gives a numeric value."""
    rows = (
        (f"U+{code:04X}", char, unicodedata.name(char, ""), unicodedata.category(char), value)
        for code in range(sys.maxunicode + 1)
        if (value := unicodedata.numeric(char := chr(code), None)) is not None
    )
    return _table(("code", "character", "name", "category", "value"), rows)


def _table(header: tuple, rows: Iterable[tuple]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


TEXT, CSV = Document.Kind.TEXT, Document.Kind.CSV

# Newest first on the page, so the most telling one comes last.
SAMPLES = (
    Sample("Python's licence.txt", TEXT, _python_license),
    Sample("Django in German.po", TEXT, _django_in_german),
    Sample("Numbers of Unicode.csv", CSV, _unicode_numbers),
    Sample("Built-in names of Python.txt", TEXT, _builtins),
    Sample("Python's language reference.txt", TEXT, _python_reference),
    Sample("The standard library.csv", CSV, _standard_library),
    Sample("The Zen of Python.txt", TEXT, _zen),
)
