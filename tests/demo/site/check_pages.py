"""The pages and their JSON, before, while and after the jobs run."""

import re
from datetime import timedelta

import pytest
from demo_site import claimed, file, run_jobs, upload
from django.test import Client
from django.utils import timezone

from corral.demo.kinds import KINDS
from corral.demo.models import Analysis, Document
from corral.tasks.models import Job

TEXT = "Explicit is better than implicit.\nSparse is better than dense.\n"


@pytest.fixture
def document(client):
    upload(client, file("zen.txt", TEXT))
    return Document.objects.get()


def states(client, document):
    """State of each kind by the document's JSON."""
    slugs = dict(document.analyses.values_list("pk", "kind"))
    jobs = client.get(f"{document.get_absolute_url()}jobs.json").json()["jobs"]
    return {slugs[job["id"]]: job["state"] for job in jobs}


def make_due(document):
    """The scheduled job's time has come."""
    job = Job.objects.get(pk=document.analyses.get(kind="verify").task_id)
    past = timezone.now() - timedelta(seconds=2)
    enqueued = past - timedelta(seconds=10)
    Job.objects.filter(pk=job.pk).update(enqueued_at=enqueued, run_after=past, due_at=past)


def test_jobs_go_from_ready_to_running_to_done(client, document):
    url = f"{document.get_absolute_url()}jobs.json"
    before = client.get(url).json()
    assert before["unfinished"] == 7
    assert before["tally"] == {"ready": 7, "running": 0, "done": 0, "failed": 0}
    assert states(client, document) == dict.fromkeys(
        ("count", "words", "phrases", "compress", "lookalikes", "fail"), "ready"
    ) | {"verify": "scheduled"}

    with claimed(2):  # of each queue what has the highest priority
        assert {k for k, s in states(client, document).items() if s == "running"} == {
            "count",
            "lookalikes",
        }
        running = client.get(url).json()
        assert running["tally"] == {"ready": 5, "running": 2, "done": 0, "failed": 0}
        assert all(job["ran"] for job in running["jobs"] if job["state"] == "running")

    assert run_jobs() == 6
    assert states(client, document) == dict.fromkeys(
        ("count", "words", "phrases", "compress", "lookalikes"), "done"
    ) | {"verify": "scheduled", "fail": "failed"}
    make_due(document)
    assert run_jobs() == 1
    after = client.get(url).json()
    assert after["unfinished"] == 0
    assert after["tally"] == {"ready": 0, "running": 0, "done": 6, "failed": 1}


def test_a_finished_job_has_its_times_and_its_worker(client, document):
    run_jobs()
    analysis = document.analyses.get(kind="count")
    Job.objects.filter(pk=analysis.task_id).update(
        enqueued_at=(t := timezone.now()),
        last_attempted_at=t + timedelta(seconds=1.5),
        finished_at=t + timedelta(seconds=62),
        worker_ids=["host:1/tasks.2"],
    )
    jobs = client.get(f"{document.get_absolute_url()}jobs.json").json()["jobs"]
    (job,) = (job for job in jobs if job["id"] == analysis.pk)
    assert (job["waited"], job["ran"], job["worker"]) == ("1.5 s", "1 min 0 s", "tasks.2")
    assert (job["label"], job["run"]) == ("Done", str(analysis.task_id))
    assert job["bar"] == {"wait": "2.42%", "run": "97.58%"}


def test_a_scheduled_job_waits_only_from_its_time_on(client, document):
    make_due(document)
    jobs = client.get(f"{document.get_absolute_url()}jobs.json").json()["jobs"]
    verify = document.analyses.get(kind="verify").pk
    (job,) = (job for job in jobs if job["id"] == verify)
    assert job["state"] == "ready"
    assert re.fullmatch(r"[23]\.\d s", job["waited"])


def test_the_page_shows_every_result(client, document):
    page = client.get(document.get_absolute_url()).content.decode()
    assert page.count("Waits for a worker.") == 6
    assert "Starts later, on purpose." in page
    assert "Reload this page" in page
    make_due(document)
    run_jobs()
    page = client.get(document.get_absolute_url()).content.decode()
    for shown in ("explicit", "implicit", "better than", "zstd", "Unchanged", TEXT.splitlines()[0]):
        assert shown in page
    assert "DeliberateFailure: attempt 1 looked for line 3 of a text that has 2" in page
    assert "Traceback (most recent call last)" in page
    assert "Reload this page" not in page


def test_the_card_of_one_result_alone(client, document):
    url = f"{document.get_absolute_url()}results/count/"
    assert "Waits for a worker." in client.get(url).content.decode()
    run_jobs()
    card = client.get(url).content.decode()
    assert card.lstrip().startswith('<article class="card count" id="result-count"')
    assert "<html" not in card
    assert client.get(f"{document.get_absolute_url()}results/columns/").status_code == 404
    assert client.get("/documents/999999/results/count/").status_code == 404


def test_a_job_that_was_deleted_is_said_to_be_gone(client, document):
    Job.objects.filter(pk=document.analyses.get(kind="count").task_id).delete()
    assert states(client, document)["count"] == "gone"
    page = client.get(document.get_absolute_url()).content.decode()
    assert "The job was deleted" in page


def test_an_analysis_of_another_version_is_left_out(client, document):
    Analysis.objects.create(document=document, kind="retired", task_id=Job.objects.first().pk)
    assert "retired" not in states(client, document)
    assert client.get("/").status_code == 200


def test_one_analysis_again(client, document):
    run_jobs()
    before = dict(document.analyses.values_list("kind", "task_id"))
    response = client.post(f"{document.get_absolute_url()}again/", {"kind": "words"})
    assert response.url == document.get_absolute_url()
    after = dict(document.analyses.values_list("kind", "task_id"))
    assert {kind for kind in before if before[kind] != after[kind]} == {"words"}
    assert states(client, document)["words"] == "ready"
    assert Job.objects.count() == 8


def test_all_analyses_again(client, document):
    client.post(f"{document.get_absolute_url()}again/")
    assert Job.objects.count() == 14
    upload(client, file("b.csv", "a,b\n1,2\n"))
    client.post("/again/")
    assert Job.objects.count() == 14 + 8 + 15
    assert Analysis.objects.count() == 15


def test_no_such_kind(client, document):
    url = f"{document.get_absolute_url()}again/"
    assert client.post(url, {"kind": "nonsense"}).status_code == 404


def test_delete(client, document):
    response = client.post(f"{document.get_absolute_url()}delete/", follow=True)
    assert "zen.txt was deleted." in response.content.decode()
    assert not Document.objects.exists()
    assert run_jobs() == 6  # they fail, and nothing is stuck
    assert set(Job.objects.exclude(run_after__isnull=False).values_list("status", flat=True)) == {
        "FAILED"
    }
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("url", ["/upload/", "/again/", "again/", "delete/"])
def test_what_changes_things_takes_post_only(client, document, url):
    url = url if url.startswith("/") else document.get_absolute_url() + url
    assert client.get(url).status_code == 405


def test_the_start_page_counts_all_and_lists_the_latest(client, document):
    for number in range(3):
        upload(client, file(f"{number}.txt", TEXT))
    state = client.get("/jobs.json").json()
    assert state["tally"]["ready"] == state["unfinished"] == 28
    assert len(state["jobs"]) == 14
    page = client.get("/").content.decode()
    assert page.count("data-job=") == 14
    assert all(f">{name}<" in page for name in ("zen.txt", "0.txt", "1.txt", "2.txt"))
    assert "log in as <b>demo</b> / <b>demo</b>" in page


def test_an_empty_site(client):
    page = client.get("/").content.decode()
    assert "None yet. Drop one in above." in page
    assert client.get("/jobs.json").json() == {
        "unfinished": 0,
        "tally": {"ready": 0, "running": 0, "done": 0, "failed": 0},
        "jobs": [],
    }


def test_a_page_needs_few_queries(client, document):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    for url, most in (("/", 4), ("/jobs.json", 3), (document.get_absolute_url(), 3)):
        with CaptureQueriesContext(connection) as queries:
            client.get(url)
        assert len(queries) <= most, [query["sql"] for query in queries]


def test_lists_leave_the_texts_in_the_database(client, document):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        client.get("/")
        client.get("/jobs.json")
        client.get(f"{document.get_absolute_url()}jobs.json")
    assert not [query for query in queries if '"corral_demo_document"."text"' in query["sql"]]


def test_every_kind_has_a_template():
    from django.template.loader import get_template

    for kind in KINDS.values():
        get_template(kind.template)


def test_not_found(client):
    response = client.get("/nowhere/")
    assert response.status_code == 404
    assert "There is nothing at" in response.content.decode()
    for url in ("/documents/999999/", "/documents/999999/jobs.json"):
        assert client.get(url).status_code == 404


def test_an_error_is_a_plain_page(client, document, monkeypatch):
    monkeypatch.setattr("corral.demo.work.recent_rows", lambda count: 1 / 0)
    browser = Client(raise_request_exception=False)
    response = browser.get("/")
    assert response.status_code == 500
    assert "Something went wrong" in response.content.decode()


def test_only_local_names_are_answered(client):
    for host in ("127.0.0.1:8000", "localhost", "[::1]:9"):
        assert client.get("/", headers={"host": host}).status_code == 200
    response = Client(raise_request_exception=False).get("/", headers={"host": "evil.example"})
    assert response.status_code == 400
