from sys import exit

from apps.track import TEXT, of


class Result:
    """Leaves a note when it is closed and one when it is gone: nothing can close it after that."""

    def __init__(self, track, parts):
        self.track = track
        self.parts = iter(parts)

    def __iter__(self):
        return self

    def __next__(self):
        part = next(self.parts)
        if callable(part):
            part()
        return part

    def close(self):
        self.track.note("closed")

    def __del__(self):
        self.track.note("gone")


class RaisingClose(Result):
    def close(self):
        super().close()
        raise OSError("close() failed")


class ExitingClose(Result):
    def close(self):
        super().close()
        raise SystemExit(3)


class BrokenIter(Result):
    def __iter__(self):
        raise OSError("iter() failed")


class ClosingList(list):
    def __init__(self, track, parts):
        super().__init__(parts)
        self.track = track

    def close(self):
        self.track.note("closed")

    def __del__(self):
        self.track.note("gone")


def _at_once():
    raise LookupError("at once")


def _in_the_middle():
    raise LookupError("in the middle")


def _make(kind, parts, status="200 OK", headers=()):
    def application(environ, start_response):
        start_response(status, [*TEXT, *headers])
        return kind(of(environ), parts)

    return application


normal = _make(Result, [b"one ", b"two"])
empty = _make(Result, [])
as_list = _make(ClosingList, [b"one ", b"two"])
raises_first = _make(Result, [_at_once])
raises_later = _make(Result, [b"one ", _in_the_middle])
exits_later = _make(Result, [b"one ", exit])
wrong_part = _make(Result, ["text"])
too_short = _make(Result, [b"one"], headers=[("Content-Length", "10")])
too_long = _make(Result, [b"one", b"two", b"three"], headers=[("Content-Length", "5")])
no_content = _make(Result, [b"one"], "204 No Content")
raising_close = _make(RaisingClose, [b"one ", b"two"])
exiting_close = _make(ExitingClose, [b"one ", b"two"])
broken_iter = _make(BrokenIter, [b"one"])


def never_started(environ, start_response):
    return Result(of(environ), [b"one"])


def endless(environ, start_response):
    """Goes on for as long as somebody takes it."""
    track = of(environ)

    def produce():
        while True:
            yield b"x" * 100_000

    start_response("200 OK", TEXT)
    return Result(track, produce())


def generator(environ, start_response):
    """A generator's own close() runs its finally."""
    track = of(environ)
    start_response("200 OK", TEXT)
    try:
        yield b"one "
        yield b"two"
    finally:
        track.note("finally")


def endless_generator(environ, start_response):
    track = of(environ)
    start_response("200 OK", TEXT)
    try:
        while True:
            yield b"x" * 100_000
    finally:
        track.note("finally")


class NoClose:
    def __iter__(self):
        return iter([b"one ", b"two"])


def without_close(environ, start_response):
    start_response("200 OK", TEXT)
    return NoClose()


class ClosingFile:
    def __init__(self, track, size):
        self.track = track
        self.left = size

    def read(self, size):
        size = min(size, self.left)
        self.left -= size
        return b"x" * size

    def close(self):
        self.track.note("closed")

    def __del__(self):
        self.track.note("gone")


def wrapped_file(environ, start_response):
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](ClosingFile(of(environ), 100_000))


def endless_file(environ, start_response):
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](ClosingFile(of(environ), 1 << 60), 100_000)


class Gated(Result):
    """close() waits until the test has the whole response."""

    def close(self):
        self.track.wait_for_gate()
        super().close()


close_waits = _make(Gated, [b"one ", b"two"])
