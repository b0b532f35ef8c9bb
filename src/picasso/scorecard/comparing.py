"""Compares attribution methods on one model and some pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from picasso.core import registry
from picasso.core.asking import focused, read_place
from picasso.core.errors import ConfigurationError, NotSupportedError, PictureError, SettingsError
from picasso.core.fitting import abilities, missing, read_seed, read_settings
from picasso.core.inputs import read_inputs
from picasso.core.model import Model
from picasso.core.pictures.images import Picture
from picasso.core.targets import TargetChoice
from picasso.core.visualization import AttributionMethod
from picasso.scorecard.comparison import Comparison
from picasso.scorecard.measuring import Measuring, Shown
from picasso.scorecard.method import Method
from picasso.scorecard.randomization import untestable
from picasso.scorecard.stages import Report

DEFAULT = ("partial-occlusion", "saliency-map", "grad-cam")
"""What is compared where nothing is said: those of these that the model can do."""
MethodChoice = str | tuple[str, Mapping[str, Any]]


def compare(
    model: Model,
    pictures: object,
    methods: Iterable[MethodChoice] | str | None = None,
    *,
    target: TargetChoice | None = None,
    mask: object = None,
    at: object = None,
    seed: int = 0,
    randomization: bool = True,
    progress: Callable[[int, int, str], None] | None = None,
) -> Comparison:
    """Compare attribution methods: maps side by side, what is measured of each, and which to trust here.

    Args:
        model: From `load_model`.
        pictures: One picture or several, as `explain` takes them.
        methods: Names of attribution methods, or pairs of a name and settings; "all" for all that the model can do;
            by default a few that are known everywhere.
        target: What to explain: a class index, a label, or "a - b"; by default the best class of each picture.
        mask: Where the object is, to see which map points at it: a mask picture or boolean array of the picture's
            size, or a box (left, top, width, height); for several pictures a list with one for each, or None.
        at: For a segmenter or detector, what is explained, as in `explain`.
        seed: Seed of everything random.
        randomization: Whether methods that were not yet tested on this model are: it takes some twenty maps of each,
            once, and is kept. Where not, their maps are called untested.
        progress: Called with (done, total, message).

    Returns:
        A Comparison.

    Raises:
        PicassoError: One of its kinds, each with one sentence that says what to do.

    Example:
        >>> comparison = compare(load_model("demo:tank-proxy"), "photo.jpg", ["grad-cam", "saliency-map"])
        >>> trusted = [card.title for card in comparison.cards if card.trust == "trust"]
    """
    if not isinstance(model, Model):
        raise ConfigurationError(
            f"compare needs a model from load_model. Got {type(model).__name__}.", "Call picasso.load_model first."
        )
    chosen = choose_methods(model, methods)
    shots, alone = read_inputs(model, pictures)
    if not alone and not hasattr(pictures, "__len__"):
        shots = iter(found := list(shots))
        pictures = found
    count = 1 if alone else len(pictures)  # type: ignore[arg-type]  # it has a length, as was looked
    return compare_all(
        model,
        zip(shots, [mask] if alone else _masks(mask, count), strict=alone),
        count,
        chosen,
        target=target,
        at=at,
        seed=read_seed(seed),
        randomization=randomization,
        report=progress or _ignore,
    )


def compare_all(
    model: Model,
    pictures: Iterable[tuple[Picture, object]],
    count: int,
    methods: Sequence[Method],
    *,
    target: TargetChoice | None = None,
    at: object = None,
    seed: int = 0,
    randomization: bool = True,
    report: Report,
) -> Comparison:
    """Compare methods on pictures that are read one by one, each with its mask or None.

    Args:
        model: The model.
        pictures: The pictures; no more than one of them is held.
        count: How many there will be, for the progress.
        methods: From `choose_methods`.
        target, at, seed, randomization: As in `compare`.
        report: Called with (done, total, message).

    Raises:
        PictureError: There is none.
    """
    if model.facts.frames is not None:
        raise NotSupportedError("Maps are compared on still pictures; this model reads clips.")
    place = read_place(at)
    of_channel = place is not None and place.channel is not None
    reason = "weights are shuffled for classes, not for a channel of a layer." if of_channel else untestable(model)
    measuring = Measuring(model, methods, seed, report, randomization, count, reason)
    for number, (picture, where) in enumerate(pictures):
        sample = model.prepare(picture)
        asked = focused(model, sample, place)
        scores = asked.predict(sample.x)[0]
        goal = asked.top_targets(scores, 1)[0] if target is None else asked.target(target)
        measuring.look(Shown(asked, sample, goal, float(goal.of_classes(scores)), where), number)
    if not measuring.pictured:
        raise PictureError("There is no picture to compare maps on.", "Give at least one.")
    return measuring.finish()


def choose_methods(
    model: Model, methods: Iterable[MethodChoice] | str | None, folders: Sequence[Path] | None = None
) -> list[Method]:
    """Return the methods that were asked for.

    Args:
        model: That they must fit; with "all" and by default those that do not are left out.
        methods: As in `compare`.
        folders: Folders of the user's plug-ins; by default the usual one.

    Raises:
        NotFoundError: There is none of that name.
        NotSupportedError: One is no attribution method, or the model lacks what it needs.
        SettingsError: A setting is not allowed.
    """
    if methods is None or methods == "all":
        names = DEFAULT if methods is None else list(registry.visualizations(folders))
        entries = [registry.visualization(name, folders) for name in names]
        good = [entry for entry in entries if entry.kind is not None and issubclass(entry.kind, AttributionMethod)]
        able = abilities(model)
        fitting = [Method(e, e.load().settings_type()) for e in good if not missing(model, e, able)]
        if not fitting:
            raise NotSupportedError(f"No attribution method fits this {model.framework} model.")
        return fitting
    made = []
    for choice in [methods] if isinstance(methods, str) else methods:
        name, settings = (choice, {}) if isinstance(choice, str) else choice
        entry = registry.visualization(name, folders)
        if not issubclass(entry.load(), AttributionMethod):
            raise NotSupportedError(f"'{name}' makes no map of a target, so there is nothing to compare.")
        if reason := missing(model, entry):
            raise NotSupportedError(reason, "Leave it out.")
        made.append(Method(entry, read_settings(entry, settings)))
    if not made:
        raise SettingsError("There is no method to compare.", "Name at least one.")
    return made


def _masks(mask: object, pictures: int) -> list[object]:
    if mask is None:
        return [None] * pictures
    if isinstance(mask, list | tuple) and len(mask) == pictures:
        return list(mask)
    raise SettingsError(f"There must be one mask, or None, for each of {pictures} pictures. Got {type(mask).__name__}.")


def _ignore(done: int, total: int, message: str) -> None:
    """Ignore progress."""
