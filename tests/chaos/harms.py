"""The harms. Each says what it breaks and what may run twice because of it; all else is a fault."""

import contextlib
import time
from typing import ClassVar

from chaos.databases import Postgres, Sqlite
from chaos.storm import WAIT_S, Storm, faketime, is_gone, why_no_second_host
from harness.processes import eventually

ALL = frozenset({"sqlite", "postgresql"})
PAST_LEASE = 1.5  # leases
OUTLASTS = 2.0  # of a job that still runs when the harm is over


class Harm:
    """One kind of harm; `strike` does it and returns when the site is well again."""

    name: ClassVar[str]
    breaks: ClassVar[str]
    doubles: ClassVar[str] = "nothing"
    vendors: ClassVar[frozenset[str]] = ALL
    hosts: ClassVar[int] = 1  # 2: `beside` has to be on another host
    needs_clock: ClassVar[bool] = False  # that can be set

    def why_not(self, storm: Storm) -> str:
        """Why it cannot be done on this machine; empty: it can."""
        return ""

    def strike(self, storm: Storm) -> None:
        """Does it."""
        raise NotImplementedError


# --- processes


class EngineKilled(Harm):
    name = "engine killed"
    breaks = "the process with keeper and task workers, by SIGKILL"
    doubles = "what it ran"

    def strike(self, storm: Storm) -> None:
        node = storm.chance.choice(storm.nodes)
        storm.wait_running(node)
        storm.kill(self.name, node, [node.keeper().pid])


class SupervisorKilled(Harm):
    name = "supervisor killed"
    breaks = "the parent of all processes of a node, by SIGKILL; the node is started again"
    doubles = "what it ran"

    def strike(self, storm: Storm) -> None:
        storm.wait_running(storm.here)
        storm.kill(self.name, storm.here, [storm.here.supervisor()], storm.here.revive)


class NodeKilled(Harm):
    name = "node killed"
    breaks = "all processes of a node at once, by SIGKILL; the node is started again"
    doubles = "what it ran"

    def strike(self, storm: Storm) -> None:
        storm.wait_running(storm.here)
        storm.kill(self.name, storm.here, storm.here.members(), storm.here.revive)


class WebWorkerKilled(Harm):
    name = "web worker killed"
    breaks = "the process of a web worker that enqueues, by SIGKILL"

    def strike(self, storm: Storm) -> None:
        (worker,) = eventually(storm.here.web_workers, "a web worker", WAIT_S)
        storm.kill_idle(worker)
        eventually(
            lambda: storm.here.web_workers() and is_gone(worker), "another web worker", WAIT_S
        )
        storm.wait_progress()


# --- tasks


class TaskKills(Harm):
    doubles = "what its process ran; the task itself up to max_crashes"
    how: ClassVar[str]

    def strike(self, storm: Storm) -> None:
        storm.wait_finished(*(storm.enqueue(task, self.how) for task in ("stumble", "poison")))


class TaskSegfaults(TaskKills):
    name = "task segfaults"
    breaks = "its process, once, and again and again"
    how = "segfault"


class TaskExits(TaskKills):
    name = "task calls os._exit"
    breaks = "its process, once, and again and again"
    how = "exit"


class TaskHangs(Harm):
    task: ClassVar[str]

    def strike(self, storm: Storm) -> None:
        # Threads are left for others to go on in.
        storm.wait_finished(*(self.enqueue(storm) for _ in range(3)))

    def enqueue(self, storm: Storm) -> str:
        """One such job."""
        return storm.enqueue(self.task, PAST_LEASE * storm.lease_s)


class TasksHang(Harm):
    """The three below at once, for those in a hurry."""

    name = "tasks hang"
    breaks = "nothing: they loop in Python, loop in C, and swallow, for longer than the lease"

    def strike(self, storm: Storm) -> None:
        kinds = (TaskLoopsInPython(), TaskLoopsInC(), TaskSwallows())
        storm.wait_finished(*(kind.enqueue(storm) for kind in kinds))


class TaskLoopsInPython(TaskHangs):
    name = "task loops in Python"
    breaks = "nothing: it loops for longer than the lease"
    task = "spin"


class TaskLoopsInC(TaskHangs):
    name = "task holds its GIL in C"
    breaks = "nothing: its interpreter answers nobody for longer than the lease"
    task = "hold"


class TaskSwallows(TaskHangs):
    name = "task swallows interrupts"
    breaks = "nothing: it loops for longer than the lease and catches everything"
    task = "swallow"


# --- databases


class ConnectionsTerminated(Harm):
    name = "connections terminated"
    breaks = "every session of the server, five times, amid work"
    vendors = frozenset({"postgresql"})

    def strike(self, storm: Storm) -> None:
        assert isinstance(storm.database, Postgres)
        for _ in range(5):
            storm.wait_running(storm.here, 0.3)
            with storm.database.connect() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                )
            storm.wait_progress()


class ServerRefuses(Harm):
    name = "server refuses"
    breaks = "all sessions end and none can be had for longer than the lease"
    vendors = frozenset({"postgresql"})

    def strike(self, storm: Storm) -> None:
        assert isinstance(storm.database, Postgres)
        for node in storm.nodes:
            storm.wait_running(node, OUTLASTS * storm.lease_s)
        # From another database, because the refused one refuses us too.
        with storm.database.connect("template1") as connection:
            connection.execute("ALTER DATABASE postgres ALLOW_CONNECTIONS false")
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'"
            )
            time.sleep(PAST_LEASE * storm.lease_s)
            connection.execute("ALTER DATABASE postgres ALLOW_CONNECTIONS true")
        storm.wait_progress()


class ServerCrashes(Harm):
    name = "server crashes"
    breaks = "the server stops at once, recovers, and is back after a second"
    vendors = frozenset({"postgresql"})

    def strike(self, storm: Storm) -> None:
        assert isinstance(storm.database, Postgres)
        for node in storm.nodes:
            storm.wait_running(node)
        storm.database.stop("immediate")
        time.sleep(1)
        storm.database.start()
        storm.wait_progress()


class DatabaseLocked(Harm):
    name = "database locked"
    breaks = "another program holds SQLite's lock for longer than the lease"
    vendors = frozenset({"sqlite"})

    def strike(self, storm: Storm) -> None:
        assert isinstance(storm.database, Sqlite)
        for node in storm.nodes:
            storm.wait_running(node, OUTLASTS * storm.lease_s)
        with contextlib.closing(storm.database.connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(PAST_LEASE * storm.lease_s)
            connection.execute("ROLLBACK")
        storm.wait_progress()


class DiskFull(Harm):
    name = "disk full"
    breaks = "no byte is left on SQLite's disk for longer than the lease"
    vendors = frozenset({"sqlite"})

    def why_not(self, storm: Storm) -> str:
        assert isinstance(storm.database, Sqlite)
        return storm.database.why_not_full

    def strike(self, storm: Storm) -> None:
        assert isinstance(storm.database, Sqlite)
        for node in storm.nodes:
            storm.wait_running(node, OUTLASTS * storm.lease_s)
        ballast = storm.database.disk / "ballast"
        refused = len(storm.notes.of("refused"))
        end = time.monotonic() + PAST_LEASE * storm.lease_s
        with ballast.open("wb", buffering=0) as file:
            while time.monotonic() < end or len(storm.notes.of("refused")) == refused:
                try:
                    file.write(b"\0" * 4096)
                except OSError:
                    time.sleep(0.01)
        ballast.unlink()
        storm.wait_progress()


# --- hosts


class HostDies(Harm):
    name = "host dies"
    breaks = "a node on another host, whose death nobody here can see"
    doubles = "what it ran"
    hosts = 2

    def why_not(self, storm: Storm) -> str:
        return "" if storm.has_two_hosts else why_no_second_host()

    def strike(self, storm: Storm) -> None:
        node = storm.beside
        storm.wait_running(node)
        storm.kill(self.name, node, node.members(), node.revive, is_rescued_beside=True)


class NodePaused(Harm):
    name = "node paused"
    breaks = "all processes of a node stand still for longer than the lease, and go on"
    doubles = "what it ran: its late finishes change nothing"

    def strike(self, storm: Storm) -> None:
        storm.wait_running(storm.beside, 1.0)
        storm.pause(self.name, storm.beside, 2 * PAST_LEASE * storm.lease_s)
        storm.wait_running(storm.beside)


class ClockJumps(Harm):
    name = "clock jumps"
    breaks = "the wall clock of all nodes and producers jumps an hour ahead, and back"
    needs_clock = True

    def why_not(self, storm: Storm) -> str:
        if not faketime():
            return "libfaketime is not there: install the package libfaketime"
        return "" if storm.clock.exists() else "the storm began with a true clock"

    def strike(self, storm: Storm) -> None:
        for shift_s in (3600, 0):
            for node in storm.nodes:
                storm.wait_running(node, OUTLASTS * storm.lease_s)
            storm.set_clock(shift_s)
            time.sleep(PAST_LEASE * storm.lease_s)
            storm.wait_progress()


HARMS: tuple[type[Harm], ...] = (
    *(EngineKilled, SupervisorKilled, NodeKilled, WebWorkerKilled),
    *(TaskSegfaults, TaskExits, TaskLoopsInPython, TaskLoopsInC, TaskSwallows),
    *(ConnectionsTerminated, ServerRefuses, ServerCrashes, DatabaseLocked, DiskFull),
    *(HostDies, NodePaused, ClockJumps),
)
