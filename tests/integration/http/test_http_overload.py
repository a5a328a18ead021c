"""More is asked than can be done; and clients that leave while they wait."""

import socket

import pytest
from http_servers import assert_alive, counters, serve, wait_until_read

from harness import Client, Corral
from harness.gate import Gate
from harness.open_loop import Phase, visit

GET = b"GET %s HTTP/1.1\r\nHost: test\r\n\r\n"
WORK_MS = 50


@pytest.mark.parametrize("isolation", ["interpreter", "process"])
def test_three_times_as_much_as_can_be_done(gate: Gate, isolation: str) -> None:
    """bench/overload.py measures the same."""
    with serve(gate, isolation=isolation, workers=2, threads=1) as server:
        capacity = 2 * 1000 / WORK_MS
        phases = [Phase(3 * capacity, 3), Phase(capacity / 4, 2)]
        visits = visit(server.port, phases, f"/work?{WORK_MS}", patience_s=30)
        server.expect_log("CORRAL-325")
        server.log.drop(lambda record: record.get("code") == "CORRAL-325")  # of the other process
        assert {one.status for one in visits} == {200, 503}
        answered = [one for one in visits if one.phase == 0 and one.status == 200]
        assert len(answered) > capacity  # in three seconds
        late = [one for one in visits if one.phase == 1 and one.at_s > 4]
        assert {one.status for one in late} == {200}, "not itself again a second later"
        assert_alive(server.connect())
        server.stop()
        refused = sum(one.status == 503 for one in visits)
        assert counters(server)["shed"] == counters(server)["overload_wait"] == refused


def test_first_come_first_served_where_it_is_asked_for(gate: Gate) -> None:
    with serve(gate, "--overload-wait=0", threads=1) as server:
        visits = visit(server.port, [Phase(60, 1.5)], f"/work?{WORK_MS}", patience_s=30)
        assert {one.status for one in visits} == {200}


def wait_a_while(gate: Gate) -> None:
    """Until a limit of 300 ms is over, which another server tells."""
    with serve(gate, "--keep-alive=0.3") as clock, clock.connect() as client:
        assert_alive(client)
        client.assert_closed()


@pytest.mark.parametrize("how", ["close", "abort"])
def test_requests_of_clients_that_have_left_are_not_run(gate: Gate, how: str) -> None:
    with serve(gate, threads=1) as server:
        with server.no_leaks():
            running = server.connect().request("/hold?running")
            visitor = gate.wait("running")
            impatient = [server.connect().request(f"/target?left{n}") for n in range(5)]
            patient = server.connect().request("/target?stayed")
            wait_until_read(server)
            wait_a_while(gate)
            for client in impatient:
                getattr(client, how)()
            visitor.let_go()
            assert patient.response().text == "/target?stayed"
            assert running.response().text == "let go"
            patient.close()
            running.close()
        server.stop()
        assert counters(server)["gone"] == 5
        answered = [record["target"] for record in server.access.all() if record["status"] == 200]
        assert sorted(t for t in answered if t != "/up") == ["/hold?running", "/target?stayed"]


def send_and_half_close(server: Corral, request: bytes) -> Client:
    """In one packet, so that the server knows of both at the same time."""
    client = server.connect()
    client.socket.send(request, socket.MSG_MORE)
    return client.half_close()


def test_half_closed_client_is_patient(gate: Gate) -> None:
    with serve(gate, threads=1) as server, server.no_leaks():
        running = server.connect().request("/hold?running")
        visitor = gate.wait("running")
        client = send_and_half_close(server, GET % b"/hello")
        wait_until_read(server)
        wait_a_while(gate)
        visitor.let_go()
        assert client.response().text == "hello"
        client.assert_closed()
        client.close()
        running.close()


def test_wait_in_the_queue_ends_also_while_no_worker_is_free(gate: Gate) -> None:
    with serve(gate, "--queued-timeout=0.05", threads=1) as server, server.no_leaks():
        running = server.connect().request("/hold?running")
        visitor = gate.wait("running")
        with server.connect() as late:
            assert late.request("/hello").response().status == 503
            server.expect_log("CORRAL-324")
            visitor.let_go()
            assert running.response().text == "let go"
            assert_alive(late)
        running.close()
