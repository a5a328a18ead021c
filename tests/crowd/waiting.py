"""Clients that take their time to say what they want."""

from crowd.crowd import Crowd
from crowd.member import Member

HELLO = b"GET /hello HTTP/1.1\r\nHost: test\r\n\r\n"
DRIBBLED_BYTES = 200


async def idle(crowd: Crowd, number: int) -> None:
    """Connects and says nothing. Every second one has made a request before."""
    while not crowd.is_stopped:
        with await crowd.connect() as member:
            if number % 2:
                await ask(crowd, member)
            crowd.arrived(number)
            if await crowd.stay(member):
                crowd.note("closed")


async def silent(crowd: Crowd, number: int) -> None:
    """Connects and never says anything."""
    while not crowd.is_stopped:
        with await crowd.connect() as member:
            crowd.arrived(number)
            if await crowd.stay(member):
                crowd.note("closed")


async def slow_head(crowd: Crowd, number: int) -> None:
    """A byte of a header field at each pace; the end of the head when it is told to stop."""
    await crowd.pause(crowd.chance.random() * crowd.pace_s)
    while not crowd.is_stopped:
        with await crowd.connect() as member:
            await member.send(b"GET /hello HTTP/1.1\r\nHost: test\r\nX-Slow: ")
            if await _dribble(crowd, number, member):
                await member.send(b"\r\n\r\n")
                crowd.note(await answer(member))
            else:
                await _note_refusal(crowd, member)


async def given_up_head(crowd: Crowd, number: int) -> None:
    """Half a head, and no more until the server has had enough."""
    while not crowd.is_stopped:
        with await crowd.connect() as member:
            await member.send(b"GET /hello HTTP/1.1\r\nHost: te")
            if not await crowd.stay(member):
                return
            crowd.note((await member.reply()).status)
            crowd.arrived(number)


async def slow_body(crowd: Crowd, number: int, ahead: int = 0) -> None:
    """A byte of a request body at each pace, the rest when it is told to stop. `ahead` bytes have
    come at once. Every second body is chunked.
    """
    await crowd.pause(crowd.chance.random() * crowd.pace_s)
    size = ahead + DRIBBLED_BYTES
    while not crowd.is_stopped:
        with await crowd.connect() as member:
            await member.send(b"POST /count HTTP/1.1\r\nHost: test\r\n")
            if number % 2:
                await member.send(b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size)
            else:
                await member.send(b"Content-Length: %d\r\n\r\n" % size)
            await member.send(b"x" * ahead)
            sent = await _dribble(crowd, number, member, DRIBBLED_BYTES)
            if not sent:
                await _note_refusal(crowd, member)
                continue
            end = b"\r\n0\r\n\r\n" if number % 2 else b""
            await member.send(b"x" * (DRIBBLED_BYTES - sent) + end)
            reply = await member.reply()
            assert reply.body == b"%d" % size or reply.status != 200, reply
            crowd.note(reply.status)


async def large_slow_body(crowd: Crowd, number: int) -> None:
    """The same with a body that does not stay in memory."""
    await slow_body(crowd, number, ahead=100_000)


async def _dribble(crowd: Crowd, number: int, member: Member, most: int = 1 << 30) -> int:
    """Sends a byte at each pace until it is told to stop or `most` are sent; how many were sent, 0
    when the server had something to say first.
    """
    for sent in range(1, most + 1):
        if member.has_input():
            return 0
        try:
            await member.send(b"x")
        except ConnectionError:
            return 0
        if sent == 3:
            crowd.arrived(number)
        if not await crowd.pause() and sent >= 3:
            return sent
    return most


async def _note_refusal(crowd: Crowd, member: Member) -> None:
    try:
        crowd.note((await member.reply()).status)
    except ConnectionError, AssertionError:
        crowd.note("closed")


async def ask(crowd: Crowd, member: Member) -> None:
    """One ordinary request."""
    await member.send(HELLO)
    crowd.note(await answer(member))


async def answer(member: Member) -> int:
    """The status of the answer to HELLO, whose body is checked."""
    reply = await member.reply()
    assert reply.status != 200 or reply.body == b"hello", reply
    return reply.status
