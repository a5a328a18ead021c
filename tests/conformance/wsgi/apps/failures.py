import asyncio
import copy
import json
import os
import pickle
import re
import sys
import threading
import uuid

from apps.track import TEXT

# The worker that this is: a new one would have a new one.
BORN = uuid.uuid4().hex


def alive(environ, start_response):
    """Says which worker answers, and that nothing of an earlier failure is left in it."""
    start_response("200 OK", TEXT)
    return [f"{BORN} {os.getpid()} {sys.exc_info()[0]} {len(threading.enumerate())}".encode()]


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no text either")


class OwnBase(BaseException):
    pass


def _recurse(depth=0):
    return _recurse(depth + 1)


def _nested(depth=200_000):
    inner = []
    for _ in range(depth):
        inner = [inner]
    return inner


class Repr:
    """Recursion through C: repr() of a list of an object whose repr() is repr() of a list ..."""

    def __repr__(self):
        return repr([self])


class Equal:
    def __eq__(self, other):
        return [self] == [Equal()]

    __hash__ = None


def _raise(error):
    try:
        raise error
    finally:
        del error  # else the error holds its own traceback, and that the request's environ


CAUSES = {
    "exception": lambda: _raise(LookupError("of the application")),
    "system-exit": lambda: sys.exit(3),
    "system-exit-none": lambda: sys.exit(),
    "keyboard-interrupt": lambda: _raise(KeyboardInterrupt()),
    "generator-exit": lambda: _raise(GeneratorExit()),
    "stop-iteration": lambda: _raise(StopIteration("of the application")),
    "own-base-exception": lambda: _raise(OwnBase("of the application")),
    "cancelled": lambda: _raise(asyncio.CancelledError()),
    "group": lambda: _raise(ExceptionGroup("several", [ValueError(1), OSError(2)])),
    "unprintable": lambda: _raise(Unprintable()),
    "surrogates": lambda: _raise(LookupError("\udcff\ud800 \0 é €")),
    "long-text": lambda: _raise(LookupError("x" * 1_000_000)),
    "recursion": _recurse,
    "recursion-json": lambda: json.dumps(_nested()),
    "recursion-repr": lambda: repr(_nested()),
    "recursion-pickle": lambda: pickle.dumps(_nested()),
    "recursion-copy": lambda: copy.deepcopy(_nested()),
    "recursion-own-repr": lambda: repr(Repr()),
    "recursion-equal": lambda: Equal() == 1,
    "memory": lambda: bytes(1 << 62),
    "memory-list": lambda: [0] * (1 << 60),
    "syntax": lambda: compile("(" * 300, "made-up", "exec"),
    "regular-expression": lambda: re.compile("(" * 20_000),
    "import": lambda: __import__("there_is_no_such_module"),
}


def when_called(environ, start_response):
    CAUSES[environ["QUERY_STRING"]]()
    start_response("200 OK", TEXT)
    return [b"it did not fail"]


def after_start(environ, start_response):
    start_response("200 OK", TEXT)
    CAUSES[environ["QUERY_STRING"]]()
    return [b"it did not fail"]


def at_first_next(environ, start_response):
    start_response("200 OK", TEXT)
    CAUSES[environ["QUERY_STRING"]]()
    yield b"it did not fail"


def in_the_middle(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"begun"
    CAUSES[environ["QUERY_STRING"]]()
    yield b"it did not fail"


class AtTheEnd:
    """Everything is out; then __next__ raises instead of ending."""

    def __init__(self, cause):
        self.cause = cause
        self.parts = [b"complete"]

    def __iter__(self):
        return self

    def __next__(self):
        if self.parts:
            return self.parts.pop()
        self.cause()
        raise StopIteration


def at_the_end(environ, start_response):
    start_response("200 OK", TEXT)
    return AtTheEnd(CAUSES[environ["QUERY_STRING"]])


class InClose:
    def __init__(self, cause):
        self.close = cause

    def __iter__(self):
        return iter([b"complete"])


def in_close(environ, start_response):
    start_response("200 OK", TEXT)
    return InClose(CAUSES[environ["QUERY_STRING"]])
