"""Pages hold nothing that their security policy refuses, and what they name is served."""

import io
import re
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from demo_site import file, run_jobs, upload
from django.core.management import call_command

from corral.demo.models import Document
from corral.demo.wsgi import application
from corral.tasks.models import Job

INLINE = re.compile(
    r"""<script(?![^>]*\bsrc=)[^>]*>|\sstyle\s*=|<style|\son[a-z]+\s*=|javascript:""", re.IGNORECASE
)
TAG = re.compile(r"<[a-z][^>]*>", re.IGNORECASE)
ADDRESS = re.compile(r"""\b(?:src|href)="(/static/[^"?]+)""")


def get(path, method="GET", headers=()):
    """Status, headers and body of the whole WSGI application, static files included."""
    environ = {}
    setup_testing_defaults(environ)
    environ |= {"PATH_INFO": path, "REQUEST_METHOD": method, "wsgi.input": io.BytesIO()}
    environ |= {"HTTP_HOST": "localhost", "SERVER_NAME": "localhost", "QUERY_STRING": ""}
    environ |= dict(headers)
    seen = []
    body = validator(application)(environ, lambda status, fields, *_: seen.append((status, fields)))
    content = b"".join(body)
    body.close()
    ((status, fields),) = seen
    return int(status[:3]), {name.lower(): value for name, value in fields}, content


@pytest.fixture
def pages(client, admin_client):
    """Every page there is, with results on it."""
    upload(client, file("a.txt", "one two three, one two three! Separate seperate.\n"))
    upload(client, file("b.csv", "a,b\n1,2\n"))
    run_jobs()
    refused = upload(client, file("c.bin", bytes(9)))
    found = {"refused": refused}
    for url in ("/", "/nowhere/", "/admin/login/"):
        found[url] = client.get(url)
    for document in Document.objects.all():
        found[document.name] = client.get(document.get_absolute_url())
        found[f"admin {document.name}"] = admin_client.get(
            f"/admin/corral_demo/document/{document.pk}/change/"
        )
    job = Job.objects.filter(status="FAILED").first()
    for url in ("/admin/", "/admin/corral_tasks/job/", "/admin/corral_demo/document/"):
        found[url] = admin_client.get(url)
    found["job"] = admin_client.get(f"/admin/corral_tasks/job/{job.pk}/change/")
    assert {r.status_code for name, r in found.items() if name != "/nowhere/"} == {200}
    return found


def test_pages_hold_nothing_that_their_policy_refuses(pages):
    for name, page in pages.items():
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        text = re.sub(r"<script[^>]*type=.application/json.*?</script>", "", page.content.decode())
        inline = [tag for tag in TAG.findall(text) if INLINE.search(tag)]
        assert not inline, (name, inline)


def test_pages_name_nothing_from_elsewhere(pages):
    for name, page in pages.items():
        if "admin" not in name and name != "job":
            found = re.findall(
                r"""(?:src|href|action)="(?!/|#|data:)([^"]+)""", page.content.decode()
            )
            assert not found, (name, found)


def test_static_files_that_pages_name_are_served(pages):
    named = {url for page in pages.values() for url in ADDRESS.findall(page.content.decode())}
    assert {"/static/demo/demo.css", "/static/demo/demo.js", "/static/admin/css/base.css"} <= named
    for url in named:
        status, headers, content = get(url)
        assert (status, len(content)) == (200, int(headers["content-length"])), url


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/static/demo/demo.css", "text/css"),
        ("/static/demo/demo.js", "text/javascript"),
        ("/static/demo/icon.svg", "image/svg+xml"),
    ],
)
def test_static_types_and_revalidation(path, kind):
    status, headers, _ = get(path)
    assert (status, headers["content-type"].partition(";")[0]) == (200, kind)
    again = {"HTTP_IF_MODIFIED_SINCE": headers["last-modified"]}
    assert get(path, headers=again.items())[0] == 304
    assert get(path, method="HEAD")[1]["content-length"] == headers["content-length"]


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/demo/",
        "/static/nothing.css",
        "/static/../settings.py",
        "/static/../../../../../../etc/passwd",
        "/static//etc/passwd",
        "/static/demo/..\\..\\settings.py",
        "/static/demo/\0",
    ],
)
def test_static_serves_nothing_else(path):
    status, _, content = get(path)
    assert status == 404
    assert b"root:" not in content
    assert b"SECRET_KEY" not in content


def test_the_icon_browsers_ask_for(client):
    assert client.get("/favicon.ico").url == "/static/demo/icon.svg"


def test_css_and_js_load_nothing_from_elsewhere():
    for path in ("/static/demo/demo.css", "/static/demo/demo.js"):
        text = get(path)[2].decode()
        assert not re.search(r"https?://|@import|url\(", text)


def test_password_of_the_page_opens_the_admin(client):
    response = client.post(
        "/admin/login/?next=/admin/", {"username": "demo", "password": "demo"}, follow=True
    )
    assert response.redirect_chain == [("/admin/", 302)]
    assert "Background tasks" in response.content.decode()


def test_system_checks_pass():
    call_command("check", fail_level="WARNING")
