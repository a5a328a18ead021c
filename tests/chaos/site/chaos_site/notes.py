"""What tasks note of themselves: not in the database, because that is what is harmed."""

import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PATH = os.path.join(os.environ["CHAOS_FOLDER"], "notes")


def note(what: str, **more: Any) -> None:
    """Adds a line to the notes; whole, whoever else writes, and there when the process dies."""
    line = json.dumps({"what": what, "at": time.monotonic_ns(), **more}) + "\n"
    fd = os.open(PATH, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)


def process() -> str:
    """host:pid, as nodes call themselves in the rows."""
    return f"{os.uname().nodename}:{os.getpid()}"


@contextmanager
def run(context: Any) -> Iterator[str]:
    """Notes the begin and the end of one run; the token that stands for it is what tasks return."""
    token = uuid.uuid4().hex[:12]
    about = {"job": context.task_result.id, "token": token}
    note("begin", **about, process=process())
    yield token
    note("end", **about)
