"""What a child process of the supervisor runs first: take the configuration, start the engine.

Imports little: its time is part of every start and restart.
"""

import _signal
import faulthandler
import json
import os
import sys
from typing import Any


def main(arguments: list[str]) -> int:
    """Runs the process to its end; returns its exit code."""
    # The terminal and service managers signal the whole group; we obey the control channel alone.
    for number in (_signal.SIGINT, _signal.SIGTERM):
        _signal.signal(number, _signal.SIG_IGN)
    from corral import _core  # type: ignore[attr-defined]

    control_fd = int(arguments[arguments.index("--control-fd") + 1])
    config: dict[str, Any] = json.loads(_core.receive_config(control_fd))
    if sys.stderr is not None:
        faulthandler.enable()  # a crash inside any worker names the Python line
    _set_environment(config)
    if config["keeper"]:
        config["node"] = _identify(config)
    return _core.run_engine(control_fd, config)


def _set_environment(config: dict[str, Any]) -> None:
    """Sets what all workers share before the first of them exists.

    The environment belongs to the process: writing it later races with C code that reads it.
    """
    for group in config["groups"]:
        if settings := json.loads(group["load"]).get("settings"):
            os.environ["DJANGO_SETTINGS_MODULE"] = settings
            return


def _identify(config: dict[str, Any]) -> str:
    """Who this incarnation of the node is, for the job store; a new one at every start."""
    import uuid

    lease_ms = config["limits"].get("node_lease_ms", 15_000)
    return json.dumps(
        {
            "incarnation": str(uuid.uuid4()),
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "lease_ms": lease_ms,
        }
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
