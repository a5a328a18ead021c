"""One of several nodes that tick at the same moments. Arguments: database alias.

Each line on standard input is the present, in seconds since 1970; the answer is whether the tick
left nothing due.
"""

import sys
from datetime import UTC, datetime

import django

django.setup()

from django.tasks import task_backends  # noqa: E402
from tasks_harness import backend  # noqa: E402

from corral.tasks import schedule_rows  # noqa: E402

alias = sys.argv[1]
task_backends["default"] = backend(alias)
print("ready", flush=True)
for line in sys.stdin:
    present = datetime.fromtimestamp(float(line), UTC)
    schedule_rows.now = lambda database, present=present: present
    print(schedule_rows.tick(alias), flush=True)
