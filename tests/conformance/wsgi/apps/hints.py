import threading

from apps.track import TEXT, of

LINKS = [("Link", "</style.css>; rel=preload; as=style"), ("Link", "</app.js>; rel=preload")]


def answer(start_response, text="done"):
    start_response("200 OK", TEXT)
    return [text.encode()]


def before_all(environ, start_response):
    """The hints are there while the application still works."""
    environ["wsgi.early_hints"](LINKS)
    of(environ).wait_for_gate()
    return answer(start_response)


def twice(environ, start_response):
    environ["wsgi.early_hints"](LINKS[:1])
    body = answer(start_response)
    environ["wsgi.early_hints"](LINKS[1:])
    return body


def refusals(environ, start_response):
    """Names the error of each list that is refused."""
    bad = [
        [("Link", "a\r\nSet-Cookie: b")], [("Li nk", "a")], [("Link:", "a")], [("Link", "a\0")],
        [("Link", "\u20ac")], [("Link", b"a")], [["Link", "a"]], (("Link", "a"),), None,
        [("Content-Length", "3")], [("Transfer-Encoding", "chunked")], [("Connection", "close")],
    ]  # fmt: skip
    return answer(start_response, " ".join(error_of(environ, headers) for headers in bad))


def error_of(environ, headers):
    try:
        environ["wsgi.early_hints"](headers)
    except Exception as error:
        return type(error).__name__
    return "-"


def too_late(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"begun "
    yield error_of(environ, LINKS).encode()


def too_late_after_write(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"begun ")
    write(error_of(environ, LINKS).encode())
    return []


def while_closing(environ, start_response):
    track = of(environ)

    class Body:
        def __iter__(self):
            return iter([b"done"])

        def close(self):
            track.note(error_of(environ, LINKS))

    start_response("200 OK", TEXT)
    return Body()


def while_closing_after_failure(environ, start_response):
    track = of(environ)

    class Body:
        def __iter__(self):
            raise LookupError("before the response")

        def close(self):
            track.note(error_of(environ, LINKS))

    start_response("200 OK", TEXT)
    return Body()


def from_another_thread(environ, start_response):
    errors = []
    thread = threading.Thread(target=lambda: errors.append(error_of(environ, LINKS)))
    thread.start()
    thread.join()
    return answer(start_response, errors[0])
