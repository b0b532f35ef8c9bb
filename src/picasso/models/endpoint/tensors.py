"""Tensors of the Open Inference Protocol: what a server says of its inputs, and arrays as JSON or as bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from picasso.core.errors import ConfigurationError, ModelOutputError
from picasso.core.preprocessing import Array

_DTYPES: dict[str, str] = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
MOST_NUMBERS = 2**28
"""Numbers of one answer's output at most."""
_USUAL_CHANNELS = (1, 3, 4)
_MOST_CHANNELS = 16


@dataclass(frozen=True)
class TensorSpec:
    """One input as the server describes it.

    Args:
        name: Its name.
        datatype: Its type, as the protocol writes it: FP32.
        shape: Its shape; None where a side is free.
    """

    name: str
    datatype: str
    shape: tuple[int | None, ...]

    @property
    def is_whole(self) -> bool:
        """Whether it reads whole numbers."""
        return not self.datatype.startswith("FP")

    @property
    def batched(self) -> bool:
        """Whether its first axis is that of the pictures."""
        return bool(self.shape) and self.shape[0] is None

    @property
    def fixed_batch(self) -> int | None:
        """The only number of pictures that it takes, or None."""
        return self.shape[0] if len(self.shape) == 4 else None

    def channels_first(self, shape: tuple[int, int, int]) -> bool:
        """Say whether it reads (n, channels, height, width), for an input (height, width, channels)."""
        sides = self.shape[-3:]
        first, last = (shape[2], *shape[:2]), shape
        fits_first, fits_last = (
            all(side is None or side == wanted for side, wanted in zip(sides, order, strict=True))
            for order in (first, last)
        )
        if not (fits_first or fits_last):
            raise ModelOutputError(
                f"The endpoint's input '{self.name}' has shape {_written(self.shape)}; pictures come as {shape}.",
                "Declare its size: preprocessing=Preprocessing(size=...).",
            )
        # Where both fit, as of 3 x 3 pictures or free sides, most served models read channels first.
        return fits_first


def input_specs(metadata: Mapping[str, Any]) -> list[TensorSpec]:
    """Return the inputs that a server describes.

    Raises:
        ModelOutputError: It describes none, or they are of no known type.
    """
    try:
        specs = [
            TensorSpec(
                str(entry["name"]),
                str(entry["datatype"]).upper(),
                tuple(None if int(side) < 1 else int(side) for side in entry["shape"]),
            )
            for entry in metadata["inputs"]
        ]
    except (KeyError, TypeError, ValueError):
        specs = []
    if not specs:
        raise ModelOutputError(
            "The endpoint does not describe its inputs.",
            "Its metadata must list inputs, each with name, datatype and shape.",
        )
    return specs


def output_names(metadata: Mapping[str, Any]) -> list[str]:
    """Return the names of the outputs that a server describes; none where it describes none."""
    listed = metadata.get("outputs")
    entries = listed if isinstance(listed, list) else []
    return [str(entry["name"]) for entry in entries if isinstance(entry, dict) and "name" in entry]


def find_input(specs: list[TensorSpec], wanted: str) -> TensorSpec:
    """Return the input that reads pictures: the one asked for, the only one, the only one with three or four axes.

    Raises:
        ConfigurationError: There is none of that name, or several could be.
        ModelOutputError: It is of a type that holds no pictures.
    """
    listed = ", ".join(f"{spec.name} {spec.datatype} {_written(spec.shape)}" for spec in specs)
    if wanted:
        fitting = [spec for spec in specs if spec.name == wanted]
        if not fitting:
            raise ConfigurationError(f"The endpoint has no input '{wanted}'.", f"It has {listed}.")
    else:
        fitting = [spec for spec in specs if len(spec.shape) in (3, 4)]
        if len(fitting) > 1:
            raise ConfigurationError(
                f"The endpoint has several inputs that could read the picture: {listed}.",
                f"Say which, with --input {fitting[0].name} (in Python input=...).",
            )
    if not fitting or len(fitting[0].shape) not in (3, 4) or fitting[0].datatype not in _DTYPES:
        raise ModelOutputError(
            f"No input of the endpoint reads pictures: {listed}.",
            "It must be (n, channels, height, width) or the like.",
        )
    spec = fitting[0]
    # Servers that batch by themselves leave the batch out of what they say.
    return spec if len(spec.shape) == 4 else TensorSpec(spec.name, spec.datatype, (None, *spec.shape))


def spatial_shape(spec: TensorSpec) -> tuple[tuple[int, int, int], list[str]]:
    """Return (height, width, channels) of the pictures that an input reads, and notes on what was assumed."""
    sides = spec.shape[1:]
    first, last = (side is not None and side in _USUAL_CHANNELS for side in (sides[0], sides[2]))
    if not (first or last):  # channels of no usual number: the smaller end
        ends = [side or _MOST_CHANNELS + 1 for side in (sides[0], sides[2])]
        first, last = (end == min(ends) and end <= _MOST_CHANNELS for end in ends)
    last = last and not first
    channels = sides[0] if first else sides[2] if last else 3
    height, width = (sides[1], sides[2]) if first else (sides[0], sides[1]) if last else (None, None)
    assumed = (
        [] if height and width and channels else [f"The input's size is free ({_written(spec.shape)}); 224 assumed."]
    )
    return (height or width or 224, width or height or 224, channels or 3), assumed


def lay(spec: TensorSpec, x: Array) -> Any:
    """Return pictures, float32 (n, h, w, c), in the layout and the type of an input."""
    laid = np.moveaxis(x, -1, 1) if spec.channels_first((x.shape[1], x.shape[2], x.shape[3])) else x
    dtype = np.dtype(_DTYPES[spec.datatype])
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        laid = np.clip(np.rint(laid), limits.min, limits.max)
    return np.ascontiguousarray(laid.astype(dtype))


def fill(spec: TensorSpec, hold: Mapping[str, Any]) -> tuple[TensorSpec, Any]:
    """Return what an input that reads no pictures gets: what the user said, or zeros; without the batch's axis.

    Raises:
        ConfigurationError: What the user said does not fit.
        ModelOutputError: The input is of a type that is not known.
    """
    if spec.datatype not in _DTYPES:
        raise ModelOutputError(f"The endpoint's input '{spec.name}' is of type {spec.datatype}, which is not known.")
    shape = [side or 1 for side in (spec.shape[1:] if spec.batched else spec.shape)]
    try:
        given = np.asarray(hold.get(spec.name, 0), dtype=np.dtype(_DTYPES[spec.datatype]))
        return spec, np.array(np.broadcast_to(given, shape))
    except (ValueError, TypeError, OverflowError):
        raise ConfigurationError(
            f"The endpoint's input '{spec.name}' is {spec.datatype} {_written(spec.shape)}; what is held does not fit."
        ) from None


def to_json(spec: TensorSpec, values: Any, binary: bool) -> tuple[dict[str, Any], bytes]:
    """Return a tensor as the protocol's JSON, and its bytes where they travel apart."""
    described: dict[str, Any] = {"name": spec.name, "shape": list(values.shape), "datatype": spec.datatype}
    if binary:
        data = values.tobytes()
        return described | {"parameters": {"binary_data_size": len(data)}}, data
    return described | {"data": values.reshape(-1).tolist()}, b""


def from_json(outputs: Any, tail: bytes) -> dict[str, Array]:
    """Read the outputs of an answer.

    Args:
        outputs: The list of outputs in the answer's JSON.
        tail: The bytes behind the JSON, for tensors that travel apart.

    Raises:
        ModelOutputError: They are no tensors of the protocol.
    """
    if not isinstance(outputs, list) or not outputs:
        raise ModelOutputError("The endpoint's answer holds no outputs.", "It must speak the Open Inference Protocol.")
    found: dict[str, Array] = {}
    start = 0
    for entry in outputs:
        name = str(entry.get("name", "")) if isinstance(entry, dict) else ""
        try:
            datatype = str(entry["datatype"]).upper()
            if datatype not in _DTYPES:
                continue  # text, for example: the names of classes
            shape = tuple(int(side) for side in entry["shape"])
            count = math.prod(shape)
            if count > MOST_NUMBERS or min(shape, default=1) < 0:
                raise ValueError(f"{count} numbers")
            size = (entry.get("parameters") or {}).get("binary_data_size")
            if size is None:
                values = np.asarray(_flat(entry["data"]), dtype=np.float64)
            else:
                values = np.frombuffer(tail[start : start + int(size)], dtype=_DTYPES[datatype])
                start += int(size)
            found[name] = values.reshape(shape).astype(np.float32)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelOutputError(
                f"The endpoint's output '{name}' is no tensor: {reason}.",
                "It must have name, datatype, shape and data, as the Open Inference Protocol says.",
            ) from None
    if not found:
        raise ModelOutputError("The endpoint's answer holds no numbers.", "It must return scores.")
    return found


def _flat(data: Any) -> Any:
    """Return the numbers of a tensor in JSON: flat, as servers write it, or nested, as some do; null is no number."""
    values = np.asarray(data, dtype=object).reshape(-1)
    return [float("nan") if value is None else value for value in values.tolist()]


def _written(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("free" if side is None else str(side) for side in shape) + ")"
