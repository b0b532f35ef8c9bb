"""A real browser for the tests of the web pages, strict about what a page does.

`page` fails its test on any console error, uncaught exception, breach of the content security policy, and request
that leaves this machine. `axe(page)` fails on serious accessibility faults. `server` is a real Picasso in a process of
its own, with the demo, the models and the plug-ins of house.py.
"""

import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, expect, sync_playwright

from tests.homes import furnish_home

from . import house

AXE = Path(__file__).resolve().parents[2] / "node_modules/axe-core/axe.min.js"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A camera that draws a clock. Whether a page gets it is asked as ever: refused, unless a test grants it.
    "--use-fake-device-for-media-stream",
    # Even a page that asks for another machine never reaches it; the test still fails for asking.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
# Runs before the page's own scripts, in each frame.
WATCH_CSP = """addEventListener("securitypolicyviolation", ({effectiveDirective, blockedURI, sourceFile, lineNumber}) =>
    reportCspBreach(`${effectiveDirective} blocked ${blockedURI} at ${sourceFile}:${lineNumber}`))"""
RUN_AXE = """async ([scope, options]) => (await axe.run(scope ?? document, {resultTypes: ["violations"], ...options}))
    .violations.map(({id, impact, help, nodes}) => ({id, impact, help, nodes: nodes.map(
        ({target, html, failureSummary}) => ({target: target.join(" "), html, failureSummary}))}))"""

OF_COLORS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
"""The rules of axe whose answer another color scheme may change."""


@dataclass
class Problems:
    """What went wrong on a page, and what a test has said it expects."""

    found: list[str] = field(default_factory=list)
    expected: list[re.Pattern[str]] = field(default_factory=list)

    def expect(self, pattern: str) -> None:
        """Let problems that fit a pattern pass: a test of an error page expects the browser to report its status."""
        self.expected.append(re.compile(pattern))

    def unexpected(self) -> list[str]:
        return [one for one in self.found if not any(pattern.search(one) for pattern in self.expected)]


def browser_path() -> str:
    named = os.environ.get("PICASSO_TEST_BROWSER")
    for name in [named] if named else ["chromium", "chromium-browser", "google-chrome"]:
        if path := shutil.which(name):
            return path
    pytest.fail("The browser tests need Chromium: run scripts/install_browser.sh.", pytrace=False)


# Not for the whole session: while Playwright runs, this thread has an event loop, and asyncio.run fails in other tests.
# (The scope needs the __init__.py in this folder.)
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def problems() -> Problems:
    """The problems of this test's page, as they come: `problems.expect("status of 404")` lets one pass."""
    return Problems()


@pytest.fixture
def page(browser: Browser, problems: Problems) -> Iterator[Page]:
    """A fresh page, with no cookies or storage, that fails the test when anything goes wrong on it."""

    def console(message: ConsoleMessage) -> None:
        if message.type == "error":
            place = message.location
            problems.found.append(f"console error: {message.text} ({place.get('url')}:{place.get('lineNumber')})")

    def request(sent: Request) -> None:
        url = urlsplit(sent.url)
        if url.scheme not in {"data", "blob", "about"} and url.hostname != "127.0.0.1":
            problems.found.append(f"request leaves this machine: {sent.method} {sent.url}")

    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US")
    context.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)  # A busy machine is slow, not wrong.
    context.expose_function("reportCspBreach", lambda text: problems.found.append(f"CSP breach: {text}"))
    context.add_init_script(WATCH_CSP)
    context.on("console", console)
    context.on("weberror", lambda error: problems.found.append(f"uncaught: {error.error}"))
    context.on("request", request)
    page = context.new_page()
    yield page
    try:
        page.evaluate("0")  # Lets what the page has sent so far arrive.
    except Error:
        problems.found.append("the page was closed or had crashed when its test ended")
    context.close()
    if unexpected := problems.unexpected():
        pytest.fail("The page had problems:\n" + "\n".join(f"  {one}" for one in unexpected), pytrace=False)


@pytest.fixture
def axe() -> Callable[..., None]:
    """A function that fails on accessibility faults: `axe(page)`, `axe(page, "main")`, `axe(page, rules={...})`.

    `axe(page, dark=True)` looks at the page in light colors, then in dark ones at what colors decide.
    """
    if not AXE.is_file():
        pytest.fail("The accessibility tests need axe-core: run scripts/install_axe.sh.", pytrace=False)
    source = AXE.read_text(encoding="utf-8")

    def check(page: Page, scope: str | None = None, *, rules: dict[str, Any] | None = None, dark: bool = False) -> None:
        page.evaluate(source)  # From outside the page, so its content security policy need not allow it.
        options = {"rules": rules} if rules else {}
        if dark:
            page.emulate_media(color_scheme="light", reduced_motion="reduce")
            look(page, scope, options)
            page.emulate_media(color_scheme="dark", reduced_motion="reduce")
            look(page, scope, options | {"runOnly": OF_COLORS})
        else:
            look(page, scope, options)

    def look(page: Page, scope: str | None, options: dict[str, Any]) -> None:
        violations = page.evaluate(RUN_AXE, [scope, options])
        lines: list[str] = []
        for violation in violations:
            if violation["impact"] not in {"serious", "critical"}:
                continue
            lines.append(f"{violation['impact']}: {violation['help']} ({violation['id']})")
            for node in violation["nodes"]:
                lines += [f"    {node['target']}", f"        {node['html']}"]
                lines += [f"        {line}" for line in (node["failureSummary"] or "").splitlines()]
        if lines:
            colors = ", in dark colors" if "runOnly" in options else ""
            pytest.fail(f"Accessibility faults on {page.url}{colors}:\n" + "\n".join(lines), pytrace=False)

    return check


class Server:
    """A running Picasso.

    Attributes:
        address: Where it is, without a slash at the end.
        api: A client of its API.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        # A connection that was kept may be closed by the server just as it is used again.
        fresh = httpx.Limits(max_keepalive_connections=0)
        self.api = httpx.Client(base_url=f"{self.address}/api/v1", timeout=120, limits=fresh)

    def get(self, path: str) -> Any:
        """Return what the API says."""
        answer = self.api.get(path)
        answer.raise_for_status()
        return answer.json()

    def upload(self, data: bytes, name: str = "picture.png") -> str:
        """Upload a picture and return its digest."""
        answer = self.api.post("/pictures", files={"files": (name, data)})
        answer.raise_for_status()
        return str(answer.json()["pictures"][0]["digest"])

    def run(self, model: str, digest: str, visualization: str, **more: Any) -> str:
        """Run a job of one picture to its end and return its result's key."""
        request = {"model": model, "pictures": [digest], "visualization": visualization, **more}
        answer = self.api.post("/jobs", json=request)
        answer.raise_for_status()
        job = answer.json()
        with self.api.stream("GET", f"/jobs/{job['id']}/events") as events:
            for _ in events.iter_lines():
                pass
        task = self.get(f"/jobs/{job['id']}")["tasks"][0]
        assert task["result"], task
        return str(task["result"])

    def array(self, reference: dict[str, Any]) -> np.ndarray[Any, Any]:
        """Fetch an array of a panel."""
        answer = self.api.get(reference["url"].removeprefix("/api/v1"))
        answer.raise_for_status()
        return np.frombuffer(answer.content, reference["dtype"]).reshape(reference["shape"])


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that all browser tests of this process share."""
    folder = tmp_path_factory.mktemp("house")
    house.furnish(folder)
    environment = {**os.environ, "PICASSO_HOME": str(furnish_home(folder / "home"))}
    command = [sys.executable, house.__file__, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address, "the server did not start"
            found = Server(address)
            yield found
            found.api.close()
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()


def picture(width: int = 96, height: int = 64, seed: int = 0, **save: Any) -> bytes:
    """A PNG (or what `save` says) whose upper part is red, with a little noise that `seed` decides."""
    pixels = np.random.default_rng(seed).integers(0, 40, (height, width, 3)).astype(np.uint8)
    pixels[: height // 2, :, 0] += 200
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, **{"format": "PNG", **save})
    return buffer.getvalue()


def show_all(page: Page) -> None:
    """Open every folded part of a page."""
    page.evaluate("for (const one of document.querySelectorAll('details:not(.menu)')) one.open = true")
