"""What the page shows."""

from django.db import models


class Product(models.Model):
    """A row of the page."""

    name = models.CharField(max_length=100)
    maker = models.CharField(max_length=100)
    stock = models.IntegerField()
    added = models.DateTimeField(db_index=True)
