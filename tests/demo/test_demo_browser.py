"""The real `corral demo` in a real browser: drop a file, watch its tasks finish, Ctrl-C."""

import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest

from harness import Corral

PROGRAM = chromium.find_program()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine")

STATE = "document.querySelector('[data-card=result-%s] [data-state]').dataset.state"
FINISHED = "document.querySelector('[data-jobs]')?.dataset.unfinished === '0'"


class Demo(Corral):
    """`corral demo DIR`. Its standard output, a line for people, is dropped."""

    def __init__(self, directory: Path) -> None:
        super().__init__(None, directory)
        command = [sys.executable, "-P", "-m", "corral", "demo", str(directory / "demo")]
        options = ["--bind=127.0.0.1:0", "--log-format=json", "--workers=2", "--task-workers=2"]
        self._command = ["sh", "-c", 'exec "$0" "$@" >/dev/null', *command, *options]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(tmp_path_factory.mktemp("demo")) as server:
        yield server
        ended = server.stop(signal.SIGINT)
        assert ended.code == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[chromium.Page]:
    assert PROGRAM
    with chromium.browse(PROGRAM) as page:
        yield page


@pytest.fixture
def page(browser: chromium.Page, demo: Demo) -> Iterator[chromium.Page]:
    """The start page. Whatever a page complains about in its console fails the test."""
    browser.complaints.clear()
    browser.resize(1200, 1000)
    browser.open(demo.url)
    yield browser
    assert browser.complaints == []


def slow_text(words: int = 900) -> str:
    """Comparing so many words of one length keeps a processor busy for seconds."""
    letters = random.Random(7)
    return " ".join("".join(letters.choices("abcdefgh", k=9)) for _ in range(words))


def wait_for_document(page: chromium.Page) -> None:
    page.wait_until("location.pathname.startsWith('/documents/') && document.querySelector('h1')")


def test_dropped_text_is_analysed_while_the_page_watches(page, tmp_path):
    file = tmp_path / "nine letters.txt"
    file.write_text(slow_text())
    page.drop_files("[data-drop]", file)
    wait_for_document(page)
    assert page.evaluate("document.querySelector('h1').textContent") == "nine letters.txt"
    page.evaluate("window.same = true")

    page.wait_until(STATE % "lookalikes" + " === 'running'")
    page.wait_until(FINISHED)
    assert page.evaluate("window.same") is True, "the page was loaded again"
    states = page.evaluate(
        "[...document.querySelectorAll('[data-card]')]"
        ".map(row => [row.dataset.card, row.querySelector('[data-state]').dataset.state])"
    )
    expected = dict.fromkeys(("count", "words", "phrases", "compress", "lookalikes", "verify"))
    assert dict(states) == {f"result-{kind}": "done" for kind in expected} | {
        "result-fail": "failed"
    }
    figures = page.evaluate("document.querySelector('#result-count dd').textContent")
    assert figures == "900"
    assert "DeliberateFailure" in page.evaluate(
        "document.querySelector('#result-fail .error').textContent"
    )
    workers = page.evaluate(
        "[...document.querySelectorAll('[data-worker]')].map(cell => cell.textContent)"
    )
    assert all(worker.startswith("tasks.") for worker in workers)


def test_chosen_table_shows_its_columns(page, tmp_path):
    file = tmp_path / "people.csv"
    file.write_text("name,height\nAnna,1.72\nBen,1.8\n")
    page.choose_files("#files", file)
    page.evaluate("document.querySelector('[data-drop] button').click()")
    wait_for_document(page)
    page.wait_until(STATE % "columns" + " === 'done'")
    page.wait_until("document.querySelector('#result-columns td')")
    assert page.evaluate(
        "[...document.querySelectorAll('#result-columns tbody th')].map(cell => cell.textContent)"
    ) == ["name", "height"]


def test_a_binary_file_is_refused_by_the_server(page, tmp_path):
    file = tmp_path / "noise.txt"
    file.write_bytes(bytes(range(256)) * 10)
    page.choose_files("#files", file)
    page.evaluate("document.querySelector('[data-drop] button').click()")
    page.wait_until("document.querySelector('.messages')")
    assert "noise.txt is not text" in page.evaluate(
        "document.querySelector('.messages').textContent"
    )


def test_a_large_file_is_taken_and_a_too_large_one_is_not_even_sent(page, tmp_path):
    file = tmp_path / "large.txt"
    file.write_text("so it goes on and on " * 390_000)  # just below 8 MiB
    assert 8_000_000 < file.stat().st_size <= 8 * 2**20
    page.choose_files("#files", file)
    page.evaluate("document.querySelector('[data-drop] button').click()")
    wait_for_document(page)
    page.wait_until(STATE % "count" + " === 'done'")

    page.evaluate("location.href = '/'")
    page.wait_until("location.pathname === '/' && document.readyState === 'complete'")
    file.write_text("x" * (8 * 2**20 + 1))
    page.choose_files("#files", file)
    error = "document.querySelector('#drop-error')"
    page.wait_until(f"!{error}.hidden")
    assert "large.txt is too large" in page.evaluate(f"{error}.textContent")
    page.evaluate("document.querySelector('[data-drop] button').click()")
    assert page.evaluate("location.pathname") == "/"


def test_the_start_page_follows_everything(page):
    page.evaluate("document.querySelector('form[action=\"/again/\"] button').click()")
    page.wait_until("Number(document.querySelector('[data-jobs]')?.dataset.unfinished) > 7")
    page.wait_until(FINISHED, time_max_s=120)
    assert page.evaluate("document.querySelector('[data-count=ready]').textContent") == "0"


def test_pages_fit_a_phone(page):
    page.resize(360, 740)
    links = page.evaluate("[...document.querySelectorAll('.documents a')].map(a => a.href)")
    assert links
    for url in [page.evaluate("location.href"), *links]:
        page.open(url)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), url


def test_every_control_has_a_name(page):
    unnamed = """[...document.querySelectorAll('input:not([type=hidden]), button, a, summary')]
        .filter(e => !(e.labels?.length || e.ariaLabel || e.textContent.trim()))
        .map(e => e.outerHTML)"""
    assert page.evaluate(unnamed) == []
    page.evaluate("document.querySelector('.documents a').click()")
    wait_for_document(page)
    assert page.evaluate(unnamed) == []


def test_the_admin_lists_the_jobs(page, demo):
    page.open(f"{demo.url}/admin/")
    page.evaluate(
        "document.querySelector('#id_username').value = 'demo',"
        "document.querySelector('#id_password').value = 'demo',"
        "document.querySelector('#login-form').submit()"
    )
    page.wait_until("document.querySelector('#content-main')")
    page.open(f"{demo.url}/admin/corral_tasks/job/?status=SUCCESSFUL")
    rows = page.evaluate(
        "[...document.querySelectorAll('#result_list .field-task_path')].map(c => c.textContent)"
    )
    assert "corral.demo.tasks.count" in rows
