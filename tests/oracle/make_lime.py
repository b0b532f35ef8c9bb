"""The lime package's linear model of a network over 16 regions, with the samples that it drew.

Usage: python -m tests.oracle.make_lime
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from lime.lime_image import LimeImageExplainer

from tests.oracle.scene import SIDE, X, network

SAMPLES, TARGET = 300, 2
PICTURE = np.ascontiguousarray(X[0].transpose(1, 2, 0)).astype(np.float64)
REGIONS = (np.arange(SIDE) // 8)[:, None] * 4 + np.arange(SIDE) // 8


def scores(pictures: np.ndarray) -> np.ndarray:
    """Return the class scores of pictures (n, h, w, c)."""
    with torch.no_grad():
        return network("plain")(torch.from_numpy(pictures.transpose(0, 3, 1, 2).astype(np.float32))).numpy()


class Watched(LimeImageExplainer):
    """Keeps what was drawn, and what it scored."""

    def data_labels(self, *args: object, **choices: object) -> tuple[np.ndarray, np.ndarray]:
        self.drawn = super().data_labels(*args, **choices)
        return self.drawn


def explained(seed: int | None, **choices: int) -> tuple[Watched, object]:
    """Run it once; the seed is that of the explainer, the choices those of the call."""
    explainer = Watched(random_state=seed)
    found = explainer.explain_instance(
        PICTURE,
        scores,
        labels=(TARGET,),
        top_labels=None,
        num_samples=SAMPLES,
        segmentation_fn=lambda _: REGIONS,
        **choices,
    )
    return explainer, found


def main() -> None:
    explainer, found = explained(0)
    values = np.zeros(16)
    for region, value in found.local_exp[TARGET]:
        values[region] = value
    # The trap: the call's `random_seed` reaches the segmentation alone.
    one, other = (explained(None, random_seed=1)[0].drawn[0] for _ in range(2))
    np.savez_compressed(
        Path(__file__).with_name("arrays") / "lime.npz",
        **{
            "lime/plain/2/samples": explainer.drawn[0].astype(bool),
            "lime/plain/2/scores": explainer.drawn[1][:, TARGET].astype(np.float64),
            "lime/plain/2/values": values,
            "lime/plain/2/r_squared": np.float64(found.score),
            "lime/seed/one": one.astype(bool),
            "lime/seed/other": other.astype(bool),
        },
    )


if __name__ == "__main__":
    main()
