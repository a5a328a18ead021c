"""Clients that do not stop talking, or say very much of very little."""

import itertools

from crowd.crowd import Crowd
from crowd.member import Member

BAD = b"GET / HTTP/1.1\r\nHost : test\r\n\r\n"
CHUNKED = b"POST /count HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
MEGABYTE = b"x" * 1_000_000
BLOCK = b"x" * 65_536
ROUNDS = 3

# What never ends by itself, and how it is refused: how it begins, what is repeated, the status.
# A head of bare CRs is refused for its size or, once somebody looks inside, for its form.
ENDLESS = [
    (b"GET /", b"a", (414,)),
    (b"GET / HTTP/1.1\r\nHost: test\r\nX-Long: ", b"a", (431,)),
    (b"GET / HTTP/1.1\r\nHost: test\r\n", b"a: b\r\n", (431,)),
    (b"GET / HTTP/1.1\r\nHost: test\r\nX-Long: ", b"\r", (400, 431)),
    (b"", b"\r\n", (400,)),
    (CHUNKED, b"0", (400,)),
    (CHUNKED + b"1;", b"a", (400,)),
    (CHUNKED + b"1;", b"a=b;", (400,)),
    (CHUNKED + b"0\r\n", b"A: b\r\n", (431,)),
    (CHUNKED + b"0\r\nA: ", b"b", (431,)),
    (CHUNKED, b"400000\r\n" + b"x" * 0x400000 + b"\r\n", (413,)),
]
TINY_CHUNKS = 20_000
FIELDS = [(90, 200), (150, 431), (4000, 431)]


async def behind_refusal(crowd: Crowd, number: int) -> None:
    """Sends a megabyte behind a bad request, then reads the answer, which must have survived."""
    for turn in itertools.count(1):
        with await crowd.connect() as member:
            await member.send(BAD)
            await member.send(MEGABYTE)
            await expect(crowd, member, 400)
        if not await _next_round(crowd, number, turn):
            return


async def babbler(crowd: Crowd, number: int) -> None:
    """Goes on sending as fast as it can behind a bad request until the server has had enough."""
    while not crowd.is_stopped:
        with await crowd.connect() as member:
            try:
                await member.send(BAD)
                for blocks in itertools.count():
                    await member.send(BLOCK)
                    if blocks == 16:
                        crowd.arrived(number)
                    if crowd.is_stopped:
                        return
            except ConnectionError:
                crowd.note("cut")


async def endless(crowd: Crowd, number: int) -> None:
    """Something that never ends; sends until there is an answer, which must be a refusal."""
    begin, repeated, statuses = ENDLESS[number % len(ENDLESS)]
    block = repeated * max(1, len(BLOCK) // len(repeated))
    for turn in itertools.count(1):
        with await crowd.connect() as member:
            await member.send(begin)
            left = 100_000_000 // len(block)
            while not member.has_input():
                assert (left := left - 1), f"{begin!r} and {repeated[:20]!r} goes on for ever"
                await member.send(block)
                await crowd.pause(0)
            await expect(crowd, member, *statuses)
        if not await _next_round(crowd, number, turn):
            return


async def tiny_chunks(crowd: Crowd, number: int) -> None:
    """A body in chunks of one byte each, one with an extension (more than data is refused)."""
    for turn in itertools.count(1):
        with await crowd.connect() as member:
            chunks = b"1;a=b\r\nx\r\n" + b"1\r\nx\r\n" * (TINY_CHUNKS - 1)
            await member.send(CHUNKED + chunks + b"0\r\n\r\n")
            reply = await member.reply()
            assert reply == (200, b"%d" % TINY_CHUNKS), reply
            crowd.note(200)
        if not await _next_round(crowd, number, turn):
            return


async def many_fields(crowd: Crowd, number: int) -> None:
    """Heads of many small fields."""
    for turn in itertools.count(1):
        count, status = FIELDS[turn % len(FIELDS)]
        with await crowd.connect() as member:
            fields = b"".join(b"X%d: y\r\n" % field for field in range(count))
            await member.send(b"GET /hello HTTP/1.1\r\nHost: test\r\n" + fields + b"\r\n")
            if status == 200:
                member.half_close()
            await expect(crowd, member, status)
        if not await _next_round(crowd, number, turn):
            return


async def expect(crowd: Crowd, member: Member, *statuses: int) -> None:
    """The answer has one of these, and the connection ends with it."""
    reply = await member.reply()
    assert reply.status in statuses, f"{reply}, expected {statuses}"
    assert await member.rest() == b"", "bytes behind the answer"
    crowd.note(reply.status)


async def _next_round(crowd: Crowd, number: int, turn: int) -> bool:
    if turn == ROUNDS:
        crowd.arrived(number)
    return await crowd.pause()
