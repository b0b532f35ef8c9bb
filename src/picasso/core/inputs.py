"""What Python code has in a picture's place: tensors that are preprocessed already, batches, data loaders.

A floating-point batch is the network's own input. So is a floating-point torch tensor (channels, height, width), and
for a network of clips any floating-point array of a clip. Everything else is a picture, and goes through the model's
preprocessing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from picasso.core.errors import PictureError
from picasso.core.hooked import as_view
from picasso.core.hooks import ModelFile
from picasso.core.model import Model
from picasso.core.pictures.depth import Deep, split
from picasso.core.pictures.images import Picture, digest_arrays, read_picture

_KEYS = ("pixel_values", "image", "images", "img", "x", "input", "inputs")
"""Under which a data set's rows hold the picture; the first that is there."""
_HINT = "Give pictures, or inputs of the model's own size and channels."


def read_inputs(model: Model, source: object) -> tuple[Iterator[Picture], bool]:
    """Read what is to be explained.

    Args:
        model: The model that will read it.
        source: A picture in any form; a batch or tensor; a pair (x, y) or a dict of a data loader; or a list, data
            loader, generator or tf.data.Dataset of these, which is taken from one item at a time.

    Returns:
        The pictures, and whether it is one picture rather than several.

    Raises:
        PictureError: It is nothing of the kind, or does not fit the model.
    """
    names = (f"input-{number}" for number in count())
    alone = _is_alone(source, _batch_axes(model))
    return _pictures(model, source, iter(("input",)) if alone else names), alone


def _batch_axes(model: Model) -> int:
    """Return how many axes an array of several pictures, or of several clips, has."""
    return 4 if model.facts.frames is None else 5


def _is_alone(source: object, batch_axes: int) -> bool:
    if isinstance(source, Mapping):
        return _is_alone(_of_row(source), batch_axes)
    if _is_pair(source):
        return _is_alone(source[0], batch_axes)  # type: ignore[index]
    if _is_picture(source):
        return True
    if _is_array(source):
        return _axes(source) != batch_axes
    return not isinstance(source, Iterable) and not hasattr(source, "__getitem__")


def _pictures(model: Model, source: object, names: Iterator[str]) -> Iterator[Picture]:
    if _is_picture(source):
        yield read_picture(source)
    elif isinstance(source, Mapping):
        yield from _pictures(model, _of_row(source), names)
    elif _is_pair(source):
        yield from _pictures(model, source[0], names)  # type: ignore[index]
    elif _is_array(source):
        yield from _of_array(model, source, names)
    elif isinstance(source, Iterable):
        for item in source:
            yield from _pictures(model, item, names)
    elif hasattr(source, "__getitem__") and hasattr(source, "__len__"):  # a data set without an iterator of its own
        for place in range(len(source)):
            yield from _pictures(model, source[place], names)
    else:
        yield read_picture(source)  # says what it should have been


def _is_picture(source: object) -> bool:
    return isinstance(source, Picture | str | Path | bytes | bytearray | memoryview | Image.Image)


def _is_torch(source: object) -> bool:
    return hasattr(source, "detach") and any(base.__module__.split(".")[0] == "torch" for base in type(source).__mro__)


def _is_array(source: object) -> bool:
    return _is_torch(source) or (hasattr(source, "__array__") and hasattr(source, "shape"))


def _axes(source: object) -> int:
    return len(source.shape)  # type: ignore[attr-defined]


def _is_pair(source: object) -> bool:
    """Say whether it is a picture or batch with its label or labels, as data loaders give them."""
    if not isinstance(source, list | tuple) or len(source) < 2:
        return False
    first, second = source[0], source[1]
    if _is_array(first):
        batch = int(first.shape[0]) if _axes(first) in (4, 5) else 0
        if _axes(first) < 3:
            return False
    elif isinstance(first, Image.Image | Mapping):
        batch = 0
    else:
        return False
    if _is_array(second):
        return _axes(second) <= 1 or (batch > 0 and _axes(second) == 2 and len(second) == batch)
    return isinstance(second, int | float | None)


def _of_row(row: Mapping[Any, Any]) -> object:
    for key in _KEYS:
        if key in row:
            return row[key]
    raise PictureError(
        f"None of the keys {', '.join(map(str, row))} is known to hold a picture.",
        f"Name it one of {', '.join(_KEYS)}.",
    )


def _of_array(model: Model, source: Any, names: Iterator[str]) -> Iterator[Picture]:
    array, torch = _as_numpy(source), _is_torch(source)
    floating = array.dtype.kind == "f"
    if model.facts.frames is not None and array.ndim in (4, 5):
        for clip in array if array.ndim == 5 else array[None]:
            yield _given(model, _clip_last(clip, model), next(names)) if floating else _one_clip(clip, model)
        return
    if floating and (array.ndim == 4 or (array.ndim == 3 and torch)):
        rows = array if array.ndim == 4 else array[None]
        last = _channels_last(rows, model.input_shape, torch)
        for row in last:
            yield _given(model, row, next(names))
        return
    pictures = list(array) if array.ndim == 4 else [array]
    for one in pictures:
        if torch and one.ndim == 3 and one.shape[0] in (1, 3, 4):  # torchvision's own order of bytes, too
            one = np.moveaxis(one, 0, 2)
        yield _one_picture(model, one)


def _as_numpy(source: Any) -> NDArray[Any]:
    try:
        if _is_torch(source):
            source = source.detach().cpu()
            source = source.float() if source.is_floating_point() else source
        array = np.asarray(source)
    except Exception as error:
        raise PictureError(f"The {type(source).__name__} cannot be read as an array: {error}") from None
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def _one_picture(model: Model, array: NDArray[Any]) -> Picture:
    """Read an array as a picture; numbers of any size and any channels are welcome where the network reads values."""
    declared = model.hooks.preprocessing
    reads_values = declared is not None and declared.color == "values" and array.dtype.kind in "uif"
    if not reads_values or array.ndim not in (2, 3) or array.dtype == np.uint8 or not array.size:
        return read_picture(array)
    pixels, values, notes = split(Deep(array.reshape(*array.shape[:2], -1)))
    return Picture(pixels, digest_arrays(pixels, values), "array", notes, values)


def _clip_last(clip: NDArray[Any], model: Model) -> NDArray[Any]:
    """Bring the network's own input to (frames, height, width, channels), in whichever order it fits the model."""
    for axis in (3, 0, 1):
        turned = np.moveaxis(clip, axis, 3)
        if turned.shape == model.x_shape:
            return turned
    wanted = " x ".join(map(str, model.x_shape))
    raise PictureError(f"The model reads clips of {wanted} (frames, height, width, channels). Got {clip.shape}.", _HINT)


def _one_clip(clip: NDArray[Any], model: Model) -> Picture:
    """Read an array of frames, (frames, height, width, channels) or as PyTorch has them, with the channels before."""
    if clip.shape[3] not in (1, 3) and clip.shape[1] in (1, 3):
        clip = np.moveaxis(clip, 1, 3)
    if clip.dtype != np.uint8 or clip.shape[3] not in (1, 3) or not clip.size:
        raise PictureError(
            f"A clip must be uint8 (frames, height, width, 3). Got {clip.dtype} {clip.shape}.",
            "Give the network's own input as floating point.",
        )
    frames = np.array(np.broadcast_to(clip, (*clip.shape[:3], 3)), order="C")
    return Picture(frames[0], digest_arrays(frames), "clip", clip=frames)


def _channels_last(rows: NDArray[Any], wanted: tuple[int, int, int], torch: bool) -> NDArray[Any]:
    """Bring a batch to (n, height, width, channels), in whichever order it fits the model."""
    height, width, channels = wanted
    shape = tuple(int(side) for side in rows.shape[1:])
    first, last = shape == (channels, height, width), shape == wanted
    if not first and not last:
        raise PictureError(
            f"The model reads inputs of {height} x {width} with {channels} channels. Got a batch of {rows.shape}.",
            _HINT,
        )
    # Where both fit, since all sides are equal, each framework's own order decides.
    return np.moveaxis(rows, 1, 3) if first and (torch or not last) else rows


def _given(model: Model, row: NDArray[Any], name: str) -> Picture:
    """Make a picture of one input (h, w, c), or a clip; shown is what it was made of, where that can be undone."""
    x = np.array(row, dtype=np.float32, order="C")
    if not np.isfinite(x).all():
        raise PictureError("The network's input that was given holds NaN or infinite values.")
    notes = ["The network's input was given as it is."]
    own_hook = type(model.hooks).preprocess is not ModelFile.preprocess
    pixels = None if own_hook else model.preprocessing.undo(x)
    if pixels is None:
        pixels = as_view(x)
        notes.append(f"Shown stretched: {x.min():g} became black, {x.max():g} white.")
    else:
        notes.append("Shown with the model's preprocessing undone.")
    if x.ndim == 4:
        return Picture(pixels[0], digest_arrays(x), name, tuple(notes), x=x, clip=pixels)
    return Picture(pixels, digest_arrays(x), name, tuple(notes), x=x)
