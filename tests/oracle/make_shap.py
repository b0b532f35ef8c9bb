"""shap's Kernel and Partition explainers of a network, with the coalitions that the first one drew.

Usage: python -m tests.oracle.make_shap
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shap
import torch

from tests.oracle.scene import SIDE, X, network

TARGET = 2
PLACES = np.arange(SIDE)


def cells(rows: int, columns: int) -> np.ndarray:
    """Return the number of each pixel's cell."""
    return (PLACES * rows // SIDE)[:, None] * columns + PLACES * columns // SIDE


def scores(kept: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Return the target's score with only some cells kept, (n,)."""
    masks = torch.from_numpy(np.asarray(kept, np.float32)[:, regions])[:, None]
    with torch.no_grad():
        return network("plain")(torch.from_numpy(X) * masks)[:, TARGET].numpy().astype(np.float64)


def kernel(rows: int, columns: int, samples: int) -> dict[str, np.ndarray]:
    """Explain with the Kernel explainer."""
    regions, count = cells(rows, columns), rows * columns
    np.random.seed(0)
    explainer = shap.KernelExplainer(lambda z: scores(z, regions), np.zeros((1, count)))
    values = explainer.shap_values(np.ones(count), nsamples=samples, l1_reg=False, silent=True)
    drawn = explainer.nsamplesAdded
    masks = explainer.maskMatrix[:drawn]
    return {
        "masks": masks.astype(bool),
        "weights": explainer.kernelWeights[:drawn],
        "scores": scores(masks, regions),
        "values": np.asarray(values),
    }


def partition(side: int, evaluations: int) -> np.ndarray:
    """Explain with the Partition explainer a picture whose pixels are our cells, one node after the other."""
    regions = cells(side, side)
    masker = shap.maskers.Image(np.zeros((side, side, 1)), (side, side, 1))
    explainer = shap.PartitionExplainer(lambda z: scores(z.reshape(len(z), -1), regions), masker)
    found = explainer(np.ones((1, side, side, 1)), max_evals=evaluations, batch_size=1, silent=True)
    return np.asarray(found.values[0, ..., 0])


def main() -> None:
    found = {"kernel/ends": scores(np.array([[0] * 16, [1] * 16]), cells(4, 4))}
    for name, made in {"all": kernel(2, 4, 1000), "sampled": kernel(4, 4, 300)}.items():
        found |= {f"kernel/{name}/{key}": value for key, value in made.items()}
    found |= {f"partition/{side}/{most}": partition(side, most) for side, most in ((4, 240), (4, 62), (8, 200))}
    np.savez_compressed(Path(__file__).with_name("arrays") / "shap.npz", **found)


if __name__ == "__main__":
    main()
