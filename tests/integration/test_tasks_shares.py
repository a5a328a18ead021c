"""Weights of queues on their way from the command line into the stores."""

import pytest
from task_site import MakeSite


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_node_with_weights_serves_its_queues(make_site: MakeSite, database: str) -> None:
    site = make_site(database)
    with site.work("--queues=default:3,*"):
        for number in range(3):
            (row,) = site.wait_finished(site.enqueue_outside("add", number))
            assert row["return_value"] == number + 1
