"""What an application may return: PEP 3333, "Specification Details" and "Handling the
Content-Length Header", "Optional Platform-Specific File Handling".
"""

import pytest
from wsgi_site import Site

from harness import ResponseCut

TEXT = "one two three"


@pytest.mark.parametrize(
    "kind",
    ["list", "tuple", "generator", "expression", "map", "set-of-one", "dict-keys", "bytes-io",
     "with-length", "with-length-one", "get-item", "empty-between", "empty-between-generated"],
)  # fmt: skip
def test_any_iterable_of_bytes_serves(site: Site, kind: str) -> None:
    response = site.get("iterables.made", f"/?{kind}")
    assert (response.status, response.text) == (200, TEXT)


@pytest.mark.plain_only("the validator wants exactly bytes")
def test_bytes_of_a_subclass_serve(site: Site) -> None:
    assert site.get("iterables.made", "/?bytes-subclass").text == TEXT


def test_list_of_a_subclass_is_iterated_in_its_own_way(site: Site) -> None:
    assert site.get("iterables.made", "/?own-list").text == "what iteration gives"


@pytest.mark.plain_only("the validator hides what it wraps")
@pytest.mark.parametrize("kind", ["list", "tuple", "empty-between", "empty-list", "empty-bytes"])
def test_length_of_a_sequence_is_told(site: Site, kind: str) -> None:
    response = site.get("iterables.made", f"/?{kind}")
    assert response.header("Content-Length") == str(len(response.body))


@pytest.mark.parametrize("kind", ["generator", "map", "get-item"])
def test_unknown_length_is_chunked(site: Site, kind: str) -> None:
    assert site.get("iterables.made", f"/?{kind}").framing == "chunked"


@pytest.mark.parametrize(
    "kind",
    ["empty-list", "empty-tuple", "empty-generator", "empty-bytes", "empty-bytes-generated"],
)
def test_nothing_is_an_empty_body(site: Site, kind: str) -> None:
    with site.connect() as client:
        response = site.ask(client, "iterables.made", f"/?{kind}").response()
        assert (response.status, response.body) == (200, b"")
        assert response.header("Content-Length") == "0"
        assert site.ask(client, "iterables.made", "/?list").response().text == TEXT


@pytest.mark.parametrize(
    "kind",
    ["single-str", "list-of-str", "generated-str", "single-bytes", "bytearray", "memoryview",
     "list-of-none", "list-of-int", "none", "int"],
)  # fmt: skip
def test_anything_else_is_an_error(site: Site, kind: str) -> None:
    if site.is_validated and kind == "int":
        pytest.skip("the validator stumbles over its own clean-up")
    site.assert_refused("iterables.made", "Error", target=f"/?{kind}")


@pytest.mark.plain_only("the validator makes a list into an iterator")
def test_list_is_checked_before_anything_is_sent(site: Site) -> None:
    site.assert_refused("iterables.made", "TypeError", target="/?str-after-bytes")


@pytest.mark.parametrize("kind", ["many", "many-generated"])
def test_many_parts(site: Site, kind: str) -> None:
    body = site.get("iterables.made", f"/?{kind}").body
    assert body == b"".join(b"%d," % number for number in range(5000))


@pytest.mark.parametrize("kind", ["large", "large-generated"])
def test_large_parts(site: Site, kind: str) -> None:
    body = site.get("iterables.made", f"/?{kind}").body
    assert body == b"".join(bytes([number]) * 1_000_003 for number in range(24))


@pytest.mark.parametrize("size", [0, 1, 8190, 20_000, 12_000_000])
@pytest.mark.parametrize("block", [0, 1000, 1_000_000])
def test_file_wrapper(site: Site, size: int, block: int) -> None:
    response = site.get("iterables.wrapped", f"/?{size},{block}")
    assert response.header("X-Size") == str(len(response.body))
    if size > 100:
        assert response.body == b"0123456789" * (size // 10)


def test_file_wrapper_begins_at_the_files_position(site: Site) -> None:
    assert site.get("iterables.wrapped_from_the_middle").text == "after"


def test_file_wrapper_takes_a_file_in_memory(site: Site) -> None:
    assert site.get("iterables.wrapped_bytes_io").text == "not a real file" * 1000


def test_file_wrapper_takes_whatever_can_be_read(site: Site) -> None:
    assert site.get("iterables.wrapped_reader").text == "only read"


def test_file_is_an_iterable_too(site: Site) -> None:
    assert site.get("iterables.file_itself").text == "line one\nline two\n" * 1000


def test_wrong_part_after_the_first_byte_cuts_the_response(site: Site) -> None:
    if not site.is_validated:
        pytest.skip("a list is checked first; here it is the validator's iterator")
    with site.connect() as client, pytest.raises(ResponseCut):
        site.ask(client, "iterables.made", "/?str-after-bytes").response()
    site.server.expect_log("CORRAL-401", "AssertionError")


def test_nothing_but_close_is_looked_for(site: Site) -> None:
    """PEP 3333: the server must not use any other attributes of the iterable."""
    assert site.get("iterables.looked_at").text == TEXT
    assert site.note() == "close"
    site.get("closing.normal")  # leaves the next note
    assert site.note() == "closed"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_bytes_are_not_altered(site: Site, version: str) -> None:
    response = site.get("iterables.every_byte", version=version)
    assert response.body == b"\n\r\r\n0\r\n\r\n" + bytes(range(256)) + b"\r\n0\r\n\n"
