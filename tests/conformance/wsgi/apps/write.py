from apps.track import TEXT, of


def before_parts(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"one ")
    write(b"two ")
    return [b"three ", b"four"]


def alone(environ, start_response):
    start_response("200 OK", TEXT)(b"only written")
    return []


def inside_generator(environ, start_response):
    write = start_response("200 OK", TEXT)
    yield b"one "
    write(b"two ")
    yield b"three"


def empty(environ, start_response):
    """Empty bytes must not end a chunked body."""
    write = start_response("200 OK", TEXT)
    for part in (b"", b"one ", b"", b"two", b""):
        write(part)
    return [b""]


def no_bytes(environ, start_response):
    """Each must raise; then the response goes on."""
    write = start_response("200 OK", TEXT)
    raised = []
    for part in ("text", None, 1, [b"list"]):
        try:
            write(part)
            raised.append("nothing")
        except Exception as error:
            raised.append(type(error).__name__)
    return [" ".join(raised).encode()]


def declared(environ, start_response):
    write = start_response("200 OK", [*TEXT, ("Content-Length", "9")])
    write(b"one ")
    return [b"three"]


def too_much(environ, start_response):
    write = start_response("200 OK", [*TEXT, ("Content-Length", "5")])
    write(b"one ")
    write(b"three")
    write(b"four")
    return []


def streams(environ, start_response):
    """What is written is on its way before write() returns."""
    track = of(environ)
    write = start_response("200 OK", TEXT)
    for part in (b"one", b"two"):
        write(part)
        track.wait_for_gate()
    return [b"three"]


def then_raises(environ, start_response):
    start_response("200 OK", TEXT)(b"begun")
    raise RuntimeError("after a write")


def large(environ, start_response):
    """More than a socket takes at once."""
    write = start_response("200 OK", TEXT)
    for number in range(64):
        write(bytes([number]) * (1 << 18))
    return []
