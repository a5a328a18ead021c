"""The id of a request: whose is believed, and where it is said."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from http_servers import SITES, serve

from harness import Corral
from harness.gate import Gate

MADE = re.compile("[0-9a-f]{32}")
ID = "Root=1-67891233/abc.DEF_0~+"
ELSEWHERE = "--forwarded-allow-ips=10.0.0.1,fd00::/8"


class Servers:
    """Of one isolation: one that trusts us, one that does not; the second has a unix socket too."""

    def __init__(self, trusting: Corral, strange: Corral) -> None:
        self.trusting, self.strange = trusting, strange


@pytest.fixture(scope="module", params=["interpreter", "process"])
def servers(request: pytest.FixtureRequest, gate: Gate) -> Iterator[Servers]:
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        trusting = stack.enter_context(serve(gate, isolation=request.param))
        both = ("127.0.0.1:0", f"unix:{Path(folder, 'socket')}")
        strange = stack.enter_context(serve(gate, ELSEWHERE, bind=both, isolation=request.param))
        yield Servers(trusting, strange)


def test_an_id_is_made_for_each_request(servers: Servers) -> None:
    """The application, the client and the access log get the same one."""
    seen = set()
    with servers.strange.connect() as client:
        for count in range(20):
            response = client.request(f"/request-id?{count}").response()
            assert response.header("X-Request-ID") == response.text
            assert MADE.fullmatch(response.text)
            access = servers.strange.expect_access(f"/request-id?{count}")
            assert access["request_id"] == response.text
            seen.add(response.text)
    assert len(seen) == 20


def test_pipelined_requests_have_an_id_each(servers: Servers) -> None:
    with servers.trusting.connect() as client:
        client.send("GET /request-id HTTP/1.1\r\nHost: a\r\n\r\n" * 5)
        responses = [client.response() for _ in range(5)]
    assert all(one.header("X-Request-ID") == one.text for one in responses)
    assert len({one.text for one in responses}) == 5


@pytest.mark.parametrize("value", ["x", ID, "x" * 128, " \t id-1 "])
def test_a_trusted_peers_id_is_kept(servers: Servers, value: str) -> None:
    response = servers.trusting.get(f"/request-id?{len(value)}", headers={"x-request-id": value})
    assert response.text == response.header("X-Request-ID") == value.strip()
    access = servers.trusting.expect_access(f"/request-id?{len(value)}")
    assert access["request_id"] == value.strip()


def test_a_strangers_id_is_replaced(servers: Servers) -> None:
    response = servers.strange.get("/request-id?stranger", headers={"X-Request-ID": ID})
    assert MADE.fullmatch(response.text)
    assert response.header("X-Request-ID") == response.text
    assert servers.strange.expect_access("/request-id?stranger")["request_id"] == response.text


def test_whoever_reaches_a_unix_socket_is_trusted(servers: Servers) -> None:
    with servers.strange.connect(1) as client:
        response = client.request("/request-id", headers={"X-Request-ID": ID}).response()
    assert response.text == response.header("X-Request-ID") == ID


HOSTILE = {
    "empty": ["X-Request-ID:"],
    "too long": ["X-Request-ID: " + "x" * 129],
    "space": ["X-Request-ID: a b"],
    "quote": ['X-Request-ID: a"b'],
    "list": ["X-Request-ID: a,b"],
    "markup": ["X-Request-ID: <b>"],
    "tab": ["X-Request-ID: a\tb"],
    "above ASCII": ["X-Request-ID: a\xe9"],
    "repeated": ["X-Request-ID: a", "X-REQUEST-ID: b"],
    "repeated alike": ["X-Request-ID: a", "Accept: */*", "X-Request-ID: a"],
    "underscores": ["X_Request_ID: a"],
}


@pytest.mark.parametrize("lines", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_id_is_replaced(servers: Servers, lines: list[str]) -> None:
    with servers.trusting.connect() as client:
        head = ["GET /request-id?hostile HTTP/1.1", "Host: a", *lines]
        response = client.send("\r\n".join([*head, "", ""])).response()
    assert response.status == 200
    assert MADE.fullmatch(response.text)
    assert response.header("X-Request-ID") == response.text
    assert servers.trusting.expect_access("/request-id?hostile")["request_id"] == response.text


def test_the_applications_own_header_wins(servers: Servers) -> None:
    response = servers.trusting.get("/own-id?own", headers={"X-Request-ID": ID})
    assert (response.text, response.header("X-Request-ID")) == (ID, "mine")
    assert servers.trusting.expect_access("/own-id?own")["request_id"] == ID


@pytest.mark.parametrize(
    ("path", "code"), [("/fails", "CORRAL-401"), ("/fails-later", "CORRAL-401"),
                       ("/short", "CORRAL-402")],
)  # fmt: skip
def test_records_say_the_id(servers: Servers, path: str, code: str) -> None:
    """Of an application that fails, before its response has begun or after."""
    with servers.trusting.connect() as client:
        head = client.request(path, headers={"X-Request-ID": ID, "Connection": "close"}).head()
        client.rest()
    assert head.status == (500 if path == "/fails" else 200)
    assert head.header("X-Request-ID") == ID
    record = servers.trusting.expect_log(code)
    assert (record["path"], record["request_id"]) == (path, ID)


def test_the_servers_own_answers_say_it(servers: Servers) -> None:
    """Where there is a request: not when its head was refused."""
    for method in ("GET", "HEAD"):
        probe = servers.trusting.get("/up", method=method, headers={"X-Request-ID": ID})
        assert probe.header("X-Request-ID") == ID
    length = str(1 << 40)
    large = servers.trusting.get("/echo", method="POST", headers={"Content-Length": length})
    assert large.status == 413
    assert MADE.fullmatch(large.header("X-Request-ID") or "")
    refused = servers.trusting.get("/", headers={"X-Request-ID": ID, "Bad name": ""})
    assert (refused.status, refused.header("X-Request-ID")) == (400, None)


@pytest.mark.parametrize("isolation", ["interpreter", "process"])
def test_503_says_it(gate: Gate, isolation: str) -> None:
    with serve(gate, "--queued-timeout=0.05", threads=1, isolation=isolation) as server:
        running = server.connect().request("/hold?running")
        visitor = gate.wait("running")
        with server.connect() as late:
            response = late.request("/hello", headers={"X-Request-ID": ID}).response()
        assert (response.status, response.header("X-Request-ID")) == (503, ID)
        assert server.expect_access("/hello")["request_id"] == ID
        server.expect_log("CORRAL-324")
        visitor.let_go()
        assert MADE.fullmatch(running.response().header("X-Request-ID") or "")
        running.close()


@pytest.mark.parametrize("isolation", ["interpreter", "process"])
def test_504_and_the_records_of_a_slow_request_say_it(gate: Gate, isolation: str) -> None:
    options = ["--timeout=1.5", "--slow-request=0.5"]
    with Corral(
        "late:application", SITES, isolation=isolation, env=gate.env, options=options
    ) as server:
        response = server.get("/loop", headers={"X-Request-ID": ID})
        assert (response.status, response.header("X-Request-ID")) == (504, ID)
        records = [
            server.expect_message("a request is slow"),
            server.expect_log("CORRAL-326", "/loop"),
            server.expect_message("a request that was broken off has ended"),
            server.expect_access("/loop"),
        ]
        assert [record["request_id"] for record in records] == [ID] * 4
