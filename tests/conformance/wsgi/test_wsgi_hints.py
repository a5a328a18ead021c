"""wsgi.early_hints: interim responses 103 (RFC 8297), as gunicorn offers them."""

import pytest
from wsgi_site import Site

LINKS = ["</style.css>; rel=preload; as=style", "</app.js>; rel=preload"]


def test_hints_arrive_while_the_application_works(site: Site) -> None:
    with site.connect() as client:
        site.ask(client, "hints.before_all")
        hints = client.head()
        assert (hints.status, hints.reason, hints.all("Link")) == (103, "Early Hints", LINKS)
        site.open_gate()
        assert client.response().text == "done"
        assert site.ask(client, "hints.twice").response().text == "done"


def test_hints_may_come_several_times_before_the_response_begins(site: Site) -> None:
    with site.connect() as client:
        site.ask(client, "hints.twice")
        assert [client.head().all("Link") for _ in range(2)] == [LINKS[:1], LINKS[1:]]
        response = client.response()
        assert (response.status, response.all("Link"), response.text) == (200, [], "done")


def test_old_clients_get_no_hints(site: Site) -> None:
    with site.connect() as client:
        site.ask(client, "hints.twice", version="1.0")
        assert client.head().status == 200
        assert client.rest() == b"done"


def test_hints_that_could_inject_anything_are_refused(site: Site) -> None:
    with site.connect() as client:
        site.ask(client, "hints.refusals")
        assert client.head().status == 200, "nothing of a refused list is sent"
    errors = site.get("hints.refusals").text.split()
    assert errors == ["ValueError"] * 5 + ["TypeError"] * 4 + ["ValueError"] * 3


@pytest.mark.parametrize("app", ["hints.too_late", "hints.too_late_after_write"])
def test_hints_after_the_response_began_are_refused(site: Site, app: str) -> None:
    assert site.get(app).text == "begun RuntimeError"


def test_hints_after_the_response_are_refused(site: Site) -> None:
    assert site.get("hints.while_closing").text == "done"
    assert site.note() == "RuntimeError"


@pytest.mark.plain_only("the validator's own iterator fails first")
def test_hints_after_a_failure_are_refused(site: Site) -> None:
    site.assert_refused("hints.while_closing_after_failure", "before the response")
    assert site.note() == "RuntimeError"


def test_hints_are_for_the_thread_that_answers(site: Site) -> None:
    assert site.get("hints.from_another_thread").text == "RuntimeError"
