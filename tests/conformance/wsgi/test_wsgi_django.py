"""What Django makes of a request and what is made of its responses."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Corral

KINDS = [(isolation, app) for isolation in ("interpreter", "process")
         for app in ("application", "validated")]  # fmt: skip


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def django(request: pytest.FixtureRequest) -> Iterator[Corral]:
    isolation, app = request.param
    with Corral(f"django_site:{app}", Path(__file__).parent, isolation=isolation) as server:
        yield server


def content(size: int) -> bytes:
    period = bytes(range(251))
    return period * (size // 251) + period[: size % 251]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def post(server: Corral, target: str, body: bytes, framing: str, kind: str) -> Any:
    """Sends a body in one of its framings; what Django says of it."""
    headers = {"Content-Type": kind}
    with server.connect() as client:
        if framing == "length":
            client.request(target, method="POST", headers=headers, body=body)
        else:
            headers["Transfer-Encoding"] = "chunked"
            client.request(target, method="POST", headers=headers)
            for at in range(0, len(body), 9999):
                part = body[at : at + 9999]
                client.send(b"%x\r\n%s\r\n" % (len(part), part))
            client.send(b"0\r\n\r\n")
        response = client.response()
        assert response.status == 200, response.text
        assert client.request("/page").response().status == 200
        return json.loads(response.text)


both_framings = pytest.mark.parametrize("framing", ["length", "chunked"])


@both_framings
@pytest.mark.parametrize("size", [0, 5, 100_000, 2_000_000])
def test_body(django: Corral, framing: str, size: int) -> None:
    """Django reads no more than CONTENT_LENGTH says, and nothing without one."""
    seen = post(django, "/body", content(size), framing, "application/octet-stream")
    assert seen == {"size": size, "sha": sha(content(size))}


@both_framings
def test_form(django: Corral, framing: str) -> None:
    kind = "application/x-www-form-urlencoded"
    seen = post(django, "/form", b"name=J%C3%BCrgen&note=a+b", framing, kind)
    assert seen == {"fields": {"name": "Jürgen", "note": "a b"}, "files": {}}


@both_framings
@pytest.mark.parametrize("size", [10, 200_000, 4_000_000])
def test_uploaded_file(django: Corral, framing: str, size: int) -> None:
    disposition = b"\r\nContent-Disposition: form-data; "
    parts = [
        disposition + b'name="note"\r\n\r\nhello\r\n',
        disposition + b'name="it"; filename="it.bin"\r\n\r\n' + content(size) + b"\r\n",
    ]
    body = b"--edge" + b"--edge".join(parts) + b"--edge--\r\n"
    seen = post(django, "/form", body, framing, "multipart/form-data; boundary=edge")
    assert seen == {"fields": {"note": "hello"}, "files": {"it": sha(content(size))}}


def test_url_cookies_and_headers(django: Corral) -> None:
    with django.connect() as client:
        client.send("GET /told?a=%20 HTTP/1.1\r\nHost: example.org:81\r\nCookie: a=1\r\n"
                    "X-Some: 1\r\nCookie: b=2; c=3\r\nx-some: 2\r\n\r\n")  # fmt: skip
        seen = json.loads(client.response().text)
    assert seen["url"] == "http://example.org:81/told?a=%20"
    assert seen["cookies"] == {"a": "1", "b": "2", "c": "3"}
    assert seen["headers"]["X-Some"] == "1,2"


@pytest.mark.parametrize("kind", ["disk", "memory"])
@pytest.mark.parametrize(
    ("size", "start"), [(10, 0), (10, 4), (300_000, 0), (300_000, 100_001), (9_000_000, 7)]
)
def test_file_response(django: Corral, kind: str, size: int, start: int) -> None:
    target, rest = f"/file/{kind}/{size}/{start}", content(size)[start:]
    with django.connect() as client:
        for method, body in [("GET", rest), ("HEAD", b""), ("GET", rest)]:
            response = client.request(target, method=method).response(method)
            assert (response.header("Content-Length"), response.body) == (str(len(rest)), body)


def test_not_modified(django: Corral) -> None:
    with django.connect() as client:
        page = client.request("/page").response()
        etag = {"If-None-Match": page.header("ETag") or ""}
        for _ in range(2):
            response = client.request("/page", headers=etag).response()
            assert (response.status, response.framing, response.body) == (304, "none", b"")
            assert response.header("ETag") == page.header("ETag")
        assert client.request("/page").response().body == page.body == content(20_000)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_streamed_response(django: Corral, version: str) -> None:
    with django.connect() as client:
        head = client.request("/stream", method="HEAD").response("HEAD")
        assert (head.status, head.all("Content-Length")) == (200, [])
        response = client.request("/stream", version=version).response()
        assert response.body == content(1) + content(100_000) + content(7)
        assert response.framing == ("chunked" if version == "1.1" else "close")
