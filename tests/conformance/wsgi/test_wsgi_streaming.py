"""Each part is on its way before the next is made: PEP 3333, "Buffering and Streaming"."""

import pytest
from wsgi_site import Site

from harness import ResponseCut


@pytest.mark.parametrize("app", ["generated", "wrapped"])
def test_chunks_arrive_one_by_one(site: Site, app: str) -> None:
    with site.connect() as client:
        site.ask(client, f"streaming.{app}")
        client.head()
        for part in ("one", "two", "three"):
            assert site.note() == f"making {part}"
            assert client.chunk().decode() == part
            site.open_gate()  # only now the application goes on
        assert client.chunk() == b""


def test_parts_of_a_declared_length_arrive_one_by_one(site: Site) -> None:
    with site.connect() as client:
        site.ask(client, "streaming.declared")
        assert client.head().header("Content-Length") == "11"
        for part in ("one", "two"):
            assert client.read(len(part)).decode() == part
            site.open_gate()
        site.open_gate()  # the part that completes the length comes with the end
        assert client.read(5) == b"three"


def test_parts_without_any_framing_arrive_one_by_one(site: Site) -> None:
    with site.connect() as client:
        site.ask(client, "streaming.generated", version="1.0")
        assert client.head().framing == "close"
        for part in ("one", "two", "three"):
            assert client.read(len(part)).decode() == part
            site.open_gate()
        client.assert_closed()


def test_error_after_a_part_cuts_the_response(site: Site) -> None:
    with site.connect() as client:
        site.ask(client, "streaming.cut").head()
        assert client.chunk() == b"one"
        site.open_gate()
        with pytest.raises(ResponseCut):
            client.chunk()
    site.server.expect_log("CORRAL-401", "LookupError: in the middle")


def test_application_stops_when_the_client_goes(site: Site) -> None:
    with site.connect() as client:
        site.ask(client, "streaming.endless").head()
        for _ in range(1000):
            assert len(client.chunk()) == 65536
        assert site.note() == "far ahead of the client"
    assert site.note() == "stopped"
