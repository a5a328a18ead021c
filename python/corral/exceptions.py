"""What Corral raises. The text of each is one line meant for the operator."""


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


class TaskCancelled(TaskExecutionError):
    """The attempt was cancelled."""


class TaskTimeout(TaskExecutionError):
    """The attempt ran longer than it may."""


class WorkerCrashed(TaskExecutionError):
    """The worker died while it ran the attempt."""
