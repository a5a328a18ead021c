"""The shapes that travel between the table, the store and the runner, and how they become text.

JSON is written as ASCII and kept in text columns: what a task returned comes back exactly (key
order, 1e22 and NaN as floats, NUL characters, lone surrogates), which JSON types of databases do
not promise, and no value a task can produce makes the database refuse a whole batch.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Container
from json.encoder import c_make_encoder, encode_basestring_ascii
from typing import Any

MESSAGE_CHARS_MAX = 4_000
TRACEBACK_CHARS_MAX = 200_000
TRACEBACKS_MAX = 20  # of a job's latest errors; the older ones keep class and message

WORKER_CRASHED = "corral.exceptions.WorkerCrashed"
TASK_EXECUTION_ERROR = "corral.exceptions.TaskExecutionError"
TASK_TIMEOUT = "corral.exceptions.TaskTimeout"
TASK_CANCELLED = "corral.exceptions.TaskCancelled"
# Of a job that was cancelled while it did not run.
CANCELLED_WAITING = "it was cancelled while it waited"

_encoder = json.JSONEncoder(separators=(",", ":"), check_circular=False)
_decoder = json.JSONDecoder()
loads = json.loads


def _make_dumps() -> Callable[[Any], str]:
    if c_make_encoder is None:
        return _encoder.encode
    # What _encoder.encode() makes anew for each text.
    encode = c_make_encoder(
        None, _encoder.default, encode_basestring_ascii, None, ":", ",", False, False, True
    )
    return lambda value: "".join(encode(value, 0))


# Values without circles: they are normalized before, or ours.
dumps = _make_dumps()


def parse(payload: bytes) -> Any:
    """What is in a payload, ASCII without anything around it. Raises ValueError."""
    return _decoder.raw_decode(payload.decode("ascii"))[0]


def error_entry(class_path: str, message: str, trace: str) -> dict[str, str]:
    """One element of a job's `errors`: Django's TaskError, and the message for people."""
    return {"exception_class_path": class_path, "message": message, "traceback": trace}


def plain_error(class_path: str, message: str) -> dict[str, str]:
    """An entry for a failure that no Python exception of the task stands behind."""
    return error_entry(class_path, message, f"{class_path}: {message}\n")


def with_error(entries: list[dict[str, str]], entry: dict[str, str]) -> list[dict[str, str]]:
    """`entries`, a job's errors, and one more; those long ago lose their tracebacks."""
    old = max(len(entries) + 1 - TRACEBACKS_MAX, 0)
    shortened = [plain_error(e["exception_class_path"], e["message"]) for e in entries[:old]]
    return [*shortened, *entries[old:], entry]


def exception_entry(error: BaseException, *, hidden_files: Container[str] = ()) -> dict[str, str]:
    """`error` as an entry; never raises, whatever its `__str__` or its traceback do.

    Outermost frames in `hidden_files` are left out: the caller's own, which tell the reader
    nothing.
    """
    kind = type(error)
    return error_entry(
        f"{kind.__module__}.{kind.__qualname__}", _message(error), _trace(error, hidden_files)
    )


def _message(error: BaseException) -> str:
    try:
        return str(error)[:MESSAGE_CHARS_MAX]
    except BaseException:
        return "<its text could not be made>"


def _trace(error: BaseException, hidden_files: Container[str]) -> str:
    try:
        frames = error.__traceback__
        while frames and frames.tb_next and frames.tb_frame.f_code.co_filename in hidden_files:
            frames = frames.tb_next
        text = "".join(traceback.format_exception(type(error), error, frames))
    except BaseException:
        return f"{type(error).__qualname__}: <its traceback could not be made>\n"
    if len(text) <= TRACEBACK_CHARS_MAX:
        return text
    half = TRACEBACK_CHARS_MAX // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"


def is_outcome(record: Any) -> bool:
    """True when `record`, a parsed result, is what `runner` makes.

    `began`, `ended`: nanoseconds of time.monotonic_ns(). `return_value`, `errors`, `worker_ids`:
    texts of the columns; `error`: an entry to add to the row's errors instead.
    `retry_in`: microseconds (>= 0) after which the job may run again; then it is READY and nothing
    is final. `retention`: seconds after `ended` when the row may be pruned, null for never; absent,
    the backend's default for failed jobs.
    """
    return (
        isinstance(record, dict)
        and isinstance(record.get("began"), int)
        and isinstance(record.get("ended"), int)
    )
