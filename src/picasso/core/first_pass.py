"""The first pass over a picture: its class scores, and the gradients with which a method begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from picasso.core.facts import Pullback, Task
from picasso.core.model import Model
from picasso.core.preprocessing import Array
from picasso.core.targets import Target


@dataclass(frozen=True, eq=False)
class Pulled:
    """What a pullback of one picture gave, and what it was asked for.

    Args:
        x: The picture, (1, ...).
        targets: What was differentiated.
        wrt: Where.
        found: What came out.
    """

    x: Array
    targets: tuple[Target, ...]
    wrt: tuple[str, ...]
    found: Pullback

    def answers(self, x: Array, targets: Sequence[Target], wrt: Sequence[str]) -> bool:
        """Say whether this is what a pullback would give."""
        return x is self.x and tuple(targets) == self.targets and tuple(wrt) == self.wrt


@dataclass(frozen=True, eq=False)
class FirstPass:
    """What the first pass over a picture showed.

    Args:
        scores: Its class scores, (classes,).
        targets: What is to be explained.
        pulled: Their gradients; None where none were asked for.
    """

    scores: Array
    targets: list[Target]
    pulled: Pulled | None = None


@dataclass(frozen=True)
class _Ranked(Target):
    """The class of a rank, which only the outputs tell: it stands for a target until the pass has found it.

    Args:
        model: The model.
        rank: 0 for the best class.
    """

    index: int = 0
    label: str = ""
    terms: tuple[tuple[int, float], ...] = ()
    model: Model | None = None
    rank: int = 0

    def cotangents(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        assert self.model is not None
        # A fixed batch is filled with the same picture, so that the first row speaks for all.
        best = self.model.top_targets(self.model.class_scores(outputs)[0], self.rank + 1)
        return best[self.rank].cotangents(outputs)


def first_pass(model: Model, x: Array, chosen: Sequence[Target], top: int, wrt: Sequence[str] = ()) -> FirstPass:
    """Run the network on a picture for the first time.

    Args:
        model: The model; focused where it is asked about a part of the picture.
        x: The picture, (1, ...).
        chosen: What is to be explained; () for the best classes.
        top: How many of these.
        wrt: Where gradients are asked for, in the same pass; () for none.
    """
    if model.focus is not None:  # what is best there was found with the focus
        chosen = chosen or model.top_targets(np.zeros(0, np.float32), top)
    if not wrt or (model.focus is None and model.facts.task is not Task.CLASSIFICATION):
        scores = model.predict(x)[0]
        return FirstPass(scores, list(chosen) or model.top_targets(scores, top))
    count = min(max(top, 1), len(model.labels))
    asked = chosen or [_Ranked(model=model, rank=rank) for rank in range(count)]
    found = model.pullback(x, asked, wrt)
    scores = model.class_scores(found.outputs)[0]
    targets = list(chosen) or model.top_targets(scores, top)
    return FirstPass(scores, targets, Pulled(x, tuple(targets), tuple(wrt), found))
