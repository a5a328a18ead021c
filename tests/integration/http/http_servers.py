"""Servers for the HTTP tests."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import Client, Corral
from harness.gate import Gate

SITES = Path(__file__).parent / "sites"

# No time limit ends what a test does not want to end: what looks right here is not due to one.
PATIENT = ["--keep-alive=3600", "--header-timeout=3600", "--body-timeout=3600"]
PATIENT += ["--write-timeout=3600", "--queued-timeout=3600"]


def serve(gate: Gate, *options: str, bind: Sequence[str] = ("127.0.0.1:0",), **more: Any) -> Corral:
    """The site of these tests, with two threads and no time limits unless it is said otherwise."""
    more.setdefault("threads", 2)
    return Corral(
        "web:application", SITES, bind=bind, options=[*PATIENT, *options],
        env=gate.env | more.pop("env", {}), **more,
    )  # fmt: skip


def wait_until_read(server: Corral) -> None:
    """Returns when the server has read everything sent before this call.

    Its I/O thread takes events in their order and answers this one itself.
    """
    assert server.get("/up").status == 200


def pattern(count: int) -> bytes:
    """The body of /size and /stream."""
    period = bytes(range(251))
    return period * (count // 251) + period[: count % 251]


def counters(server: Corral) -> Counter[str]:
    """What the processes of a server that has ended counted, together."""
    total: Counter[str] = Counter()
    for record in server.log_records():
        if record["message"] == "web counters at the end":
            total.update({name: n for name, n in record.items() if isinstance(n, int)})
    return total


def assert_alive(client: Client) -> None:
    """The connection takes one more request."""
    assert client.request("/hello").response().text == "hello"
