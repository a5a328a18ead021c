"""From an uploaded file to a text, or to a reason why not."""

import codecs
import dataclasses
import unicodedata

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from corral.demo.models import Document

NAME_CHARACTERS_MAX = 120
CSV_SUFFIXES = (".csv", ".tsv", ".tab")
CONTROL_SHARE_MAX = 0.01
ODD_BYTES_LOOKED_AT = 4096

KNOWN_BINARIES = {
    b"%PDF-": "a PDF document",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"PK\x03\x04": "a ZIP archive (Office documents are ZIP archives too)",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"SQLite format 3\0": "an SQLite database",
}

# Longest mark first: UTF-32's little-endian mark begins with UTF-16's.
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


class UploadRefused(Exception):
    """The file cannot be taken; the text says why, to the person who dropped it in."""


@dataclasses.dataclass(frozen=True, slots=True)
class Upload:
    """A file that was understood."""

    name: str
    kind: Document.Kind
    text: str
    encoding: str


def read_upload(uploaded: UploadedFile) -> Upload:
    """The text of an uploaded file; raises UploadRefused."""
    name = shown_name(uploaded.name or "")
    if uploaded.size > settings.UPLOAD_BYTES_MAX:
        most = filesizeformat(settings.UPLOAD_BYTES_MAX)
        raise UploadRefused(
            f"{name} is too large: {filesizeformat(uploaded.size)}, at most {most} are taken."
        )
    text, encoding = decode(name, uploaded.read())
    if not text.strip():
        raise UploadRefused(f"{name} is empty: there is nothing to analyse.")
    is_csv = name.lower().endswith(CSV_SUFFIXES) or uploaded.content_type == "text/csv"
    return Upload(name, Document.Kind.CSV if is_csv else Document.Kind.TEXT, text, encoding)


def shown_name(name: str) -> str:
    """The last part of a name, without what would not print; never used as a path."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip()
    if len(kept) > NAME_CHARACTERS_MAX:
        half = NAME_CHARACTERS_MAX // 2
        kept = f"{kept[: half - 1]}…{kept[-half:]}"
    return kept if kept.strip(".") else "unnamed"


def decode(name: str, raw: bytes) -> tuple[str, str]:
    """The text of `raw` with plain line ends, and its encoding; raises UploadRefused."""
    for magic, what in KNOWN_BINARIES.items():
        # Two letters alone are no proof: a text may begin with "MZ" too.
        if raw.startswith(magic) and (len(magic) > 2 or b"\0" in raw):
            raise UploadRefused(f"{name} is {what}; only text and CSV files can be analysed.")
    encoding = guess_encoding(raw)
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        raise UploadRefused(
            f"{name} begins like {encoding.upper()} text but is damaged or cut off."
        ) from None
    if _looks_binary(text):
        raise UploadRefused(f"{name} is not text; only text and CSV files can be analysed.")
    return text.replace("\r\n", "\n").replace("\r", "\n"), encoding.removesuffix("-sig")


def guess_encoding(raw: bytes) -> str:
    """From the byte order mark, else from what the bytes can be."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if raw.startswith(mark):
            return encoding
    if unmarked := _utf16_without_mark(raw[:ODD_BYTES_LOOKED_AT]):
        return unmarked
    for encoding in ("utf-8", "cp1252"):
        try:
            raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def _utf16_without_mark(raw: bytes) -> str | None:
    """Western text in UTF-16 has a zero in every other byte, and nearly only there."""
    half = len(raw) // 2
    if half == 0:
        return None
    even, odd = raw[::2].count(0) / half, raw[1::2].count(0) / half
    if odd > 0.5 and even < 0.05:
        return "utf-16-le"
    if even > 0.5 and odd < 0.05:
        return "utf-16-be"
    return None


def _looks_binary(text: str) -> bool:
    if "\0" in text:
        return True
    control = sum(1 for c in text if unicodedata.category(c) == "Cc" and c not in "\t\n\r\f\x1b")
    return control > len(text) * CONTROL_SHARE_MAX
