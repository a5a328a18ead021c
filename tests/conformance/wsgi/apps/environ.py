import json
import sys
from urllib.parse import quote
from wsgiref.util import request_uri

from apps.track import TEXT

# Not in the environ's dump: the request's own way here.
OWN = ("HTTP_X_APP", "HTTP_X_TRACK")


def dump(environ, start_response):
    """Each key with its value, or for what JSON cannot hold with the name of its type."""
    shown = {
        key: value if isinstance(value, str | bool | tuple) else f"<{type(value).__name__}>"
        for key, value in environ.items()
        if key not in OWN
    }
    start_response("200 OK", TEXT)
    return [json.dumps(shown).encode()]


def types(environ, start_response):
    """Of all keys and of all CGI variables' values, the exact types."""
    keys = {type(key).__name__ for key in environ}
    values = {type(value).__name__ for key, value in environ.items() if "." not in key}
    start_response("200 OK", TEXT)
    return [json.dumps([type(environ).__name__, sorted(keys), sorted(values)]).encode()]


def spoil(environ, start_response):
    """Changes what the next request must not see."""
    environ["wsgi.version"] = (9, 9)
    environ["SCRIPT_NAME"] = "/spoilt"
    environ["HTTP_X_LEFT_BEHIND"] = "yes"
    del environ["wsgi.run_once"]
    start_response("200 OK", TEXT)
    return [b"spoilt"]


def complain(environ, start_response):
    """Writes to wsgi.errors in each way that PEP 3333 names."""
    errors = environ["wsgi.errors"]
    errors.write("a complaint from the application\n")
    errors.writelines(["a second ", "complaint\n"])
    errors.flush()
    start_response("200 OK", TEXT)
    return [b"" if errors is sys.stderr else b"another stream"]


def complain_in_any_script(environ, start_response):
    environ["wsgi.errors"].write("a complaint \xe9 \u20ac \U0001f600 \udcff\n")
    start_response("200 OK", TEXT)
    return [b""]


def reconstruct(environ, start_response):
    """The request's URL by the algorithm of PEP 3333, and by the standard library's."""
    url = environ["wsgi.url_scheme"] + "://"
    if environ.get("HTTP_HOST"):
        url += environ["HTTP_HOST"]
    else:
        url += environ["SERVER_NAME"]
        if environ["SERVER_PORT"] != {"https": "443", "http": "80"}[environ["wsgi.url_scheme"]]:
            url += ":" + environ["SERVER_PORT"]
    url += quote(environ.get("SCRIPT_NAME", ""), encoding="latin-1")
    url += quote(environ.get("PATH_INFO", ""), encoding="latin-1")
    if environ.get("QUERY_STRING"):
        url += "?" + environ["QUERY_STRING"]
    start_response("200 OK", TEXT)
    return [f"{url} {request_uri(environ)}".encode()]
