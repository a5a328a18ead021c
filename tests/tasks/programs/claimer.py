"""Claims jobs one by one until none is left and prints their ids, as one node of several.

Arguments: database alias. Waits for a line on standard input, so that all begin together.
"""

import sys

import django

django.setup()

from tasks_harness import new_store  # noqa: E402

store = new_store(sys.argv[1])
store.open()
print("open", flush=True)
sys.stdin.readline()
while True:
    jobs, _ = store.claim(2, False)
    if not jobs:
        break
    store.finish([(key, lease, True, b'{"began":1,"ended":1}') for key, lease, *_ in jobs])
    for key, *_ in jobs:
        print(key)
store.close()
