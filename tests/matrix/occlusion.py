"""How the windows of a partial occlusion go through each architecture: only what they reach, or whole pictures.

The words of a cell come from what happened: windows of 32 x 32 pixels, 16 apart, on pictures of 224 x 224.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import picasso
from picasso.core.errors import PicassoError
from picasso.core.facts import WORTHWHILE, Task
from picasso.core.focus import RegionFocus, mean_over
from picasso.core.graph import Graph
from picasso.core.model import Model
from picasso.core.targets import MASKS

SIDE, WINDOW, STRIDE = 224, 32, 16
NAMES = (
    "VGG16", "ResNet-18", "ResNet-50", "MobileNetV2", "SqueezeNet 1.1", "DenseNet121", "GoogLeNet", "InceptionV3",
    "Xception", "NASNetMobile", "EfficientNet-B0", "MobileNetV3", "ShuffleNetV2", "RegNetX", "RegNetY",
    "ConvNeXt-Tiny", "ViT-Tiny", "Swin-T", "DeepLabV3", "U-Net",
)  # fmt: skip
ABSENT = "absent"
"""The cell of an architecture that was not built in a framework."""
_PLACES = range(0, SIDE - WINDOW + 1, STRIDE)
_GRID = np.array([(top, left, WINDOW, WINDOW) for top in _PLACES for left in _PLACES], np.int64)
_TRIED = _GRID[np.linspace(0, len(_GRID) - 1, 16).astype(int)]
_COMPARED = (0, 7, 15)
"""Of those that are tried: two corners and one near the middle."""
_CLOSE, _CLOSE_PROBABILITIES = 1e-4, 1e-5
_HEARD = 10
"""By what factor windows must change the scores more than the comparison differs, for it to mean anything."""


def try_occlusion(model: Model, loudness: float) -> str:
    """Return how the windows of a picture go through a network, in the words of a cell.

    Args:
        model: The network, opened.
        loudness: The deviation of pictures as the network reads them.

    Returns:
        "exact, 2.4 ×" (times fewer multiplications), "loop: " and why, or "wrong: " and what.
    """
    model = _focused(model)
    try:
        gain = _gain(model.graph())
    except PicassoError as error:
        return f"loop: {error.message}"
    rng = np.random.default_rng(1)
    # Noise alone is the same everywhere, and would be averaged away.
    x = rng.normal(0, 1, (1, 7, 7, 3)).repeat(32, 1).repeat(32, 2) + rng.normal(0, 0.5, (1, SIDE, SIDE, 3))
    x = (x * loudness).astype(np.float32)
    content = np.zeros_like(x[0])
    # A clock that stands still: whether this machine is busy is not what is asked.
    with patch("picasso.engine.checking.time.perf_counter", return_value=0.0):
        found = model.predict_patched(x, _TRIED, content)
    if not model.patching.checked:
        return f"loop: {model.patching.reason}"
    return _different(model, found, x, content) or f"exact, {gain:.{1 if gain >= WORTHWHILE else 2}f} ×"


def _gain(graph: Graph) -> float:
    """Return how many times fewer multiplications all windows of the grid need."""
    from picasso.engine.occlusion import Engine

    engine = Engine(graph)
    return engine.gain(engine.plan(_GRID))


def _different(model: Model, found: Any, x: Any, content: Any) -> str:
    """Return what is wrong with scores (windows, classes) beside those of whole pictures, or ""."""
    own = Model.predict_patched(model, x, _TRIED[list(_COMPARED)], content)
    mine, size = found[list(_COMPARED)], np.abs(own).max()
    error, change = np.abs(mine - own).max(), np.abs(np.diff(found, axis=0)).max()
    if error > _CLOSE * size or _HEARD * error > change:
        return f"wrong: scores differ by {error / size:.1e} of the largest, windows change them by {change / size:.1e}"
    far = np.abs(model.probabilities(mine) - model.probabilities(own)).max()
    return f"wrong: probabilities differ by {far:.1e}" if far > _CLOSE_PROBABILITIES else ""


def _focused(model: Model) -> Model:
    """Return a segmenter as it answers about the middle of the picture."""
    if model.facts.task is not Task.SEGMENTATION:
        return model
    rows, columns, classes = model.outputs(np.zeros((1, *model.input_shape), np.float32))[MASKS].shape[1:]
    region = np.zeros((rows, columns), bool)
    region[rows // 4 : -rows // 4, columns // 4 : -columns // 4] = True
    return model.focused(
        RegionFocus(model.labels, classes, (), "the middle", "probability", None, 0.0, mean_over([region] * classes))
    )


def _torch(name: str, folder: Path) -> Model:
    from tests.matrix.usual_torch import make

    return picasso.load_model(make(name), preprocessing=picasso.Preprocessing(size=SIDE))


def _onnx(name: str, folder: Path) -> Model:
    import torch

    from tests.matrix.usual_torch import make

    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        file = str(folder / "net.onnx")
        torch.onnx.export(make(name), (torch.zeros(1, 3, SIDE, SIDE),), file, dynamo=False, opset_version=17)
    return picasso.load_model(folder / "net.onnx", preprocessing=picasso.Preprocessing(size=SIDE))


def _keras(name: str, folder: Path) -> Model:
    from tests.matrix.usual_keras import make

    return picasso.load_model(make(name), preprocessing=picasso.Preprocessing(size=SIDE))


def _saved_model(name: str, folder: Path) -> Model:
    from tests.matrix.usual_keras import make

    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        make(name).export(folder / "saved", verbose=False)
    return picasso.load_model(folder / "saved", preprocessing=picasso.Preprocessing(size=SIDE))


def _flax(name: str, folder: Path) -> Model:
    from tests.matrix.usual_flax import make

    return picasso.load_model(make(name), preprocessing=picasso.Preprocessing(size=SIDE))


FRAMEWORKS: dict[str, Callable[[str, Path], Model]] = {
    "PyTorch": _torch,
    "ONNX": _onnx,
    "Keras": _keras,
    "SavedModel": _saved_model,
    "JAX (Flax)": _flax,
}
_KERAS_LACKS = {"ResNet-18", "GoogLeNet", "ShuffleNetV2", "RegNetX", "RegNetY", "Swin-T", "DeepLabV3"}
_LACKS = {
    "PyTorch": {"Xception", "NASNetMobile"},
    "ONNX": {"Xception", "NASNetMobile"},
    "Keras": _KERAS_LACKS,
    "SavedModel": _KERAS_LACKS,
    "JAX (Flax)": {"Xception", "NASNetMobile"},
}


def try_cell(framework: str, name: str, folder: Path) -> str:
    """Make a network in a folder, open it and try it; return the words of its cell."""
    if name in _LACKS[framework]:
        return ABSENT
    model = FRAMEWORKS[framework](name, folder)
    try:
        # Keras's networks read 8-bit colors; with others, too, they are heard better so.
        return try_occlusion(model, 60.0 if framework in ("Keras", "SavedModel") else 1.0)
    finally:
        model.close()
