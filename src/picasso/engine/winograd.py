"""Convolution with kernels of 3 x 3 by Winograd's minimal filtering F(4 x 4, 3 x 3): a quarter of the multiplications.

References: Lavin and Gray 2016, arXiv:1509.09308. The transforms are sums over whole channels, written out so that each
number is read once; the 36 products of matrices are one grouped convolution.
"""

from __future__ import annotations

from typing import Any

import torch

_KERNEL = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    dtype=torch.float64,
)
_AT_ONCE = 160
"""Tiles that are handled at once, so that they stay in the processor's cache."""
FEWEST_TILES = 64
"""With fewer tiles of 4 x 4 the products are slower than the convolution itself, and want other packed weights."""


class Winograd:
    """One convolution, stride 1, without padding.

    Args:
        weight: (out, in, 3, 3).
        bias: (out,) or None.
    """

    def __init__(self, weight: Any, bias: Any | None) -> None:
        self._out, self._in = weight.shape[:2]
        exact = weight.double()
        kernels = weight.new_empty((6, 6, self._out, self._in))
        for row, moved in zip(_KERNEL, kernels, strict=True):  # all at once would be eight times the weight in memory
            moved.copy_(torch.einsum("i,ocij,bj->boc", row, exact, _KERNEL))
        # A bias added to the product at (1, 1) arrives at all sixteen outputs.
        biases = weight.new_zeros((36, self._out))
        if bias is not None:
            biases[7] = bias
        self._bias = biases.reshape(-1)
        self._kernels = torch.ops.mkldnn._reorder_convolution_weight(
            kernels.view(36 * self._out, self._in, 1, 1), [0, 0], [1, 1], [1, 1], 36, [1, 36 * self._in, 128, 1]
        )

    def __call__(self, x: Any) -> Any:
        """Return the convolution of x (n, height, width, in) as (n, height - 2, width - 2, out)."""
        n, height, width, _ = x.shape
        down, across = -(-(height - 2) // 4), -(-(width - 2) // 4)
        below, beside = 4 * down + 2 - height, 4 * across + 2 - width
        if below or beside:
            x = torch.nn.functional.pad(x, (0, 0, 0, beside, 0, below))
        out = x.new_empty((n, 4 * down, 4 * across, self._out))
        tiles = down * across
        parts = max(1, min(n, n * tiles // FEWEST_TILES, round(n * tiles / _AT_ONCE)))
        for some, made in zip(x.tensor_split(parts), out.tensor_split(parts), strict=True):
            self._some(some, made, down, across)
        return out[:, : height - 2, : width - 2] if below or beside else out

    def _some(self, x: Any, out: Any, down: int, across: int) -> None:
        n, _, width, channels = x.shape
        rows = x.new_empty((6, n, down, width, channels))
        _forward([x[:, i : i + 4 * down - 3 : 4] for i in range(6)], list(rows))
        tiles = x.new_empty((n, down, across, 6, 6, channels))
        places = tiles.permute(4, 3, 0, 1, 2, 5)
        _forward([rows[:, :, :, j : j + 4 * across - 3 : 4] for j in range(6)], list(places))
        products = torch.ops.mkldnn._convolution_pointwise(
            tiles.view(1, n * down * across, 1, -1).permute(0, 3, 1, 2),
            self._kernels,
            self._bias,
            [0, 0],
            [1, 1],
            [1, 1],
            36,
            "none",
            [],
            "",
        )
        products = products.permute(0, 2, 3, 1).reshape(n, down, across, 6, 6, self._out)
        half = x.new_empty((4, n, down, across, 6, self._out))
        _backward([products[:, :, :, i] for i in range(6)], list(half))
        whole = out.view(n, down, 4, across, 4, self._out).permute(4, 2, 0, 1, 3, 5)
        _backward([half[:, :, :, :, j] for j in range(6)], list(whole))


def _forward(a: list[Any], out: list[Any]) -> None:
    """Transform six places of the input into six others."""
    torch.add(a[4], a[0], alpha=4, out=out[0]).sub_(a[2], alpha=5)
    even, odd = torch.sub(a[4], a[2], alpha=4), torch.sub(a[3], a[1], alpha=4)
    torch.add(even, odd, out=out[1])
    torch.sub(even, odd, out=out[2])
    torch.sub(a[4], a[2], out=even)
    torch.sub(a[3], a[1], out=odd)
    torch.add(even, odd, alpha=2, out=out[3])
    torch.sub(even, odd, alpha=2, out=out[4])
    torch.add(a[5], a[1], alpha=4, out=out[5]).sub_(a[3], alpha=5)


def _backward(m: list[Any], out: list[Any]) -> None:
    """Transform six products into four places of the output."""
    near, far = m[1] + m[2], m[3] + m[4]
    torch.add(m[0], near, out=out[0]).add_(far)
    torch.add(near, far, alpha=4, out=out[2])
    torch.sub(m[1], m[2], out=near)
    torch.sub(m[3], m[4], out=far)
    torch.add(near, far, alpha=2, out=out[1])
    torch.add(near, far, alpha=8, out=out[3]).add_(m[5])
