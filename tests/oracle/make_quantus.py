"""Let Quantus measure two maps of the tests' network, and write arrays/quantus.npz."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.models import torchvision_operators
from tests.oracle.scene import SIDE, X, network

torchvision_operators.declare()  # Quantus imports Zennit, and that torchvision

import quantus  # noqa: E402
from quantus.functions.complexity_func import discrete_entropy  # noqa: E402

TARGET, STEP, FILL = 2, 64, 0.25
NOISES = np.random.default_rng(3).uniform(-0.05, 0.05, (4, *X.shape[1:])).astype(np.float32)


def gradient(model: Any, inputs: Any, targets: Any, **said: Any) -> Any:
    """Return the sum over the channels of the absolute gradient, (n, 1, h, w)."""
    import torch

    x = torch.as_tensor(np.asarray(inputs), dtype=torch.float32).requires_grad_()
    model(x)[torch.arange(len(x)), torch.as_tensor(np.asarray(targets))].sum().backward()
    return x.grad.abs().sum(1, keepdim=True).numpy()


def main() -> None:
    """Measure."""
    net = network("plain")
    mask = np.zeros((1, 1, SIDE, SIDE), bool)
    mask[..., 8:20, 10:24] = True
    drawn = np.random.default_rng(1).random((1, 1, SIDE, SIDE)).astype(np.float32)
    maps = {"gradient": gradient(net, X, [TARGET]), "drawn": drawn}
    said: dict[str, Any] = {"disable_warnings": True, "normalise": False, "abs": False, "return_aggregate": False}
    found: dict[str, Any] = {"mask": mask[0, 0], "noises": NOISES}
    for name, one in maps.items():
        given = {"model": net, "x_batch": X, "y_batch": np.array([TARGET]), "a_batch": one, "softmax": False}
        flips = {
            kind: quantus.PixelFlipping(features_in_step=STEP, perturb_baseline=kind, **said) for kind in (FILL, "mean")
        }
        located = {**given, "s_batch": mask, "channel_first": True}
        found |= {
            f"{name}/map": one[0, 0],
            f"{name}/flipping": np.array(flips[FILL](**given)),
            f"{name}/flipping/mean": np.array(flips["mean"](**given)),
            f"{name}/entropy": discrete_entropy(one, X),
            f"{name}/pointing": np.array(quantus.PointingGame(**said)(**located), float),
            f"{name}/mass": np.array(quantus.RelevanceMassAccuracy(**said)(**located), float),
            f"{name}/rank": np.array(quantus.RelevanceRankAccuracy(**said)(**located), float),
        }
    moved = iter(NOISES)
    sensitivity = quantus.MaxSensitivity(
        nr_samples=len(NOISES),
        perturb_func=lambda arr, **_: arr + next(moved).reshape(1, -1),
        return_nan_when_prediction_changes=False,
        **said,
    )
    given = {"model": net, "x_batch": X, "y_batch": np.array([TARGET]), "a_batch": maps["gradient"]}
    found["gradient/sensitivity"] = np.array(sensitivity(**given, explain_func=gradient))
    np.savez_compressed(Path(__file__).parent / "arrays/quantus.npz", **found)


if __name__ == "__main__":
    main()
