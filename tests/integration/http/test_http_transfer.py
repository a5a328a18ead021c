"""Bodies in both directions, slow readers, probes, addresses, the access log."""

import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest
from http_servers import assert_alive, pattern, serve, wait_until_read

from harness import Corral, eventually
from harness.gate import Gate

# --- large bodies


@pytest.mark.parametrize("size", [1_000_000, 40_000_000])
def test_large_upload(server: Corral, size: int) -> None:
    body = pattern(size)
    text = server.get("/digest", method="POST", body=body).text
    assert text == f"{size} {hashlib.sha256(body).hexdigest()}"


@pytest.mark.parametrize("size", [40_000, 65_536, 300_000, 1_048_576, 3_000_001])
@pytest.mark.parametrize("piece", [10_007, 100_003, 10_000_000])
def test_upload_with_requests_behind_it(server: Corral, size: int, piece: int) -> None:
    """However it arrives, the body ends where it ends."""
    body = pattern(size)
    head = f"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"
    behind = "".join(f"GET /target?{number} HTTP/1.1\r\nHost: a\r\n\r\n" for number in range(2))
    everything = head.encode() + body + behind.encode()
    with server.connect() as client:
        for at in range(0, len(everything), piece):
            client.send(everything[at : at + piece])
        assert client.response().text == f"{size} {hashlib.sha256(body).hexdigest()}"
        assert [client.response().text for _ in range(2)] == ["/target?0", "/target?1"]


@pytest.mark.parametrize("isolation", ["interpreter", "process"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [1000, 60_000, 3_000_000])
def test_upload_takes_no_thread_before_it_is_complete(
    gate: Gate, isolation: str, framing: str, size: int
) -> None:
    body = pattern(size)
    if framing == "length":
        headers, sent = {"Content-Length": str(size)}, body
    else:
        headers, sent = {"Transfer-Encoding": "chunked"}, b"%x\r\n%s\r\n0\r\n\r\n" % (size, body)
    with serve(gate, threads=1, isolation=isolation) as server, server.no_leaks():
        uploads = [server.connect() for _ in range(10)]
        for upload in uploads:
            upload.request("/digest", method="POST", headers=headers).send(sent[:-1])
        for _ in range(20):
            assert server.get("/hello").text == "hello"
        for upload in uploads:
            digest = upload.send(sent[-1:]).response().text
            assert digest == f"{size} {hashlib.sha256(body).hexdigest()}"
            upload.close()


@pytest.mark.parametrize("path", ["/size", "/stream"])
def test_large_download(server: Corral, path: str) -> None:
    body = server.get(f"{path}?40000000").body
    assert len(body) == 40_000_000
    assert body[:65_536] == pattern(65_536)
    if path == "/size":
        assert body == pattern(40_000_000)


def test_large_bodies_in_both_directions_at_once(server: Corral) -> None:
    body = pattern(10_000_000)
    received: dict[int, bytes] = {}

    def exchange(number: int) -> None:
        received[number] = server.get("/echo", method="POST", body=body).body

    clients = [threading.Thread(target=exchange, args=(number,)) for number in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert [received[number] == body for number in range(4)] == [True] * 4


# --- slow readers


@pytest.mark.parametrize("path", ["/size", "/stream"])
def test_slow_reader_keeps_no_thread(gate: Gate, path: str) -> None:
    """What is left of a response within --unsent-memory is the I/O thread's business."""
    with serve(gate, threads=1) as server, server.connect(receive_buffer=4096) as slow:
        slow.request(f"{path}?5000000")
        for _ in range(20):
            assert server.get("/hello").text == "hello"
        assert len(slow.response().body) == 5_000_000
        assert_alive(slow)


@pytest.mark.parametrize("total", ["64M", "0"])
def test_rest_of_a_part_goes_on_while_the_next_is_made(
    gate: Gate, tmp_path: Path, total: str
) -> None:
    """PEP 3333: the server guarantees that transmission continues meanwhile."""
    options = [f"--unsent-memory-total={total}", f"--body-folder={tmp_path}"]
    with serve(gate, *options) as server, server.connect(receive_buffer=4096) as slow:
        slow.request("/burst-then-hold?5000000,next")
        visitor = gate.wait("next")
        slow.head()
        assert slow.chunk() == pattern(5_000_000)
        visitor.let_go()
        assert (slow.chunk(), slow.chunk()) == (b"end", b"")
        assert_alive(slow)


@pytest.mark.parametrize("path", ["/size", "/stream"])
@pytest.mark.parametrize("isolation", ["interpreter", "process"])
def test_what_slow_readers_leave_goes_to_files_when_memory_is_short(
    gate: Gate, tmp_path: Path, path: str, isolation: str
) -> None:
    """No worker waits: with one thread, all requests are served although nobody reads."""
    options = ["--unsent-memory-total=3M", f"--body-folder={tmp_path}"]

    def count_files() -> int:
        [(files, _)] = server.resources().values()
        return sum(count for file, count in files.items() if file.startswith(str(tmp_path)))

    with serve(gate, *options, threads=1, isolation=isolation) as server, server.no_leaks():
        slow = [server.connect(receive_buffer=4096) for _ in range(8)]
        for client in slow:
            client.request(f"{path}?7000000")
        assert server.get("/hello").text == "hello"
        # 2 MB or more of each wait, of which one has room in memory.
        eventually(lambda: count_files() >= 5, "files of what waits")
        for client in slow:
            body = client.response().body
            assert len(body) == 7_000_000
            assert path == "/stream" or body == pattern(7_000_000)
            assert_alive(client)
            client.close()


def test_slow_reader_of_more_keeps_one_thread(gate: Gate) -> None:
    with (
        serve(gate, "--unsent-memory=64K", threads=2) as server,
        server.connect(receive_buffer=4096) as slow,
    ):
        slow.request("/size?20000000")
        for _ in range(20):
            assert server.get("/hello").text == "hello"
        assert slow.response().body == pattern(20_000_000)
        assert_alive(slow)


def test_slow_readers_do_not_hold_up_a_pipeline_of_theirs(server: Corral) -> None:
    with server.connect(receive_buffer=4096) as slow:
        for number in range(5):
            slow.request("/size?2000000").request(f"/target?{number}")
        wait_until_read(server)
        for number in range(5):
            assert slow.response().body == pattern(2_000_000)
            assert slow.response().text == f"/target?{number}"


def test_what_arrives_while_a_response_is_written_is_read_after_it(gate: Gate) -> None:
    """Also when another request is between: the socket says only once that it has something."""
    pipeline = "".join(
        f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n" for target in ("/size?8000000", "/target?1")
    )
    with serve(gate, threads=1) as server, server.connect(receive_buffer=4096) as slow:
        slow.send(pipeline)
        wait_until_read(server)
        assert server.get("/hello").text == "hello"  # the only thread has left the first one
        slow.request("/target?2")
        wait_until_read(server)
        assert slow.response().body == pattern(8_000_000)
        assert [slow.response().text for _ in range(2)] == ["/target?1", "/target?2"]


# --- probes


@pytest.mark.parametrize("path", ["/up", "/livez", "/readyz"])
def test_probes_need_no_worker(gate: Gate, path: str) -> None:
    with serve(gate, threads=1) as server:
        running = server.connect().request("/hold?all")
        visitor = gate.wait("all")
        with server.connect() as client:
            for target in (path, f"{path}?query"):
                response = client.request(target, headers={"Host": "not.allowed"}).response()
                assert (response.status, response.text) == (200, "ok\n")
            head = client.request(path, method="HEAD").response("HEAD")
            assert (head.status, head.body) == (200, b"")
        visitor.let_go()
        assert running.response().text == "let go"
        running.close()


def test_probe_of_an_old_client(server: Corral) -> None:
    with server.connect() as client:
        client.request("/up", version="1.0", headers={"Connection": "keep-alive"})
        response = client.response()
        # It is told whether the connection goes on, and that is what happens.
        if response.header("Connection") == "keep-alive":
            assert_alive(client)
        else:
            client.assert_closed()


@pytest.mark.parametrize("target", ["/upper", "/up/", "/UP", "/u%70x"])
def test_neighbours_of_probes_are_the_sites(server: Corral, target: str) -> None:
    assert server.get(target).status == 404


def test_other_methods_on_a_probe_are_the_sites(server: Corral) -> None:
    assert server.get("/up", method="POST", body=b"x").status == 404


# --- addresses


def test_unix_socket(gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "site.sock"
    with serve(gate, bind=[f"unix:{path}"]) as server, server.no_leaks():
        assert server.url == f"unix:{path}"
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o666
        with server.connect() as client:
            # PEP 3333: neither SERVER_NAME nor SERVER_PORT may be empty. A client has no address.
            name, port, client_host, _ = client.request("/addresses").response().text.split()
            assert (name, port, client_host) == ("localhost", "80", "-")
            assert client.request("/echo", method="POST", body=pattern(1_000_000)).response().body
        server.expect_access("/addresses")


def test_umask(gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "site.sock"
    with serve(gate, "--umask=007", bind=[f"unix:{path}"]) as server:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        for pid in server.pids().children:
            assert "Umask:\t0007\n" in Path(f"/proc/{pid}/status").read_text()


def test_several_addresses(gate: Gate, tmp_path: Path) -> None:
    bind = ["127.0.0.1:0", f"unix:{tmp_path / 'site.sock'}", "127.0.0.1:0"]
    with serve(gate, bind=bind) as server, server.no_leaks():
        assert len(server.addresses) == 3
        assert server.addresses[0] != server.addresses[2]
        clients = [server.connect(which) for which in range(3)]
        texts = [client.request("/addresses").response().text.split() for client in clients]
        assert [f"http://{text[0]}:{text[1]}" for text in texts[::2]] == server.addresses[::2]
        for client in clients:
            client.close()


def test_ipv6(gate: Gate) -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    with serve(gate, bind=["[::1]:0"]) as server, server.connect() as client:
        name, _, client_host, _ = client.request("/addresses").response().text.split()
        assert (name, client_host) == ("::1", "::1")


# --- what the environ says about the server


@pytest.mark.parametrize(
    ("isolation", "workers", "threads"),
    [
        ("interpreter", 1, 1), ("interpreter", 1, 2), ("interpreter", 2, 1),
        ("process", 1, 1), ("process", 1, 2), ("process", 2, 1),
    ],
)  # fmt: skip
def test_flags_tell_who_else_runs_the_application(
    gate: Gate, isolation: str, workers: int, threads: int
) -> None:
    """PEP 3333: multiprocess means that an equivalent application may run at the same time."""
    with serve(gate, isolation=isolation, workers=workers, threads=threads) as server:
        assert server.get("/flags").text == f"{threads > 1} {workers > 1}"


# --- the access log


def forget_access(server: Corral, target: str) -> None:
    """Claims the records up to this request, the last one so far."""
    server.expect_access(target)
    server.access.take_left()


def test_access_record_of_a_request(server: Corral) -> None:
    headers = {"User-Agent": 'a "b" \\c', "Referer": "http://x/", "X-Request-Id": "id-1"}
    server.get("/target?access", headers=headers)
    record = server.expect_access("/target?access")
    duration = record.pop("duration_us")
    assert 0 <= duration < 30_000_000
    assert record.pop("time").endswith("Z")
    assert record == {
        "client": "127.0.0.1", "method": "GET", "target": "/target?access", "version": "1.1",
        "status": 200, "response_bytes": len("/target?access"), "referer": "http://x/",
        "user_agent": 'a "b" \\c', "request_id": "id-1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("target", "method", "status", "size"),
    [("/none?log", "GET", 404, 8), ("/hello?log", "HEAD", 200, 0), ("/up?log", "GET", 200, 3),
     ("/stream?300000", "GET", 200, 300_000), ("/size?2000001", "GET", 200, 2_000_001),
     ("/fails?log", "GET", 500, len("Internal Server Error\n"))],
)  # fmt: skip
def test_access_record_tells_status_and_size(
    server: Corral, target: str, method: str, status: int, size: int
) -> None:
    server.get(target, method=method)
    record = server.expect_access(target)
    assert (record["method"], record["status"]) == (method, status)
    assert record["response_bytes"] == size
    if status == 500:
        server.expect_log("CORRAL-401")


def test_access_record_of_a_refused_request_is_its_own(server: Corral) -> None:
    """Not that of the request before it on the same connection, whose head is gone."""
    with server.connect() as client:
        client.request("/target?before", headers={"User-Agent": "agent"}).response()
        forget_access(server, "/target?before")
        response = client.send(b"\x16\x03\x01 nonsense\r\n\r\n").response()
        assert response.status == 400
    record = server.access.wait_for(lambda r: r["status"] == 400, "access record with 400")
    assert record["response_bytes"] == len(response.body)
    assert not {"target", "method", "user_agent"} & record.keys()
    assert record["duration_us"] < 30_000_000


def test_access_record_of_a_refused_first_request(server: Corral) -> None:
    server.get("/target?before")
    forget_access(server, "/target?before")
    with server.connect() as client:
        assert client.send(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n").response().status == 400
    record = server.access.wait_for(lambda r: r["status"] == 400, "access record with 400")
    assert (record["method"], record["target"]) == ("GET", "/")
    assert record["duration_us"] < 30_000_000


def test_access_record_of_a_cut_response(server: Corral) -> None:
    with server.connect() as client:
        client.request("/fails-later?log").head()
        client.chunk()
    record = server.expect_access("/fails-later?log")
    assert (record["status"], record["response_bytes"]) == (500, len("begun"))
    server.expect_log("CORRAL-401")
