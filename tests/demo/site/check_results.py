"""Every task through the real store and runner, on inputs whose answers are known."""

import json

import pytest
from demo_site import file, run_jobs, upload
from django.core.management import call_command

from corral.demo import samples, tasks
from corral.demo.kinds import KINDS
from corral.demo.models import Document
from corral.tasks.models import Job

CSV = "name,height\nAnna,1.72\nBen,1.8\n"


def run(client, name, content):
    """Upload, run, and the finished job of each kind."""
    upload(client, file(name, content))
    run_jobs()
    document = Document.objects.get()
    jobs = {a.kind: Job.objects.get(pk=a.task_id) for a in document.analyses.all()}
    return document, jobs


def test_text(client):
    text = "one two three, one two three! Separate seperate.\n"
    document, jobs = run(client, "a.txt", text)
    assert jobs["count"].return_value["words"] == 8
    assert jobs["words"].return_value["words"][0] == {"word": "three", "count": 2}
    assert jobs["phrases"].return_value["lengths"][1]["phrases"] == [
        {"phrase": "one two three", "count": 2}
    ]
    assert jobs["lookalikes"].return_value["pairs"] == [
        {"first": "separate", "second": "seperate", "distance": 1}
    ]
    compressed = jobs["compress"].return_value
    assert compressed["bytes"] == document.size_bytes == len(text)
    assert {entry["name"] for entry in compressed["packed"]} == {"zlib", "bzip2", "xz", "zstd"}
    assert all(0 < entry["bytes"] < 200 for entry in compressed["packed"])
    assert "columns" not in jobs


def test_table(client):
    _, jobs = run(client, "a.csv", CSV)
    described = jobs["columns"].return_value["described"]
    assert [column["type"] for column in described] == ["text", "number"]
    page = client.get(Document.objects.get().get_absolute_url()).content.decode()
    assert "1.76" in page
    assert ">height</th>" in page


def test_a_broken_table_fails_with_its_line(client):
    document, jobs = run(client, "a.csv", 'a,b\n1,"' + "x\n" * 100_000)
    assert jobs["columns"].status == "FAILED"
    assert jobs["columns"].errors[0]["exception_class_path"] == "corral.demo.columns.BrokenTable"
    assert (
        "field larger than field limit" in client.get(document.get_absolute_url()).content.decode()
    )
    assert jobs["count"].status == "SUCCESSFUL"


def test_the_failure_is_the_one_that_was_meant(client):
    _, jobs = run(client, "a.txt", "one\ntwo\n")
    assert jobs["fail"].status == "FAILED"
    (error,) = jobs["fail"].errors
    assert error["exception_class_path"] == "corral.demo.tasks.DeliberateFailure"
    assert error["message"].startswith("attempt 1 looked for line 3 of a text that has 2")


def test_the_checksum_notices_a_change(client):
    upload(client, file("a.txt", "text\n"))
    document = Document.objects.get()
    assert tasks.verify.call(document.pk)["unchanged"] is True
    Document.objects.update(text="other\n")
    assert tasks.verify.call(document.pk)["unchanged"] is False


def test_priorities_and_queues_differ(client):
    upload(client, file("a.txt", "text\n"))
    rows = set(Job.objects.values_list("task_path", "queue_name", "priority"))
    assert ("corral.demo.tasks.look_alikes", "slow", -10) in rows
    assert ("corral.demo.tasks.count", "default", 50) in rows
    assert Job.objects.filter(run_after__isnull=False).count() == 1


ODD_TEXTS = (
    "x",
    "\u202e\u0301",
    "\U0001d518\U0001d52b \U0001f469\u200d\U0001f467 mixed",
    '","\n"";;;\n\t|\t|\n',
    "\n.\n",
    "a" * 300_000,
)


@pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
@pytest.mark.parametrize("name", ["odd.txt", "odd.csv"])
def test_odd_texts_end_and_can_be_shown(client, name, text):
    document, jobs = run(client, name, text)
    unfinished = {kind for kind, job in jobs.items() if job.status in ("READY", "RUNNING")}
    assert unfinished == {"verify"}
    failed = {kind for kind, job in jobs.items() if job.status == "FAILED"}
    assert failed <= ({"fail", "columns"} if len(text) > 100_000 else {"fail"})
    page = client.get(document.get_absolute_url())
    assert page.status_code == 200
    json.dumps(client.get(f"{document.get_absolute_url()}jobs.json").json(), allow_nan=False)


def test_samples_are_real_and_varied():
    found = samples.find_samples()
    assert {sample.kind for sample, _ in found} == {"text", "csv"}
    assert all(len(text) > 500 for _, text in found)
    assert len(found) >= 4


def test_a_sample_this_machine_lacks_is_left_out(monkeypatch):
    def missing():
        raise FileNotFoundError("not packed")

    kept = samples.SAMPLES[-1]
    monkeypatch.setattr(samples, "SAMPLES", (samples.Sample("x", "text", missing), kept))
    assert [sample for sample, _ in samples.find_samples()] == [kept]


def test_all_samples_can_be_analysed(client):
    from corral.demo import work

    for sample, text in samples.find_samples():
        work.start_analyses(Document.objects.add(sample.name, text, sample.kind))
    run_jobs()
    failed = Job.objects.filter(status="FAILED").values_list("task_path", flat=True)
    assert set(failed) == {"corral.demo.tasks.fail"}
    for document in Document.objects.all():
        assert client.get(document.get_absolute_url()).status_code == 200


def test_no_migration_is_missing():
    call_command("makemigrations", "corral_demo", check=True, dry_run=True, verbosity=0)


def test_kinds_name_themselves():
    assert all(slug == kind.slug for slug, kind in KINDS.items())
