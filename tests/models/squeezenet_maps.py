"""Maps of SqueezeNet from one of its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import picasso

PREPROCESSING = picasso.Preprocessing(
    size=227, resize="crop", short_side=256, color="bgr", scale=1, mean=(104, 117, 123)
)


def maps(folder: Path, kind: str) -> dict[str, np.ndarray]:
    """Return scores and one map of each visualization and ReLU rule."""
    files = {
        "pt": "squeezenet11_state_dict.pt",
        "keras": "squeezenet11_softmax.keras",
        "onnx": "squeezenet11_logits.onnx",
    }
    model = picasso.load_model(
        folder / "squeezenet11" / files[kind],
        labels=folder / "squeezenet11" / "synset_words.txt",
        preprocessing=PREPROCESSING,
        factory=f"{Path(__file__).with_name('squeezenet.py')}:SqueezeNet" if kind == "pt" else None,
    )
    picture = folder / "photos" / "cat.jpg"
    found: dict[str, np.ndarray] = {"best": np.array(model.facts.units)}

    def keep(name: str, visualization: str, **choices: object) -> None:
        result = picasso.explain(model, picture, visualization, target="Egyptian cat", **choices)  # type: ignore[arg-type]
        assert isinstance(result, picasso.Result)
        found[name] = result.attributions[0].values
        found["probability"] = np.array(result.predictions[0].probability)

    keep("occlusion", "partial-occlusion", window=57, stride=57)
    ways = {"standard": "saliency-map", "deconvnet": "deconvnet", "guided": "guided-backpropagation"}
    for rule, way in ways.items():
        keep(f"saliency {rule}", way, reduction="none")
    keep("deeplift", "deeplift", baseline="blur")
    keep("lrp", "lrp", composite="epsilon-gamma-box")
    spatial = [layer for layer in model.layers() if layer.shape == (14, 14, 512)]
    keep("grad-cam", "grad-cam", layer=spatial[0].name)
    found["default layer"] = np.array(model.default_layer().shape)  # type: ignore[union-attr]
    return found
