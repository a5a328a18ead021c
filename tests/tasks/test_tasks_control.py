"""`corral tasks list|show|cancel|retry|queues|pause|resume`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import override_settings
from tasks_harness import enqueue, new_store, row
from tasks_site import tasks

import corral.tasks
from corral.exceptions import ConfigurationError
from corral.tasks import commands
from corral.tasks.models import Queue

NOWHERE = "0198c0de-0000-7000-8000-000000000000"


@pytest.fixture(autouse=True)
def site(default_database: str) -> Iterator[None]:
    setting = {"BACKEND": "corral.tasks.DatabaseBackend", "QUEUES": ["default", "mail"]}
    with override_settings(TASKS={"default": setting}):
        yield


def corral_tasks(*words: str) -> int:
    """`corral tasks WORDS`, in the site that is set up already."""
    name, *rest = words
    (command,) = (c for c in commands.commands() if c.name == name)
    parser = argparse.ArgumentParser(exit_on_error=False)
    command.add_arguments(parser)
    return command.run(parser.parse_args(rest))


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str) -> str:
        assert corral_tasks(*words) == 0
        return capsys.readouterr().out

    return run


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def fail(key: str) -> None:
    """An attempt of this job, the only one that is due, fails."""
    store = new_store("default")
    store.open()
    ((job_id, lease, *_),) = store.claim(1, False)[0]
    assert job_id == key
    errors = [{"exception_class_path": "builtins.OSError", "message": "no", "traceback": "T"}]
    record = {"began": 0, "ended": 1, "errors": json.dumps(errors)}
    store.finish([(job_id, lease, False, json.dumps(record).encode())])
    store.close()


def test_list_shows_the_newest_first_and_can_choose(output: Any) -> None:
    assert output("list") == "there are no such jobs\n"
    failed = enqueue("default", tasks.add, 1)
    fail(failed)
    later = tasks.add.using(run_after=datetime.now(UTC) + timedelta(hours=2), queue_name="mail")
    waiting = enqueue("default", later, 2)
    title, first, second = output("list").splitlines()
    assert title.split()[:4] == ["id", "task", "queue", "state"]
    assert first.split()[:4] == [waiting, "tasks_site.tasks.add", "mail", "scheduled"]
    assert second.split()[:4] == [failed, "tasks_site.tasks.add", "default", "failed"]
    assert second.endswith("OSError")
    assert [r["id"] for r in records(output("list", "--json"))] == [waiting, failed]
    assert [r["id"] for r in records(output("list", "--json", "--status=FAILED"))] == [failed]
    assert [r["id"] for r in records(output("list", "--json", "--queue=mail"))] == [waiting]
    assert records(output("list", "--json", "--task=other.task")) == []
    assert len(records(output("list", "--json", "--limit=1"))) == 1


def test_show_tells_all_that_is_known(output: Any) -> None:
    key = enqueue("default", tasks.add, 41)
    fail(key)
    text = output("show", key)
    assert "args:                 [41]" in text and "status:               failed" in text
    assert text.endswith("\nT\n")
    (record,) = records(output("show", "--json", key))
    assert record["errors"][0]["message"] == "no" and record["status"] == "FAILED"


def test_cancel_says_what_it_did(output: Any) -> None:
    key = enqueue("default", tasks.add, 1)
    assert output("cancel", key) == f"{key} cancelled: it waited, and will not begin\n"
    assert records(output("cancel", "--json", key)) == [{"id": key, "done": "finished"}]
    assert "cancelled" in output("list")


def test_a_failed_job_gets_one_more_attempt(output: Any) -> None:
    key = enqueue("default", tasks.add, 1)
    fail(key)
    assert output("retry", key) == f"{key} is READY again\n"
    job = row("default", key)
    assert job.status == "READY" and job.finished_at is None and job.prune_at is None
    fail(key)
    corral.tasks.cancel(key)
    assert records(output("retry", "--json", key)) == [{"id": key, "changed": True}]
    with pytest.raises(ConfigurationError, match="is READY; only FAILED ones can run again"):
        corral_tasks("retry", key)


def test_a_unique_job_whose_place_is_taken_is_refused() -> None:
    from tasks_site import unique_tasks

    first = unique_tasks.sync.enqueue(1)
    corral.tasks.cancel(first)
    unique_tasks.sync.enqueue(1)
    with pytest.raises(ConfigurationError, match="it is unique, and another job has its place"):
        corral_tasks("retry", first.id)
    assert row("default", first.id).status == "FAILED"


def test_a_cancelled_job_can_run_again(output: Any) -> None:
    key = enqueue("default", tasks.add, 1)
    corral.tasks.cancel(key)
    output("retry", key)
    fail(key)


def test_queues_are_paused_shown_and_resumed(output: Any) -> None:
    enqueue("default", tasks.add.using(queue_name="mail"), 1)
    assert output("pause", "mail") == "mail is paused until `corral tasks resume mail`\n"
    (record,) = records(output("pause", "--json", "--for=10m", "mail"))
    assert record["changed"] is False and record["resume_at"]
    default, mail = records(output("queues", "--json"))
    assert (default["queue"], default["paused"], default["ready"]) == ("default", False, 0)
    assert (mail["paused"], mail["ready"], mail["running"], mail["failed"]) == (True, 1, 0, 0)
    assert mail["resume_at"] and mail["oldest_due_at"]
    assert "in 9 min" in output("queues")
    assert output("resume", "mail") == "mail goes on\n"
    assert output("resume", "mail") == "mail was not paused\n"
    output("pause", "mail", "--until=2100-01-01T00:00")
    assert Queue.objects.get().resume_at == datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", NOWHERE], f"there is no job {NOWHERE} of TASKS\\['default'\\]"),
        (["cancel", "7"], "'7' is no id of a job"),
        (["pause", "male"], "'male'; declared are 'default', 'mail'"),
        (["pause", "mail", "--until=2001-01-01"], "which is past"),
        (["resume", "male"], "'male'"),
        (["list", "--backend=other"], "'other' is no Corral backend"),
    ],
)
def test_mistakes_are_named(words: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        corral_tasks(*words)


@pytest.mark.parametrize(
    "words",
    [["pause", "mail", "--for=10"], ["pause", "mail", "--until=noon"], ["list", "--limit=0"]],
)
def test_values_that_cannot_be_read_are_refused(words: list[str]) -> None:
    with pytest.raises(argparse.ArgumentError):
        corral_tasks(*words)
