"""The write() callable: PEP 3333, "The write() Callable"."""

import pytest
from wsgi_site import Site

from harness import ResponseCut


def test_written_parts_come_before_the_returned_ones(site: Site) -> None:
    assert site.get("write.before_parts").text == "one two three four"


def test_writing_may_be_all_there_is(site: Site) -> None:
    assert site.get("write.alone").text == "only written"


def test_writing_inside_a_generator_keeps_the_order(site: Site) -> None:
    assert site.get("write.inside_generator").text == "one two three"


def test_empty_bytes_end_nothing(site: Site) -> None:
    assert site.get("write.empty").text == "one two"


def test_only_bytes_can_be_written(site: Site) -> None:
    error = "AssertionError" if site.is_validated else "TypeError"
    assert site.get("write.no_bytes").text == " ".join([error] * 4)


def test_written_parts_count_for_the_content_length(site: Site) -> None:
    response = site.get("write.declared")
    assert (response.header("Content-Length"), response.text) == ("9", "one three")


def test_nothing_beyond_the_content_length_is_sent(site: Site) -> None:
    with site.connect() as client:
        response = site.ask(client, "write.too_much").response()
        assert response.text == "one t"
        client.assert_closed()
    site.server.expect_log("CORRAL-402", "more than its Content-Length")


def test_what_is_written_arrives_before_the_application_goes_on(site: Site) -> None:
    with site.connect() as client:
        site.ask(client, "write.streams")
        client.head()
        for part in (b"one", b"two"):
            assert client.chunk() == part
            site.open_gate()
        assert (client.chunk(), client.chunk()) == (b"three", b"")


def test_error_after_a_write_cuts_the_response(site: Site) -> None:
    with site.connect() as client:
        site.ask(client, "write.then_raises")
        with pytest.raises(ResponseCut):
            client.response()
    site.server.expect_log("CORRAL-401", "RuntimeError: after a write")


def test_more_than_a_socket_takes_is_written_completely(site: Site) -> None:
    body = site.get("write.large").body
    assert body == b"".join(bytes([number]) * (1 << 18) for number in range(64))
