"""A site with its nodes, its producers and its database, while harm is done to them."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

from chaos.audit import Audit, Bars, Verdict
from chaos.databases import DATABASES, Database
from chaos.ledger import Death, Ledger, Notes, Pause, Rescue
from chaos.node import ELSEWHERE, SITE, Keeper, Node
from chaos.producers import Caller, Producer
from harness.processes import eventually, read_process

WAIT_S = 120.0  # a liveness bound: nodes boot and jobs end meanwhile
LOOK_S = 0.01
JOBS_FOR_ALL = 6  # more than the threads of one node


class Storm:
    """Two nodes: `here` serves and works, `beside` works; a context manager."""

    def __init__(
        self, vendor: str, seed: int, *, lease_s: float = 2.0, pace_s: float = 0.05,
        hosts: int = 1, is_clock_false: bool = False,
    ) -> None:  # fmt: skip
        self.chance = random.Random(seed)
        self.lease_s = lease_s
        self.ledger = Ledger()
        self.folder = Path(tempfile.mkdtemp(prefix="corral-chaos-"))
        self.folder.chmod(0o755)
        self.notes = Notes(self.folder / "notes")
        self.clock = self.folder / "clock"
        self.has_two_hosts = hosts > 1 and why_no_second_host() == ""
        self.database: Database = DATABASES[vendor](self.folder)
        self.environment = self._environment(is_clock_false)
        work = ("work", "--settings=chaos_site.settings", "--task-workers=2", "--task-threads=2")
        serve = (
            *("serve", "chaos_site.wsgi:application", *work[1:], "--bind=127.0.0.1:0"),
            *("--workers=1", "--isolation=process"),
        )
        self.here = Node("here", self.folder, self.environment, *serve)
        self.beside = Node(
            "beside", self.folder, self.environment, *work, is_elsewhere=self.has_two_hosts
        )
        self.nodes = [self.here, self.beside]
        self._pace_s = pace_s
        self._producers: list[Producer] = []
        self._caller = Caller(self.here.address, 4 * pace_s)

    def _environment(self, is_clock_false: bool) -> dict[str, str]:
        strange = ("CORRAL_", "LISTEN_", "DJANGO_", "PORT", "WEB_CONCURRENCY")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
        clean |= {
            "CHAOS_FOLDER": str(self.folder),
            "CHAOS_DATABASE": json.dumps(self.database.django),
            "DJANGO_SETTINGS_MODULE": "chaos_site.settings",
            "PYTHONPATH": str(SITE),
            "CORRAL_NODE_LEASE": f"{self.lease_s:g}",
            "CORRAL_TASK_POLL_INTERVAL": "0.2",
        }
        if is_clock_false:
            self.clock.write_text("+0\n")
            clean |= {
                "LD_PRELOAD": str(faketime()),
                "FAKETIME_TIMESTAMP_FILE": str(self.clock),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        return clean

    # --- life

    def __enter__(self) -> Self:
        try:
            self._migrate()
            for node in self.nodes:
                node.start()
            for _ in range(2):
                producer = Producer(self.environment, self.chance.randrange(2**32), self._pace_s)
                self._producers.append(producer)
            self._caller.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._end(is_kept=kind is not None)

    def _migrate(self) -> None:
        subprocess.run(
            [sys.executable, "-m", "django", "migrate", "--verbosity=0"],
            cwd=SITE, env=self.environment, check=True, timeout=60,
        )  # fmt: skip

    def _end(self, is_kept: bool = False) -> None:
        for producer in self._producers:
            producer.kill()
        for node in self.nodes:
            node.kill()
        self.database.close()
        if is_kept:
            print(f"kept: {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self, bars: Bars) -> Verdict:
        """Lets everything come to its end; stops the nodes, and audits."""
        for producer in self._producers:
            producer.stop()
        if self._caller.is_alive():
            self._caller.stop()
        with contextlib.suppress(AssertionError):  # the audit says what is not over
            eventually(lambda: not self.count("status IN ('READY', 'RUNNING')"), "the end", WAIT_S)
        for node in self.nodes:
            code = node.stop()
            assert code == 0, f"{node.name} ended with {code}"
        notes = [*self.notes.all()]
        notes += [{"what": "enqueued", "job": job, "at": at} for job, at in self._caller.enqueued]
        rows = self.database.rows("SELECT * FROM corral_job")
        return Audit(notes, rows, self.ledger).verdict(bars)

    # --- what is going on

    def count(self, condition: str) -> int:
        """How many jobs there are."""
        rows = self.database.rows(f"SELECT count(*) AS jobs FROM corral_job WHERE {condition}")
        return int(rows[0]["jobs"])

    def count_open(self, jobs: Iterable[str]) -> int:
        """How many of these are not over."""
        keys = ", ".join(f"'{key}'" for job in jobs for key in (job, job.replace("-", "")))
        return self.count(f"CAST(id AS char(36)) IN ({keys}) AND status IN ('READY', 'RUNNING')")

    def enqueue(self, task: str, *args: Any) -> str:
        """The id of a new job, that a program of its own enqueued."""
        return self._producers[0].enqueue(task, *args)

    def wait_finished(self, *jobs: str) -> None:
        """Waits until these are over, well or not."""
        eventually(lambda: not self.count_open(jobs), f"the end of {jobs}", WAIT_S)

    def wait_progress(self) -> None:
        """Waits until a job that is enqueued now has been run."""
        self.wait_finished(self.enqueue("quick"))

    def running(self, process: str) -> list[str]:
        """The jobs that a process has begun and not ended, as they noted it."""
        ended = {note["token"] for note in self.notes.of("end")}
        return [
            note["job"] for note in self.notes.of("begin")
            if note["process"] == process and note["token"] not in ended
        ]  # fmt: skip

    def wait_running(self, node: Node, seconds: float = 0.7) -> Keeper:
        """Enqueues jobs of so long, until the node has begun one of them; returns its keeper."""
        keeper = node.keeper()
        jobs = {self.enqueue("slow", seconds) for _ in range(JOBS_FOR_ALL)}

        def is_at_one() -> bool:
            running = set(self.running(keeper.name))
            if not running & jobs and not self.count_open(jobs):
                jobs.add(self.enqueue("slow", seconds))  # others took them all
            return bool(running & jobs)

        eventually(is_at_one, f"a job that {keeper.name} runs", WAIT_S)
        return keeper

    def settle(self) -> None:
        """Waits until the nodes are well and no suspect is left, so that no job is hit twice."""
        for node in self.nodes:
            node.keeper()
        suspects = "crashes > 0 AND status IN ('READY', 'RUNNING')"
        eventually(lambda: not self.count(suspects), "the end of the suspects", WAIT_S)
        self.wait_progress()

    # --- blows

    def kill(
        self, harm: str, node: Node, pids: Iterable[int],
        then: Callable[[], None] = lambda: None, is_rescued_beside: bool = False,
    ) -> None:  # fmt: skip
        """Kills these processes, the keeper's among them or not far from it; waits for the rescue
        while `then` brings the node back, or another node rescues.
        """
        keeper = node.keeper()
        watch = Watch(self, keeper)
        at = time.monotonic_ns()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: is_gone(keeper.pid), f"the death of {keeper.name}", WAIT_S)
        self.ledger.deaths[keeper.name] = Death(at, harm)
        watch.start()
        if not is_rescued_beside:
            then()
        rescue = watch.result(harm, is_rescued_beside)
        if is_rescued_beside:
            then()
        self.ledger.rescues.append(rescue)

    def kill_idle(self, pid: int) -> None:
        """Kills a process that holds no job."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def pause(self, harm: str, node: Node, seconds: float) -> None:
        """Stops all processes of a node for so long."""
        keeper = node.keeper()
        begin = time.monotonic_ns()
        members = node.members()
        for pid in members:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        for pid in members:
            os.kill(pid, signal.SIGCONT)
        pause = Pause(begin, time.monotonic_ns(), harm)
        self.ledger.pauses.setdefault(keeper.name, []).append(pause)

    def set_clock(self, shift_s: int) -> None:
        """The wall clock of all that was started with it jumps."""
        new = self.clock.with_suffix(".new")
        new.write_text(f"{shift_s:+d}\n")
        new.rename(self.clock)


class Watch(threading.Thread):
    """Looks at the rows until no job is RUNNING under a node that has died."""

    def __init__(self, storm: Storm, keeper: Keeper) -> None:
        super().__init__(daemon=True)
        self._storm = storm
        self._host, _, pid = keeper.name.rpartition(":")
        nodes = storm.database.rows("SELECT * FROM corral_node")
        self._known = {str(node["incarnation"]) for node in nodes}
        (self._dead,) = [
            str(node["incarnation"]) for node in nodes
            if (node["host"], node["pid"]) == (self._host, int(pid))
        ]  # fmt: skip
        self._jobs = self._running()
        self._died_s = time.monotonic()
        self._restarted_s: float | None = None
        self._rescued_s: float | None = None

    def _running(self) -> int:
        return self._storm.count(f"status = 'RUNNING' AND node = '{self._dead}'")

    def run(self) -> None:
        self._died_s = time.monotonic()
        while self._rescued_s is None or self._restarted_s is None:
            time.sleep(LOOK_S)
            if time.monotonic() > self._died_s + WAIT_S:
                return
            self._look()

    def _look(self) -> None:
        nodes = self._storm.database.rows("SELECT incarnation FROM corral_node")
        if self._restarted_s is None and {str(n["incarnation"]) for n in nodes} - self._known:
            self._restarted_s = time.monotonic()
        if self._rescued_s is None and not self._running():
            self._rescued_s = time.monotonic()

    def result(self, harm: str, is_rescued_beside: bool) -> Rescue:
        """Waits for the rescue."""
        eventually(lambda: self._rescued_s, f"the rescue after {harm}", WAIT_S)
        assert self._rescued_s
        after_death_s = self._rescued_s - self._died_s
        if is_rescued_beside:
            return Rescue(harm, self._jobs, after_death_s, None)
        eventually(lambda: self._restarted_s, f"the restart after {harm}", WAIT_S)
        assert self._restarted_s
        after_restart_s = max(0.0, self._rescued_s - self._restarted_s)
        return Rescue(harm, self._jobs, after_death_s, after_restart_s)


def is_gone(pid: int) -> bool:
    """No such process any more, or nothing but its number."""
    process = read_process(pid)
    return process is None or process.state in "ZX"


def faketime() -> Path | None:
    """The library that lies about the wall clock, where it is installed."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return found[0] if found else None


def why_no_second_host() -> str:
    """Why there cannot be a node that takes itself for one on another host; empty: there can."""
    tried = subprocess.run([*ELSEWHERE, "chaos-0", "true"], capture_output=True, text=True)
    return "" if tried.returncode == 0 else tried.stderr.strip()
