import json
import sys
import traceback

from apps.track import TEXT, of


def given(environ, start_response):
    """Starts with the status and headers of X-Start: [status, [[name, value], ...]]."""
    status, headers = json.loads(environ["HTTP_X_START"])
    try:
        start_response(status, [tuple(pair) for pair in headers])
    except Exception as error:
        # A refused head leaves nothing behind: the application may start anew.
        start_response("200 OK", [*TEXT, ("X-Raised", type(error).__name__)])
    return [b"body"]


WRONG = {
    "status-bytes": (b"200 OK", TEXT),
    "status-int": (200, TEXT),
    "status-none": (None, TEXT),
    "headers-tuple": ("200 OK", tuple(TEXT)),
    "headers-dict": ("200 OK", dict(TEXT)),
    "headers-none": ("200 OK", None),
    "pair-list": ("200 OK", [["Content-Type", "text/plain"]]),
    "pair-of-three": ("200 OK", [("Content-Type", "text/plain", "more")]),
    "pair-str": ("200 OK", ["AB"]),
    "name-bytes": ("200 OK", [*TEXT, (b"X-Name", "value")]),
    "value-bytes": ("200 OK", [*TEXT, ("X-Name", b"value")]),
    "value-int": ("200 OK", [*TEXT, ("X-Name", 1)]),
    "value-none": ("200 OK", [*TEXT, ("X-Name", None)]),
    "no-headers": ("200 OK",),
    "nothing": (),
    "four": ("200 OK", TEXT, None, None),
    "exc-info-exception": ("200 OK", TEXT, ValueError("not a tuple")),
    "exc-info-short": ("200 OK", TEXT, (ValueError, ValueError())),
}


def wrong(environ, start_response):
    """Calls it in a wrong way; says what it raised."""
    raised = "nothing"
    try:
        start_response(*WRONG[environ["QUERY_STRING"]])
    except Exception as error:
        raised = type(error).__name__
    start_response("200 OK", TEXT, (None, None, None) if raised == "nothing" else None)
    return [raised.encode()]


def twice(environ, start_response):
    """A second call without exc_info must raise, and change nothing."""
    start_response("200 OK", [*TEXT, ("X-Call", "first")])
    try:
        start_response("201 Created", [*TEXT, ("X-Call", "second")])
    except AssertionError as error:
        return [type(error).__name__.encode()]
    return [b"nothing raised"]


def replaced(environ, start_response):
    """An error before the first byte replaces status and headers."""
    start_response("200 OK", [*TEXT, ("X-Old", "yes"), ("Content-Length", "1000")])
    try:
        raise LookupError("found nothing")
    except LookupError:
        start_response("404 Not Found", [*TEXT, ("X-New", "yes")], sys.exc_info())
    return [b"the error page"]


def replaced_in_generator(environ, start_response):
    """As above, after empty output, which must not send the head."""
    start_response("200 OK", [*TEXT, ("X-Old", "yes")])
    yield b""
    try:
        raise LookupError("found nothing")
    except LookupError:
        start_response("404 Not Found", [*TEXT, ("X-New", "yes")], sys.exc_info())
    yield b"the error page"


def too_late(environ, start_response):
    """After the first byte exc_info is raised again, as it was."""
    track = of(environ)
    start_response("200 OK", TEXT)
    yield b"begun"
    error = LookupError("found nothing")
    try:
        raise error
    except LookupError:
        try:
            start_response("500 Internal Server Error", TEXT, sys.exc_info())
            track.note("nothing raised")
        except LookupError as again:
            track.note("the same" if again is error else "another")
            raise


def keyword(environ, start_response):
    start_response("200 OK", TEXT)
    try:
        raise LookupError
    except LookupError:
        start_response("404 Not Found", TEXT, exc_info=sys.exc_info())
    return [b""]


def exc_info_none(environ, start_response):
    """A third argument of None is the same as none."""
    start_response("200 OK", TEXT, None)
    try:
        start_response("201 Created", TEXT, None)
    except AssertionError:
        return [b"raised"]
    return [b"nothing raised"]


def never_list(environ, start_response):
    return [b"body"]


def never_generator(environ, start_response):
    yield b"body"


def never_empty(environ, start_response):
    return []


def in_generator(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"started by the first next()"


class InIterator:
    """Starts in its first __next__, and gives nothing before."""

    def __init__(self, start_response):
        self.start_response = start_response
        self.parts = [b"one ", b"two"]

    def __iter__(self):
        return self

    def __next__(self):
        if self.start_response:
            self.start_response("201 Created", TEXT)
            self.start_response = None
        if not self.parts:
            raise StopIteration
        return self.parts.pop(0)


def in_iterator(environ, start_response):
    return InIterator(start_response)


_kept = {}


def keep(environ, start_response):
    write = start_response("200 OK", TEXT)
    _kept[environ["HTTP_X_TRACK"]] = (start_response, write)
    return [b"kept"]


def use_kept(environ, start_response):
    """Calls what belonged to a request that is over."""
    kept_start, kept_write = _kept.pop(environ["HTTP_X_TRACK"])
    raised = []
    for call in (
        lambda: kept_start("200 OK", TEXT),
        lambda: kept_start("200 OK", TEXT, (ValueError, ValueError(), None)),
        lambda: kept_write(b"stray"),
    ):
        try:
            call()
            raised.append("nothing")
        except Exception as error:
            raised.append(type(error).__name__)
    start_response("200 OK", TEXT)
    return [" ".join(raised).encode()]


def returns_write(environ, start_response):
    write = start_response("200 OK", TEXT)
    return [str(callable(write)).encode()]


def mutated(environ, start_response):
    """What happens to the list afterwards is the application's own business."""
    headers = [*TEXT, ("X-Name", "before")]
    start_response("200 OK", headers)
    headers.clear()
    return [b"body"]


class Noting(Exception):
    """Leaves a note when it is gone."""

    def __init__(self, track):
        super().__init__("found nothing")
        self.track = track

    def __del__(self):
        self.track.note("gone")


def forgets_the_error(environ, start_response):
    """The frame that the error comes from is its traceback's; nothing else may hold either."""
    start_response("200 OK", TEXT)
    try:
        raise Noting(of(environ))
    except Noting:
        start_response("404 Not Found", TEXT, sys.exc_info())
    return [b"the error page"]


def raised_again(environ, start_response):
    """With the traceback that was given, too."""
    start_response("200 OK", TEXT)
    yield b"begun"
    try:
        raise LookupError("found nothing")
    except LookupError:
        given = sys.exc_info()
        try:
            start_response("500 Internal Server Error", TEXT, given)
        except LookupError as again:
            lines = traceback.extract_tb(again.__traceback__)
            assert any(line.line == 'raise LookupError("found nothing")' for line in lines)
            del given
            yield b" and raised again"


def begins_with_an_error(environ, start_response):
    """The first call of all has exc_info: there is nothing to replace."""
    try:
        raise LookupError("found nothing")
    except LookupError:
        start_response("404 Not Found", TEXT, sys.exc_info())
    return [b"the error page"]


def replaced_twice(environ, start_response):
    """Each error replaces the one before, as long as nothing is sent; then no other may."""
    start_response("200 OK", [*TEXT, ("X-First", "yes")])
    for status in ("404 Not Found", "410 Gone"):
        try:
            raise LookupError(status)
        except LookupError:
            start_response(status, [*TEXT, ("X-Status", status)], sys.exc_info())
    try:
        start_response("200 OK", TEXT)
    except AssertionError:
        yield b"the last one"
