"""Mistakes of the operator: each one line that names the cause, exit code 1, and soon."""

import re
import shutil
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from corral.settings_table import SETTINGS, Setting
from corral.values import Kind, Seconds, Size, Whole
from harness import Corral
from harness.refusal import expect_refusal

HELLO = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
"""
SETTINGS_TEXT = """
SECRET_KEY = "k" * 50
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ALLOWED_HOSTS = ["*"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
"""
DJANGO_SITE = {
    "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
    "shop/__init__.py": "",
    "shop/settings.py": SETTINGS_TEXT,
    "shop/wsgi.py": (
        "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"
    ),
    "shop/urls.py": (
        "from django.urls import include, path\nfrom shop import views\n"
        "urlpatterns = [path('', views.home), path('carts/', include('shop.carts.urls'))]\n"
    ),
    "shop/views.py": (
        "from django.http import HttpResponse\n"
        "def home(request):\n    return HttpResponse('welcome')\n"
    ),
    "shop/carts/__init__.py": "",
    "shop/carts/urls.py": "urlpatterns = []\n",
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A Django project that serves; each test breaks it in its own way."""
    write(tmp_path, DJANGO_SITE)
    return tmp_path


def refused(folder: Path, *arguments: str, **more: object) -> str:
    """The line of a `corral serve` that must fail."""
    bind = [] if any(a.startswith(("-b", "--bind")) for a in arguments) else ["-b", "127.0.0.1:0"]
    refusal = expect_refusal(["serve", *bind, *arguments], folder, **more)  # type: ignore[arg-type]
    return refusal.line


# --- The application

APPLICATIONS = {
    "no module": ("shp", "there is no module named 'shp' in FOLDER .*; did you mean shop?"),
    "no submodule": ("shop.wsgy", "no module named 'shop.wsgy' in FOLDER/shop; did you mean wsgi?"),
    "not a package": ("hello.x:app", "no module named 'hello.x': 'hello' is not a package"),
    "no attribute": ("hello:aplication", "no attribute 'aplication'; did you mean application?"),
    "no default": ("empty", "module 'empty' has no attribute 'application'"),
    "not callable": ("hello:number", "is not callable but of type int"),
    "a module": ("hello:sys", "is not callable but a module"),
    "an ASGI callable": ("hello:asgi", "is an ASGI application; name the WSGI one"),
    "factory fails": ("hello:factory()", r"RuntimeError: no luck \(FOLDER/hello.py:7\)"),
    "syntax": ("garbled", r"syntax error in FOLDER/garbled.py:2: .*: def \(:"),
    "missing inside": ("needy", r"no module named 'absent' \(imported by FOLDER/needy.py:1"),
    "raises": ("raises", r"ZeroDivisionError: division by zero \(FOLDER/raises.py:3\)"),
    "raises oddly": ("odd", r"Odd \(and no text: ValueError"),
    "ends": ("ends", r"the site called sys.exit\(4\) while loading \(FOLDER/ends.py:2\)"),
    "a path": ("shop/wsgi.py", "did you mean shop.wsgi:application?"),
}  # fmt: skip
BROKEN = {
    "empty.py": "",
    "hello.py": f"{HELLO}number = 3\ndef factory():\n    raise RuntimeError('no luck')\n"
                "async def asgi(scope, receive, send): ...\nimport sys\n",
    "garbled.py": "x = 1\ndef (:\n",
    "needy.py": "import absent\n",
    "raises.py": "# one\n# two\n1 / 0\n",
    "ends.py": "import sys\nsys.exit(4)\n",
    "odd.py": "class Odd(Exception):\n def __str__(self):\n  raise ValueError\nraise Odd\n",
}  # fmt: skip


@pytest.mark.parametrize("case", APPLICATIONS)
def test_an_application_that_cannot_be_used(shop: Path, isolation: str, case: str) -> None:
    application, said = APPLICATIONS[case]
    write(shop, BROKEN)
    line = refused(shop, application, f"--isolation={isolation}", "--workers=1")
    assert re.search(said.replace("FOLDER", re.escape(str(shop))), line), line
    assert application in line


def test_many_workers_say_it_once(shop: Path, isolation: str) -> None:
    write(shop, BROKEN)
    assert "ZeroDivisionError" in refused(shop, "raises", f"--isolation={isolation}", "-w8")


def test_debug_adds_the_traceback(shop: Path) -> None:
    write(shop, BROKEN)
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "corral", "serve", "raises", "-b127.0.0.1:0", "-w1",
         "--log-level=debug"],
        cwd=shop, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "Traceback (most recent call last)" in ended.stderr
    assert "CORRAL-101" in ended.stderr.splitlines()[-1]


# --- The Django project: what is appended to which file, and what is said

PROJECTS = {
    "settings: missing module": ("shop/settings.py", "import absent", "no module named 'absent'"),
    "settings: syntax": ("shop/settings.py", "x = = 1", "error in FOLDER/shop/settings.py:9"),
    "settings: refuse": (
        "shop/settings.py",
        "from django.core.exceptions import ImproperlyConfigured\n"
        "raise ImproperlyConfigured('set SHOP_KEY')",
        r"ImproperlyConfigured: set SHOP_KEY \(FOLDER/shop/settings.py:10\)",
    ),
    "settings: no key": (
        "shop/settings.py", "SECRET_KEY = ''",
        "SECRET_KEY setting must not be empty; django.contrib.auth needs it",
    ),
    "settings: strange app": (
        "shop/settings.py", "INSTALLED_APPS += ['carts']",
        r"no module named 'carts' \(named in INSTALLED_APPS\)",
    ),
    "settings: strange middleware": (
        "shop/settings.py", "MIDDLEWARE += ['shop.absent.Middleware']",
        r"no module named 'shop.absent' \(named in MIDDLEWARE\)",
    ),
    "settings: no such application": (
        "shop/settings.py", "WSGI_APPLICATION = 'shop.wsgi.app'",
        "WSGI_APPLICATION 'shop.wsgi.app' of the settings: module 'shop.wsgi' has no attribute",
    ),
    "settings: strange URLs": (
        "shop/settings.py", "ROOT_URLCONF = 'shop.absent'",
        r"URL configuration shop.absent: there is no module named 'shop.absent' \(named in ROOT",
    ),
    "wsgi: syntax": ("shop/wsgi.py", "def (:", "syntax error in FOLDER/shop/wsgi.py:3"),
    "urls: syntax": ("shop/urls.py", "def (:", "syntax error in FOLDER/shop/urls.py:4"),
    "urls: included, syntax": (
        "shop/carts/urls.py", "def (:", "syntax error in FOLDER/shop/carts/urls.py:2",
    ),
    "urls: included, missing": (
        "shop/urls.py", "urlpatterns += [path('x/', include('shop.absent'))]",
        r"no module named 'shop.absent' \(imported by FOLDER/shop/urls.py:4",
    ),
    "urls: no such handler": ("shop/urls.py", "handler404 = 'shop.views.lost'", "shop.views.lost"),
    "urls: no such view": (
        "shop/urls.py", "urlpatterns += [path('x/', views.lost)]",
        "AttributeError: module 'shop.views' has no attribute 'lost'",
    ),
    "views: syntax": ("shop/views.py", "def (:", "syntax error in FOLDER/shop/views.py:4"),
}  # fmt: skip


@pytest.mark.parametrize("case", PROJECTS)
def test_a_project_that_cannot_be_loaded(shop: Path, isolation: str, case: str) -> None:
    file, text, said = PROJECTS[case]
    with (shop / file).open("a") as broken:
        broken.write(text + "\n")
    line = refused(shop, f"--isolation={isolation}", "--workers=1")
    assert re.search(said.replace("FOLDER", re.escape(str(shop))), line), line


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shop.setings", "did you mean settings?"),
        ("shp.settings", "there is no module named 'shp'"),
        ("shop/settings.py", "does not have that form"),
    ],
)
def test_settings_that_do_not_exist(shop: Path, isolation: str, name: str, said: str) -> None:
    line = refused(shop, f"--isolation={isolation}", f"--settings={name}")
    assert said in line
    assert name in line


def test_nothing_to_serve(tmp_path: Path) -> None:
    assert "nothing to serve" in refused(tmp_path)


# --- Where to listen


def test_a_port_that_another_program_has(shop: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        line = refused(shop, f"--bind={address}")
    assert f"--bind: {address} is already in use by another program" in line


def test_a_port_that_is_shared_by_others(shop: Path) -> None:
    """SO_REUSEPORT of the others must not let us in beside them."""
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as other:
        assert "is already in use" in refused(shop, f"--bind=127.0.0.1:{other.getsockname()[1]}")


def test_addresses_that_another_corral_has(shop: Path, isolation: str, folder: Path) -> None:
    addresses = ["127.0.0.1:0", f"unix:{folder}/site.sock"]
    write(shop, BROKEN)
    with Corral("hello", shop, isolation=isolation, bind=addresses) as first:
        for address in (f"127.0.0.1:{first.port}", addresses[1]):
            assert f"{address} is already in use" in refused(shop, f"--bind={address}")
        assert [first.get("/").status, first.connect(1).request("/").response().status] == [200] * 2


UNIX_PATHS = {
    "a file in the way": ("FOLDER/file", "exists and is not a socket"),
    "a folder in the way": ("FOLDER", "exists and is not a socket"),
    "no folder": ("FOLDER/absent/site.sock", "there is no directory FOLDER/absent"),
    "a file for a folder": ("FOLDER/file/site.sock", "FOLDER/file is not a directory"),
    "too long": ("FOLDER/" + "x" * 108, "is longer than 107 bytes"),
}


@pytest.mark.parametrize("case", UNIX_PATHS)
def test_a_unix_path_that_cannot_be_used(shop: Path, folder: Path, case: str) -> None:
    path, said = (text.replace("FOLDER", str(folder)) for text in UNIX_PATHS[case])
    (folder / "file").write_text("precious")
    line = refused(shop, f"--bind=unix:{path}")
    assert f"unix:{path}" in line
    assert said in line
    assert [file.name for file in folder.iterdir()] == ["file"]


# --- Modules that refuse sub-interpreters

OLD_MODULE = """
#include <Python.h>
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "oldmodule", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_oldmodule(void) { return PyModule_Create(&definition); }
"""


@pytest.fixture(scope="module")
def old_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a compiled module that can be loaded once in a process only."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "a C compiler is needed, as for building Corral"
    folder = tmp_path_factory.mktemp("oldmodule")
    (folder / "oldmodule.c").write_text(OLD_MODULE)
    include = sysconfig.get_path("include")
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    command = [compiler, "-shared", "-fPIC", f"-I{include}", "-o", f"oldmodule{suffix}"]
    subprocess.run([*command, "oldmodule.c"], cwd=folder, check=True)
    return folder


def test_a_module_that_refuses_sub_interpreters(shop: Path, old_module: Path) -> None:
    with (shop / "shop" / "views.py").open("a") as views:
        views.write("import oldmodule\n")
    env = {"PYTHONPATH": str(old_module)}
    line = refused(shop, "--workers=2", env=env)
    assert f"module oldmodule (imported by {shop}/shop/views.py:4, module shop.views" in line
    assert "refuses to load in a sub-interpreter" in line
    assert "--isolation process" in line
    with Corral(None, shop, isolation="process", workers=2, env=env) as server:
        assert server.get("/").text == "welcome"


# --- Option values

NUMBERS = [setting for setting in SETTINGS if isinstance(setting.kind, Whole | Seconds | Size)]


def wrong_values(kind: Kind) -> list[str]:
    assert isinstance(kind, Whole | Seconds | Size)
    wrong = ["", "abc", "-1", "1e3", "0x10", "1 2", "nan", "inf", "9" * 30, str(kind.high + 1)]
    return wrong + (["0"] if kind.low > 0 else [])


@pytest.mark.parametrize("setting", NUMBERS, ids=lambda setting: setting.name)
def test_nonsense_numbers(
    setting: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Each by the command line and by the environment, in this process to be quick."""
    from corral import cli

    write(tmp_path, {"hello.py": HELLO})
    monkeypatch.chdir(tmp_path)
    for text in wrong_values(setting.kind):
        for where in ("flag", "variable"):
            if where == "variable" and text == "":
                continue  # as if it were not set
            arguments = ["serve", "hello", "--bind=127.0.0.1:0"]
            with monkeypatch.context() as patch:
                if where == "flag":
                    arguments.append(f"{setting.spelling}={text}")
                else:
                    patch.setenv(setting.variable, text)
                assert cli.main(arguments) == 1, (setting.name, text)
            out, err = capsys.readouterr()
            name = setting.spelling if where == "flag" else setting.variable
            assert out == ""
            assert err.startswith(f"corral: error: {name}: {text!r} is "), err
            assert f"allowed: {setting.kind.allowed}" in err
            assert err.count("\n") == 1


def test_a_nonsense_number_ends_the_real_program(shop: Path) -> None:
    assert "--workers: '0' is too small; allowed: 1 to 512 or auto" in refused(shop, "--workers=0")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--isolation=thread"], "allowed: interpreter or process"),
        (["--bind=8000"], "did you mean :8000 or 127.0.0.1:8000?"),
        (["--bind=localhost"], "the port is missing"),
        (["--bind=127.0.0.1:99999"], "has no port from 0 to 65535"),
        (["--bind=256.1.1.1:80"], "is not known"),
        (["--bind=203.0.113.7:0"], "is not an address of this machine"),
        (["--bind=fd://77"], "is not open"),
        (["--command=-x"], "starts with an option"),
        (["--command=999*x"], "asks for 999 copies"),
        (["--worker=3"], "there is no option --worker=3; did you mean --workers?"),
        (["--access-logfile=/"], "cannot be written"),
        (["--pid=/absent/pid"], "cannot be written"),
        (["hello", "more"], "unexpected argument 'more'"),
    ],
)
def test_other_nonsense(shop: Path, arguments: list[str], said: str) -> None:
    write(shop, {"hello.py": HELLO})
    assert said in refused(shop, *arguments)


# --- An old Python


def test_an_old_python(tmp_path: Path) -> None:
    """Debian 12's, which cannot even parse most of our files."""
    old = shutil.which("python3", path="/usr/bin:/bin")
    version = [old, "-c", "import sys; sys.exit(sys.version_info >= (3, 14))"] if old else ["false"]
    if subprocess.run(version).returncode != 0:
        pytest.skip("the system has no Python older than 3.14")
    import corral

    package = Path(corral.__file__).parent.parent
    line = expect_refusal(["serve"], tmp_path, {"PYTHONPATH": str(package)}, str(old)).line
    assert re.search(r"Python 3\.14 is needed and this is 3\.\d+ \(", line), line
