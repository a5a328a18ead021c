"""Content-Length, chunks, the end of the connection: PEP 3333, "Handling the Content-Length
Header", "HTTP 1.1 Expect/Continue" apart; RFC 9112 section 6, RFC 9110 sections 9.3.2 and 15.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from wsgi_site import Site

from harness import ResponseCut

BODY = b"0123456789"


@pytest.mark.parametrize("app", ["declared", "declared_list"])
def test_declared_length_is_told(site: Site, app: str) -> None:
    response = site.get(f"framing.{app}")
    assert (response.all("Content-Length"), response.body) == (["10"], BODY)


@pytest.mark.parametrize(
    "app",
    ["as_list", "generated", "declared", "declared_list", "written", "written_declared"],
)
def test_head_has_the_headers_of_get_and_no_body(site: Site, app: str) -> None:
    with site.connect() as client:
        head = site.ask(client, f"framing.{app}", method="HEAD").response("HEAD")
        get = site.ask(client, f"framing.{app}").response()
    assert (head.status, get.body) == (200, BODY)
    # A head need not tell how long the body would be, but must not tell anything else.
    assert head.header("Content-Length") in (get.header("Content-Length"), None)
    assert head.header("Content-Type") == get.header("Content-Type")
    if "declared" in app:
        assert head.header("Content-Length") == "10"


def test_head_may_declare_a_length_without_making_the_body(site: Site) -> None:
    with site.connect() as client:
        head = site.ask(client, "framing.head_declared", method="HEAD").response("HEAD")
        assert head.header("Content-Length") == "12345"
        assert site.ask(client, "framing.as_list").response().body == BODY


def test_head_without_a_body_does_not_tell_it_would_be_empty(site: Site) -> None:
    response = site.get("framing.empty", method="HEAD")
    assert response.header("Content-Length") in (None, "0")
    assert response.body == b""


@pytest.mark.parametrize(
    "app",
    ["no_content", "no_content_body", "no_content_generated", "no_content_length", "not_modified",
     "not_modified_body", "not_modified_counted", "no_content_written", "not_modified_written"],
)  # fmt: skip
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_some_statuses_have_no_body(site: Site, app: str, version: str, method: str) -> None:
    """Of its size only a 304 may speak: it is the 200's, as the application says (RFC 9110 8.6)."""
    request = {"version": version, "method": method, "headers": {"Connection": "keep-alive"}}
    with site.connect() as client:
        response = site.ask(client, f"framing.{app}", **request).response(method)
        assert response.status in (204, 304)
        assert response.all("Transfer-Encoding") == []
        is_told = app in ("not_modified_body", "not_modified_written")
        assert response.header("Content-Length") == ("10" if is_told else None)
        assert site.ask(client, "framing.as_list").response().body == BODY


@pytest.mark.parametrize("app", ["short_list", "short_generated", "short_empty"])
def test_less_than_declared_cuts_the_connection(site: Site, app: str) -> None:
    with site.connect() as client, pytest.raises(ResponseCut):
        site.ask(client, f"framing.{app}").response()
    record = site.server.expect_log("CORRAL-402", "less than its Content-Length")
    assert record["content_length"] == 10


@pytest.mark.parametrize("app", ["short_list", "short_generated", "long_list", "long_generated"])
def test_head_is_not_held_to_a_length(site: Site, app: str) -> None:
    """What is not sent can be neither too much nor too little."""
    with site.connect() as client:
        head = site.ask(client, f"framing.{app}", method="HEAD").response("HEAD")
        assert head.all("Content-Length") == ["10"]
        assert site.ask(client, "framing.as_list").response().body == BODY


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize(
    "app", ["short_list", "short_generated", "short_empty", "long_list", "long_generated"]
)
def test_request_behind_a_wrong_length_is_not_answered(site: Site, app: str, version: str) -> None:
    """Whatever followed could be taken for the rest of this body, or this body's rest for it."""
    request = {"version": version, "headers": {"Connection": "keep-alive"}}
    with site.connect() as client:
        for name in (app, "as_list", "as_list"):
            site.ask(client, f"framing.{name}", **request)
        head = client.head()
        body = client.rest()
    assert head.all("Content-Length") == ["10"]
    assert body == {"short_list": b"0123", "short_generated": b"0123", "short_empty": b"",
                    "long_list": b"0123012345", "long_generated": BODY}[app]  # fmt: skip
    site.server.expect_log("CORRAL-402")


def test_nothing_is_asked_for_beyond_the_declared_length(site: Site) -> None:
    with site.connect() as client:
        assert site.ask(client, "framing.endless_declared").response().body == b"0120120120"
        client.assert_closed()
    assert site.note() == "stopped"
    site.server.expect_log("CORRAL-402", "more than its Content-Length")


@pytest.mark.parametrize("app", ["as_list", "generated", "empty", "no_content", "not_modified"])
def test_date_is_added(site: Site, app: str) -> None:
    """Headers that HTTP requires and an application leaves out are the server's."""
    response = site.get(f"framing.{app}")
    date = parsedate_to_datetime(response.header("Date") or "")
    assert abs(datetime.now(UTC) - date) < timedelta(minutes=1)
    assert response.all("Server") == ["corral"]


@pytest.mark.parametrize(
    ("app", "framing"),
    [("declared", ["Content-Length"]), ("generated", ["Transfer-Encoding"]), ("no_content", [])],
)
def test_nothing_else_is_added(site: Site, app: str, framing: list[str]) -> None:
    """What a body is, how long it may be kept and the like is the application's to say."""
    names = {name for name, _ in site.get(f"framing.{app}").headers}
    assert names - {"Content-Type"} == {"Date", "Server", "X-Request-ID", *framing}


@pytest.mark.parametrize("app", ["long_list", "long_generated", "long_zero"])
def test_more_than_declared_is_not_sent(site: Site, app: str) -> None:
    with site.connect() as client:
        response = site.ask(client, f"framing.{app}").response()
        assert len(response.body) == int(response.header("Content-Length") or -1)
        client.assert_closed()
    site.server.expect_log("CORRAL-402", "more than its Content-Length")


@pytest.mark.parametrize(
    "app", ["as_list", "generated", "declared", "empty", "no_content", "written"]
)
def test_connection_stays_open(site: Site, app: str) -> None:
    with site.connect() as client:
        for _ in range(3):
            assert site.ask(client, f"framing.{app}").response().all("Connection") == []


@pytest.mark.parametrize(
    "app", ["as_list", "generated", "declared", "empty", "no_content", "written"]
)
def test_client_may_ask_for_the_end_of_the_connection(site: Site, app: str) -> None:
    with site.connect() as client:
        response = site.ask(client, f"framing.{app}", headers={"Connection": "close"}).response()
        assert response.all("Connection") == ["close"]
        client.assert_closed()


@pytest.mark.parametrize(
    "app", ["as_list", "generated", "declared", "empty", "no_content", "written"]
)
def test_http_1_0_ends_after_the_response(site: Site, app: str) -> None:
    with site.connect() as client:
        response = site.ask(client, f"framing.{app}", version="1.0").response()
        assert response.body == (BODY if app not in ("empty", "no_content") else b"")
        assert response.framing != "chunked"
        client.assert_closed()


@pytest.mark.parametrize(
    "app", ["declared", "declared_list", "empty", "no_content", "written_declared"]
)
def test_http_1_0_may_ask_for_more(site: Site, app: str) -> None:
    with site.connect() as client:
        for _ in range(3):
            response = site.ask(
                client, f"framing.{app}", version="1.0", headers={"Connection": "keep-alive"}
            ).response()
            assert response.all("Connection") == ["keep-alive"]


def test_http_1_0_cannot_keep_a_connection_whose_end_ends_the_body(site: Site) -> None:
    with site.connect() as client:
        response = site.ask(
            client, "framing.generated", version="1.0", headers={"Connection": "keep-alive"}
        ).response()
        assert (response.body, response.framing) == (BODY, "close")
        assert response.all("Connection") == ["close"]


def test_error_after_the_last_declared_byte_is_still_a_500(site: Site) -> None:
    """The last part goes out with the end of the iteration, so that the client learns of it."""
    site.assert_refused("framing.raises_after_all", "LookupError: after the last byte")


@pytest.mark.parametrize("app", ["raises_after_some", "raises_unframed"])
def test_error_in_the_middle_cuts_the_response(site: Site, app: str) -> None:
    with site.connect() as client, pytest.raises(ResponseCut):
        site.ask(client, f"framing.{app}").response()
    site.server.expect_log("CORRAL-401", "LookupError: in the middle")


def test_error_in_the_middle_resets_where_the_end_would_look_complete(site: Site) -> None:
    with site.connect() as client, pytest.raises(ConnectionResetError):
        site.ask(client, "framing.raises_unframed", version="1.0").response()
    site.server.expect_log("CORRAL-401", "LookupError: in the middle")
