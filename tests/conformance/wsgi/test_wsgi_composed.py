"""Whatever an application makes of its response, the one behind it is what it should be, or is
not there: each combination of method, version, status, Content-Length, write() and iterable.
"""

import json
import random
from typing import NamedTuple

import pytest
from wsgi_site import Site

from harness import Client, Response, ResponseCut

BODY = b"0123456789"  # of framing.as_list, which comes behind


def content(size: int) -> bytes:
    period = bytes(range(251))
    return period * (size // 251) + period[: size % 251]


class Case(NamedTuple):
    method: str
    version: str
    status: str
    length: int | None
    written: list[int]
    returned: list[int]
    kind: str

    @property
    def made(self) -> int:
        return sum(self.written) + sum(self.returned)

    @property
    def has_body(self) -> bool:
        return self.method != "HEAD" and self.status[:3] not in ("204", "304")


def choose(rng: random.Random) -> Case:
    sizes = [0, 0, 1, 7, 1000, 8192, 65_536, 70_000, 300_000]
    written = [rng.choice(sizes) for _ in range(rng.choice([0, 0, 0, 1, 3]))]
    returned = [rng.choice(sizes) for _ in range(rng.choice([0, 1, 1, 2, 4]))]
    made = sum(written) + sum(returned)
    lengths = [None, None, made, made, max(0, made - 1), made + 1, 0, made // 2, sum(written)]
    return Case(
        rng.choice(["GET", "GET", "GET", "HEAD"]), rng.choice(["1.1", "1.1", "1.0"]),
        rng.choice(["200 OK", "200 OK", "404 Not Found", "204 No Content", "304 Not Modified"]),
        rng.choice(lengths), written, returned,
        rng.choice(["list", "tuple", "generator", "file", "file-like"]),
    )  # fmt: skip


class Outcome(NamedTuple):
    body: bytes  # as much of it as arrives
    is_wrong: bool  # more or less than the Content-Length
    is_cut: bool


def foresee(case: Case, is_validated: bool) -> Outcome:
    whole = content(case.made)
    if not case.has_body:
        return Outcome(b"", False, False)
    if case.length is None:
        return Outcome(whole, False, False)
    # Of a file a part may be asked for, which the validator hides; what is written is no file.
    is_range = case.kind.startswith("file") and not is_validated
    is_over = (sum(case.written) if is_range else case.made) > case.length
    is_short = case.made < case.length
    return Outcome(whole[: case.length], is_over or is_short, is_short)


def read_all(client: Client, case: Case) -> tuple[Response, bytes, bool]:
    """The head, the body as far as it comes, and whether it was cut."""
    head = client.head()
    if not case.has_body:
        return head, b"", False
    if head.framing == "length":
        length = int(head.header("Content-Length") or -1)
        if case.length is None or case.made >= case.length:
            return head, client.read(length), False
        return head, client.rest(), True
    if head.framing == "close":
        return head, client.rest(), False
    parts = []
    while part := client.chunk():
        parts.append(part)
    return head, b"".join(parts), False


def follow(client: Client, head: Response, outcome: Outcome) -> None:
    """The request behind is answered as ever, or the connection ends without a byte of it."""
    if outcome.is_wrong or head.header("Connection") == "close":
        client.assert_closed()
    else:
        response = client.response()
        assert (response.status, response.body) == (200, BODY)


def ask_both(site: Site, client: Client, case: Case) -> None:
    fields = ("status", "length", "written", "returned", "kind")
    spec = json.dumps({name: getattr(case, name) for name in fields})
    keep = {"Connection": "keep-alive"}
    site.ask(
        client, "composed.response", method=case.method, version=case.version,
        headers=keep | {"X-Response": spec},
    )  # fmt: skip
    site.ask(client, "framing.as_list", headers=keep)


@pytest.mark.parametrize("seed", range(10))
def test_response_behind_any_other(site: Site, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(40):
        case = choose(rng)
        outcome = foresee(case, site.is_validated)
        with site.connect() as client:
            ask_both(site, client, case)
            try:
                head, body, is_cut = read_all(client, case)
                assert f"{head.status} {head.reason}" == case.status
                assert (body, is_cut) == (outcome.body, outcome.is_cut)
                assert case.version == "1.1" or head.framing != "chunked"
                follow(client, head, outcome)
            except (AssertionError, ResponseCut, ConnectionError) as error:
                error.add_note(str(case))
                raise
        if outcome.is_wrong:
            site.server.expect_log("CORRAL-402")
