"""A glance: what a model says of one frame of a camera or a video, and one map of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from picasso.core import runner
from picasso.core.errors import NotSupportedError, SettingsError
from picasso.core.hooks import Prediction
from picasso.core.model import Model
from picasso.core.panels import FeatureMaps, Heatmap
from picasso.core.pictures import render
from picasso.core.pictures.images import Picture
from picasso.core.preprocessing import Array, Frame
from picasso.core.registry import Entry
from picasso.core.result import Result
from picasso.core.settings import Settings
from picasso.core.targets import TargetChoice


@dataclass(frozen=True, eq=False)
class Glance:
    """One frame, looked at.

    Args:
        classes: The best classes, best first; then the explained one, where it is not among them.
        certainty: What their numbers are: "probability", "score", or a segmenter's share of the picture.
        subject: What the map is of: a class, a difference of classes, a layer or a channel of it.
        explained: Index of the class that the map explains; None where it explains none.
        score: The explained target's score; None where the map explains none.
        values: float32 (rows, columns), laid over all that the model saw; NaN where nothing is known.
        units: Of a value.
        sign: "signed", or "unsigned" where only the size is meaningful.
        limits: The color scale that this frame would have alone, clipped as the method says; (0, 0) where the map is
            zero, so that it has no say in the scale of several.
        size: (height, width) of the network's input.
        frame: Which part of the picture the model saw; None where a hook of the user's made the input.
    """

    classes: tuple[Prediction, ...]
    certainty: str
    subject: str
    explained: int | None
    score: float | None
    values: Array
    units: str
    sign: Literal["signed", "unsigned"]
    limits: tuple[float, float]
    size: tuple[int, int]
    frame: Frame | None


def glance(
    model: Model,
    picture: Picture,
    entry: Entry,
    settings: Settings,
    *,
    target: TargetChoice | None = None,
    top: int = 5,
    channel: int | None = None,
    digest: str = "",
    report: Callable[[int, int, str], None] | None = None,
) -> Glance:
    """Look at one frame, with the numbers that `picasso.explain` gives for the same picture.

    Args:
        model: Any but one of clips.
        picture: The frame.
        entry, settings: A visualization that gives a map, and its settings.
        target: The class to explain; by default the best one of this frame.
        top: How many of the best classes are told.
        channel: Of a layer's maps the one of this channel, from 0; by default the mean size over all channels.
        digest: The model's, where it is known: to find it takes a pass over a live network.
        report: Called with (done, total, message) between chunks; it may raise to stop.

    Raises:
        NotSupportedError: The model reads clips, or the visualization gives no map.
        SettingsError: The layer has no such channel, or the visualization shows no channels.
        PicassoError: As `runner.run`.
    """
    refuse_clips(model.facts.frames)
    settings = entry.load().at_a_glance(settings)
    result = runner.run(model, picture, entry, settings, target=target, top=1, report=report, digest=digest)
    for panel in result.panels:
        if isinstance(panel, Heatmap):
            return _of_map(result, panel, top, channel)
        if isinstance(panel, FeatureMaps) and panel.values.ndim == 3:
            return _of_layer(result, panel, top, channel)
    raise NotSupportedError(
        f"{result.title} gives no map of a picture, so there is nothing to lay over a frame.",
        "Choose an attribution method, or activations of a layer that has space.",
    )


def refuse_clips(frames: int | None) -> None:
    """Refuse a network that reads so many frames at a time; None is one that reads pictures.

    Raises:
        NotSupportedError: It reads clips.
    """
    if frames is not None:
        raise NotSupportedError(
            f"Frames are looked at one by one; this model reads clips of {frames} frames.",
            "Choose a network of pictures.",
        )


def _of_map(result: Result, panel: Heatmap, top: int, channel: int | None) -> Glance:
    if channel is not None:
        raise SettingsError(f"{result.title} shows no channels of a layer.", "Leave the channel out.")
    target = result.targets[0]
    explained = target.index if target.minus is None else None
    return Glance(
        classes=_told(result, top, explained),
        certainty=str(result.record["certainty"]),
        subject=panel.target,
        explained=explained,
        score=float(panel.score),  # a plug-in may give a NumPy number, which is no JSON
        values=panel.values,
        units=panel.units,
        sign=panel.sign,
        limits=_limits(panel.values, panel.limits),
        size=(panel.picture.shape[0], panel.picture.shape[1]),
        frame=panel.frame,
    )


def _of_layer(result: Result, panel: FeatureMaps, top: int, channel: int | None) -> Glance:
    count = len(panel.values)
    if channel is not None and not 0 <= channel < count:
        raise SettingsError(f"channel must be in 0..{count - 1} for {panel.layer}. Got {channel}.")
    mean = channel is None
    values = np.abs(panel.values).mean(axis=0) if channel is None else panel.values[channel]
    sign: Literal["signed", "unsigned"] = "unsigned" if mean else panel.sign
    assert result.view is not None
    frame = result.record["picture"]["frame"]
    return Glance(
        classes=_told(result, top, None),
        certainty=str(result.record["certainty"]),
        subject=panel.layer if mean else f"{panel.layer}, channel {channel}",
        explained=None,
        score=None,
        values=values.astype(np.float32),
        units="mean size of the activations" if mean else panel.units,
        sign=sign,
        limits=_limits(values, render.shared_limits([values], sign)),
        size=(result.view.shape[0], result.view.shape[1]),
        frame=Frame(**frame) if frame else None,
    )


def _limits(values: Array, limits: tuple[float, float]) -> tuple[float, float]:
    return limits if np.nan_to_num(values).any() else (0.0, 0.0)


def _told(result: Result, top: int, explained: int | None) -> tuple[Prediction, ...]:
    """Return the best classes, and the explained one after them where it is not one of them."""
    best = result.predictions[:top]
    if explained is None or any(one.index == explained for one in best):
        return best
    return best + tuple(one for one in result.predictions if one.index == explained)
