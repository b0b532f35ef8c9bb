"""Where the filters of a network's weights lie."""

from __future__ import annotations

from typing import Any


def filter_axes(module: Any) -> dict[str, tuple[int, ...]]:
    """Return along which axes of each parameter its filters, or the rows of a matrix, are counted, by name.

    Of a transposed convolution in groups the filters lie along both axes, cut at each input channel where a group has
    several.
    """
    from torch.nn.modules.conv import _ConvTransposeNd

    turned = {
        f"{name}.weight".removeprefix("."): (1,) if part.groups == 1 else (0, 1)
        for name, part in module.named_modules()
        if isinstance(part, _ConvTransposeNd)
    }
    return {name: turned.get(name, (0,)) for name, p in module.named_parameters() if p.is_floating_point()}
