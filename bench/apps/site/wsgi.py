"""The WSGI callable of the site."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.apps.site.settings")
application = get_wsgi_application()
if os.environ.get("BENCH_GC") == "off":
    gc.disable()
