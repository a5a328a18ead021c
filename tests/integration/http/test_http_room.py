"""More clients than connections or descriptors: who is idle makes room, who is not stays."""

import os
import resource
import time
from pathlib import Path

import pytest
from http_servers import assert_alive, counters, serve

from harness import Client, Corral
from harness.gate import Gate

BEGUN = {
    "half a head": b"GET /hello HTTP/1.1\r\nHost: te",
    "half a body": b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhel",
    "one byte": b"G",
}
REST = {"half a head": b"st\r\n\r\n", "half a body": b"lo"}
REST["one byte"] = b"ET /hello HTTP/1.1\r\nHost: test\r\n\r\n"


@pytest.fixture(params=["interpreter", "process"])
def isolation(request: pytest.FixtureRequest) -> str:
    return request.param


def idle_clients(server: Corral, count: int) -> list[Client]:
    """In the order in which they became idle."""
    clients = []
    for _ in range(count):
        clients.append(make_idle(server.connect()))
        wait_a_tick()
    return clients


def make_idle(client: Client) -> Client:
    """Who accepts answers this itself: by the next accept the connection is idle."""
    assert client.request("/up").response().text == "ok\n"
    return client


def wait_a_tick() -> None:
    """Until the next millisecond: the server keeps time in them."""
    begin_ms = time.monotonic_ns() // 1_000_000
    while time.monotonic_ns() // 1_000_000 == begin_ms:
        pass


def close(*clients: Client) -> None:
    for client in clients:
        client.close()


def pid_of(server: Corral) -> int:
    """Of the only process that serves."""
    return server.pids().children[-1]


def leave_no_descriptors(server: Corral) -> None:
    """The process that serves can have none but those that it has."""
    pid = pid_of(server)
    used = set(map(int, os.listdir(f"/proc/{pid}/fd")))
    free = min(set(range(len(used) + 1)) - used)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, free))


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_longest_idle_makes_room(gate: Gate, isolation: str) -> None:
    with serve(gate, "--limit-connections=10", isolation=isolation) as server:
        first, second, *others = idle_clients(server, 9)
        make_idle(first)  # so that the second has been idle for longest
        tenth, eleventh = idle_clients(server, 2)
        second.assert_closed()
        for client in (*others, first, tenth, eleventh):
            assert_alive(client)
        close(first, second, *others, tenth, eleventh)
        server.stop()
        assert counters(server)["idle_closed"] == 1
        assert counters(server)["connections"] == 0


def test_who_has_not_said_anything_makes_room_last(gate: Gate, isolation: str) -> None:
    with serve(gate, "--limit-connections=10", isolation=isolation) as server:
        silent = [server.connect() for _ in range(5)]
        spoken = idle_clients(server, 5)
        more = [server.connect() for _ in range(5)]
        for client in spoken:
            client.assert_closed()
        for client in (*silent, *more):
            assert_alive(client)
        close(*silent, *spoken, *more)


@pytest.mark.parametrize("short", ["connections", "descriptors"])
def test_who_has_begun_a_request_stays(gate: Gate, isolation: str, short: str) -> None:
    options = ["--limit-connections=5"] if short == "connections" else []
    with serve(gate, *options, isolation=isolation) as server:
        begun = {name: server.connect().send(part) for name, part in BEGUN.items()}
        running = server.connect().request("/hold?run")
        visitor = gate.wait("run")
        writing = server.connect(receive_buffer=4096).request("/size?5000000")
        writing.head()
        if short == "descriptors":
            leave_no_descriptors(server)
        waiting = server.connect().request("/hello")
        server.expect_log("CORRAL-302", "limit" if short == "connections" else "no descriptor")

        visitor.let_go()
        assert running.response().text == "let go"  # and is the only one that is idle
        assert waiting.response().text == "hello"
        if short == "connections":
            running.assert_closed()
        for name, rest in REST.items():
            assert begun[name].send(rest).response().text == "hello"
        writing.close()
        close(running, waiting, *begun.values())
        server.log.drop(lambda record: record.get("code") == "CORRAL-302")


def test_idle_connections_give_their_descriptors(gate: Gate, isolation: str) -> None:
    with serve(gate, isolation=isolation) as server:
        idle = idle_clients(server, 20)
        leave_no_descriptors(server)
        for _ in range(40):
            idle += idle_clients(server, 1)
        close(*idle)
        server.stop()
        assert counters(server)["idle_closed"] >= 40
        assert counters(server)["connections"] == 0


def test_nothing_spins_while_clients_wait(gate: Gate, isolation: str) -> None:
    """No descriptor and nobody idle: accepting pauses."""
    with serve(gate, "--header-timeout=1", isolation=isolation) as server:
        running = server.connect().request("/hold?run")
        visitor = gate.wait("run")
        begun = make_idle(server.connect()).send(b"G")
        pid = pid_of(server)
        leave_no_descriptors(server)
        waiting = server.connect().request("/hello")
        server.expect_log("CORRAL-302", "no descriptor")
        begin, begin_cpu = time.monotonic(), cpu_s(pid)
        assert begun.response().status == 408
        elapsed, used = time.monotonic() - begin, cpu_s(pid) - begin_cpu
        assert used < elapsed / 4, f"{used} s of CPU in {elapsed} s"
        begun.close()
        assert waiting.response().text == "hello"
        visitor.let_go()
        assert running.response().text == "let go"
        close(running, waiting)


def limit_of(pid: int) -> tuple[int, int]:
    return resource.prlimit(pid, resource.RLIMIT_NOFILE)


def test_the_soft_limit_is_raised(gate: Gate, isolation: str) -> None:
    with serve(gate, isolation=isolation, descriptors=(200, 12_000)) as server:
        assert limit_of(pid_of(server)) == (12_000, 12_000)
        assert server.get("/hello").text == "hello"


def test_connections_are_fewer_where_descriptors_are(gate: Gate, isolation: str) -> None:
    """The site keeps some for itself."""
    room = 200 - 64 - 2 * 16
    with serve(gate, isolation=isolation, descriptors=(100, 200)) as server:
        record = server.expect_log("CORRAL-109", "--limit-connections is 10000")
        assert f"it accepts {room} connections at a time" in record["message"]
        clients = idle_clients(server, room + 20)
        clients[0].assert_closed()
        assert_alive(clients[-1])
        close(*clients)
        server.stop()
        assert counters(server)["connections"] == 0
