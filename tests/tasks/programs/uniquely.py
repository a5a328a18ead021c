"""Enqueues the same unique jobs as others do at the same time, and prints the ids it was given.

Arguments: database alias, how many different jobs. Waits for a line on standard input, so that all
begin together.
"""

import sys

import django

django.setup()

from tasks_harness import enqueue  # noqa: E402
from tasks_site import unique_tasks  # noqa: E402

alias, count = sys.argv[1], int(sys.argv[2])
print("open", flush=True)
sys.stdin.readline()
for number in range(count):
    print(enqueue(alias, unique_tasks.sync, number))
