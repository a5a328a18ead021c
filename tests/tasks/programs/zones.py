"""One job through the whole way under other time zone settings; prints the times as JSON.

Arguments: database alias. CORRAL_TEST_USE_TZ and CORRAL_TEST_TIME_ZONE say which settings.
"""

import json
import sys
from datetime import timedelta

import django

django.setup()

from django.tasks.signals import task_started  # noqa: E402
from django.utils import timezone  # noqa: E402
from tasks_harness import backend, new_store, row  # noqa: E402
from tasks_site import tasks  # noqa: E402

from corral.tasks.runner import Runner  # noqa: E402

alias = sys.argv[1]
seen = []


def receiver(task_result, **kwargs):
    seen.append(task_result)


task_started.connect(receiver)
before = timezone.now()
due = before - timedelta(minutes=5)
result = backend(alias).enqueue(tasks.add.using(run_after=due), [1], {})
later = backend(alias).enqueue(tasks.add.using(run_after=before + timedelta(minutes=30)), [1], {})
store = new_store(alias)
store.open()
jobs, wait = store.claim(9, False)
assert [job[0] for job in jobs] == [result.id], jobs
key, lease, _, _, payload, _ = jobs[0]
assert store.finish([(key, lease, *Runner().run(payload))]) == 0
stored = row(alias, key)
store.close()
assert seen[0].enqueued_at == stored.enqueued_at == result.enqueued_at, (seen[0], stored)
assert seen[0].task.run_after == stored.run_after == due
for moment in (stored.enqueued_at, stored.started_at, stored.finished_at):
    assert abs(moment - before) < timedelta(minutes=2), (moment, before)
assert 1_700_000 < wait <= 1_800_000, wait
print(json.dumps({"status": stored.status, "aware": timezone.is_aware(stored.enqueued_at)}))
