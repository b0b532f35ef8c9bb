"""What if this were not in the picture? The scores of a picture, and of the same picture painted over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from picasso.core.asking import Place, focused
from picasso.core.edits import Edit
from picasso.core.errors import NotSupportedError
from picasso.core.facts import Sample
from picasso.core.hooks import Head
from picasso.core.maps.baselines import SHADES, Baseline, baseline
from picasso.core.model import Model
from picasso.core.pictures import render
from picasso.core.pictures.images import Picture
from picasso.core.preprocessing import Array
from picasso.core.targets import Target


@dataclass(frozen=True)
class Moved:
    """A target before and after.

    Args:
        index, label, minus: The target, as in `Target`.
        asked: Whether it was asked for, rather than being among the best.
        score: Its score before and after.
        probability: Its probability before and after; None where it has none.
        units: What the score is.
    """

    index: int
    label: str
    minus: int | None
    asked: bool
    score: tuple[float, float]
    probability: tuple[float, float] | None
    units: str


@dataclass(frozen=True)
class Change:
    """What an edit changes.

    Args:
        painted: Number of painted pixels.
        moved: The targets that were asked for, then the others that are or were among the best.
    """

    painted: int
    moved: tuple[Moved, ...]


class WhatIf:
    """One picture that is painted over again and again: what stays the same is worked out once.

    Args:
        model: Any but one of clips.
        picture: The picture.
        place: Where a segmenter or detector is asked; the place is found in the unpainted picture, and stays.

    Raises:
        NotSupportedError: The model reads clips.
        TargetError: There is nothing at that place.
    """

    def __init__(self, model: Model, picture: Picture, place: Place | None = None) -> None:
        if reason := stills_only(model.facts.frames):
            raise NotSupportedError(reason, "Look at a network of pictures.")
        self.sample: Sample = model.prepare(picture)
        self.model = focused(model, self.sample, place)
        self.before: Array = self.model.predict(self.sample.x)[0]
        self._absent: dict[Baseline, Array] = {}

    def ask(self, edit: Edit | None, targets: Sequence[int | str] = (), top: int = 5) -> Change:
        """Say what an edit changes; None is no edit.

        Raises:
            EditError: The edit does not fit the network's input.
            TargetError: A target is no class.
        """
        model, asked = self.model, [self.model.target(target) for target in targets]
        after = self.before
        if edit is not None:
            after = model.predict(edit.apply(self.sample.x[0], self.absent)[None])[0]
        chosen = {target.key: target for target in (*asked, *self._best(after, top))}
        keys = {target.key for target in asked}
        chances = model.probabilities(np.stack([self.before, after]))
        moved = tuple(self._moved(target, after, chances, key in keys) for key, target in chosen.items())
        return Change(0 if edit is None else int(edit.painted.sum()), moved)

    def absent(self, fill: Baseline) -> Array:
        """Return what stands for "absent", (h, w, c): what a perturbation method would put there."""
        if fill not in self._absent:
            self._absent[fill] = baseline(self.model, self.sample, fill)
        return self._absent[fill]

    def looks(self) -> dict[str, str]:
        """Return how the input and every fill look: "#808080", or a PNG as a data: URL.

        The preprocessing keeps colors apart and only scales them, so that a fill looks as it does on the pixels.
        """
        view = self.sample.view
        mean = np.round(view[self.sample.shown].mean(axis=(0, 1))).astype(int)
        image = Image.fromarray(view)
        blurred = image.filter(ImageFilter.GaussianBlur((view.shape[1] / 10, view.shape[0] / 10)))
        shades = {name: f"#{shade:02x}{shade:02x}{shade:02x}" for name, shade in SHADES.items()}
        return shades | {
            "picture": render.data_url(image),
            "mean": "#" + "".join(f"{int(channel):02x}" for channel in mean),
            "blur": render.data_url(blurred),
        }

    def _best(self, after: Array, top: int) -> list[Target]:
        model, focus = self.model, self.model.focus
        best = model.top_targets(self.before, top)
        # Where every class has a region or a box of its own, their scores are not to be compared.
        if focus is None or focus.outline is not None:
            classes = len(model.labels) if focus is None else focus.classes
            best += [model.target(int(index)) for index in np.argsort(-after[:classes], kind="stable")[:top]]
        return best

    def _moved(self, target: Target, after: Array, chances: Array, asked: bool) -> Moved:
        focus, model = self.model.focus, self.model
        side = focus is not None and target.index >= focus.classes
        certain = not side and target.minus is None and model.head is not Head.NONE
        certain = certain and (focus is None or focus.outline is not None)
        return Moved(
            index=target.index,
            label=target.label,
            minus=target.minus,
            asked=asked,
            score=(float(target.of_classes(self.before)), float(target.of_classes(after))),
            probability=(float(chances[0, target.index]), float(chances[1, target.index])) if certain else None,
            units="pixel" if side else model.facts.units,
        )


def stills_only(frames: int | None) -> str:
    """Say that clips cannot be painted, where a model reads so many frames, or return ""."""
    return "" if frames is None else f"The brush paints still pictures; this model reads clips of {frames} frames."
