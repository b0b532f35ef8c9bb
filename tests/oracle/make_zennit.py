"""Zennit's composites on the scene: run where Zennit is and Picasso is not, `python -m tests.oracle.make_zennit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.models import torchvision_operators
from tests.oracle import scene

torchvision_operators.declare()  # Zennit imports torchvision

from zennit.canonizers import SequentialMergeBatchNorm  # noqa: E402
from zennit.composites import (  # noqa: E402
    EpsilonAlpha2Beta1,
    EpsilonAlpha2Beta1Flat,
    EpsilonGammaBox,
    EpsilonPlus,
    EpsilonPlusFlat,
    LayerMapComposite,
    layer_map_base,
)
from zennit.layer import Sum  # noqa: E402
from zennit.rules import Epsilon, Gamma  # noqa: E402
from zennit.types import Convolution, Linear  # noqa: E402

LOW, HIGH = -4.0, 6.0
TARGET = 2


class Summed(scene.Residual):
    """The residual network, its sum a module as Zennit wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.sum = Sum()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu1(self.norm1(self.conv1(x)))
        y = self.norm3(self.conv3(self.relu2(self.norm2(self.conv2(x)))))
        return self.head(self.flat(self.mean(self.relu3(self.sum(torch.stack([x, y], -1))))))


def composites() -> dict[str, Any]:
    given = {"canonizers": [SequentialMergeBatchNorm()]}
    layers = (Convolution, Linear)
    return {
        "epsilon": LayerMapComposite([*layer_map_base(), (layers, Epsilon())], **given),
        "epsilon-plus": EpsilonPlus(**given),
        "epsilon-plus-flat": EpsilonPlusFlat(**given),
        "epsilon-alpha2-beta1": EpsilonAlpha2Beta1(**given),
        "epsilon-alpha2-beta1-flat": EpsilonAlpha2Beta1Flat(**given),
        "epsilon-gamma-box": EpsilonGammaBox(torch.tensor(LOW), torch.tensor(HIGH), **given),
        "gamma": LayerMapComposite([*layer_map_base(), (layers, Gamma())], **given),
    }


def made(name: str) -> Any:
    network = scene.network(name)
    if name != "residual":
        return network
    summed = Summed().eval().requires_grad_(False)
    summed.load_state_dict(network.state_dict())
    return summed


def main() -> None:
    found = {}
    for name in scene.NETWORKS:
        for method, composite in composites().items():
            x = torch.from_numpy(scene.X).requires_grad_()
            with composite.context(made(name)) as network:
                scores = network(x)
                seed = torch.zeros_like(scores)
                seed[0, TARGET] = scores[0, TARGET].detach()
                (relevance,) = torch.autograd.grad(scores, x, seed)
            found[f"{method}/{name}/{TARGET}"] = relevance[0].permute(1, 2, 0).numpy()
    np.savez_compressed(Path(__file__).parent / "arrays" / "zennit.npz", **found)


if __name__ == "__main__":
    main()
