"""The four servers of the conformance tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from wsgi_site import Site

from harness import Corral

HERE = Path(__file__).parent
VARIANTS = [
    (isolation, site) for isolation in ("interpreter", "process") for site in ("plain", "validated")
]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "plain_only(why): not under wsgiref.validate, which objects itself"
    )


@pytest.fixture(scope="session", params=VARIANTS, ids="-".join)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Corral, bool]]:
    isolation, site = request.param
    folder = tmp_path_factory.mktemp("bodies")
    with Corral(
        f"sites:{site}", HERE, threads=4, isolation=isolation, env={"TMPDIR": str(folder)},
        options=["--body-memory-total=0"],  # what is not small is in a file
    ) as server:  # fmt: skip
        yield server, site == "validated"


@pytest.fixture
def site(request: pytest.FixtureRequest, served: tuple[Corral, bool]) -> Iterator[Site]:
    """Each of the four servers in turn; it must be left as it was found."""
    server, is_validated = served
    marker = request.node.get_closest_marker("plain_only")
    if marker and is_validated:
        pytest.skip(marker.args[0])
    with server.no_leaks():
        yield Site(server, is_validated)
    server.check_log()
