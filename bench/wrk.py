"""The load generator: one run, and its report."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from running import ServerFailed

LUA = Path(__file__).resolve().parent / "lua"
MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Load:
    """What wrk reports."""

    requests: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


class Wrk:
    """One run, begun at once, from one thread on 127.0.0.1."""

    def __init__(
        self, port: int, path: str, connections: int, seconds: int, script: str | None = None
    ) -> None:
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
        if script:
            command += ["-s", str(LUA / script)]
        self._seconds = seconds
        self._process = subprocess.Popen(
            [*command, f"http://127.0.0.1:{port}{path}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
        )

    def result(self) -> Load:
        """Waits for its end. Raises ServerFailed."""
        try:
            out, complaint = self._process.communicate(timeout=self._seconds + 30)
        except subprocess.TimeoutExpired:
            raise ServerFailed("wrk did not end") from None
        finally:
            self._process.kill()
        if self._process.returncode != 0:
            raise ServerFailed(f"wrk: {complaint.strip() or out.strip()}")
        return parse_report(out)


def parse_report(text: str) -> Load:
    """Reads wrk's report (4.1, --latency)."""

    def latency(percent: int) -> float:
        match = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)$", text, re.MULTILINE)
        return float(match[1]) * MILLISECONDS[match[2]] if match else float("nan")

    requests = re.search(r"^\s+(\d+) requests in", text, re.MULTILINE)
    rate = re.search(r"^Requests/sec:\s+([\d.]+)", text, re.MULTILINE)
    if not requests or not rate:
        raise ServerFailed(f"wrk said something else: {text[:200]!r}")
    sockets = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text
    )
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = sum(int(count) for count in sockets.groups()) if sockets else 0
    return Load(
        requests=int(requests[1]),
        requests_per_second=float(rate[1]),
        p50_ms=latency(50),
        p99_ms=latency(99),
        errors=errors + (int(refused[1]) if refused else 0),
    )
