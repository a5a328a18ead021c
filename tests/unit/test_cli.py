"""The command line as people meet it: real processes, one line and exit code 1 for mistakes."""

import ast
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import corral as package

PACKAGE = Path(package.__file__).parent
ROOT = Path(__file__).parents[2]

WSGI = "def application(environ, start_response): ...\n"
MANAGE = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n"

# Stands for the engine: prints the plan it would run. (tests with the real one are elsewhere.)
PRINT_PLAN = """
import json, os, sys, types
import corral
core = types.ModuleType("corral._core")
def supervise(plan):
    for process in plan["processes"]:
        process["config"] = json.loads(process["config"])
        for group in process["config"]["groups"]:
            group["load"] = json.loads(group["load"])
    fds = {fd: os.get_inheritable(fd) for fd in plan["listen_fds"]}
    environ = {name: value for name, value in os.environ.items() if "LISTEN" in name}
    pid_file = os.environ.get("PID_FILE_OF_TEST")
    pid = open(pid_file).read() if pid_file else ""
    print(json.dumps({"plan": plan, "fds": list(fds), "environ": environ, "pid": pid,
                      "me": os.getpid(), "debug": os.environ.get("CORRAL_DEBUG")}))
    return 3
core.supervise = supervise
sys.modules["corral._core"] = corral._core = core
from corral.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def planned(clean_env, tmp_path):
    """Runs `corral ARGUMENTS` up to the engine; returns what the engine was given."""
    import json

    def run(*arguments, env=None, **more):
        result = subprocess.run(
            [sys.executable, "-P", "-c", PRINT_PLAN, *arguments], env=clean_env | (env or {}),
            cwd=more.pop("cwd", tmp_path), capture_output=True, text=True, timeout=60, **more,
        )  # fmt: skip
        assert result.returncode == 3, result
        assert result.stderr == ""
        return json.loads(result.stdout.splitlines()[-1])

    return run


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py", "cli.py"])
def test_old_pythons_can_read_the_entry(name):
    ast.parse((PACKAGE / name).read_text(), feature_version=(3, 7))


def old_pythons() -> list[str]:
    found = []
    for folder in os.environ["PATH"].split(os.pathsep):
        found += [str(p) for n in range(7, 14) if (p := Path(folder, f"python3.{n}")).is_file()]
    return found


def test_a_python_that_is_too_old_is_told_so(clean_env):
    tried = 0
    for python in old_pythons():
        probe = subprocess.run([python, "-c", ""], env=clean_env, capture_output=True)
        if probe.returncode != 0:
            continue  # a launcher without what it launches
        result = subprocess.run(
            [python, "-m", "corral", "serve"], cwd=PACKAGE.parent, env=clean_env,
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert result.returncode == 1, result
        (line,) = result.stderr.splitlines()
        assert line.startswith("corral: error: Python 3.14 is needed and this is 3.")
        tried += 1
    if not tried:
        pytest.skip("no older Python on this machine")


def test_version(corral):
    result = corral("--version")
    assert (result.returncode, result.stdout) == (0, f"corral {package.__version__}\n")
    assert f'version = "{package.__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_help(corral):
    assert corral().stdout.startswith("usage: corral ")
    for command in ("serve", "work", "demo", "config"):
        result = corral(command, "--help")
        assert result.returncode == 0
        assert result.stdout.startswith(f"usage: corral {command} ")


def test_work_and_demo_offer_only_what_they_use(corral):
    assert "--bind" not in corral("work", "--help").stdout
    assert "--command" not in corral("demo", "--help").stdout
    assert "--settings" not in corral("demo", "--help").stdout


def test_config_shows_values_and_their_sources(corral):
    result = corral("config", "-w", "3", "--command", "a", "--command", "2*b", env={"PORT": "81"})
    assert result.returncode == 0
    assert result.stderr == ""
    rows = [line.split("  ") for line in result.stdout.splitlines()]
    table = {row[0]: [cell.strip() for cell in row[1:] if cell.strip()] for row in rows}
    assert table["workers"] == ["3", "--workers"]
    assert table["bind"] == ["0.0.0.0:81", "PORT"]
    assert table["command"] == ["a; 2*b", "--command"]
    assert table["threads"] == ["1", "default"]


def test_a_misspelt_variable_is_a_warning(corral):
    result = corral("config", env={"CORRAL_WORKRES": "3"})
    assert result.returncode == 0
    assert result.stderr == (
        "corral: warning: CORRAL-601 CORRAL_WORKRES is not a setting and has no effect; "
        "did you mean CORRAL_WORKERS?\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["srve"], "invalid choice: 'srve', maybe you meant 'serve'?"),
        (["serve", "--wrokers", "2"], "there is no option --wrokers; did you mean --workers?"),
        (["serve", "--work"], "there is no option --work; did you mean --workers?"),
        (["serve", "a:b", "c:d"], "unexpected argument 'c:d'"),
        (["serve", "--workers"], "argument -w/--workers: expected one argument"),
        (["serve", "--workers", "abc"], "--workers: 'abc' is not a whole number; allowed: 1 to"),
        (["serve", "-w", "-1"], "--workers: '-1' is too small; allowed: 1 to 512"),
        (["work", "--bind", ":80"], "there is no option --bind"),
        (["demo", "a", "b"], "unexpected argument 'b'"),
    ],
)
def test_mistakes_are_one_line(refusal, arguments, words):
    assert words in refusal(*arguments)


def test_nothing_to_serve(refusal, tmp_path):
    line = refusal("serve")
    assert line.startswith("nothing to serve: name an application (corral serve module:callable)")
    assert str(tmp_path) in line


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["serve", "a:b", "--task-workers", "2"], "--task-workers"),
        (["serve", "a:b", "--command", "tick"], "--command"),
        (["work", "--command", "tick"], "--command"),
        (["work"], "corral work"),
    ],
)
def test_what_needs_django_settings_says_so(refusal, arguments, what):
    assert refusal(*arguments).startswith(f"{what} needs Django settings: give --settings")


def test_work_without_work(refusal):
    line = refusal("work", "--settings", "x", "--task-workers", "0")
    assert line.startswith("--task-workers: 0 leaves nothing to do without --command")


def test_a_manage_py_with_a_syntax_error(refusal, project):
    project({"manage.py": MANAGE + "def main(:\n"})
    line = refusal("serve")
    assert line.startswith("syntax error in ")
    assert "manage.py:3: invalid syntax" in line


def test_django_is_missing(clean_env, project, tmp_path):
    project({"manage.py": MANAGE})
    # -S: without site-packages, so without Django.
    env = clean_env | {"PYTHONPATH": str(PACKAGE.parent)}
    result = subprocess.run(
        [sys.executable, "-S", "-P", "-m", "corral", "serve"], cwd=tmp_path, env=env,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "Django is not installed in" in line
    assert line.endswith("install it there: pip install django")


def test_a_port_in_use(refusal):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        line = refusal("serve", "a:b", "-b", bind)
    assert line.startswith(f"--bind: {bind} is already in use")


def test_a_port_of_the_environment_in_use(refusal):
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        line = refusal("serve", "a:b", env={"PORT": str(port)})
    assert line.startswith(f"PORT: 0.0.0.0:{port} is already in use")


def test_files_that_cannot_be_written(refusal, tmp_path):
    bind = ("-b", "127.0.0.1:0")
    line = refusal("serve", "a:b", *bind, "--access-logfile", f"{tmp_path}/no/log")
    assert "--access-logfile: " in line
    assert "cannot be written: No such file or directory; choose another file" in line
    line = refusal("serve", "a:b", *bind, env={"CORRAL_PID": f"{tmp_path}/no/pid"})
    assert line.startswith("CORRAL_PID: ")


def test_a_refused_start_leaves_no_socket_file(refusal, tmp_path):
    refusal("serve", "a:b", "-b", "unix:a.sock", "--pid", "no/pid")
    assert list(tmp_path.iterdir()) == []


def test_the_plan_of_a_plain_application(planned, tmp_path):
    given = planned("serve", "hello:app", "-b", "127.0.0.1:0", "-b", "unix:a.sock", "-w", "3")
    plan = given["plan"]
    (process,) = plan["processes"]
    config = process["config"]
    (group,) = config["groups"]
    assert process["name"] == "engine"
    assert process["count"] == 1
    assert process["argv"][0] == sys.executable
    assert process["argv"][-4:] == ["-P", "-m", "corral.boot", "--control-fd"]
    assert config["keeper"] is False
    assert config["listen_fds"] == plan["listen_fds"]
    assert len(plan["listen_fds"]) == 2
    assert plan["addresses"][1] == f"unix:{tmp_path}/a.sock"
    assert plan["grace_ms"] == config["grace_ms"] == 10_000
    assert plan["log"] == config["log"] == {"level": "info", "format": "json", "access_fd": -1}
    assert config["limits"]["keep_alive_max_ms"] == 5000
    assert (group["name"], group["workers"], group["threads"]) == ("web", 3, 1)
    assert group["placement"] == "sub"
    assert group["load"]["app"] == "hello:app"
    assert group["load"]["settings"] is None
    assert group["load"]["paths"] == [str(tmp_path)]
    assert not (tmp_path / "a.sock").exists()


def test_the_plan_of_a_django_site(planned, project, tmp_path):
    project({"manage.py": MANAGE})
    plan = planned("serve", "-b", "127.0.0.1:0", "--queues", "a,b", "--command", "2*tick -x",
                   "--task-threads", "4", "--graceful-timeout", "1.5")["plan"]  # fmt: skip
    config = plan["processes"][0]["config"]
    web, tasks, command = config["groups"]
    assert config["keeper"] is True
    assert config["wake_fd"] == plan["wake_fd"] > 2
    assert config["grace_ms"] == 1500
    assert web["load"]["settings"] == "mysite.settings"
    assert web["load"]["app"] is None
    assert (tasks["role"], tasks["workers"], tasks["threads"]) == ("tasks", 1, 4)
    assert tasks["optional"] is tasks["load"]["optional"] is True
    assert tasks["nice"] == 10
    assert tasks["load"]["queues"] == ["a", "b"]
    assert (command["name"], command["role"], command["workers"]) == ("command-1", "command", 2)
    assert command["load"]["command"] == "tick -x"


def test_the_plan_of_processes(planned, project):
    project({"manage.py": MANAGE})
    arguments = ("serve", "-b", "127.0.0.1:0", "-w", "4", "--isolation", "process")
    plan = planned(*arguments)["plan"]
    engine, web = plan["processes"]
    assert [group["role"] for group in engine["config"]["groups"]] == ["tasks"]
    assert engine["config"]["listen_fds"] == []
    assert engine["config"]["keeper"] is True
    assert (web["name"], web["count"]) == ("web", 4)
    assert web["config"]["listen_fds"] == plan["listen_fds"]
    assert web["config"]["keeper"] is False
    (group,) = web["config"]["groups"]
    assert (group["workers"], group["placement"]) == (1, "main")
    assert group["load"]["isolation"] == "process"
    # Without background work there is no engine at all.
    (only,) = planned(*arguments, "--task-workers", "0")["plan"]["processes"]
    assert only["name"] == "web"


def test_the_plan_of_work(planned, project):
    project({"manage.py": MANAGE})
    plan = planned("work", "--task-workers", "2")["plan"]
    assert plan["listen_fds"] == []
    (process,) = plan["processes"]
    (group,) = process["config"]["groups"]
    assert (group["role"], group["workers"], group["optional"]) == ("tasks", 2, False)
    assert planned("work")["plan"]["processes"][0]["config"]["groups"][0]["optional"] is False
    config = planned("work", "--task-workers", "0", "--command", "tick")["plan"]["processes"][0]
    assert [group["role"] for group in config["config"]["groups"]] == ["command"]


def test_where_the_settings_come_from(planned, project):
    project({
        "manage.py": MANAGE,
        "mysite/wsgi.py": "import os\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'mysite.live'\n" + WSGI,
        "mysite/__init__.py": "raise SystemExit('the supervisor must not run this')\n",
        "hello.py": WSGI,
    })  # fmt: skip

    def settings(*arguments, **more):
        plan = planned("serve", "-b", "127.0.0.1:0", *arguments, **more)["plan"]
        return plan["processes"][0]["config"]["groups"][0]["load"]["settings"]

    assert settings() == "mysite.settings"
    assert settings("hello") == "mysite.settings"
    assert settings("mysite.wsgi") == "mysite.live"
    assert settings("mysite.wsgi", env={"DJANGO_SETTINGS_MODULE": "a"}) == "a"
    assert settings("--settings", "b", env={"DJANGO_SETTINGS_MODULE": "a"}) == "b"


def test_pid_file(planned, tmp_path):
    pid_file = tmp_path / "corral.pid"
    pid_file.write_text("2147483646\n")  # stale
    env = {"PID_FILE_OF_TEST": str(pid_file)}
    given = planned("serve", "a:b", "-b", "127.0.0.1:0", "--pid", str(pid_file), env=env)
    assert given["pid"] == f"{given['me']}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_pid_file_of_a_living_corral(refusal, tmp_path, clean_env):
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()", "corral"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean_env,
    ) as living:  # fmt: skip
        living.stdout.readline()
        (tmp_path / "pid").write_text(f"{living.pid}\n")
        line = refusal("serve", "a:b", "-b", "127.0.0.1:0", "--pid", "pid")
        assert f"pid names process {living.pid}, a Corral that still runs" in line
        assert (tmp_path / "pid").read_text() == f"{living.pid}\n"
        living.stdin.close()


def test_descriptors_of_a_service_manager(planned, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        # The process id must be ours before exec: a shell takes our place in two steps.
        script = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@" 3<&0'
        import json

        result = subprocess.run(
            ["/bin/sh", "-c", script, sys.executable, "-P", "-c", PRINT_PLAN, "serve", "a:b"],
            stdin=server.fileno(), cwd=tmp_path, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        given = json.loads(result.stdout)
        assert given["plan"]["listen_fds"] == [3]
        assert given["plan"]["addresses"] == [f"http://127.0.0.1:{server.getsockname()[1]}"]
        assert given["environ"] == {}


def test_debug_reaches_the_children(planned):
    assert planned("serve", "a:b", "-b", "127.0.0.1:0")["debug"] is None
    given = planned("serve", "a:b", "-b", "127.0.0.1:0", "--log-level", "debug")
    assert given["debug"] == "1"


def test_children_get_this_python_s_options(planned, clean_env, tmp_path):
    import json

    result = subprocess.run(
        [sys.executable, "-X", "utf8", "-W", "error::UserWarning", "-OO", "-P", "-c", PRINT_PLAN,
         "serve", "a:b", "-b", "127.0.0.1:0"],
        cwd=tmp_path, env=clean_env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    argv = json.loads(result.stdout)["plan"]["processes"][0]["argv"]
    assert "-OO" in argv
    assert argv[argv.index("-X") + 1] in ("utf8", "utf8=1")
    assert argv[argv.index("-W") + 1] == "error::UserWarning"


def test_manage_py_corral(clean_env, project):
    folder = project({
        "manage.py": "import os, sys\n"
        "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n"
        "from django.core.management import execute_from_command_line\n"
        "execute_from_command_line(sys.argv)\n",
        "mysite/__init__.py": "",
        "mysite/settings.py": "SECRET_KEY = 'x'\nINSTALLED_APPS = ['corral.tasks']\n",
    })  # fmt: skip
    result = subprocess.run(
        [sys.executable, "manage.py", "corral", "config", "--workers", "7"],
        cwd=folder, env=clean_env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "--workers" in result.stdout
    result = subprocess.run(
        [sys.executable, folder / "manage.py", "corral", "serve", "--workers", "x"],
        cwd="/", env=clean_env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.startswith("corral: error: --workers: 'x' is not a whole number")


def test_run_application_takes_the_same_road(clean_env, tmp_path):
    import json

    code = PRINT_PLAN.replace(
        "sys.exit(main(sys.argv[1:]))",
        "from corral import CommandSpec, run_application\n"
        "spec = CommandSpec('tick', ('a b',), {'dry_run': True, 'every': 2, 'no': None}, 2)\n"
        "sys.exit(run_application('a:b', bind='127.0.0.1:0', workers=2, threads=3,\n"
        "         django_settings_module='mysite.settings', command_workers=[spec]))",
    )
    result = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, env=clean_env, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 3, result
    groups = json.loads(result.stdout)["plan"]["processes"][0]["config"]["groups"]
    web, _, command = groups
    assert (web["workers"], web["threads"], web["load"]["app"]) == (2, 3, "a:b")
    assert command["load"]["command"] == "tick --dry-run --every=2 'a b'"
    assert command["workers"] == 2


def test_run_application_knows_its_settings():
    with pytest.raises(TypeError, match="has no setting 'thread'; did you mean threads"):
        package.run_application("a:b", thread=2)
