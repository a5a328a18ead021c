"""Starts the real `corral serve` and looks at it from outside. See README.md."""

from harness.client import Client, Response, ResponseCut
from harness.processes import eventually
from harness.server import Corral, Ended, take_logs

__all__ = ["Client", "Corral", "Ended", "Response", "ResponseCut", "eventually", "take_logs"]
