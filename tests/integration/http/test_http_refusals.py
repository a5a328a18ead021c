"""What two parties could read differently is refused: the status, the reason, and the end.

Behind every refused request comes a good one. It must not be answered: where one party sees a
second request and the other a body, somebody's request becomes somebody else's.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from http_servers import serve

from harness import Corral
from harness.gate import Gate

HOST = b"Host: test\r\n"
GOOD = b"GET /hello HTTP/1.1\r\nHost: test\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
A64 = b"a" * 64


class Row(NamedTuple):
    name: str
    sent: bytes
    reason: str
    status: int = 400


def line(name: str, request_line: bytes, reason: str, status: int = 400) -> Row:
    return Row(name, request_line + b"\r\n" + HOST + b"\r\n", reason, status)


def fields(name: str, lines: bytes, reason: str, status: int = 400) -> Row:
    return Row(name, b"POST /echo HTTP/1.1\r\n" + HOST + lines + b"\r\nhello", reason, status)


def host(name: str, lines: bytes, reason: str) -> Row:
    return Row(name, b"GET /hello HTTP/1.1\r\n" + lines + b"\r\n", reason)


def chunks(name: str, body: bytes, reason: str, status: int = 400) -> Row:
    return Row(name, b"POST /echo HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\n" + body, reason, status)


CODING = "Transfer-Encoding other than one final chunked"
LENGTH = "malformed Content-Length"
VERSION = "malformed version, or bytes after it"
FORM = "malformed target, or one of a form that does not fit the method"
EXTENSION = "malformed chunk extension"
SIZE = "forbidden byte in a chunk size"

ROWS = [
    # Content-Length together with Transfer-Encoding
    fields("length_and_coding", b"Content-Length: 5\r\n" + CHUNKED,
           "Content-Length together with Transfer-Encoding"),
    fields("coding_and_length", CHUNKED + b"Content-Length: 5\r\n",
           "Content-Length together with Transfer-Encoding"),
    # repeated or malformed Content-Length
    fields("length_repeated", b"Content-Length: 5\r\n" * 2, "repeated Content-Length"),
    fields("length_differs", b"Content-Length: 5\r\ncontent-length: 0\r\n",
           "repeated Content-Length"),
    fields("length_list", b"Content-Length: 5, 5\r\n", LENGTH),
    fields("length_plus", b"Content-Length: +5\r\n", LENGTH),
    fields("length_minus", b"Content-Length: -5\r\n", LENGTH),
    fields("length_hex", b"Content-Length: 0x5\r\n", LENGTH),
    fields("length_empty", b"Content-Length:\r\n", LENGTH),
    fields("length_zero_before", b"Content-Length: 05\r\n", LENGTH),
    fields("length_blank_behind", b"Content-Length: 5 \r\n", LENGTH),
    fields("length_overflows", b"Content-Length: 18446744073709551621\r\n", LENGTH),
    fields("length_with_underscore", b"Content_Length: 5\r\n", "underscore in a header name"),
    # any Transfer-Encoding other than one final chunked
    fields("coding_before", b"Transfer-Encoding: gzip, chunked\r\n", CODING),
    fields("coding_behind", b"Transfer-Encoding: chunked, gzip\r\n", CODING),
    fields("coding_twice", b"Transfer-Encoding: chunked, chunked\r\n", CODING),
    fields("coding_identity", b"Transfer-Encoding: identity\r\n", CODING),
    fields("coding_empty", b"Transfer-Encoding:\r\n", CODING),
    fields("coding_unknown", b"Transfer-Encoding: xchunked\r\n", CODING),
    fields("coding_with_parameter", b"Transfer-Encoding: chunked;a=b\r\n", CODING),
    fields("coding_quoted", b'Transfer-Encoding: "chunked"\r\n', CODING),
    fields("coding_vertical_tab", b"Transfer-Encoding: \x0bchunked\r\n",
           "control byte in a header value"),
    fields("coding_repeated", CHUNKED * 2, "repeated Transfer-Encoding"),
    fields("coding_then_an_empty_one", CHUNKED + b"Transfer-Encoding:\r\n",
           "repeated Transfer-Encoding"),
    fields("coding_with_underscore", b"Transfer_Encoding: chunked\r\n",
           "underscore in a header name"),
    Row("coding_in_1_0", b"POST /echo HTTP/1.0\r\n" + HOST + CHUNKED + b"\r\n0\r\n\r\n",
        "Transfer-Encoding in HTTP/1.0"),
    # white space before a colon, folded lines
    fields("space_before_colon", b"X-A : a\r\n", "white space in or after a header name"),
    fields("tab_before_colon", b"X-A\t: a\r\n", "white space in or after a header name"),
    fields("space_in_a_name", b"X A: a\r\n", "white space in or after a header name"),
    fields("folded_with_a_space", b"X-A: a\r\n b\r\n", "folded header line"),
    fields("folded_with_a_tab", b"X-A: a\r\n\tb\r\n", "folded header line"),
    host("folded_at_once", b" Host: test\r\n", "folded header line"),
    fields("no_colon", b"X-A\r\n", "forbidden byte in a header name"),
    fields("no_name", b": a\r\n", "header line without a name"),
    # bare CR, bare LF, NUL and control bytes
    Row("bare_lf_lines", b"GET /hello HTTP/1.1\nHost: test\n\n", "bare LF in the head"),
    fields("bare_lf", b"X-A: a\nX-B: b\r\n", "bare LF in the head"),
    fields("bare_lf_at_the_end", b"X-A: a\r\n\n", "bare LF in the head"),
    fields("bare_cr", b"X-A: a\rX-B: b\r\n", "bare CR in the head"),
    fields("bare_cr_before_the_line_end", b"X-A: a\r\r\n", "bare CR in the head"),
    Row("bare_cr_first", b"\r" + GOOD, "bare CR in the head"),
    fields("nul_in_a_value", b"X-A: a\0b\r\n", "control byte in a header value"),
    fields("control_byte_in_a_value", b"X-A: \x1b[0m\r\n", "control byte in a header value"),
    fields("delete_in_a_value", b"X-A: \x7f\r\n", "control byte in a header value"),
    fields("nul_in_a_name", b"X-A\0: a\r\n", "forbidden byte in a header name"),
    line("nul_in_the_target", b"GET /a\0b HTTP/1.1", "forbidden byte in the target"),
    Row("two_empty_lines_first", b"\r\n\r\n" + GOOD, "no method at the start of the request line"),
    Row("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "no method at the start of the request line"),
    # the request line
    line("two_spaces", b"GET  /hello HTTP/1.1", "no target in the request line"),
    line("two_spaces_later", b"GET /hello  HTTP/1.1", VERSION),
    line("space_behind_the_version", b"GET /hello HTTP/1.1 ", VERSION),
    line("tab_for_a_space", b"GET\t/hello HTTP/1.1", "forbidden byte in the method"),
    line("space_in_the_target", b"GET /a b HTTP/1.1", VERSION),
    line("fragment", b"GET /hello#a HTTP/1.1", "forbidden byte in the target"),
    Row("http_0_9", b"GET /hello\r\n\r\n", "no version in the request line"),
    line("version_in_lower_case", b"GET /hello http/1.1", VERSION),
    # versions other than 1.0 and 1.1
    line("version_1_2", b"GET /hello HTTP/1.2", "neither HTTP/1.0 nor HTTP/1.1", 505),
    line("version_2_0", b"GET /hello HTTP/2.0", "neither HTTP/1.0 nor HTTP/1.1", 505),
    line("version_0_9", b"GET /hello HTTP/0.9", "neither HTTP/1.0 nor HTTP/1.1", 505),
    Row("http2_preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "neither HTTP/1.0 nor HTTP/1.1", 505),
    # target forms that do not fit the method
    line("asterisk_with_get", b"GET * HTTP/1.1",
         "asterisk-form target with a method other than OPTIONS"),
    line("authority_with_get", b"GET test:80 HTTP/1.1", FORM),
    line("relative_target", b"GET hello HTTP/1.1", FORM),
    line("other_scheme", b"GET ftp://test/ HTTP/1.1", FORM),
    line("https_without_tls", b"GET https://test/hello HTTP/1.1",
         "https target on a connection without TLS", 421),
    line("connect_with_a_path", b"CONNECT /hello HTTP/1.1",
         "CONNECT with a target other than host and port"),
    line("connect", b"CONNECT test:80 HTTP/1.1", "CONNECT: this is not a proxy", 501),
    # absolute-form whose host differs
    line("absolute_form_other_host", b"GET http://other/hello HTTP/1.1",
         "Host differs from the target's authority"),
    line("absolute_form_other_port", b"GET http://test:81/hello HTTP/1.1",
         "Host differs from the target's authority"),
    line("absolute_form_with_user", b"GET http://me@test/hello HTTP/1.1",
         "invalid authority in the target"),
    line("absolute_form_without_host", b"GET http:///hello HTTP/1.1",
         "invalid authority in the target"),
    # missing, repeated or invalid Host
    host("host_missing", b"", "no Host"),
    host("host_missing_with_absolute_form", b"X-Host: test\r\n", "no Host"),
    host("host_repeated", HOST * 2, "repeated Host"),
    host("host_repeated_and_other", HOST + b"host: other\r\n", "repeated Host"),
    host("host_empty", b"Host:\r\n", "invalid Host"),
    host("host_list", b"Host: test,other\r\n", "invalid Host"),
    host("host_with_space", b"Host: test other\r\n", "invalid Host"),
    host("host_with_path", b"Host: test/other\r\n", "invalid Host"),
    host("host_with_user", b"Host: me@test\r\n", "invalid Host"),
    host("host_with_two_ports", b"Host: test:80:81\r\n", "invalid Host"),
    host("host_with_a_large_port", b"Host: test:65536\r\n", "invalid Host"),
    host("host_not_ascii", b"Host: t\xc3\xa9st\r\n", "invalid Host"),
    # bad chunk sizes
    chunks("size_missing", b"\r\nhello", "chunk size without digits"),
    chunks("size_not_hex", b"x\r\nhello", "chunk size without digits"),
    chunks("size_with_prefix", b"0x5\r\nhello\r\n0\r\n\r\n", SIZE),
    chunks("size_with_sign", b"+5\r\nhello\r\n0\r\n\r\n", "chunk size without digits"),
    chunks("size_behind_a_space", b" 5\r\nhello\r\n0\r\n\r\n", "chunk size without digits"),
    chunks("size_before_a_space", b"5 \r\nhello\r\n0\r\n\r\n", SIZE),
    chunks("size_before_a_tab", b"5\t\r\nhello\r\n0\r\n\r\n", SIZE),
    chunks("size_with_underscore", b"1_0\r\nhello\r\n0\r\n\r\n", SIZE),
    chunks("size_overflows", b"10000000000000005\r\nhello\r\n0\r\n\r\n",
           "the body is larger than the limit", 413),
    chunks("size_too_long", b"00000000000000005\r\nhello\r\n0\r\n\r\n",
           "chunk size with too many digits"),
    chunks("bare_lf_behind_the_size", b"5\nhello\r\n0\r\n\r\n", SIZE),
    chunks("bare_cr_behind_the_size", b"5\rhello\r\n0\r\n\r\n", "bare CR after a chunk size"),
    chunks("data_too_long", b"5\r\nhello!\r\n0\r\n\r\n", "chunk data not followed by CRLF"),
    chunks("data_too_short", b"5\r\nhell\r\n0\r\n\r\n", "chunk data not followed by CRLF"),
    chunks("data_without_line_end", b"5\r\nhello0\r\n\r\n", "chunk data not followed by CRLF"),
    chunks("data_before_a_bare_lf", b"5\r\nhello\n0\r\n\r\n", "chunk data not followed by CRLF"),
    chunks("data_before_a_bare_cr", b"5\r\nhello\r0\r\n\r\n", "chunk data not followed by CRLF"),
    chunks("bare_lf_at_the_very_end", b"0\r\n\n", "control byte or bare LF in the trailers"),
    chunks("bare_cr_at_the_very_end", b"0\r\n\rG", "bare CR at the end of a chunked body"),
    # chunk extensions
    chunks("extension_too_long", b"5;" + A64 * 4 + b"\r\nhello\r\n0\r\n\r\n",
           "chunk extension over its limit"),
    chunks("extensions_in_all_too_long", (b"1;" + A64 * 3 + b"\r\na\r\n") * 90,
           "chunk extension over its limit"),
    chunks("extension_empty", b"5;\r\nhello\r\n0\r\n\r\n", EXTENSION),
    chunks("extension_open_quote", b'5;a="b\r\nhello\r\n0\r\n\r\n', EXTENSION),
    chunks("bare_lf_in_an_extension", b"5;a\nhello\r\n0\r\n\r\n",
           "control byte or bare LF in a chunk extension"),
    chunks("bare_cr_in_an_extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n",
           "bare CR after a chunk size"),
    chunks("nul_in_an_extension", b"5;\0\r\nhello\r\n0\r\n\r\n",
           "control byte or bare LF in a chunk extension"),
    # trailers
    chunks("length_in_the_trailers", b"0\r\nContent-Length: 5\r\n\r\n",
           "framing or routing field in the trailers"),
    chunks("coding_in_the_trailers", b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
           "framing or routing field in the trailers"),
    chunks("host_in_the_trailers", b"0\r\nHost: other\r\n\r\n",
           "framing or routing field in the trailers"),
    chunks("underscored_length_in_the_trailers", b"0\r\nContent_Length: 5\r\n\r\n",
           "underscore in the name of a trailer field"),
    chunks("request_in_the_trailers", b"0\r\n" + GOOD, "malformed trailer field"),
    chunks("space_before_colon_in_the_trailers", b"0\r\nX-A : a\r\n\r\n",
           "malformed trailer field"),
    chunks("folded_trailer", b"0\r\nX-A: a\r\n b\r\n\r\n", "malformed trailer field"),
    chunks("nul_in_the_trailers", b"0\r\nX-A: \0\r\n\r\n",
           "control byte or bare LF in the trailers"),
    chunks("trailers_too_large", b"0\r\nX-A: " + A64 * 600 + b"\r\n\r\n",
           "trailers over the header limit", 431),
    # limits, expectations
    line("line_too_long", b"GET /" + A64 * 130 + b" HTTP/1.1",
         "request line over its limit", 414),
    fields("head_too_large", b"X-A: " + A64 * 600 + b"\r\n", "head over its limit", 431),
    fields("too_many_fields", b"X-A: a\r\n" * 101, "more header fields than the limit", 431),
    fields("body_too_large", b"Content-Length: 99999999999\r\n",
           "the body is larger than the limit", 413),
    fields("expectation", b"Content-Length: 5\r\nExpect: else\r\n", "unknown expectation", 417),
]  # fmt: skip


@pytest.fixture(scope="module", params=["interpreter", "process"])
def refusing(request: pytest.FixtureRequest, gate: Gate) -> Iterator[Corral]:
    with serve(gate, "--log-level=debug", isolation=request.param) as server:
        yield server


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_refused_and_closed(refusing: Corral, row: Row, before: int) -> None:
    """By itself, and behind requests that came with it and are answered."""
    with refusing.connect() as client:
        client.send(GOOD * before + row.sent + GOOD)
        assert [client.response().text for _ in range(before)] == ["hello"] * before
        response = client.response()
        record = refusing.expect_message("request refused")
        assert (response.status, record["status"]) == (row.status, row.status)
        assert response.text.endswith(f": {row.reason}\n")
        assert record["reason"] == row.reason
        assert response.header("Connection") == "close"
        client.assert_closed()


@pytest.mark.parametrize("isolation", ["interpreter", "process"])
def test_underscores_in_names_are_refused_by_the_setting(gate: Gate, isolation: str) -> None:
    server = serve(gate, "--underscore-headers=refuse", isolation=isolation)
    with server, server.connect() as client:
        client.request("/hello", headers={"X_Forwarded_For": "1.2.3.4"})
        assert client.response().status == 400
        client.assert_closed()
