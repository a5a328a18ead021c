"""What a server has to do that does not call close() itself (PEP 3333)."""

from collections.abc import Callable, Iterable
from typing import Any


class Closing:
    """A WSGI application around another: takes the whole body, then calls close()."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable:
        result = self._application(environ, start_response)
        close = getattr(result, "close", None)
        if close is None:
            return result
        try:
            return list(result)
        finally:
            close()
