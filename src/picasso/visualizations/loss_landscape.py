"""Loss landscape: how the loss changes around what a network has learned."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    Array,
    Capability,
    Context,
    Curve,
    Labelled,
    Line,
    LossKind,
    Measured,
    Model,
    ModelVisualization,
    NotFoundError,
    Panel,
    ParameterSlice,
    Settings,
    Stop,
    Surface,
    Text,
    Trajectory,
    contours_of,
    filter_normalized,
    labelled,
    labelled_by_itself,
    levels_of,
    measure,
    principal_plane,
    spread_around,
    usual_loss,
)

Numbers = NDArray[np.float64]
FEWEST = 3
"""A training of fewer checkpoints spans no plane."""


class LossLandscapeSettings(Settings):
    album: str = Field(
        "",
        title="Pictures",
        description="A data set whose classes are the model's. Left empty: random waves, whose class is what the "
        "network itself says; the loss is then that of changing its mind.",
        json_schema_extra={"picasso": {"choices": "album"}},
    )
    pictures: int = Field(
        128, ge=1, le=2000, title="How many", description="Pictures at most, evenly over the classes."
    )
    shape: Literal["plane", "line"] = Field(
        "plane", title="Along", description="plane: two directions. line: one; as many points as a row of the plane."
    )
    checkpoints: str = Field(
        "",
        title="Checkpoints",
        description="A folder of what was saved during the training: the directions in which it moved most are taken, "
        "and its path is drawn, which ends at the last. Left empty: random directions, around the network as it is.",
        json_schema_extra={"picasso": {"choices": "checkpoints"}},
    )
    most: int = Field(24, ge=3, le=200, title="Checkpoints at most", description="Of more, so many at even distances.")
    points: int = Field(15, ge=3, le=101, title="Points", description="Along each direction; odd, so that 0 is one.")
    span: float = Field(
        1.0,
        gt=0,
        le=100,
        title="How far",
        description="Along random directions, to both sides, in lengths of the network's own filters.",
    )
    loss: Literal["usual", "cross-entropy", "squared"] = Field(
        "usual",
        title="Loss",
        description="usual: cross-entropy of the softmax or the sigmoids; squared where scores are no logits.",
    )


class LossLandscape(ModelVisualization[LossLandscapeSettings]):
    """The loss around what the network has learned, along directions in which each filter is as long as its own."""

    name = "loss-landscape"
    title = "Loss landscape"
    references = ("Li, Xu, Taylor, Studer and Goldstein 2018, arXiv:1712.09913",)
    formula = "L(p + a d1 + b d2), each filter of d as long as that of p; or d1, d2: PCA of the checkpoints"
    pitfalls = (
        "Two of millions of directions are shown. A bowl here proves nothing of the others; a rough surface does.",
        "Norms keep the statistics that they had, as in evaluation; measured anew at each point, they differ.",
        "Biases and the scales and shifts of norms stay where they are along random directions, as in the paper.",
        "The path of a training is its projection. It may be far above or below the surface where it is drawn.",
        "The loss is that on these pictures, without weight decay or augmentation.",
    )
    needs = frozenset({Capability.PARAMETERS})

    def look(self, ctx: Context, settings: LossLandscapeSettings) -> Iterator[Panel]:
        cut = _along_training(ctx, settings) if settings.checkpoints else _at_random(ctx, settings)
        model = cut.model
        pictures = _pictures(ctx, settings, model)
        loss: LossKind = usual_loss(model) if settings.loss == "usual" else settings.loss

        def report(done: int, total: int) -> None:
            ctx.progress(done, total, "Measuring")

        for found in measure(model, cut.slice, pictures, loss, report):
            yield from _panels(cut, found, loss)
        ctx.keep("loss", found.losses)
        ctx.keep("accuracy", found.accuracies)
        for name, amounts in zip("xy", cut.slice.amounts, strict=False):
            ctx.keep(f"along_{name}", amounts)
        if cut.path:
            ctx.keep("path", np.array([(stop.x, stop.y) for stop in cut.path]))
        yield Text(id="said", title="What was measured", text=_said(cut, pictures, settings, found))


@dataclass(frozen=True, eq=False)
class _Cut:
    """Where the loss is measured.

    Args:
        model: The network at 0.
        slice: The directions and the points.
        titles: What is along each.
        path: The training's places.
        about: What else is to be said.
        mark: What lies at 0.
    """

    model: Model
    slice: ParameterSlice
    titles: tuple[str, ...]
    path: tuple[Stop, ...] = ()
    about: str = ""
    mark: str = "the network"


def _at_random(ctx: Context, settings: LossLandscapeSettings) -> _Cut:
    """Return a line or a plane of random directions through the network as it is."""
    random = np.random.default_rng(ctx.seed)
    here, axes = ctx.model.parameters(), ctx.model.filter_axes()
    count = 2 if settings.shape == "plane" else 1
    directions = tuple(filter_normalized(here, random, axes) for _ in range(count))
    amounts = np.linspace(-settings.span, settings.span, settings.points)
    titles = ("along a random direction", "along another one")[:count]
    return _Cut(ctx.model, ParameterSlice(directions, (amounts,) * count), titles)


def _along_training(ctx: Context, settings: LossLandscapeSettings) -> _Cut:
    """Return the line or the plane in which the training moved most, through its end."""
    trajectory = Trajectory(ctx.model, settings.checkpoints, settings.most)
    labels: list[str] = []
    model = ctx.model

    def points() -> Iterator[dict[str, Array]]:
        nonlocal model
        for reached in trajectory.walk(lambda done, total, label: ctx.progress(done, total, f"Reading {label}")):
            model = reached.model
            labels.append(reached.checkpoint.label)
            yield model.parameters()
        if len(labels) < FEWEST:
            raise NotFoundError(
                f"'{settings.checkpoints}' holds {len(labels)} checkpoints of this network; a plane needs {FEWEST}.",
                "Leave checkpoints empty for random directions.",
            )

    plane = principal_plane(points())
    count = 2 if settings.shape == "plane" else 1
    amounts = tuple(spread_around(plane.places[:, rank].tolist(), settings.points) for rank in range(count))
    titles = tuple(f"along component {rank + 1} ({plane.explained[rank]:.0%} of the movement)" for rank in range(count))
    path = tuple(Stop(label, float(x), float(y)) for label, (x, y) in zip(labels, plane.places, strict=True))
    return _Cut(model, ParameterSlice(plane.directions[:count], amounts), titles, path, trajectory.said(), labels[-1])


def _pictures(ctx: Context, settings: LossLandscapeSettings, model: Model) -> Labelled:
    """Return the pictures on which the loss is measured."""

    def report(done: int, total: int) -> None:
        ctx.progress(done, total, "Reading pictures")

    if settings.album:
        return labelled(model, settings.album, settings.pictures, report)
    return labelled_by_itself(model, settings.pictures, np.random.default_rng(ctx.seed), report)


def _panels(cut: _Cut, found: Measured, loss: str) -> Iterator[Panel]:
    """Yield what is known so far as curves or as surfaces."""
    units = "mean cross-entropy, nats" if loss == "cross-entropy" else "mean squared error"
    for id_, title, values, what in (
        ("loss", "Loss", found.losses, units),
        ("accuracy", "Accuracy", found.accuracies, "share of right answers"),
    ):
        yield _line(cut, id_, title, values, what) if values.ndim == 1 else _plane(cut, id_, title, values, what)


def _line(cut: _Cut, id_: str, title: str, values: Numbers, units: str) -> Curve:
    known = tuple(None if np.isnan(value) else float(value) for value in values)
    return Curve(
        id=id_,
        title=title,
        x=tuple(map(float, cut.slice.amounts[0])),
        lines=(Line(title.lower(), known),),
        x_title=cut.titles[0],
        y_title=units,
        mark=0.0,
        mark_label=cut.mark,
    )


def _plane(cut: _Cut, id_: str, title: str, values: Numbers, units: str) -> Surface:
    x, y = (tuple(map(float, amounts)) for amounts in cut.slice.amounts)
    shown = values.T.astype(np.float32)
    levels, logarithmic = levels_of(shown)
    return Surface(
        id=id_,
        title=title,
        x=x,
        y=y,
        values=shown,
        x_title=cut.titles[0],
        y_title=cut.titles[1],
        units=units,
        contours=contours_of(x, y, shown, levels, logarithmic),
        logarithmic=logarithmic,
        path=cut.path,
        mark=(0.0, 0.0),
        mark_label=cut.mark,
    )


def _said(cut: _Cut, pictures: Labelled, settings: LossLandscapeSettings, found: Measured) -> str:
    """Say on what it was measured, and how much the loss varies."""
    source = (
        f"of {settings.album}" if settings.album else "that are random waves, each of the class that the network says"
    )
    parts = [f"Measured on {len(pictures)} pictures {source}, at {found.losses.size} points."]
    if pictures.left_out:
        parts.append(f"{pictures.left_out} pictures could not be read.")
    lost = int(np.isnan(found.losses).sum())
    if lost:
        parts.append(f"At {lost} points the network no longer gave finite scores.")
    if lost < found.losses.size:
        parts.append(
            f"The loss lies between {np.nanmin(found.losses):.3g} and {np.nanmax(found.losses):.3g}, the accuracy "
            f"between {np.nanmin(found.accuracies):.0%} and {np.nanmax(found.accuracies):.0%}."
        )
    return " ".join([*parts, cut.about]).strip()
