"""Tasks of every kind: good, slow, failing, and deadly."""

import ctypes
import os
import sys
from typing import Any

from django.db import connection, transaction

from corral.tasks import task
from site_tasks import notes


@task
def add(a: int, b: int = 1) -> int:
    """The plain one."""
    return a + b


@task
def count(number: int) -> None:
    """Leaves a note of having run."""
    notes.note(f"ran {number}")


@task
def nothing() -> None:
    """As quick as a task can be."""


@task
def wait(gate: str) -> str:
    """Runs until the test opens the gate."""
    notes.wait_at(gate)
    notes.note(f"past {gate}")
    return "done"


@task(queue_name="mail", priority=7)
def send(to: str) -> str:
    """Has a queue and a priority of its own."""
    return to


@task(takes_context=True)
def who(context: Any) -> dict[str, Any]:
    """What a task sees of itself."""
    result = context.task_result
    return {
        "id": result.id,
        "attempt": context.attempt,
        "status": result.status,
        "workers": result.worker_ids,
        "thread": notes.thread_name(),
        "pid": os.getpid(),
    }


@task
async def add_async(a: int, b: int) -> int:
    """A coroutine."""
    return a + b


@task
def fail(text: str) -> None:
    """Fails as tasks do."""
    raise ValueError(text)


@task
def give(kind: str) -> Any:
    """Returns what JSON cannot hold."""
    return {"object": object(), "set": {1, 2}, "huge": 10**5000}[kind]


@task
def leave(kind: str) -> None:
    """Raises what is no ordinary failure."""
    if kind == "SystemExit":
        sys.exit(3)
    if kind == "KeyboardInterrupt":
        raise KeyboardInterrupt
    recurse()


def recurse() -> int:
    """Deeper than Python goes."""
    return recurse() + 1


@task
def leave_transaction() -> None:
    """Begins a transaction, writes, and never ends it."""
    transaction.atomic().__enter__()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM corral_node")


@task
def close_connection() -> None:
    """Takes the connection from under the worker."""
    connection.ensure_connection()
    connection.close()


@task
def die(kind: str, gate: str = "") -> None:
    """Takes the process with it."""
    notes.note(f"dies of {kind}")
    if gate:
        notes.wait_at(gate)
    if kind == "exit":
        os._exit(7)
    ctypes.string_at(0)


def compute_for_ever() -> None:
    """A loop in Python."""
    while True:
        pass


@task(timeout=0.5)
def loop(name: str) -> None:
    """Can be interrupted at any time."""
    notes.note(f"begins {name}")
    try:
        compute_for_ever()
    except BaseException as error:
        notes.note(f"{name} got {type(error).__name__}")
        raise


@task(takes_context=True, timeout=0.5, max_attempts=2, backoff=0)
def loop_twice(context: Any) -> None:
    """Is tried again."""
    notes.note(f"attempt {context.attempt} of {context.max_attempts}")
    compute_for_ever()


@task(max_attempts=3, backoff=0)
def loop_until_cancelled(name: str) -> None:
    """Has no time limit, and is tried again whatever happens."""
    notes.note(f"begins {name}")
    try:
        compute_for_ever()
    except BaseException as error:
        notes.note(f"{name} got {type(error).__name__}")
        raise


def spin_until(flag: str) -> None:
    """A loop in Python that ends when the test has made a file."""
    while not notes.is_flag_set(flag):
        for _ in range(1000):
            pass


@task
def swallow_for_long(flag: str) -> str:
    """`swallow` without a time limit."""
    return swallow.call(flag)


@task(timeout=0.5)
def swallow(flag: str) -> str:
    """Takes the interrupt for an error of its own and goes on."""
    notes.note("swallows")
    while True:
        try:
            spin_until(flag)
        except Exception:
            notes.note("swallowed")
        else:
            notes.note("past the flag")
            return "late"


@task(timeout=0.5)
def call(gate: str) -> str:
    """Waits in a call that cannot be interrupted."""
    notes.wait_at(gate)
    notes.note(f"past {gate}")
    return "late"


@task(timeout=0.5)
def keep_gil() -> int:
    """A loop in C that lets nobody else into the interpreter."""
    notes.note("keeps the GIL")
    return sum(range(10**12))


@task(takes_context=True, max_attempts=4, backoff="fixed:0.1", retry_on=OSError)
def third_time(context: Any) -> int:
    """Works on its third attempt."""
    if context.attempt < 3:
        raise OSError(f"attempt {context.attempt}")
    return context.attempt


@task(at_most_once=True)
def once(gate: str) -> None:
    """Must not begin twice."""
    notes.wait_at(gate)


if "SITE_HAS_VANISHED" in os.environ:

    @task
    def vanished() -> None:
        """Is not in the site any more where the workers run."""
