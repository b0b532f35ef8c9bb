"""Slow NumPy re-implementation, in float64, of the small network of the Keras tests and of its ReLU rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Wide = NDArray[np.float64]
EPSILON = 1e-5


def _convolve(x: Wide, kernel: Wide, bias: Wide, stride: int) -> Wide:
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows, columns = (x.shape[1] - 3) // stride + 1, (x.shape[2] - 3) // stride + 1
    out = np.zeros((len(x), rows, columns, kernel.shape[3]))
    for row in range(rows):
        for column in range(columns):
            window = x[:, row * stride : row * stride + 3, column * stride : column * stride + 3]
            out[:, row, column] = np.einsum("nijc,ijco->no", window, kernel) + bias
    return out


def _convolve_back(flow: Wide, kernel: Wide, stride: int, shape: Sequence[int]) -> Wide:
    back = np.zeros((shape[0], shape[1] + 2, shape[2] + 2, shape[3]))
    for row in range(flow.shape[1]):
        for column in range(flow.shape[2]):
            part = np.einsum("no,ijco->nijc", flow[:, row, column], kernel)
            back[:, row * stride : row * stride + 3, column * stride : column * stride + 3] += part
    return back[:, 1:-1, 1:-1]


class Slow:
    """Convolution, batch norm, ReLU, convolution with stride 2, ReLU, average, dense.

    Args:
        weights: In the order of the Keras model.
        cap: Where the ReLUs are cut, or None.
    """

    def __init__(self, weights: Sequence[NDArray[np.float32]], cap: float | None = None) -> None:
        wide = [value.astype(np.float64) for value in weights]
        self.conv1, self.bias1, gamma, beta, mean, variance, self.conv2, self.bias2, self.dense, self.bias = wide
        self.factor = gamma / np.sqrt(variance + EPSILON)
        self.offset = beta - mean * self.factor
        self.cap = np.inf if cap is None else cap

    def forward(self, x: Wide) -> tuple[Wide, Mapping[str, Wide]]:
        """Return the scores and the values in between."""
        a1 = _convolve(x, self.conv1, self.bias1, 1)
        b1 = a1 * self.factor + self.offset
        a2 = _convolve(np.clip(b1, 0, self.cap), self.conv2, self.bias2, 2)
        mean = np.clip(a2, 0, self.cap).mean((1, 2))
        return mean @ self.dense + self.bias, {"input": x, "conv1": a1, "bn": b1, "conv2": a2}

    def pullback(self, x: Wide, column: int, rule: str) -> dict[str, Wide]:
        """Return the gradient of a score at the input and at conv1."""
        scores, values = self.forward(x)
        flow = np.zeros_like(scores)
        flow[:, column] = 1
        area = values["conv2"].shape[1] * values["conv2"].shape[2]
        flow = np.broadcast_to((flow @ self.dense.T)[:, None, None] / area, values["conv2"].shape)
        flow = self._relu(flow, values["conv2"], rule)
        flow = _convolve_back(flow, self.conv2, 2, values["bn"].shape)
        at_conv1 = self._relu(flow, values["bn"], rule) * self.factor
        return {"conv1": at_conv1, "input": _convolve_back(at_conv1, self.conv1, 1, x.shape)}

    def _relu(self, flow: Wide, x: Wide, rule: str) -> Wide:
        out = flow.copy()
        for place in np.ndindex(out.shape):
            passing = 0 < x[place] < self.cap
            if rule == "standard":
                keep = passing
            elif rule == "deconvnet":
                keep = flow[place] > 0
            else:
                keep = passing and flow[place] > 0
            if not keep:
                out[place] = 0
        return out
