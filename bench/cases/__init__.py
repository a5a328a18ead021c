"""What is measured."""

from cases.base import FAST, SLOW, Case
from cases.idle import IdleCase
from cases.kept import KeptCase
from cases.mixed import MixedCase
from cases.page import PageCase
from cases.rate import CPU, MEMORY, RATE, START, RateCase
from running import Request
from servers import Shape

from bench.apps.bodies import BIG, PART, PARTS

HELLO = Request(b"Hello, World!")
WITH_GUNICORN = (*FAST, "gunicorn-gthread")

CASES: list[Case] = [
    RateCase(
        name="raw",
        title="Raw WSGI, 13 bytes",
        app="bench.apps.raw:app",
        request=HELLO,
        load_title="`wrk -t1 -c32`",
        servers=(*FAST, *SLOW),
    ),
    RateCase(
        name="django",
        title="Django view, 7 default middleware",
        app="bench.apps.site.wsgi:application",
        request=HELLO,
        load_title="`wrk -t1 -c32`",
        servers=(*FAST, "fastpysgi-closing", *SLOW),
    ),
    PageCase(
        name="page",
        title="Django page: a query of 20 rows, a template",
        app="bench.apps.site.wsgi:application",
        request=Request(lambda body: body.count(b"<tr") == 20, path="/page/"),
        load_title="SQLite (WAL), `wrk -t1 -c32`",
        servers=(*FAST, "fastpysgi-closing", *SLOW),
    ),
    RateCase(
        name="big",
        title="Responses of 1 MiB",
        app="bench.apps.bodies:big",
        request=Request(BIG),
        load_title="`wrk -t1 -c32`",
        servers=WITH_GUNICORN,
    ),
    RateCase(
        name="upload",
        title="Uploads of 1 MiB, read by the application",
        app="bench.apps.bodies:upload",
        request=Request(str(2**20).encode(), method="POST", body=bytes(2**20)),
        load_title="`wrk -t1 -c32`",
        servers=WITH_GUNICORN,
        script="upload.lua",
    ),
    RateCase(
        name="stream",
        title="Streamed responses, 64 parts of 16 KiB",
        app="bench.apps.bodies:stream",
        request=Request(PART * PARTS),
        load_title="`wrk -t1 -c32`",
        servers=WITH_GUNICORN,
    ),
    RateCase(
        name="pipeline",
        title="Pipelining, depth 16, raw WSGI",
        app="bench.apps.raw:app",
        request=HELLO,
        load_title="`wrk -t1 -c32`, 16 requests in one write",
        servers=(*FAST, "fastpysgi-nodelay"),
        columns=(RATE, CPU, MEMORY, START),  # wrk cannot tell the latencies of pipelined requests
        script="pipeline.lua",
    ),
    RateCase(
        name="one",
        title="One request at a time, raw WSGI",
        app="bench.apps.raw:app",
        request=HELLO,
        load_title="`wrk -t1 -c1`",
        servers=FAST,
        connections=1,
    ),
    MixedCase(
        name="mixed",
        title="Threads: half compute for 1.5 ms, half sleep for 20 ms",
        app="bench.apps.mixed:app",
        request=HELLO,
        load_title="8 threads each, two `wrk -t1 -c32` at once",
        servers=("corral", "corral-process", "granian", "gunicorn-gthread"),
        shape=Shape(threads=8),
        seconds_factor=2,
    ),
    IdleCase(
        name="idle",
        title="10,000 idle keep-alive connections",
        app="bench.apps.raw:app",
        request=HELLO,
        load_title="10,000 connections with one request each",
        servers=WITH_GUNICORN,
        shape=Shape(connections=12_000, idle_seconds_max=60),
        rounds_max=2,
        connections=10_000,
    ),
    KeptCase(
        name="kept",
        title="Memory kept after 200 MB of uploads, 200 MB of downloads, 200 MB to slow readers",
        app="bench.apps.bodies:any_size",
        request=Request(b"\0"),
        load_title="bodies of 1 MiB, 32 clients; 40 readers of 5 MB that begin when all have asked",
        servers=WITH_GUNICORN,
        rounds_max=3,
    ),
]
