"""The background work: one task a kind of analysis, declared with Django's own decorator."""

import asyncio
import bz2
import hashlib
import lzma
import zlib
from collections.abc import Callable
from compression import zstd
from time import perf_counter

from django.tasks import TaskContext, task
from django.utils import timezone

from corral.demo import analysis, columns
from corral.demo.models import Document

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "zlib": zlib.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}


class DeliberateFailure(RuntimeError):
    """Raised by the task that fails on purpose."""


def _text_of(document_id: int) -> str:
    return Document.objects.values_list("text", flat=True).get(pk=document_id)


@task(priority=50)
def count(document_id: int) -> dict:
    """Quick and wanted first: a high priority."""
    return analysis.count(_text_of(document_id))


@task(priority=40)
def describe_columns(document_id: int) -> dict:
    """For CSV only."""
    return columns.describe_columns(_text_of(document_id))


@task(priority=20)
def frequent_words(document_id: int) -> dict:
    """Quick."""
    return analysis.frequent_words(_text_of(document_id))


@task
def phrases(document_id: int) -> dict:
    """A fraction of a second for a long text."""
    return analysis.phrases(_text_of(document_id))


@task(priority=-10, queue_name="slow")
def look_alikes(document_id: int) -> dict:
    """Seconds of one processor: last in line, in a queue of its own."""
    return analysis.look_alikes(_text_of(document_id))


@task
async def compress(document_id: int) -> dict:
    """An async task: four compressors at once, each in a thread that gives its lock up."""
    document = await Document.objects.aget(pk=document_id)
    data = document.text.encode()
    packed = await asyncio.gather(*(asyncio.to_thread(_pack, name, data) for name in COMPRESSORS))
    return {"bytes": len(data), "packed": sorted(packed, key=lambda entry: entry["bytes"])}


def _pack(name: str, data: bytes) -> dict:
    begin = perf_counter()
    size = len(COMPRESSORS[name](data))
    return {"name": name, "bytes": size, "ms": round((perf_counter() - begin) * 1000, 1)}


@task
def verify(document_id: int) -> dict:
    """Enqueued with `run_after`: is the text, some seconds later, still the one that came in?"""
    document = Document.objects.get(pk=document_id)
    sha256 = hashlib.sha256(document.text.encode()).hexdigest()
    return {
        "unchanged": sha256 == document.sha256,
        "sha256": sha256,
        "age_s": round((timezone.now() - document.created_at).total_seconds()),
    }


@task(takes_context=True)
def fail(context: TaskContext, document_id: int) -> None:
    """Fails on purpose, to show what a failure looks like."""
    lines = len(_text_of(document_id).splitlines())
    raise DeliberateFailure(
        f"attempt {context.attempt} looked for line {lines + 1} of a text that has {lines}; "
        "this task fails on purpose"
    )
