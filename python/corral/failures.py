"""Turns an exception of user code into the one line that an operator needs.

The line says what is wrong, where in the user's own code, and what to do. The traceback is printed
only when asked for: log level debug, or CORRAL_DEBUG in the environment.
"""

import os
import re
import sys
import sysconfig
from collections.abc import Iterator
from types import TracebackType

from corral.exceptions import WorkerException, WorkerInitializationError

LINE_CHARACTERS_MAX = 600

# Modules of Django that import what a setting names.
_READERS = {
    "django.apps.config": "INSTALLED_APPS",
    "django.core.handlers.base": "MIDDLEWARE",
    "django.urls.resolvers": "ROOT_URLCONF or an error handler",
}

_REFUSAL = re.compile(r"module (\S+) does not support loading in subinterpreters")


def describe(exc: BaseException) -> str:
    """One line for `exc`. Never raises."""
    try:
        return _one_line(_describe(exc))
    except Exception as error:  # an exception whose own __str__ fails
        return f"{type(exc).__name__} (and no text: {type(error).__name__} while reading it)"


def load_failure(exc: BaseException, what: str = "") -> WorkerException:
    """The exception to raise in place of `exc`; `what` names what was being loaded.

    Prints the traceback when debugging. What is Corral's own already is returned as it is.
    """
    print_traceback(exc)
    if isinstance(exc, WorkerException):
        return exc
    line = describe(exc)
    return WorkerInitializationError(_one_line(f"{what}: {line}" if what else line))


def print_traceback(exc: BaseException) -> None:
    """Writes the traceback to standard error, only when debugging."""
    if os.environ.get("CORRAL_DEBUG"):
        import traceback

        traceback.print_exception(exc)


def _describe(exc: BaseException) -> str:
    if isinstance(exc, WorkerException):
        return str(exc) or type(exc).__name__
    for link in _chain(exc):
        if isinstance(link, ImportError) and (match := _REFUSAL.search(str(link))):
            return _describe_refusal(match[1], link)
    if isinstance(exc, SyntaxError):
        return _describe_syntax(exc)
    if isinstance(exc, SystemExit):
        return f"the site called sys.exit({exc.code!r}) while loading{_place(exc)}"
    if isinstance(exc, ModuleNotFoundError) and exc.name:
        return f"there is no module named {exc.name!r}{_importer(exc)}"
    if isinstance(exc, ImportError):
        return f"{exc}{_importer(exc)}"
    text = str(exc)
    name = type(exc).__name__
    return f"{name}: {text}{_place(exc)}" if text else f"{name}{_place(exc)}"


def _describe_refusal(module: str, exc: ImportError) -> str:
    """A compiled module that cannot be loaded twice in a process."""
    innermost, own = "", ""
    for file, line, name in _frames(exc.__traceback__):
        innermost = f"{file}:{line}, module {name}"
        if not _is_library(file):
            own = innermost
    importer = f" (imported by {innermost}" if innermost else ""
    if own and own != innermost:
        importer += f"; wanted by {own}"
    importer += ")" if importer else ""
    return f"module {module}{importer} refuses to load in a sub-interpreter; {_remedy()}"


def _remedy() -> str:
    site = sys.modules.get("corral.site")
    role = site.role() if site else "web"
    if role == "web":
        return "start with --isolation process"
    if role == "tasks":
        return "task workers need modules that allow it: import it elsewhere, or --task-workers 0"
    return "commands need modules that allow it: import it elsewhere, or run the command by itself"


def _describe_syntax(exc: SyntaxError) -> str:
    place = f" in {exc.filename}:{exc.lineno}" if exc.filename else ""
    code = f": {exc.text.strip()}" if exc.text and exc.text.strip() else ""
    return f"syntax error{place}: {exc.msg}{code}"


def _chain(exc: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = exc
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _place(exc: BaseException) -> str:
    """The innermost frame of the user's own code, else of any, as ` (file:line)`."""
    frames = list(_frames(exc.__traceback__))
    own = [frame for frame in frames if not _is_library(frame[0])]
    if not (own or frames):
        return ""
    file, line, _ = (own or frames)[-1]
    return f" ({file}:{line})"


def _importer(exc: BaseException) -> str:
    frames = list(_frames(exc.__traceback__))
    if not frames:
        return ""
    readers = [name for _, _, name in frames if name != "django.utils.module_loading"]
    if readers and readers[-1] in _READERS:
        return f" (named in {_READERS[readers[-1]]})"
    own = [frame for frame in frames if not _is_library(frame[0])]
    file, line, name = (own or frames)[-1]
    return f" (imported by {file}:{line}, module {name})"


def _frames(traceback: TracebackType | None) -> Iterator[tuple[str, int, str]]:
    """(file, line, module) of each frame, outermost first, without the import system and Corral."""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        name = traceback.tb_frame.f_globals.get("__name__", "?")
        own = name == "corral" or (
            name.startswith("corral.") and not name.startswith("corral.demo")
        )
        if not own and name.partition(".")[0] != "importlib" and "<frozen " not in code.co_filename:
            yield code.co_filename, traceback.tb_lineno or 0, name
        traceback = traceback.tb_next


def _is_library(file: str) -> bool:
    if "/site-packages/" in file or "/dist-packages/" in file:
        return True
    return any(file.startswith(f"{folder}/") for folder in _library_folders())


def _library_folders() -> set[str]:
    return {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LINE_CHARACTERS_MAX else line[: LINE_CHARACTERS_MAX - 3] + "..."
