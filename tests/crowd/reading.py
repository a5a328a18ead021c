"""Clients that ask for much and take it slowly, late or never."""

from crowd.crowd import Crowd
from crowd.member import Cut, Member

RESPONSE_BYTES = 5_000_000
RECEIVE_BUFFER = 4096
SIP_BYTES = 1024
FLOOD_REQUESTS = 1000
FLOOD_BODY_BYTES = 20_000


async def slow_reader(crowd: Crowd, number: int) -> None:
    """Asks for 5 MB and takes a kilobyte at each pace. Told to stop, two in ten take all."""
    target = b"/stream" if number % 2 else b"/size"
    while not crowd.is_stopped:
        with await crowd.connect(RECEIVE_BUFFER) as member:
            await member.send(get(target + b"?%d" % RESPONSE_BYTES))
            try:
                await _read_slowly(crowd, number, member)
            except Cut, ConnectionError:
                crowd.note("cut")


async def _read_slowly(crowd: Crowd, number: int, member: Member) -> None:
    status, _ = await member.head()
    if status != 200:
        return crowd.note(status)
    crowd.arrived(number)
    taken = 0
    while await crowd.pause():
        data = await member.read_some(SIP_BYTES)
        taken += len(data)
        if not data:
            raise Cut
    if number % 10 > 1:
        return member.reset()
    member.half_close()  # so that the server ends the connection after the response
    taken += len(await member.rest())
    assert taken >= RESPONSE_BYTES, f"{taken} bytes of a response of {RESPONSE_BYTES}"
    crowd.note("whole")


async def stalled_stream(crowd: Crowd, number: int) -> None:
    """Takes the beginning of an endless response and no more."""
    while not crowd.is_stopped:
        with await crowd.connect(RECEIVE_BUFFER) as member:
            await member.send(get(b"/endless"))
            try:
                await member.read_some(SIP_BYTES)
            except ConnectionError:
                crowd.note("cut")
                continue
            crowd.arrived(number)
            while await crowd.pause():
                if member.send_what_fits(b"x") == 0:  # a cut shows when something is sent
                    break
            member.reset()


async def flood(crowd: Crowd, number: int) -> None:
    """A thousand requests at once, and no answer is read. Told to stop, every fourth reads them
    all, the others reset.
    """
    targets = [b"/size?%d" % (FLOOD_BODY_BYTES + index) for index in range(FLOOD_REQUESTS)]
    requests = b"".join(get(target) for target in targets)
    while not crowd.is_stopped:
        with await crowd.connect() as member:
            sent = 0
            while sent < len(requests):
                sent += (count := member.send_what_fits(requests[sent:]))
                if not count:
                    crowd.note("pushed back")
                    break
            crowd.arrived(number)
            while await crowd.pause():
                pass
            if number % 4:
                member.reset()
            else:
                await _read_flood(crowd, member, requests[sent:])


async def _read_flood(crowd: Crowd, member: Member, unsent: bytes) -> None:
    for index in range(FLOOD_REQUESTS):
        unsent = unsent[member.send_what_fits(unsent) :] if unsent else unsent
        reply = await member.reply()
        assert len(reply.body) == FLOOD_BODY_BYTES + index, f"answer {index} is another's"
    crowd.note("whole")


async def half_closer(crowd: Crowd, number: int) -> None:
    """Says that it will not say more, and reads all that comes."""
    rounds = 0
    while not crowd.is_stopped:
        with await crowd.connect() as member:
            await member.send(get(b"/hello") + get(b"/size?300000") + get(b"/stream?300000"))
            member.half_close()
            sizes = [len((await member.reply()).body) for _ in range(3)]
            assert sizes == [5, 300_000, 300_000], sizes
            assert await member.rest() == b""
            crowd.note("whole")
        rounds += 1
        if rounds == 3:
            crowd.arrived(number)
        await crowd.pause()


def get(target: bytes) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: test\r\n\r\n"
