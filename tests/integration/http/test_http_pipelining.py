"""Answers to pipelined requests: several leave together, and none waits for a slow one behind it.

Whether responses are held back depends on how long requests have taken of late, so a test brings
its server there first, and sees in what the kernel counted that it is.
"""

import random
import socket
import struct
import time
from collections.abc import Iterator

import pytest
from http_servers import assert_alive, pattern, serve, wait_until_read

from harness import Client, Corral
from harness.gate import Gate
from harness.lines import WAIT_S

GET = b"GET %s HTTP/1.1\r\nHost: test\r\n\r\n"
HELLO = GET % b"/hello"
BURST = 16


@pytest.fixture(scope="module", params=["interpreter", "process"])
def isolation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=[1, 2], ids=["one thread", "two threads"])
def threads(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def piped(isolation: str, threads: int, gate: Gate) -> Iterator[Corral]:
    with serve(gate, isolation=isolation, threads=threads) as server:
        yield server


@pytest.fixture
def quick(piped: Corral) -> Iterator[Corral]:
    """A server that holds back, and is left as it was found."""
    with piped.no_leaks():
        make_quick(piped)
        yield piped
    piped.check_log()


def segments_received(client: Client) -> int:
    """TCP segments with data so far: tcpi_data_segs_in of linux/tcp.h."""
    info = client.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232)
    return int(struct.unpack_from("I", info, 152)[0])


def ask_burst(client: Client) -> int:
    """The segments in which the answers of one burst come."""
    before = segments_received(client)
    client.send(HELLO * BURST)
    for _ in range(BURST):
        assert client.response().text == "hello"
    return segments_received(client) - before


def make_quick(server: Corral) -> None:
    """Short requests until their answers come together."""
    give_up = time.monotonic() + WAIT_S
    with server.connect() as client:
        while ask_burst(client) > BURST // 4:
            assert time.monotonic() < give_up, "the answers of a burst never came together"


def test_answers_of_a_burst_come_together(quick: Corral) -> None:
    """Else each is a segment of its own: the server switches Nagle's algorithm off."""
    with quick.connect() as client:
        assert min(ask_burst(client) for _ in range(20)) <= BURST // 4


def test_each_connection_for_itself(quick: Corral) -> None:
    """Also more of them than the standby looks after."""
    clients = [quick.connect() for _ in range(150)]
    for _ in range(5):
        for client in clients:
            client.send(b"".join(GET % b"/target?%d" % n for n in range(BURST)))
        for client in clients:
            assert [client.response().text for _ in range(BURST)] == [
                f"/target?{n}" for n in range(BURST)
            ]
    for client in clients:
        client.close()


# --- nothing waits for what comes behind it


@pytest.mark.parametrize("count", [1, 5])
def test_answer_does_not_wait_for_a_slow_request(quick: Corral, gate: Gate, count: int) -> None:
    for number in range(10):
        make_quick(quick)
        with quick.connect() as client:
            client.send(HELLO * count + GET % b"/hold?behind" + HELLO)
            visitor = gate.wait("behind")
            for _ in range(count):
                assert client.response().text == "hello", f"round {number}"
            visitor.let_go()
            assert client.response().text == "let go"
            assert client.response().text == "hello"


def test_answer_does_not_wait_for_the_queue(quick: Corral, threads: int, gate: Gate) -> None:
    """Somebody else's slow request comes between those of the burst."""
    busy = [quick.connect() for _ in range(threads)]
    visitors = []
    for client in busy:
        client.send(GET % b"/hold?busy")
        visitors.append(gate.wait("busy"))
    with quick.connect() as client, quick.connect() as other:
        client.send(HELLO * 2)
        wait_until_read(quick)
        other.send(GET % b"/hold?between")
        wait_until_read(quick)
        visitors.pop().let_go()
        between = gate.wait("between")
        assert client.response().text == "hello"
        between.let_go()
        assert client.response().text == "hello"
        assert other.response().text == "let go"
    for visitor in visitors:
        visitor.let_go()
    for client in busy:
        assert client.response().text == "let go"
        client.close()


@pytest.mark.parametrize(
    ("part", "rest"),
    [
        (b"G", b"ET /hello HTTP/1.1\r\nHost: test\r\n\r\n"),
        (HELLO[:-2], b"\r\n"),
        (b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhe", b"llo"),
        (b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n", b"hello"),
        (
            b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            b"lo\r\n0\r\n\r\n",
        ),
    ],
)  # fmt: skip
def test_answers_do_not_wait_for_the_rest_of_a_request(
    quick: Corral, part: bytes, rest: bytes
) -> None:
    with quick.connect() as client:
        for _ in range(20):
            client.send(HELLO * 3 + part)
            for _ in range(3):
                assert client.response().text == "hello"
            assert client.send(rest).response().text == "hello"


def test_answers_come_before_the_leave_to_send_a_body(quick: Corral) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with quick.connect() as client:
        for _ in range(20):
            client.send(HELLO * 3 + head)
            for _ in range(3):
                assert client.response().text == "hello"
            assert client.head().status == 100
            assert client.send(b"hello").response().text == "hello"


# --- what ends a burst


def test_close_in_the_middle(quick: Corral) -> None:
    last = b"GET /target?last HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    for _ in range(20):
        with quick.connect() as client:
            client.send(HELLO * 5 + last + HELLO * 5)
            for _ in range(5):
                assert client.response().text == "hello"
            response = client.response()
            assert (response.text, response.header("Connection")) == ("/target?last", "close")
            client.assert_closed()


def test_refusal_in_the_middle(quick: Corral) -> None:
    for _ in range(20):
        with quick.connect() as client:
            client.send(HELLO * 5 + b"GET / HTTP/1.1\r\nHost : test\r\n\r\n" + HELLO * 5)
            for _ in range(5):
                assert client.response().text == "hello"
            assert client.response().status == 400
            client.assert_closed()


def test_failure_in_the_middle(quick: Corral) -> None:
    with quick.connect() as client:
        client.send(HELLO * 5 + GET % b"/fails" + HELLO * 5)
        for _ in range(5):
            assert client.response().text == "hello"
        assert client.response().status == 500
        for _ in range(5):
            assert client.response().text == "hello"
        assert_alive(client)
    quick.expect_log("CORRAL-401")


def test_cut_response_in_the_middle(quick: Corral) -> None:
    with quick.connect() as client:
        client.send(HELLO * 5 + GET % b"/short" + HELLO * 5)
        for _ in range(5):
            assert client.response().text == "hello"
        assert client.head().header("Content-Length") == "10"
        assert client.rest() == b"short"
    quick.expect_log("CORRAL-402")


@pytest.mark.parametrize("part", [b"", b"GET /he", b"POST / HTTP/1.1\r\nHost: test\r\nConte"])
def test_client_that_says_no_more(quick: Corral, part: bytes) -> None:
    for _ in range(20):
        with quick.connect() as client:
            client.send(HELLO * 5 + part).half_close()
            for _ in range(5):
                assert client.response().text == "hello"
            client.assert_closed()


@pytest.mark.parametrize("how", ["close", "abort"])
def test_client_that_is_gone(quick: Corral, gate: Gate, how: str) -> None:
    """With answers held back for a request that runs on."""
    for _ in range(5):
        client = quick.connect()
        client.send(HELLO * 5 + GET % b"/hold?gone" + HELLO * 5)
        visitor = gate.wait("gone")
        getattr(client, how)()
        visitor.let_go()
    assert quick.get("/hello").text == "hello"


def test_drain_in_the_middle(isolation: str, gate: Gate) -> None:
    with serve(gate, isolation=isolation, threads=1) as server:
        make_quick(server)
        with server.connect() as client, server.connect() as idle:
            assert_alive(idle)
            client.send(HELLO * 5 + GET % b"/hold?drain" + HELLO * 5)
            visitor = gate.wait("drain")
            server.send_signal()
            idle.assert_closed()  # it drains now
            for _ in range(5):
                assert client.response().text == "hello"
            visitor.let_go()
            response = client.response()
            assert (response.text, response.header("Connection")) == ("let go", "close")
            client.assert_closed()
        assert server.stop(None).code == 0


# --- of all kinds


def make_request(rng: random.Random) -> tuple[bytes, str, bytes]:
    """A request, its method, and the body of its answer."""
    body = pattern(rng.choice([0, 1, 100, 20_000]))
    size = rng.choice([0, 1, 3000, 16_000, 16_384, 40_000])
    coded = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    choices = [
        (HELLO, "GET", b"hello"),
        (HELLO, "GET", b"hello"),
        (b"HEAD /hello HTTP/1.1\r\nHost: test\r\n\r\n", "HEAD", b""),
        (GET % b"/up", "GET", b"ok\n"),
        (GET % b"/size?%d" % size, "GET", pattern(size)),
        (GET % b"/stream?%d" % size, "GET", pattern(size)),
        (GET % b"/none", "GET", b"not here"),
        (b"\r\n" + HELLO, "GET", b"hello"),
        (
            b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body), "POST", body,
        ),
        (
            b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n" + coded,
            "POST", body,
        ),
    ]  # fmt: skip
    return rng.choice(choices)


@pytest.mark.parametrize("seed", range(4))
def test_bursts_of_all_kinds(quick: Corral, seed: int) -> None:
    rng = random.Random(seed)
    with quick.connect(receive_buffer=rng.choice([0, 4096])) as client:
        for _ in range(30):
            requests = [make_request(rng) for _ in range(rng.randrange(1, 20))]
            whole = b"".join(request for request, _, _ in requests)
            cut = rng.randrange(len(whole) + 1)
            client.send(whole[:cut])
            client.send(whole[cut:])
            for number, (request, method, body) in enumerate(requests):
                assert client.response(method).body == body, f"{number}: {request[:80]!r}"
        assert_alive(client)
