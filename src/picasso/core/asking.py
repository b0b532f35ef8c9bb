"""From what a person says (a pixel, a box, a mask, nothing) to the focus of a run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from picasso.core.channel import Channel, focus_on_channel, read_channel
from picasso.core.errors import PictureError, TargetError
from picasso.core.facts import Task
from picasso.core.focus import SIDES, Asked, BoxFocus, Focus, RegionFocus, mean_over, suppress
from picasso.core.hooks import Head, Prediction, to_probabilities
from picasso.core.panels import Images
from picasso.core.pictures.mask_files import read_mask
from picasso.core.pictures.render import edged
from picasso.core.preprocessing import Array
from picasso.core.targets import BOX_SCORES, BOXES, MASKS

if TYPE_CHECKING:
    from picasso.core.facts import Sample
    from picasso.core.model import Model

MOST_DETECTIONS = 20
LEAST_DETECTION = 0.3
"""The probability from which a detection is explained without being asked for."""
HINT = "Give x,y; or left,top,width,height in pixels of the picture; or a mask; for a detector also #2."
MASK_HINT = "A mask is a picture, a PNG for example, in which everything but black is the object."
CHANNEL = "channel="
"""What a channel of a layer begins with where a place is written."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Place:
    """Where in the picture something is asked.

    Args:
        box: (left, top, width, height) in pixels of the picture; width and height 0 for a single pixel.
        mask: bool (height, width) of the picture.
        number: For a detector: which of its detections, counted from 1.
        channel: No place in the picture, but a channel of a layer of the network.
    """

    box: tuple[float, float, float, float] | None = None
    mask: Mask | None = None
    number: int | None = None
    channel: Channel | None = None

    @property
    def key(self) -> str:
        """What tells it from every other place."""
        if self.channel is not None:
            return f"{CHANNEL}{self.channel.text}"
        if self.mask is not None:
            return hashlib.sha256(repr(self.mask.shape).encode() + self.mask.tobytes()).hexdigest()
        return f"#{self.number}" if self.number is not None else repr(self.box)

    @property
    def text(self) -> str | None:
        """Return what a person writes for it; None for a mask."""
        if self.channel is not None:
            return f"{CHANNEL}{self.channel.text}"
        if self.number is not None:
            return f"#{self.number}"
        return None if self.box is None else ",".join(f"{value:g}" for value in self.box[: 4 if self.box[2] else 2])

    @property
    def words(self) -> str:
        """Say where it is."""
        if self.channel is not None:
            return self.channel.words
        if self.mask is not None:
            return f"a mask of {int(self.mask.sum())} pixels"
        if self.number is not None:
            return f"detection {self.number}"
        assert self.box is not None
        left, top, width, height = (f"{value:g}" for value in self.box)
        return f"the pixel at {left}, {top}" if width == "0" else f"the box at {left}, {top}, {width} x {height}"


def read_place(said: object) -> Place | None:
    """Read a place.

    Args:
        said: None; (x, y); (left, top, width, height); the same as text, "120,80"; a boolean array of the picture's
            size; the path of a mask picture, in which everything but black is meant; "#2" for a detection;
            "channel=conv5:37" for a channel of a layer.

    Raises:
        TargetError: It is none of these.
    """
    if said is None or (isinstance(said, str) and not said):
        return None
    if isinstance(said, Place):
        return said
    if isinstance(said, str) and said.startswith(CHANNEL):
        return Place(channel=read_channel(said.removeprefix(CHANNEL)))
    if isinstance(said, Path) or (isinstance(said, str) and Path(said).suffix and not _numbers(said)):
        return Place(mask=read_object_mask(said))
    if isinstance(said, str) and said.strip().startswith("#") and said.strip()[1:].isdigit():
        return Place(number=int(said.strip()[1:]))
    if isinstance(said, np.ndarray) and said.ndim == 2 and min(said.shape) > 1:
        return Place(mask=_marked(said.astype(bool)))
    numbers = _numbers(said)
    if numbers is None or len(numbers) not in (2, 4) or (len(numbers) == 4 and min(numbers[2:]) <= 0):
        raise TargetError(f"The place to explain was not understood: {said!r}.", HINT)
    left, top, width, height = (*numbers, 0.0, 0.0)[:4]
    return Place(box=(left, top, width, height))


def place_or_channel(at: object, channel: object) -> Place | None:
    """Read what is asked about: a place in the picture, or a channel of a layer.

    Raises:
        TargetError: It was not understood, or both were given.
    """
    if channel is None or channel == "":
        return read_place(at)
    if not (at is None or (isinstance(at, str) and not at)):
        raise TargetError("A channel is explained, or a place in the picture.", "Leave out at, or the channel.")
    return Place(channel=read_channel(channel))


def read_object_mask(source: str | Path | bytes, name: str | None = None) -> Mask:
    """Read the mask of something in a picture.

    Args:
        source, name: As for `read_mask`.

    Returns:
        bool (height, width), at least one pixel of it.

    Raises:
        TargetError: It is no picture, or marks nothing.
    """
    try:
        return _marked(read_mask(source, name))
    except PictureError as error:
        raise TargetError(f"The mask is no picture: {error.message}", MASK_HINT) from None


def require_size(mask: Mask, width: int, height: int) -> None:
    """Refuse a mask that is not of its picture's size: it is never stretched.

    Raises:
        TargetError: It is not.
    """
    if mask.shape != (height, width):
        got = f"{mask.shape[1]} x {mask.shape[0]}"
        raise TargetError(f"The mask must have the picture's size, {width} x {height}. Got {got}.")


def focused(model: Model, sample: Sample, place: Place | None) -> Model:
    """Return the model as it answers about one place of one picture.

    Args:
        model: Of any task; a classifier is returned as it is.
        sample: The picture, ready for it.
        place: Where; None for the whole answer: for a segmenter each class over its own predicted mask, for a
            detector each of its detections. A channel of a layer can be asked of every network that shows its layers.

    Raises:
        NotFoundError, NotSupportedError: There is no such layer; or none is shown.
        TargetError: The place lies outside the picture, there is nothing there, or the model is a classifier.
    """
    if place is not None and place.channel is not None:
        return model.focused(focus_on_channel(model, sample, place.channel))
    if model.facts.task is Task.CLASSIFICATION:
        if place is not None:
            raise TargetError("A classifier answers for the whole picture, not for a place in it.", "Leave it out.")
        return model
    outputs = model.outputs(sample.x)
    if model.facts.task is Task.SEGMENTATION:
        return model.focused(_of_masks(model, sample, outputs[MASKS][0], place))
    return model.focused(_of_boxes(model, sample, outputs[BOXES][0], outputs[BOX_SCORES][0], place))


def outlined(view: NDArray[np.uint8], focus: Focus) -> Images:
    """Show what is marked of the picture as asked about: the rest is dimmed, its edge is drawn in white on black."""
    inside = focus.marked
    assert inside is not None
    shown = np.where(inside[..., None], view, view // 3 + 40).astype(np.uint8)
    shown = edged(shown, inside)
    if inside.sum() == 1:
        shown = _ringed(shown, *(int(place[0]) for place in np.nonzero(inside)))
    return Images(
        id="asked",
        title="What is explained",
        caption=focus.sentence,
        pictures=(shown,),
        captions=(focus.about,),
    )


def _ringed(pixels: NDArray[np.uint8], row: int, column: int) -> NDArray[np.uint8]:
    """Draw a ring around a pixel, which would be lost alone."""
    image = Image.fromarray(pixels)
    draw, radius = ImageDraw.Draw(image), max(4, min(pixels.shape[:2]) // 24)
    for grow, color in ((1, (0, 0, 0)), (0, (255, 255, 255))):
        reach = radius + grow
        draw.ellipse((column - reach, row - reach, column + reach, row + reach), outline=color)
    return np.asarray(image)


def _of_masks(model: Model, sample: Sample, masks: Array, place: Place | None) -> Focus:
    """Return the focus on a region of a segmentation, masks (rows, columns, classes)."""
    labels, head = model.labels, model.facts.head
    chance = to_probabilities(masks, head)
    if place is not None:
        outline = _outline(sample, place)
        region = _shrunk(outline, masks.shape[:2])
        return RegionFocus(
            labels=labels,
            classes=len(labels),
            predictions=_ranked(labels, chance[region].mean(axis=0)),
            about=place.words,
            share="probability",
            outline=outline,
            least=0.0,
            weights=mean_over([region] * len(labels)),
        )
    if head is Head.SOFTMAX:
        best = masks.argmax(axis=2)
        found = [best == index for index in range(len(labels))]
    else:
        found = [masks[..., index] > 0 for index in range(len(labels))]
    # A class that is predicted nowhere is asked about at the pixel that comes closest to it.
    regions = [
        region if region.any() else masks[..., index] == masks[..., index].max() for index, region in enumerate(found)
    ]
    return RegionFocus(
        labels=labels,
        classes=len(labels),
        predictions=_ranked(labels, np.array([region.mean() for region in found])),
        about="each class over its own predicted mask",
        share="share of the picture",
        outline=None,
        least=1e-9,
        weights=mean_over(regions),
    )


def _of_boxes(model: Model, sample: Sample, boxes: Array, scores: Array, place: Place | None) -> Focus:
    """Return the focus on boxes of a detector, boxes (boxes, 4), scores (boxes, classes)."""
    labels = model.labels
    chance = to_probabilities(scores, model.facts.head)
    kept = suppress(boxes, chance, MOST_DETECTIONS)
    sides: tuple[Asked, ...] = ()
    if place is None:
        # What is unsure would borrow the score of a surer box that it overlaps.
        kept = [(index, kind) for index, kind in kept if chance[index, kind] >= LEAST_DETECTION] or kept[:1]
        asked = tuple(Asked(_corners(boxes[index]), kind) for index, kind in kept)
        names, about = _counted([labels[kind] for _, kind in kept]), "each of the best detections"
    else:
        box = _asked_box(sample, boxes, [index for index, _ in kept], place)
        asked = tuple(Asked(box, index) for index in range(len(labels)))
        sides = tuple(Asked(box, index, side=True) for index in range(4))
        names, about = labels, place.words
    focus = BoxFocus(
        labels=(*names, *SIDES[: len(sides)]),
        classes=len(asked),
        predictions=(),
        about=about,
        share="probability",
        outline=None,
        least=LEAST_DETECTION if place is None else 0.0,
        asked=asked + sides,
    )
    found = focus.read({BOXES: boxes[None], BOX_SCORES: chance[None]})[0, : len(asked)]
    predictions = _ranked(names, found)
    shown = [asked[p.index].box for p in predictions if p.probability >= focus.least] or [
        asked[predictions[0].index].box
    ]
    return replace(focus, predictions=predictions, outline=_filled(sample, shown))


def _counted(names: list[str]) -> tuple[str, ...]:
    """Number the names that occur more than once: "tank 1", "tank 2"."""
    return tuple(
        name if names.count(name) == 1 else f"{name} {names[: place + 1].count(name)}"
        for place, name in enumerate(names)
    )


def _asked_box(sample: Sample, boxes: Array, kept: list[int], place: Place) -> tuple[float, float, float, float]:
    """Return the box that a place means: a detection by its number or by a point within, or the place itself."""
    if place.number is not None:
        if not 1 <= place.number <= len(kept):
            raise TargetError(f"There are {len(kept)} detections. Got #{place.number}.", HINT)
        return _corners(boxes[kept[place.number - 1]])
    if place.box is not None and not place.box[2]:
        x, y = _into_input(sample, place.box[0], place.box[1])
        around = [index for index in kept if _holds(boxes[index], x, y)]
        if not around:
            raise TargetError(f"No detected box holds {place.words}.", "Draw a box around what is to be explained.")
        return _corners(boxes[around[0]])
    rows, columns = np.nonzero(_outline(sample, place))
    return float(columns.min()), float(rows.min()), float(columns.max()) + 1, float(rows.max()) + 1


def _ranked(labels: tuple[str, ...], values: Array) -> tuple[Prediction, ...]:
    return tuple(Prediction(int(i), labels[int(i)], float(values[i])) for i in np.argsort(-values, kind="stable"))


def _numbers(said: Any) -> tuple[float, ...] | None:
    parts = said.split(",") if isinstance(said, str) else said
    try:
        numbers = tuple(float(part) for part in parts)
    except (TypeError, ValueError):
        return None
    return numbers if np.isfinite(numbers).all() else None


def _marked(mask: Mask) -> Mask:
    if not mask.any():
        raise TargetError("The mask is empty.", "Mark at least one pixel.")
    return mask


def _into_input(sample: Sample, x: float, y: float) -> tuple[float, float]:
    """Turn a point of the picture into one of the network's input."""
    height, width = sample.view.shape[:2]
    frame = sample.frame
    if frame is None:  # a hook of the user's made the input: the whole picture is taken to be in it
        return x * width / sample.picture.width, y * height / sample.picture.height
    return (x - frame.left) * width / frame.width, (y - frame.top) * height / frame.height


def input_mask(sample: Sample, said: object) -> Mask:
    """Return a mask or a box of the picture as a mask of the network's input, bool (height, width).

    Args:
        sample: The picture.
        said: As for `read_place`; a boolean array may have the input's own size, too, where the picture has another.

    Raises:
        TargetError: It is no such place, or none of it is seen by the network.
    """
    size = sample.picture.height, sample.picture.width
    if isinstance(said, np.ndarray) and said.any() and said.shape == sample.view.shape[:2] != size:
        return said.astype(bool)
    place = read_place(said)
    if place is None or place.number is not None or place.channel is not None:
        raise TargetError(f"The mask was not understood: {said!r}.", "Give a mask picture, or left,top,width,height.")
    return _outline(sample, place)


def _outline(sample: Sample, place: Place) -> Mask:
    """Return a place as a mask of the network's input, bool (height, width), at least one pixel."""
    height, width = sample.view.shape[:2]
    if place.mask is not None:
        require_size(place.mask, sample.picture.width, sample.picture.height)
        mask = _seen(sample, place.mask)
    else:
        if place.box is None:
            raise TargetError("Detections are numbered for a detector only.", HINT)
        left, top, wide, tall = place.box
        x, y = _into_input(sample, left, top)
        right, bottom = _into_input(sample, left + wide, top + tall)
        mask = np.zeros((height, width), bool)
        rows = slice(max(0, int(np.floor(y))), max(int(np.floor(y)) + 1, int(np.ceil(bottom))))
        columns = slice(max(0, int(np.floor(x))), max(int(np.floor(x)) + 1, int(np.ceil(right))))
        if rows.stop > 0 and columns.stop > 0:
            mask[rows, columns] = True
    if not mask.any():
        raise TargetError(f"The network does not see {place.words}: it lies outside of its input.", HINT)
    return mask


def _seen(sample: Sample, mask: Mask) -> Mask:
    """Return the part of a picture's mask that the network sees, at its input's size."""
    height, width = sample.view.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    frame = sample.frame
    left, top = (frame.left, frame.top) if frame else (0.0, 0.0)
    wide, tall = (frame.width, frame.height) if frame else (sample.picture.width, sample.picture.height)
    y = np.floor(top + rows * tall / height).astype(int)
    x = np.floor(left + columns * wide / width).astype(int)
    inside = (y >= 0) & (y < mask.shape[0]) & (x >= 0) & (x < mask.shape[1])
    return np.asarray(inside & mask[y.clip(0, mask.shape[0] - 1), x.clip(0, mask.shape[1] - 1)], bool)


def _shrunk(outline: Mask, shape: tuple[int, ...]) -> Mask:
    """Return a mask of the input at the resolution of the network's own masks, at least one cell."""
    area = Image.fromarray(outline.astype(np.float32)).resize((shape[1], shape[0]), Image.Resampling.BOX)
    share = np.asarray(area)
    return np.asarray(share >= min(0.5, float(share.max())))


def _corners(box: Array) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(value) for value in box)
    return left, top, right, bottom


def _holds(box: Array, x: float, y: float) -> bool:
    return bool(box[0] <= x <= box[2] and box[1] <= y <= box[3])


def _filled(sample: Sample, boxes: list[tuple[float, float, float, float]]) -> Mask:
    canvas = Image.new("1", (sample.view.shape[1], sample.view.shape[0]))
    draw = ImageDraw.Draw(canvas)
    for left, top, right, bottom in boxes:
        if right > left and bottom > top:
            draw.rectangle((left, top, right - 1, bottom - 1), fill=1)
    return np.asarray(canvas)
