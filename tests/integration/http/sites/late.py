"""A site of requests that take too long, each in a way of its own; the query is an argument."""

import itertools
import time

from web import TEXT, stand_at_gate

seen = []  # what was raised in requests of this worker, until somebody asks


def hello(environ, start):
    start("200 OK", [TEXT])
    return [b"hello"]


def tell_seen(environ, start):
    start("200 OK", [TEXT])
    told = " ".join(seen)
    seen.clear()
    return [told.encode()]


def compute_for_ever():
    while True:
        pass


def loop(environ, start):
    """Can be interrupted at any moment."""
    try:
        compute_for_ever()
    except BaseException as error:
        seen.append(f"{type(error).__module__}.{type(error).__name__}")
        raise
    finally:
        seen.append("finally")


def call(environ, start):
    """Cannot: it is in a call of the system."""
    stand_at_gate(environ["QUERY_STRING"])
    start("200 OK", [TEXT])
    return [b"too late"]


def swallow(environ, start):
    """Takes the first interrupt for an error, and goes on."""
    for _ in range(2):
        try:
            compute_for_ever()
        except BaseException as error:
            seen.append(type(error).__name__)
    start("200 OK", [TEXT])
    return [b"too late"]


def keep_gil(environ, start):
    """In a call that lets nobody else of its interpreter work."""
    return sum(itertools.repeat(1, 10**15))


def stream(environ, start):
    start("200 OK", [TEXT])
    yield b"begun"
    compute_for_ever()


def write(environ, start):
    start("200 OK", [TEXT])(b"begun")
    compute_for_ever()


def write_late(environ, start):
    """Comes out of its call when its time is over, and begins to answer then."""
    stand_at_gate(environ["QUERY_STRING"])
    write = start("200 OK", [TEXT])
    try:
        write(b"too late")
    except BaseException as error:
        seen.append(f"write {type(error).__name__}")
        raise


class Closing:
    """A whole response, and then a close() that does not end."""

    def __init__(self):
        self.parts = iter([b"whole"])

    def __iter__(self):
        return self.parts

    def close(self):
        compute_for_ever()


def close(environ, start):
    start("200 OK", [TEXT, ("Content-Length", "5")])
    return Closing()


def size(environ, start):
    """So many bytes, in parts that go out one by one."""
    count = int(environ["QUERY_STRING"])
    start("200 OK", [TEXT, ("Content-Length", str(count))])
    for _ in range(count // 100_000):
        yield b"x" * 100_000


def spin(environ, start):
    """Computes for so many seconds."""
    end = time.monotonic() + float(environ["QUERY_STRING"].partition("&")[0])
    while time.monotonic() < end:
        pass
    start("200 OK", [TEXT])
    return [b"spun"]


def hold(environ, start):
    """As long as the test likes."""
    stand_at_gate(environ["QUERY_STRING"])
    start("200 OK", [TEXT])
    return [b"let go"]


PATHS = {
    "/hello": hello, "/seen": tell_seen, "/loop": loop, "/call": call, "/swallow": swallow,
    "/keep-gil": keep_gil, "/stream": stream, "/write": write, "/write-late": write_late,
    "/close": close, "/size": size, "/hold": hold,
    "/spin": spin,
}  # fmt: skip


def application(environ, start_response):
    return PATHS[environ["PATH_INFO"]](environ, start_response)
