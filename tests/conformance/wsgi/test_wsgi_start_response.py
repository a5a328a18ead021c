"""start_response(): PEP 3333, "The start_response() Callable"."""

import json

import pytest
from wsgi_site import Site

from harness import Response, ResponseCut

PLAIN = ["Content-Type", "text/plain"]


def start(site: Site, status: str, *headers: list[str]) -> Response:
    given = json.dumps([status, [PLAIN, *headers]])
    return site.get("start.given", headers={"X-Start": given})


def assert_raised(site: Site, response: Response, error: str = "ValueError") -> None:
    """The application got the error; where the validator saw it first, an assertion's."""
    allowed = {error, "AssertionError", "IndexError"} if site.is_validated else {error}
    assert (response.status, response.text) == (200, "body")
    assert response.header("X-Raised") in allowed


@pytest.mark.parametrize(
    "status",
    ["200 OK", "201 Created", "404 Not Found", "418 I'm a teapot", "599 \xe9t\xe9", "299 "],
)
def test_status_is_sent_as_given(site: Site, status: str) -> None:
    response = start(site, status)
    assert response.header("X-Raised") is None
    assert f"{response.status} {response.reason}" == status


@pytest.mark.parametrize(
    "status",
    ["", "OK", "20 OK", "200", "2000 OK", "20x OK", " 200 OK", "-20 OK", "200\tOK", "099 Low",
     "000 Zero", "100 Continue", "101 Switching Protocols", "199 Interim"],
)  # fmt: skip
def test_malformed_status_is_refused(site: Site, status: str) -> None:
    if site.is_validated and status in ("200", " 200 OK", "200\tOK"):
        pytest.skip("the validator warns instead of refusing")
    assert_raised(site, start(site, status))


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\r\nX-Injected: b", "a\0b", "a\x7fb", "a\x1bb"])
def test_status_injects_nothing(site: Site, text: str) -> None:
    response = start(site, f"200 {text}")
    assert_raised(site, response)
    assert response.header("X-Injected") is None


@pytest.mark.parametrize(
    "text", ["a\nb", "a\rb", "a\r\nX-Injected: b", "a\0b", "a\x7fb", "a\n", "\r"]
)
def test_header_value_injects_nothing(site: Site, text: str) -> None:
    response = start(site, "200 OK", ["X-Name", text])
    assert_raised(site, response)
    assert response.header("X-Injected") is None


@pytest.mark.parametrize(
    "name", ["", "X Name", "X:Name", "X\r\nName", "X\0", "X(", " X", "X ", "\xe9"]
)
def test_header_name_must_be_a_token(site: Site, name: str) -> None:
    assert_raised(site, start(site, "200 OK", [name, "value"]))


def test_text_beyond_latin1_is_refused(site: Site) -> None:
    assert_raised(site, start(site, "200 €"))
    assert_raised(site, start(site, "200 OK", ["X-€", "value"]))
    assert_raised(site, start(site, "200 OK", ["X-Name", "€"]))


def test_header_values_are_sent_as_given(site: Site) -> None:
    values = ["", "plain", "a  b", "\xe9\xff", 'W/"x"', "x" * 8000]
    values += [] if site.is_validated else ["a\tb"]  # the validator takes a tab for an attack
    response = start(site, "200 OK", *[["X-Name", value] for value in values])
    assert response.header("X-Raised") is None
    assert response.all("X-Name") == values


def test_headers_keep_order_case_and_repetition(site: Site) -> None:
    sent = [["X-oNe", "1"], ["Set-Cookie", "a=1; Path=/"], ["X-Two", "2"], ["Set-Cookie", "b=2"]]
    response = start(site, "200 OK", *sent)
    names = {name for name, _ in sent}
    assert [[name, value] for name, value in response.headers if name in names] == sent


def test_hundreds_of_headers(site: Site) -> None:
    sent = [[f"X-Name-{number}", "v" * 100] for number in range(20)]
    response = start(site, "200 OK", *sent * 2)
    assert len([name for name, _ in response.headers if name.startswith("X-Name-")]) == 40


@pytest.mark.parametrize(
    "name",
    ["Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "TE",
     "Trailers", "Transfer-Encoding", "Upgrade", "transfer-encoding", "upgrade"],
)  # fmt: skip
def test_hop_by_hop_headers_are_refused(site: Site, name: str) -> None:
    assert_raised(site, start(site, "200 OK", [name, "chunked"]))


@pytest.mark.parametrize("value", ["upgrade", "close, upgrade", "X-Name"])
def test_connection_options_are_refused(site: Site, value: str) -> None:
    assert_raised(site, start(site, "200 OK", ["Connection", value]))


def test_connection_close_is_obeyed(site: Site) -> None:
    given = json.dumps(["200 OK", [PLAIN, ["Connection", "close"]]])
    with site.connect() as client:
        response = site.ask(client, "start.given", headers={"X-Start": given}).response()
        assert response.all("Connection") == ["close"]
        client.assert_closed()


def test_connection_keep_alive_is_dropped(site: Site) -> None:
    response = start(site, "200 OK", ["Connection", "Keep-Alive"])
    assert response.header("X-Raised") is None
    assert response.all("Connection") == []


@pytest.mark.parametrize("value", ["", "x", "-1", "+4", "4.0", "0x4", "4 4", "4, 4", "9" * 30])
def test_content_length_must_be_one_number(site: Site, value: str) -> None:
    assert_raised(site, start(site, "200 OK", ["Content-Length", value]))


@pytest.mark.parametrize("second", ["4", "5"])
def test_second_content_length_is_refused(site: Site, second: str) -> None:
    assert_raised(site, start(site, "200 OK", ["Content-Length", "4"], ["Content-Length", second]))


def test_date_and_server_may_be_the_applications(site: Site) -> None:
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    response = start(site, "200 OK", ["date", date], ["SERVER", "mine"])
    assert response.all("Date") == [date]
    assert response.all("Server") == ["mine"]


WRONG = ["status-bytes", "status-int", "status-none", "headers-tuple", "headers-dict"]
WRONG += ["headers-none", "pair-list", "pair-of-three", "pair-str", "name-bytes", "value-bytes"]
WRONG += ["value-int", "value-none", "nothing", "four", "exc-info-exception", "exc-info-short"]


@pytest.mark.parametrize("how", WRONG)
def test_wrong_arguments_raise(site: Site, how: str) -> None:
    if site.is_validated and how.startswith("exc-info"):
        pytest.skip("the validator counts the call before it fails, and refuses the next one")
    allowed = {"TypeError", "AssertionError"} if site.is_validated else {"TypeError"}
    assert site.get("start.wrong", f"/?{how}").text in allowed


@pytest.mark.plain_only("the validator wants two arguments")
def test_one_argument_is_a_write(site: Site) -> None:
    assert site.get("start.wrong", "/?no-headers").text == "TypeError"


def test_second_call_raises(site: Site) -> None:
    response = site.get("start.twice")
    assert (response.status, response.text) == (200, "AssertionError")
    assert response.header("X-Call") == "first"


def test_error_before_the_first_byte_replaces_the_response(site: Site) -> None:
    response = site.get("start.replaced")
    assert (response.status, response.text) == (404, "the error page")
    assert response.header("X-Old") is None
    assert response.header("X-New") == "yes"
    assert response.header("Content-Length") in (str(len("the error page")), None)


def test_empty_output_does_not_send_the_head(site: Site) -> None:
    response = site.get("start.replaced_in_generator")
    assert (response.status, response.text) == (404, "the error page")
    assert response.header("X-Old") is None


def test_error_after_the_first_byte_is_raised_again(site: Site) -> None:
    with site.connect() as client:
        site.ask(client, "start.too_late")
        with pytest.raises(ResponseCut):
            client.response()
    assert site.note() == "the same"
    site.server.expect_log("CORRAL-401", "LookupError: found nothing")


@pytest.mark.plain_only("the validator allows positions only")
def test_exc_info_may_be_a_keyword(site: Site) -> None:
    assert site.get("start.keyword").status == 404


def test_exc_info_of_none_is_none(site: Site) -> None:
    assert site.get("start.exc_info_none").text == "raised"


@pytest.mark.parametrize("how", ["list", "generator", "empty"])
def test_output_without_a_start_is_an_error(site: Site, how: str) -> None:
    site.assert_refused(f"start.never_{how}", "AssertionError")


def test_generator_may_start_at_its_first_next(site: Site) -> None:
    response = site.get("start.in_generator")
    assert (response.status, response.text) == (200, "started by the first next()")


def test_iterator_may_start_at_its_first_next(site: Site) -> None:
    response = site.get("start.in_iterator")
    assert (response.status, response.text) == (201, "one two")


@pytest.mark.plain_only("the validator refuses the calls itself")
def test_calls_after_the_request_raise(site: Site) -> None:
    assert site.get("start.keep").text == "kept"
    assert site.get("start.use_kept").text == "RuntimeError RuntimeError RuntimeError"


def test_it_returns_a_callable(site: Site) -> None:
    assert site.get("start.returns_write").text == "True"


def test_later_changes_of_the_list_have_no_effect(site: Site) -> None:
    response = site.get("start.mutated")
    assert (response.text, response.header("X-Name")) == ("body", "before")


def test_error_is_not_kept(site: Site) -> None:
    """PEP 3333: no circular reference through the traceback's frames."""
    with site.connect() as client:
        assert site.ask(client, "start.forgets_the_error").response().status == 404
    assert site.note() == "gone"


def test_error_is_raised_again_with_its_traceback(site: Site) -> None:
    assert site.get("start.raised_again").text == "begun and raised again"


def test_first_call_may_tell_of_an_error(site: Site) -> None:
    response = site.get("start.begins_with_an_error")
    assert (response.status, response.text) == (404, "the error page")


def test_errors_before_the_first_byte_replace_one_another(site: Site) -> None:
    response = site.get("start.replaced_twice")
    assert (response.status, response.text) == (410, "the last one")
    assert (response.all("X-First"), response.all("X-Status")) == ([], ["410 Gone"])
