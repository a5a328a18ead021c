import io
import os
from tempfile import TemporaryFile

from apps.track import TEXT, of


def _started(start_response, *headers):
    start_response("200 OK", [*TEXT, *headers])


class Length:
    """An iterable of its own making, with a length."""

    def __init__(self, *parts):
        self.parts = parts

    def __iter__(self):
        return iter(self.parts)

    def __len__(self):
        return len(self.parts)


class GetItem:
    """Iterable in the oldest way."""

    def __getitem__(self, index):
        return (b"one ", b"two ", b"three")[index]


class OwnList(list):
    """Looks like a list and gives something else."""

    def __iter__(self):
        return iter([b"what ", b"iteration ", b"gives"])


class OwnBytes(bytes):
    pass


def _generate():
    yield b"one "
    yield b"two "
    yield b"three"


MAKERS = {
    "list": lambda: [b"one ", b"two ", b"three"],
    "tuple": lambda: (b"one ", b"two ", b"three"),
    "generator": _generate,
    "expression": lambda: (part for part in (b"one ", b"two ", b"three")),
    "map": lambda: map(bytes.lower, [b"ONE ", b"TWO ", b"THREE"]),
    "set-of-one": lambda: {b"one two three"},
    "dict-keys": lambda: {b"one ": 1, b"two ": 2, b"three": 3}.keys(),
    "bytes-io": lambda: io.BytesIO(b"one two three"),
    "with-length": lambda: Length(b"one ", b"two ", b"three"),
    "with-length-one": lambda: Length(b"one two three"),
    "get-item": GetItem,
    "empty-between": lambda: [b"", b"one ", b"", b"", b"two ", b"three", b""],
    "empty-between-generated": lambda: iter([b"", b"one ", b"", b"", b"two three", b""]),
    "own-list": lambda: OwnList([b"not ", b"this"]),
    "bytes-subclass": lambda: [OwnBytes(b"one two "), b"three"],
    "empty-list": lambda: [],
    "empty-tuple": lambda: (),
    "empty-generator": lambda: iter(()),
    "empty-bytes": lambda: [b""],
    "empty-bytes-generated": lambda: iter([b"", b""]),
    "single-str": lambda: "text",
    "list-of-str": lambda: ["text"],
    "generated-str": lambda: iter(["text"]),
    "single-bytes": lambda: b"bytes",
    "bytearray": lambda: [bytearray(b"text")],
    "memoryview": lambda: [memoryview(b"text")],
    "list-of-none": lambda: [None],
    "list-of-int": lambda: [1],
    "none": lambda: None,
    "int": lambda: 1,
    "str-after-bytes": lambda: [b"good", "bad"],
    "many": lambda: [b"%d," % number for number in range(5000)],
    "many-generated": lambda: (b"%d," % number for number in range(5000)),
    "large": lambda: [bytes([number]) * 1_000_003 for number in range(24)],
    "large-generated": lambda: (bytes([number]) * 1_000_003 for number in range(24)),
}


def made(environ, start_response):
    """Returns what the query names."""
    _started(start_response)
    return MAKERS[environ["QUERY_STRING"]]()


def wrapped(environ, start_response):
    """file_wrapper around a real file of so many bytes, as in PEP 3333's example."""
    size, block = map(int, environ["QUERY_STRING"].split(","))
    file = TemporaryFile()  # noqa: SIM115  the server closes it
    file.write(os.urandom(size) if size < 100 else b"0123456789" * (size // 10))
    file.seek(0)
    _started(start_response, ("X-Size", str(size)))
    wrapper = environ["wsgi.file_wrapper"]
    return wrapper(file, block) if block else wrapper(file)


def wrapped_from_the_middle(environ, start_response):
    """The file's position is where it begins."""
    file = TemporaryFile()  # noqa: SIM115  the server closes it
    file.write(b"before and after")
    file.seek(len("before and "))
    _started(start_response, ("Content-Length", "5"))
    return environ["wsgi.file_wrapper"](file, 2)


def wrapped_bytes_io(environ, start_response):
    _started(start_response)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"not a real file" * 1000), 100)


class Reader:
    """Has read() and nothing else."""

    def __init__(self):
        self.parts = [b"only ", b"read", b""]

    def read(self, size):
        return self.parts.pop(0)


def wrapped_reader(environ, start_response):
    _started(start_response)
    return environ["wsgi.file_wrapper"](Reader())


def file_itself(environ, start_response):
    """A file is an iterable of its lines."""
    file = TemporaryFile()  # noqa: SIM115  the server closes it
    file.write(b"line one\nline two\n" * 1000)
    file.seek(0)
    _started(start_response)
    return file


class Curious:
    """Leaves a note of each attribute that somebody looks for and does not find."""

    def __init__(self, track):
        self.track = track

    def __iter__(self):
        return iter([b"one ", b"two ", b"three"])

    def __getattr__(self, name):
        self.track.note(name)
        raise AttributeError(name)


def looked_at(environ, start_response):
    _started(start_response)
    return Curious(of(environ))


def every_byte(environ, start_response):
    """Line ends, a chunk's end, and all else that somebody might take for more than a byte."""
    _started(start_response)
    yield from EVERY_BYTE


EVERY_BYTE = [b"\n", b"\r", b"\r\n", b"0\r\n\r\n", bytes(range(256)), b"\r\n0\r\n", b"\n"]
