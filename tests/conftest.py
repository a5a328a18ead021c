"""For all tests: `import harness` works, a failed test shows the logs of its servers, and a run
that is told to end stops them.
"""

import signal
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("harness.client", "harness.server")

from harness import take_logs  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    # SIGTERM (a time limit of CI) would leave every server running; so it counts as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections += take_logs()
    # Reports travel between processes as UTF-8; some tests log what that cannot hold.
    report.sections = [(title, _as_utf8(text)) for title, text in report.sections]
    return report


def _as_utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
