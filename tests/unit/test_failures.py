"""The one line for the operator."""

import pytest

from corral.exceptions import ConfigurationError, WorkerInitializationError
from corral.failures import LINE_CHARACTERS_MAX, describe, load_failure

APP = "def application(environ, start_response): ...\n"


def caught(source: str, name: str = "mysite.views") -> BaseException:
    """What running `source` as a user's module raises, with its traceback."""
    try:
        exec(compile(source, "/srv/mysite/views.py", "exec"), {"__name__": name})
    except BaseException as error:
        return error
    raise AssertionError("it raises nothing")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("\n1 / 0", "ZeroDivisionError: division by zero (/srv/mysite/views.py:2)"),
        ("import json\njson.loads('x')",
         "JSONDecodeError: Expecting value: line 1 column 1 (char 0) (/srv/mysite/views.py:2)"),
        ("raise ValueError", "ValueError (/srv/mysite/views.py:1)"),
        ("raise ValueError('  a\\n b ')", "ValueError: a b (/srv/mysite/views.py:1)"),
        ("import sys; sys.exit('no')",
         "the site called sys.exit('no') while loading (/srv/mysite/views.py:1)"),
        ("import nope", "there is no module named 'nope' "
         "(imported by /srv/mysite/views.py:1, module mysite.views)"),
        ("compile('a b', 'x.py', 'exec')", "syntax error in x.py:1: invalid syntax: a b"),
        ("raise OSError(2, 'No', 'f')",
         "FileNotFoundError: [Errno 2] No: 'f' (/srv/mysite/views.py:1)"),
    ],
)  # fmt: skip
def test_lines(source, line):
    assert describe(caught(source)) == line


def test_an_exception_without_a_text_of_its_own():
    source = "class Bad(Exception):\n def __str__(self): raise KeyError\nraise Bad"
    assert describe(caught(source)) == "Bad (and no text: KeyError while reading it)"


def test_long_texts_are_cut():
    line = describe(ValueError("x" * 5000))
    assert len(line) == LINE_CHARACTERS_MAX
    assert line.endswith("...")


def test_what_is_ours_is_said_as_it_is():
    error = ConfigurationError("--bind: no")
    assert describe(error) == "--bind: no"
    assert load_failure(error, "settings x") is error


def test_load_failure_names_what_was_loaded(monkeypatch, capfd):
    monkeypatch.delenv("CORRAL_DEBUG", raising=False)
    error = load_failure(caught("1 / 0"), "settings x")
    assert isinstance(error, WorkerInitializationError)
    assert str(error).startswith("settings x: ZeroDivisionError: ")
    assert capfd.readouterr().err == ""
    monkeypatch.setenv("CORRAL_DEBUG", "1")
    load_failure(caught("1 / 0"))
    assert "Traceback" in capfd.readouterr().err


# faulthandler is a module of Python's own that refuses to load in sub-interpreters.
REFUSERS = {
    "mysite/__init__.py": "",
    "mysite/wsgi.py": "import mysite.images\n" + APP,
    "mysite/images.py": "import os\n\nimport faulthandler\n",
}


def test_a_module_that_refuses_sub_interpreters(worker, project, tmp_path):
    project(REFUSERS)
    result = worker(app="mysite.wsgi", sub_interpreter=True)
    assert result.returncode == 1
    assert result.stdout == (
        "application mysite.wsgi: module faulthandler "
        f"(imported by {tmp_path}/mysite/images.py:3, module mysite.images) "
        "refuses to load in a sub-interpreter; start with --isolation process\n"
    )
    assert worker(app="mysite.wsgi").returncode == 0  # in a main interpreter it loads


def test_a_refusal_behind_a_library_names_both(worker, project, tmp_path):
    library = "site-packages/imaging/__init__.py"
    project({
        "mysite.py": "import imaging\n" + APP,
        library: "try:\n import faulthandler\nexcept ImportError as e:\n"
        " raise ImportError('imaging is broken\\n\\nplease read the manual') from e\n",
    })  # fmt: skip
    paths = [str(tmp_path), f"{tmp_path}/site-packages"]
    result = worker(app="mysite", paths=paths, sub_interpreter=True)
    assert "module faulthandler (imported by " in result.stdout
    assert f"imported by {tmp_path}/{library}:2, module imaging" in result.stdout


def test_the_remedy_fits_the_role(worker, project):
    settings = "SECRET_KEY = 'x'\nimport faulthandler\n"
    project({"s.py": settings})
    result = worker(role="command", command="check", settings="s", sub_interpreter=True)
    assert result.returncode == 1
    assert "commands need modules that allow it" in result.stdout
    assert "--isolation process" not in result.stdout
