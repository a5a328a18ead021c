"""Signals inside a worker: kept per interpreter, delivered when the engine asks user code to stop.

Real signals belong to the supervisor. In a worker, Python itself would refuse signal.signal()
(ValueError outside the main thread of the main interpreter). install() replaces the module's
functions so that programs written for an ordinary process find one:

- signal() and getsignal() keep handlers for this interpreter; set_wakeup_fd(), siginterrupt(),
  raise_signal(), pause() and the sigwait family work on them; asyncio's add_signal_handler() and
  the SIGINT handler of asyncio.run() come with them. In a command's worker threading.main_thread()
  is the command's thread.
- deliver() does what the arrival of a signal would. SIGTERM with its default action first looks for
  a SIGINT handler and then raises KeyboardInterrupt, where a process would die.

What differs from a process, and cannot be hidden:

- Only the engine's own stop is delivered (as SIGTERM). A handler for SIGHUP, SIGUSR1, SIGCHLD, ...
  is kept and runs only for raise_signal(). os.kill(os.getpid(), ...) signals the whole engine.
- A handler runs on another thread than the command's. Its frame argument is the command's frame;
  what it raises is raised in the command's thread, as a subclass made for that one exception.
- Exceptions reach the command between two Python instructions. time.sleep() ends at once for them;
  Lock.acquire(), Event.wait(), queue.get(), select(), socket and database calls end first. Loops
  that must stop promptly use a handler that sets their Event, or asyncio.
- Timers (alarm, setitimer) would signal the whole process and raise RuntimeError.
- Web and task workers get handlers, but no exception: their requests and jobs are left to finish.
"""

import contextlib
import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from types import FrameType
from typing import Any, NoReturn

Handler = Callable[[int, FrameType | None], Any] | int | None

_real_sleep = time.sleep
_CATCHABLE = frozenset(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}
_IGNORED_BY_PYTHON = {signal.SIGPIPE, signal.SIGXFSZ}
_HARMLESS = {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}


class _State:
    """This interpreter's signals. Its fields change under the GIL; `lock` guards `thread`."""

    def __init__(self) -> None:
        self.handlers: dict[int, Handler] = {
            number: signal.SIG_IGN if number in _IGNORED_BY_PYTHON else signal.SIG_DFL
            for number in _CATCHABLE
        }
        self.handlers[signal.SIGINT] = signal.default_int_handler
        self.wakeup_fd = -1
        self.thread: int | None = None  # the command's, while it runs
        # Reentrant: an interrupt that arrives right after the command's thread took it must not
        # keep that thread from taking it again.
        self.lock = threading.RLock()
        self.interrupted = _Bell()  # ends a sleep
        self.delivered = _Bell()  # ends pause() and sigwait()
        self.waiting: frozenset[int] = frozenset()  # what sigwait() waits for
        self.arrived: int | None = None  # and what came for it


class _Bell:
    """Something to wait for that another thread rings; a ring that nobody hears can be dropped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        with contextlib.suppress(RuntimeError):  # rung already
            self._lock.release()

    def drop(self) -> None:
        self._lock.acquire(blocking=False)

    def wait(self, seconds: float = -1) -> bool:
        rung = self._lock.acquire(timeout=seconds)
        _raise_what_is_due()
        return rung


def _raise_what_is_due() -> None:
    """Python raises another thread's exception where a function is entered, not where one ends."""


_state = _State()


def install(*, is_command: bool) -> None:
    """Replaces the functions of `signal` in this interpreter; for commands time.sleep too."""
    for function in (
        alarm, getsignal, pause, raise_signal, set_wakeup_fd, setitimer, siginterrupt,
        sigtimedwait, sigwait, sigwaitinfo,
    ):  # fmt: skip
        setattr(signal, function.__name__, function)
    signal.signal = set_handler
    if is_command:
        time.sleep = sleep
        thread = threading.current_thread()
        threading.main_thread = lambda: thread  # asyncio.run() handles SIGINT only there


# --- What the engine calls, on a second thread of the interpreter


def deliver(signum: int) -> None:
    """Asks the user code of this interpreter to stop, as the arrival of `signum` would."""
    number = _effective(signum)
    if number in _state.waiting:
        _state.arrived = number
        _state.delivered.ring()
        return
    handler = _state.handlers.get(number)
    if handler == signal.SIG_IGN:
        return
    if not callable(handler):  # the default action
        _raise_in_command(KeyboardInterrupt)
        return
    _write_wakeup(number)
    thread = _state.thread
    frame = sys._current_frames().get(thread) if thread is not None else None
    try:
        handler(number, frame)
    except BaseException as error:
        _raise_in_command(_reproduce(error))
    else:
        _state.delivered.ring()


def _effective(signum: int) -> int:
    """SIGTERM's default action kills a process; whoever handles SIGINT wants that instead."""
    if signum != signal.SIGTERM or signum in _state.waiting or _is_handled(signum):
        return signum
    ignores_sigint = _state.handlers[signal.SIGINT] == signal.SIG_IGN
    return signum if ignores_sigint and signal.SIGINT not in _state.waiting else signal.SIGINT


def _is_handled(signum: int) -> bool:
    handler = _state.handlers[signum]
    return callable(handler) or handler == signal.SIG_IGN


def _raise_in_command(kind: type[BaseException]) -> None:
    # A command that is just ending may keep the lock: nothing is left to interrupt then.
    if _state.thread is None or not _state.lock.acquire(timeout=1):
        return
    try:
        if _state.thread is not None:
            _interrupt(_state.thread, kind)
            _state.interrupted.ring()
            _state.delivered.ring()
    finally:
        _state.lock.release()


def _interrupt(thread: int, kind: type[BaseException] | None) -> None:
    from corral import _guest  # type: ignore[attr-defined]

    _guest.interrupt(thread, kind)


def _reproduce(error: BaseException) -> type[BaseException]:
    """A class that makes equals of `error`: only a class can be raised in another thread."""
    kind = type(error)
    if not error.args and not vars(error) and kind is not SystemExit:
        return kind

    def restore(self: BaseException, *_: object) -> None:
        with contextlib.suppress(Exception):  # its own __init__ may want other arguments
            kind.__init__(self, *error.args)
        self.args = error.args
        self.__dict__.update(vars(error))

    namespace = {
        "__new__": lambda cls, *_: kind.__new__(cls, *error.args),
        "__init__": restore,
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
    }
    try:
        copy = type(kind.__name__, (kind,), namespace)
        copy()
    except Exception:  # a class that cannot be subclassed or made this way
        return kind
    return copy


def _write_wakeup(number: int) -> None:
    if _state.wakeup_fd >= 0:
        with contextlib.suppress(OSError):  # full: a wake-up is on its way already
            os.write(_state.wakeup_fd, bytes([number]))


# --- The command's thread


class running_command:
    """While it is open, deliver() may raise exceptions in the calling thread; after it, never."""

    def __enter__(self) -> None:
        _state.thread = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        """An interrupt that comes during this is dropped: the command has ended."""
        while True:
            try:
                _state.lock.acquire()
                _state.thread = None
                with contextlib.suppress(ImportError):  # outside the engine nothing interrupts
                    _interrupt(threading.get_ident(), None)
                _state.lock.release()
                return
            except BaseException:
                continue


def sleep(seconds: float, /) -> None:
    """time.sleep(), ended early in the command's thread by an exception that is about to come."""
    is_plain = isinstance(seconds, int | float) and 0 < seconds <= threading.TIMEOUT_MAX
    if not is_plain or threading.get_ident() != _state.thread:
        return _real_sleep(seconds)
    _state.interrupted.drop()
    _state.interrupted.wait(seconds)
    return None


def pause() -> None:
    """signal.pause(): until a handler has run, or an exception comes."""
    _state.delivered.drop()
    _state.delivered.wait()


def sigwait(sigset: Collection[int], /) -> signal.Signals:
    """signal.sigwait(): takes the stop request in place of its handler."""
    number = _wait_for(sigset, -1)
    assert number is not None
    return signal.Signals(number)


def sigwaitinfo(sigset: Collection[int], /) -> signal.struct_siginfo:
    """signal.sigwaitinfo(), as from this process itself."""
    return _siginfo(sigwait(sigset))


def sigtimedwait(sigset: Collection[int], timeout: float, /) -> signal.struct_siginfo | None:
    """signal.sigtimedwait(), as from this process itself."""
    if timeout < 0:
        raise ValueError("timeout must be non-negative")
    number = _wait_for(sigset, timeout)
    return None if number is None else _siginfo(number)


def _wait_for(sigset: Collection[int], seconds: float) -> int | None:
    for number in sigset:
        _check_number(number)
    _state.arrived = None
    _state.delivered.drop()
    _state.waiting = frozenset(map(int, sigset))
    deadline = time.monotonic() + seconds
    try:
        while _state.arrived is None:
            left = max(0.0, deadline - time.monotonic()) if seconds >= 0 else -1
            if not _state.delivered.wait(left):
                break
        return _state.arrived
    finally:
        _state.waiting = frozenset()


def _siginfo(number: int) -> signal.struct_siginfo:
    return signal.struct_siginfo((int(number), 0, 0, os.getpid(), os.getuid(), 0, 0))


# --- The functions of the signal module, any thread


def set_handler(signalnum: int, handler: Handler, /) -> Handler:
    """signal.signal(): keeps the handler for this interpreter; returns the one before."""
    number = _check_number(signalnum)
    if not callable(handler):
        if handler not in (signal.SIG_DFL, signal.SIG_IGN):
            raise TypeError(
                "signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object"
            )
        handler = signal.Handlers(handler)
    if number not in _CATCHABLE:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    before = _state.handlers[number]
    _state.handlers[number] = handler
    return before


def getsignal(signalnum: int, /) -> Handler:
    """signal.getsignal() of what set_handler() keeps."""
    return _state.handlers.get(_check_number(signalnum), signal.SIG_DFL)


def raise_signal(signalnum: int, /) -> None:
    """signal.raise_signal(): runs the handler here and now."""
    number = _check_number(signalnum)
    handler = _state.handlers.get(number, signal.SIG_DFL)
    if callable(handler):
        _write_wakeup(number)
        handler(number, sys._getframe(1))
        _state.delivered.ring()
    elif handler == signal.SIG_DFL and number not in _HARMLESS:
        raise SystemExit(128 + number)


def set_wakeup_fd(fd: int, /, *, warn_on_full_buffer: bool = True) -> int:
    """signal.set_wakeup_fd(): deliver() writes the signal's number to it."""
    if fd != -1 and os.get_blocking(fd):  # OSError when it is not open
        raise ValueError(f"the fd {fd} must be in non-blocking mode")
    before = _state.wakeup_fd
    _state.wakeup_fd = fd
    return before


def siginterrupt(signalnum: int, flag: bool, /) -> None:
    """signal.siginterrupt(): nothing to change, as no system call is interrupted."""
    _check_number(signalnum)


def alarm(seconds: int, /) -> int:
    """signal.alarm(): refused, except to cancel."""
    if seconds:
        _refuse_timer("signal.alarm()")
    return 0


def setitimer(which: int, seconds: float, interval: float = 0.0, /) -> tuple[float, float]:
    """signal.setitimer(): refused, except to cancel."""
    if seconds:
        _refuse_timer("signal.setitimer()")
    return 0.0, 0.0


def _refuse_timer(name: str) -> NoReturn:
    raise RuntimeError(
        f"{name} would signal the whole Corral process; use threading.Timer or asyncio's time-outs"
    )


def _check_number(signalnum: int) -> int:
    number = int(signalnum)
    if not 1 <= number < signal.NSIG:
        raise ValueError("signal number out of range")
    return number
