"""Draws the pictures of the documentation: a real demo server, a real browser, real results.

`python scripts/screenshots.py [FOLDER]` writes to docs/images by default. Pictures are 1440 or 390 points wide.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
STORY = ROOT / "src" / "picasso" / "demo" / "story"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
SERVE = "from picasso.shell import serving; serving.run(serving.demonstration(0), False)"
MINUTES = 60_000


@contextlib.contextmanager
def demo() -> Iterator[str]:
    """Run the demo with a data folder of its own, and give its address."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "PICASSO_HOME": home}
        command = [sys.executable, "-u", "-c", SERVE]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            try:
                address = next((word for line in process.stdout for word in line.split() if "://" in word), "")
                if not address:
                    raise SystemExit("The demo did not start.")
                yield address.rstrip("/")
            finally:
                process.send_signal(signal.SIGINT)


@contextlib.contextmanager
def opened(browser: Browser, address: str, *, phone: bool = False, dark: bool = False) -> Iterator[Page]:
    """Open a page."""
    context = browser.new_context(
        viewport=PHONE if phone else DESK,  # type: ignore[arg-type]
        device_scale_factor=2 if phone else 1,
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        locale="en-US",
    )
    page = context.new_page()
    page.set_default_timeout(2 * MINUTES)
    page.goto(address)
    yield page
    context.close()


def chapter(page: Page, name: str) -> None:
    """Scroll to a chapter of the story."""
    page.locator(f"#{name}").evaluate("(one) => scrollTo(0, one.getBoundingClientRect().top + scrollY - 52)")
    page.wait_for_timeout(600)


def story(browser: Browser, address: str, folder: Path) -> None:
    """Draw the first page, chapter by chapter."""
    with opened(browser, address) as page:
        page.wait_for_selector("html[data-ready]")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=folder / "story.png")
        page.locator("#erased").scroll_into_view_if_needed()
        chapter(page, "erase")
        page.wait_for_timeout(2000)
        page.screenshot(path=folder / "story-erased.png")
        page.locator("#compute").click()
        page.locator("#map-state").get_by_text("Computed in").wait_for()
        page.wait_for_selector("#map-figure .figure[data-ready]")
        page.mouse.move(1, 1)
        chapter(page, "maps")
        page.screenshot(path=folder / "story-maps.png")
        chapter(page, "sky")
        page.locator("#cloudiness").fill("0")
        page.wait_for_timeout(600)
        page.screenshot(path=folder / "story-sky.png")
    with opened(browser, address, phone=True) as page:
        page.wait_for_selector("html[data-ready]")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=folder / "story-phone.png")


def workbench(browser: Browser, address: str, folder: Path) -> str:
    """Draw the workbench before and after a run; return the address of a result."""
    with opened(browser, f"{address}/explain?model=demo:tank-proxy") as page:
        page.wait_for_selector('[data-model="demo:tank-proxy"][data-state="ready"]')
        page.set_input_files("#file-input", [STORY / "tank-10.webp", STORY / "tank-00.webp"])
        page.locator(".thumb:not(.waiting)").nth(1).wait_for()
        page.wait_for_timeout(500)
        page.screenshot(path=folder / "workbench.png")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("picasso-result[data-state=done] .figure[data-ready]")
        page.wait_for_selector(".job-progress", state="hidden")
        page.locator(".pane").nth(1).hover(position={"x": 190, "y": 110})
        page.wait_for_timeout(500)
        page.screenshot(path=folder / "workbench-maps.png")
        key = page.locator("picasso-result").first.get_attribute("data-key")
        return f"{address}/results/{key}"


def result(browser: Browser, address: str, folder: Path) -> None:
    """Draw a result: on a desk in light and dark, and on a phone."""
    for name, phone, dark in (("result", False, False), ("result-dark", False, True), ("result-phone", True, False)):
        with opened(browser, address, phone=phone, dark=dark) as page:
            page.wait_for_selector(".figure[data-ready]")
            page.locator(".pane").nth(1).hover(position={"x": 90, "y": 60})
            page.wait_for_timeout(500)
            page.screenshot(path=folder / f"{name}.png")


def network(browser: Browser, address: str, folder: Path) -> None:
    """Draw the network page: the whole, and a layer."""
    for name, part in (("network", ""), ("network-layer", "&layer=relu4&view=activations")):
        with opened(browser, f"{address}/network?model=demo:tank-honest{part}") as page:
            page.wait_for_selector("picasso-result[data-state=done] [data-ready]")
            page.wait_for_timeout(800)
            page.screenshot(path=folder / f"{name}.png")


def main() -> None:
    """Draw everything."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    path = os.environ.get("PICASSO_TEST_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")
    with demo() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        story(browser, address, folder)
        result(browser, workbench(browser, address, folder), folder)
        network(browser, address, folder)
        for name in ("models", "visualizations", "history"):
            with opened(browser, f"{address}/{name}") as page:
                page.wait_for_selector("[aria-busy]", state="detached")
                page.wait_for_load_state("networkidle")
                page.screenshot(path=folder / f"{name}.png")
        browser.close()
    for picture in sorted(folder.glob("*.png")):
        print(picture)


if __name__ == "__main__":
    main()
