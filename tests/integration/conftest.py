"""Sites for the task tests: each with a database and a folder of its own."""

from collections.abc import Iterator

import pytest
from task_site import Databases, MakeSite, TaskSite


@pytest.fixture(scope="session")
def site_databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    databases = Databases(tmp_path_factory.mktemp("databases"))
    yield databases
    databases.close()


def _make_sites(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeSite]:
    made: list[TaskSite] = []

    def make(vendor: str = "sqlite") -> TaskSite:
        folder = tmp_path_factory.mktemp("site")
        made.append(TaskSite(folder, databases.take(vendor, folder)))
        return made[-1]

    yield make
    for site in made:
        databases.put_back(site.database)


@pytest.fixture(scope="module")
def make_site(
    site_databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeSite]:
    """Makes sites that live as long as the module's tests."""
    yield from _make_sites(site_databases, tmp_path_factory)


@pytest.fixture(params=["sqlite", "postgresql"])
def site(
    request: pytest.FixtureRequest, site_databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[TaskSite]:  # fmt: skip
    """A fresh site on each database."""
    for make in _make_sites(site_databases, tmp_path_factory):
        yield make(request.param)


@pytest.fixture
def sqlite_site(
    site_databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TaskSite]:
    """A fresh site on SQLite."""
    for make in _make_sites(site_databases, tmp_path_factory):
        yield make()
