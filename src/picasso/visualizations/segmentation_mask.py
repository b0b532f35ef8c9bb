"""Segmentation mask: which class the network sees at each pixel."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from picasso.plugin import (
    MASKS,
    Bars,
    Capability,
    Context,
    Family,
    Head,
    Images,
    Panel,
    Sample,
    Settings,
    Visualization,
    class_colors,
    to_probabilities,
)

SIDE = 384
"""Small pictures are shown enlarged to at least this side."""


class SegmentationMaskSettings(Settings):
    opacity: float = Field(0.6, ge=0, le=1, title="Opacity", description="How much of the picture the colors cover.")
    threshold: float = Field(
        0.5,
        gt=0,
        lt=1,
        title="Threshold",
        description="For classes that are judged one by one: the probability from which a pixel belongs to one.",
    )


class SegmentationMask(Visualization[SegmentationMaskSettings]):
    """Which class the network sees at each pixel, and how much of the picture each class takes."""

    name = "segmentation-mask"
    title = "Segmentation mask"
    family = Family.ANSWERS
    needs = frozenset({Capability.SEGMENTATION})

    def run(self, ctx: Context, sample: Sample, settings: SegmentationMaskSettings) -> Iterator[Panel]:
        ctx.progress(0, 1)
        model = ctx.whole
        masks = model.outputs(sample.x)[MASKS][0]
        chance = to_probabilities(masks, model.head)
        ctx.keep("probabilities", chance)
        best, sure = chance.argmax(axis=2), chance.max(axis=2)
        if model.head is not Head.SOFTMAX:
            best = np.where(sure >= settings.threshold, best, -1)
        colors = class_colors(len(model.labels))
        shares = np.array([float((best == index).mean()) for index in range(len(model.labels))])
        ranked = [int(index) for index in np.argsort(-shares, kind="stable") if shares[index] > 0]
        names = " · ".join(model.labels[index] for index in ranked[:8]) or "no class reaches the threshold"
        yield Images(
            id="mask",
            title="Segmentation mask",
            caption=f"{best.shape[0]} x {best.shape[1]} cells over the network's input.",
            pictures=(_painted(sample.view, best, colors, settings.opacity), _certainty(sure, sample.view.shape)),
            captions=(names, "certainty: black 0, white 1"),
        )
        yield Bars(
            id="shares",
            title="Share of the picture",
            caption="How many of the pixels each class takes, in the colors of the picture above.",
            labels=tuple(model.labels[index] for index in ranked),
            values=tuple(float(shares[index]) for index in ranked),
            units="share of the picture",
            maximum=1.0,
            colors=tuple("#{:02x}{:02x}{:02x}".format(*colors[index]) for index in ranked),
        )
        ctx.progress(1, 1)


def _painted(
    view: NDArray[np.uint8], best: NDArray[np.int64], colors: NDArray[np.uint8], opacity: float
) -> NDArray[np.uint8]:
    """Lay the colors of classes (rows, columns; -1 for none) over the view; each class keeps its sharp edge."""
    view = _enlarged(view)
    height, width = view.shape[:2]
    cells = Image.fromarray(best.astype(np.int32)).resize((width, height), Image.Resampling.NEAREST)
    index = np.asarray(cells)
    mixed = view * (1 - opacity) + colors[index] * opacity
    return np.where((index >= 0)[..., None], mixed, view).astype(np.uint8)


def _certainty(sure: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    grey = Image.fromarray(sure.astype(np.float32)).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return _enlarged(np.repeat((np.asarray(grey)[..., None] * 255).clip(0, 255).astype(np.uint8), 3, axis=2))


def _enlarged(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Enlarge a small picture by a whole number to at least `SIDE` pixels."""
    factor = max(1, -(-SIDE // min(pixels.shape[:2])))
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((image.width * factor, image.height * factor), Image.Resampling.BICUBIC))
