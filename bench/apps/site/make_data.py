"""Makes the page's database: python -m bench.apps.site.make_data, with BENCH_DATABASE set."""

import datetime
import os

import django
from django.core.management import call_command
from django.db import connection

PRODUCTS = 1000


def make() -> None:
    """Tables of all applications and PRODUCTS rows; the same ones every time."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    from bench.apps.site.models import Product

    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    Product.objects.bulk_create(
        Product(
            name=f"Product <{number}>",
            maker=f"Maker & Sons {number % 17}",
            stock=number % 10,
            added=start + datetime.timedelta(minutes=37 * number),
        )
        for number in range(PRODUCTS)
    )
    connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.apps.site.settings"
    django.setup()
    make()
