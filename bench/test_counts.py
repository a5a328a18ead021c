"""Instructions of parse and of one WSGI call against counts.json."""

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import counts

BUILD = counts.ROOT / os.environ.get("CORRAL_BUILD_DIR", "build/release")

PROFILE = """\
version: 1
events: Ir
ob=(1) /lib/module.so
fl=(1) ???
fn=(1) serve
10 5
+1 7
cfn=(2) corral::gateway::WsgiCall::run(corral::http::Exchange)
calls=3 20
-1 300
* 8

fn=(2)
20 200
cob=(2) /bin/python
cfn=(3) call
calls=3 0
20 100

ob=(2)
fn=(3)
0 100
cfn=(2)
calls=1 20
0 11
totals: 320
"""


def test_reads_a_profile() -> None:
    # 5+7+8, 200, 100 in the functions themselves; 300+11 in calls of the one we look for.
    assert counts.read_profile(PROFILE.splitlines(True)) == counts.Profile(320, 311, 0)


def test_threads_without_requests_count_by_their_polling_alone() -> None:
    worker, standby = counts.Profile(320, 311, 0), counts.Profile(5_000, 0, 70)
    assert counts.for_requests([worker, standby]) == counts.Profile(390, 311, 0)


def test_numbers_may_move_a_little_and_no_further() -> None:
    known = {"here": {"parse": 1000}}
    assert counts.compare({"parse": 1050}, known, "here") == []
    assert counts.compare({"parse": 800}, known, "here") == []
    more, fewer = (counts.compare({"parse": n}, known, "here") for n in (1051, 799))
    assert more == [
        "parse: 1,051 instructions, 5.1% more than the 1,000 in bench/counts.json. "
        "If that is meant: make counts"
    ]
    assert "20.1% fewer" in fewer[0]


def test_another_toolchain_is_held_against_the_known_ones_loosely() -> None:
    known = {"there": {"parse": 10}, "newest": {"parse": 1000}}
    assert counts.compare({"parse": 1200}, known, "here") == []
    said = counts.compare({"parse": 1201}, known, "here")
    assert "of another toolchain (this one: here)" in said[0]
    assert counts.compare({"parse": 1}, {}, "here") == ["counts.json is empty: make counts"]


def test_counts_have_not_moved() -> None:
    if not shutil.which("valgrind") and not os.environ.get("CI"):
        pytest.skip("valgrind is not installed")
    if not counts.is_release(BUILD):
        pytest.skip("the counts are those of a release build")
    counted = counts.count(BUILD)
    assert set(counted) == {"parse", "wsgi_call", "request"}
    if said := counts.compare(counted, counts.remembered(), counts.toolchain(BUILD)):
        pytest.fail("\n".join(said), pytrace=False)
