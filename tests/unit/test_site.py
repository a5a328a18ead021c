"""A worker interpreter before its user code."""

import json

import pytest

BOTH = pytest.mark.parametrize("sub_interpreter", [False, True])
APP = "def application(environ, start_response): ...\n"


@BOTH
def test_the_project_comes_first_on_the_path(worker, project, tmp_path, sub_interpreter):
    project({"json_report.py": APP, "calendar.py": "mine = True\n" + APP})
    result = worker(
        "import calendar, os; print(calendar.mine, sys.path[0], sys.argv,"
        "os.environ['DJANGO_SETTINGS_MODULE'], sys.path.count(sys.path[0]))",
        app="json_report", settings="my.settings", sub_interpreter=sub_interpreter,
        env={"PYTHONPATH": f"{tmp_path}"},
    )  # fmt: skip
    assert result.stderr == ""
    assert result.stdout == f"True {tmp_path} ['corral', 'serve'] my.settings 1\n"


@BOTH
def test_signals_work_in_every_role(worker, project, sub_interpreter):
    project({"app.py": "import signal\nsignal.signal(signal.SIGTERM, print)\n" + APP})
    result = worker(
        "import signal; print(signal.getsignal(signal.SIGTERM) is print)",
        app="app", sub_interpreter=sub_interpreter,
    )  # fmt: skip
    assert result.stdout == "True\n", result.stderr


def test_output_comes_a_line_at_a_time(worker, project):
    project({"app.py": APP})
    result = worker("import os; print('seen'); os._exit(7)", app="app")
    assert (result.returncode, result.stdout) == (7, "seen\n")


@BOTH
def test_threads_started_by_a_worker_are_waited_for(worker, project, sub_interpreter):
    project({"app.py": APP})
    code = """
import threading, _thread
done = _thread.allocate_lock()
done.acquire()
def body():  # a thread that threading did not start, like the engine's
    with open("/proc/self/task/%d/comm" % threading.get_native_id(), "w") as file:
        file.write("web.1.0")
    site.enter_thread()
    me = threading.current_thread()
    print(me.daemon, me.name, threading.Thread().daemon)
    done.release()
_thread.start_new_thread(body, ())
done.acquire()
"""
    result = worker(code, app="app", sub_interpreter=sub_interpreter)
    assert result.stdout == "False web.1.0 False\n", result.stderr


SETTINGS = {"mysite/__init__.py": "", "mysite/settings.py": "SECRET_KEY = 'x'\n"}


@pytest.mark.parametrize(
    ("files", "settings", "words"),
    [
        ({}, None, "no Django settings: give --settings"),
        (SETTINGS, "mysit.settings", "settings mysit.settings: there is no module named"),
        (SETTINGS, "mysit.settings", "did you mean mysite?; start in the project's directory"),
        (SETTINGS, "mysite.setings", "there is no module named 'mysite.setings' in"),
        (SETTINGS, "mysite.setings", "did you mean settings?"),
        (SETTINGS, "mysite.settings.live", "'mysite.settings' is not a package"),
        ({"s.py": "import no_such_thing\n"}, "s",
         "settings s: there is no module named 'no_such_thing' (imported by {tmp}/s.py:1, "),
        ({"s.py": "SECRET_KEY = (\n"}, "s", "settings s: syntax error in {tmp}/s.py:1: '(' was"),
        ({"s.py": "\n1 / 0\n"}, "s", 
         "settings s: ZeroDivisionError: division by zero ({tmp}/s.py:2)"),
        ({"s.py": "raise SystemExit(3)\n"}, "s", "settings s: the site called sys.exit(3) while"),
        ({"s.py": "INSTALLED_APPS = ['no_app']\n"}, "s",
         "settings s: there is no module named 'no_app'"),
        ({"s.py": "INSTALLED_APPS = ['django.contrib.auth'] * 2\n"}, "s",
         "settings s: ImproperlyConfigured: Application labels aren't unique"),
    ],
)  # fmt: skip
def test_settings_that_do_not_work(load_error, project, tmp_path, files, settings, words):
    project(files)
    assert words.format(tmp=tmp_path) in load_error(settings=settings)


def test_the_traceback_is_there_when_debugging(worker, project):
    project({"s.py": "\n1 / 0\n"})
    result = worker(settings="s", env={"CORRAL_DEBUG": "1"})
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr.startswith("Traceback (most recent call last):")
    assert "ZeroDivisionError" in result.stderr


def test_boot_gives_the_engine_its_configuration(worker, project):
    """corral.boot, with a stand-in for the compiled part that reports what it was given."""
    project({"app.py": APP})
    groups = [{"load": json.dumps({"settings": "my.settings"})}]
    limits = {"node_lease_ms": 5000}
    config = {"name": "engine", "groups": groups, "keeper": True, "limits": limits}
    code = f"""
import os, signal, types
import corral, corral.boot
core = sys.modules["corral._core"] = corral._core = types.ModuleType("corral._core")
core.receive_config = lambda fd: {json.dumps(config)!r}
def run_engine(fd, config):
    import _signal, faulthandler
    ignored = [_signal.getsignal(n) == _signal.SIG_IGN for n in (_signal.SIGINT, _signal.SIGTERM)]
    print(fd, config["name"], os.environ["DJANGO_SETTINGS_MODULE"], ignored,
          faulthandler.is_enabled())
    node = json.loads(config["node"])
    print(len(node["incarnation"]), node["pid"] == os.getpid(), node["lease_ms"], sorted(node))
    return 5
core.run_engine = run_engine
sys.exit(corral.boot.main(["--control-fd", "9"]))
"""
    result = worker(code, app="app")
    assert (result.returncode, result.stderr) == (5, "")
    first, second = result.stdout.splitlines()
    assert first == "9 engine my.settings [True, True] True"
    assert second == "36 True 5000 ['host', 'incarnation', 'lease_ms', 'pid']"
