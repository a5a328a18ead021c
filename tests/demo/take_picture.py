"""Takes the pictures in docs/images: `python tests/demo/take_picture.py`, needs Chromium."""

import subprocess
import sys
import tempfile
from pathlib import Path

import chromium

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "images"


def main() -> int:
    """Start the demo and picture it in the middle of its work."""
    program = chromium.find_program()
    if program is None:
        print("no Chromium on this machine", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-P", "-m", "corral", "demo", f"{folder}/demo"]
        server = subprocess.Popen(
            [*command, "--bind=127.0.0.1:8765", "--workers=2", "--task-workers=2"],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert server.stderr and any("listening on" in line for line in server.stderr)
            with chromium.browse(program) as page:
                picture_start(page, "http://127.0.0.1:8765/")
                picture_document(page)
        finally:
            server.terminate()
            server.communicate()
    return 0


def picture_start(page: chromium.Page, url: str) -> None:
    """The start page when some jobs run and some wait."""
    page.resize(1200, 900)
    page.open(url)
    page.wait_until("document.querySelector('[data-jobs]').dataset.unfinished === '0'")
    page.evaluate("document.querySelector('form[action=\"/again/\"] button').click()")
    page.wait_until("Number(document.querySelector('[data-jobs]')?.dataset.unfinished) > 7")
    page.wait_until("document.querySelectorAll('.jobs [data-state=done]').length > 5")
    page.screenshot(PICTURES / "demo.png")


def picture_document(page: chromium.Page) -> None:
    """The page of a long text while its slow task runs."""
    page.wait_until("document.querySelector('[data-jobs]').dataset.unfinished === '0'")
    page.evaluate(
        "[...document.querySelectorAll('.documents a')]"
        ".find(link => link.textContent.includes('reference')).click()"
    )
    page.wait_until("document.querySelector('.about form')")
    page.evaluate("document.querySelector('.about form button').click()")
    page.wait_until("document.querySelector('.jobs [data-state=running]')")
    page.wait_until("document.querySelectorAll('.jobs [data-state=done]').length > 3")
    page.wait_until("document.querySelectorAll('.card[data-state=done]').length > 3")
    page.screenshot(PICTURES / "demo-document.png")


if __name__ == "__main__":
    sys.exit(main())
