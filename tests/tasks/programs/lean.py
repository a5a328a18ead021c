"""Runs a store in an interpreter with a GIL of its own, as the keeper does.

Arguments: database alias. Prints JSON.
"""

import json
import pickle
import sys
import uuid
from concurrent import interpreters

import django

django.setup()

from tasks_harness import backend, row  # noqa: E402
from tasks_site import tasks  # noqa: E402

from corral.tasks.worker import store_config  # noqa: E402

alias = sys.argv[1]
good = backend(alias).enqueue(tasks.add, [1], {}).id
back = backend(alias).enqueue(tasks.add, [2], {}).id
config = pickle.dumps(store_config(alias, [backend(alias)], None))
node = {"incarnation": str(uuid.uuid4()), "host": "here", "pid": 1, "lease_ms": 60000}
code = f"""
import sys
sys.path[:] = {sys.path!r}
from corral.tasks.store import open_store
store = open_store({config!r}, {json.dumps(node)!r})
assert store.open() == 0
(good, back), wait = store.claim(9, False)
assert wait == -1, wait
assert store.finish([(good[0], good[1], True, b'{{"began":1,"ended":2,"return_value":"7"}}')]) == 0
store.release([back[:2]])
assert store.beat() == 0
store.close()
assert "corral.tasks.models" not in sys.modules
from django.apps import apps
assert not list(apps.get_app_configs())
"""
interpreter = interpreters.create()
interpreter.exec(code)
interpreter.close()
done, waiting = row(alias, good), row(alias, back)
print(json.dumps([done.status, done.return_value, waiting.status, waiting.worker_ids]))
