"""What pytorch-grad-cam says of the scene: its maps before it cuts, scales and enlarges them.

Keys are `<method>/<network>.<layer>/<class>`; `fused/...` is what it finally returns for two layers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tests.models import torchvision_operators
from tests.oracle.scene import X, network

torchvision_operators.declare()  # pytorch-grad-cam imports torchvision

import pytorch_grad_cam as theirs  # noqa: E402
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402

CLASSES = (1, 3)
LAYERS = {"plain": ("relu1", "relu2"), "flat": ("relu1", "pool"), "residual": ("relu1", "relu3")}
METHODS = {
    "grad-cam": theirs.GradCAM,
    "grad-cam-plus-plus": theirs.GradCAMPlusPlus,
    "xgrad-cam": theirs.XGradCAM,
    "layer-cam": theirs.LayerCAM,
    "hires-cam": theirs.HiResCAM,
    "score-cam": theirs.ScoreCAM,
    "ablation-cam": theirs.AblationCAM,
    "eigen-cam": theirs.EigenCAM,
}


def raw(kind: Any, net: nn.Module, layer: str, target: int) -> np.ndarray:
    """Return a map of one layer, (rows, columns), with both signs."""
    kept = []
    cam = kind(model=net, target_layers=[net.get_submodule(layer)])
    found = cam.get_cam_image
    cam.get_cam_image = lambda *args, **named: kept.append(found(*args, **named)) or kept[-1]
    cam(input_tensor=torch.from_numpy(X), targets=[ClassifierOutputTarget(target)])
    cam.activations_and_grads.release()
    return np.asarray(kept[-1][0], np.float32)


def main() -> None:
    """Write the arrays."""
    arrays: dict[str, np.ndarray] = {}
    for name, layers in LAYERS.items():
        for method, kind in METHODS.items():
            for layer in layers:
                for target in CLASSES:
                    net = network(name).requires_grad_(True)
                    arrays[f"{method}/{name}.{layer}/{target}"] = raw(kind, net, layer, target)
    plain = network("plain").requires_grad_(True)
    cam = theirs.GradCAM(model=plain, target_layers=[plain.relu1, plain.relu2])
    arrays["fused/plain.relu1,relu2/1"] = cam(input_tensor=torch.from_numpy(X), targets=[ClassifierOutputTarget(1)])[0]
    written_over = network("plain").requires_grad_(True)
    written_over.relu2 = nn.ReLU(inplace=True)
    arrays["grad-cam/in-place.conv2/1"] = raw(theirs.GradCAM, written_over, "conv2", 1)
    np.savez_compressed(Path(__file__).parent / "arrays" / "grad_cam.npz", **arrays)


if __name__ == "__main__":
    main()
