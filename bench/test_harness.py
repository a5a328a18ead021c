"""The harness itself: pytest bench."""

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import marks
import measure
import process_tree
import report
import wrk
from cases import CASES
from cases.base import Column
from cases.idle import is_whole
from cases.rate import RateCase
from measure import Sample
from process_tree import ProcessTree, read_stat
from running import Request, ServerFailed
from servers import SERVERS, Server, chosen

WRK_REPORT = """\
Running 2s test @ http://127.0.0.1:8000/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.34ms    1.92ms  26.35ms   90.40%
    Req/Sec    31.45k     2.41k   34.38k    75.00%
  Latency Distribution
     50%  764.00us
     75%    1.34ms
     90%    3.12ms
     99%    1.02s
  62577 requests in 2.00s, 8.35MB read
  Socket errors: connect 1, read 2, write 3, timeout 4
  Non-2xx or 3xx responses: 5
Requests/sec:  31245.41
Transfer/sec:      4.17MB
"""


def test_reads_the_report_of_wrk() -> None:
    load = wrk.parse_report(WRK_REPORT)
    assert load == wrk.Load(62577, 31245.41, 0.764, 1020.0, errors=15)


def test_refuses_another_report() -> None:
    with pytest.raises(ServerFailed, match="something else"):
        wrk.parse_report("unable to connect")


def start(code: str) -> ProcessTree:
    command = [sys.executable, "-c", code]
    with tempfile.TemporaryFile() as log:  # the process has its own descriptor of it
        return ProcessTree(command, dict(os.environ), Path.cwd(), log)


def wait_until(done, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)


BURN = "while time.process_time() < 0.3: pass\n"


def test_counts_the_time_of_children_that_have_ended() -> None:
    tree = start(
        "import os, signal, time\n"
        "child = os.fork()\n"
        f"{BURN}"
        "if not child: os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "signal.pause()\n"
    )
    try:
        wait_until(lambda: tree.cpu_seconds() > 0.55)
        assert tree.cpu_seconds() < 1.5
        assert tree.pss_bytes() > 1_000_000
    finally:
        assert tree.stop(signal.SIGTERM)


def test_kills_what_ignores_the_signal_or_hides_in_another_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tree = start(
        "import os, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if not os.fork(): os.setsid()\n"
        "signal.pause()\n"
    )
    wait_until(lambda: len({stat.session for stat in tree.members()}) == 2)
    pids = [stat.pid for stat in tree.members()]
    monkeypatch.setattr(process_tree, "STOP_SECONDS_MAX", 0.3)
    assert not tree.stop(signal.SIGTERM)
    assert [read_stat(pid) for pid in pids] == [None, None]


RAW = next(case for case in CASES if case.name == "raw")


def server_with(code: str) -> Server:
    return Server("x", "x", None, lambda app, port, shape: [sys.executable, "-c", code, str(port)])


def test_measures_a_real_server() -> None:
    if not shutil.which("wrk") and not os.environ.get("CI"):
        pytest.skip("wrk is not installed")
    code = (
        "import sys\n"
        "from wsgiref.simple_server import WSGIRequestHandler, make_server\n"
        "from bench.apps.raw import app\n"
        "WSGIRequestHandler.log_message = lambda *unused: None\n"
        "make_server('127.0.0.1', int(sys.argv[1]), app).serve_forever()\n"
    )
    sample = measure.measure(RAW, server_with(code), 1, {})
    assert sample.values["requests_per_second"] > 10
    assert sample.values["cpu_us"] > 1
    assert sample.values["start_ms"] > 1
    assert set(sample.values) == {column.key for column in RAW.columns}
    assert sample.stopped_in_time


def test_reports_a_server_that_does_not_start() -> None:
    with pytest.raises(ServerFailed, match=r"did not start: exit 1 \(.*ImportError: no\)"):
        measure.measure(RAW, server_with("raise ImportError('no')"), 1, {})


def test_reports_a_wrong_answer() -> None:
    code = (
        "import http.server, sys\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), "
        "http.server.BaseHTTPRequestHandler).serve_forever()\n"
    )
    with pytest.raises(ServerFailed, match="wrong answer: 501"):
        measure.measure(RAW, server_with(code), 1, {})


def result_of(name: str, *samples: dict[str, float], failure: str = "") -> report.Result:
    server = next(server for server in SERVERS if server.name == name)
    made = [Sample(values, 1, True, 0.2) for values in samples]
    return report.Result(server, "", made, failure)


COLUMNS = (
    Column("rate", "requests/s", "{:,.0f}", has_ratio=True),
    Column("start", "start ms", "{:.1f}"),
    Column("cpu", "CPU", "{:.1f}", has_ratio=True),
)


def test_tables_hold_medians_ratios_and_failures() -> None:
    results = [
        result_of(
            "corral", *({"rate": rate, "start": 1.0, "cpu": 10.0} for rate in (90.0, 100.0, 300.0))
        ),
        result_of("fastpysgi", {"rate": 50.0, "start": 2.0, "cpu": 25.0}),
        result_of("granian", failure="not installed: no wheel"),
    ]
    assert report.head(COLUMNS) == (
        *("server", "requests/s", "x", "start ms", "CPU", "x", "errors"),
    )
    table = report.rows(COLUMNS, results)
    assert table[0][1:] == ("100", "1.00", "1.0", "10.0", "1.00", "3")
    assert table[1][1:] == ("50", "0.50", "2.0", "25.0", "2.50", "1")
    assert table[2] == ("granian (WSGI)", "not installed: no wheel")
    assert "not quiet: other programs used 20%" in report.remarks(results)[0]
    case = RateCase(
        name="n",
        title="t",
        app="a:b",
        request=Request(b""),
        load_title="l",
        servers=("corral",),
        columns=COLUMNS,
    )
    assert "not installed: no wheel" in report.as_text(case, results)
    machine = {"cpu": "c", "cpus": 2, "kernel": "k", "python": "p", "django": "d"}
    text = report.as_markdown(case, results, ["mark: m"], machine, {"rounds": 3, "seconds": 2})
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {len(report.head(COLUMNS)) + 1}
    assert text.endswith("- mark: m\n")


@pytest.mark.parametrize(
    ("mark", "ours", "theirs", "says"),
    [
        (marks.Mark("c", "k", "CPU", "≤", 0.85, "fastpysgi"), 8.5, 10.0, "met (0.85 x)"),
        (marks.Mark("c", "k", "CPU", "≤", 0.85, "fastpysgi"), 8.6, 10.0, "NOT met (0.86 x)"),
        (marks.Mark("c", "k", "rate", "≥", 2, "fastpysgi"), 20.0, 10.0, "met (2.00 x)"),
        (marks.Mark("c", "k", "rate", "≥", 2, "fastpysgi"), 19.0, 10.0, "NOT met (1.90 x)"),
        (
            marks.Mark("c", "k", "p50", "≤", 1, "fastpysgi", plus=0.005, unit="ms"),
            *(0.014, 0.010, "p50 ≤ fastpysgi + 0.005 ms: met (0.014 ms beside 0.01)"),
        ),
        (marks.Mark("c", "k", "each", "≤", plus=4, unit="KiB"), 4.5, 0.0, "NOT met (4.5 KiB)"),
        (marks.Mark("c", "k", "rate", "≥", 2, "granian"), 1.0, 1.0, "granian was not measured"),
    ],
)
def test_marks_are_judged(mark: marks.Mark, ours: float, theirs: float, says: str) -> None:
    own, peer = result_of("corral", {"k": ours}), result_of("fastpysgi", {"k": theirs})
    assert marks.judge(mark, own, {"corral": own, "fastpysgi": peer}).endswith(f" {says}")


def test_marks_are_judged_for_each_of_our_own_servers() -> None:
    sample = {"cpu_us": 1.0, "requests_per_second": 1.0}
    names = ("corral", "corral-process", "fastpysgi", "granian")
    lines = marks.judge_case("raw", [result_of(name, sample) for name in names])
    ours = [mark for mark in marks.MARKS if mark.case == "raw"]
    assert len(lines) == 2 * len(ours) > 0
    assert sum("corral, processes" in line for line in lines) == len(ours)


def test_marks_name_cases_columns_and_servers_that_there_are() -> None:
    cases = {case.name: case for case in CASES}
    for mark in marks.MARKS:
        case = cases[mark.case]
        assert mark.key in {column.key for column in case.columns}
        assert mark.peer is None or mark.peer in case.servers
    for case in CASES:
        assert len(chosen(SERVERS, ",".join(case.servers), "server")) > 1


def test_an_answer_is_whole_with_the_last_byte_of_its_body() -> None:
    head = b"HTTP/1.1 200 OK\r\nDate: x\r\ncontent-length: 3\r\n\r\n"
    assert not is_whole(head[:-1])
    assert not is_whole(head + b"ab")
    assert is_whole(head + b"abc")
    with pytest.raises(ServerFailed, match="without Content-Length"):
        is_whole(b"HTTP/1.1 200 OK\r\n\r\n")
