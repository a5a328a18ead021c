"""`corral.tasks.DatabaseBackend`: enqueue is one INSERT in the caller's own transaction.

The row becomes visible, and the keeper is woken, exactly when that transaction commits; a rollback
takes the job with it. Nothing else about the caller's transaction changes.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.core.checks import CheckMessage
from django.db import connections, router, transaction
from django.tasks import Task, TaskResult, TaskResultStatus
from django.tasks.backends.base import BaseTaskBackend
from django.tasks.exceptions import InvalidTask, TaskResultDoesNotExist
from django.tasks.signals import task_enqueued

from . import again, cancellation, insertion, notify, options, policy, queues
from .cancellation import Cancellation
from .decorator import PolicyTask
from .names import NAME_CHARS_MAX
from .results import Result


class DatabaseBackend(BaseTaskBackend):
    """Keeps tasks in the table `corral_job`; `corral serve` and `corral work` run them.

    OPTIONS: see `corral.tasks.options.Options`.
    """

    task_class = PolicyTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        self.parsed_options = options.parse(self.options)

    def database(self) -> str:
        """The alias of the database that holds this backend's jobs."""
        from .models import Job

        return self.parsed_options.database or router.db_for_write(Job)

    def validate_task(self, task: Task) -> None:
        super().validate_task(task)
        if len(task.queue_name) > NAME_CHARS_MAX:
            raise InvalidTask(
                f"Queue '{task.queue_name}' has {len(task.queue_name)} characters; "
                f"at most {NAME_CHARS_MAX} are allowed."
            )

    def enqueue(self, task: Task, args: Iterable[Any], kwargs: dict[str, Any]) -> TaskResult:
        """Insert a job and return its result, READY; of a `unique` one that exists, its result.

        Raises InvalidTask, TypeError or ValueError (arguments that JSON cannot hold) and the
        database's errors.
        """
        self.validate_task(task)
        result, is_new = self._insert(task, args, kwargs)
        if is_new:
            task_enqueued.send(type(self), task_result=result)
        return result

    async def aenqueue(self, task: Task, args: Iterable[Any], kwargs: dict[str, Any]) -> TaskResult:
        """As `enqueue`; asynchronous receivers are awaited on the caller's loop."""
        self.validate_task(task)
        result, is_new = await sync_to_async(self._insert)(task, args, kwargs)
        if is_new:
            await task_enqueued.asend(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> Result:
        """The job `result_id` as it stands.

        Raises TaskResultDoesNotExist for an id that is not one of this backend's jobs.
        """
        from . import lookup
        from .models import Job

        try:
            key = uuid.UUID(result_id)
            job = Job.objects.using(self.database()).get(pk=key, backend_name=self.alias)
        except ValueError, TypeError, AttributeError, Job.DoesNotExist:
            raise TaskResultDoesNotExist(result_id) from None
        return lookup.task_result(job)

    def status(self, job_id: str) -> str:
        """The status of the job; raises TaskResultDoesNotExist."""
        from .models import Job

        rows = Job.objects.using(self.database()).filter(pk=job_id, backend_name=self.alias)
        status = rows.values_list("status", flat=True).first()
        if status is None:
            raise TaskResultDoesNotExist(job_id)
        return status

    def require_waitable(self, job_id: str) -> None:
        """Raises RuntimeError where the end of the job might never be seen."""
        database = self.database()
        if connections[database].in_atomic_block:
            raise RuntimeError(
                f"job {job_id} cannot be waited for inside of a transaction of {database!r}: its "
                "row may not be committed, or its end not be visible; wait after the transaction"
            )

    def cancel_job(self, job_id: str) -> Cancellation:
        """See `corral.tasks.cancel`; raises TaskResultDoesNotExist."""
        from .models import Job

        try:
            done = cancellation.cancel_in(self.database(), uuid.UUID(job_id), self)
        except ValueError, TypeError, AttributeError, Job.DoesNotExist:
            raise TaskResultDoesNotExist(job_id) from None
        if done is Cancellation.ASKED:
            cancellation.tell_keepers(self.database(), notifies=self.parsed_options.notify)
        return done

    def run_again(self, job_id: str) -> bool:
        """One more attempt for a FAILED job; False when it is not FAILED."""
        changed = again.run_again_in(self.database(), uuid.UUID(job_id), self.alias)
        self.wake_on_commit()
        return changed

    def pause_queue(self, queue: str, resume_at: datetime | None) -> bool:
        """See `corral.tasks.pause`; in this backend's database."""
        was_open = queues.pause_in(self.database(), queue, resume_at)
        self.wake_on_commit()  # keepers learn until when they may sleep
        return was_open

    def resume_queue(self, queue: str) -> bool:
        """See `corral.tasks.resume`; in this backend's database."""
        was_paused = queues.resume_in(self.database(), queue)
        self.wake_on_commit()
        return was_paused

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        from .checks import check_backend

        return check_backend(self)

    def policy_of(self, task: Task) -> policy.Policy:
        """What counts for a job of `task`: what it asks for, over the defaults of OPTIONS."""
        asked = (task.overrides, task.policy) if isinstance(task, PolicyTask) else ()
        return policy.resolve(*asked, self.parsed_options.defaults)

    def new_result(self, task: Task, args: Iterable[Any], kwargs: Mapping[str, Any]) -> TaskResult:
        """The result of a job that is about to be inserted."""
        return Result(
            task=task,
            id=str(uuid.uuid7()),
            status=TaskResultStatus.READY,
            enqueued_at=None,
            started_at=None,
            last_attempted_at=None,
            finished_at=None,
            args=list(args),
            kwargs=dict(kwargs),
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )

    def insert(self, results: Sequence[TaskResult]) -> Sequence[TaskResult]:
        """Write the rows of new results, all of one task, and wake the keeper on commit.

        Returns them, and for each whose `unique` job exists already the result of that.
        """
        standing = insertion.insert(results, self.policy_of(results[0].task), self.database())
        self.wake_on_commit(results[0].task.queue_name)
        return standing

    def wake_on_commit(self, queue: str = "") -> None:
        """Keepers hear of it when the caller's transaction, if there is one, commits.

        `queue` is the one with new jobs; empty for any.
        """
        _wake_on_commit(self.database(), queue, notifies=self.parsed_options.notify)

    def _insert(
        self, task: Task, args: Iterable[Any], kwargs: dict[str, Any]
    ) -> tuple[TaskResult, bool]:
        """The result, and whether its job is new."""
        result = self.new_result(task, args, kwargs)
        (standing,) = self.insert([result])
        return standing, standing is result


def _wake_on_commit(database: str, queue: str, *, notifies: bool) -> None:
    connection = connections[database]
    if not connection.in_atomic_block and not connection.get_autocommit():
        # The caller commits by hand, where Django has no on_commit; the keeper's poll finds the
        # job.
        return
    hooks = connection.run_on_commit
    wake = notify.waker(database, queue, notifies)
    if hooks and hooks[-1][1] is wake:
        # This transaction wakes the keeper already. Should that savepoint be rolled back, this row
        # goes with it.
        return
    transaction.on_commit(wake, using=database, robust=True)
