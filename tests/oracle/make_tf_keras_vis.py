"""What tf-keras-vis says of the scene's networks in Keras: its maps before they are enlarged and scaled.

Keys are `<method>/<network>.<layer>/<class>`, or `<method>/<network>/<class>` for saliency.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
from tf_keras_vis.layercam import Layercam
from tf_keras_vis.saliency import Saliency
from tf_keras_vis.scorecam import Scorecam
from tf_keras_vis.utils.scores import CategoricalScore

from tests.oracle.keras_scene import PICTURE, keras_network

TARGETS = (1, 3)
LAYERS = {"plain": ("relu1", "relu2"), "flat": ("relu1", "pool")}
CAMS = {"grad-cam": Gradcam, "grad-cam-plus-plus": GradcamPlusPlus, "layer-cam": Layercam, "score-cam": Scorecam}


def main() -> None:
    """Write the arrays."""
    arrays: dict[str, Any] = {}
    for name, layers in LAYERS.items():
        net = keras_network(name)
        for target in TARGETS:
            score = CategoricalScore(target)
            arrays[f"saliency-map/{name}/{target}"] = Saliency(net, clone=False)(
                score, PICTURE, keepdims=True, normalize_map=False
            )[0]
            for method, kind in CAMS.items():
                for layer in layers:
                    arrays[f"{method}/{name}.{layer}/{target}"] = kind(net, clone=False)(
                        score,
                        PICTURE,
                        penultimate_layer=layer,
                        seek_penultimate_conv_layer=False,
                        expand_cam=False,
                        normalize_cam=False,
                    )[0]
    np.savez_compressed(Path(__file__).parent / "arrays" / "tf_keras_vis.npz", **arrays)


if __name__ == "__main__":
    main()
