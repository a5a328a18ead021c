"""The one table of settings. The command line, the environment, pyproject.toml, `corral config` and
docs/configuration.md are all made from it; config.py reads it.
"""

from typing import NamedTuple

from corral.values import (
    Addresses,
    Application,
    Choice,
    Commands,
    Folder,
    Kind,
    Networks,
    Port,
    Queues,
    Rate,
    Seconds,
    Size,
    Text,
    Umask,
    Whole,
)

SERVE = frozenset({"serve", "demo"})
EVERY = frozenset({"serve", "work", "demo"})

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


class Setting(NamedTuple):
    """One setting: its name everywhere, what it accepts, and what it means."""

    name: str
    kind: Kind
    default: str | None  # text for `kind`; None: not set
    help: str
    section: str
    flags: tuple[str, ...] = ()  # empty: the positional argument
    environment: tuple[tuple[str, Kind], ...] = ()  # other variables than CORRAL_<NAME>
    commands: frozenset[str] = EVERY
    reloadable: bool = False  # a change takes effect without a restart
    limit: str = ""  # its name in src/base/limits.h
    unit_ms: bool = False  # seconds here, milliseconds there

    @property
    def variable(self) -> str:
        return f"CORRAL_{self.name.upper()}"

    @property
    def spelling(self) -> str:
        """How the command line spells it."""
        return self.flags[-1] if self.flags else self.kind.metavar


def _flag(name: str, short: str = "") -> tuple[str, ...]:
    long = "--" + name.replace("_", "-")
    return (short, long) if short else (long,)


def _size(name: str, default: str, low: int, high: int, limit: str, help: str) -> Setting:
    return Setting(
        name, Size(low, high), default, help, "Limits", _flag(name), commands=SERVE, limit=limit
    )


def _count(name: str, default: int, low: int, high: int, limit: str, help: str) -> Setting:
    return Setting(
        name, Whole(low, high), str(default), help, "Limits", _flag(name), commands=SERVE,
        limit=limit,
    )  # fmt: skip


def _rate(name: str, default: str, limit: str, help: str) -> Setting:
    return Setting(
        name, Rate(GIB), default, help, "Limits", _flag(name), commands=SERVE, limit=limit
    )


def _span(
    name: str, default: str, low: float, high: float, limit: str, help: str,
    section: str = "Limits", commands: frozenset[str] = SERVE,
) -> Setting:  # fmt: skip
    return Setting(
        name, Seconds(low, high), default, help, section, _flag(name), commands=commands,
        limit=limit, unit_ms=True,
    )  # fmt: skip


_APPLICATION = (
    Setting(
        "app", Application(), None,
        "the WSGI callable; default: WSGI_APPLICATION of the Django settings",
        "Application", commands=frozenset({"serve"}),
    ),
    Setting(
        "settings",
        Text("MODULE", "the dotted name of a module", r"[^\W\d]\w*(\.[^\W\d]\w*)*"),
        None,
        "Django settings; default: DJANGO_SETTINGS_MODULE, else what APP's file or manage.py names",
        "Application", _flag("settings"), commands=frozenset({"serve", "work", "tasks"}),
    ),
)  # fmt: skip

_WEB = (
    Setting(
        "bind", Addresses(), "127.0.0.1:8000",
        "where to listen: host:port, [v6]:port, :port, unix:path or fd://n; repeatable",
        "Web", _flag("bind", "-b"), (("PORT", Port()),), SERVE,
    ),
    Setting(
        "workers", Whole(1, 512, auto=True), "auto",
        "web workers, each a Python interpreter of its own; auto: the usable CPUs",
        "Web", _flag("workers", "-w"), (("WEB_CONCURRENCY", Whole(1, 512)),), SERVE,
    ),
    Setting(
        "threads", Whole(1, 128), "1",
        "threads of each web worker. One is the quickest where views compute, as the threads of a "
        "worker take turns; more help where views wait, and each has its own database connection",
        "Web", _flag("threads"), commands=SERVE,
    ),
    Setting(
        "isolation", Choice("interpreter", "process"), "interpreter",
        "where web workers run: sub-interpreters of one process, or a process each (for sites "
        "with modules that refuse to load in sub-interpreters)",
        "Web", _flag("isolation"), commands=SERVE,
    ),
    Setting(
        "backlog", Whole(1, 65535), "2048",
        "connections the kernel keeps for us before they are accepted",
        "Web", _flag("backlog"), commands=SERVE,
    ),
    Setting(
        "underscore_headers", Choice("drop", "refuse", "pass"), "drop",
        "header fields with an underscore in their name, which a site cannot tell from the same "
        "name with dashes (X_Forwarded_For from X-Forwarded-For). drop: the site does not see "
        "them; refuse: the request gets 400; pass: the site sees them, except where the name would "
        "pose as one that Corral knows",
        "Web", _flag("underscore_headers"), commands=SERVE, limit="underscore_headers",
    ),
    Setting(
        "server_header", Text("TEXT", "visible ASCII, or none", r"[!-~]([ -~]*[!-~])?"), "corral",
        "the Server header of responses, unless the site sets its own; none: there is none",
        "Web", _flag("server_header"), commands=SERVE, limit="server_header",
    ),
    Setting(
        "forwarded_allow_ips", Networks(), "127.0.0.1,::1",
        "peers whose X-Request-ID is believed: the addresses of the proxies in front. Those of "
        "unix sockets always are; *: everybody's, where nobody else can connect",
        "Web", _flag("forwarded_allow_ips"), (("FORWARDED_ALLOW_IPS", Networks()),), SERVE,
        limit="forwarded_allow_ips",
    ),
    _span(
        "timeout", "30", 0, 86400, "request_time_max_ms",
        "longest time of a request in the application, waits for its client not counted; beyond it "
        "504, and its thread is interrupted and replaced; 0: no limit", "Web",
    ),
    _span(
        "slow_request", "5", 0, 86400, "slow_request_ms",
        "a request that takes longer is written down with its Python stack while it runs, and once "
        "more at its end; 0: none", "Web",
    ),
    _span(
        "keep_alive", "5", 0, 3600, "keep_alive_max_ms",
        "an idle connection is closed after this long", "Web",
    ),
    Setting(
        "keep_alive_requests", Whole(0, 1_000_000_000), "0",
        "requests of one connection before it is closed; 0: no limit",
        "Web", _flag("keep_alive_requests"), commands=SERVE, limit="keep_alive_requests_max",
    ),
)  # fmt: skip

_BACKGROUND = (
    Setting(
        "task_workers", Whole(0, 512, auto=True), "auto",
        "workers for background tasks; auto: 1 when the site uses corral.tasks; 0: none",
        "Background", _flag("task_workers"),
    ),
    Setting(
        "task_threads", Whole(1, 128), "1",
        "threads of each task worker; more than one helps tasks that wait",
        "Background", _flag("task_threads"),
    ),
    Setting(
        "queues", Queues(), "*",
        "task queues to work on, perhaps with weights (mail:3,default); *: all",
        "Background", _flag("queues"),
    ),
    Setting(
        "command", Commands(), None,
        'a management command to keep running, "2*name --flag" for two of it; repeatable',
        "Background", _flag("command"), commands=frozenset({"serve", "work"}),
    ),
    Setting(
        "task_prefetch", Whole(0, 1000), "500",
        "most jobs claimed ahead of the task threads. Only quick jobs are: what waits behind slow "
        "ones stays READY, also for other nodes",
        "Background", _flag("task_prefetch"), limit="prefetch_max",
    ),
    _span(
        "task_poll_interval", "1", 0.05, 3600, "poll_interval_ms",
        "the longest time until jobs written by other programs are noticed", "Background", EVERY,
    ),
    _span(
        "node_lease", "15", 2, 3600, "node_lease_ms",
        "a node silent for this long counts as dead and its jobs are rescued", "Background", EVERY,
    ),
)  # fmt: skip

_LIFE = (
    Setting(
        "graceful_timeout", Seconds(0, 86400), "10",
        "how long requests, tasks and commands may take to finish after SIGTERM or SIGINT",
        "Life and logs", _flag("graceful_timeout"),
    ),
    Setting(
        "log_level", Choice("debug", "info", "warning", "error", "critical"), "info",
        "the least important records to log; debug also prints tracebacks of failed starts",
        "Life and logs", _flag("log_level"),
    ),
    Setting(
        "log_format", Choice("auto", "text", "json"), "auto",
        "auto: text on a terminal, JSON otherwise",
        "Life and logs", _flag("log_format"),
    ),
    Setting(
        "access_logfile", Text("FILE", "a path, or - for standard output"), None,
        "append a record for each request to this file; -: standard output",
        "Life and logs", _flag("access_logfile"), commands=SERVE,
    ),
    Setting(
        "umask", Umask(), None,
        "permissions that files made by Corral and the site do not get; unix sockets have mode 666 "
        "without them: 007 leaves them to the user and the group. Default: as inherited, and 666",
        "Life and logs", _flag("umask", "-m"),
    ),
    Setting(
        "pid", Text("FILE", "a path"), None,
        "write the supervisor's process id to this file",
        "Life and logs", _flag("pid", "-p"),
    ),
)  # fmt: skip

_LIMITS = (
    _size("limit_request_line", "8K", 512, MIB, "request_line_bytes_max",
          "longest request line; beyond it 414"),
    _size("limit_request_head", "32K", KIB, 16 * MIB, "header_bytes_max",
          "largest request head, request line included; beyond it 431"),
    _count("limit_request_fields", 100, 8, 10_000, "header_count_max",
           "most header fields of a request; beyond it 431"),
    _size("limit_request_body", "64M", 1, 1024 * GIB, "body_bytes_max",
          "largest request body; beyond it 413"),
    _size("body_memory", "64K", KIB, GIB, "body_memory_bytes_max",
          "a request body up to this size waits for its end in memory"),
    _size("body_memory_total", "64M", 0, 1024 * GIB, "body_memory_total_bytes_max",
          "memory for larger request bodies, of all together, of which one takes an eighth at the "
          "most; beyond it they wait in a temporary file. With --isolation process, the workers "
          "share it evenly"),
    Setting(
        "body_folder", Folder(), "/tmp",
        "where the temporary files of larger request bodies are; they have no name there",
        "Limits", _flag("body_folder"), (("TMPDIR", Folder()),), SERVE, limit="body_folder",
    ),
    _count("limit_connections", 10_000, 1, 1_000_000, "connections_max",
           "open connections of a process; beyond it idle ones are closed for new ones, and while "
           "there are none no more are accepted"),
    _count("limit_queued_requests", 1024, 1, 1_000_000, "queue_depth_max",
           "requests waiting for a worker; beyond it 503"),
    _span("queued_timeout", "10", 0.01, 3600, "queue_wait_max_ms",
          "longest wait for a worker; beyond it 503"),
    _span("overload_wait", "0.1", 0, 60, "overload_wait_max_ms",
          "longest wait while more requests come than can be answered, when the newest are served "
          "first; beyond it 503; 0: first come, first served, up to queued-timeout"),
    _count("retry_after", 1, 1, 86400, "retry_after_s",
           "seconds after which a client refused with 503 may try again, in Retry-After"),
    _span("header_timeout", "10", 0.1, 3600, "header_time_max_ms",
          "longest time from the first byte of a request to the end of its head; beyond it 408"),
    _span("body_timeout", "30", 0.1, 3600, "body_idle_max_ms",
          "longest silence in an unfinished request body; beyond it 408"),
    _rate("min_body_rate", "500", "body_rate_min",
          "least bytes a second of a request body, averaged over body-timeout; below it 408"),
    _span("write_timeout", "30", 0.1, 3600, "write_stall_max_ms",
          "a client that takes nothing of its response for this long is disconnected"),
    _rate("min_write_rate", "500", "write_rate_min",
          "least bytes a second that a client takes of a response the server waits with, averaged "
          "over write-timeout; below it the client is disconnected"),
    _size("unsent_memory", "8M", 64 * KIB, GIB, "unsent_bytes_max",
          "bytes of a response kept for a slow client before its worker waits for it"),
    _size("unsent_memory_total", "64M", 0, 1024 * GIB, "unsent_total_bytes_max",
          "memory for what slow clients have not taken yet, of all together; beyond it that waits "
          "in temporary files in body_folder. With --isolation process, the workers share it "
          "evenly"),
    _size("unsent_files_total", "1G", 0, 1024 * GIB, "unsent_files_total_bytes_max",
          "size of these temporary files together; beyond it, and when the disk is full, a worker "
          "waits for its client. With --isolation process, the workers share it evenly"),
)  # fmt: skip

SETTINGS: tuple[Setting, ...] = _APPLICATION + _WEB + _BACKGROUND + _LIFE + _LIMITS
