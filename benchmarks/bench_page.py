"""What the server and its pages cost: the start, the demo's first map, stored results, large maps, many results.

A real server in a process of its own, and a real Chromium. Nothing here draws with a GPU, so frames are not counted:
what decides whether a page follows the hand is the work on its main thread in each frame, which must stay well below
the 16.7 ms of 60 frames a second.

    python benchmarks/bench_page.py            # all parts
    python benchmarks/bench_page.py start demo # some of them
"""

import argparse
import io
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

API = "/api/v1"
FRAME_MS = 1000 / 60
MODEL = '''
"""Three shades: a model that costs nothing."""

from picasso.plugin import Head, ModelFile, Preprocessing


class Shades(ModelFile):
    labels = ("red", "green", "blue")
    preprocessing = Preprocessing(size=224)
    head = Head.SOFTMAX

    def load(self):
        return lambda x: 4 * x.mean((1, 2))
'''
MAP = '''
"""A map of any size."""

import numpy as np

from picasso.plugin import Heatmap, Settings, Visualization


class WaveSettings(Settings):
    side: int = 1024


class Waves(Visualization[WaveSettings]):
    """Waves, a corner of which is unknown."""

    name = "waves"
    title = "Waves"

    def run(self, ctx, sample, settings):
        side = settings.side
        rows, columns = np.mgrid[0:side, 0:side].astype(np.float32) / (side - 1)
        values = (np.sin(9 * rows) * np.cos(7 * columns) * sample.view.mean() / 128).astype(np.float32)
        values[: side // 4, : side // 4] = np.nan
        shades = np.repeat((columns * 255).astype(np.uint8)[..., None], 3, axis=2)
        yield Heatmap(
            id="map-0", title="waves", target="waves", values=values, picture=shades, units="change in logit",
            sign="signed", limits=(-1.0, 1.0), score=2.0, kept=True,
        )
'''
SERVE = """
import json, sys, time
if __name__ == "__main__":
    from picasso.service.configuration import Configuration
    from picasso.web.serve import serve
    serve(Configuration.model_validate_json(sys.argv[1]), False, lambda url: print(url, flush=True))
"""
SLIDE = """async () => {
    const input = document.querySelector(".slider");
    for (let i = 0; i < 120; i += 1) {
        input.value = String(20 + (i % 60));
        input.dispatchEvent(new Event("input", {bubbles: true}));
        await new Promise(requestAnimationFrame);
    }
}"""
HOVER = """async () => {
    const pane = document.querySelector("[data-panel] .pane");
    const box = pane.getBoundingClientRect();
    for (let i = 0; i < 120; i += 1) {
        const [x, y] = [0.1 + 0.006 * i, 0.9 - 0.005 * i];
        pane.dispatchEvent(new PointerEvent("pointermove", {bubbles: true, pointerType: "mouse", pointerId: 1,
            clientX: box.left + x * box.width, clientY: box.top + y * box.height}));
        await new Promise(requestAnimationFrame);
    }
}"""
STILL = """async () => { for (let i = 0; i < 120; i += 1) await new Promise(requestAnimationFrame); }"""
SCROLL = """async () => {
    const end = document.documentElement.scrollHeight;
    let frames = 0;
    for (let y = 0; y < end; y += 400, frames += 1) {
        scrollTo(0, y);
        await new Promise(requestAnimationFrame);
    }
    return frames;
}"""
COUNT_CANVAS = (
    """() => [...document.querySelectorAll("canvas")].reduce((sum, one) => sum + 4 * one.width * one.height, 0)"""
)


@dataclass
class Served:
    """A running server.

    Attributes:
        process: Its process.
        address: Where it is, without a slash at the end.
        api: A client of it.
    """

    process: subprocess.Popen[str]
    address: str
    api: httpx.Client

    def cpu(self) -> float | None:
        """Return the processor seconds that the server's own process has used; None where that cannot be read."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def upload(self, data: bytes, name: str) -> str:
        answer = self.api.post(f"{API}/pictures", files={"files": (name, data)})
        return str(answer.json()["pictures"][0]["digest"])

    def run(self, body: dict[str, Any]) -> dict[str, Any]:
        """Run a job to its end."""
        job = self.api.post(f"{API}/jobs", json=body).json()
        while job["state"] in ("queued", "running"):
            time.sleep(0.1)
            job = self.api.get(f"{API}/jobs/{job['id']}").json()
        if job["state"] != "done":
            raise SystemExit(f"The job failed: {job['error']}")
        return dict(job)


@contextmanager
def serving(folder: Path, **options: Any) -> Iterator[Served]:
    """Run a server for as long as the block lasts."""
    folder.mkdir(parents=True)
    (folder / "serve.py").write_text(SERVE, "utf-8")
    (folder / "shades.py").write_text(MODEL, "utf-8")
    (folder / "plugins").mkdir()
    (folder / "plugins" / "waves.py").write_text(MAP, "utf-8")
    configuration = {
        "models": [{"source": f"{folder / 'shades.py'}:Shades"}],
        "data": str(folder / "data"),
        "plugins": [str(folder / "plugins")],
        "port": 0,
    }
    command = [sys.executable, str(folder / "serve.py"), json.dumps(configuration | options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip().rstrip("/")
            with httpx.Client(base_url=address, timeout=120) as client:
                yield Served(process, address, client)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def picture(seed: int, side: int = 224) -> bytes:
    """Return a PNG file; every seed is another picture."""
    generator = np.random.default_rng(seed)
    pixels = np.kron(generator.integers(0, 255, (8, 8, 3)), np.ones((side // 8, side // 8, 1))).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


class Meter:
    """Reads what the browser counted for a page: processor time of its main thread, nodes, bytes."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.session = page.context.new_cdp_session(page)
        # Processor time of the thread, not time on the clock: other processes do not count.
        self.session.send("Performance.enable", {"timeDomain": "threadTicks"})
        self.session.send("Network.enable")
        self.bytes = 0
        self.session.on("Network.loadingFinished", lambda event: self._received(event))

    def _received(self, event: dict[str, Any]) -> None:
        self.bytes += int(event.get("encodedDataLength", 0))

    def read(self) -> dict[str, float]:
        found = self.session.send("Performance.getMetrics")["metrics"]
        return {one["name"]: float(one["value"]) for one in found}

    def milliseconds(self, script: str, frames: int | None = None) -> float:
        """Return the main thread's milliseconds for each frame while a script runs."""
        before = self.read()["TaskDuration"]
        said = self.page.evaluate(script)
        return 1000 * (self.read()["TaskDuration"] - before) / (frames or int(said) or 1)


def line(name: str, value: str, goal: str = "") -> None:
    sys.stdout.write(f"{name:<58} {value:>22}  {goal}\n")
    sys.stdout.flush()


def start(folder: Path, browser: Browser) -> None:
    """Processor time of the server until its first page was answered."""
    del browser
    times = []
    for turn in range(4):
        with serving(folder / f"start-{turn}") as served:
            served.api.get("/")
            times.append(served.cpu())
    known = [value for value in times[1:] if value is not None]
    line("start: CPU s until the first page, median of 3", f"{statistics.median(known):.2f}", "<= 1.5")


def demo(folder: Path, browser: Browser) -> None:
    """Wall time from the click to the demo's maps, at once and after a reader's few seconds."""
    for name, pause in (("clicked as soon as the page is there", 0.0), ("clicked after 5 seconds", 5.0)):
        with serving(folder / f"demo-{pause}", demo=True, models=[]) as served:
            page = browser.new_page()
            page.goto(f"{served.address}/")
            page.wait_for_selector("html[data-ready]")
            page.wait_for_timeout(1000 * pause)
            began = time.perf_counter()
            page.get_by_role("button", name="Compute it now").click()
            page.wait_for_selector("#map-figure .figure[data-ready]", timeout=120_000)
            first = time.perf_counter() - began
            page.get_by_text("Computed in").wait_for(timeout=120_000)
            line(f"demo: s to the first maps, {name}", f"{first:.1f}", "<= 3")
            page.close()


def stored(folder: Path, browser: Browser) -> None:
    """Wall time of answers that are only looked up."""
    del browser
    with serving(folder / "stored") as served:
        pictures = [served.upload(picture(seed), f"{seed}.png") for seed in range(100)]
        body = {"model": "Shades", "visualization": "partial-occlusion", "pictures": pictures[:1], "top": 1}
        many = {"model": "Shades", "visualization": "class-probabilities", "pictures": pictures}
        key = served.run(body)["tasks"][0]["result"]
        served.run(many)
        values = served.api.get(f"{API}/results/{key}").json()["panels"][0]["values"]["url"]
        asked: dict[str, Callable[[], httpx.Response]] = {
            "a job of 1 stored result": lambda: served.api.post(f"{API}/jobs", json=body),
            "a job of 100 stored results": lambda: served.api.post(f"{API}/jobs", json=many),
            "the result": lambda: served.api.get(f"{API}/results/{key}"),
            "its page": lambda: served.api.get(f"/results/{key}"),
            "its map, 224 x 224": lambda: served.api.get(values),
        }
        for name, ask in asked.items():
            times = []
            for _ in range(20):
                began = time.perf_counter()
                answer = ask()
                times.append(1000 * (time.perf_counter() - began))
                answer.raise_for_status()
            line(f"stored: ms for {name}", f"{statistics.median(times):.1f}, most {max(times):.1f}", "<= 30")


def large(folder: Path, browser: Browser) -> None:
    """Work of the main thread in each frame while the strength changes and the cursor moves over 1024 x 1024 values."""
    with serving(folder / "large") as served:
        digest = served.upload(picture(1), "large.png")
        job = served.run({"model": "Shades", "visualization": "waves", "pictures": [digest]})
        for density in (1, 2):
            page = browser.new_page(viewport={"width": 1440, "height": 900}, device_scale_factor=density)
            page.goto(f"{served.address}/results/{job['tasks'][0]['result']}")
            page.wait_for_selector(".figure[data-ready]")
            page.wait_for_timeout(500)
            meter = Meter(page)
            idle = meter.milliseconds(STILL, 120)
            for name, script in (("the strength changes", SLIDE), ("the cursor moves", HOVER)):
                spent = meter.milliseconds(script, 120)
                label = f"1024 x 1024 at {density}x: main thread ms a frame while {name}"
                line(label, f"{spent:.1f} (idle {idle:.1f})", f"< {FRAME_MS:.1f}")
            page.close()


def many(folder: Path, browser: Browser) -> None:
    """A run of 100 pictures, opened and scrolled through."""
    with serving(folder / "many") as served:
        pictures = [served.upload(picture(seed), f"{seed}.png") for seed in range(100)]
        job = served.run({"model": "Shades", "visualization": "waves", "pictures": pictures, "settings": {"side": 224}})
        for name, path, ready in (
            ("results in place", f"/explain?job={job['id']}", ".figure[data-ready]"),
            ("page of the run", f"/jobs/{job['id']}", ".tile img"),
        ):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            meter = Meter(page)
            page.goto(f"{served.address}{path}")
            page.wait_for_selector(ready)
            page.wait_for_timeout(1500)
            read = meter.read()
            line(f"100 {name}: main thread ms at load", f"{1000 * read['TaskDuration']:.0f}")
            line(f"100 {name}: nodes at load", f"{read['Nodes']:.0f}")
            line(f"100 {name}: kB at load", f"{meter.bytes / 1000:.0f}")
            spent = meter.milliseconds(SCROLL)
            page.wait_for_timeout(1000)
            read = meter.read()
            line(f"100 {name}: main thread ms a frame, scrolling 400 px each", f"{spent:.1f}", f"< {FRAME_MS:.1f}")
            line(f"100 {name}: nodes after scrolling", f"{read['Nodes']:.0f}")
            line(f"100 {name}: MB of canvases after scrolling", f"{page.evaluate(COUNT_CANVAS) / 1e6:.0f}")
            page.close()


PARTS: dict[str, Callable[[Path, Browser], None]] = {
    "start": start,
    "demo": demo,
    "stored": stored,
    "large": large,
    "many": many,
}


def machine() -> str:
    """Name the machine."""
    names = [text for text in _cpu_names() if text] or [platform.processor() or platform.machine()]
    return f"{names[0]}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def _cpu_names() -> Iterator[str]:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return
    yield from (row.partition(":")[2].strip() for row in text.splitlines() if row.startswith("model name"))


def browser_path() -> str:
    wanted = [os.environ.get("PICASSO_TEST_BROWSER") or "chromium", "chromium-browser", "google-chrome"]
    for path in filter(None, map(shutil.which, wanted)):
        return path
    raise SystemExit("The pages are measured in Chromium: run scripts/install_browser.sh.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; by default all")
    chosen = parser.parse_args().parts or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    line(machine(), "", "goal")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        flags = ["--headless", "--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=browser_path(), args=flags)
        for name in chosen:
            PARTS[name](Path(folder), browser)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
