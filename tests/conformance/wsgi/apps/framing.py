from apps.track import TEXT, of


def _make(parts, *headers, status="200 OK"):
    def application(environ, start_response):
        start_response(status, [*headers])
        return parts()

    return application


BODY = b"0123456789"
as_list = _make(lambda: [BODY], *TEXT)
generated = _make(lambda: (BODY[n : n + 1] for n in range(10)), *TEXT)
declared = _make(lambda: (BODY[n : n + 1] for n in range(10)), *TEXT, ("Content-Length", "10"))
declared_list = _make(lambda: [BODY[:4], BODY[4:]], *TEXT, ("Content-Length", "10"))
empty = _make(lambda: [], *TEXT)
short_list = _make(lambda: [b"0123"], *TEXT, ("Content-Length", "10"))
short_generated = _make(lambda: iter([b"01", b"23"]), *TEXT, ("Content-Length", "10"))
short_empty = _make(lambda: [], *TEXT, ("Content-Length", "10"))
long_list = _make(lambda: [b"0123", BODY], *TEXT, ("Content-Length", "10"))
long_generated = _make(lambda: iter([BODY, b"more", b"and more"]), *TEXT, ("Content-Length", "10"))
long_zero = _make(lambda: [b"unexpected"], *TEXT, ("Content-Length", "0"))
head_declared = _make(lambda: [], *TEXT, ("Content-Length", "12345"))
no_content = _make(lambda: [], status="204 No Content")
no_content_body = _make(lambda: [BODY], status="204 No Content")
no_content_generated = _make(lambda: iter([BODY]), status="204 No Content")
no_content_length = _make(lambda: [BODY], ("Content-Length", "10"), status="204 No Content")
not_modified = _make(lambda: [], ("ETag", '"x"'), status="304 Not Modified")
not_modified_counted = _make(lambda: [], ("Content-Length", "0"), status="304 Not Modified")
not_modified_body = _make(lambda: [BODY], ("Content-Length", "10"), status="304 Not Modified")


def raises_after_all(environ, start_response):
    """The declared length is complete before the error."""
    start_response("200 OK", [*TEXT, ("Content-Length", "10")])
    yield BODY
    raise LookupError("after the last byte")


def raises_after_some(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "10")])
    yield BODY[:5]
    raise LookupError("in the middle")


def raises_unframed(environ, start_response):
    start_response("200 OK", TEXT)
    yield BODY
    raise LookupError("in the middle")


def _written(status, *headers):
    def application(environ, start_response):
        write = start_response(status, [*headers])
        write(BODY[:4])
        write(b"")
        write(BODY[4:])
        return []

    return application


written = _written("200 OK", *TEXT)
written_declared = _written("200 OK", *TEXT, ("Content-Length", "10"))
no_content_written = _written("204 No Content")
not_modified_written = _written("304 Not Modified", ("Content-Length", "10"))


def endless_declared(environ, start_response):
    """Goes on until it is told to stop; says so then."""
    track = of(environ)
    start_response("200 OK", [*TEXT, ("Content-Length", "10")])
    try:
        while True:
            yield b"012"
    finally:
        track.note("stopped")
