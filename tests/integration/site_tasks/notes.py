"""How the site's tasks and views talk with the test: files in SITE_FOLDER."""

import os
import threading
from pathlib import Path

FOLDER = Path(os.environ["SITE_FOLDER"])


def note(text: str) -> None:
    """Adds a line to the file of notes; whole, whoever else writes."""
    line = f"{text}\n".encode()
    fd = os.open(FOLDER / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(fd, line)
    finally:
        os.close(fd)


def wait_at(gate: str) -> None:
    """Waits until the test opens this gate: a pipe that it begins to write to."""
    note(f"at {gate}")
    os.close(os.open(FOLDER / gate, os.O_RDONLY))


def is_flag_set(name: str) -> bool:
    """Whether the test has made a file of this name."""
    return (FOLDER / name).exists()


def thread_name() -> str:
    """Of the calling thread, as the operating system knows it."""
    path = f"/proc/self/task/{threading.get_native_id()}/comm"
    return Path(path).read_text(encoding="ascii").strip()
