"""Whatever an application raises is that request's failure and nothing more."""

from collections.abc import Iterator

import pytest
from wsgi_site import Site

from harness import ResponseCut

# What the log says of each; "" where Python may word it in several ways.
CAUSES = {
    "exception": "LookupError: of the application",
    "system-exit": "SystemExit: 3",
    "system-exit-none": "SystemExit",
    "keyboard-interrupt": "KeyboardInterrupt",
    "generator-exit": "GeneratorExit",
    "stop-iteration": "StopIteration: of the application",
    "own-base-exception": "OwnBase: of the application",
    "cancelled": "CancelledError",
    "group": "ExceptionGroup: several (2 sub-exceptions)",
    "unprintable": "Unprintable",
    "surrogates": "é €",
    "long-text": "xxxxxxxx",
    "recursion": "RecursionError",
    "recursion-json": "RecursionError",
    "recursion-repr": "RecursionError",
    "recursion-pickle": "RecursionError",
    "recursion-copy": "RecursionError",
    "recursion-own-repr": "RecursionError",
    "recursion-equal": "RecursionError",
    "memory": "MemoryError",
    "memory-list": "MemoryError",
    "syntax": "",
    "regular-expression": "",
    "import": "ModuleNotFoundError: No module named 'there_is_no_such_module'",
}
# Where it is raised makes no difference to these.
SOME = ["exception", "system-exit", "keyboard-interrupt", "generator-exit", "recursion-json"]
SOME += ["memory", "own-base-exception"]


@pytest.fixture
def survivor(site: Site) -> Iterator[Site]:
    """The site; afterwards the same worker answers as before, and nothing is left of the error."""
    before = site.get("failures.alive")
    assert before.status == 200
    yield site
    assert site.get("failures.alive").text == before.text


@pytest.mark.parametrize("cause", CAUSES)
def test_raised_when_called(survivor: Site, cause: str) -> None:
    survivor.assert_refused("failures.when_called", CAUSES[cause], target=f"/?{cause}")


@pytest.mark.parametrize("cause", SOME)
@pytest.mark.parametrize("where", ["after_start", "at_first_next"])
def test_raised_before_the_first_byte(survivor: Site, where: str, cause: str) -> None:
    survivor.assert_refused(f"failures.{where}", CAUSES[cause], target=f"/?{cause}")


@pytest.mark.parametrize("cause", SOME)
@pytest.mark.parametrize("where", ["in_the_middle", "at_the_end"])
def test_raised_after_the_first_byte(survivor: Site, where: str, cause: str) -> None:
    with survivor.connect() as client, pytest.raises(ResponseCut):
        survivor.ask(client, f"failures.{where}", f"/?{cause}").response()
    survivor.server.expect_log("CORRAL-401", CAUSES[cause])


@pytest.mark.parametrize("cause", SOME)
def test_raised_by_close(survivor: Site, cause: str) -> None:
    assert survivor.get("failures.in_close", f"/?{cause}").text == "complete"
    survivor.server.expect_log("CORRAL-403", CAUSES[cause])


@pytest.mark.parametrize("cause", SOME)
def test_connection_goes_on_after_a_failure(survivor: Site, cause: str) -> None:
    with survivor.connect() as client:
        for _ in range(3):
            response = survivor.ask(client, "failures.when_called", f"/?{cause}").response()
            assert response.status == 500
            survivor.server.expect_log("CORRAL-401", CAUSES[cause])
        assert survivor.ask(client, "failures.alive").response().status == 200


def test_failure_with_a_body_that_was_not_read(survivor: Site) -> None:
    with survivor.connect() as client:
        survivor.ask(
            client, "failures.when_called", "/?exception", method="POST", body=b"x" * 300_000
        )
        assert client.response().status == 500
        assert survivor.ask(client, "failures.alive").response().status == 200
    survivor.server.expect_log("CORRAL-401", CAUSES["exception"])


def test_failure_of_a_request_by_head_has_no_body(survivor: Site) -> None:
    with survivor.connect() as client:
        survivor.ask(client, "failures.when_called", "/?exception", method="HEAD")
        assert client.response("HEAD").status == 500
        assert survivor.ask(client, "failures.alive").response().status == 200
    survivor.server.expect_log("CORRAL-401", CAUSES["exception"])


def test_log_names_the_request_and_the_line(survivor: Site) -> None:
    survivor.get("failures.when_called", "/some%20path?exception", method="POST", body=b"")
    record = survivor.server.expect_log("CORRAL-401")
    assert (record["method"], record["path"]) == ("POST", "/some path")
    assert record["error"] == "LookupError: of the application"
    assert "failures.py" in record["traceback"]
    assert "_raise(LookupError" in record["traceback"]
