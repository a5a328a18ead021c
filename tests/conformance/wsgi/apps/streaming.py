from apps.track import TEXT, of


def _parts(track):
    """Makes each part when the test has seen the one before."""
    for part in (b"one", b"two", b"three"):
        track.note(f"making {part.decode()}")
        yield part
        track.wait_for_gate()


def generated(environ, start_response):
    start_response("200 OK", TEXT)
    return _parts(of(environ))


def declared(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "11")])
    return _parts(of(environ))


class Reader:
    def __init__(self, track):
        self.parts = _parts(track)

    def read(self, size):
        return next(self.parts, b"")


def wrapped(environ, start_response):
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](Reader(of(environ)))


def cut(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"one"
    of(environ).wait_for_gate()
    raise LookupError("in the middle")


def endless(environ, start_response):
    """Makes parts for as long as somebody takes them; says when it is told to stop."""
    track = of(environ)
    start_response("200 OK", TEXT)
    made = 0
    try:
        while True:
            made += 1
            yield b"x" * 65536
            if made == 1000:
                track.note("far ahead of the client")
    finally:
        track.note("stopped")
