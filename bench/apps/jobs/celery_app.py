"""The Celery application: Redis as broker and for results, acknowledged when done."""

import os

import django
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.apps.jobs.settings")
django.setup()

from django.conf import settings  # noqa: E402

app = Celery("bench", broker=settings.REDIS, backend=settings.REDIS)
app.conf.update(
    task_acks_late=True,
    worker_hijack_root_logger=False,
    broker_transport_options={"global_keyprefix": "corral-bench:"},
    result_backend_transport_options={"global_keyprefix": "corral-bench:"},
    include=["bench.apps.jobs.tasks"],
)
