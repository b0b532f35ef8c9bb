"""Fooling: the smallest change of the picture that turns the class."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    INPUT,
    Array,
    Attack,
    Bars,
    Capability,
    Change,
    Context,
    EightBit,
    Family,
    Goal,
    Head,
    Heatmap,
    Images,
    NotSupportedError,
    Panel,
    Sample,
    Settings,
    SettingsError,
    SmallestChange,
    Text,
    Visualization,
    eight_bit,
    over_channels,
    shared_limits,
)

SHOWN = 5
"""Classes whose probabilities are shown."""
CLIP = 0.005
"""Share of the gradients that may lie beyond their color scale."""


class FoolingSettings(Settings):
    method: Literal["pgd", "fgsm"] = Field(
        "pgd",
        title="Attack",
        description="pgd: many small steps along the gradient, projected back into the allowed change. fgsm: one step.",
    )
    norm: Literal["linf", "l2"] = Field(
        "linf",
        title="Size of a change",
        description="linf: the largest change of a pixel. l2: the root mean square of the change over all pixels.",
    )
    toward: str = Field(
        "",
        title="Toward",
        description="The class, by label or index, that the picture is to be taken for. Left empty: any other than the "
        "one that is explained.",
        json_schema_extra={"picasso": {"choices": "classes"}},
    )
    largest: float = Field(
        16, gt=0, le=255, title="Largest change", description="Up to which size a change is looked for, in 255ths."
    )
    steps: int = Field(
        20, ge=1, le=500, title="Steps", description="Steps of an attack by pgd; each is a forward and a backward pass."
    )
    starts: int = Field(
        1,
        ge=0,
        le=32,
        title="Random starts",
        description="How many attacks by pgd begin at random within the allowed change, beside the one that begins at "
        "the picture.",
    )
    objective: Literal["margin", "cross-entropy"] = Field(
        "margin",
        title="Objective",
        description="What goes down: the score's lead over the best other class, or the log probability.",
    )


class Fooling(Visualization[FoolingSettings]):
    """The smallest change of the picture that turns the class, and whether anybody would see it."""

    name = "fooling"
    title = "Fooling"
    family = Family.MADE
    references = (
        "Goodfellow, Shlens and Szegedy 2014, arXiv:1412.6572",
        "Madry et al. 2017, arXiv:1706.06083",
    )
    formula = "min |change|  such that  argmax f(x + change) is another class,  0 <= x + change <= 255"
    pitfalls = (
        "It is an upper bound: that no smaller change was found does not mean that there is none.",
        "A network whose gradients are hidden (by rounding, by saturation) looks robust to it, and is not.",
        "One step (fgsm) may succeed where a longer one fails: the halving finds one such size, not the least of all.",
        "What the change looks like says little of what the network sees in the picture: it is what is cheapest.",
    )
    needs = frozenset({Capability.GRADIENTS})

    def run(self, ctx: Context, sample: Sample, settings: FoolingSettings) -> Iterator[Panel]:
        goal, scale = make_goal(ctx, settings), eight_bit(ctx.model, sample)
        attack = Attack(settings.method, settings.norm, settings.largest, settings.steps, settings.starts)
        search = SmallestChange(ctx, scale, goal, attack)
        found = search.begin()
        for better in search.smaller(found):
            found = better
            if ctx.watched:
                for panel in _panels(ctx, sample, scale, goal, search, found):
                    ctx.show(panel)
        rounded = _rounded(ctx, scale, goal, found)
        ctx.keep("changed", scale.read(found.levels))
        ctx.keep("change", found.levels - scale.levels)
        ctx.keep("radius", np.array(found.radius))
        ctx.keep("fooled", np.array(found.fooled))
        ctx.keep("fooled_rounded", np.array(rounded.fooled))
        ctx.keep("tried", np.array(search.tried, np.float64).reshape(-1, 2))
        yield from _panels(ctx, sample, scale, goal, search, found)
        yield from _maps(ctx, sample, scale, found)
        ctx.progress(search.total, search.total)


def make_goal(ctx: Context, settings: FoolingSettings) -> Goal:
    """Return what is to happen: away from the explained class, to the second of a difference, or to a chosen class.

    Raises:
        NotSupportedError: There is no other class to turn to.
        SettingsError: `toward` is a difference of classes.
    """
    model, target, focus = ctx.model, ctx.targets[0], ctx.model.focus
    count = len(model.labels) if focus is None else focus.classes
    if Capability.DETECTION in ctx.whole.capabilities:
        raise NotSupportedError(
            "Fooling turns one class into another; the boxes of a detector are no classes that exclude each other.",
            "Choose a map of one box instead.",
        )
    if focus is not None and focus.outline is None:
        raise NotSupportedError(
            "Of this picture every class was found elsewhere, so that none can turn into another.",
            "Ask about one place (at=...).",
        )
    if count < 2 or target.index >= count:
        raise NotSupportedError("Fooling turns one class into another; here is only one number.", "Explain a class.")
    if model.head is Head.SIGMOID and count > 2:
        raise NotSupportedError(
            "Fooling turns one class into another; this model has a sigmoid for each, so that none excludes another.",
            "Choose a map of one class instead.",
        )
    have: tuple[int, ...] = (target.index,)
    want = tuple(index for index in range(count) if index != target.index)
    if settings.toward:
        chosen = model.target(settings.toward)
        if chosen.minus is not None or chosen.index >= count:
            raise SettingsError(f"toward must be a class. Got '{settings.toward}'.")
        have, want = tuple(index for index in range(count) if index != chosen.index), (chosen.index,)
    elif target.minus is not None:
        want = (target.minus,)
    return Goal(
        target.index, target.label, target.terms, target.minus, model, have, want, settings.objective != "margin"
    )


class Answer:
    """What the model answers to an input.

    Attributes:
        scores: Its class scores, (classes,).
        fooled: Whether the class that was to lose leads no more.
        label: The class that leads, of those that are asked about.
    """

    def __init__(self, ctx: Context, goal: Goal, scores: Array) -> None:
        among = np.array(sorted({*goal.have, *goal.want}))
        self.scores = scores
        self.fooled = bool(goal.lead(scores[None])[0] < 0)
        self.label = ctx.model.labels[int(among[scores[among].argmax()])]
        self._sure = ctx.model.probabilities(scores)[among].max() if ctx.model.head != "none" else None

    def __str__(self) -> str:
        return f"'{self.label}'" + ("" if self._sure is None else f", {self._sure:.0%}")


def _rounded(ctx: Context, scale: EightBit, goal: Goal, found: Change) -> Answer:
    """Return what the model answers to the changed picture in whole 8-bit levels."""
    return Answer(ctx, goal, ctx.model.predict(scale.read(np.round(found.levels))[None])[0])


def _panels(
    ctx: Context, sample: Sample, scale: EightBit, goal: Goal, search: SmallestChange, found: Change
) -> Iterator[Panel]:
    """Say what it takes; show the picture, the changed one and the change, and what the model says of both."""
    said = said_of(ctx, scale, goal, search, found, _rounded(ctx, scale, goal, found))
    yield Text(id="said", title="What it takes", text=said)
    change = found.levels - scale.levels
    before = Answer(ctx, goal, ctx.scores)
    after = Answer(ctx, goal, ctx.model.predict(scale.read(found.levels)[None])[0])
    factor = magnification(change)
    yield Images(
        id="pictures",
        title="The picture, and the changed one",
        caption="What the model reads of both, and the difference around middle grey.",
        pictures=(sample.view, scale.shown(found.levels), scale.shown(128 + factor * change)),
        captions=(f"the picture: {before}", f"changed: {after}", f"the change, {factor:g} times as strong"),
    )
    sure = ctx.model.head != "none"
    values = [ctx.model.probabilities(one.scores) if sure else one.scores for one in (before, after)]
    among = np.array(sorted({*goal.have, *goal.want}))
    best = np.argsort(-np.maximum(*(one[among] for one in values)), kind="stable")[:SHOWN]
    for name, title, one in zip(("before", "after"), ("Before the change", "After it"), values, strict=True):
        yield Bars(
            id=name,
            title=title,
            labels=tuple(ctx.model.labels[index] for index in among[best]),
            values=tuple(float(one[index]) for index in among[best]),
            units="probability" if sure else "score",
            maximum=1.0 if sure else None,
        )


def _maps(ctx: Context, sample: Sample, scale: EightBit, found: Change) -> Iterator[Heatmap]:
    """Show which pixels the class score moves with, in the picture and in the changed one, on one color scale."""
    target = ctx.targets[0]
    both = np.stack([scale.x, scale.read(found.levels)])
    pulled = ctx.model.pullback(both, [target], (INPUT,)).gradients[INPUT][0]
    maps = [over_channels(one, "max_abs") for one in pulled]
    limits = shared_limits(maps, "unsigned", CLIP)
    scores = target.of_classes(np.stack([ctx.scores, ctx.model.predict(both[1:])[0]]))
    pictures = sample.view, scale.shown(found.levels)
    titles = f"What moves '{target.label}' in the picture", f"What moves '{target.label}' in the changed one"
    for rank, (values, picture, title) in enumerate(zip(maps, pictures, titles, strict=True)):
        yield Heatmap(
            id=f"saliency-{rank}",
            title=title,
            values=values,
            picture=picture,
            units=f"|change in {ctx.model.facts.units} per unit of input|",
            sign="unsigned",
            limits=limits,
            clipped=float(np.mean(values > limits[1])),
            group="saliency",
            rank=rank,
            target=f"{target.label} {('before', 'after')[rank]}",
            score=float(scores[rank]),
            frame=sample.frame,
            notes=() if values.any() else ("Every gradient is zero.",),
        )


def magnification(change: NDArray[np.float64]) -> float:
    """Return by how much a change in 0..255 can be enlarged around middle grey: 1, 2 or 5 times a power of ten."""
    largest = float(np.abs(change).max())
    if largest == 0:
        return 1.0
    most = 127 / largest
    power = 10.0 ** np.floor(np.log10(most))
    return float(max(step * power for step in (1, 2, 5) if step * power <= most))


def said_of(ctx: Context, scale: EightBit, goal: Goal, search: SmallestChange, found: Change, rounded: Answer) -> str:
    """Say in plain words what it takes to fool the model, and what is not known."""
    before = Answer(ctx, goal, ctx.scores)
    after = Answer(ctx, goal, ctx.model.predict(scale.read(found.levels)[None])[0])
    how, largest = search.attack, np.abs(found.levels - scale.levels).max()
    square = how.norm == "l2"
    if not found.radius and found.fooled:
        return f"Nothing has to change: the model takes the picture for '{before.label}' as it is."
    if not found.fooled:
        wanted = "another class" if len(goal.want) > 1 else f"'{ctx.model.labels[goal.want[0]]}'"
        size = f"{how.largest:g} of 255 per pixel{' (root mean square)' if square else ''}"
        said = [f"Not found up to {size}: no change that small that was tried turns '{before.label}' into {wanted}."]
    else:
        size = f"at most {found.radius:.2g} of 255 per pixel"
        if square:
            size = f"{found.radius:.2g} of 255 per pixel (root mean square; {largest:.2g} at most)"
        said = [f"A change of {size} turns '{before.label}' into '{after.label}'."]
        if not scale.colors:
            said.append("It was not rounded to 8 bits, since the network reads no 8-bit colors.")
        else:
            most = np.abs(np.round(found.levels) - scale.levels).max()
            still = "still does" if rounded.fooled else "does no longer"
            said.append(
                f"Rounded to whole 8-bit levels, as a file keeps them (a change of {most:.3g} at most), it {still}: "
                f"{rounded}."
            )
    tries = f"{len(search.tried)} sizes of change were tried by {how.method.upper()}"
    if how.method == "pgd":
        tries += f", with up to {how.steps} steps from {how.starts + 1} or more starts (seed {ctx.seed})"
    below = f"; at {search.low:.3g} none was found" if found.fooled and search.low else ""
    said.append(f"\n\n{tries}{below}. A stronger attack may find a smaller change.")
    if not scale.colors:
        said.append(
            "The network reads no colors: 255 stands for the span of the picture's own values in each channel, and "
            "none was moved beyond it."
        )
    return " ".join(said).replace(" \n\n", "\n\n")
