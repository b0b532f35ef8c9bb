"""What a PyTorch network answers to the probe, and how many pictures it takes at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from picasso.core.facts import ReluRule
from picasso.core.hooks import Head
from picasso.core.model import Model
from picasso.core.preprocessing import Array
from picasso.models import opened
from picasso.models.torch import functions as torch_functions
from picasso.models.torch.inputs import Call, Shape
from picasso.models.torch.outputs import Detections, are_detections, arrays, before_heads, named_outputs
from picasso.models.torch.state import at_rest, is_out_of_memory

_ONE_AT_A_TIME = "The network mixes or refuses several pictures in a batch: it gets one at a time."
_TWO_AT_LEAST = "The network drops the batch where it holds one picture: it gets two at a time."
_RANDOM = "The network's answers vary from run to run: something in it is random."


@dataclass
class Asked:
    """The answer to the probe.

    Args:
        raw: The outputs by name, (6, ...).
        head: The softmax or sigmoid that was taken off from them.
        batch: The only number of pictures that the network takes, or None.
        random: Whether its answers vary.
        notes: How that was found.
    """

    raw: dict[str, Array]
    head: Head | None
    batch: int | None
    random: bool = False
    notes: list[str] = field(default_factory=list)


class Asking:
    """Runs a network on parts of the probe.

    Args:
        call: Calls it.
        device: Where it is.
        dtype: The precision of its numbers.
        detections: How its lists of boxes become arrays.
    """

    def __init__(self, call: Call, device: Any, dtype: Any, detections: Detections) -> None:
        self.call, self.device, self.dtype, self.detections = call, device, dtype, detections
        self.head: Head | None = None
        self.boxes = False

    def run(self, x: Array) -> dict[str, Array]:
        """Return the outputs of pictures, (n, h, w, c), or clips by name, a head at the end taken off."""
        import torch

        heads: torch_functions.Heads = []
        watching = torch_functions.watching(ReluRule.STANDARD, heads)
        with at_rest(self.call.module, frozen=False), torch.no_grad(), watching:
            tensor = torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1))).to(self.device, self.dtype)
            answer = self.call(tensor)
            self.boxes = self.boxes or any(map(are_detections, answer if isinstance(answer, tuple) else (answer,)))
            found, self.head = before_heads(named_outputs(answer, self.detections), heads)
        return arrays(found)

    def ask(self, shape: Shape, batch: int | None) -> Asked:
        """Return the answer to the probe.

        Args:
            shape: (h, w, c) of the input, of clips (frames, h, w, c).
            batch: The only number of pictures that the network is known to take, or None to find out.
        """
        x = opened.probe(shape)
        with Model.running():
            if batch is not None:
                return Asked(self._apart(x, batch), self.head, batch)
            try:
                together: dict[str, Array] = self.run(x)
                fits = True
            except Exception as error:
                together, fits = {}, False
                if is_out_of_memory(error):
                    return Asked(self._apart(x, 1), self.head, None)
            alone = self.run(x[:1])
            rows = {name: answer for name, answer in together.items() if answer.ndim and len(answer) == len(x)}
            if any(name in alone and alone[name].ndim < answer.ndim for name, answer in rows.items()):
                return Asked(rows, self.head, 2, notes=[_TWO_AT_LEAST])
            if rows and self._agree(rows, alone):
                return Asked(rows, self.head, None)
            if fits and not self._agree(alone, self.run(x[:1])):
                return Asked(rows or self._apart(x, 1), self.head, None, True, [_RANDOM])
            return Asked(self._apart(x, 1), self.head, 1, notes=[_ONE_AT_A_TIME])

    def _apart(self, x: Array, batch: int) -> dict[str, Array]:
        """Run the probe picture by picture, each repeated to fill the batch."""
        answers = [self.run(np.repeat(one[None], batch, axis=0)) for one in x]
        return {name: np.concatenate([answer[name][:1] for answer in answers]) for name in answers[0]}

    def _agree(self, some: dict[str, Array], one: dict[str, Array]) -> bool:
        """Say whether the first picture got the same answer in company as alone."""
        loose = 1e-3 if self.dtype.itemsize >= 4 else 0.1
        for name, answer in some.items():
            other = one.get(name)
            if other is None or other.shape != (1, *answer.shape[1:]):
                return False
            size = max(float(np.abs(other).max(initial=0)), 1e-6)
            if not np.allclose(answer[:1], other, rtol=0, atol=loose * size, equal_nan=True):
                return False
        return True
