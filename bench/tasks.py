"""Task systems side by side: how fast they take jobs, run them, and begin one when idle.

    .venv/bin/python bench/tasks.py [--systems corral,celery] [--rounds 3] [--scale 0.1]

Each round gives every system a fresh database and, in this order: enqueues jobs, a transaction
each; enqueues a batch at once (Corral); starts the workers and waits until all that has ended,
counting from the first one that is seen to have ended to the last; then enqueues one job after
another, from another process, and takes the time until its task says that it began.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for bench.apps

import environment
from process_tree import ProcessTree
from report import markdown
from running import ServerFailed, server_environment
from servers import PEERS_PYTHON, ROOT, chosen
from task_systems import TASK_SYSTEMS, TaskSystem, environment_of

PATIENCE_SECONDS = 60.0
LATENCIES = 24
HEAD = (
    "system", "enqueue/s", "at once/s", "finished/s", "CPU µs/job", "start p50 ms", "start p99 ms",
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """What one round of one system showed; NaN where it cannot do that."""

    enqueued: float  # jobs a second
    at_once: float  # jobs a second
    finished: float  # jobs a second
    cpu_us: float  # of the workers, a job
    start_p50_ms: float
    start_p99_ms: float


class Client:
    """bench/apps/jobs/client.py, running."""

    def __init__(self, system: TaskSystem, env: dict[str, str], log: Any) -> None:
        command = [str(PEERS_PYTHON), "-m", "bench.apps.jobs.client"]
        self._process = subprocess.Popen(
            command, env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            text=True,
        )  # fmt: skip

    def ask(self, *words: object) -> Any:
        assert self._process.stdin and self._process.stdout
        try:
            print(*words, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise ServerFailed("its client ended") from None
        answer = self._process.stdout.readline()
        if not answer:
            raise ServerFailed(f"its client ended at {words[0]!r}")
        return json.loads(answer)

    def close(self) -> None:
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(PATIENCE_SECONDS)


@contextlib.contextmanager
def fresh_database(system: TaskSystem) -> Iterator[str]:
    """Yields a path or a name; what is behind it is gone afterwards."""
    if system.database == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield str(Path(folder) / "jobs.sqlite3")
        return
    if system.database == "redis":
        _forget_redis(system)
        yield "/nonexistent/unused.sqlite3"
        _forget_redis(system)
        return
    name = f"corral_bench_{system.label.replace('-', '_')}"
    _psql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    _psql(f'CREATE DATABASE "{name}"')
    try:
        yield name
    finally:
        _psql(f'DROP DATABASE "{name}" WITH (FORCE)')


def _psql(statement: str) -> None:
    import psycopg

    env = environment.postgres()
    with psycopg.connect(**env, dbname="postgres", autocommit=True) as connection:
        connection.execute(statement.encode())


def _forget_redis(system: TaskSystem) -> None:
    code = (
        "import redis, bench.apps.jobs.settings as s; r = redis.Redis.from_url(s.REDIS); "
        "keys = list(r.scan_iter('corral-bench:*', 10000)); "
        "[r.delete(*keys[n:n + 1000]) for n in range(0, len(keys), 1000)]"
    )
    env = server_environment(environment_of(system, "/nonexistent"))
    subprocess.run([PEERS_PYTHON, "-c", code], env=env, cwd=ROOT, check=True)


@contextlib.contextmanager
def workers(system: TaskSystem, env: dict[str, str], log: Any) -> Iterator[list[ProcessTree]]:
    trees = [ProcessTree(list(command), env, ROOT, log) for command in system.workers]
    try:
        yield trees
    finally:
        for tree in trees:
            tree.stop(system.stop_signal)


def run_all(client: Client, trees: list[ProcessTree], jobs: int) -> tuple[float, float]:
    """Waits until all have ended; returns jobs a second and the workers' CPU µs a job."""
    began = time.monotonic()
    first: tuple[float, int, float] | None = None
    while True:
        done = client.ask("finished")
        now = time.monotonic()
        cpu = sum(tree.cpu_seconds() for tree in trees)
        if done and first is None and done < jobs:
            first = now, done, cpu
        if done >= jobs:
            break
        if any(tree.exit_code is not None for tree in trees):
            raise ServerFailed("a worker ended")
        if now - began > PATIENCE_SECONDS:
            raise ServerFailed(f"{done} of {jobs} jobs ended in {PATIENCE_SECONDS:.0f} s")
        time.sleep(0.01)
    if first is None:
        raise ServerFailed("all jobs ended between two looks: raise --scale")
    at, already, used = first
    return (jobs - already) / (now - at), (cpu - used) / (jobs - already) * 1e6


def measure(system: TaskSystem, scale: float, log: Any) -> Sample:
    """One round. Raises ServerFailed."""
    jobs = max(round(system.jobs * scale), 50)
    with fresh_database(system) as database:
        env = server_environment(environment_of(system, database))
        client = Client(system, env, log)
        try:
            if system.database != "redis":
                client.ask("migrate")
            singly = min(jobs, 2_000)
            enqueued = singly / client.ask("enqueue", singly)
            at_once = float("nan")
            if system.label == "corral":
                at_once = (jobs - singly) / client.ask("enqueue_many", jobs - singly)
            elif jobs > singly:
                client.ask("enqueue", jobs - singly)
            with workers(system, env, log) as trees:
                finished, cpu_us = run_all(client, trees, jobs)
                starts = client.ask("latency", LATENCIES)
        finally:
            client.close()
    cuts = statistics.quantiles(starts, n=100, method="inclusive")
    return Sample(enqueued, at_once, finished, cpu_us, cuts[49], cuts[98])


def row(system: TaskSystem, samples: list[Sample], failure: str) -> tuple[str, ...]:
    """One line of the table: medians."""
    if not samples:
        return system.title, failure
    values = [
        statistics.median(getattr(sample, name) for sample in samples)
        for name in Sample.__dataclass_fields__
    ]
    forms = ("{:,.0f}", "{:,.0f}", "{:,.0f}", "{:.0f}", "{:.1f}", "{:.1f}")
    cells = [
        "" if value != value else form.format(value)
        for form, value in zip(forms, values, strict=True)
    ]
    return (system.title, *cells)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tasks", description=__doc__.splitlines()[0])
    parser.add_argument("--systems", help=f"of {', '.join(one.name for one in TASK_SYSTEMS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of jobs")
    options = parser.parse_args()
    systems = chosen(TASK_SYSTEMS, options.systems, "task system")
    missing = environment.prepare_packages({p for one in systems for p in one.packages})
    samples: dict[str, list[Sample]] = {one.name: [] for one in systems}
    failures = {
        one.name: reason for one in systems for p in one.packages if (reason := missing.get(p))
    }
    for number in range(options.rounds):
        for system in systems:
            if system.name in failures:
                continue
            with tempfile.TemporaryFile() as log:
                try:
                    samples[system.name].append(measure(system, options.scale, log))
                except ServerFailed as failed:
                    log.seek(0)
                    last = log.read().decode("utf-8", "replace").strip().splitlines()[-1:]
                    failures[system.name] = " ".join([str(failed), *last])
            line = row(system, samples[system.name][-1:], failures.get(system.name, ""))
            print(f"tasks: round {number + 1}: {' | '.join(line)}", file=sys.stderr)
    print(markdown(HEAD, [row(s, samples[s.name], failures.get(s.name, "")) for s in systems]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
