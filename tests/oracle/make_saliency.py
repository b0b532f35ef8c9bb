"""Guided integrated gradients and XRAI by PAIR's `saliency` package; writes arrays/saliency.npz.

Usage, where saliency, scikit-image and torch are installed: python -m tests.oracle.make_saliency
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import saliency.core as saliency
import torch

from tests.oracle.scene import SIDE, X, network

TARGETS = (0, 3)
LARGE = 224

_quantile = np.quantile


def quantile(values: Any, share: float, interpolation: str) -> Any:
    """Call `np.quantile` by the name that its argument has since NumPy 1.22: the package still uses the old one."""
    return _quantile(values, share, method=interpolation)


def asked(name: str, target: int) -> Any:
    """Return the function that the package asks for gradients (n, h, w, c)."""
    made = network(name)

    def gradients(x: Any, call_model_args: Any = None, expected_keys: Any = None) -> dict[str, Any]:
        tensor = torch.from_numpy(np.asarray(x, np.float32).transpose(0, 3, 1, 2)).requires_grad_()
        (found,) = torch.autograd.grad(made(tensor)[:, target].sum(), tensor)
        return {saliency.INPUT_OUTPUT_GRADIENTS: found.numpy().transpose(0, 2, 3, 1)}

    return gradients


def large() -> Any:
    """Return a picture of blocks, uint8 (224, 224, 3), and an attribution of each of its numbers."""
    rng = np.random.default_rng(5)
    view = rng.integers(0, 256, (7, 7, 3)).repeat(32, 0).repeat(32, 1) // 2 + rng.integers(0, 40, (LARGE, LARGE, 3))
    view[60:150, 80:180] = (220, 40, 30)
    return view.astype(np.uint8), rng.normal(size=(LARGE, LARGE)) + (view[..., 0] > 200)


def main() -> None:
    x = X[0].transpose(1, 2, 0)
    # From one color many gradients are equal, and rounding would decide which numbers go first.
    start = 0.1 * np.random.default_rng(9).normal(size=x.shape)
    found: dict[str, Any] = {"guided-ig/start": start}
    np.quantile = quantile  # type: ignore[assignment]
    for name in ("plain", "flat", "residual"):
        for target in TARGETS:
            for label, choices in {"near": {}, "free": {"fraction": 0.1, "max_dist": 1.0}}.items():
                mask = saliency.GuidedIG().GetMask(x, asked(name, target), x_baseline=start, x_steps=20, **choices)
                found[f"guided-ig-{label}/{name}/{target}"] = mask.astype(np.float32)
    np.quantile = _quantile
    # Regions that overlap, and leave some of the picture out.
    rng = np.random.default_rng(3)
    masks = []
    for _ in range(40):
        (top, left), (tall, wide) = rng.integers(0, SIDE - 4, 2), rng.integers(3, 14, 2)
        mask = np.zeros((SIDE, SIDE), bool)
        mask[top : top + tall, left : left + wide] = True
        masks.append(mask)
    attribution = rng.normal(size=(SIDE, SIDE, 1))
    given = saliency.XRAIParameters()
    given.experimental_params["min_pixel_diff"] = 10
    found["xrai/masks"], found["xrai/attribution"] = np.stack(masks), attribution[..., 0]
    found["xrai/map"] = saliency.XRAI().GetMask(
        np.zeros((SIDE, SIDE, 1)), None, segments=masks, base_attribution=attribution, extra_parameters=given
    )
    view, one = large()
    whole = saliency.XRAI().GetMask(view.astype(np.float64), None, base_attribution=one[..., None].repeat(3, -1))
    found["xrai/large"] = whole.astype(np.float32)
    np.savez_compressed(Path(__file__).parent / "arrays" / "saliency.npz", **found)


if __name__ == "__main__":
    main()
