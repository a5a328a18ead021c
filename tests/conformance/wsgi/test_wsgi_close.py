"""close() is called exactly once whatever happens: PEP 3333, "Specification Details"."""

import pytest
from wsgi_site import Site

from harness import ResponseCut


def assert_closed_once(site: Site) -> None:
    """The object is gone after one close(): a second one cannot come any more."""
    assert (site.note(), site.note()) == ("closed", "gone")


@pytest.mark.parametrize(
    ("app", "text"), [("normal", "one two"), ("empty", ""), ("as_list", "one two")]
)
def test_after_a_whole_response(site: Site, app: str, text: str) -> None:
    assert site.get(f"closing.{app}").text == text
    assert_closed_once(site)


def test_after_a_response_to_head(site: Site) -> None:
    assert site.get("closing.normal", method="HEAD").status == 200
    assert_closed_once(site)


def test_after_a_response_without_a_body(site: Site) -> None:
    if site.is_validated:
        pytest.skip("the validator wants no Content-Type here")
    assert site.get("closing.no_content").status == 204
    assert_closed_once(site)


@pytest.mark.parametrize(
    ("app", "error"), [("raises_first", "LookupError: at once"), ("wrong_part", "Error: ")]
)
def test_after_an_error_before_the_first_byte(site: Site, app: str, error: str) -> None:
    site.assert_refused(f"closing.{app}", error)
    assert_closed_once(site)


@pytest.mark.parametrize(
    ("app", "error"),
    [("raises_later", "LookupError: in the middle"), ("exits_later", "SystemExit")],
)
def test_after_an_error_in_the_middle(site: Site, app: str, error: str) -> None:
    with site.connect() as client, pytest.raises(ResponseCut):
        site.ask(client, f"closing.{app}").response()
    assert_closed_once(site)
    site.server.expect_log("CORRAL-401", error)


def test_after_output_without_a_start(site: Site) -> None:
    site.assert_refused("closing.never_started", "AssertionError")
    assert_closed_once(site)


@pytest.mark.plain_only("the validator calls iter() itself, and loses the result when that fails")
def test_after_a_failed_iter(site: Site) -> None:
    site.assert_refused("closing.broken_iter", "OSError: iter() failed")
    assert_closed_once(site)


@pytest.mark.parametrize("app", ["too_short", "too_long"])
def test_after_a_wrong_content_length(site: Site, app: str) -> None:
    with site.connect() as client:
        site.ask(client, f"closing.{app}")
        if app == "too_short":
            with pytest.raises(ResponseCut):
                client.response()
        else:
            assert client.response().text == "onetw"
            client.assert_closed()
    assert_closed_once(site)
    site.server.expect_log("CORRAL-402")


@pytest.mark.parametrize("how", ["close", "abort"])
def test_after_the_client_has_gone(site: Site, how: str) -> None:
    client = site.connect()
    site.ask(client, "closing.endless").head()
    assert client.chunk()
    getattr(client, how)()
    assert_closed_once(site)


@pytest.mark.parametrize("error", ["raising_close", "exiting_close"])
def test_error_in_close_changes_nothing_for_the_client(site: Site, error: str) -> None:
    with site.connect() as client:
        assert site.ask(client, f"closing.{error}").response().text == "one two"
        assert site.ask(client, "closing.without_close").response().text == "one two"
    assert_closed_once(site)
    site.server.expect_log("CORRAL-403", "OSError" if error == "raising_close" else "SystemExit: 3")


def test_generator_is_finished(site: Site) -> None:
    assert site.get("closing.generator").text == "one two"
    assert site.note() == "finally"


def test_generator_is_finished_when_the_client_has_gone(site: Site) -> None:
    with site.connect() as client:
        site.ask(client, "closing.endless_generator").head()
        assert client.chunk()
    assert site.note() == "finally"


def test_wrapped_file_is_closed(site: Site) -> None:
    assert len(site.get("closing.wrapped_file").body) == 100_000
    assert_closed_once(site)


def test_wrapped_file_is_closed_when_the_client_has_gone(site: Site) -> None:
    with site.connect() as client:
        site.ask(client, "closing.endless_file").head()
        assert client.chunk()
    assert_closed_once(site)


def test_response_does_not_wait_for_close(site: Site) -> None:
    with site.connect() as client:
        assert site.ask(client, "closing.close_waits").response().text == "one two"
    site.open_gate()
    assert_closed_once(site)
