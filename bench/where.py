"""Where the CPU time of a request goes, by samples of the stacks under load.

    .venv/bin/python bench/where.py [--case raw,django] [--servers corral] [--seconds 5]

`perf` takes a sample of every running thread of the server 499 times a CPU second. Each belongs to
one part: what is above the system call where the kernel runs, else the innermost function that has
a name of ours, else the library. The shares are of the CPU time that the same load took.
"""

import argparse
import collections
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for bench.apps

import environment
from cases import CASES
from cases.rate import RateCase
from running import Running
from servers import SERVERS, Server, chosen

HERTZ = 499
WARM_UP_SECONDS = 1
REST_SHARE = 0.005  # smaller parts are one

SYSCALL = re.compile(r"__x64_sys_(\w+)|__arm64_sys_(\w+)")
ROOM = re.compile(r"corral::(\w+)::")

Frame = tuple[str, str]  # function, object


def part_of(frames: list[Frame]) -> str:
    """The part of a sample; its innermost frame first."""
    for function, _ in frames:
        if found := SYSCALL.fullmatch(function):
            return f"kernel: {found[1] or found[2]}"
    function, place = frames[0]
    if "kernel" in place:
        return "kernel: other"
    if "_core." in place:
        room = ROOM.search(function)
        return f"corral: {room[1]}" if room else "corral: other"
    if "python" in Path(place).name:
        return "CPython and Python code"
    return f"library: {Path(place).name.partition('.so')[0].strip('[]')}"


def samples(text: Iterable[str]) -> Iterator[list[Frame]]:
    """Of perf script's output: a line for each frame, samples with an empty line between."""
    frames: list[Frame] = []
    for line in text:
        if match := re.fullmatch(r"\s+[0-9a-f]+ (.+) \((.+)\)\s*", line):
            frames.append((match[1], match[2]))
        elif frames:
            yield frames
            frames = []
    if frames:
        yield frames


def profile(case: RateCase, server: Server, seconds: int, env: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        data = f"{folder}/perf.data"
        with Running(server, case.app, case.shape, case.request, env, log) as running:
            case.load(running, WARM_UP_SECONDS)
            pids = ",".join(str(member.pid) for member in running.tree.members())
            command = [
                "perf",
                "record",
                "-q",
                "-e",
                "cpu-clock",
                "-F",
                str(HERTZ),
                "-g",
                "-o",
                data,
            ]
            recorder = subprocess.Popen([*command, "-p", pids], stderr=subprocess.DEVNULL)
            measured = case.load(running, seconds)
            recorder.terminate()
            recorder.wait()
        script = ["perf", "script", "-i", data, "-F", "ip,sym,dso"]
        text = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    parts = collections.Counter(part_of(frames) for frames in samples(text.splitlines()))
    show(case, server, parts, measured.values["cpu_us"])


def show(case: RateCase, server: Server, parts: collections.Counter[str], cpu_us: float) -> None:
    total = parts.total()
    rest = sum(count for count in parts.values() if count < REST_SHARE * total)
    print(f"\n{case.title}: {server.title}, {cpu_us:.1f} µs CPU a request, {total} samples\n")
    print("| part | share | µs |\n|---|---:|---:|")
    shown = [(part, count) for part, count in parts.most_common() if count >= REST_SHARE * total]
    for part, count in [*shown, ("the rest", rest)]:
        print(f"| {part} | {count / total:.1%} | {count / total * cpu_us:.1f} |")


def main() -> None:
    known = [case for case in CASES if isinstance(case, RateCase)]
    parser = argparse.ArgumentParser(prog="where", description="Where CPU time goes.")
    parser.add_argument(
        "--case", default="raw,django", help="of " + ", ".join(c.name for c in known)
    )
    parser.add_argument("--servers", default="corral")
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    environment.need_wrk()
    environment.need_tool("perf", "linux-perf")
    for case in chosen(known, options.case, "case"):
        env = case.environment()
        for server in chosen(SERVERS, options.servers, "server"):
            profile(case, server, options.seconds, env)


if __name__ == "__main__":
    main()
