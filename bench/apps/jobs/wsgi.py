"""The site, served: for jobs beside requests."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.apps.jobs.settings")
application = get_wsgi_application()
