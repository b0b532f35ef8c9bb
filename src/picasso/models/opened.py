"""What all adapters share when they open a network: finding the input, the columns and the head."""

from __future__ import annotations

import numpy as np

from picasso.core.errors import ModelOutputError
from picasso.core.hooks import Head, ModelFile
from picasso.core.model import Model
from picasso.core.preprocessing import Array, Preprocessing

PROBE_SIDES = (224, 32, 64, 28, 128, 96, 299, 256, 512)
"""Input sides that are tried, in this order, where a network does not say its own."""

DECLARE_SIZE = "Declare it: preprocessing=Preprocessing(size=...), or --size in the shell."
"""What to do where no size of the input was found."""

CLIP_SIDES = (112, 224, 64, 32, 128, 96, 256)
"""The same for networks of clips."""
CLIP_FRAMES = (16, 8, 32, 4)
"""Numbers of frames that are tried, in this order, where nothing says how many a network reads."""


def no_size(problem: str) -> ModelOutputError:
    """Return the error for a network that takes none of the usual sizes, from what it said of the first."""
    return ModelOutputError(
        f"The input's size is not known, and none of the usual ones fits: {problem.rstrip('.')}.", DECLARE_SIZE
    )


def declared_shape(hooks: ModelFile) -> tuple[int, int, int] | None:
    """Return the input's shape (h, w, c) that the user's preprocessing makes, or None where none is declared."""
    if type(hooks).preprocess is not ModelFile.preprocess:
        with Model.running("The preprocess hook"):
            x = np.asarray(hooks.preprocess([np.full((256, 256, 3), 128, np.uint8)]))
        if x.ndim != 4:
            raise ModelOutputError(f"The preprocess hook must return (n, height, width, channels). Got {x.shape}.")
        return int(x.shape[1]), int(x.shape[2]), int(x.shape[3])
    return hooks.preprocessing.shape if hooks.preprocessing else None


def assumed_preprocessing(size: int | tuple[int, int], channels: int) -> tuple[Preprocessing, str]:
    """Return the preprocessing that is assumed where none is declared, and a note that says so."""
    if channels not in (1, 3):
        note = f"Preprocessing was not declared; assumed: the file's own {channels} channels, stretched to {size}."
        return Preprocessing.model_validate({"size": size, "color": "values", "bands": channels}), note
    color = "grey" if channels == 1 else "rgb"
    note = f"Preprocessing was not declared; assumed: {color}, stretched to {size}, scaled to 0..1."
    return Preprocessing.model_validate({"size": size, "color": color}), note


def takes_channels(hooks: ModelFile, channels: int | None) -> bool:
    """Let the user's preprocessing make a network's own channels, where it leaves the colors open; say if it does.

    Args:
        hooks: The user's choices; their preprocessing is replaced.
        channels: How many the network reads, or None where that is not known.
    """
    declared = hooks.preprocessing
    own = type(hooks).preprocess is not ModelFile.preprocess
    if channels is None or declared is None or own or declared.channels == channels:
        return False
    said = declared.model_dump(exclude_unset=True)
    colors: dict[str, object] = {"color": "grey"} if channels == 1 else {"color": "values", "bands": channels}
    if channels == 3 or said.keys() & colors.keys():
        return False
    try:
        hooks.preprocessing = Preprocessing.model_validate(said | colors)
    except ValueError:  # a mean or deviation for each of other channels
        return False
    return True


def counted(channels: int) -> str:
    """Return "1 channel", "3 channels"."""
    return "1 channel" if channels == 1 else f"{channels} channels"


def probe(shape: tuple[int, ...]) -> Array:
    """Return a fixed input, float32 (6, h, w, c) or for clips (6, frames, h, w, c), to see what a network answers.

    The pictures grow from ordinary to absurd, since small logits look like probabilities until the input grows.
    """
    growth = np.array([1, 1, 30, 30, 1000, 1000], np.float32).reshape(-1, *(1 for _ in shape))
    return np.random.default_rng(0).normal(size=(6, *shape)).astype(np.float32) * growth


def find_head(answer: Array, chosen: Head | None) -> tuple[Head, str, str]:
    """Judge from a network's answer to the probe whether it returns logits or probabilities.

    Args:
        answer: (n, columns), what the network returned.
        chosen: The user's own word, or None.

    Returns:
        The head, the units of the network's own answer ("logit", "probability", "log probability" or "score"), and
        a note.
    """
    columns = answer.shape[1]
    # A network may overflow on the absurd part of the probe; what is left decides.
    answer = answer[np.isfinite(answer).all(axis=1)]
    if not len(answer):
        raise ModelOutputError(
            "The model returned NaN or infinite scores on every probe.", "Check the weights of this model."
        )
    inside = bool((answer >= 0).all() and (answer <= 1).all())
    sums_to_one = inside and columns > 1 and bool(np.allclose(answer.sum(axis=1), 1, atol=1e-3))
    if chosen is Head.NONE:
        return Head.NONE, "score", "The head is none: scores are shown as they are."
    if sums_to_one and chosen in (None, Head.SOFTMAX):
        return Head.SOFTMAX, "probability", "The network returns probabilities that sum to 1 (softmax)."
    logarithms = columns > 1 and bool((answer <= 1e-6).all())
    if logarithms and chosen in (None, Head.SOFTMAX) and np.allclose(np.exp(answer).sum(axis=1), 1, atol=1e-3):
        return Head.SOFTMAX, "log probability", "The network returns log probabilities (log softmax)."
    # Logits behind a normalization may stay within 0..1 however the input grows; a sigmoid comes near an end.
    decided = inside and bool(((answer < 0.01) | (answer > 0.99)).any())
    if inside and (decided or chosen is Head.SIGMOID) and chosen in (None, Head.SIGMOID):
        return Head.SIGMOID, "probability", "The network returns one probability for each class (sigmoid)."
    if chosen is not None:
        return chosen, "logit", f"The head was declared: {chosen}."
    if columns == 1:
        return Head.SIGMOID, "logit", "One output: taken for the logit of a sigmoid; for a quantity say head none."
    return Head.SOFTMAX, "logit", "The network returns logits; a softmax head is assumed."


def check_answer(answer: Array) -> None:
    """Refuse a network whose answer to the probe is no row of class scores.

    Raises:
        ModelOutputError: The shape is not (n, columns), or there are no columns.
    """
    if answer.ndim != 2 or answer.shape[1] < 1:
        raise ModelOutputError(
            f"The network returned an array of shape {answer.shape}; a classifier returns (n, classes).",
            "Give a model file whose load() returns a network of class scores.",
        )
