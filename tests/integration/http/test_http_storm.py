"""Many clients of every kind at once: each gets exactly its own responses, and nothing is left."""

import random
import threading
from collections.abc import Callable

import pytest
from http_servers import assert_alive, pattern, serve

from harness import Client, Corral
from harness.gate import Gate

CLIENTS = 16
TURNS = 50


def ordinary(client: Client, chance: random.Random) -> None:
    text = f"/target?{chance.random()}"
    assert client.request(text).response().text == text


def pipelining(client: Client, chance: random.Random) -> None:
    texts = [f"/target?{chance.random()}" for _ in range(chance.randrange(2, 60))]
    for text in texts:
        client.request(text)
    assert [client.response().text for _ in texts] == texts


def uploading(client: Client, chance: random.Random) -> None:
    body = pattern(chance.choice([0, 1, 65_535, 65_536, 65_537, 200_000]))
    assert client.request("/echo", method="POST", body=body).response().body == body


def dribbling(client: Client, chance: random.Random) -> None:
    body = pattern(300)
    whole = b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole += b"12c\r\n" + body + b"\r\n0\r\n\r\n"
    while whole:
        cut = chance.randrange(1, 40)
        client.send(whole[:cut])
        whole = whole[cut:]
    assert client.response().body == body


def downloading(client: Client, chance: random.Random) -> None:
    size = chance.choice([0, 1, 100_000, 3_000_000])
    assert client.request(f"/size?{size}").response().body == pattern(size)


def streaming(client: Client, chance: random.Random) -> None:
    size = chance.choice([0, 1, 100_000, 500_000])
    assert len(client.request(f"/stream?{size}").response().body) == size


def probing(client: Client, chance: random.Random) -> None:
    assert client.request(chance.choice(["/up", "/livez", "/readyz"])).response().text == "ok\n"


def vanishing(client: Client, chance: random.Random) -> None:
    whole = b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 70000\r\n\r\n" + pattern(70_000)
    client.send(whole[: chance.randrange(len(whole))])
    chance.choice([client.close, client.abort])()


def vanishing_from_a_response(client: Client, chance: random.Random) -> None:
    client.request("/stream?100000000000").head()
    for _ in range(chance.randrange(4)):
        client.chunk()
    chance.choice([client.close, client.abort])()


def babbling(client: Client, chance: random.Random) -> None:
    client.send(b"no request \x00 at all\r\n\r\n" + pattern(chance.randrange(100_000)))
    assert client.response().status == 400
    client.assert_closed()
    client.close()


KINDS: list[Callable[[Client, random.Random], None]] = [
    ordinary, pipelining, uploading, dribbling, downloading, streaming, probing,
    vanishing, vanishing_from_a_response, babbling,
]  # fmt: skip


def run_client(server: Corral, seed: int, faults: list[BaseException]) -> None:
    chance = random.Random(seed)
    client = server.connect()
    try:
        for _ in range(TURNS):
            chance.choice(KINDS)(client, chance)
            if client.socket.fileno() < 0:
                client = server.connect()
    except BaseException as fault:
        faults.append(fault)
    finally:
        client.close()


@pytest.mark.parametrize("isolation", ["interpreter", "process"])
@pytest.mark.parametrize("seed", [1, 2])
def test_storm(gate: Gate, isolation: str, seed: int) -> None:
    with serve(gate, isolation=isolation, workers=2, threads=2) as server:
        faults: list[BaseException] = []
        with server.no_leaks():
            clients = [
                threading.Thread(target=run_client, args=(server, seed * 1000 + number, faults))
                for number in range(CLIENTS)
            ]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
        assert faults == []
        with server.connect() as client:
            assert_alive(client)
