"""wsgi.input: PEP 3333, "Input and Error Streams"."""

import hashlib
import json
from pathlib import Path

import pytest
from wsgi_site import Site

# Around what is kept in memory, and well beyond it, where a temporary file holds the body.
SIZES = [0, 1, 8191, 65_535, 65_536, 65_537, 1_048_576, 1_500_001]
LARGE = 300_000


def make_body(size: int) -> bytes:
    return bytes(index * 7 % 251 for index in range(251)) * (size // 251) + b"x" * (size % 251)


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def call(site: Site, body: bytes, *calls: list[object]) -> list[object]:
    response = site.get(
        "body.calls", method="POST", body=body, headers={"X-Calls": json.dumps(calls)}
    )
    assert response.status == 200, response
    return json.loads(response.text)


def padding(where: str) -> str:
    """What to put before the interesting part: nothing, or so much that a file holds the body."""
    return "" if where == "memory" else "p" * LARGE


both_places = pytest.mark.parametrize("where", ["memory", "file"])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_whole_body_arrives(site: Site, size: int, framing: str) -> None:
    body = make_body(size)
    with site.connect() as client:
        if framing == "length":
            site.ask(client, "body.digest", method="POST", body=body)
        else:
            headers = {"Transfer-Encoding": "chunked"}
            site.ask(client, "body.digest", method="POST", headers=headers)
            client.send(chunked(body, 10_007))
        response = client.response()
    assert response.text == f"{size} {size} {hashlib.sha256(body).hexdigest()}"


def test_no_body_reads_as_empty(site: Site) -> None:
    with site.connect() as client:
        site.ask(client, "body.digest")
        assert client.response().text == f"0  {hashlib.sha256().hexdigest()}"


@both_places
def test_read_of_some(site: Site, where: str) -> None:
    pad = padding(where)
    skip = ["read", len(pad)]
    first, *rest = call(
        site, f"{pad}abcdef".encode(), skip, ["read", 2], ["read", 0], ["read", 3], ["read", 9],
        ["read", 9],
    )  # fmt: skip
    assert first == pad
    assert rest == ["ab", "", "cde", "f", ""]


@both_places
def test_read_of_all_by_a_negative_size(site: Site, where: str) -> None:
    pad = padding(where)
    results = call(site, f"{pad}abc".encode(), ["read", 2], ["read", -1], ["read", -1])
    assert "".join(results) == f"{pad}abc"
    assert results[2] == ""


@pytest.mark.plain_only("the validator allows read() only with a size")
@both_places
def test_read_of_all_without_a_size(site: Site, where: str) -> None:
    pad = padding(where)
    results = call(site, f"{pad}abc".encode(), ["read", 2], ["read"], ["read"], ["read", None])
    assert "".join(results[:2]) == f"{pad}abc"
    assert results[2:] == ["", ""]


@both_places
def test_readline(site: Site, where: str) -> None:
    pad = padding(where)
    results = call(site, f"{pad}a\n\nb\r\nc".encode(), *[["readline"]] * 6)
    assert results == [f"{pad}a\n", "\n", "b\r\n", "c", "", ""]


@both_places
def test_readline_with_a_size(site: Site, where: str) -> None:
    pad = padding(where)
    sizes = [3, 3, 3, 2, 1, 1, 1]
    results = call(
        site, f"{pad}abcd\nef\ng".encode(), ["read", len(pad)], *[["readline", n] for n in sizes]
    )
    assert results[1:] == ["abc", "d\n", "ef\n", "g", "", "", ""]


@both_places
def test_readline_finds_a_line_longer_than_any_block(site: Site, where: str) -> None:
    line = "l" * (30_000 if where == "memory" else LARGE) + "\n"
    assert call(site, f"{line}next".encode(), ["readline"], ["readline"]) == [line, "next"]


@both_places
def test_readlines(site: Site, where: str) -> None:
    pad = padding(where)
    results = call(site, f"{pad}\na\n\nb".encode(), ["readlines"], ["readlines"])
    assert results == [[f"{pad}\n", "a\n", "\n", "b"], []]


@both_places
def test_readlines_with_a_hint(site: Site, where: str) -> None:
    pad = padding(where)
    lines = f"{pad}\naa\nbb\ncc\n".encode()
    results = call(site, lines, ["readline"], ["readlines", 3], ["readlines", 4], ["readlines", 99])
    assert results == [f"{pad}\n", ["aa\n"], ["bb\n", "cc\n"], []]


@both_places
def test_iteration(site: Site, where: str) -> None:
    pad = padding(where)
    results = call(site, f"{pad}\na\n\nb".encode(), ["next"], ["iterate"], ["iterate"])
    assert results == [f"{pad}\n", ["a\n", "\n", "b"], []]


def test_ways_of_reading_share_one_position(site: Site) -> None:
    results = call(
        site, b"one\ntwo\nthree\nfour\nfive", ["read", 2], ["readline"], ["next"],
        ["readline", 2], ["readlines", 1], ["read", 100],
    )  # fmt: skip
    assert results == ["on", "e\n", "two\n", "th", ["ree\n"], "four\nfive"]


@pytest.mark.plain_only("the validator checks the arguments first")
def test_wrong_arguments_raise_type_errors(site: Site) -> None:
    results = call(
        site, b"abc", ["read", "1"], ["read", 1, 2], ["readline", []], ["readlines", 1.5],
        ["read", 3],
    )  # fmt: skip
    assert results == ["TypeError"] * 4 + ["abc"]


def test_sizes_beyond_any_memory_are_bounded_by_the_body(site: Site) -> None:
    assert call(site, b"abc", ["read", 1 << 62], ["read", 1 << 62]) == ["abc", ""]


@both_places
def test_stream_may_be_kept_after_its_request(site: Site, where: str) -> None:
    body = make_body(1000 if where == "memory" else LARGE)
    with site.connect() as client:
        first = site.ask(client, "body.keep", method="POST", body=body).response()
        # Another body comes on the same connection meanwhile.
        other = site.ask(client, "body.digest", method="POST", body=b"other").response()
        second = site.ask(client, "body.read_kept").response()
    assert other.text.startswith("5 5 ")
    assert first.body + second.body == body


@both_places
def test_body_that_is_not_read_does_not_disturb_the_next_request(site: Site, where: str) -> None:
    body = make_body(1000 if where == "memory" else LARGE)
    with site.connect() as client:
        for _ in range(3):
            site.ask(client, "body.ignore", method="POST", body=body)
            assert client.response().text == "not read"
        assert site.ask(client, "body.digest").response().text.startswith("0 ")


@both_places
def test_threads_may_share_a_stream(site: Site, where: str) -> None:
    size = 60_000 if where == "memory" else LARGE
    assert site.get("body.share", method="POST", body=make_body(size)).text == str(size)


def begin_body(size: int, how: str) -> tuple[dict[str, str], bytes]:
    """The framing of a body of more than `size` bytes, and what comes of it before its cut."""
    if how == "length":
        return {"Content-Length": str(size + 1)}, make_body(size)
    begun = chunked(make_body(size), 10_007).removesuffix(b"0\r\n\r\n")
    return {"Transfer-Encoding": "chunked"}, begun


def assert_not_called(site: Site) -> None:
    """With anything but what comes now."""
    assert site.get("body.noted", method="POST", body=b"whole").text == "whole"
    assert site.note() == "called with 5"


@both_places
@pytest.mark.parametrize("how", ["half_close", "close", "abort"])
@pytest.mark.parametrize(
    ("framing", "end"),
    [("length", b""), ("chunked", b"1"), ("chunked", b"1f\r\n"), ("chunked", b"1f\r\nabc"),
     ("chunked", b"3\r\nabc"), ("chunked", b"3\r\nabc\r\n"), ("chunked", b"0\r\n"),
     ("chunked", b"0\r\nX-Sum: 1\r\n")],
)  # fmt: skip
def test_body_cut_short_never_arrives(
    site: Site, framing: str, end: bytes, how: str, where: str
) -> None:
    fields, begun = begin_body(1000 if where == "memory" else LARGE, framing)
    with site.connect() as client:
        site.ask(client, "body.noted", method="POST", headers=fields).send(begun + end)
        getattr(client, how)()
        if how == "half_close":
            client.assert_closed()
    assert_not_called(site)


@both_places
@pytest.mark.parametrize(
    "end",
    [b"x\r\n", b"\r\n", b"-1\r\n", b"3\r\nabcd\r\n", b"3\nabc\r\n", b"0\r\nX Sum: 1\r\n\r\n",
     b"0\r\nContent-Length: 3\r\n\r\n"],
)  # fmt: skip
def test_malformed_body_never_arrives(site: Site, end: bytes, where: str) -> None:
    fields, begun = begin_body(1000 if where == "memory" else LARGE, "chunked")
    with site.connect() as client:
        site.ask(client, "body.noted", method="POST", headers=fields).send(begun + end)
        assert client.response().status == 400
        client.assert_closed()
    assert_not_called(site)


def test_large_bodies_leave_no_file(site: Site) -> None:
    folder = Path(site.server.environment["TMPDIR"])
    assert site.get("body.digest", method="POST", body=make_body(LARGE)).status == 200
    assert list(folder.iterdir()) == []


def test_file_of_a_body_has_no_name_while_it_is_used(site: Site) -> None:
    """Whatever becomes of the process, nothing is left."""
    folder, body = Path(site.server.environment["TMPDIR"]), make_body(LARGE)
    with site.connect() as client:
        site.ask(client, "body.held", method="POST", body=body)
        assert site.note() == "called"
        [(files, _), *_] = site.server.resources().values()
        assert any(name.startswith(str(folder)) for name in files), files
        assert list(folder.iterdir()) == []
        site.open_gate()
        assert client.response().body == body
    assert site.note() == f"called with {LARGE}"
