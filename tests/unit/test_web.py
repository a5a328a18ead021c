"""The WSGI callable of a web worker: every form of naming it, and every way it can be wrong."""

import pytest

APP = "def application(environ, start_response): ...\n"
SITE = {
    "mysite/__init__.py": "",
    "mysite/settings.py": "SECRET_KEY = 'x'\nROOT_URLCONF = 'mysite.urls'\n"
    "WSGI_APPLICATION = 'mysite.wsgi.application'\n",
    "mysite/wsgi.py": "import os\n"
    "from django.core.wsgi import get_wsgi_application\n"
    "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n"
    "application = get_wsgi_application()\n",
    "mysite/urls.py": "from django.urls import include, path\n"
    "urlpatterns = [path('shop/', include('mysite.shop'))]\n",
    "mysite/shop.py": "from django.http import HttpResponse\nfrom django.urls import path\n"
    "def cart(request): return HttpResponse('cart')\n"
    "urlpatterns = [path('cart/', cart, name='cart')]\n",
}
CALL = """
status = []
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/shop/cart/", "SERVER_NAME": "localhost",
           "SERVER_PORT": "80", "wsgi.input": sys.stdin.buffer}
print(b"".join(loaded(environ, lambda s, h: status.append(s))), *status)
"""


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("hello", APP),
        ("hello:application", APP),
        ("hello:app", "app = lambda environ, start_response: []\n"),
        ("hello:box.inner.app", "class box:\n class inner:\n  app = print\n"),
        ("hello:make()", "def make(): return lambda environ, start_response: []\n"),
        ("hello:Page", "class Page:\n def __init__(self, environ, start_response): ...\n"),
        ("pkg.sub.hello", APP),
    ],
)
@pytest.mark.parametrize("sub_interpreter", [False, True])
def test_plain_callables_need_no_django(worker, project, name, source, sub_interpreter):
    module = name.partition(":")[0]
    project({module.replace(".", "/") + ".py": source})
    result = worker(
        "print(callable(loaded), 'django' in sys.modules)", app=name,
        sub_interpreter=sub_interpreter,
    )  # fmt: skip
    assert result.stdout == "True False\n", result


@pytest.mark.parametrize("sub_interpreter", [False, True])
@pytest.mark.parametrize(
    "load",
    [
        {"settings": "mysite.settings"},
        {"app": "mysite.wsgi"},
        {"app": "mysite.wsgi:application", "settings": "mysite.settings"},
    ],
)
def test_django_sites(worker, project, load, sub_interpreter):
    project(SITE)
    code = "print('mysite.shop' in sys.modules)" + CALL  # resolved before the first request
    env = {"DJANGO_ALLOW_ASYNC_UNSAFE": "1"}
    result = worker(code, sub_interpreter=sub_interpreter, env=env, **load)
    assert result.returncode == 0, result
    first, second = result.stdout.splitlines()
    assert first == "True"
    assert "400 Bad Request" in second or "b'cart' 200 OK" in second


def test_a_request_is_answered(worker, project):
    settings = SITE["mysite/settings.py"] + "ALLOWED_HOSTS = ['localhost']\n"
    project(SITE | {"mysite/settings.py": settings})
    result = worker(CALL, settings="mysite.settings")
    assert result.stdout == "b'cart' 200 OK\n", result


def test_django_s_default_application(worker, project):
    project({"s.py": "SECRET_KEY = 'x'\n"})
    result = worker("print(type(loaded).__name__)", settings="s")
    assert result.stdout == "WSGIHandler\n", result


@pytest.mark.parametrize(
    ("files", "app", "words"),
    [
        ({"mysite.py": APP}, "mysit:application",
         "application mysit:application: there is no module named 'mysit' in {tmp} nor among"),
        ({"mysite.py": APP}, "mysit:application", "did you mean mysite?"),
        ({"mysite.py": APP}, "mysite:aplication",
         "module 'mysite' has no attribute 'aplication'; did you mean application?"),
        ({"mysite.py": "def serve(): ...\n"}, "mysite:xyz",
         "module 'mysite' has no attribute 'xyz'; it offers serve"),
        ({"mysite.py": "app = 3\n"}, "mysite:app", "is not callable but of type int"),
        ({"mysite/__init__.py": "", "mysite/wsgi.py": APP}, "mysite:wsgi",
         "has no attribute 'wsgi'"),
        ({"mysite.py": "import json\n"}, "mysite:json", "is not callable but a module"),
        ({"mysite.py": "async def app(scope, receive, send): ...\n"}, "mysite:app",
         "is an ASGI application; name the WSGI one"),
        ({"mysite.py": "class A:\n async def __call__(self, s, r, x): ...\napp = A()\n"},
         "mysite:app", "is an ASGI application; name the WSGI one"),
        ({"mysite.py": "app = 3\n"}, "mysite:app()", "is a int and cannot be called"),
        ({"mysite.py": "def make(): return 3\n"}, "mysite:make()", "not callable but of type int"),
        ({"mysite.py": "def make():\n raise KeyError('x')\n"}, "mysite:make()",
         "application mysite:make(): KeyError: 'x' ({tmp}/mysite.py:2)"),
        ({"mysite.py": "def make(:\n"}, "mysite:app",
         "application mysite:app: syntax error in {tmp}/mysite.py:1: invalid syntax: def make(:"),
        ({"mysite.py": "import nope\n"}, "mysite:app",
         "there is no module named 'nope' (imported by {tmp}/mysite.py:1, module mysite)"),
        ({"mysite.py": "from json import nope\n"}, "mysite:app", "cannot import name 'nope' from"),
        ({"mysite.py": "\0"}, "mysite:app", "source code string cannot contain null bytes"),
        ({"mysite.py": "raise SystemExit\n"}, "mysite:app", "the site called sys.exit(None)"),
        ({"mysite.py": "raise KeyboardInterrupt\n"}, "mysite:app", "KeyboardInterrupt"),
        ({"mysite.py": "raise ValueError('a\\n\\nb')\n"}, "mysite:app", "ValueError: a b ("),
    ],
)  # fmt: skip
def test_applications_that_do_not_work(load_error, project, tmp_path, files, app, words):
    project(files)
    assert words.format(tmp=tmp_path) in load_error(app=app)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mysite/urls.py": "urlpatterns = [\n"},
         "URL configuration mysite.urls: syntax error in {tmp}/mysite/urls.py:1: '[' was never"),
        ({"mysite/shop.py": "def cart(:\n"},
         "URL configuration mysite.urls: syntax error in {tmp}/mysite/shop.py:1: invalid syntax"),
        ({"mysite/shop.py": "import nope\n"},
         "no module named 'nope' (imported by {tmp}/mysite/shop.py:1, module mysite.shop)"),
        ({"mysite/urls.py": "from django.urls import include, path\n"
          "urlpatterns = [path('x/', include('mysite.nope'))]\n"},
         "there is no module named 'mysite.nope' (imported by {tmp}/mysite/urls.py:2"),
        ({"mysite/shop.py": ""}, "ImproperlyConfigured: The included URLconf"),
        ({"mysite/urls.py": "urlpatterns = []\nhandler404 = 'mysite.nope.view'\n"},
         "Could not import 'mysite.nope.view'. Parent module mysite.nope does not exist."),
        ({"mysite/wsgi.py": "1 / 0\n"},
         "WSGI_APPLICATION 'mysite.wsgi.application' of the settings: ZeroDivisionError"),
        ({"mysite/wsgi.py": "app = print\n"},
         "'mysite.wsgi' has no attribute 'application'; it offers app"),
        ({"mysite/settings.py": "SECRET_KEY = 'x'\nWSGI_APPLICATION = 'application'\n"},
         "WSGI_APPLICATION 'application' of the settings: is not a dotted path"),
        ({"mysite/settings.py": "SECRET_KEY = 'x'\nMIDDLEWARE = ['mysite.nope.Middleware']\n"},
         "there is no module named 'mysite.nope'"),
    ],
)  # fmt: skip
def test_sites_that_do_not_work(load_error, project, tmp_path, changes, words):
    project(SITE | changes)
    assert words.format(tmp=tmp_path) in load_error(settings="mysite.settings")


def test_an_included_configuration_of_another_language_is_resolved_too(load_error, project):
    """Patterns inside i18n_patterns() are imported like the others."""
    urls = (
        "from django.conf.urls.i18n import i18n_patterns\nfrom django.urls import include, path\n"
        "urlpatterns = i18n_patterns(path('x/', include('mysite.shop')))\n"
    )
    project(SITE | {"mysite/urls.py": urls, "mysite/shop.py": "boom\n"})
    assert "NameError: name 'boom' is not defined" in load_error(settings="mysite.settings")
