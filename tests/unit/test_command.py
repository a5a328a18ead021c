"""Management commands as workers run them."""

import pytest

SITE = {
    "s.py": "SECRET_KEY = 'x'\nINSTALLED_APPS = ['shop']\n"
    "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'DATABASE'}}\n",
    "shop/__init__.py": "",
    "shop/management/__init__.py": "",
    "shop/management/commands/__init__.py": "",
    "shop/management/commands/tick.py": """
import sys
from django.core.management.base import BaseCommand, CommandError
class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("how", choices=["print", "exit", "text", "fail", "raise", "stop"])
        parser.add_argument("--times", type=int, default=1)
        parser.add_argument("names", nargs="*")
    def handle(self, *args, how, times, names, **options):
        if how == "print":
            for _ in range(times):
                self.stdout.write(f"tick {names} {sys.argv} {options['verbosity']}")
        elif how == "exit":
            sys.exit(times)
        elif how == "text":
            sys.exit("good bye")
        elif how == "fail":
            raise CommandError("no clock", returncode=4)
        elif how == "raise":
            raise RuntimeError("broken clock")
        elif how == "stop":
            raise KeyboardInterrupt
""",
    "shop/management/commands/broken.py": "import nope\n",
    "shop/management/commands/wrong.py": "def handle(: pass\n",
    "shop/management/commands/needy.py": """
from django.core.management.base import BaseCommand
class Command(BaseCommand):
    requires_migrations_checks = True
    def handle(self, **options):
        self.stdout.write("ran")
""",
}
RUN = "status = loaded()\nsys.stdout.flush()\nprint('status', status)"


@pytest.fixture
def command(worker, project, tmp_path):
    settings = SITE["s.py"].replace("DATABASE'", f"{tmp_path}/db.sqlite3'")
    project(SITE | {"s.py": settings})

    def run(text, then=RUN, **more):
        return worker(then, role="command", settings="s", command=text, **more)

    return run


@pytest.mark.parametrize("sub_interpreter", [False, True])
def test_a_command_runs_as_under_manage_py(command, sub_interpreter):
    result = command("tick print --times 2 'a b' -v 2", sub_interpreter=sub_interpreter)
    argv = ["manage.py", "tick", "print", "--times", "2", "a b", "-v", "2"]
    assert result.stdout == f"tick ['a b'] {argv} 2\n" * 2 + "status 0\n", result
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("text", "status", "stderr"),
    [
        ("tick exit --times 5", 5, ""),
        ("tick exit --times 0", 0, ""),
        ("tick exit --times 256", 0, ""),
        ("tick text", 1, "good bye\n"),
        ("tick fail", 4, "tick: CommandError: no clock\n"),
        ("tick stop", 130, ""),
    ],
)
def test_exit_statuses(command, text, status, stderr):
    result = command(text)
    assert result.stdout == f"status {status}\n"
    assert result.stderr == stderr


def test_an_exception_shows_its_traceback(command):
    result = command("tick raise")
    assert result.stdout == "status 1\n"
    assert result.stderr.startswith("Traceback (most recent call last):")
    assert result.stderr.endswith("RuntimeError: broken clock\n")


def test_a_command_can_run_again(command):
    result = command("tick print", "print(loaded(), loaded())")
    assert result.stdout.count("tick []") == 2
    assert result.stdout.endswith("0 0\n")


def test_checks_run_as_under_manage_py(command, project):
    models = """
from django.db import models
class A(models.Model):
    name = models.CharField(max_length=-1)
"""
    project({"shop/models.py": models})
    result = command("tick print")
    assert result.stdout == "status 1\n"
    assert "SystemCheckError" in result.stderr
    assert command("tick print --skip-checks").stdout.endswith("status 0\n")


def test_database_connections_are_closed(command):
    result = command(
        "needy",
        RUN + "\nfrom django.db import connection\nprint(connection.connection)",
    )
    assert result.stdout == "ran\nstatus 0\nNone\n", result


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tik print", "--command 'tik print': the site has no command 'tik'; did you mean tick?"),
        ("xyzzy", "the site has no command 'xyzzy'; `python manage.py help` lists them"),
        ("tick", "--command 'tick': the following arguments are required: how"),
        ("tick boom", "argument how: invalid choice: 'boom'"),
        ("tick print --times x", "argument --times: invalid int value: 'x'"),
        ("tick print --tmes 2", "unrecognized arguments: --tmes"),
        ("tick --help", "only prints a text and ends; run it as python manage.py tick --help"),
        ("tick --version", "only prints a text and ends"),
        ("broken", "--command 'broken': there is no module named 'nope' (imported by"),
        ("wrong", "--command 'wrong': syntax error in"),
    ],
)
def test_mistakes_show_at_boot(load_error, project, text, words):
    project(SITE)
    assert words in load_error(role="command", settings="s", command=text)


def test_settings_are_needed(load_error):
    line = load_error(role="command", command="tick")
    assert line.startswith("no Django settings: give --settings")
