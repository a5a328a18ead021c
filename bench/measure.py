"""One round: a server from its start to its end."""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from cases.base import Case, Values
from running import Running
from servers import Server


@dataclass(frozen=True)
class Sample:
    """What one round gave."""

    values: Values
    errors: int
    stopped_in_time: bool
    others_cpu_share: float  # of all CPUs, used by what is neither the server nor the load

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def measure(case: Case, server: Server, seconds: int, env: Mapping[str, str]) -> Sample:
    """Runs one round. Raises ServerFailed."""
    with tempfile.TemporaryFile() as log:
        with Running(server, case.app, case.shape, case.request, env, log) as running:
            before = running.usage()
            measured = case.load(running, seconds * case.seconds_factor)
            used = running.usage() - before
    values = measured.values | {"start_ms": running.start_ms}
    return Sample(values, measured.errors, running.stopped_in_time, used.others_share)
