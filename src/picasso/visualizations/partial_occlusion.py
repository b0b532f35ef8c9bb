"""Partial occlusion: cover the picture piece by piece and watch the class go."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from pydantic import Field, model_validator

from picasso.plugin import (
    SHADES,
    Array,
    Attribution,
    AttributionMethod,
    Context,
    Extent,
    Family,
    Found,
    Images,
    Panel,
    Patching,
    Quality,
    Sample,
    Settings,
    SettingsError,
    Target,
    Windows,
    baseline,
    coarse_to_fine,
    colorize,
    shared_limits,
)

Pixels = NDArray[np.uint8]
Numbers = NDArray[np.int64]
IMAGE_SIDE = 244
"""Side of the picture that is occluded where `space` is image."""
STEEP = 0.2
"""Of the refined mode: by what part of the map's range the windows around another must differ for it to be run."""
PROBED = 16
"""Windows that were interpolated and are run after all, to measure the error."""
MANY = 64
"""Windows from which on a rough map is shown first."""


class PartialOcclusionSettings(Settings):
    window: Extent = Field(
        Extent(0.2, True), title="Window", description="Side of the occluding square, in pixels or as a fraction."
    )
    stride: Extent | None = Field(
        None, title="Stride", description="Step between two windows; left empty: half a window."
    )
    grid: int | None = Field(
        None, ge=2, le=200, title="Grid", description="Number of windows a side, instead of a stride."
    )
    fill: Literal["grey", "black", "white", "mean", "blur"] = Field(
        "grey",
        title="Fill",
        description="What covers the picture: a color, the picture's mean color, or its blur. Where the network reads "
        "a file's own values: black is the smallest in each channel, white the largest, grey the middle.",
    )
    score: Literal["logit", "probability"] = Field(
        "logit", title="Score", description="What is watched: the class score itself, or its probability."
    )
    space: Literal["input", "image"] = Field(
        "input",
        title="Space",
        description="input: cover what the network reads. image: cover the picture, at 244 x 244, before "
        "preprocessing; slower, since the whole network runs for every window.",
    )
    accuracy: Literal["exact", "refined", "approximate", "preview"] = Field(
        "exact",
        title="Accuracy",
        description="exact: every window, as the network itself answers. The others are faster and say their measured "
        "error. refined: windows where the map is steep; what lies between them is interpolated. approximate: what a "
        "window changes at the margins of its reach is left out. preview: in half precision.",
    )
    frames: int | None = Field(
        None,
        ge=1,
        le=10_000,
        title="Frames",
        description="Of a clip: how many frames a window covers, one stretch of so many after another; left empty: "
        "a quarter of them.",
    )

    @model_validator(mode="after")
    def _one_spacing(self) -> "PartialOcclusionSettings":
        if self.stride is not None and self.grid is not None:
            raise ValueError("grid excludes stride: give one of them")
        return self


class PartialOcclusion(AttributionMethod[PartialOcclusionSettings]):
    """Cover the picture piece by piece and watch the class score go down: where it does, the class is seen."""

    name = "partial-occlusion"
    title = "Partial occlusion"
    family = Family.PERTURBATION
    references = ("Zeiler and Fergus 2014, arXiv:1311.2901",)
    formula = "map(p) = mean over the windows w that cover p of [ score(x) - score(x with w covered) ]"
    pitfalls = (
        "What covers the picture is itself something to see: compare two fills.",
        "Evidence that stands in two places is found in neither: covering one leaves the other.",
        "A window smaller than the object tells parts, a larger one tells where it is.",
    )
    takes_clips = True

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: PartialOcclusionSettings
    ) -> list[Attribution]:
        if settings.score == "probability" and ctx.model.head == "none":
            raise SettingsError("score must be logit: the model's head is none, so it gives no probabilities.")
        if settings.space == "image":
            return self._of_the_picture(ctx, sample, targets, settings)
        shape = sample.view.shape[:2] if sample.views is None else sample.views.shape[:3]
        frames = None if sample.views is None else shape[0]
        if frames is not None and settings.accuracy == "refined":
            raise SettingsError("accuracy must not be refined: that is for pictures, and this is a clip.")
        windows = lay_windows(shape[-2], shape[-1], settings, frames)
        maps = _Maps(ctx, windows, targets, settings, shape)
        score = _Scoring(ctx, sample, windows, settings)
        refined = settings.accuracy == "refined"
        if frames is not None or len(windows.boxes) < MANY or not (refined or ctx.watched):
            return maps(score(np.arange(len(windows.boxes))), score.notes())
        found: Found | None = None
        for found in coarse_to_fine(windows, score, maps.watched, STEEP if refined else 0.0):
            if not found.run.all():
                ran = f"Rough: {found.run.sum()} of {len(windows.boxes)} windows so far; the rest is interpolated."
                self.sketch(ctx, sample, maps(found.scores, (ran,)))
        assert found is not None
        scores, note = _probed(ctx, found, score, maps)
        return maps(scores, (*note, *score.notes()))

    def _of_the_picture(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: PartialOcclusionSettings
    ) -> list[Attribution]:
        if sample.views is not None:
            raise SettingsError("space must be input: the picture of a clip is many.")
        if not sample.colors:
            raise SettingsError("space must be input: the network reads no 8-bit colors that could be covered before.")
        if settings.accuracy != "exact":
            raise SettingsError("accuracy must be exact where space is image: there the whole network runs each time.")
        picture = _resized(sample.picture.pixels)
        windows = lay_windows(IMAGE_SIDE, IMAGE_SIDE, settings)
        ctx.scores = ctx.model.predict(ctx.model.preprocess([picture]))[0]
        maps = _Maps(ctx, windows, targets, settings, picture.shape[:2])
        found = maps(_occlude_pictures(ctx, picture, windows, settings.fill), ())
        return [replace(attribution, picture=picture) for attribution in found]

    def run(self, ctx: Context, sample: Sample, settings: PartialOcclusionSettings) -> Iterator[Panel]:
        yield from super().run(ctx, sample, settings)
        picture = sample.view if settings.space == "input" else _resized(sample.picture.pixels)
        yield _grids(ctx.attributions, str(ctx.model.patching))
        yield _example(picture, lay_windows(picture.shape[0], picture.shape[1], settings), settings.fill)


class _Maps:
    """Makes maps of the scores of windows."""

    def __init__(
        self,
        ctx: Context,
        windows: Windows,
        targets: Sequence[Target],
        settings: PartialOcclusionSettings,
        shape: tuple[int, ...],
    ) -> None:
        self._ctx, self._windows, self._targets, self._settings, self._shape = ctx, windows, targets, settings, shape

    def __call__(self, scores: Array, notes: tuple[str, ...]) -> list[Attribution]:
        """Return the attributions from class scores (m, classes)."""
        ctx, windows, settings = self._ctx, self._windows, self._settings
        base, covered = self._asked(ctx.scores), self._asked(scores)
        ctx.keep("scores", covered.reshape(*windows.grid, -1))
        units = "probability" if settings.score == "probability" else ctx.model.facts.units
        drops = [target.of_classes(base) - target.of_classes(covered) for target in self._targets]
        return [
            Attribution(
                values=windows.spread(drop, self._shape),
                target=target,
                units=f"change in {units}",
                sign="signed",
                score=float(target.of_classes(base)),
                baseline=settings.fill,
                native=drop.reshape(windows.grid),
                drops=True,
                laid="each pixel: the mean over the windows that cover it",
                notes=notes,
            )
            for target, drop in zip(self._targets, drops, strict=True)
        ]

    def watched(self, scores: Array) -> Array:
        """Return what is shown of class scores (..., classes): (..., targets)."""
        asked = self._asked(scores)
        return np.stack([target.of_classes(asked) for target in self._targets], axis=-1)

    def _asked(self, scores: Array) -> Array:
        return self._ctx.model.probabilities(scores) if self._settings.score == "probability" else scores


class _Scoring:
    """Runs windows by their numbers, reports how many are done, and remembers how they were run."""

    def __init__(self, ctx: Context, sample: Sample, windows: Windows, settings: PartialOcclusionSettings) -> None:
        self._ctx, self._x, self._windows = ctx, sample.x, windows
        self._content = baseline(ctx.model, sample, settings.fill)
        modes = {"approximate": Quality.APPROXIMATE, "preview": Quality.PREVIEW}
        self._quality = modes.get(settings.accuracy, Quality.EXACT)
        self._done = 0
        self._how = Patching()

    def __call__(self, numbers: Numbers) -> Array:
        model, before, report = self._ctx.model, self._done, _report(self._ctx)
        total = max(len(self._windows.boxes), before + len(numbers))
        boxes = self._windows.boxes[numbers]
        scores = model.predict_patched(
            self._x, boxes, self._content, lambda done, _: report(before + done, total), self._quality
        )
        self._done += len(numbers)
        self._how = self._how + model.patching
        model.patching = self._how
        return scores

    def notes(self) -> tuple[str, ...]:
        """Say what must be known of scores that are not exact."""
        if self._quality is Quality.EXACT:
            return ()
        return (str(self._how) if self._how.fast else f"Exact: {self._how}",)


def _probed(ctx: Context, found: Found, score: _Scoring, maps: _Maps) -> tuple[Array, tuple[str, ...]]:
    """Run some of the windows that were interpolated; return the scores with them, and what that showed."""
    left = np.flatnonzero(~found.run)
    if not len(left):
        return found.scores, ()
    probe = np.sort(np.random.default_rng(ctx.seed).choice(left, min(PROBED, len(left)), replace=False))
    scores = found.scores.copy()
    scores[probe] = score(probe)
    error = float(np.abs(maps.watched(scores[probe]) - maps.watched(found.guessed[probe])).max())
    span = float(np.ptp(maps.watched(scores), axis=0).max())
    note = (
        f"Refined: {found.run.sum() + len(probe)} of {len(scores)} windows were run, the rest is interpolated. The "
        f"largest error over {len(probe)} of those: {error:.2g}, {error / max(span, 1e-12):.0%} of the map's range."
    )
    return scores, (note,)


def lay_windows(height: int, width: int, settings: PartialOcclusionSettings, frames: int | None = None) -> Windows:
    """Lay the windows over a picture, or over each stretch of a clip of so many frames.

    Raises:
        SettingsError: The window is larger than the picture, or longer than the clip.
    """
    if frames is not None:
        return _over_stretches(lay_windows(height, width, settings), frames, settings.frames)
    tops, tall = _starts(height, "height", settings)
    lefts, wide = _starts(width, "width", settings)
    boxes = []
    for top in tops:
        for left in lefts:
            # In picture space the last window of a grid may reach beyond the edge, as it always did there.
            boxes.append((top, left, min(tall, height - top), min(wide, width - left)))
    return Windows(np.array(boxes, dtype=np.int64), len(tops), len(lefts))


def _over_stretches(windows: Windows, frames: int, chosen: int | None) -> Windows:
    """Lay the windows of a picture over one stretch of frames after another; the last is moved flush with the end."""
    length = max(1, round(frames / 4)) if chosen is None else chosen
    if length > frames:
        raise SettingsError(f"frames must be at most the clip's {frames}. Got {length}.")
    starts = [min(start, frames - length) for start in range(0, frames, length)]
    boxes = np.array([(start, length, *box) for start in starts for box in windows.boxes], dtype=np.int64)
    return Windows(boxes, windows.rows, windows.columns, len(starts))


def _starts(side: int, name: str, settings: PartialOcclusionSettings) -> tuple[list[int], int]:
    window = settings.window.pixels(side)
    if window > side:
        raise SettingsError(f"window must be at most the picture's {name} of {side} pixels. Got {window}.")
    if settings.grid is not None and settings.space == "image":
        half = window // 2
        centers = np.linspace(half, side - half, settings.grid).astype(int)
        return [int(center) - half for center in centers], window
    if settings.grid is not None:
        return [round(start) for start in np.linspace(0, side - window, settings.grid)], window
    stride = max(1, window // 2) if settings.stride is None else settings.stride.pixels(side)
    starts = list(range(0, side - window + 1, stride))
    if starts[-1] != side - window:
        starts.append(side - window)
    return starts, window


def _resized(pixels: Pixels) -> Pixels:
    image = Image.fromarray(pixels).resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _occlude_pictures(ctx: Context, picture: Pixels, windows: Windows, fill: str) -> Array:
    """Score the picture with each window covered before preprocessing, in chunks."""
    content = _covering(picture, fill)
    report, rows, total = _report(ctx), [], len(windows.boxes)
    size = ctx.model.batch_size  # it shrinks where memory runs out
    for start in range(0, total, size):
        report(start, total)
        covered = []
        for box in windows.boxes[start : start + size]:
            one = picture.copy()
            one[_place(box)] = content[_place(box)]
            covered.append(one)
        rows.append(ctx.model.predict(ctx.model.preprocess(covered)))
    report(total, total)
    return np.concatenate(rows)


def _covering(picture: Pixels, fill: str) -> Pixels:
    """Return what covers a picture, uint8 of its size."""
    if fill in SHADES:
        return np.full_like(picture, SHADES[fill])
    if fill == "mean":
        return np.broadcast_to(np.round(picture.mean(axis=(0, 1))), picture.shape).astype(np.uint8)
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(min(picture.shape[:2]) / 10)))


def _place(box: NDArray[np.int64]) -> tuple[slice, ...]:
    """Return where a window lies in a picture (h, w, ...), or in a clip (frames, h, w, ...)."""
    top, left, tall, wide = (int(value) for value in box[-4:])
    place = slice(top, top + tall), slice(left, left + wide)
    return place if len(box) == 4 else (slice(int(box[0]), int(box[0] + box[1])), *place)


def _report(ctx: Context) -> Any:
    return lambda done, total: ctx.progress(done, total, f"{done} of {total} windows")


def _grids(attributions: Sequence[Attribution], how: str) -> Images:
    """Show what was measured: one cell for each window, all classes on one color scale."""
    # The stretches of a clip stand one below the other.
    grids = [a.native.reshape(-1, a.native.shape[-1]) for a in attributions if a.native is not None]
    limits = shared_limits(grids, "signed")
    cell = max(1, 240 // max(grids[0].shape))
    return Images(
        id="grid",
        title="The raw grid",
        caption=f"One cell for each window, {attributions[0].units}, from {-limits[1]:.3g} (blue) to {limits[1]:.3g} "
        f"(red). The numbers are in the NPZ file. {how}",
        pictures=tuple(colorize(grid, "signed", limits).repeat(cell, 0).repeat(cell, 1) for grid in grids),
        captions=tuple(attribution.target.label for attribution in attributions),
    )


def _example(picture: Pixels, windows: Windows, fill: str) -> Images:
    """Show the occluder on the picture, with the centers of all windows."""
    covered = picture.copy()
    middle = windows.boxes[(windows.rows // 2) * windows.columns + windows.columns // 2]
    covered[_place(middle)] = _covering(picture, fill)[_place(middle)]
    factor = max(1, -(-448 // min(picture.shape[:2])))
    image = Image.fromarray(covered).resize((picture.shape[1] * factor, picture.shape[0] * factor), 0)
    draw = ImageDraw.Draw(image)
    for top, left, tall, wide in windows.boxes:
        y, x = (top + tall / 2) * factor, (left + wide / 2) * factor
        draw.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), fill=(255, 255, 255), outline=(0, 0, 0))
    return Images(
        id="occluder",
        title="The occluder",
        caption=f"One of {len(windows.boxes)} windows, {middle[3]} x {middle[2]} pixels; "
        f"the dots are the centers of the {windows.rows} x {windows.columns} grid.",
        pictures=(np.asarray(image),),
        captions=(f"fill: {fill}",),
    )
