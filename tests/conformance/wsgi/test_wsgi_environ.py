"""The environ: PEP 3333, "environ Variables" and "URL Reconstruction"."""

import json
from typing import Any

import pytest
from wsgi_site import Site

from harness import Client


def dump(site: Site, target: str = "/", **request: Any) -> dict[str, Any]:
    response = site.get("environ.dump", target, **request)
    assert response.status == 200, response
    return json.loads(response.text)


def dump_raw(site: Site, client: Client, *lines: bytes) -> dict[str, Any]:
    """With header lines as they are, and the request line before them."""
    own = [f"{name}: {value}".encode() for name, value in site.headers("environ.dump").items()]
    response = client.send(b"\r\n".join([*lines, *own]) + b"\r\n\r\n").response()
    assert response.status == 200, response
    return json.loads(response.text)


def test_it_is_a_dict_of_native_strings(site: Site) -> None:
    response = site.get(
        "environ.types", "/a?b", method="POST", body=b"x", headers={"Content-Type": "text/x"}
    )
    assert json.loads(response.text) == ["dict", ["str"], ["str"]]


def test_required_variables_are_there(site: Site) -> None:
    environ = dump(site)
    required = {"REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "SERVER_NAME"}
    required |= {"SERVER_PORT", "SERVER_PROTOCOL", "REMOTE_ADDR"}
    assert required <= environ.keys()
    assert all(environ[name] for name in required - {"SCRIPT_NAME", "QUERY_STRING"})


@pytest.mark.parametrize(
    "method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "BREW"]
)
def test_method_is_passed_on_as_sent(site: Site, method: str) -> None:
    if site.is_validated and method in ("get", "BREW", "PATCH"):
        pytest.skip("the validator warns of methods it does not know")
    assert dump(site, method=method)["REQUEST_METHOD"] == method


def test_path_is_percent_decoded_once(site: Site) -> None:
    assert dump(site, "/a%20b%2Fc/%2541")["PATH_INFO"] == "/a b/c/%41"


def test_path_in_utf8_comes_as_latin1(site: Site) -> None:
    assert dump(site, "/%C3%A9%E2%82%AC")["PATH_INFO"] == "/é€".encode().decode("latin-1")


def test_path_keeps_bytes_that_are_not_utf8(site: Site) -> None:
    assert dump(site, "/%FF%00%80")["PATH_INFO"] == "/\xff\0\x80"


@pytest.mark.parametrize("path", ["/100%", "/%zz", "/%4", "/%"])
def test_path_keeps_what_is_no_escape(site: Site, path: str) -> None:
    assert dump(site, path)["PATH_INFO"] == path


def test_path_is_not_normalised(site: Site) -> None:
    assert dump(site, "//a/../b/./c;d=e")["PATH_INFO"] == "//a/../b/./c;d=e"


@pytest.mark.parametrize(
    ("target", "query"),
    [("/", ""), ("/?", ""), ("/?a=%20&b", "a=%20&b"), ("/?a?b=/c", "a?b=/c"), ("/a%3Fb", "")],
)
def test_query_is_passed_on_undecoded(site: Site, target: str, query: str) -> None:
    assert dump(site, target)["QUERY_STRING"] == query


def test_target_is_kept_as_sent(site: Site) -> None:
    environ = dump(site, "/a%20b?c=%64")
    assert environ["RAW_URI"] == environ["REQUEST_URI"] == "/a%20b?c=%64"


def test_absolute_form_target_is_reduced_to_its_path(site: Site) -> None:
    environ = dump(site, "http://test/a%20b?c")
    assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == ("/a b", "c")


def test_absolute_form_target_without_a_path_is_the_root(site: Site) -> None:
    assert dump(site, "http://test?c")["PATH_INFO"] == "/"


@pytest.mark.plain_only("the validator wants every path to begin with a slash")
def test_options_of_the_whole_server(site: Site) -> None:
    assert dump(site, "*", method="OPTIONS")["PATH_INFO"] == "*"


def test_application_is_at_the_root(site: Site) -> None:
    assert dump(site, "/a/b")["SCRIPT_NAME"] == ""


def test_server_address_is_the_listening_one(site: Site) -> None:
    environ = dump(site, headers={"Host": "example.org:1234"})
    assert environ["SERVER_NAME"] == "127.0.0.1"
    assert environ["SERVER_PORT"] == str(site.server.port)
    assert environ["HTTP_HOST"] == "example.org:1234"


def test_client_address(site: Site) -> None:
    with site.connect() as client:
        site.ask(client, "environ.dump")
        environ = json.loads(client.response().text)
        host, port = client.socket.getsockname()
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == (host, str(port))


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_protocol_is_the_requests(site: Site, version: str) -> None:
    assert dump(site, version=version)["SERVER_PROTOCOL"] == f"HTTP/{version}"


def test_header_names_become_variables(site: Site) -> None:
    environ = dump(site, headers={"X-oNe-2": "a", "User-Agent": "b", "Accept": "c", "DNT": "d"})
    assert environ["HTTP_X_ONE_2"] == "a"
    assert environ["HTTP_USER_AGENT"] == "b"
    assert environ["HTTP_ACCEPT"] == "c"
    assert environ["HTTP_DNT"] == "d"


def test_header_values_are_latin1(site: Site) -> None:
    with site.connect() as client:
        environ = dump_raw(
            site, client, b"GET / HTTP/1.1", b"Host: test", "X-Name: é€".encode(), b"X-High: \xff"
        )
    assert environ["HTTP_X_NAME"] == "é€".encode().decode("latin-1")
    assert environ["HTTP_X_HIGH"] == "\xff"


def test_header_values_lose_surrounding_white_space_only(site: Site) -> None:
    with site.connect() as client:
        environ = dump_raw(
            site, client, b"GET / HTTP/1.1", b"Host:test", b"X-A: \t a \t b \t ", b"X-B:", b"X-C:c"
        )
    assert environ["HTTP_X_A"] == "a \t b"
    assert environ["HTTP_X_B"] == ""
    assert environ["HTTP_X_C"] == "c"


@pytest.mark.parametrize("name", ["X-Several", "Accept", "X-Forwarded-For"])
def test_header_sent_several_times_is_joined_in_order(site: Site, name: str) -> None:
    lines = [f"{name}: {value}".encode() for value in ("a, b", "c", "d")]
    with site.connect() as client:
        environ = dump_raw(site, client, b"GET / HTTP/1.1", b"Host: test", *lines)
    value = environ["HTTP_" + name.upper().replace("-", "_")]
    assert [part.strip() for part in value.split(",")] == ["a", "b", "c", "d"]


def test_cookies_sent_several_times_are_joined_as_cookies(site: Site) -> None:
    with site.connect() as client:
        environ = dump_raw(
            site, client, b"GET / HTTP/1.1", b"Host: test", b"Cookie: a=1", b"Cookie: b=2; c=3"
        )
    assert environ["HTTP_COOKIE"] == "a=1; b=2; c=3"


def test_many_distinct_header_names_all_arrive(site: Site) -> None:
    for turn in range(4):  # more names than a worker remembers
        sent = {f"X-Name-{turn}-{number}": str(number) for number in range(90)}
        environ = dump(site, headers=sent)
        for name, value in sent.items():
            assert environ["HTTP_" + name.upper().replace("-", "_")] == value


def test_content_headers_have_names_without_prefix(site: Site) -> None:
    environ = dump(site, method="POST", body=b"abc", headers={"Content-Type": "text/x; charset=y"})
    assert environ["CONTENT_TYPE"] == "text/x; charset=y"
    assert environ["CONTENT_LENGTH"] == "3"
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & environ.keys()


def test_no_body_has_no_content_length(site: Site) -> None:
    environ = dump(site)
    assert environ.get("CONTENT_LENGTH", "") == ""
    assert environ.get("CONTENT_TYPE", "") == ""


def test_empty_body_has_content_length_zero(site: Site) -> None:
    assert dump(site, method="POST", body=b"")["CONTENT_LENGTH"] == "0"


def test_chunked_body_has_its_content_length(site: Site) -> None:
    with site.connect() as client:
        site.ask(client, "environ.dump", method="POST", headers={"Transfer-Encoding": "chunked"})
        client.send("3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\nX-Trailer: no\r\n\r\n")
        environ = json.loads(client.response().text)
    assert environ["CONTENT_LENGTH"] == "13"
    assert environ["wsgi.input_terminated"] is True
    assert not {"HTTP_TRANSFER_ENCODING", "HTTP_X_TRAILER"} & environ.keys()


def test_trailers_are_kept_apart_from_the_headers(site: Site) -> None:
    with site.connect() as client:
        for trailers, seen in [
            ("X-Sum: 1\r\nX_Sum: forged\r\nx-sum:  \xe9 \r\n", [["X-Sum", "1"], ["x-sum", "é"]]),
            ("Cookie: a=1\r\nAuthorization: me\r\nX-Forwarded-For: 1.2.3.4\r\n", None),
            ("", None),
        ]:
            headers = {"Transfer-Encoding": "chunked", "X-Sum": "header"}
            site.ask(client, "environ.dump", method="POST", headers=headers)
            client.send(f"3\r\nabc\r\n0\r\n{trailers}\r\n")
            environ = json.loads(client.response().text)
            assert environ["HTTP_X_SUM"] == "header"
            unwanted = {"HTTP_COOKIE", "HTTP_AUTHORIZATION", "HTTP_X_FORWARDED_FOR"}
            assert not unwanted & environ.keys()
            assert environ.get("corral.trailers") == seen


def test_names_with_underscores_are_dropped(site: Site) -> None:
    environ = dump(site, headers={"X_Real_Ip": "forged", "X-Real-Ip": "true", "Remote_User": "me"})
    assert environ["HTTP_X_REAL_IP"] == "true"
    assert "HTTP_REMOTE_USER" not in environ


@pytest.mark.parametrize("name", ["Proxy", "proxy", "PROXY"])
def test_proxy_header_is_withheld(site: Site, name: str) -> None:
    assert "HTTP_PROXY" not in dump(site, headers={name: "http://evil.example"})


def test_wsgi_variables(site: Site) -> None:
    environ = dump(site)
    assert environ["wsgi.version"] == [1, 0]
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["wsgi.multithread"] is True
    assert environ["wsgi.multiprocess"] is False
    assert environ["wsgi.run_once"] is False
    assert {"wsgi.input", "wsgi.errors", "wsgi.file_wrapper"} <= environ.keys()


def test_each_request_has_an_environ_of_its_own(site: Site) -> None:
    same = {"X-Request-ID": "same"}
    with site.connect() as client:
        site.ask(client, "environ.dump", headers=same)
        before = json.loads(client.response().text)
        site.ask(client, "environ.spoil")
        assert client.response().text == "spoilt"
        site.ask(client, "environ.dump", headers=same)
        assert json.loads(client.response().text) == before


def test_errors_stream_reaches_standard_error(site: Site) -> None:
    assert site.get("environ.complain").status == 200
    site.server.expect_log("stray", "a complaint from the application")
    site.server.expect_log("stray", "a second complaint")


def test_errors_stream_takes_any_text(site: Site) -> None:
    """Whatever the encoding of the log, a complaint must not become a failure."""
    assert site.get("environ.complain_in_any_script").status == 200
    site.server.expect_log("stray", "a complaint ")


@pytest.mark.parametrize("target", ["/", "/a/b", "/a%20b/%C3%A9?c=%20d&e", "//a//?b", "/%FF"])
def test_url_can_be_reconstructed(site: Site, target: str) -> None:
    """As PEP 3333 tells it to applications."""
    url = f"http://example.org:8000{target}"
    response = site.get("environ.reconstruct", target, headers={"Host": "example.org:8000"})
    assert response.text == f"{url} {url}"


def test_url_without_a_host_is_the_servers(site: Site) -> None:
    lines = [b"GET /a?b HTTP/1.0"]
    lines += [
        f"{name}: {value}".encode() for name, value in site.headers("environ.reconstruct").items()
    ]
    with site.connect() as client:
        response = client.send(b"\r\n".join(lines) + b"\r\n\r\n").response()
    url = f"http://127.0.0.1:{site.server.port}/a?b"
    assert response.text == f"{url} {url}"


@pytest.mark.parametrize("body", [None, b"", b"abc"])
def test_input_always_ends_by_itself(site: Site, body: bytes | None) -> None:
    assert dump(site, method="POST", body=body)["wsgi.input_terminated"] is True
