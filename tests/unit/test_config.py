"""The table of settings: sources, their order, bounds, and the one line for each bad value."""

import os
import re
from pathlib import Path

import pytest

from corral.config import load, misspelt_variables
from corral.cpus import usable_cpus
from corral.exceptions import ConfigurationError
from corral.reference import configuration_page
from corral.settings_table import SETTINGS
from corral.values import Address, Command, split_weights

ROOT = Path(__file__).parents[2]


def read(tmp_path: Path, options=None, environ=None, pyproject: str | None = None):
    if pyproject is not None:
        (tmp_path / "pyproject.toml").write_text(pyproject)
    return load(options or {}, environ or {}, tmp_path)


def error(tmp_path: Path, *args, **more) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, *args, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_default_is_a_value_of_its_kind(tmp_path):
    config = read(tmp_path)
    for setting in SETTINGS:
        assert config.where(setting.name) == "default"
    assert config["bind"] == [Address("tcp", "127.0.0.1", 8000)]
    assert config["workers"] == usable_cpus()
    assert config["task_workers"] is None
    assert config["queues"] is None
    assert config["command"] == []


def test_the_first_source_wins(tmp_path):
    pyproject = "[tool.corral]\nworkers = 5\nthreads = 3\nkeep-alive = 2.5\n"
    environ = {"CORRAL_WORKERS": "4", "WEB_CONCURRENCY": "3", "CORRAL_THREADS": "2"}
    config = read(tmp_path, {"workers": "6"}, environ, pyproject)
    assert [config["workers"], config["threads"], config["keep_alive"]] == [6, 2, 2.5]
    assert config.where("workers") == "--workers"
    assert config.where("threads") == "CORRAL_THREADS"
    assert config.where("keep_alive") == "keep-alive in [tool.corral] of pyproject.toml"
    config = read(tmp_path, {}, {"WEB_CONCURRENCY": "3"}, pyproject)
    assert config["workers"] == 3
    assert config.where("workers") == "WEB_CONCURRENCY"
    assert read(tmp_path, {}, {}, pyproject)["workers"] == 5


def test_an_empty_variable_is_not_set(tmp_path):
    config = read(tmp_path, {}, {"CORRAL_WORKERS": "", "WEB_CONCURRENCY": "", "PORT": ""})
    assert config.is_default("workers")
    assert config.is_default("bind")


def test_port_listens_everywhere_and_gives_way_to_bind(tmp_path):
    config = read(tmp_path, {}, {"PORT": "9000"})
    assert config["bind"] == [Address("tcp", "0.0.0.0", 9000)]
    config = read(tmp_path, {}, {"PORT": "9000", "CORRAL_BIND": "[::1]:1, unix:/run/a.sock"})
    assert list(map(str, config["bind"])) == ["[::1]:1", "unix:/run/a.sock"]
    assert read(tmp_path, {"bind": [":7"]}, {"PORT": "9"})["bind"] == [Address("tcp", "0.0.0.0", 7)]


def test_sockets_from_the_service_manager_are_used_when_they_are_for_this_process(tmp_path):
    passed = {"LISTEN_FDS": "2", "LISTEN_PID": str(os.getpid()), "PORT": "9"}
    config = read(tmp_path, {}, passed)
    assert list(map(str, config["bind"])) == ["fd://3", "fd://4"]
    assert config.where("bind") == "LISTEN_FDS"
    others = read(tmp_path, {}, passed | {"LISTEN_PID": "1"})
    assert others.where("bind") == "PORT"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", Address("tcp", "127.0.0.1", 8000)),
        ("localhost:0", Address("tcp", "localhost", 0)),
        ("[::1]:80", Address("tcp", "::1", 80)),
        (":80", Address("tcp", "0.0.0.0", 80)),
        ("unix:run/site.sock", Address("unix", path="run/site.sock")),
        ("unix:///run/site.sock", Address("unix", path="/run/site.sock")),
        ("fd://3", Address("fd", fd=3)),
    ],
)
def test_addresses(tmp_path, text, address):
    assert read(tmp_path, {"bind": [text]})["bind"] == [address]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.1/32, FD00::/8 ,10.0.0.1", "10.0.0.1,fd00::/8"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("0:0::1", "::1"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("0.0.0.0/0,::/0", "0.0.0.0/0,::/0"),
        ("*", "*"),
    ],
)
def test_trusted_peers(tmp_path, text, value):
    config = read(tmp_path, {}, {"FORWARDED_ALLOW_IPS": text})
    assert config["forwarded_allow_ips"] == config.limits()["forwarded_allow_ips"] == value
    assert config.where("forwarded_allow_ips") == "FORWARDED_ALLOW_IPS"
    given = read(tmp_path, {"forwarded_allow_ips": "::1"}, {"FORWARDED_ALLOW_IPS": text})
    assert given["forwarded_allow_ips"] == "::1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("127.0.0.1,", "has an empty item"),
        ("proxy", "has 'proxy', which is neither an address nor a network"),
        ("127.0.0.1 10.0.0.1", "neither an address nor a network"),
        ("10.0.0.0/33", "has '10.0.0.0/33', which is neither an address nor a network"),
        ("fe80::1%eth0", "neither an address nor a network"),
        ("127.0.0.1:80", "neither an address nor a network"),
        ("10.0.0.1/8", "did you mean 10.0.0.0/8?"),
        ("fd00::1/8", "did you mean fd00::/8?"),
    ],
)
def test_trusted_peers_that_are_none(tmp_path, text, words):
    line = error(tmp_path, {"forwarded_allow_ips": text})
    assert line.startswith(f"--forwarded-allow-ips: {text!r} ")
    assert words in line
    assert "allowed: addresses or CIDR networks with commas between them, or * for all" in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("8000", "did you mean :8000"),
        ("127.0.0.1", "the port is missing"),
        ("127.0.0.1:", "has no port from 0 to 65535"),
        ("127.0.0.1:65536", "has no port from 0 to 65535"),
        ("::1:80", "is not an address"),
        ("http://127.0.0.1:80", "leave the scheme out"),
        ("/run/a.sock", "did you mean unix:/run/a.sock"),
        ("unix:", "names no path"),
        ("fd://1", "has no descriptor from 3"),
        ("fd://x", "has no descriptor from 3"),
        ("", "is not an address"),
    ],
)
def test_addresses_that_are_none(tmp_path, text, words):
    line = error(tmp_path, {"bind": [text]})
    assert line.startswith(f"--bind: {text!r} ")
    assert words in line
    assert "allowed: host:port, [v6]:port, :port, unix:path or fd://n" in line


@pytest.mark.parametrize(
    ("name", "text", "start", "allowed"),
    [
        ("workers", "abc", "--workers: 'abc' is not a whole number", "1 to 512 or auto"),
        ("workers", "0", "--workers: '0' is too small", "1 to 512 or auto"),
        ("workers", "1e3", "--workers: '1e3' is not a whole number", "1 to 512 or auto"),
        ("threads", "129", "--threads: '129' is too large", "1 to 128"),
        ("threads", "٣", "--threads: '٣' is not a whole number", "1 to 128"),
        ("task_workers", "-1", "--task-workers: '-1' is too small", "0 to 512 or auto"),
        ("graceful_timeout", "soon", "--graceful-timeout: 'soon' is not a number of seconds",
         "0 to 86400 seconds"),
        ("graceful_timeout", "nan", "--graceful-timeout: 'nan' is not", "0 to 86400 seconds"),
        ("isolation", "thread", "--isolation: 'thread' is not one", "interpreter or process"),
        ("log_level", "INFO", "--log-level: 'INFO' is not one", "debug, info, warning, error or"),
        ("umask", "08", "--umask: '08' is not an octal number", "0 to 777, octal"),
        ("umask", "1000", "--umask: '1000' is too large", "0 to 777, octal"),
        ("limit_request_body", "64X", "--limit-request-body: '64X' is not a size", "1 to 1024G"),
        ("limit_request_body", "2048G", "--limit-request-body: '2048G' is too large", "1 to 1024G"),
        ("queues", "a,,b", "--queues: 'a,,b' has an empty name", "queue names"),
        ("queues", "a,*", "--queues: 'a,*' mixes * with names", "queue names"),
        ("queues", "a:2,b,*", "--queues: 'a:2,b,*' mixes * with names", "queue names"),
        ("queues", "a:0,b", "--queues: 'a:0,b' has a weight that is not 1 to", "queue names"),
        ("queues", "a:2,a", "--queues: 'a:2,a' names a queue twice", "queue names"),
        ("settings", "mysite/settings.py", "--settings: 'mysite/settings.py' does not have",
         "the dotted name of a module"),
        ("pid", "", "--pid: '' is empty", "a path"),
        ("app", "mysite/wsgi.py", "APP: 'mysite/wsgi.py' does not start", "module:attribute"),
        ("app", "mysite.wsgi:", "APP: 'mysite.wsgi:' does not end", "module:attribute"),
        ("app", "mysite.wsgi:make(1)", "APP: 'mysite.wsgi:make(1)' does not end", "module:attr"),
    ],
)  # fmt: skip
def test_bad_values_are_named_with_what_is_allowed(tmp_path, name, text, start, allowed):
    line = error(tmp_path, {name: text})
    assert line.startswith(start)
    assert f"; allowed: {allowed}" in line


@pytest.mark.parametrize(("text", "mask"), [("0", 0), ("007", 7), ("77", 0o77), ("0o022", 0o22)])
def test_umask_is_octal(tmp_path, text, mask):
    assert read(tmp_path, {"umask": text})["umask"] == mask


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0*tick", "asks for 0 copies"),
        ("65*tick", "asks for 65 copies"),
        ("-1*tick", "asks for -1 copies"),
        ("2*", "names no command"),
        ("tick 'a", "cannot be split into words (No closing quotation)"),
        ("--flag tick", "starts with an option"),
    ],
)
def test_commands_that_are_none(tmp_path, text, words):
    line = error(tmp_path, {"command": [text]})
    assert line.startswith(f"--command: {text!r} {words}")
    assert 'allowed: "name arguments" or "2*name arguments", 1 to 64 copies' in line


def test_commands(tmp_path):
    config = read(tmp_path, {"command": ["2*tick --every 'a b'", "tock"]})
    assert config["command"] == [Command(2, "tick --every 'a b'"), Command(1, "tock")]
    config = read(tmp_path, {}, {"CORRAL_COMMAND": "2 * tick; tock --x=1,2"})
    assert config["command"] == [Command(2, "tick"), Command(1, "tock --x=1,2")]


def test_a_did_you_mean_for_a_path_in_place_of_a_module(tmp_path):
    assert "did you mean mysite.wsgi:application?" in error(tmp_path, {"app": "./mysite/wsgi.py"})


def test_bad_values_name_where_they_come_from(tmp_path):
    assert error(tmp_path, {}, {"PORT": "http"}).startswith("PORT: 'http' has no port from 0 to")
    assert error(tmp_path, {}, {"WEB_CONCURRENCY": "many"}).startswith("WEB_CONCURRENCY: 'many'")
    assert error(tmp_path, {}, {"CORRAL_THREADS": "x"}).startswith("CORRAL_THREADS: 'x' is not")
    line = error(tmp_path, pyproject="[tool.corral]\nworkers = 'x'\n")
    assert line.startswith("workers in [tool.corral] of pyproject.toml: 'x' is not a whole number")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.corral]\nwrokers = 2\n", "has no setting 'wrokers'; did you mean workers?"),
        ("[tool.corral]\nworkers = true\n", "'True' is neither text nor a number"),
        ("[tool.corral]\nworkers = [1, 2]\n", "is a list; allowed: 1 to 512"),
        ("[tool.corral]\nbind = [{}]\n", "is neither text nor a number; allowed: host:port"),
        ("[tool]\ncorral = 3\n", "tool.corral is not a table"),
        ("[tool.corral\n", "is not valid TOML"),
    ],
)
def test_mistakes_in_pyproject(tmp_path, text, words):
    line = error(tmp_path, pyproject=text)
    assert "pyproject.toml" in line
    assert words in line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail:3,default", (["mail", "default"], {"mail": 3})),
        ("mail:3,*", (None, {"mail": 3})),
        ("*", (None, {})),
        ("a:b,:3,c:", (["a:b", ":3", "c:"], {})),
    ],
)
def test_queues_have_weights(tmp_path, text, expected):
    assert split_weights(read(tmp_path, {"queues": text})["queues"]) == expected


def test_pyproject_values(tmp_path):
    text = '[tool.corral]\nbind = [":1", "unix:a.sock"]\nlimit_request_body = "1M"\nqueues = "a"\n'
    config = read(tmp_path, pyproject=text)
    assert len(config["bind"]) == 2
    assert config["limit_request_body"] == 1 << 20
    assert config["queues"] == ["a"]


def test_a_shown_value_reads_back_as_the_same(tmp_path):
    options = {
        "bind": ["[::1]:80", "unix:a", "fd://7"], "command": ["3*tick a", "tock"],
        "queues": "b,a", "keep_alive": "0.5", "limit_request_body": "1536K", "task_workers": "auto",
    }  # fmt: skip
    config = read(tmp_path, options)
    for setting in SETTINGS:
        if setting.name not in options:
            continue
        shown = setting.kind.show(config[setting.name])
        texts = re.split(r"[,;] ", shown) if setting.kind.is_list else [shown]
        values = [setting.kind.parse(text) for text in texts]
        assert config[setting.name] == (values if setting.kind.is_list else values[0])


def test_likely_misspelt_variables_are_pointed_out_and_others_are_not():
    environ = {"CORRAL_WORKRES": "2", "CORRAL_PORT": "tcp://10.0.0.1:80", "CORRAL_WORKERS": "2",
               "CORRAL_SERVICE_HOST": "10.0.0.1", "CORRAL_DEBUG": "1"}  # fmt: skip
    (line,) = misspelt_variables(environ)
    assert line == (
        "CORRAL-601 CORRAL_WORKRES is not a setting and has no effect; did you mean CORRAL_WORKERS?"
    )


@pytest.mark.parametrize(
    ("files", "member", "expected"),
    [
        ({}, "", None),
        ({"cpu.max": "max 100000"}, "", None),
        ({"cpu.max": "100000 100000"}, "", 1),
        ({"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, "0::/a/b\n", 1),
        ({"a/cpu.max": "50000 100000"}, "0::/\n", None),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "", None),
        ({"cpu/cpu.cfs_quota_us": "90000", "cpu/cpu.cfs_period_us": "100000"}, "3:cpu:/\n", 1),
        ({"cpu.max": "100000000 100000"}, "", None),
    ],
)
def test_a_quota_bounds_the_usable_cpus(tmp_path, files, member, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "member").write_text(member)
    assert usable_cpus(tmp_path, tmp_path / "member") == expected or (
        expected is None and usable_cpus(tmp_path, tmp_path / "member") == os.process_cpu_count()
    )


def test_affinity_bounds_the_usable_cpus():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_the_reference_page_is_the_table_s():
    page = ROOT / "docs" / "configuration.md"
    assert page.read_text() == configuration_page(), (
        "run `corral config --markdown > docs/configuration.md`"
    )


def test_port_of_the_demo_stays_on_this_machine(tmp_path: Path) -> None:
    config = load({"subcommand": "demo"}, {"PORT": "9000"}, tmp_path)
    assert config["bind"] == [Address("tcp", "127.0.0.1", 9000)]
