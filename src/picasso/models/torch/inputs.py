"""How a PyTorch network is called: which argument reads the picture and how it lies there, and what the others get."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from picasso.core.errors import ConfigurationError
from picasso.core.opening import Options
from picasso.core.pictures.clips import MAX_FRAMES
from picasso.models import opened

Shape = tuple[int, ...]
"""(height, width, channels) of a picture, (frames, height, width, channels) of a clip."""
Lies = Literal["first", "last", "list", "frames"]
"""How pictures reach a network: (n, c, h, w), (n, h, w, c), or a list of (c, h, w); clips (n, c, frames, h, w),
(n, frames, h, w, c), a list of (c, frames, h, w), or (n, frames, c, h, w)."""
_PICTURES = ("pixel_values", "image", "images", "img", "imgs")
_SAID = {
    "first": "",
    "last": "The network takes its channels last.",
    "list": "The network takes a list of pictures.",
    "frames": "The network takes frames before channels.",
}


@dataclass(frozen=True)
class Call:
    """Calls a network on a batch of pictures.

    Args:
        module: The network.
        picture: The name of the argument that reads the picture; "" where it is the first.
        lies: How the pictures lie.
        held: What the other arguments get. A tensor whose first axis has one entry is repeated for each picture.
        order: The names of the arguments that go by place; exported programs take none by name.
    """

    module: Any
    picture: str
    lies: Lies
    held: Mapping[str, Any]
    order: tuple[str, ...] = ()

    def __call__(self, x: Any) -> Any:
        """Return what the network answers to x, (n, c, h, w) or of clips (n, c, frames, h, w)."""
        import torch

        # Contiguous: a network that uses .view() would refuse the other layout.
        given = list(x) if self.lies == "list" else x
        if self.lies == "last":
            given = x.movedim(1, -1).contiguous()
        elif self.lies == "frames":
            given = x.transpose(1, 2).contiguous()
        if not self.picture:
            return self.module(given)
        named = {
            name: value.expand(len(x), *value.shape[1:])
            if torch.is_tensor(value) and value.ndim and value.shape[0] == 1
            else value
            for name, value in self.held.items()
        }
        named[self.picture] = given
        return self.module(*[named.pop(name) for name in self.order], **named)

    @property
    def note(self) -> str:
        """What is to be said of it, one sentence, or ""."""
        return _SAID[self.lies]


def find_call(module: Any, options: Options, device: Any, dtype: Any) -> Call:
    """Find the argument that reads the picture, and what the others get.

    Raises:
        ConfigurationError: The network has no argument of a name that was given, or lacks one that it needs.
    """
    arguments = {argument.name: argument for argument in _arguments(module)}
    names = list(arguments)
    for name in (*([options.input] if options.input else []), *options.hold):
        if names and name not in names and "**" not in names:
            known = ", ".join(name for name in names if name != "**")
            raise ConfigurationError(f"The network has no input '{name}'.", f"It has {known}.")
    plain = [name for name in names if name != "**"]
    usual = [name for name in _PICTURES if name in plain]
    first = plain[0] if plain else ""
    picture = options.input or (usual[0] if usual else first)
    lacking = [name for name in plain if arguments[name].needed and name != picture and name not in options.hold]
    if lacking:
        raise ConfigurationError(
            f"The network also needs '{lacking[0]}', and nothing says what it gets.",
            f"Say it with --hold {lacking[0]}=FILE.npy, or a number (in Python hold={{'{lacking[0]}': array}}), "
            f"and with --input which one is the picture, where that is not '{picture}'.",
        )
    held = {name: _held(value, device, dtype) for name, value in options.hold.items()}
    given = {picture, *held}
    order = tuple(itertools.takewhile(lambda name: name in given and arguments[name].by_place, plain))
    return Call(module, "" if picture == first and not held else picture, "first", held, order)


def tried(module: Any, declared: Shape | None, frames: int | None, call: Call) -> Iterator[tuple[Shape, Call]]:
    """Yield the input shapes and calls that may fit, the likeliest first.

    Args:
        module: The network.
        declared: (h, w, c) where it is known.
        frames: How many frames it reads, where that is declared: then it reads clips.
        call: How the network is called.
    """
    volumes = any(_is_convolution(part, 3) for part in module.modules())
    stills: tuple[Lies, ...] = ("first", "last", "list")
    clips: tuple[Lies, ...] = ("first", "frames", "last") if volumes else ("frames", "first", "last")
    own = frames or _own_frames(module)
    counts = (own,) if own else opened.CLIP_FRAMES if volumes else opened.CLIP_FRAMES[:2]

    def of_stills() -> Iterator[tuple[Shape, Call]]:
        for lies in stills:
            for shape in [declared] if declared else _usual(module, opened.PROBE_SIDES):
                yield shape, replace(call, lies=lies)

    def of_clips() -> Iterator[tuple[Shape, Call]]:
        for lies in clips:
            for shape in [declared] if declared else _usual(module, opened.CLIP_SIDES):
                for count in counts:
                    yield (count, *shape), replace(call, lies=lies)

    if frames is not None:
        yield from of_clips()
    elif volumes:
        yield from itertools.chain(of_clips(), of_stills())
    else:
        yield from of_stills()
        # A network that only flattens its input takes anything of the right length, and says nothing by it.
        if own or any(_is_convolution(part, 2) for part in module.modules()):
            yield from of_clips()


def own_channels(module: Any) -> int | None:
    """Return how many channels a network's first convolution reads, or None where it has none."""
    first = next((part for part in module.modules() if _is_convolution(part, 2) or _is_convolution(part, 3)), None)
    return int(first.weight.shape[1] * getattr(first, "groups", 1)) or None if first is not None else None


def _usual(module: Any, sides: Sequence[int]) -> Iterator[Shape]:
    """Yield shapes from what the network says of itself, and from its first convolution and the usual sides."""
    size = _own_size(module)
    known = own_channels(module)
    for channels in [known] if known else [3, 1]:
        if size is not None:
            yield (*size, channels)
        for side in sides:
            yield side, side, channels


def _own_size(module: Any) -> tuple[int, int] | None:
    """Return the size that a network of a known library says of itself."""
    config, card = getattr(module, "config", None), getattr(module, "pretrained_cfg", None)
    sides = [
        getattr(getattr(module, "patch_embed", None), "img_size", None),
        card.get("input_size") if isinstance(card, Mapping) else None,
        getattr(config, "image_size", None),
        getattr(module, "image_size", None),
    ]
    for side in sides:
        if isinstance(side, int) and side > 0:
            return side, side
        if isinstance(side, list | tuple) and len(side) in (2, 3) and all(isinstance(one, int) for one in side):
            return side[-2], side[-1]
    return None


def _own_frames(module: Any) -> int | None:
    """Return the number of frames that a network of a known library says of itself."""
    count = getattr(getattr(module, "config", None), "num_frames", None)
    return count if isinstance(count, int) and 0 < count <= MAX_FRAMES else None


def _is_convolution(part: Any, axes: int) -> bool:
    kind = getattr(part, "original_name", type(part).__name__)
    return f"Conv{axes}d" in kind and getattr(getattr(part, "weight", None), "ndim", 0) == axes + 2


@dataclass(frozen=True)
class _Argument:
    """An argument of forward(): its name, "**" for any other; whether it must be given, and whether by place."""

    name: str
    needed: bool
    by_place: bool


def _arguments(module: Any) -> Iterator[_Argument]:
    """Yield the arguments of a network's forward()."""
    schema = getattr(module.forward, "schema", None)  # of TorchScript
    if schema is not None:
        for argument in schema.arguments[1:]:
            yield _Argument(argument.name, not argument.has_default_value(), not argument.kwarg_only)
        return
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            yield _Argument("**", False, False)
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            needed = parameter.default is parameter.empty
            yield _Argument(parameter.name, needed, parameter.kind is not parameter.KEYWORD_ONLY)


def _held(value: Any, device: Any, dtype: Any) -> Any:
    """Return what an argument gets: arrays become tensors, numbers of their kind in the network's precision."""
    import torch

    if isinstance(value, np.ndarray | np.generic | list | tuple):
        value = torch.as_tensor(np.asarray(value))
    if torch.is_tensor(value):
        return value.to(device, dtype) if value.is_floating_point() else value.to(device)
    return value
