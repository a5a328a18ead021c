"""What the crowd asks for: a few plain WSGI applications that every server can serve."""

PERIOD = bytes(range(251))


def hello(environ):
    return [b"hello"]


def count(environ):
    """How long the body was."""
    body = environ["wsgi.input"]
    size = 0
    while part := body.read(65_536):
        size += len(part)
    return [b"%d" % size]


def size(environ):
    """So many bytes at once."""
    wanted = int(environ["QUERY_STRING"])
    return [(PERIOD * (wanted // len(PERIOD) + 1))[:wanted]]


def stream(environ):
    """So many bytes in parts."""
    left = int(environ["QUERY_STRING"])
    while left > 0:
        yield b"x" * min(left, 65_536)
        left -= 65_536


def endless(environ):
    while True:
        yield b"x" * 65_536


PATHS = {"/hello": hello, "/count": count, "/size": size, "/stream": stream, "/endless": endless}


def application(environ, start_response):
    found = PATHS.get(environ["PATH_INFO"])
    if found is None:
        start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "8")])
        return [b"not here"]
    body = found(environ)
    headers = [("Content-Type", "text/plain")]
    if isinstance(body, list):
        headers.append(("Content-Length", str(len(body[0]))))
    start_response("200 OK", headers)
    return body
