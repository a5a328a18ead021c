"""What Corral raises, and what tasks raise to tell it something.

The text of what Corral raises is one line meant for the operator.
"""

from datetime import timedelta

RETRY_AFTER_MAX_S = 366 * 86_400


class WorkerException(Exception):
    """Base of everything that Corral raises about workers and their configuration."""


class WorkerInitializationError(WorkerException):
    """A worker could not load what it is to run."""


class WorkerShutdownError(WorkerException):
    """A worker did not end in time."""


class ConfigurationError(WorkerException):
    """A setting has a value that cannot work."""


class HookExecutionError(WorkerException):
    """A hook of the site raised."""


class TaskExecutionError(WorkerException):
    """A task could not be run."""


class PoolExecutionError(WorkerException):
    """A pool of workers could not run what it was given."""


class RequestTimeout(BaseException):
    """The request took longer than --timeout allows: its client has been answered, stop working.

    Raised by Corral in the middle of the application's code. Not an Exception, as handlers of those
    would take it for an error of their own; `finally` and `with` work as always.
    """


class Retry(TaskExecutionError):
    """Raised by a task: this attempt did not work out, try again later.

    `after`: in how many seconds (a number or a timedelta, 0 or more); None leaves it to the task's
    backoff. It counts as an attempt: when `max_attempts` are used up, the job fails with it.
    """

    def __init__(self, message: str = "", *, after: float | timedelta | None = None) -> None:
        super().__init__(message)
        seconds = after.total_seconds() if isinstance(after, timedelta) else after
        if seconds is not None and not 0 <= seconds <= RETRY_AFTER_MAX_S:
            raise ValueError(f"after is {after!r}; allowed are 0..{RETRY_AFTER_MAX_S} seconds")
        self.after = seconds


class Discard(TaskExecutionError):
    """Raised by a task: trying again is of no use. The job fails with it at once."""


class TaskCancelled(TaskExecutionError):
    """The job was cancelled: stop working.

    Raised by Corral in the middle of the code of a task that runs, as `TaskTimeout` is.
    """


class TaskTimeout(TaskExecutionError):
    """The attempt ran longer than it may: its outcome is written, stop working.

    Raised by Corral in the middle of the task's code, and again every few seconds while that goes
    on. Whatever the task does then, its outcome stays.
    """


class WorkerCrashed(TaskExecutionError):
    """The worker died while it ran the attempt."""
