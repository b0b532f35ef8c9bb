"""Activations and transformations are the same for the same network, whatever framework runs it."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import picasso
from picasso.core.index import Reading, index_pictures
from picasso.core.model import Model
from picasso.core.panels import Curve, FeatureMaps
from picasso.core.pictures.images import read_picture
from tests.models.onnx_files import graph, node
from tests.visualizations.gradient_networks import PICTURE, SIZE

RNG = np.random.default_rng(17)
KERNEL = RNG.normal(size=(6, 3, 3, 3)).astype(np.float32)
MATRIX = RNG.normal(size=(6, 4)).astype(np.float32)


def in_torch(folder: Path) -> Model:
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3, padding=1, bias=False),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(6, 4, bias=False),
    )
    with torch.no_grad():
        network[0].weight[:] = torch.from_numpy(KERNEL)
        network[4].weight[:] = torch.from_numpy(MATRIX.T)
    return picasso.load_model(network, preprocessing=SIZE)


def in_keras(folder: Path) -> Model:
    network = keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            keras.layers.Conv2D(6, 3, padding="same", use_bias=False),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4, use_bias=False),
        ]
    )
    network.set_weights([KERNEL.transpose(2, 3, 1, 0), MATRIX])
    return picasso.load_model(network, preprocessing=SIZE)


def in_onnx(folder: Path) -> Model:
    nodes = [
        node("Conv", ["x", "k"], ["conv"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", ["conv"], ["relu"]),
        node("GlobalAveragePool", ["relu"], ["pool"]),
        node("Flatten", ["pool"], ["flat"]),
        node("MatMul", ["flat", "m"], ["scores"]),
    ]
    onnx.save(graph(nodes, {"x": ("n", 3, 24, 24)}, ["scores"], {"k": KERNEL, "m": MATRIX}), folder / "net.onnx")
    return picasso.load_model(folder / "net.onnx", preprocessing=SIZE)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("frameworks")
    return {make.__name__: make(folder) for make in (in_torch, in_keras, in_onnx)}


def explained(model: Model, name: str, **choices: object) -> picasso.Result:
    result = picasso.explain(model, PICTURE, name, cache=False, target=1, **choices)
    assert isinstance(result, picasso.Result)
    return result


@pytest.mark.parametrize("other", ["in_keras", "in_onnx"])
def test_the_channels_are_the_same(models: dict[str, Model], other: str) -> None:
    first, second = (explained(models[name], "activations", order="effect", zeroed=3) for name in ("in_torch", other))
    a, b = first.panels[0], second.panels[0]
    assert isinstance(a, FeatureMaps)
    assert isinstance(b, FeatureMaps)
    assert a.ranking().tolist() == b.ranking().tolist()
    assert set(first.arrays) == set(second.arrays) == {"activations", "strength", "sparsity", "effect", "drop"}
    for name, array in first.arrays.items():
        np.testing.assert_allclose(second.arrays[name], array, atol=1e-4 * np.nanmax(np.abs(array)))


@pytest.mark.parametrize("other", ["in_keras", "in_onnx"])
@pytest.mark.parametrize("kind", ["shift-right", "rotate"])
def test_the_curves_are_the_same(models: dict[str, Model], other: str, kind: str) -> None:
    first, second = (explained(models[name], "transformations", kind=kind) for name in ("in_torch", other))
    np.testing.assert_allclose(second.arrays["scores"], first.arrays["scores"], atol=1e-4)
    lines = []
    for result in (first, second):
        curve = next(one for one in result.panels if isinstance(one, Curve) and one.id == "equivariance")
        lines.append(curve.lines[-1].values)  # of the last layer with space
    np.testing.assert_allclose(lines[1], lines[0], atol=1e-4)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["in_torch", "in_keras", "in_onnx"])
def test_an_index_holds_what_passes_over_single_pictures_give(
    models: dict[str, Model], name: str, tmp_path: Path
) -> None:
    """Relevance by its closed form: the head is linear in the means, so its gradient is weight / places."""
    model = models[name]
    for number in range(5):
        Image.fromarray(RNG.integers(0, 256, (24, 24, 3)).astype(np.uint8)).save(tmp_path / f"{number}.png")
    layer = [one.name for one in model.layers() if one.spatial and one.shape == (24, 24, 6)][-1]
    plain, relevant = Reading(layer), Reading(layer, 2)
    index = index_pictures(model, tmp_path, (plain, relevant), lambda done, total, message: None)
    for row, picture in enumerate(index.names):
        x = model.prepare(read_picture(tmp_path / picture)).x
        values = model.activations(x, [layer])[layer].reshape(576, 6)
        np.testing.assert_allclose(index.scores[row], model.predict(x)[0], atol=1e-4)
        for reading, expected in ((plain, values), (relevant, values * MATRIX[:, 2] / 576)):
            scale = np.abs(expected).max()
            found = {field: index.strongest(reading, field)[row] for field in ("largest", "smallest", "mean")}
            np.testing.assert_allclose(found["largest"], expected.max(axis=0), atol=1e-4 * scale)
            np.testing.assert_allclose(found["smallest"], expected.min(axis=0), atol=1e-4 * scale)
            np.testing.assert_allclose(found["mean"], expected.mean(axis=0), atol=1e-4 * scale)
            at = index.strongest(reading, "largest_at")[row]
            np.testing.assert_allclose(expected[at, range(6)], expected.max(axis=0), atol=1e-4 * scale)
