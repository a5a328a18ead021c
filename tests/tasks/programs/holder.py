"""A node that claims what it can get, says so, and then only waits to be killed.

Arguments: database alias, lease in milliseconds.
"""

import sys

import django

django.setup()

from tasks_harness import new_store  # noqa: E402

store = new_store(sys.argv[1], lease_ms=int(sys.argv[2]))
store.open()
jobs, _ = store.claim(100, False)
print(" ".join(key for key, *_ in jobs), flush=True)
sys.stdin.readline()
