"""`explain`: what a model sees in one picture, in each of several, or what there is to see of the model alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from picasso.core import registry
from picasso.core.asking import place_or_channel
from picasso.core.errors import ConfigurationError, NotSupportedError
from picasso.core.fitting import missing, read_seed, read_settings, refuse_class_of_channel, refuse_subject
from picasso.core.inputs import read_inputs
from picasso.core.model import Model
from picasso.core.pictures.images import Picture
from picasso.core.result import Result, Results
from picasso.core.result_keys import cache_key
from picasso.core.runner import DEFAULT_TOP, run
from picasso.core.targets import TargetChoice, targets_of

_KEPT_RESULTS = 16


def explain(
    model: Model,
    picture: object = None,
    visualization: str = "partial-occlusion",
    *,
    target: TargetChoice | Sequence[TargetChoice] | None = None,
    top: int = DEFAULT_TOP,
    at: object = None,
    channel: object = None,
    seed: int = 0,
    cache: bool = True,
    progress: Callable[[int, int, str], None] | None = None,
    **settings: Any,
) -> Result | Results:
    """Explain what a model sees in a picture, or in each of several; or show what there is to see of the model alone.

    Args:
        model: From `load_model`.
        picture: A path, bytes, a PIL image, an array (height, width[, channels]). A floating-point batch (n, height,
            width, channels) or (n, channels, height, width), or a torch tensor (channels, height, width): the
            network's own input, already preprocessed. For a network of clips a GIF, WebP, PNG, TIFF or .npy of several
            frames, or an array uint8 (frames, height, width, 3). Or a list, data loader or other iterable of any of
            these, of pairs (x, y) or of dicts with "pixel_values" or "image". None for a visualization of the model
            alone: "filters", "feature-visualization", ...
        visualization: Registered name: "partial-occlusion", "grad-cam", "saliency-map", "class-probabilities", ...
        target: What to explain: a class index, a label, "a - b" for a difference, or a list; by default the `top`
            best classes.
        top: How many of the best classes are explained where no target is given.
        at: For a segmenter or detector, what is explained: a pixel (x, y), a box (left, top, width, height) in pixels
            of the picture, a mask of the picture's size or a file of one, or "#2" for the second detection; by
            default each class over its own predicted mask, or each of the best detections.
        channel: A channel of a layer instead of a class: "conv5:37" for the mean of channel 37 of the layer conv5,
            "conv5:37@3,4" for its value at row 3, column 4 of the layer's map; channels and places count from 0.
            "conv5:37@max" for its value where it is largest in this picture. The pixels that the unit at a place can
            depend on, its receptive field, are marked in the picture.
        seed: Seed of everything random.
        cache: Whether a result that this model gave before for the same picture and choices is returned at once.
        progress: Called with (done, total, message).
        settings: The visualization's own settings; `picasso visualizations` lists them.

    Returns:
        A Result; Results, a sequence of them, for a list or batch of pictures.

    Raises:
        PicassoError: One of its kinds, each with one sentence that says what to do.

    Example:
        >>> result = explain(load_model("demo:tank-proxy"), "photo.jpg", window=32, stride=16)
    """
    if not isinstance(model, Model):
        raise ConfigurationError(
            f"explain needs a model from load_model. Got {type(model).__name__}.", "Call picasso.load_model first."
        )
    entry = registry.visualization(visualization)
    kind = entry.load()
    checked, place = read_settings(entry, settings), place_or_channel(at, channel)
    refuse_class_of_channel(place, targets_of(target))
    top, seed = int(top), read_seed(seed)  # NumPy's integers are no JSON

    if reason := missing(model, entry):
        raise NotSupportedError(reason, "Choose another visualization.")

    def one(shot: Picture | None) -> Result:
        def made(digest: str = "") -> Result:
            return run(
                model, shot, entry, checked,
                target=target, top=top, at=place, seed=seed, report=progress, digest=digest,
            )  # fmt: skip

        if not cache:
            return made()
        digest, kept = model.digest, model.kept_results
        key = cache_key(model, entry, checked, shot, targets_of(target), top, seed, place, digest)
        if key not in kept:
            kept[key] = _frozen(made(digest))
            while len(kept) > _KEPT_RESULTS:
                kept.pop(next(iter(kept)))
        found: Result = kept[key]
        return found if shot is None else _named(found, shot)

    if refuse_subject(kind.title, kind.subject, picture is not None, (targets_of(target), place)):
        return one(None)
    pictures, alone = read_inputs(model, picture)
    return one(next(pictures)) if alone else Results(one(shot) for shot in pictures)


def _frozen(result: Result) -> Result:
    """Return a result whose numbers cannot be written to: the same are handed out again."""
    for one in result.attributions:
        for numbers in (one.values, one.native):
            if numbers is not None:
                numbers.flags.writeable = False
    for numbers in result.arrays.values():
        numbers.flags.writeable = False
    return result


def _named(result: Result, picture: Picture) -> Result:
    """Return the result of a picture that may have been seen before under another name."""
    if result.picture is None or result.picture.name == picture.name:
        return result
    if "frames" in result.record["model"]:  # how a clip was read is known only then
        picture = replace(picture, notes=result.picture.notes)
    named = {"name": picture.name, "notes": list(picture.notes)}
    record = result.record | {"picture": result.record["picture"] | named}
    return replace(result, picture=picture, record=record)
