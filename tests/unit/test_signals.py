"""The signal shim: programs written for an ordinary process, stopped as the engine would.

Each program runs in a process's main interpreter and in a sub-interpreter with its own GIL. The
engine's part is played by a second thread of the same interpreter that waits until the program is
where it should be, and by ctypes in the place of corral._guest.
"""

import subprocess
import sys

import pytest

ENGINE = """
import ctypes, json, os, signal, sys, threading, time, types
import corral
from corral import signals, site

real_sleep = time.sleep
guest = sys.modules["corral._guest"] = corral._guest = types.ModuleType("corral._guest")
interrupts = []
def interrupt(thread, kind):
    interrupts.append(kind)
    set_async = ctypes.pythonapi.PyThreadState_SetAsyncExc
    set_async.argtypes = (ctypes.c_ulong, ctypes.py_object)
    if kind is None:
        set_async.argtypes = (ctypes.c_ulong, ctypes.c_void_p)
    return set_async(thread, kind)
guest.interrupt = interrupt

COMMAND = threading.get_ident()
delivered = threading.Semaphore(0)  # one for each stop that has had all of its effect

def is_inside(function):
    frame = sys._current_frames()[COMMAND]
    while frame is not None:
        if frame.f_code.co_name == function:
            return True
        frame = frame.f_back
    return False

def stop_inside(*functions, signum=signal.SIGTERM):
    '''The engine: once the program is inside each of the functions in turn, asks it to stop.'''
    def engine():
        try:
            for function in functions:
                give_up = time.monotonic() + 30
                while not is_inside(function):
                    if time.monotonic() > give_up:
                        print("the program never got into", function)
                        os._exit(9)
                    real_sleep(0.002)
                signals.deliver(signum)
                delivered.release()
        except BaseException as error:
            print("the engine failed:", repr(error))
            os._exit(9)
    thread = threading.Thread(target=engine)
    thread.start()
    return thread

def prepare(role):
    site.prepare(json.dumps({"role": role, "command": "tick", "paths": []}))

def run(program):
    '''As command._run() does; prints how the program ended and how long that took.'''
    try:
        with signals.running_command():
            result = program()
        print("returned", result)
    except BaseException as error:
        print("raised", type(error).__name__, error.args, getattr(error, "code", ""))
"""

IN_SUB_INTERPRETER = """
import sys
from concurrent import interpreters
inner = interpreters.create()
inner.prepare_main(code=sys.argv[1])
try:
    inner.exec("exec(code)")
finally:
    inner.close()
"""


@pytest.fixture(params=["main", "sub"])
def program(request, clean_env):
    """Runs Python text after ENGINE; returns its output's lines."""

    def run(text: str, role: str = "command") -> list[str]:
        code = f"{ENGINE}\nprepare({role!r})\n{text}"
        arguments = ["-c", IN_SUB_INTERPRETER, code] if request.param == "sub" else ["-c", code]
        result = subprocess.run(
            [sys.executable, "-P", *arguments],
            env=clean_env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode == 0, result
        assert result.stderr == ""
        return result.stdout.splitlines()

    return run


def test_the_default_action_ends_a_sleep(program):
    lines = program("""
def body():
    time.sleep(1000)
stop_inside("body")
run(body)
""")
    assert lines == ["raised KeyboardInterrupt () "]


def test_a_loop_is_interrupted_and_can_clean_up(program):
    lines = program("""
def body():
    try:
        while True:
            pass
    except KeyboardInterrupt:
        return "cleaned up"
stop_inside("body")
run(body)
print(interrupts)
""")
    assert lines == ["returned cleaned up", "[<class 'KeyboardInterrupt'>, None]"]


def test_a_handler_that_sets_a_flag_does_not_end_a_sleep(program):
    lines = program("""
seen = []
signal.signal(signal.SIGTERM, lambda number, frame: seen.append((number, frame.f_code.co_name)))
def body():
    started = time.monotonic()
    time.sleep(0.5)
    return time.monotonic() - started >= 0.5, len(seen)
engine = stop_inside("sleep")
run(body)
engine.join()
print(seen[0][0], interrupts)
""")
    assert lines == ["returned (True, 1)", "15 [None]"]


def test_a_handler_s_event_ends_a_wait(program):
    lines = program("""
stop = threading.Event()
signal.signal(signal.SIGINT, lambda *_: stop.set())
def body():
    return stop.wait(1000)
stop_inside("wait")
run(body)
""")
    assert lines == ["returned True"]


def test_sigterm_s_handler_comes_before_sigint_s(program):
    lines = program("""
stop = threading.Event()
signal.signal(signal.SIGINT, lambda *_: print("wrong"))
signal.signal(signal.SIGTERM, lambda *_: stop.set())
stop_inside("wait")
run(lambda: stop.wait(1000))
""")
    assert lines == ["returned True"]


@pytest.mark.parametrize(
    ("raising", "line"),
    [
        ("sys.exit(3)", "raised SystemExit (3,) 3"),
        ("sys.exit()", "raised SystemExit () None"),
        ("raise KeyboardInterrupt", "raised KeyboardInterrupt () "),
        ("raise KeyboardInterrupt('now')", "raised KeyboardInterrupt ('now',) "),
        ("raise OSError(2, 'gone')", "raised FileNotFoundError (2, 'gone') "),
        ("raise Shutdown(7, 'why')", "raised Shutdown ('7 why',) 7"),
    ],
)
def test_what_a_handler_raises_is_raised_in_the_command(program, raising, line):
    lines = program(f"""
class Shutdown(Exception):
    def __init__(self, code, why):
        super().__init__(f"{{code}} {{why}}")
        self.code = code
def handler(number, frame):
    {raising}
signal.signal(signal.SIGTERM, handler)
def body():
    try:
        time.sleep(1000)
    except (SystemExit, KeyboardInterrupt, OSError, Shutdown):
        raise
stop_inside("body")
run(body)
""")
    assert lines == [line]


def test_an_ignored_signal_changes_nothing(program):
    lines = program("""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
engine = stop_inside("body")
def body():
    engine.join()
    for _ in range(1000):
        pass
run(body)
print(interrupts)
""")
    assert lines == ["returned None", "[None]"]


def test_a_second_stop_reaches_a_program_that_survived_the_first(program):
    lines = program("""
def first():
    time.sleep(1000)
def second():
    time.sleep(1000)
def body():
    try:
        first()
    except KeyboardInterrupt:
        print("once")
    delivered.acquire()  # else the first stop's wake-up may still come, and end the next sleep
    second()
stop_inside("first", "second")
run(body)
""")
    assert lines == ["once", "raised KeyboardInterrupt () "]


def test_a_wake_up_does_not_shorten_a_later_sleep(program):
    lines = program("""
def body():
    try:
        while True:
            pass
    except KeyboardInterrupt:
        pass
    started = time.monotonic()
    time.sleep(0.2)
    return time.monotonic() - started >= 0.2
stop_inside("body")
run(body)
""")
    assert lines == ["returned True"]


def test_a_stop_after_the_end_interrupts_nothing(program):
    lines = program("""
run(lambda: "done")
threading.Thread(target=signals.deliver, args=(signal.SIGTERM,)).start()
for _ in range(1000):
    pass
print(interrupts)
""")
    assert lines == ["returned done", "[None]"]


def test_stops_at_the_very_end_never_leak(program):
    """Stops race with the end of the command; none may surface behind running_command()."""
    lines = program("""
leaks = 0
for round in range(300):
    go = threading.Event()
    engine = threading.Thread(target=lambda: (go.wait(), signals.deliver(signal.SIGTERM)))
    engine.start()
    try:
        with signals.running_command():
            go.set()
            for _ in range(round):
                pass
    except KeyboardInterrupt:
        pass
    try:
        engine.join()
        for _ in range(100):
            pass
    except KeyboardInterrupt:
        leaks += 1
print("leaks", leaks)
""")
    assert lines == ["leaks 0"]


def test_other_threads_sleep_undisturbed(program):
    lines = program("""
def nap():
    started = time.monotonic()
    time.sleep(0.3)
    print("slept", time.monotonic() - started >= 0.3)
other = threading.Thread(target=nap)
def body():
    other.start()
    time.sleep(1000)
stop_inside("body")
run(body)
other.join()
""")
    assert lines == ["raised KeyboardInterrupt () ", "slept True"]


def test_sleep_keeps_its_manners(program):
    lines = program("""
def body():
    for wrong in (-1, "x", None, float("nan")):
        try:
            time.sleep(wrong)
        except (ValueError, TypeError) as error:
            print(type(error).__name__, error)
    time.sleep(0)
    time.sleep(True and 0.001)
run(body)
""")
    assert lines == [
        "ValueError sleep length must be non-negative",
        "TypeError 'str' object cannot be interpreted as an integer or float",
        "TypeError 'NoneType' object cannot be interpreted as an integer or float",
        "ValueError Invalid value NaN (not a number)",
        "returned None",
    ]


def test_asyncio_run_is_cancelled(program):
    lines = program("""
import asyncio
async def main():
    try:
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0)
        print("cleaned up")
stop_inside("select")
run(lambda: asyncio.run(main()))
""")
    assert lines == ["cleaned up", "raised KeyboardInterrupt () "]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_asyncio_signal_handlers(program, name):
    lines = program(f"""
import asyncio
async def main():
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.{name}, stop.set)
    await stop.wait()
    print(loop.remove_signal_handler(signal.{name}), loop.remove_signal_handler(signal.{name}))
    return "stopped"
stop_inside("select")
run(lambda: asyncio.run(main()))
print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, signals._state.wakeup_fd)
""")
    assert lines == ["True False", "returned stopped", "True -1"]


def test_pause_and_sigwait(program):
    lines = program("""
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
stop_inside("pause")
run(signal.pause)
stop_inside("sigwait")
run(lambda: signal.sigwait({signal.SIGTERM, signal.SIGHUP}))
stop_inside("sigwaitinfo")
run(lambda: signal.sigwaitinfo([signal.SIGTERM]).si_signo)
stop_inside("sigtimedwait")
run(lambda: signal.sigtimedwait([signal.SIGTERM], 1000).si_signo)
run(lambda: signal.sigtimedwait([signal.SIGTERM], 0.01))
""")
    assert lines == [
        "handled",
        "returned None",
        "returned 15",
        "returned 15",
        "returned 15",
        "returned None",
    ]


def test_sigterm_goes_to_who_waits_for_sigint(program):
    lines = program("""
stop_inside("sigwait")
run(lambda: signal.sigwait([signal.SIGINT]))
""")
    assert lines == ["returned 2"]


def test_handlers_are_kept_and_returned(program):
    lines = program("""
def handler(number, frame):
    print("handler", number, frame.f_code.co_name)
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
print(signal.signal(signal.SIGHUP, handler) == signal.SIG_DFL)
print(signal.getsignal(signal.SIGHUP) is handler)
signal.raise_signal(signal.SIGHUP)
print(repr(signal.signal(signal.SIGHUP, 1) is handler), repr(signal.getsignal(signal.SIGHUP)))
signal.raise_signal(signal.SIGHUP)
print(repr(signal.getsignal(signal.SIGPIPE)))
signal.raise_signal(signal.SIGCHLD)
for number in (signal.SIGINT, signal.SIGTERM):
    try:
        signal.raise_signal(number)
    except BaseException as error:
        print(repr(error))
""")
    assert lines == [
        "True",
        "True",
        "True",
        "handler 1 <module>",
        "True <Handlers.SIG_IGN: 1>",
        "<Handlers.SIG_IGN: 1>",
        "KeyboardInterrupt()",
        "SystemExit(143)",
    ]


def test_mistakes_are_those_of_the_real_functions(program):
    lines = program("""
reader, writer = os.pipe()
for call in (
    lambda: signal.signal(0, print),
    lambda: signal.signal(65, print),
    lambda: signal.signal(signal.SIGTERM, "x"),
    lambda: signal.signal(signal.SIGTERM, 2),
    lambda: signal.signal(signal.SIGKILL, print),
    lambda: signal.getsignal(-1),
    lambda: signal.set_wakeup_fd(writer),
    lambda: signal.set_wakeup_fd(9999),
    lambda: signal.sigtimedwait([signal.SIGTERM], -1),
    lambda: signal.alarm(5),
    lambda: signal.setitimer(signal.ITIMER_REAL, 0.1),
):
    try:
        print(call())
    except Exception as error:
        print(type(error).__name__, error)
print(signal.alarm(0), signal.setitimer(signal.ITIMER_REAL, 0), signal.siginterrupt(15, False))
""")
    timers = "would signal the whole Corral process; use threading.Timer or asyncio's time-outs"
    handler = "signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object"
    assert lines[:6] == [
        "ValueError signal number out of range",
        "ValueError signal number out of range",
        f"TypeError {handler}",
        f"TypeError {handler}",
        "OSError [Errno 22] Invalid argument",
        "ValueError signal number out of range",
    ]
    assert lines[6].startswith("ValueError the fd ")
    assert lines[7:] == [
        "OSError [Errno 9] Bad file descriptor",
        "ValueError timeout must be non-negative",
        f"RuntimeError signal.alarm() {timers}",
        f"RuntimeError signal.setitimer() {timers}",
        "0 (0.0, 0.0) None",
    ]


def test_web_workers_get_their_handlers_and_no_exception(program):
    lines = program(
        """
signal.signal(signal.SIGTERM, lambda *_: print("closing"))
signals.deliver(signal.SIGTERM)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
signals.deliver(signal.SIGTERM)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signals.deliver(signal.SIGTERM)
print(time.sleep is real_sleep, interrupts)
""",
        role="web",
    )
    assert lines == ["closing", "True []"]
