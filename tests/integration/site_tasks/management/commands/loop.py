"""Commands as sites have them: they run for ever and end when told to."""

import signal
import threading
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from site_tasks import notes


class Command(BaseCommand):
    """Runs until it is asked to stop, in one of several ways."""

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("way", choices=["handler", "default", "deaf", "flaky", "once"])
        parser.add_argument("--loud", action="store_true")

    def handle(self, *args: Any, way: str, loud: bool, **options: Any) -> None:
        notes.note(f"loop {way} begun {'loud' if loud else 'quiet'} on {notes.thread_name()}")
        getattr(self, way)()

    def handler(self) -> None:
        """Has a handler for SIGTERM."""
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        notes.note("loop handler ready")
        stop.wait()
        notes.note("loop handler ended")

    def default(self) -> None:
        """Knows of nothing and is interrupted."""
        notes.note("loop default ready")
        try:
            while True:
                time.sleep(60)
        except KeyboardInterrupt:
            notes.note("loop default interrupted")

    def deaf(self) -> None:
        """Takes no notice."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        notes.wait_at("deaf")

    def flaky(self) -> None:
        """Fails twice, then runs as it should."""
        runs = (notes.FOLDER / "notes").read_text().count("loop flaky begun")
        if runs == 1:
            raise CommandError("the first time")
        if runs == 2:
            raise RuntimeError("the second time")
        self.handler()

    def once(self) -> None:
        """Ends by itself."""
