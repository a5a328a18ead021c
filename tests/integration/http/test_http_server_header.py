"""The Server header: --server-header."""

import pytest
from http_servers import serve

from harness.gate import Gate

REQUESTS = [
    ("GET /hello HTTP/1.1", 200),
    ("GET /own-server HTTP/1.1", 200),
    ("GET /up HTTP/1.1", 200),
    ("GET /fails HTTP/1.1", 500),
    ("GET /hello HTTP/1.9", 505),
]


@pytest.mark.parametrize("isolation", ["interpreter", "process"])
@pytest.mark.parametrize(
    ("setting", "sent"),
    [(None, [b"corral"]), ("none", []), ("my site/2 (x)", [b"my site/2 (x)"])],
)
def test_server_header(gate: Gate, isolation: str, setting: str | None, sent: list[bytes]) -> None:
    """Also in the server's own responses; the application's own one wins. Date is there once."""
    options = [f"--server-header={setting}"] if setting else []
    with serve(gate, *options, isolation=isolation) as server:
        for line, status in REQUESTS:
            with server.connect() as client:
                client.send(f"{line}\r\nHost: a\r\nConnection: close\r\n\r\n")
                lines = client.rest().split(b"\r\n\r\n")[0].split(b"\r\n")
            assert int(lines[0].split()[1]) == status
            named = [one.split(b": ", 1) for one in lines[1:]]
            found = [value for name, value in named if name == b"Server"]
            assert found == ([b"mine"] if "own-server" in line else sent)
            assert [name for name, _ in named].count(b"Date") == 1
        server.expect_log("CORRAL-401")
