"""An application with a known capacity: each request holds its thread for 10 ms."""

import time
from collections.abc import Callable, Iterable
from typing import Any

BODY = b"Hello, World!"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]
SECONDS = 0.01


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers everything with BODY, later."""
    time.sleep(SECONDS)
    start_response("200 OK", HEADERS)
    return [BODY]
