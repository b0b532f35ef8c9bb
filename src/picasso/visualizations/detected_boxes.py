"""Detected boxes: what the network finds, and where."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydantic import Field

from picasso.plugin import (
    BOX_SCORES,
    BOXES,
    Array,
    Bars,
    Capability,
    Context,
    Family,
    Images,
    Panel,
    Sample,
    Settings,
    Visualization,
    class_colors,
    suppress,
    to_probabilities,
)


class DetectedBoxesSettings(Settings):
    threshold: float = Field(
        0.3, ge=0, le=1, title="Threshold", description="The probability from which a box is shown."
    )
    most: int = Field(20, ge=1, le=200, title="Most", description="How many boxes are shown at most.")


class DetectedBoxes(Visualization[DetectedBoxesSettings]):
    """What the network finds and where, numbered from the surest on; the number names it when it is explained."""

    name = "detected-boxes"
    title = "Detected boxes"
    family = Family.ANSWERS
    needs = frozenset({Capability.DETECTION})

    def run(self, ctx: Context, sample: Sample, settings: DetectedBoxesSettings) -> Iterator[Panel]:
        ctx.progress(0, 1)
        model = ctx.whole
        outputs = model.outputs(sample.x)
        boxes, chance = outputs[BOXES][0], to_probabilities(outputs[BOX_SCORES][0], model.head)
        kept = [
            (index, kind)
            for index, kind in suppress(boxes, chance, settings.most)
            if chance[index, kind] >= settings.threshold
        ]
        places = [index for index, _ in kept]
        kinds = np.array([kind for _, kind in kept], np.int64)
        sure = np.array([chance[index, kind] for index, kind in kept], np.float32)
        ctx.keep("detected_boxes", boxes[places].reshape(-1, 4))
        ctx.keep("detected_classes", kinds)
        ctx.keep("detected_probabilities", sure)
        names = [f"#{rank} {model.labels[kind]}" for rank, kind in enumerate(kinds, start=1)]
        found = "Nothing reaches the threshold." if not kept else f"{len(kept)} of {len(boxes)} boxes are shown."
        yield Images(
            id="boxes",
            title="Detected boxes",
            caption=f"{found} Overlapping boxes of one class are shown once.",
            pictures=(_drawn(sample.view, boxes[places].reshape(-1, 4), kinds, names, len(model.labels)),),
            captions=(" · ".join(names) or "no detection",),
        )
        if kept:
            yield Bars(
                id="probabilities",
                title="How sure it is",
                caption="The probability of the class of each box.",
                labels=tuple(names),
                values=tuple(float(value) for value in sure),
                units="probability",
                maximum=1.0,
                colors=tuple("#{:02x}{:02x}{:02x}".format(*class_colors(len(model.labels))[kind]) for kind in kinds),
            )
        ctx.progress(1, 1)


def _drawn(
    view: NDArray[np.uint8], boxes: Array, kinds: NDArray[np.int64], names: Sequence[str], classes: int
) -> NDArray[np.uint8]:
    """Draw boxes with their names on the view, enlarged so that the names can be read."""
    factor = max(1, -(-480 // min(view.shape[:2])))
    image = Image.fromarray(view).resize((view.shape[1] * factor, view.shape[0] * factor), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(16)
    colors = class_colors(classes)
    for box, kind, name in reversed(list(zip(boxes, kinds, names, strict=True))):
        left, top, right, bottom = (float(value) * factor for value in box)
        if right <= left or bottom <= top:
            continue
        color = tuple(int(value) for value in colors[kind])
        draw.rectangle((left, top, right, bottom), outline=color, width=3)
        place = draw.textbbox((left + 4, max(0, top - 22)), name, font=font)
        draw.rectangle((place[0] - 4, place[1] - 3, place[2] + 4, place[3] + 3), fill=color)
        dark = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140
        draw.text((left + 4, max(0, top - 22)), name, font=font, fill=(0, 0, 0) if dark else (255, 255, 255))
    return np.asarray(image)
