"""What tasks ask for: checked when they are made, kept in the row, obeyed by the runner."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

import django
import pytest
from django.tasks import TaskResultStatus
from django.tasks import task as django_task
from django.tasks.exceptions import InvalidTask
from django.tasks.signals import task_finished, task_started
from tasks_harness import backend, new_store, row
from tasks_site import policy_tasks, tasks

from corral.exceptions import ConfigurationError
from corral.tasks import Exponential, Fixed, Linear, Retry, backoff, records, task
from corral.tasks import policy as policies
from corral.tasks.decorator import PolicyTask
from corral.tasks.models import Job
from corral.tasks.options import parse, problems
from corral.tasks.policy import UNSET, Policy
from corral.tasks.runner import FAILED, RETRY, SUCCESSFUL, Runner
from corral.tasks.store import Store


class Watch:
    """The engine's, as the runner sees it; `timely` False: the attempt has been ended."""

    def __init__(self, *, timely: bool = True) -> None:
        self.timely = timely
        self.limits: list[tuple[int, int, Any]] = []

    def limit(self, milliseconds: int, status: int, outcome: bytes) -> None:
        record = json.loads(outcome + b'"the stack"},"ended":5}')
        self.limits.append((milliseconds, status, record))

    def hold(self) -> bool:
        return self.timely

    def is_cancelled(self) -> bool:
        return False


@pytest.fixture
def store(alias: str) -> Iterator[Store]:
    store = new_store(alias)
    store.open()
    policy_tasks.calls.clear()
    yield store
    store.close()


@pytest.fixture
def runner(alias: str, monkeypatch: pytest.MonkeyPatch) -> Runner:
    # The runner finds the backend by its name in the row.
    monkeypatch.setattr("corral.tasks.runner._backend", lambda name: backend(alias))
    return Runner(Random(7))


def attempt(store: Store, runner: Runner, watch: Any = None) -> tuple[int, dict[str, Any]]:
    """The next job's next attempt, written: status and outcome."""
    jobs, _ = store.claim(1, False)
    if not jobs:
        jobs, _ = store.claim(1, True)
    ((key, lease, _, _, payload, _),) = jobs
    status, outcome = runner.run(payload, watch or Watch())
    assert store.finish([(key, lease, status == SUCCESSFUL, outcome)]) == 0
    return status, json.loads(outcome)


def make_due(alias: str) -> None:
    for job in Job.objects.using(alias).filter(status="READY"):
        Job.objects.using(alias).filter(pk=job.pk).update(due_at=job.enqueued_at)


# --- saying it


def test_a_task_is_djangos_and_says_more() -> None:
    made = policy_tasks.asks_for_all
    assert isinstance(made, django.tasks.Task) and made.priority == 0
    assert made.policy == Policy(
        max_attempts=2, timeout=5, retention=60, isolation="interpreter", at_most_once=False
    )
    assert made.overrides == Policy()
    changed = made.using(timeout=None, priority=3, backoff="linear:5")
    assert changed.priority == 3 and changed.policy == made.policy
    assert changed.overrides == Policy(timeout=None, backoff=Linear(5.0))
    resolved = changed.resolved()
    assert resolved.timeout is None and resolved.max_attempts == 2
    assert changed.using(timeout=8).overrides == Policy(timeout=8, backoff=Linear(5.0))
    assert changed.using(run_after=None, queue_name="mail").overrides == changed.overrides


def test_a_task_pickles_and_compares_as_djangos() -> None:
    for made in (
        policy_tasks.own_backoff,
        policy_tasks.choosy.using(timeout=3, retry_on=KeyError),
        policy_tasks.growing.using(backoff=Exponential(1, factor=4)),
        tasks.add.using(priority=5),
    ):
        copy = pickle.loads(pickle.dumps(made))
        assert copy == made and hash(copy) == hash(made) and type(copy) is type(made)
    assert policy_tasks.choosy != policy_tasks.choosy.using(timeout=3)
    assert policy_tasks.choosy == dataclasses.replace(policy_tasks.choosy)


@pytest.mark.skipif(django.VERSION < (6, 1), reason="6.0's decorator takes no keywords")
def test_djangos_own_decorator_takes_the_same() -> None:
    made = django_task(max_attempts=5)(policy_tasks.asks_for_all.func)
    assert isinstance(made, PolicyTask) and made.policy == Policy(max_attempts=5)
    with pytest.raises(InvalidTask, match="max_attempts is 0"):
        django_task(max_attempts=0)(policy_tasks.asks_for_all.func)


def test_with_another_backend_the_policy_is_without_effect() -> None:
    made = task(backend="immediate", max_attempts=5, retry_on=OSError)(policy_tasks.limited.func)
    assert made.using(timeout=3).enqueue("").return_value == "in time"


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"max_attempts": 0}, "max_attempts is 0; allowed: 1..1000"),
        ({"max_attempts": True}, "max_attempts is True; allowed: 1..1000"),
        ({"max_attempts": 1001}, "max_attempts is 1001"),
        ({"max_attempts": 2.0}, "max_attempts is 2.0"),
        ({"backoff": -1}, "backoff is -1; allowed: a number of seconds"),
        ({"backoff": "often"}, "backoff is 'often'"),
        ({"backoff": "linear"}, "backoff is 'linear'"),
        ({"backoff": "linear:x"}, "backoff is 'linear:x'"),
        ({"backoff": "exponential:2:3:4:5"}, "backoff is"),
        ({"backoff": "exponential:nan"}, "backoff is"),
        ({"backoff": None}, "backoff is None"),
        ({"retry_on": 5}, "retry_on is 5; allowed: exception classes"),
        ({"retry_on": (OSError, int)}, "retry_on is"),
        ({"no_retry_on": "not a name"}, "no_retry_on is 'not a name'"),
        ({"timeout": 0}, "timeout is 0; allowed: 0.1.."),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"timeout": "5"}, "timeout is '5'"),
        ({"at_most_once": 1}, "at_most_once is 1; allowed: True or False"),
        ({"at_most_once": True, "max_attempts": 2}, "max_attempts is 2 with at_most_once"),
        ({"retention": -1}, "retention is -1; allowed: 0.."),
        ({"isolation": "thread"}, "isolation is 'thread'; allowed: 'interpreter', 'process'"),
    ],
)
def test_a_wrong_value_is_refused_with_one_line(given: dict[str, Any], line: str) -> None:
    for refused in (
        lambda: task(**given)(policy_tasks.limited.func),
        lambda: policy_tasks.limited.using(**given),
    ):
        with pytest.raises(InvalidTask) as error:
            refused()
        text = str(error.value)
        assert text.startswith(f"task tasks_site.policy_tasks.limited: {line}"), text
        assert "\n" not in text
    (problem,) = problems(given, [])
    assert problem.startswith(f"option {line}")


def test_an_isolation_that_nobody_honours_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"limited: isolation is 'process'; allowed"):
        task(isolation="process")(policy_tasks.limited.func)
    (problem,) = problems({"isolation": "process"}, [])
    assert "isolation is 'process'" in problem


def test_an_unknown_name_is_refused_with_the_right_one() -> None:
    with pytest.raises(TypeError, match=r"limited has no option 'max_atempts'; .*'max_attempts'"):
        task(max_atempts=3)(policy_tasks.limited.func)
    with pytest.raises(TypeError, match="no option 'func'"):
        policy_tasks.limited.using(func=print)
    with pytest.raises(TypeError, match="run_after"):
        task(run_after=5)


def test_a_callable_without_a_name_cannot_be_kept_in_a_row() -> None:
    task(backoff=lambda attempt, error: 1)(policy_tasks.limited.func)
    with pytest.raises(InvalidTask, match="top level of a module"):
        policy_tasks.limited.using(backoff=lambda attempt, error: 1)
    kept = policy_tasks.limited.using(backoff=policy_tasks.pauses).overrides
    assert policies.stored(kept) == {"backoff": "tasks_site.policy_tasks.pauses"}


def test_what_is_stored_comes_back() -> None:
    for asked in (
        {"backoff": Exponential(1, 2.5, 77, 0.1), "timeout": None, "retention": 5},
        {"backoff": "fixed:3", "at_most_once": True},
        {"backoff": Linear(4), "max_attempts": 9, "isolation": "interpreter"},
    ):
        made = policies.make(asked)
        assert policies.from_stored(json.loads(json.dumps(policies.stored(made)))) == made
    named = policies.from_stored(policies.stored(policies.make({"retry_on": OSError})))
    assert named.retry_on == ("builtins.OSError",)
    of_another_version = {"unheard_of": 5, "max_attempts": "many", "backoff": ["cubic", 1]}
    assert policies.from_stored({**of_another_version, "timeout": 3}) == Policy(timeout=3)


@pytest.mark.parametrize(
    ("spelling", "pauses"),
    [
        (5, [5, 5, 5]),
        (timedelta(seconds=9), [9, 9, 9]),
        ("fixed:1.5", [1.5, 1.5, 1.5]),
        ("linear:5", [5, 10, 15]),
        ("linear:5:12", [5, 10, 12]),
        ("exponential:2", [2, 4, 8]),
        ("exponential:2:6", [2, 4, 6]),
        (Exponential(1, factor=10), [1, 10, 100]),
    ],
)
def test_spellings_of_backoff(spelling: Any, pauses: list[float]) -> None:
    found = backoff.parse(spelling)
    assert isinstance(found, (Fixed, Linear, Exponential))
    assert [found.pause(n) for n in (1, 2, 3)] == pauses
    assert found.pause(1000) <= backoff.PAUSE_MAX_S


def test_jitter_spreads_and_is_bounded() -> None:
    random = Random(3)
    found = [backoff.pause(Exponential(100, jitter=0.2), 1, OSError(), random) for _ in range(2000)]
    assert 80 <= min(found) < 82 and 118 < max(found) <= 120
    assert 99 < sum(found) / len(found) < 101
    repeated = Random(3)
    assert found[:5] == [
        backoff.pause(Exponential(100, jitter=0.2), 1, OSError(), repeated) for _ in range(5)
    ]
    for wrong in ({"jitter": 2}, {"factor": 0.5}, {"max": -1}, {"first": "1"}):
        with pytest.raises(ValueError, match="allowed"):
            Exponential(**{"first": 1, **wrong})


def test_options_are_defaults() -> None:
    options = parse({"max_attempts": 4, "timeout": 9, "retention": timedelta(days=1)})
    assert options.retention == 86_400 and options.failed_retention == 30 * 86_400
    assert options.defaults == Policy(max_attempts=4, timeout=9)
    assert policy_tasks.limited.resolved(options.defaults).timeout == 5
    assert policies.resolve(options.defaults).max_attempts == 4
    assert policies.resolve(Policy(at_most_once=True), options.defaults).max_attempts == 1
    assert options.kept_for(Policy(), successful=True) == 86_400
    assert options.kept_for(Policy(), successful=False) == 30 * 86_400
    assert options.kept_for(Policy(retention=None), successful=False) is None
    assert parse({"failed_retention": None}).failed_retention is None
    (line,) = problems({"failed_retention": "long"}, [])
    assert line.startswith("option failed_retention is 'long'; allowed: 0..")


def test_retry_checks_its_pause() -> None:
    assert Retry(after=timedelta(minutes=1)).after == 60 and Retry().after is None
    for wrong in (-1, float("nan"), 10**10):
        with pytest.raises(ValueError, match="allowed are 0"):
            Retry(after=wrong)


# --- kept in the row


def test_the_row_keeps_what_using_said_and_no_more(alias: str) -> None:
    ours = backend(alias, at_most_once=True)
    plain = ours.enqueue(policy_tasks.three_times, ["OSError"], {})
    asked = ours.enqueue(
        policy_tasks.three_times.using(max_attempts=7, retry_on=(OSError, "KeyError")),
        ["OSError"],
        {},
    )
    once = backend(alias).enqueue(policy_tasks.once, ["OSError"], {})
    assert row(alias, plain.id).options == {} and row(alias, plain.id).at_most_once is True
    assert row(alias, asked.id).options == {
        "max_attempts": 7,
        "retry_on": ["builtins.OSError", "KeyError"],
    }
    assert row(alias, once.id).at_most_once is True
    found = ours.get_result(asked.id).task
    assert found.overrides == Policy(max_attempts=7, retry_on=("builtins.OSError", "KeyError"))
    assert ours.get_result(plain.id).task == plain.task


# --- obeyed


def test_a_job_is_retried_until_it_works(alias: str, store: Store, runner: Runner) -> None:
    key = backend(alias).enqueue(policy_tasks.third_time, [], {}).id
    statuses = [attempt(store, runner)[0] for _ in range(3)]
    assert statuses == [RETRY, RETRY, SUCCESSFUL]
    assert policy_tasks.calls == [(1, 4, 0), (2, 4, 1), (3, 4, 2)]
    result = backend(alias).get_result(key)
    assert result.return_value == [3, 4] and result.attempts == 3
    assert [e.exception_class for e in result.errors] == [OSError, OSError]
    assert "attempt 2" in result.errors[1].traceback
    assert row(alias, key).prune_at - result.finished_at == timedelta(days=7)


def test_crashes_are_no_attempts(alias: str, store: Store, runner: Runner) -> None:
    key = backend(alias).enqueue(policy_tasks.third_time, [], {}).id
    Job.objects.using(alias).update(crashes=1, worker_ids=["it died"])
    statuses = [attempt(store, runner)[0] for _ in range(3)]
    assert statuses == [RETRY, RETRY, SUCCESSFUL]
    assert backend(alias).get_result(key).return_value == [3, 4]
    assert len(row(alias, key).worker_ids) == 4


def test_attempts_are_used_up(
    alias: str, store: Store, runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []

    def started(task_result: Any, **kwargs: Any) -> None:
        seen.append("started")

    def finished(task_result: Any, **kwargs: Any) -> None:
        seen.append((task_result.status, len(task_result.errors)))

    task_started.connect(started)
    task_finished.connect(finished)
    try:
        key = backend(alias).enqueue(policy_tasks.three_times, ["OSError"], {}).id
        outcomes = []
        for _ in range(3):
            outcomes.append(attempt(store, runner))
            if outcomes[-1][0] == RETRY:
                assert row(alias, key).status == "READY"
            make_due(alias)
    finally:
        task_started.disconnect(started)
        task_finished.disconnect(finished)
    assert [(s, o.get("retry_in")) for s, o in outcomes] == [
        (RETRY, 10_000_000),
        (RETRY, 10_000_000),
        (FAILED, None),
    ]
    assert seen == ["started", "started", "started", (TaskResultStatus.FAILED, 3)]
    assert [e["message"] for e in row(alias, key).errors] == ["away"] * 3
    assert row(alias, key).status == "FAILED"
    lines = [r.getMessage() for r in caplog.records if "CORRAL-564" in r.getMessage()]
    assert len(lines) == 2
    assert "attempt 1 of 3 of task tasks_site.policy_tasks.three_times" in lines[0]
    assert lines[0].endswith("the next is due in 10.0 s: builtins.OSError: away")


@pytest.mark.parametrize(
    ("kind", "status", "retry_in"),
    [
        ("OSError", RETRY, 10),
        ("Discard", FAILED, None),
        ("SystemExit", FAILED, None),
        ("Retry", RETRY, 10),
        ("Retry after", RETRY, 7),
        ("Retry later", RETRY, 120),
    ],
)
def test_what_a_task_raises_decides(
    alias: str, store: Store, runner: Runner, kind: str, status: int, retry_in: float | None
) -> None:
    backend(alias).enqueue(policy_tasks.three_times, [kind], {})
    found, outcome = attempt(store, runner)
    pause = None if retry_in is None else retry_in * 1_000_000
    assert (found, outcome.get("retry_in")) == (status, pause)


def test_retry_counts_as_an_attempt(alias: str, store: Store, runner: Runner) -> None:
    key = backend(alias).enqueue(policy_tasks.three_times, ["Retry after"], {}).id
    statuses = []
    for _ in range(3):
        statuses.append(attempt(store, runner)[0])
        make_due(alias)
    assert statuses == [RETRY, RETRY, FAILED]
    assert backend(alias).get_result(key).errors[2].exception_class is Retry


@pytest.mark.parametrize("name", ["choosy", "choosy_by_name"])
def test_retry_on_and_no_retry_on(alias: str, store: Store, runner: Runner, name: str) -> None:
    for kind, status in (("OSError", RETRY), ("Nearly", FAILED), ("ValueError", FAILED)):
        backend(alias).enqueue(getattr(policy_tasks, name), [kind], {})
        assert attempt(store, runner)[0] == status, kind
        Job.objects.using(alias).all().delete()


def test_a_name_that_leads_nowhere_is_told_once(
    default_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    from corral.tasks import retries

    asked = policies.resolve(policy_tasks.misspelt.policy)
    for _ in range(3):
        assert retries.pause(asked, 1, OSError(), Random(1), job="j") == 0
        assert retries.pause(asked, 1, ValueError(), Random(1), job="j") is None
    lines = [r.getMessage() for r in caplog.records if "CORRAL-565" in r.getMessage()]
    assert len(lines) == 1 and "'no.such.Error'" in lines[0]


def test_a_backoff_of_the_sites_own(
    default_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    from corral.tasks import retries

    policy_tasks.calls.clear()
    asked = policies.resolve(policy_tasks.own_backoff.policy)
    found = {n: retries.pause(asked, n, OSError(), Random(1), job="j") for n in range(1, 9)}
    assert found[1] == 30 and found[6] == 90
    assert policy_tasks.calls == [(n, "OSError") for n in range(1, 9)]
    lines = [r.getMessage() for r in caplog.records if "CORRAL-566" in r.getMessage()]
    assert len(lines) == 6, "2 raises, 3, 4, 5, 7 are no pauses, 8 has none"
    assert all(4 <= found[n] / 2 ** (n - 1) <= 6 for n in (2, 3, 4, 5, 7, 8)), found


def test_jitter_comes_from_the_runners_own_random(alias: str, store: Store) -> None:
    pauses = []
    for seed in (1, 1, 2):
        backend(alias).enqueue(policy_tasks.growing, [], {})
        (job,), _ = store.claim(1, False)
        pauses.append(json.loads(Runner(Random(seed)).run(job[4])[1])["retry_in"])
    assert pauses[0] == pauses[1] != pauses[2]
    assert all(1_000_000 <= pause <= 3_000_000 for pause in pauses)


def test_at_most_once_is_one_attempt(alias: str, store: Store, runner: Runner) -> None:
    for kind in ("OSError", "Retry after"):
        backend(alias).enqueue(policy_tasks.once, [kind], {})
        assert attempt(store, runner)[0] == FAILED


def test_using_counts_more_than_the_decorator(alias: str, store: Store, runner: Runner) -> None:
    ours = backend(alias)
    ours.enqueue(policy_tasks.three_times.using(max_attempts=1), ["OSError"], {})
    assert attempt(store, runner)[0] == FAILED
    ours.enqueue(policy_tasks.three_times.using(backoff=2, retention=1), ["OSError"], {})
    status, outcome = attempt(store, runner)
    assert (status, outcome["retry_in"], outcome["retention"]) == (RETRY, 2_000_000, 1)


def test_the_code_counts_when_the_job_runs(
    alias: str, store: Store, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend(alias).enqueue(policy_tasks.three_times, ["OSError"], {})
    deployed = task(max_attempts=1)(policy_tasks.three_times.func)
    monkeypatch.setattr(policy_tasks, "three_times", deployed)
    assert attempt(store, runner)[0] == FAILED


def test_the_engine_is_told_the_limit_and_what_to_write(
    alias: str, store: Store, runner: Runner
) -> None:
    backend(alias).enqueue(policy_tasks.limited, [""], {})
    watch = Watch()
    assert attempt(store, runner, watch)[0] == SUCCESSFUL
    ((limit_ms, status, planned),) = watch.limits
    assert (limit_ms, status, planned["retry_in"]) == (5000, RETRY, 3_000_000)
    assert planned["error"] == {
        "exception_class_path": "corral.exceptions.TaskTimeout",
        "message": "it ran for longer than its timeout, 5 s",
        "traceback": "the stack",
    }
    assert records.is_outcome(planned) and "errors" not in planned
    backend(alias).enqueue(policy_tasks.once, ["OSError"], {})
    watch = Watch()
    attempt(store, runner, watch)
    assert watch.limits == [], "it has none"


def test_what_the_engine_wrote_is_an_outcome(alias: str, store: Store, runner: Runner) -> None:
    key = backend(alias).enqueue(policy_tasks.limited.using(max_attempts=1), [""], {}).id
    (job,), _ = store.claim(1, False)
    watch = Watch()
    runner.run(job[4], watch)
    ((_, status, planned),) = watch.limits
    assert status == FAILED
    planned["ended"] = planned["began"] + 5_000_000_000
    assert store.finish([(key, job[1], False, json.dumps(planned).encode())]) == 0
    stored = row(alias, key)
    assert stored.status == "FAILED" and stored.errors[0]["traceback"] == "the stack"
    assert stored.prune_at is not None and len(stored.worker_ids) == 1


def test_an_attempt_that_was_ended_says_so(alias: str, store: Store, runner: Runner) -> None:
    seen: list[Any] = []

    def finished(task_result: Any, **kwargs: Any) -> None:
        seen.append((task_result.status, task_result.errors[-1].exception_class_path))

    task_finished.connect(finished)
    try:
        for kind in ("", "OSError"):
            asked = policy_tasks.limited.using(max_attempts=1)
            backend(alias).enqueue(asked, [kind], {})
            assert attempt(store, runner, Watch(timely=False))[0] == FAILED
        backend(alias).enqueue(policy_tasks.limited, [""], {})
        assert attempt(store, runner, Watch(timely=False))[0] == RETRY
    finally:
        task_finished.disconnect(finished)
    assert seen == [("FAILED", "corral.exceptions.TaskTimeout")] * 2


def test_old_errors_lose_their_tracebacks_only(alias: str, store: Store, runner: Runner) -> None:
    key = backend(alias).enqueue(policy_tasks.endless, [], {}).id
    for _ in range(records.TRACEBACKS_MAX + 3):
        assert attempt(store, runner)[0] == RETRY
    errors = row(alias, key).errors
    assert len(errors) == records.TRACEBACKS_MAX + 3
    assert {error["message"] for error in errors} == {"x" * 1000}
    assert ["policy_tasks.py" in error["traceback"] for error in errors].count(False) == 3


def test_unset_is_itself() -> None:
    assert pickle.loads(pickle.dumps(UNSET)) is UNSET and repr(UNSET) == "UNSET"
