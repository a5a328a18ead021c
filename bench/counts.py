"""Instructions of fixed pieces of work, beside those that counts.json remembers.

    make counts                      counts, and writes counts.json
    .venv/bin/python bench/counts.py counts and compares, as tests do (test_counts.py)

Instructions are counted by callgrind in user space: they repeat to a fraction of a percent, also on
a busy machine. What is counted:

    parse      one browser's head, by build/release/http_parse_count
    wsgi_call  gateway/wsgi_call.h around the least application: environ, call, response
    request    all of an engine for that request: reading, parsing, the call, writing

The last two come from a real server whose engine runs under valgrind, as the difference of two runs
with different numbers of requests, so that start and end do not count. Of threads that do not run
requests only the polling counts: what ticks depends on how long a run takes.
"""

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE = Path(__file__).with_suffix(".json")
HEADS = 10_000  # that http_parse_count parses
REQUESTS = (1_000, 5_000)
RUN_SECONDS_MAX = 240
MORE_MAX = 0.05
LESS_MAX = 0.20  # beyond it the file must learn of it, or the next slowdown hides behind it
OTHER_TOOLCHAIN_MAX = 0.20  # another compiler or Python than those in the file
WSGI_CALL = "corral::gateway::WsgiCall::run("
STANDBY_POLLS = "corral::http::Polling::poll_for_busy_workers("

REQUEST = (
    b"GET / HTTP/1.1\r\n"
    b"Host: 127.0.0.1:8000\r\n"
    b"Connection: keep-alive\r\n"
    b"Upgrade-Insecure-Requests: 1\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0.0.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-GB,en;q=0.9\r\n"
    b"Cookie: csrftoken=Zk3vJ8cQ2mXw9LrT5bYh7nPd4sGf1aEu\r\n"
    b"\r\n"
)
BODY = b"Hello, World!"  # of bench.apps.raw

# The supervisor starts its engine with sys.executable: a script that puts valgrind before it.
START = (
    "import sys; from corral.cli import main; sys.executable = sys.argv.pop(1); sys.exit(main())"
)


class CannotCount(Exception):
    """The text says why."""


@dataclass(frozen=True)
class Profile:
    """Instructions: all, and those of two functions with what they call."""

    total: int
    wsgi_call: int
    standby_polls: int


def read_profile(lines: Iterable[str]) -> Profile:
    """Reads the format described in valgrind's manual, "Callgrind Format Specification"."""
    names: dict[str, str] = {}
    callee, is_call = "", False
    total = 0
    inclusive = {WSGI_CALL: 0, STANDBY_POLLS: 0}
    for line in lines:
        if line.startswith(("fn=", "cfn=")):
            key, number, name = re.match(r"(c?fn)=(\(\d+\))(?: (.*))?", line).groups()
            if name is not None:
                names[number] = name
            if key == "cfn":
                callee = names[number]
        elif line.startswith("calls="):
            is_call = True
        elif line[:1] in "0123456789+-*" and line.strip():
            cost = int(line.split()[1])
            if not is_call:
                total += cost
            for function in inclusive:
                if is_call and callee.startswith(function):
                    inclusive[function] += cost
            is_call = False
    return Profile(total, inclusive[WSGI_CALL], inclusive[STANDBY_POLLS])


def for_requests(threads: Iterable[Profile]) -> Profile:
    """What the threads of an engine did for requests."""
    total = calls = 0
    for thread in threads:
        total += thread.total if thread.wsgi_call else thread.standby_polls
        calls += thread.wsgi_call
    return Profile(total, calls, 0)


def count_parse(build: Path) -> int:
    """Instructions of one head."""
    program = build / "http_parse_count"
    if not program.exists():
        raise CannotCount(f"{program} is missing; `make test` and `make counts` build it")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        done = subprocess.run(
            [*valgrind(out), str(program)], capture_output=True, timeout=RUN_SECONDS_MAX
        )
        if done.returncode != 0:
            raise CannotCount(f"{program.name}: {done.stderr.decode(errors='replace')[-400:]}")
        with out.open() as lines:
            return read_profile(lines).total // HEADS


def valgrind(out: Path) -> list[str]:
    return ["valgrind", "--tool=callgrind", "--quiet", f"--callgrind-out-file={out}"]


def profile_server(requests: int) -> Profile:
    """A server with one worker that answers so many requests, one after another."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        wrapper = Path(folder) / "python"
        command = [*valgrind(out), "--separate-threads=yes", sys.executable]
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            listener.set_inheritable(True)
            command = [
                *(sys.executable, "-P", "-c", START, str(wrapper), "serve", "bench.apps.raw:app"),
                *("-b", f"fd://{listener.fileno()}", "-w", "1", "--threads", "1"),
                *("--isolation", "interpreter", "--task-workers", "0", "--log-level", "warning"),
                *("--graceful-timeout", "60"),
            ]
            env = dict(os.environ) | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
            server = subprocess.Popen(
                command,
                env=env,
                cwd=folder,
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        try:
            ask(port, requests)
        finally:
            server.send_signal(signal.SIGTERM)
            said = server.communicate(timeout=RUN_SECONDS_MAX)[1].decode(errors="replace")
        outs = list(out.parent.glob(f"{out.name}-*"))
        if server.returncode != 0 or not outs:
            raise CannotCount(f"the server ended with {server.returncode}: {said[-400:]}")
        return for_requests(read_profile(path.read_text().splitlines()) for path in outs)


def ask(port: int, requests: int) -> None:
    """Sends the requests on one connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=RUN_SECONDS_MAX) as connection:
        for _ in range(requests):
            connection.sendall(REQUEST)
            answer = b""
            while not answer.endswith(BODY):
                some = connection.recv(65536)
                if not some:
                    raise CannotCount(f"the server hung up: {answer!r}")
                answer += some


def count(build: Path) -> dict[str, int]:
    """All counts. Raises CannotCount."""
    if shutil.which("valgrind") is None:
        raise CannotCount("valgrind is not installed")
    with ThreadPoolExecutor() as pool:
        parse = pool.submit(count_parse, build)
        few, many = pool.map(profile_server, REQUESTS)
    asked = REQUESTS[1] - REQUESTS[0]
    counts = {
        "parse": parse.result(),
        "wsgi_call": (many.wsgi_call - few.wsgi_call) // asked,
        "request": (many.total - few.total) // asked,
    }
    if missing := [name for name, number in counts.items() if number <= 0]:
        raise CannotCount(f"nothing was counted of {', '.join(missing)}; was a function renamed?")
    return counts


def toolchain(build: Path) -> str:
    """What the numbers depend on, besides the code."""
    cache = (build / "CMakeCache.txt").read_text()
    compiler = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache, re.MULTILINE)[1]
    told = subprocess.run([compiler, "-dumpfullversion", "-dumpversion"], capture_output=True)
    flags = Path("/proc/cpuinfo").read_text()
    return ", ".join(
        [
            f"CPython {platform.python_version()} ({platform.python_compiler()})",
            f"{Path(compiler).name} {told.stdout.decode().strip()}",
            platform.machine() + (" avx2" if re.search(r"\bavx2\b", flags) else ""),
        ]
    )


def is_release(build: Path) -> bool:
    cache = (build / "CMakeCache.txt").read_text()
    return "CMAKE_BUILD_TYPE:STRING=Release" in cache


def remembered() -> dict[str, dict[str, int]]:
    """Counts by toolchain."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def compare(counts: dict[str, int], known: dict[str, dict[str, int]], ours: str) -> list[str]:
    """What moved too far, in sentences. Without our toolchain's numbers the last ones serve."""
    if not known:
        return ["counts.json is empty: make counts"]
    more_max, less_max = MORE_MAX, LESS_MAX
    if ours not in known:
        more_max = less_max = OTHER_TOOLCHAIN_MAX
    before = known.get(ours) or list(known.values())[-1]
    said = []
    for name, number in counts.items():
        was = before[name]
        if was * (1 - less_max) <= number <= was * (1 + more_max):
            continue
        moved = number / was - 1
        of = "" if ours in known else f" of another toolchain (this one: {ours})"
        said.append(
            f"{name}: {number:,} instructions, {abs(moved):.1%} {'more' if moved > 0 else 'fewer'} "
            f"than the {was:,}{of} in bench/counts.json. If that is meant: make counts"
        )
    return said


def describe(counts: dict[str, int], before: dict[str, int]) -> str:
    def line(name: str, number: int) -> str:
        moved = f"{number / before[name] - 1:+.1%}" if before.get(name) else "new"
        return f"{name:10} {number:>8,} instructions  {moved}"

    return "\n".join(line(name, number) for name, number in counts.items())


def main() -> int:
    parser = argparse.ArgumentParser(prog="counts", description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="write counts.json")
    options = parser.parse_args()
    build = ROOT / os.environ.get("CORRAL_BUILD_DIR", "build/release")
    try:
        begin = time.monotonic()
        counts = count(build)
    except CannotCount as reason:
        print(f"counts: {reason}", file=sys.stderr)
        return 1
    known, ours = remembered(), toolchain(build)
    print(f"{ours}, {time.monotonic() - begin:.0f} s\n{describe(counts, known.get(ours, {}))}")
    if options.update:
        FILE.write_text(json.dumps(known | {ours: counts}, indent=2) + "\n")
        return 0
    complaints = compare(counts, known, ours)
    print(*complaints, sep="\n", end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
