"""What Xplique says of the scene's networks in Keras: its maps, (height, width) or (height, width, channels).

Keys are `<method>/<network>/<class>`; Grad-CAM and its kin have `<network>.<layer>`. What
Xplique draws at random is kept beside.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import tensorflow as tf
import xplique.attributions as theirs

from tests.oracle.keras_scene import BLACKENED, PICTURE, keras_network
from tests.oracle.scene import CLASSES

TARGETS = (1, 3)
LAYERS = {"plain": ("relu1", "relu2"), "flat": ("relu1", "pool")}
PLAIN: dict[str, tuple[Any, dict[str, Any]]] = {
    "saliency-map": (theirs.Saliency, {"reducer": "max"}),
    "gradient-times-input": (theirs.GradientInput, {"reducer": None}),
    "guided-backpropagation": (theirs.GuidedBackprop, {"reducer": None}),
    "deconvnet": (theirs.DeconvNet, {"reducer": None}),
}
FROM_BLACK: dict[str, tuple[Any, dict[str, Any]]] = {
    "integrated-gradients": (theirs.IntegratedGradients, {"reducer": None, "steps": 50}),
    "partial-occlusion": (theirs.Occlusion, {"patch_size": 8, "patch_stride": 4}),
}
CAMS = {"grad-cam": theirs.GradCAM, "grad-cam-plus-plus": theirs.GradCAMPP}


class WatchedRise(theirs.Rise):
    """Keeps the masks that it drew, as they were laid over the picture."""

    kept: list[np.ndarray]

    def explain(self, inputs: Any, targets: Any = None) -> Any:
        self.kept, lay = [], theirs.Rise._apply_masks

        def watched(*said: Any) -> Any:
            masked, masks = lay(*said)
            self.kept.append(masks.numpy()[..., 0])
            return masked, masks

        with patch.object(theirs.Rise, "_apply_masks", watched):
            return super().explain(inputs, targets)


def asked(target: int) -> np.ndarray:
    return np.eye(CLASSES, dtype=np.float32)[[target]]


def main() -> None:
    """Write the arrays."""
    tf.random.set_seed(0)
    arrays: dict[str, np.ndarray] = {}
    for name, layers in LAYERS.items():
        net = keras_network(name)
        for target in TARGETS:
            for method, (kind, said) in PLAIN.items():
                arrays[f"{method}/{name}/{target}"] = np.asarray(kind(net, **said)(PICTURE, asked(target)))[0]
            for method, (kind, said) in FROM_BLACK.items():
                arrays[f"{method}/{name}/{target}"] = np.asarray(kind(net, **said)(BLACKENED, asked(target)))[0]
            for method, kind in CAMS.items():
                for layer in layers:
                    with patch.object(tf.image, "resize", lambda maps, *_, **__: maps):  # as coarse as the layer
                        found = kind(net, conv_layer=layer)(PICTURE, asked(target))
                    arrays[f"{method}/{name}.{layer}/{target}"] = np.asarray(found)[0, ..., 0]
    rise = WatchedRise(keras_network("plain"), nb_samples=32, grid_size=4, preservation_probability=0.4)
    arrays["rise/plain/1"] = np.asarray(rise(BLACKENED, asked(1)))[0]
    arrays["rise/plain/1/masks"] = np.concatenate(rise.kept)
    np.savez_compressed(Path(__file__).parent / "arrays" / "xplique.npz", **arrays)


if __name__ == "__main__":
    main()
