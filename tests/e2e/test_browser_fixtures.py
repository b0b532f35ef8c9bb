"""The watch over the pages: each kind of problem is seen, and a sound page has none."""

import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page

CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src *; base-uri 'none'"
FRAME = """<!doctype html><html lang="en"><head><title>A page</title><link rel="icon" href="/icon.svg">{head}</head>
<body><main><h1>A page</h1>{body}</main></body></html>"""
PAGES = {
    "/sound": FRAME.format(head='<script src="/sound.js" type="module"></script>', body="<p>All is well.</p>"),
    "/console": FRAME.format(head='<script src="/console.js"></script>', body=""),
    "/uncaught": FRAME.format(head='<script src="/uncaught.js"></script>', body=""),
    "/inline": FRAME.format(head="<script>document.title = 'inline'</script>", body=""),
    "/outside": FRAME.format(head='<script src="/outside.js"></script>', body=""),
    "/dim": FRAME.format(head='<link rel="stylesheet" href="/dim.css">', body="<p>Can you read this?</p>"),
    "/unlabeled": FRAME.format(head="", body='<input type="text"><button></button>'),
}
SCRIPTS = {
    "/sound.js": "document.title = 'Sound'",
    "/console.js": "console.error('something is wrong')",
    "/uncaught.js": "throw new Error('nobody caught me')",
    "/outside.js": "fetch('http://elsewhere.example/x').catch(() => {})",
}
STYLES = {"/dim.css": "@media (prefers-color-scheme: dark) { html { background: #222 } body { color: #333 } }"}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        kinds = (
            (PAGES, "text/html"),
            (SCRIPTS, "text/javascript"),
            (STYLES, "text/css"),
            ({"/icon.svg": "<svg/>"}, "image/svg+xml"),
        )
        for files, kind in kinds:
            if self.path in files:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Security-Policy", CSP)
                self.end_headers()
                self.wfile.write(files[self.path].encode())
                return
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_sound_page_has_no_problems(page: Page, site: str, axe: Callable[..., None]) -> None:
    page.goto(f"{site}/sound")
    page.wait_for_function("() => document.title === 'Sound'")
    axe(page)
    axe(page, "main")


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("console", "console error: something is wrong"),
        ("uncaught", "uncaught: .*nobody caught me"),
        ("inline", "CSP breach: script-src-elem blocked inline"),
        ("outside", "request leaves this machine: GET http://elsewhere.example/x"),
        ("absent", "console error: .*status of 404"),
    ],
)
def test_problem_is_seen(page: Page, site: str, problems, path: str, word: str) -> None:
    problems.expect(".*")
    page.goto(f"{site}/{path}")
    page.wait_for_timeout(200)
    assert any(re.search(word, one) for one in problems.found), problems.found


def test_unexpected_problem_fails_the_test(page: Page, site: str, problems) -> None:
    page.goto(f"{site}/console")
    problems.expect("something else")
    assert problems.unexpected() == problems.found != []
    problems.expected.clear()
    problems.found.clear()


def test_axe_names_the_fault(page: Page, site: str, axe: Callable[..., None]) -> None:
    page.goto(f"{site}/unlabeled")
    with pytest.raises(pytest.fail.Exception, match=r"(?s)critical: .*\(button-name\).*<button></button>") as failure:
        axe(page)
    assert "(label)" in str(failure.value)


def test_axe_sees_what_is_too_dim_in_dark_colors_alone(page: Page, site: str, axe: Callable[..., None]) -> None:
    page.goto(f"{site}/dim")
    axe(page)
    with pytest.raises(pytest.fail.Exception, match=r"(?s)in dark colors.*\(color-contrast\).*Can you read this"):
        axe(page, dark=True)
