"""What is found out about a Keras model when it is opened: its input, its scaling, its layers, its head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from picasso.core.errors import ConfigurationError, ModelFileError
from picasso.core.facts import Layer
from picasso.core.hooks import Head, ModelFile, to_probabilities
from picasso.core.opening import Options
from picasso.core.preprocessing import Array
from picasso.models import opened
from picasso.models.keras.functions import Part
from picasso.models.keras.network import Output, call_name
from picasso.models.readout import MasksReadout, Readout

DEFAULT_SIDE = 224
MOST_NUMBERS = 10**8
"""Numbers of one picture at most, 400 MB: what declares more is damaged or hostile."""
ARITHMETIC = frozenset({"Multiply", "Divide", "TrueDivide", "Subtract", "Add"})
"""Operations by which a model scales its own input."""
LARGE = 25
"""Pixels of 0..255 that a model has scaled are smaller than this; pixels of 0..1 that it has scaled up may be, too."""
SHAPING = frozenset({"Resizing", "CenterCrop", "Pipeline", "GetItem", "Identity", "Cast", "ZeroPadding2D"})
"""What may stand before them; so may every random augmentation, which rests at inference."""


@dataclass(frozen=True)
class Entrance:
    """How pictures enter the model.

    Args:
        shape: (height, width, channels), of each frame where it reads clips.
        spec: The input's shape in the model's own order without the batch, None where free.
        channels_first: Whether that order is (channels, height, width).
        batch: The only number of pictures that the model takes at a time, or None.
        floating: Whether the input is of real numbers, through which gradients pass.
        place: Which of the model's inputs it is, as they are counted flat.
        held: What the others get, by place, for one picture.
        notes: What was assumed, one sentence each.
        frames: How many frames the model reads, where it reads clips; else None.
    """

    shape: tuple[int, int, int]
    spec: tuple[int | None, ...]
    channels_first: bool
    batch: int | None
    floating: bool
    place: int = 0
    held: Mapping[int, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    frames: int | None = None

    @property
    def whole(self) -> tuple[int, ...]:
        """Shape of what the model reads at once: `shape`, behind the frames of a clip."""
        return self.shape if self.frames is None else (self.frames, *self.shape)


@dataclass(frozen=True)
class Listed:
    """A layer, and whether its output has the channels first."""

    layer: Layer
    channels_first: bool


def find_entrance(model: Any, parts: Sequence[Part], hooks: ModelFile, options: Options, keras: Any) -> Entrance:
    """Find the input that reads the picture and its shape, and what other inputs get.

    Raises:
        ModelFileError: The model is not built, or none or several of its inputs read pictures.
        ConfigurationError: The declared preprocessing makes pictures of another shape, or there is no such input.
    """
    declared = opened.declared_shape(hooks)
    if not model.built:
        raise ModelFileError("The model is not built yet: it has no weights.", "Call it on one picture, or train it.")
    inputs = list(getattr(model, "inputs", None) or ())
    place = _place(inputs, options.input) if len(inputs) > 1 or (options.input and inputs) else 0
    if inputs:
        whole, dtype = tuple(inputs[place].shape), keras.backend.standardize_dtype(inputs[place].dtype)
    else:
        whole, dtype = _built_shape(model, declared), "float32"
    clips = len(whole) == 5 and whole[4] in (1, 3, None)
    if (len(whole) != 4 and not clips) or (hooks.frames is not None and not clips):
        said = "a picture is (batch, height, width, channels)"
        if hooks.frames is not None or len(whole) == 5:
            said = "a clip is (batch, frames, height, width, channels)"
        raise ModelFileError(f"The model reads an array of shape {whole}; {said}.")
    first = not clips and _channels_first(whole, parts, keras)
    frames = _frames(whole[1], hooks.frames) if clips else None
    spec = whole[2:] if clips else whole[1:]
    height, width, channels = (spec[1], spec[2], spec[0]) if first else spec
    wanted = declared or (height or DEFAULT_SIDE, width or DEFAULT_SIDE, channels or 3)
    shape = (height or wanted[0], width or wanted[1], channels or wanted[2])
    if np.prod(shape, dtype=float) * (frames or 1) > MOST_NUMBERS:
        raise ModelFileError(f"The model reads pictures of {size_text(shape)}: that is too large.")
    if declared is not None and shape != declared:
        raise ConfigurationError(
            f"The model reads pictures of {size_text(shape)}; the preprocessing makes {size_text(declared)}.",
            f"Set size=({shape[0]}, {shape[1]}) and the color that fits.",
        )
    held, notes = _held(inputs, place, options.hold, keras)
    batch, floating = whole[0] if inputs else None, dtype.startswith(("float", "bfloat"))
    if clips and whole[1] is None and hooks.frames is None:
        notes = (*notes, f"The model reads clips of any number of frames; {frames} are given.")
    # With the frames known: Keras maps a layer over unknown ones in another way, which is wrong in a compiled graph.
    whole_spec = whole[1:] if frames is None else (frames, *spec)
    return Entrance(shape, whole_spec, first, batch, floating, place, held, notes, frames)


def _frames(own: int | None, declared: int | None) -> int:
    """Return how many frames a model reads.

    Raises:
        ConfigurationError: Another number was declared.
    """
    if own is not None and declared not in (None, own):
        raise ConfigurationError(f"The model reads clips of {own} frames; {declared} were declared.")
    return own or declared or opened.CLIP_FRAMES[0]


def _place(inputs: Sequence[Any], wanted: str) -> int:
    """Return which of several inputs reads the picture: the one asked for, or the only one of a picture's shape."""
    names = [tensor.name for tensor in inputs]
    if wanted:
        if wanted in names:
            return names.index(wanted)
        if wanted.isdigit() and int(wanted) < len(names):
            return int(wanted)
        raise ConfigurationError(f"The model has no input '{wanted}'.", f"It has {', '.join(names)}.")
    pictures = [place for place, tensor in enumerate(inputs) if len(tensor.shape) in (4, 5)]
    if len(pictures) == 1:
        return pictures[0]
    listed = ", ".join(f"{tensor.name} {tuple(tensor.shape[1:])}" for tensor in inputs)
    raise ModelFileError(
        f"The model has {len(inputs)} inputs: {listed}.",
        f"Say which reads the picture, with --input {names[0]} (in Python input=...).",
    )


def _held(
    inputs: Sequence[Any], place: int, given: Mapping[str, Any], keras: Any
) -> tuple[dict[int, Any], tuple[str, ...]]:
    """Return what the other inputs get for one picture, by place, and notes on what was assumed."""
    others = {tensor.name: (at, tensor) for at, tensor in enumerate(inputs) if at != place}
    unknown = [name for name in given if name not in others]
    if unknown:
        raise ConfigurationError(
            f"The model has no input '{unknown[0]}' to hold.", f"It has {', '.join(others) or 'only the picture'}."
        )
    held: dict[int, Any] = {}
    notes = []
    for name, (at, tensor) in others.items():
        shape = tuple(side or 1 for side in tensor.shape[1:])
        if name not in given:
            notes.append(f"The input '{name}' gets zeros.")
        try:
            value = np.asarray(given.get(name, 0), dtype=keras.backend.standardize_dtype(tensor.dtype))
            value = value[0] if value.ndim == len(shape) + 1 and len(value) == 1 else value
            held[at] = value if value.ndim == len(shape) and None in tensor.shape[1:] else np.broadcast_to(value, shape)
        except (TypeError, ValueError):
            raise ConfigurationError(
                f"The input '{name}' has the shape {shape}; what it is to be held at does not fit it."
            ) from None
    return held, tuple(notes)


def scales_itself(ran: Sequence[tuple[Part, Output | None]]) -> bool:
    """Say whether the model begins by scaling pixels of 0..255 itself."""
    for part, _ in ran:
        operation = part.operation
        if hasattr(operation, "layers"):  # a model inside, all of which ran before it
            continue
        kind = getattr(operation, "arithmetic", "") or type(operation).__name__
        if kind == "Rescaling":
            return bool(np.max(np.abs(operation.scale)) * 255 < LARGE)
        if kind == "Normalization":
            return bool(np.max(np.abs(np.asarray(host(operation.mean)))) > 2)
        if kind in ARITHMETIC:
            return _shrinks(operation, kind)
        if kind not in SHAPING and not kind.startswith("Random"):
            return False
    return False


def list_layers(
    ran: Sequence[tuple[Part, Output | None]], batch: int, channels_first: bool, clips: bool = False
) -> dict[str, Listed]:
    """Return the layers by name, in the order in which they ended.

    Args:
        ran: The operations that ran, with what each returned.
        batch: The number of pictures that went in.
        channels_first: Whether the input had its channels first.
        clips: Whether the model reads clips: then an output of five axes has a map for each frame.
    """
    calls: dict[str, int] = {}
    found: dict[str, Listed] = {}
    first = channels_first
    for part, output in ran:
        order = getattr(part.operation, "data_format", None)
        if isinstance(order, str):
            first = order == "channels_first"
        elif type(part.operation).__name__ == "Permute":
            first = {(3, 1, 2): True, (2, 3, 1): False}.get(tuple(part.operation.dims), first)
        calls[part.name] = calls.get(part.name, 0) + 1
        if output is None or "float" not in output.dtype:
            continue
        shape = output.shape
        if len(shape) < 2 or shape[0] != batch or None in shape:
            continue
        turned = first and len(shape) == 4
        name = call_name(part.name, calls[part.name])
        inner = (shape[2], shape[3], shape[1]) if turned else shape[1:]
        kind = type(part.operation).__name__
        positions = True if clips and len(shape) == 5 else None
        found[name] = Listed(Layer(name, kind, tuple(int(side) for side in inner), positions=positions), turned)
    return found


def head_fits(head: Head, scores: Array, answer: Array, low_precision: bool) -> bool:
    """Say whether the model's own answer is the head's probabilities (or their logarithm) of the scores.

    Args:
        head: What was taken out of the model.
        scores: Its answer without it, (n, columns).
        answer: Its own answer, (n, columns).
        low_precision: Whether the model calculates with 16 bits.
    """
    finite = np.isfinite(scores).all(axis=1) & np.isfinite(answer).all(axis=1)
    if scores.shape != answer.shape or not finite.any():
        return False
    mine, own = to_probabilities(scores[finite], head), answer[finite]
    if (own <= 0).all() and head is Head.SOFTMAX:
        own = np.exp(own)
    return bool(np.allclose(mine, own, atol=1e-2 if low_precision else 1e-4))


def class_rows(answer: Array, readout: Readout) -> Array:
    """Return class scores or probabilities, of pictures or of the pixels of masks, as rows (m, classes)."""
    if not isinstance(readout, MasksReadout):
        return answer.reshape(len(answer), -1)
    answer = np.moveaxis(answer, 1, -1) if readout.channels_first else answer
    return answer.reshape(-1, answer.shape[-1])


def turn(array: Array, channels_first: bool) -> Array:
    """Bring the channels last: (..., c, h, w) -> (..., h, w, c)."""
    return np.ascontiguousarray(np.moveaxis(array, -3, -1)) if channels_first else array


def _built_shape(model: Any, declared: tuple[int, int, int] | None) -> tuple[Any, ...]:
    """Return the input's shape of a subclassed model, from what it was built with."""
    config = model.get_build_config() or {}
    shape = config.get("input_shape")
    if isinstance(shape, list | tuple) and len(shape) == 4:
        return (None, *shape[1:])
    if declared is not None:
        return (None, *declared)
    raise ModelFileError(
        "The model does not say what shape its input has.", "Give it with preprocessing=Preprocessing(size=...)."
    )


def _channels_first(whole: tuple[Any, ...], parts: Sequence[Part], keras: Any) -> bool:
    colors = (1, 3)
    if whole[3] in colors and whole[1] not in colors:
        return False
    if whole[1] in colors and whole[3] not in colors:
        return True
    orders = (getattr(part.operation, "data_format", None) for part in parts)
    said = next((order for order in orders if isinstance(order, str)), keras.config.image_data_format())
    return bool(said == "channels_first")


def _shrinks(operation: Any, kind: str) -> bool:
    """Say whether an arithmetic operation with a constant brings pixels of 0..255 near 0."""
    if len(operation._inbound_nodes) != 1 or len(operation._inbound_nodes[0].input_tensors) != 1:
        return False
    given = operation._inbound_nodes[0].arguments.args
    constants = getattr(operation, "constants", [value for value in given if not hasattr(value, "_keras_history")])
    size = float(np.max(np.abs(host(constants[0])))) if constants else 0.0
    if kind in ("Add", "Subtract"):
        return size > 2
    return 0 < size * 255 < LARGE if kind == "Multiply" else size * LARGE > 255


def host(value: Any) -> Any:
    """Return a tensor of any backend as something that NumPy reads."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        return (value.float() if "bfloat16" in str(value.dtype) else value).numpy()
    return value.numpy() if hasattr(value, "numpy") else value


def size_text(shape: tuple[int | None, ...]) -> str:
    """Write a shape as people do: 12 x 12 x 3."""
    return " x ".join("any" if side is None else str(side) for side in shape)
