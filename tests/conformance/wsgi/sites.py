"""What the servers of these tests serve: `apps/THEME.py`, its function NAME, as X-App tells."""

import functools
import importlib
from wsgiref.validate import validator


def find(environ):
    theme, _, name = environ["HTTP_X_APP"].partition(".")
    return getattr(importlib.import_module(f"apps.{theme}"), name)


def plain(environ, start_response):
    return find(environ)(environ, start_response)


def validated(environ, start_response):
    return validator(find(environ))(environ, start_response)


def positional(given, begin, /):
    """Takes no keywords: the names of the arguments are the application's business."""
    begin("200 OK", [("Content-Type", "text/plain")])
    return [b"positional"]


class Class:
    """PEP 3333's own example: calling the class makes the iterable."""

    def __init__(self, environ, start_response):
        self.environ = environ
        self.start = start_response

    def __iter__(self):
        self.start("200 OK", [("Content-Type", "text/plain")])
        yield b"Class"


class Instance:
    def __call__(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"instance"]


instance = Instance()
method = instance.__call__
partial = functools.partial(lambda text, environ, start: positional(environ, start), b"text")
