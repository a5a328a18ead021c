"""What the demo stores: documents, and which task analyses which document."""

import hashlib
from typing import ClassVar

from django.db import models
from django.urls import reverse
from django.utils import timezone


class DocumentManager(models.Manager):
    """Documents, made whole from a name and a text."""

    def listed(self) -> models.QuerySet:
        """Documents without their text, which can be megabytes each."""
        return self.defer("text")

    def add(
        self, name: str, text: str, kind: str, encoding: str = "utf-8", *, is_sample: bool = False
    ) -> Document:
        """Store one text; its size and checksum are those of its UTF-8 form."""
        data = text.encode()
        return self.create(
            name=name,
            kind=kind,
            encoding=encoding,
            is_sample=is_sample,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            text=text,
        )


class Document(models.Model):
    """A text that somebody dropped in, or one of the samples."""

    class Kind(models.TextChoices):
        """What the text is taken for; CSV adds the analysis of columns."""

        TEXT = "text", "Text"
        CSV = "csv", "CSV"

    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=8, choices=Kind)
    encoding = models.CharField(max_length=20, help_text="Of the file that was dropped in.")
    is_sample = models.BooleanField("sample", default=False)
    size_bytes = models.PositiveIntegerField("bytes")
    sha256 = models.CharField("SHA-256", max_length=64)
    created_at = models.DateTimeField("added", default=timezone.now, db_index=True)
    # Last on purpose: SQLite reads a row from its beginning, lists must not wade through this.
    text = models.TextField()

    objects = DocumentManager()

    class Meta:
        ordering: ClassVar = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """The document's page."""
        return reverse("document", args=[self.pk])


class Analysis(models.Model):
    """One kind of analysis of one document, and the task result that stands for its latest run.

    State, times and outcome are not copied here: they are the task backend's.
    """

    document = models.ForeignKey(Document, models.CASCADE, related_name="analyses")
    kind = models.CharField(max_length=30)
    task_id = models.UUIDField("task result")
    enqueued_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        verbose_name_plural = "analyses"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["document", "kind"], name="corral_demo_one_of_a_kind")
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.document}"
