"""A browser to test with: headless Chromium, spoken to over a pipe in its DevTools protocol.

Needs nothing but the program itself. What the page complains about (console errors, refused
scripts or styles, failed loads) is collected in `complaints`.
"""

import base64
import contextlib
import fcntl
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

ANSWER_TIME_MAX_S = 60
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def find_program() -> str | None:
    """The path of a Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class BrowserError(Exception):
    """The browser refused a command, or a script in the page raised."""


class Page:
    """One tab. Every method waits for the browser's answer."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._buffer = b""
        self._last_id = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self._call(f"{domain}.enable")

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """The window's size in CSS pixels, and whether the user prefers dark pages."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 700,
        )  # fmt: skip
        wishes = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce",  # pictures shall not depend on the moment
        }
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self._call("Emulation.setEmulatedMedia", features=features)

    def open(self, url: str) -> None:
        """Load a page, up to its load event."""
        self.evaluate("window.leaving = true")
        self._call("Page.navigate", url=url)
        self.wait_until("!window.leaving && document.readyState === 'complete'")

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        found = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise BrowserError(found["exceptionDetails"]["exception"].get("description", script))
        return found["result"].get("value")

    def wait_until(self, script: str, time_max_s: float = ANSWER_TIME_MAX_S) -> None:
        """Look until an expression is true in the page; navigation on the way is fine."""
        end = time.monotonic() + time_max_s
        while True:
            with contextlib.suppress(BrowserError):  # the page of a moment ago is gone
                if self.evaluate(f"Boolean({script})"):
                    return
            if time.monotonic() > end:
                raise TimeoutError(f"never became true in the page: {script}")
            self._pump(until=time.monotonic() + 0.05)

    def choose_files(self, selector: str, *paths: pathlib.Path) -> None:
        """Put files into a file input, as its dialog would."""
        root = self._call("DOM.getDocument")["root"]["nodeId"]
        node = self._call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self._call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def drop_files(self, selector: str, *paths: pathlib.Path) -> None:
        """Drag files onto the middle of an element and let them go."""
        x, y = self.evaluate(
            f"(r => [r.x + r.width / 2, r.y + r.height / 2])"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self._call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def screenshot(self, path: pathlib.Path) -> None:
        """What the window shows, as PNG."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def _call(self, method: str, **params: Any) -> dict:
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        answer = self._pump(until=time.monotonic() + ANSWER_TIME_MAX_S, wanted=self._last_id)
        if answer is None:
            raise TimeoutError(f"the browser did not answer {method}")
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _pump(self, until: float, wanted: int | None = None) -> dict | None:
        """Take messages in until the wanted answer comes or the time is over."""
        while True:
            while b"\0" in self._buffer:
                text, self._buffer = self._buffer.split(b"\0", 1)
                message = json.loads(text)
                self._note(message)
                if wanted is not None and message.get("id") == wanted:
                    return message
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._reading], [], [], left)[0]:
                return None
            chunk = os.read(self._reading, 1 << 20)
            if not chunk:
                raise BrowserError("the browser ended")
            self._buffer += chunk

    def _note(self, message: dict) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                entry = params["entry"]
                self.complaints.append(f"{entry['text']} {entry.get('url', '')}".strip())
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description", "raised"))


# The protocol is spoken on descriptors 3 and 4, which subprocess alone cannot arrange.
RENUMBER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4);"
    "os.execv(sys.argv[3], sys.argv[3:])"
)


@contextlib.contextmanager
def browse(program: str) -> Iterator[Page]:
    """A browser with one empty page and a profile of its own; ended at the end."""
    to_browser, writing = map(_out_of_the_way, os.pipe())
    reading, from_browser = map(_out_of_the_way, os.pipe())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        child = subprocess.Popen(
            [sys.executable, "-c", RENUMBER, str(to_browser), str(from_browser), *browser],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        try:
            yield Page(reading, writing)
        finally:
            os.close(writing)  # the end of its pipe ends the browser
            try:
                child.wait(ANSWER_TIME_MAX_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            os.close(reading)


def _out_of_the_way(descriptor: int) -> int:
    """The same descriptor with a number that the renumbering does not touch."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved
