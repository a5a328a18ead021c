"""The application object: PEP 3333, "The Application/Framework Side"."""

from pathlib import Path

import pytest

from harness import Corral


@pytest.mark.parametrize("isolation", ["interpreter", "process"])
@pytest.mark.parametrize(
    ("name", "text"),
    [("positional", "positional"), ("Class", "Class"), ("instance", "instance"),
     ("method", "instance"), ("partial", "positional")],
)  # fmt: skip
def test_any_callable_of_two_arguments_serves(isolation: str, name: str, text: str) -> None:
    """Again and again, and called with positional arguments."""
    with Corral(f"sites:{name}", Path(__file__).parent, isolation=isolation) as server:
        with server.connect() as client:
            assert [client.request().response().text for _ in range(3)] == [text] * 3
