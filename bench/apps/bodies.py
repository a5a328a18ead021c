"""Large bodies: one response of 1 MiB, an upload that is read, a response in parts, any size."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

BIG = b"x" * 2**20
BIG_HEADERS = [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(BIG)))]
PART = b"y" * 2**14
PARTS = 64


def big(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers with 1 MiB in one piece."""
    start_response("200 OK", BIG_HEADERS)
    return [BIG]


def upload(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Reads the whole body as frameworks do, and answers with its length."""
    length = 0
    source = environ["wsgi.input"]
    left = int(environ.get("CONTENT_LENGTH") or 0)
    while left and (part := source.read(min(left, 2**16))):
        length += len(part)
        left -= len(part)
    answer = str(length).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]


def stream(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    """Answers with 1 MiB in 64 parts, its length not told."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    for _ in range(PARTS):
        yield PART


def any_size(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers with new bytes, as many as the query says, or with the length of what was sent.

    The body is read in one piece, as Django's request.body does.
    """
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    answer = str(len(body)).encode() if body else bytes(int(environ["QUERY_STRING"] or 1))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]
