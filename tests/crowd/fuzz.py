"""Bytes that are no HTTP, or nearly HTTP, or HTTP that breaks off. The seed decides all of them."""

import random
import re
import ssl
from collections.abc import Callable

from crowd.crowd import Crowd
from crowd.member import Cut, Member

ROUNDS = 5
HOST = b"Host: test\r\n"
REQUESTS = [
    b"GET /hello HTTP/1.1\r\n" + HOST + b"\r\n",
    b"HEAD /hello HTTP/1.1\r\n" + HOST + b"Accept: */*\r\n\r\n",
    b"GET /up HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET http://test/hello?a=b%20c HTTP/1.1\r\n" + HOST + b"Cookie: a=b; c=d\r\n\r\n",
    b"POST /count HTTP/1.1\r\n" + HOST + b"Content-Length: 11\r\n\r\nhello world",
    b"POST /count HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /count HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Trailer: z\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
]  # fmt: skip
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\4\0\0\0\0\0\0\3\0\0\0d\0\4\0\1\0\0"
SPICES = [b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b"0", b"\xff", b"%00", b"../"]
SPICES += [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", HOST, b"\r\n\r\n"]

# A 500 would be a fault of the site's or the gateway's; the site answers all that gets through.
EXPECTED = {200, 400, 404, 408, 413, 414, 417, 431, 501, 503, 505}
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def client_hello() -> bytes:
    """What a browser says first when it was told https."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="test")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake without a peer")


CLIENT_HELLO = client_hello()


def noise(chance: random.Random) -> bytes:
    return chance.randbytes(chance.choice([1, 10, 100, 1000, 10_000, 100_000]))


def mutated(chance: random.Random) -> bytes:
    """One or two requests with a few wounds."""
    data = bytearray(b"".join(chance.choices(REQUESTS, k=chance.choice([1, 2]))))
    for _ in range(chance.choice([1, 1, 2, 5])):
        at = chance.randrange(len(data) + 1)
        end = at + chance.choice([0, 1, 1, 3, 20])
        other = chance.randrange(len(data) + 1)
        data[at:end] = chance.choice(
            [b"", chance.randbytes(1), chance.choice(SPICES), bytes(data[other : other + 20])]
        )
    return bytes(data)


def truncated(chance: random.Random) -> bytes:
    data = chance.choice(REQUESTS)
    return data[: chance.randrange(len(data))]


MESSAGES: list[Callable[[random.Random], bytes]] = [
    noise, mutated, mutated, mutated, truncated, lambda _: CLIENT_HELLO, lambda _: HTTP2_PREFACE,
    lambda _: b"",
]  # fmt: skip


async def fuzzer(crowd: Crowd, number: int) -> None:
    """Sends one message after another, each on a connection of its own, in pieces or at once."""
    chance = random.Random(crowd.chance.random())
    rounds = 0
    while not crowd.is_stopped:
        with await crowd.connect() as member:
            try:
                await _send(chance, member, chance.choice(MESSAGES)(chance))
                await _end(crowd, chance, member)
            except ConnectionError:
                crowd.note("reset")
        rounds += 1
        if rounds == ROUNDS:
            crowd.arrived(number)
        await crowd.pause()


async def _send(chance: random.Random, member: Member, data: bytes) -> None:
    while data:
        cut = chance.choice([len(data), len(data), chance.randrange(1, len(data) + 1)])
        await member.send(data[:cut])
        data = data[cut:]


async def _end(crowd: Crowd, chance: random.Random, member: Member) -> None:
    """Says goodbye in one of the ways there are. After a half close the server must end it."""
    how = chance.choice(["close", "reset", "half close", "half close"])
    crowd.note(how)
    if how == "reset":
        member.reset()
    elif how == "half close":
        member.half_close()
        for status in STATUS.findall(await member.rest()):
            assert int(status) in EXPECTED or status == b"100", f"answered with {status!r}"
            crowd.note(int(status))


async def tls_client(crowd: Crowd, number: int) -> None:
    """Was told https: says hello again and again, and never gets anything but a refusal."""
    rounds = 0
    while not crowd.is_stopped:
        with await crowd.connect() as member:
            await member.send(CLIENT_HELLO)
            try:
                reply = await member.reply()
                assert reply.status == 400, reply
                crowd.note(reply.status)
            except ConnectionError, Cut:
                crowd.note("closed")
        rounds += 1
        if rounds == ROUNDS:
            crowd.arrived(number)
        await crowd.pause()


async def comer_and_goer(crowd: Crowd, number: int) -> None:
    """Connects and leaves at once, politely or not, sometimes in the middle of a word."""
    chance = random.Random(crowd.chance.random())
    rounds = 0
    while not crowd.is_stopped:
        with await crowd.connect() as member:
            if chance.random() < 0.3:
                member.send_what_fits(truncated(chance))
            if chance.random() < 0.5:
                member.reset()
        rounds += 1
        if rounds == ROUNDS:
            crowd.arrived(number)
        await crowd.pause()
