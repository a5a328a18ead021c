"""The servers, with their command lines."""

import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parent.parent
CORRAL = ROOT / ".venv" / "bin" / "corral"
PEERS_PYTHON = ROOT / ".bench" / "venv" / "bin" / "python"
BASE_SERVER = "corral"  # ratios are against it


@dataclass(frozen=True)
class Shape:
    """How a server is to be set up, in each server's own options.

    `threads` and `idle_seconds_max` (how long an idle connection must be kept) are the server's own
    default where they are None.
    """

    workers: int = 2
    threads: int | None = None
    connections: int | None = None  # it must be able to hold so many
    idle_seconds_max: int | None = None


Command = Callable[[str, int, Shape], list[str]]


@dataclass(frozen=True)
class Server:
    """`package` is its distribution, None for Corral itself.

    `stop_signal` is the one after which it ends with all its processes.
    """

    name: str
    title: str
    package: str | None
    command: Command
    stop_signal: signal.Signals = signal.SIGTERM


def option(name: str, value: object | None) -> tuple[str, ...]:
    return () if value is None else (name, str(value))


def corral(isolation: str) -> Command:
    return lambda app, port, shape: [
        *(str(CORRAL), "serve", app, "-b", f"127.0.0.1:{port}", "-w", str(shape.workers)),
        *("--isolation", isolation, "--task-workers", "0", "--log-level", "warning"),
        *option("--threads", shape.threads),
        *option("--limit-connections", shape.connections),
        *option("--keep-alive", shape.idle_seconds_max),
    ]


def without_collector(app: str, port: int, shape: Shape) -> list[str]:
    # What collecting garbage while a worker is idle could save at most: it is not collected at all.
    return ["env", "BENCH_GC=off", *corral("interpreter")(app, port, shape)]


def gunicorn(kind: str, default_threads: int | None = None) -> Command:
    return lambda app, port, shape: [
        *(str(PEERS_PYTHON), "-m", "gunicorn", app, "-b", f"127.0.0.1:{port}", "-k", kind),
        *("-w", str(shape.workers), "--log-level", "warning"),
        *option("--threads", shape.threads or default_threads),
        *option("--worker-connections", shape.connections),
        *option("--keep-alive", shape.idle_seconds_max),
    ]


def granian(app: str, port: int, shape: Shape) -> list[str]:
    # It counts connections against its backpressure.
    return [
        *(str(PEERS_PYTHON), "-m", "granian", app, "--interface", "wsgi", "--port", str(port)),
        *("--host", "127.0.0.1", "--workers", str(shape.workers), "--log-level", "warning"),
        *option("--blocking-threads", shape.threads),
        *option("--backlog", shape.connections),
        *option("--backpressure", shape.connections),
    ]


def fastpysgi(*, closing: bool = False, nodelay: bool = False) -> Command:
    # Its own command line knows no workers; it has no threads, and keeps idle connections.
    code = (
        "import sys, fastpysgi; from bench.apps.closing import Closing; "
        "name, port, workers = sys.argv[1:]; app = fastpysgi.import_from_string(name); "
        f"fastpysgi.server.tcp_nodelay = {int(nodelay)}; "
        f"fastpysgi.run({'Closing(app)' if closing else 'app'}, '127.0.0.1', int(port), "
        "workers=int(workers))"
    )
    return lambda app, port, shape: [
        *(str(PEERS_PYTHON), "-c", code, app, str(port), str(shape.workers))
    ]


def melnottam(pool: str) -> Command:
    return lambda app, port, shape: [
        *(str(PEERS_PYTHON.with_name("django-melnottam-cli")), app, "-w", str(shape.workers)),
        *("-b", f"127.0.0.1:{port}", "-s", "bench.apps.site.settings", "-p", pool),
    ]


SERVERS = [
    Server("corral", "corral, interpreters", None, corral("interpreter")),
    Server("corral-process", "corral, processes", None, corral("process")),
    Server("corral-no-gc", "corral, interpreters, garbage collector off", None, without_collector),
    Server("fastpysgi", "fastpysgi (WSGI)", "fastpysgi", fastpysgi(), signal.SIGINT),
    # It never calls close() of what the application returns, so Django does not end its requests.
    Server(
        "fastpysgi-closing",
        "fastpysgi (WSGI), made to call close()",
        "fastpysgi",
        fastpysgi(closing=True),
        signal.SIGINT,
    ),
    # By itself it leaves Nagle's algorithm on, and pipelined answers wait for the client's ACK.
    Server(
        "fastpysgi-nodelay",
        "fastpysgi (WSGI), tcp_nodelay set",
        "fastpysgi",
        fastpysgi(nodelay=True),
        signal.SIGINT,
    ),
    Server("granian", "granian (WSGI)", "granian", granian),
    Server("gunicorn-sync", "gunicorn sync", "gunicorn", gunicorn("sync")),
    Server("gunicorn-gthread", "gunicorn gthread", "gunicorn", gunicorn("gthread", 4)),
    Server(
        "melnottam", "django-melnottam, interpreters", "django-melnottam", melnottam("interpreter")
    ),
    Server(
        "melnottam-process", "django-melnottam, processes", "django-melnottam", melnottam("process")
    ),
]


class Named(Protocol):
    @property
    def name(self) -> str: ...


def chosen[T: Named](known: Sequence[T], names: str | None, what: str) -> list[T]:
    """Those of `known` that `names` lists with commas between them; all without `names`."""
    if not names:
        return list(known)
    by_name = {one.name: one for one in known}
    wanted = names.split(",")
    if unknown := [name for name in wanted if name not in by_name]:
        sys.exit(f"bench: no such {what}: {', '.join(unknown)}; there are {', '.join(by_name)}")
    return [by_name[name] for name in wanted]
