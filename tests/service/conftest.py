"""A service with real worker processes, a model without any framework, and a plug-in that does what it is told."""

from __future__ import annotations

import io
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from picasso.service.configuration import Configuration, ModelSpecification
from picasso.service.records import JobRecord, JobRequest, State
from picasso.service.service import Service

MODEL = """
    import os, time
    import numpy as np
    from picasso.plugin import ModelFile, Preprocessing

    class Toy(ModelFile):
        labels = ("dark", "bright", "red")
        preprocessing = Preprocessing(size=16)
        gain = 5.0

        def load(self):
            def scores(x):
                mean = x.mean(axis=(1, 2))
                light = mean.mean(axis=1) - 0.5
                return np.stack([-light, light, mean[:, 0] - 0.5], axis=1) * self.gain
            return scores

    class Other(Toy):
        gain = 2.0

    class Sleepy(Toy):
        def load(self):
            time.sleep(60)

    class Deadly(Toy):
        def load(self):
            os._exit(5)

    class Unopenable(ModelFile):
        def load(self):
            raise OSError("the disk is gone")
"""

NAMES = ("Toy", "Other", "Sleepy", "Deadly", "Unopenable")

PLUGIN = """
    import os, signal, sys, time
    from pathlib import Path
    from picasso.plugin import Context, Panel, Sample, Settings, Text, Visualization

    class BehaveSettings(Settings):
        steps: int = 3
        pause: float = 0.0
        act: str = ""
        once: str = ""
        text: str = "hello"

    class Behave(Visualization[BehaveSettings]):
        '''Does what the test says.'''

        name = "behave"
        title = "Behave"

        def run(self, ctx, sample, settings):
            if settings.act and not (settings.once and Path(settings.once).exists()):
                if settings.once:
                    Path(settings.once).touch()
                if settings.act == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                if settings.act.startswith("exit-"):
                    os._exit(int(settings.act.removeprefix("exit-")))
                if settings.act == "segfault":
                    os.kill(os.getpid(), signal.SIGSEGV)
                if settings.act == "quit":
                    sys.exit(1)
                if settings.act == "raise":
                    raise RuntimeError("on purpose")
                if settings.act == "sleep":
                    time.sleep(60)
            for step in range(settings.steps):
                ctx.progress(step, settings.steps, f"step {step}")
                yield Text(id="words", title="Words", text=f"{settings.text} {step}")
                time.sleep(settings.pause)
            ctx.progress(settings.steps, settings.steps)
"""

GLOW = """
    import time
    import numpy as np
    from picasso.plugin import Attribution, AttributionMethod, Settings

    class GlowSettings(Settings):
        pause: float = 0.0
        steps: int = 1

    class Glow(AttributionMethod[GlowSettings]):
        '''The brightness of each pixel, after a pause.'''

        name = "glow"
        title = "Glow"

        def attribute(self, ctx, sample, targets, settings):
            for step in range(settings.steps):
                ctx.progress(step, settings.steps)
                time.sleep(settings.pause / settings.steps)
            values = sample.x[0].mean(axis=2)
            return [
                Attribution(values * (one.index + 1), one, "brightness", "unsigned", ctx.scores[one.index])
                for one in targets
            ]
"""


def picture(shade: int = 200, side: int = 24) -> bytes:
    """Return a PNG file; every shade is another picture."""
    pixels = np.full((side, side, 3), shade, np.uint8)
    pixels[: side // 2] //= 2
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, source: str) -> Path:
    """Write a Python file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source), "utf-8")
    return path


def configure(folder: Path, **changes: Any) -> Configuration:
    """Return a configuration whose every file lies in a folder."""
    model = write(folder / "my_model.py", MODEL)
    write(folder / "plugins" / "behave.py", PLUGIN)
    write(folder / "plugins" / "glow.py", GLOW)
    names = changes.pop("names", ("Toy",))
    specifications = tuple(ModelSpecification(source=f"{model}:{name}") for name in names)
    values = {"models": specifications, "data": folder / "data", "plugins": (folder / "plugins",)}
    return Configuration(**values | changes)


def request(service: Service, *shades: int, model: str = "Toy", **settings: Any) -> JobRequest:
    """Return a request for the plug-in, with pictures of these shades."""
    digests = [service.pictures.adopt(picture(shade), f"{shade}.png").digest for shade in shades or (200,)]
    return JobRequest(model=model, visualization="behave", pictures=tuple(digests), settings=settings)


def wait_until(happened: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something has happened."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def ended(service: Service, job: JobRecord, seconds: float = 60.0) -> JobRecord:
    """Wait until a job is over, and return it."""
    wait_until(lambda: service.records.job(job.id).state.over, seconds)
    return service.records.job(job.id)


def running(service: Service, job: JobRecord, done: int = 0) -> JobRecord:
    """Wait until a job's picture is being worked on."""

    def at_work() -> bool:
        now = service.records.job(job.id)
        assert not now.state.over, now.error
        tasks = service.records.tasks([job.id])[job.id]
        return any(task.state is State.RUNNING for task in tasks) and now.done >= done

    wait_until(at_work)
    return service.records.job(job.id)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service that the tests of a module share."""
    made = Service(configure(tmp_path_factory.mktemp("service"), names=NAMES))
    made.start()
    yield made
    made.stop()
