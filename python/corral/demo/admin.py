"""Documents in the admin; the jobs themselves are listed by corral.tasks."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from corral.demo.models import Analysis, Document

EXCERPT_CHARACTERS = 2000


class AnalysisInline(admin.TabularInline):
    """Which analyses a document had; their state is the jobs'."""

    model = Analysis
    extra = 0
    can_delete = False
    fields = readonly_fields = ("kind", "task_id", "enqueued_at")

    def has_add_permission(self, request: HttpRequest, obj: Document | None = None) -> bool:
        """Analyses are started from the document's page."""
        return False


@admin.register(Document)
class DocumentAdmin(admin.ModelAdmin):
    """To look at and to delete; documents come in by upload."""

    list_display = ("name", "kind", "size_bytes", "encoding", "is_sample", "created_at")
    list_filter = ("kind", "is_sample")
    search_fields = ("name",)
    fields = readonly_fields = (
        "name", "kind", "encoding", "size_bytes", "sha256", "is_sample", "created_at", "excerpt",
    )  # fmt: skip
    inlines: ClassVar = [AnalysisInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Without the texts: the list does not show them."""
        return super().get_queryset(request).defer("text")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Documents come in by upload."""
        return False

    @admin.display(description="Text")
    def excerpt(self, document: Document) -> str:
        """The beginning of the text."""
        text = document.text
        return text if len(text) <= EXCERPT_CHARACTERS else text[:EXCERPT_CHARACTERS] + " …"
