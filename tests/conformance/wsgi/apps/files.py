import gzip
import io
import os
import sys
import tempfile

from apps.track import TEXT, of


def content(size):
    """Of which each byte tells where it is; the tests make the same."""
    period = bytes(range(251))
    return period * (size // 251) + period[: size % 251]


def _file(size, **how):
    file = tempfile.TemporaryFile(**how)  # noqa: SIM115  the server closes it
    file.write(content(size))
    file.seek(0)
    return file


def _send(environ, start_response, file, *headers):
    start_response("200 OK", [*TEXT, *headers])
    return environ["wsgi.file_wrapper"](file)


def whole(environ, start_response):
    return _send(environ, start_response, _file(int(environ["QUERY_STRING"])))


def declared(environ, start_response):
    """SIZE,LENGTH: a file of one size, a Content-Length of another."""
    size, length = environ["QUERY_STRING"].split(",")
    return _send(environ, start_response, _file(int(size)), ("Content-Length", length))


def from_the_middle(environ, start_response):
    """SIZE,START: what is before has been read in a small part, and buffered in a larger one."""
    size, start = map(int, environ["QUERY_STRING"].split(","))
    file = _file(size)
    assert len(file.read(start)) == start
    return _send(environ, start_response, file)


def memory_range(environ, start_response):
    file = io.BytesIO(content(1_000_000))
    file.seek(10)
    return _send(environ, start_response, file, ("Content-Length", "200000"))


class Proxy:
    """Hands on what the file has, as Django's File does."""

    def __init__(self, file):
        self.file = file

    read = property(lambda self: self.file.read)
    close = property(lambda self: self.file.close)


class Upper:
    """Has the descriptor of a file, and reads something else."""

    def __init__(self, file):
        self.file = file
        self.fileno, self.tell, self.close = file.fileno, file.tell, file.close

    def read(self, size):
        return bytes(byte ^ 1 for byte in self.file.read(size))


class Flipped(io.FileIO):
    """A FileIO that reads something else."""

    def readinto(self, buffer):
        size = super().readinto(buffer)
        buffer[:size] = bytes(byte ^ 1 for byte in buffer[:size])
        return size


def _named(size):
    file = tempfile.NamedTemporaryFile()  # noqa: SIM115  the server closes it
    file.write(content(size))
    file.seek(0)
    return file


def _spooled(size):
    file = tempfile.SpooledTemporaryFile(max_size=10)  # noqa: SIM115  the server closes it
    file.write(content(size))
    file.seek(0)
    return file


def _gzip(size):
    packed = tempfile.TemporaryFile()  # noqa: SIM115  the server closes it
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        file.write(content(size))
    packed.seek(0)
    return gzip.GzipFile(fileobj=packed)


def _pipe(size):
    read_end, write_end = os.pipe()
    os.write(write_end, content(size))
    os.close(write_end)
    return open(read_end, "rb")


def _flipped(size):
    file = _file(size)
    return io.BufferedReader(Flipped(os.dup(file.fileno())))


KINDS = {
    "unbuffered": lambda size: _file(size, buffering=0),
    "named": _named,
    "proxy": lambda size: Proxy(_file(size)),
    "proxy-of-named": lambda size: Proxy(_named(size)),
    "spooled": _spooled,
    "gzip": _gzip,
    "upper": lambda size: Upper(_file(size)),
    "flipped": _flipped,
    "pipe": _pipe,
}


def kind(environ, start_response):
    """KIND,SIZE."""
    name, size = environ["QUERY_STRING"].split(",")
    return _send(environ, start_response, KINDS[name](int(size)))


def proc(environ, start_response):
    """A regular file that says it is empty."""
    return _send(environ, start_response, open("/proc/self/status", "rb"))


def text(environ, start_response):
    file = tempfile.TemporaryFile("w+")  # noqa: SIM115  the server closes it
    file.write("text" * 50_000)
    file.seek(0)
    return _send(environ, start_response, file)


def closed(environ, start_response):
    file = _file(100_000)
    file.close()
    return _send(environ, start_response, file)


def noting(environ, start_response):
    """Its close() tells how far the file was read."""
    track, file = of(environ), _file(int(environ["QUERY_STRING"]))
    file.seek(10)
    close = file.close

    def note_and_close():
        track.note(f"closed at {file.tell()}")
        close()

    file.close = note_and_close
    return _send(environ, start_response, file)


def after_write(environ, start_response):
    """What write() sent comes first."""
    write = start_response("200 OK", TEXT)
    write(b"before ")
    return environ["wsgi.file_wrapper"](_file(100_000))


def truncated(environ, start_response):
    """Becomes shorter when the test says so; the response has begun by then."""
    track, file = of(environ), _file(30_000_000)
    close = file.close

    def wait_and_close():
        track.note("handed over")
        track.wait_for_gate()
        os.truncate(file.fileno(), 20_000_000)
        close()
        track.note("truncated")

    file.close = wait_and_close
    return _send(environ, start_response, file)


def part_of_kind(environ, start_response):
    """KIND,SIZE,START,LENGTH: what is before has been read, what is behind is not asked for."""
    name, *numbers = environ["QUERY_STRING"].split(",")
    size, start, length = map(int, numbers)
    file = KINDS[name](size)
    left = start
    while left:
        left -= len(file.read(left))
    return _send(environ, start_response, file, ("Content-Length", str(length)))


def moved_after_wrapping(environ, start_response):
    """Where the file stands when the transmission begins, is where it begins."""
    file = _file(int(environ["QUERY_STRING"]))
    wrapper = environ["wsgi.file_wrapper"](file)
    start_response("200 OK", TEXT)
    file.seek(7)
    return wrapper


def begun_by_the_application(environ, start_response):
    """Takes a block for itself and leaves the rest to the server."""
    wrapper = environ["wsgi.file_wrapper"](_file(int(environ["QUERY_STRING"])), 5)
    assert next(iter(wrapper)) == content(5)
    start_response("200 OK", TEXT)
    return wrapper


def read_by_the_application(environ, start_response):
    """What is wrapped need not be returned."""
    wrapper = environ["wsgi.file_wrapper"](_file(int(environ["QUERY_STRING"])), 1000)
    parts = list(wrapper)
    wrapper.close()
    start_response("200 OK", TEXT)
    return [bytes(byte ^ 1 for byte in part) for part in parts]


def inside_another(environ, start_response):
    """Another iterable stands before it."""
    wrapper = environ["wsgi.file_wrapper"](_file(int(environ["QUERY_STRING"])), 1000)
    start_response("200 OK", TEXT)
    return (bytes(byte ^ 1 for byte in part) for part in wrapper)


def without_body(environ, start_response):
    """STATUS: one that has no body."""
    track, file = of(environ), _file(1_000_000)
    close = file.close

    def note_and_close():
        track.note("closed")
        close()

    file.close = note_and_close
    start_response(environ["QUERY_STRING"].replace("_", " "), [])
    return environ["wsgi.file_wrapper"](file)


def replaced(environ, start_response):
    """The response is decided when the file is returned, not when it is wrapped."""
    start_response("200 OK", TEXT)
    environ["wsgi.file_wrapper"](_file(1_000_000)).close()
    try:
        raise LookupError
    except LookupError:
        start_response("404 Not Found", TEXT, sys.exc_info())
    return [b"no file"]


def after_too_much(environ, start_response):
    """More than the Content-Length is written before any file comes."""
    write = start_response("200 OK", [*TEXT, ("Content-Length", "10")])
    write(content(20))
    return environ["wsgi.file_wrapper"](_file(5))
