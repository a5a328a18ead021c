"""How many of the open files that a process may have are for connections."""

from pathlib import Path

import pytest

from corral import descriptors, plan
from corral.config import load
from corral.exceptions import ConfigurationError


@pytest.mark.parametrize(
    ("limit", "threads", "connections"),
    [(20_000, 4, 20_000 - 64 - 64), (1024, 2, 1024 - 96), (100, 2, 50), (3, 1, 2), (0, 1, 0)],
)
def test_connections(limit: int, threads: int, connections: int) -> None:
    assert descriptors.for_connections(limit, threads) == connections


@pytest.mark.parametrize(
    ("limit", "threads", "siblings", "connections"),
    [
        (20_000, 4, 2, 20_000 - 64 - 64 - 4),
        (20_000, 1, 512, 20_000 - 64 - 16 - 1024),
        (1024, 2, 400, (1024 - 800) - 96),
        (1024, 2, 512, 0),
        (100, 2, 1, 50),
    ],
)
def test_connections_beside_inboxes(
    limit: int, threads: int, siblings: int, connections: int
) -> None:
    assert descriptors.for_connections(limit, threads, siblings) == connections


def test_a_supervisor_has_inboxes_and_two_for_each_child() -> None:
    assert descriptors.for_supervisor(1) == 64 + 2
    assert descriptors.for_supervisor(512) == 64 + 2 * 512 + 2 * 512


def build(folder: Path, workers: int, limit: int, isolation: str = "process") -> dict:
    config = load({"workers": str(workers), "isolation": isolation}, {}, folder)
    resources = plan.Resources([9], ["127.0.0.1:8000"], 8, -1, "json", limit)
    return plan.build("serve", config, plan.Project("site", None, []), resources)


def test_a_supervisor_that_cannot_have_so_many_processes_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build(tmp_path, 400, 1024)
    assert str(caught.value) == (
        "--workers is 400; the supervisor of so many processes needs 1664 open files, but may have "
        "only 1024. Raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd), or lower the "
        "setting"
    )
    build(tmp_path, 240, 1024)
    build(tmp_path, 400, 1024, "interpreter")
    build(tmp_path, 1, 20)
