"""The result of a Corral job: Django's, and waiting for the end."""

from __future__ import annotations

from datetime import timedelta

from django.tasks import TaskResult


class Result(TaskResult):
    """What `enqueue` and `get_result` of Corral's backend return."""

    __slots__ = ()

    def wait(self, timeout: float | timedelta | None = None) -> Result:
        """Block until the job is finished, well or not, and return this result, refreshed.

        `timeout`: seconds (or a timedelta), None for no limit; after it TimeoutError is raised and
        the job goes on. Raises RuntimeError inside of a transaction, where the end might never be
        seen, and TaskResultDoesNotExist when the row was pruned meanwhile.
        """
        from . import waiting

        waiting.wait(self, timeout)
        return self

    async def await_finished(self, timeout: float | timedelta | None = None) -> Result:
        """`wait` for asynchronous code: the event loop goes on."""
        from . import waiting

        await waiting.await_finished(self, timeout)
        return self
