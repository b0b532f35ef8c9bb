"""What the browser tests' server holds besides the demo: small models and plug-ins, each for one purpose.

Run as a program (`python house.py FOLDER`) it serves them, and prints its address.
"""

from __future__ import annotations

import pickle
import sys
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

PLAIN = '''
"""Three shades: a model that is a function, so it has neither layers nor gradients."""

import numpy as np

from picasso.plugin import Head, ModelFile, Preprocessing


def scores(x):
    """The upper half's red, green and blue, as scores."""
    return 4 * x[:, : x.shape[1] // 2].mean((1, 2))


class Plain(ModelFile):
    labels = ("red", "green", "blue")
    preprocessing = Preprocessing(size=32, resize="crop")
    head = Head.SOFTMAX

    def load(self):
        return scores
'''
MANY = (
    PLAIN.replace("Three shades", "Many classes")
    .replace("class Plain", "class Many")
    .replace('labels = ("red", "green", "blue")', 'labels = tuple(f"shade {i}" for i in range(40))')
    .replace("return 4 * x[:, : x.shape[1] // 2].mean((1, 2))", "return np.repeat(x.mean((1, 2)), 14, axis=1)[:, :40]")
)
PAINTER = '''
"""A segmenter: what is brighter than the picture's mean is day, the rest is night."""

import numpy as np

from picasso.plugin import Head, ModelFile, Preprocessing


def masks(x):
    light = x.mean(3)
    light = 8 * (light - light.mean((1, 2), keepdims=True))
    return np.stack([light, -light], axis=1)


class Painter(ModelFile):
    labels = ("day", "night")
    preprocessing = Preprocessing(size=32)
    head = Head.SOFTMAX

    def load(self):
        return masks
'''
FINDER = '''
"""A detector of two boxes, each as sure as it is red."""

import numpy as np

from picasso.plugin import ModelFile, Preprocessing


def answer(x):
    boxes = np.tile(np.array([[0, 0, 16, 16], [0, 16, 32, 32]], np.float32), (len(x), 1, 1))
    red = np.stack([x[:, :16, :16, 0].mean((1, 2)), x[:, 16:, :, 0].mean((1, 2))], axis=1)
    return {"boxes": boxes, "scores": red[..., None] * 4 - 1}


class Finder(ModelFile):
    labels = ("thing",)
    preprocessing = Preprocessing(size=32)
    head = "sigmoid"
    boxes = "xyxy"

    def load(self):
        return answer
'''
UNOPENABLE = '''
"""A model that cannot be opened."""

from picasso.plugin import ModelFile


class Unopenable(ModelFile):
    def load(self):
        raise ValueError("the weights are on another planet")
'''
SLOW_MOTION = '''
"""Slow motion."""

import time

from pydantic import Field

from picasso.plugin import Settings, Text, Visualization


class SlowMotionSettings(Settings):
    steps: int = Field(20, ge=1, le=1000, title="Steps", description="How many tenths of a second it takes.")


class SlowMotion(Visualization[SlowMotionSettings]):
    """Counts, so that there is something to wait for."""

    name = "slow-motion"
    title = "Slow motion"

    def run(self, ctx, sample, settings):
        for step in range(settings.steps):
            ctx.progress(step, settings.steps, f"step {step + 1}")
            yield Text(id="count", title="Count", text=f"{step + 1} of {settings.steps}")
            time.sleep(0.1)
        ctx.progress(settings.steps, settings.steps)
'''
FUN_VIZ = '''
"""A plug-in with a template of its own."""

from picasso.plugin import Images, Settings, Template, Text, Visualization


class FunViz(Visualization[Settings]):
    """Shows what the model saw, its own way."""

    name = "fun-viz"
    title = "Fun"

    def run(self, ctx, sample, settings):
        yield Template(id="own", title="Own layout", values={"mean": float(sample.view.mean()), "seen": sample.view})
        yield Images(id="seen", title="Pictures", pictures=(sample.view, sample.view[::-1]), captions=("up", "down"))
        yield Text(id="words", title="Words", text="One paragraph.\\n\\nAnother <b>paragraph</b>.")
'''
FUN_VIZ_TEMPLATE = """<p class="fun">The mean is <strong>{{ "%.1f" | format(mean) }}</strong>.</p>
<img src="{{ seen }}" alt="What the model saw" width="64" height="64">
<script>document.title = "broken out"</script>
"""
BIG_MAP = '''
"""A large map."""

import numpy as np

from picasso.plugin import Heatmap, Settings, Visualization


class BigMap(Visualization[Settings]):
    """A map of 1024 x 1024 values, a corner of which is unknown."""

    name = "big-map"
    title = "Big map"

    def run(self, ctx, sample, settings):
        rows, columns = np.mgrid[0:1024, 0:1024].astype(np.float32) / 1023
        values = (np.sin(9 * rows) * np.cos(7 * columns)).astype(np.float32)
        values[:256, :256] = np.nan
        shades = np.repeat((columns * 255).astype(np.uint8)[..., None], 3, axis=2)
        yield Heatmap(
            id="map-0", title="waves", target="waves", values=values, picture=shades, units="change in logit",
            sign="signed", limits=(-1.0, 1.0), score=2.0, kept=True,
        )
'''
SHARPEN = '''
"""A map that sharpens."""

import time

import numpy as np
from pydantic import Field

from picasso.plugin import Heatmap, Images, Settings, Template, Visualization


class SharpenSettings(Settings):
    pause: float = Field(1.5, ge=0, title="Pause", description="Seconds until it is sharper.")


class Sharpen(Visualization[SharpenSettings]):
    """One map, three times, each time sharper, beside panels that come again as they were."""

    name = "sharpen"
    title = "Sharpen"

    def run(self, ctx, sample, settings):
        for step, side in enumerate((2, 4, 8)):
            native = np.full((side, side), step + 1, np.float32)
            yield Heatmap(
                id="map-0", title="red", target="red", native=native, picture=sample.view,
                values=np.kron(native, np.ones((32 // side, 32 // side), np.float32)),
                units="change in logit", sign="signed", limits=(-3.0, 3.0), score=1.0, notes=(f"step {step}",),
            )
            yield Template(id="own", title="Own layout", values={"mean": float(side), "seen": sample.view})
            yield Images(id="seen", title="Pictures", pictures=(sample.view,), captions=("same",))
            time.sleep(settings.pause)
'''
EDGES_ONLY = '''
"""A map that knows nothing of the model."""

import numpy as np

from picasso.plugin import Attribution, AttributionMethod, Settings


class EdgesOnly(AttributionMethod[Settings]):
    """The picture's edges, whatever the network."""

    name = "edges-only"
    title = "Edges only"

    def attribute(self, ctx, sample, targets, settings):
        down, across = np.gradient(sample.view.mean(axis=2).astype(np.float32))
        values = np.hypot(down, across).astype(np.float32)
        return [Attribution(values, t, "steepness", "unsigned", float(t.of_classes(ctx.scores))) for t in targets]
'''
MANY_CHANNELS = '''
"""A layer of 2,048 channels, and a curve."""

import numpy as np

from picasso.plugin import ChannelMeasure, Curve, FeatureMaps, Line, Settings, Visualization


class ManyChannels(Visualization[Settings]):
    """Channels whose values, strength and order are known beforehand."""

    name = "many-channels"
    title = "Many channels"

    def run(self, ctx, sample, settings):
        number = np.arange(2048, dtype=np.float32)
        place = np.arange(49, dtype=np.float32).reshape(7, 7)
        values = ((number[:, None, None] % 5) * place * 1.003 - 24.1).astype(np.float32)
        strength = ((number * 37) % 2048).astype(np.float32)
        strength[3] = np.nan
        yield FeatureMaps(
            id="channels", title="Channels of wide", values=values, picture=sample.view, layer="wide",
            units="activation", sign="signed", limits=(-100.0, 100.0), clipped=0.1, order="strength",
            measures=(ChannelMeasure("strength", "Strength", "mean size", strength),), sheet=30,
        )
        yield Curve(
            id="curve", title="A curve", x=(-2.0, 0.0, 2.0, 4.0), x_title="shift, pixels", y_title="probability",
            lines=(Line("red", (0.5, 1.0, 0.25, 0.125)), Line("green", (0.5, 0.0, None, 0.875))),
            limits=(0.0, 1.0), mark=0.0, mark_label="as it is",
        )
'''
MODEL_CARD = '''
"""A view of the model alone."""

import time

from pydantic import Field

from picasso.plugin import ModelVisualization, Settings, Text


class ModelCardSettings(Settings):
    steps: int = Field(1, ge=1, le=1000, title="Steps", description="How many tenths of a second it takes.")


class ModelCard(ModelVisualization[ModelCardSettings]):
    """How many classes there are."""

    name = "model-card"
    title = "Model card"

    def look(self, ctx, settings):
        for step in range(settings.steps):
            ctx.progress(step, settings.steps, f"step {step + 1}")
            if step:
                time.sleep(0.1)
        ctx.progress(settings.steps, settings.steps)
        yield Text(id="card", title="Classes", text=f"{len(ctx.model.labels)} classes.")
'''
DEEP_NETWORK = '''
"""A network of 240 layers that is known beforehand."""

from picasso.core.diagram import Network, Role, Step, network_graph
from picasso.plugin import Drawing, ModelVisualization, NetworkGraph, Settings


def deep():
    """Return thirty blocks of eight layers in three stages, each block with a skip around it."""
    steps = [Step("input", ("input",), "input", "input", Role.INPUT, (64, 64, 3), "", ())]
    for number in range(240):
        block, inside = divmod(number, 8)
        path = (f"stage{block // 10}", f"block{block}", f"layer{number}")
        role = (Role.CONV, Role.NORM, Role.ACTIVATION, Role.POOL)[number % 4]
        reads = (number,) if inside < 7 else (number, block * 8)
        steps.append(
            Step(".".join(path), path, path[-1], f"Kind{number % 4}", role, (32, 32, 8), ".".join(path), reads, 10, 7)
        )
    return Network(tuple(steps), {}, {}, ("A note.",))


class DeepNetwork(ModelVisualization[Settings]):
    """Its graph, and a drawing."""

    name = "deep-network"
    title = "Deep network"

    def look(self, ctx, settings):
        ctx.progress(1, 1)
        boxes, arcs = network_graph(deep(), 10)
        yield NetworkGraph(id="graph", title="Deep", caption="A caption.", boxes=boxes, arcs=arcs, notes=("A note.",))
        svg = "<svg xmlns='http://www.w3.org/2000/svg' width='300' height='40'><rect width='300' height='40'/></svg>"
        yield Drawing(id="drawn", title="A drawing", svg=svg)
'''
BROKEN = "from picasso.plugin import Visualization\n\n\nclass Broken(Visualization:\n    pass\n"


def draw_shades(folder: Path) -> None:
    """Draw red and green pictures, 35 each: a noisy upper half of that color, and a blue square below."""
    random = np.random.default_rng(5)
    for label, channel in (("red", 0), ("green", 1)):
        place = folder / label
        place.mkdir(parents=True)
        for number in range(35):
            pixels = random.integers(90, 120, (48, 48, 3)).astype(np.uint8)
            pixels[:24, :, channel] = random.integers(190, 240, (24, 48))
            top, left = random.integers(26, 34), random.integers(4, 30)
            pixels[top : top + 10, left : left + 12] = (40, 60, 200)
            Image.fromarray(pixels).save(place / f"{number:02d}.png")


def furnish(folder: Path) -> None:
    """Write the models and plug-ins into a folder."""
    plugins = folder / "visualizations"
    plugins.mkdir(parents=True)
    for name, text in {
        "plain.py": PLAIN,
        "many.py": MANY,
        "painter.py": PAINTER,
        "finder.py": FINDER,
        "unopenable.py": UNOPENABLE,
        "visualizations/slow_motion.py": SLOW_MOTION,
        "visualizations/fun_viz.py": FUN_VIZ,
        "visualizations/fun_viz.html": FUN_VIZ_TEMPLATE,
        "visualizations/sharpen.py": SHARPEN,
        "visualizations/sharpen.html": FUN_VIZ_TEMPLATE,
        "visualizations/big_map.py": BIG_MAP,
        "visualizations/edges_only.py": EDGES_ONLY,
        "visualizations/many_channels.py": MANY_CHANNELS,
        "visualizations/model_card.py": MODEL_CARD,
        "visualizations/deep_network.py": DEEP_NETWORK,
        "visualizations/broken.py": BROKEN,
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    draw_shades(folder / "shades")
    # A pickle of something else than weights: what a whole pickled network looks like before it is opened.
    (folder / "whole.pt").write_bytes(pickle.dumps(Path("weights")))


def main(folder: Path) -> None:
    """Serve until the process is ended."""
    from picasso.service.configuration import (
        CheckpointFolder,
        Configuration,
        DatasetSpecification,
        ModelSpecification,
        SampleFolder,
    )
    from picasso.web.serve import serve

    story = Path(str(resources.files("picasso"))) / "demo" / "story"
    files = (
        "plain.py:Plain",
        "many.py:Many",
        "painter.py:Painter",
        "finder.py:Finder",
        "unopenable.py:Unopenable",
        "whole.pt",
    )
    configuration = Configuration(
        models=tuple(ModelSpecification(source=f"{folder}/{name}") for name in files),
        datasets=(DatasetSpecification(path=str(folder / "shades")),),
        checkpoints=(CheckpointFolder(path=str(folder / "first-run")),),
        data=folder / "data",
        plugins=(folder / "visualizations",),
        port=0,
        demo=True,
        allow_add=True,
        samples=tuple(SampleFolder(model=name, folder=story) for name in ("Plain", "demo:tank-proxy")),
    )
    serve(configuration, False, lambda address: print(address, flush=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
