"""SpRAy with its authors' own libraries: relevance by zennit, spectral embedding by CoRelAy.

References:
    Lapuschkin et al. 2019, arXiv:1902.10178; Anders et al. 2021, arXiv:2106.13200.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from benchmarks.tank_test.networks import Residual, TinyViT
from benchmarks.tank_test.training import tensor
from tests.models import torchvision_operators

NEIGHBORS = 8
EIGENVALUES = 9


def relevance(
    network: nn.Module, pixels: npt.NDArray[np.uint8], targets: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """What zennit's LRP gives each pixel for a class, (n, 64, 64): epsilon for linear layers, z-plus for convolutions.

    It has no rule for attention and layer norms, so a transformer gets zennit's gradient times its input.
    """
    torchvision_operators.declare()  # zennit imports torchvision, and so does what CoRelAy imports
    from zennit.attribution import Gradient
    from zennit.canonizers import AttributeCanonizer, CompositeCanonizer, SequentialMergeBatchNorm
    from zennit.composites import EpsilonPlus
    from zennit.layer import Sum

    def with_sum(name: str, module: nn.Module) -> dict[str, Any] | None:
        """Let a residual block add with a module, so that relevance is divided among what is added."""
        if not isinstance(module, Residual):
            return None
        return {"forward": summed.__get__(module), "total": Sum()}

    def summed(block: Residual, x: torch.Tensor) -> torch.Tensor:
        total: Any = block.total
        return block.relu(total(torch.stack([block.changed(x), block.short(x)], -1)))

    canonizer = CompositeCanonizer([SequentialMergeBatchNorm(), AttributeCanonizer(with_sum)])
    composite = None if isinstance(network, TinyViT) else EpsilonPlus(canonizers=[canonizer])
    found = []
    with Gradient(model=network, composite=composite) as attributor:
        for start in range(0, len(pixels), 50):
            x, chosen = tensor(pixels[start : start + 50]), torch.from_numpy(targets[start : start + 50])
            _, back = attributor(x, lambda scores, chosen=chosen: nn.functional.one_hot(chosen, scores.shape[1]) * 1.0)
            found.append(((back * x if composite is None else back).sum(1)).numpy())
    return np.concatenate(found)


def eigengap(maps: npt.NDArray[np.float32]) -> float:
    """How clearly heatmaps fall into groups: the largest gap among the first eigenvalues of CoRelAy's embedding.

    Args:
        maps: (n, 64, 64); their size is summed over blocks of 4 pixels. Too few to tell anything give 0.
    """
    torchvision_operators.declare()
    from corelay.pipeline.spectral import SpectralEmbedding
    from corelay.processor.affinity import SparseKNN
    from corelay.processor.embedding import EigenDecomposition

    if len(maps) <= EIGENVALUES + 1:
        return 0.0
    blocks = np.abs(maps).reshape(len(maps), 16, 4, 16, 4).sum((2, 4)).reshape(len(maps), -1)
    blocks /= np.maximum(np.linalg.norm(blocks, axis=1, keepdims=True), 1e-12)
    start = np.random.default_rng(0).random(len(maps))  # ARPACK would draw one, and its last digits with it
    pipeline = SpectralEmbedding(
        affinity=SparseKNN(n_neighbors=NEIGHBORS, symmetric=True),
        embedding=EigenDecomposition(n_eigval=EIGENVALUES, which="LA", kwargs={"v0": start}),
    )
    values, _ = pipeline(blocks.astype(np.float64))
    # The first gap says that there is one group; later ones that there are more.
    return float(np.diff(np.sort(values))[1:].max())
