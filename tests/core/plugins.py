"""What tests of plug-ins share: small visualizations as text, to be dropped into a folder."""

from __future__ import annotations

import textwrap
from pathlib import Path

HEADER = """
import numpy as np
from pydantic import Field
from picasso.plugin import *
"""

MAP = """
class BrightSettings(Settings):
    gain: float = 1.0

class Bright(AttributionMethod[BrightSettings]):
    '''Show how bright each pixel is.  Not how the model sees it.'''

    name = "bright"
    title = "Brightness"

    def attribute(self, ctx, sample, targets, settings):
        values = sample.view.mean(axis=2).astype(np.float32) / 255 * settings.gain
        return [Attribution(values, t, "brightness", "unsigned", float(t.of_classes(ctx.scores))) for t in targets]
"""


def drop(folder: Path, text: str, name: str = "bright.py") -> Path:
    """Write a plug-in into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(HEADER + textwrap.dedent(text), encoding="utf-8")
    return path


def running(body: str) -> str:
    """Return the text of a plug-in `bright` whose run() has this body."""
    lines = textwrap.indent(textwrap.dedent(body).strip(), "        ")
    return f"""
class Bright(Visualization[Settings]):
    name, title = "bright", "Brightness"

    def run(self, ctx, sample, settings):
{lines}
"""


def attributing(body: str) -> str:
    """Return the text of a plug-in `bright` whose attribute() has this body."""
    lines = textwrap.indent(textwrap.dedent(body).strip(), "        ")
    return f"""
class Bright(AttributionMethod[Settings]):
    name, title = "bright", "Brightness"

    def attribute(self, ctx, sample, targets, settings):
        flat = np.ones(sample.x.shape[1:3], np.float32)
{lines}
"""


ALONE = """
class CountSettings(Settings):
    times: int = Field(1, ge=1, le=9, title="Times", description="How often they are counted.")

class Count(ModelVisualization[CountSettings]):
    '''Count the classes.'''

    name, title = "count", "Count"

    def look(self, ctx, settings):
        for step in range(settings.times):
            ctx.progress(step + 1, settings.times)
        ctx.keep("seeded", np.random.default_rng(ctx.seed).integers(1000, size=1))
        yield Text(id="count", title="Classes", text=f"{len(ctx.model.labels) * settings.times} in {ctx.model.name}")
"""
"""A visualization of the model alone."""
