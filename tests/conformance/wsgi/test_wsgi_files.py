"""wsgi.file_wrapper: PEP 3333, "Optional Platform-Specific File Handling". Whatever is done to send
a file faster, the client gets what iterating over it would give.
"""

import pytest
from wsgi_site import Site

from harness import ResponseCut

# Read and sent with the head; sent by the kernel; more than a socket takes.
SIZES = [1, 65_536, 65_537, 1_000_000, 12_000_000]
hidden = pytest.mark.plain_only("the validator hides what it wraps")


def content(size: int) -> bytes:
    period = bytes(range(251))
    return period * (size // 251) + period[: size % 251]


@pytest.mark.parametrize("size", [0, *SIZES])
def test_whole_file_arrives(site: Site, size: int) -> None:
    with site.connect() as client:
        for _ in range(2):
            assert site.ask(client, "files.whole", f"/?{size}").response().body == content(size)


@hidden
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_length_of_a_file_is_told(site: Site, size: int, version: str) -> None:
    response = site.get("files.whole", f"/?{size}", version=version)
    assert response.header("Content-Length") == str(size)
    assert response.body == content(size)


@pytest.mark.parametrize("size", SIZES)
def test_head_request_gets_no_file(site: Site, size: int) -> None:
    with site.connect() as client:
        head = site.ask(client, "files.whole", f"/?{size}", method="HEAD").response("HEAD")
        assert head.header("Content-Length") in (None, str(size))
        assert site.ask(client, "files.whole", "/?1").response().body == content(1)


@pytest.mark.parametrize(("size", "start"), [(100, 10), (300_000, 5), (300_000, 100_001)])
def test_file_begins_where_it_was_read_to(site: Site, size: int, start: int) -> None:
    """Also when more has been buffered: the descriptor then stands elsewhere."""
    body = site.get("files.from_the_middle", f"/?{size},{start}").body
    assert body == content(size)[start:]


@hidden
@pytest.mark.parametrize(
    ("size", "length"),
    [(10, 0), (10, 4), (300_000, 0), (300_000, 5), (300_000, 100_000), (300_000, 299_999)],
)
def test_shorter_content_length_is_a_range_of_the_file(site: Site, size: int, length: int) -> None:
    with site.connect() as client:
        for _ in range(2):
            response = site.ask(client, "files.declared", f"/?{size},{length}").response()
            assert response.body == content(size)[:length]


@hidden
def test_shorter_content_length_is_a_range_of_any_file(site: Site) -> None:
    with site.connect() as client:
        for _ in range(2):
            body = site.ask(client, "files.memory_range").response().body
            assert body == content(1_000_000)[10:200_010]


@pytest.mark.parametrize(("size", "length"), [(10, 11), (300_000, 300_001)])
def test_longer_content_length_cuts_the_connection(site: Site, size: int, length: int) -> None:
    with site.connect() as client, pytest.raises(ResponseCut):
        site.ask(client, "files.declared", f"/?{size},{length}").response()
    record = site.server.expect_log("CORRAL-402", "less than its Content-Length")
    assert record["content_length"] == length


@pytest.mark.parametrize("size", [10, 200_000])
@pytest.mark.parametrize("kind", ["unbuffered", "named", "proxy", "proxy-of-named", "spooled"])
def test_file_may_be_wrapped(site: Site, kind: str, size: int) -> None:
    assert site.get("files.kind", f"/?{kind},{size}").body == content(size)


@pytest.mark.parametrize("size", [10, 200_000])
def test_file_that_unpacks_is_not_sent_packed(site: Site, size: int) -> None:
    assert site.get("files.kind", f"/?gzip,{size}").body == content(size)


@pytest.mark.parametrize("size", [10, 200_000])
@pytest.mark.parametrize("kind", ["upper", "flipped"])
def test_object_that_only_looks_like_a_file_is_read(site: Site, kind: str, size: int) -> None:
    """It has the descriptor of a file; it may even be a FileIO."""
    body = site.get("files.kind", f"/?{kind},{size}").body
    assert body == bytes(byte ^ 1 for byte in content(size))


def test_pipe_is_read(site: Site) -> None:
    assert site.get("files.kind", "/?pipe,10000").body == content(10_000)


def test_file_that_does_not_know_its_size_is_read(site: Site) -> None:
    assert "VmRSS" in site.get("files.proc").text


def test_text_file_is_an_error(site: Site) -> None:
    site.assert_refused("files.text", "Error")


def test_closed_file_is_an_error(site: Site) -> None:
    site.assert_refused("files.closed", "ValueError")


@pytest.mark.parametrize("size", [100, 1_000_000])
def test_file_is_closed_once(site: Site, size: int) -> None:
    assert site.get("files.noting", f"/?{size}").body == content(size)[10:]
    assert site.note().startswith("closed at ")


@hidden
def test_large_file_is_not_read(site: Site) -> None:
    assert site.get("files.noting", "/?1000000").body == content(1_000_000)[10:]
    assert site.note() == "closed at 10"


def test_file_follows_what_was_written(site: Site) -> None:
    assert site.get("files.after_write").body == b"before " + content(100_000)


@hidden
def test_slow_client_gets_a_file_that_is_closed_already(site: Site) -> None:
    """The rest is the poller's business; the application's thread goes on and closes the file."""
    with site.server.connect(receive_buffer=4096) as slow:
        site.ask(slow, "files.noting", "/?20000000")
        assert site.note() == "closed at 10"
        assert slow.response().body == content(20_000_000)[10:]
        assert site.ask(slow, "files.whole", "/?5").response().body == content(5)


@hidden
@pytest.mark.parametrize("how", ["close", "abort"])
def test_client_may_vanish_inside_a_file(site: Site, how: str) -> None:
    slow = site.server.connect(receive_buffer=4096)
    site.ask(slow, "files.noting", "/?20000000").head()
    assert site.note() == "closed at 10"
    getattr(slow, how)()


@hidden
def test_file_that_becomes_shorter_cuts_the_response(site: Site) -> None:
    with site.server.connect(receive_buffer=4096) as slow:
        site.ask(slow, "files.truncated")
        assert site.note() == "handed over"
        site.open_gate()
        assert site.note() == "truncated"
        with pytest.raises(ResponseCut):
            slow.response()
    site.server.expect_log("CORRAL-304", "shorter")


@hidden
@pytest.mark.parametrize(
    ("size", "start", "length"),
    [(100, 0, 40), (100, 10, 40), (300_000, 0, 5), (300_000, 7, 200_000), (300_000, 150_001, 99)],
)
@pytest.mark.parametrize(
    "kind",
    ["unbuffered", "named", "proxy", "proxy-of-named", "spooled", "gzip", "upper", "flipped"],
)
def test_range_of_whatever_is_wrapped(
    site: Site, kind: str, size: int, start: int, length: int
) -> None:
    """From where it stands, as much as Content-Length says; with a descriptor or without."""
    part = content(size)[start : start + length]
    if kind in ("upper", "flipped"):
        part = bytes(byte ^ 1 for byte in part)
    target = f"/?{kind},{size},{start},{length}"
    with site.connect() as client:
        for method, body in [("GET", part), ("HEAD", b""), ("GET", part)]:
            site.ask(client, "files.part_of_kind", target, method=method)
            response = client.response(method)
            assert (response.header("Content-Length"), response.body) == (str(length), body)


@hidden
def test_range_of_a_pipe(site: Site) -> None:
    response = site.get("files.part_of_kind", "/?pipe,10000,10,5000")
    assert response.body == content(10_000)[10:5010]


@pytest.mark.parametrize("size", [100, 300_000])
def test_file_begins_where_it_stands_when_it_is_returned(site: Site, size: int) -> None:
    assert site.get("files.moved_after_wrapping", f"/?{size}").body == content(size)[7:]


@pytest.mark.parametrize("size", [100, 300_000])
def test_application_may_take_the_first_block(site: Site, size: int) -> None:
    assert site.get("files.begun_by_the_application", f"/?{size}").body == content(size)[5:]


@pytest.mark.parametrize("size", [100, 300_000])
@pytest.mark.parametrize("app", ["read_by_the_application", "inside_another"])
def test_wrapper_need_not_be_returned(site: Site, app: str, size: int) -> None:
    body = site.get(f"files.{app}", f"/?{size}").body
    assert body == bytes(byte ^ 1 for byte in content(size))


@pytest.mark.parametrize("status", ["204_No_Content", "304_Not_Modified"])
def test_file_is_not_sent_where_no_body_may_be(site: Site, status: str) -> None:
    with site.connect() as client:
        response = site.ask(client, "files.without_body", f"/?{status}").response()
        assert f"{response.status}_{response.reason.replace(' ', '_')}" == status
        assert site.ask(client, "files.whole", "/?5").response().body == content(5)
    assert site.note() == "closed"


def test_wrapping_a_file_sends_nothing(site: Site) -> None:
    response = site.get("files.replaced")
    assert (response.status, response.text) == (404, "no file")


def test_file_does_not_make_right_what_was_written(site: Site) -> None:
    with site.connect() as client:
        assert site.ask(client, "files.after_too_much").response().body == content(10)
        client.assert_closed()
    site.server.expect_log("CORRAL-402", "more than its Content-Length")
