"""What a test and its application tell each other, apart from the response under test."""

import queue
import threading

WAIT_S = 20


class Track:
    def __init__(self):
        self.notes = queue.Queue()
        self.gate = threading.Semaphore(0)

    def note(self, text):
        self.notes.put(text)

    def wait_for_gate(self):
        if not self.gate.acquire(timeout=WAIT_S):
            raise TimeoutError("the test opened no gate")


_tracks = {}


def of(environ):
    """The track of the test that sent this request."""
    return _tracks.setdefault(environ["HTTP_X_TRACK"], Track())


TEXT = [("Content-Type", "text/plain")]


def next_note(environ, start_response):
    """Waits for the application's next note."""
    try:
        text = of(environ).notes.get(timeout=WAIT_S)
    except queue.Empty:
        start_response("504 Gateway Timeout", TEXT)
        return [b"there was no note"]
    start_response("200 OK", TEXT)
    return [text.encode()]


def open_gate(environ, start_response):
    """Lets one wait_for_gate() pass."""
    of(environ).gate.release()
    start_response("200 OK", TEXT)
    return [b""]
