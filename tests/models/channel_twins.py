"""One small network in every framework, and what each says of a channel of its second convolution."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

import picasso
from picasso.core.asking import focused, read_place
from picasso.core.facts import INPUT, ReluRule, Rules
from picasso.core.model import Model
from picasso.core.pictures.images import read_picture
from picasso.models.keras.loading import import_keras, quiet

SIDE = 12
PLACES = ("", "@1,2")
CHANNEL = 3
RANDOM = np.random.default_rng(0)
K1, B1 = RANDOM.normal(size=(3, 3, 3, 4)).astype(np.float32), RANDOM.normal(size=4).astype(np.float32)
K2, B2 = RANDOM.normal(size=(3, 3, 4, 5)).astype(np.float32), RANDOM.normal(size=5).astype(np.float32)
K3, B3 = RANDOM.normal(size=(5, 3)).astype(np.float32), RANDOM.normal(size=3).astype(np.float32)
PICTURE = RANDOM.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
PREPROCESSING = picasso.Preprocessing(size=SIDE)
OCCLUSION = {"window": 4, "stride": 4, "fill": "black"}


def torch_network() -> Any:
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.relu1 = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True)
            self.conv2, self.relu2 = nn.Conv2d(4, 5, 3, stride=2), nn.ReLU(inplace=True)
            self.fc = nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.relu2(self.conv2(self.relu1(self.conv1(x))))
            return self.fc(x.mean((2, 3)))

    network = Net().eval()
    weights = (K1.transpose(3, 2, 0, 1), B1, K2.transpose(3, 2, 0, 1), B2, K3.T, B3)
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), weights, strict=True):
            parameter.copy_(torch.from_numpy(value.copy()))
    return network


def onnx_file(folder: Path) -> Path:
    import onnx

    from tests.models.onnx_files import graph, node

    weights = {"k1": K1.transpose(3, 2, 0, 1), "b1": B1, "k2": K2.transpose(3, 2, 0, 1), "b2": B2, "k3": K3, "b3": B3}
    nodes = [
        node("Conv", ["x", "k1", "b1"], ["a"], "conv1", pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["b"], "relu1"),
        node("Conv", ["b", "k2", "b2"], ["c"], "conv2", strides=[2, 2]),
        node("Relu", ["c"], ["d"], "relu2"),
        node("GlobalAveragePool", ["d"], ["e"], "pool"),
        node("Flatten", ["e"], ["f"], "flatten"),
        node("Gemm", ["f", "k3", "b3"], ["scores"], "fc"),
    ]
    path = folder / "twin.onnx"
    onnx.save(graph(nodes, {"x": ["n", 3, SIDE, SIDE]}, ["scores"], weights), path)
    return path


def flax_network() -> Any:
    from flax import linen

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            x = linen.relu(linen.Conv(4, (3, 3), name="conv1")(x))
            x = linen.relu(linen.Conv(5, (3, 3), (2, 2), "VALID", name="conv2")(x))
            return linen.Dense(3, name="fc")(x.mean((1, 2)))

    parts = {"conv1": (K1, B1), "conv2": (K2, B2), "fc": (K3, B3)}
    return Net(), {"params": {name: {"kernel": kernel, "bias": bias} for name, (kernel, bias) in parts.items()}}


def keras_network(channels_first: bool = False) -> Any:
    keras = import_keras()
    layers, kind = keras.layers, "channels_first" if channels_first else "channels_last"
    x = start = keras.Input((3, SIDE, SIDE) if channels_first else (SIDE, SIDE, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv1", data_format=kind)(x)
    x = layers.ReLU(name="relu1")(x)
    x = layers.Conv2D(5, 3, strides=2, name="conv2", data_format=kind)(x)
    x = layers.ReLU(name="relu2")(x)
    x = layers.GlobalAveragePooling2D(name="pool", data_format=kind)(x)
    model = keras.Model(start, layers.Dense(3, name="fc")(x))
    model.set_weights([K1, B1, K2, B2, K3, B3])
    return model


def answers(model: Model, place: int = 0) -> dict[str, np.ndarray]:
    """Return what a model says of a channel, its mean and its value at a place.

    Args:
        model: The network in some framework.
        place: Which of its layers with as many channels is the whole convolution.
    """
    first, second = (
        [layer.name for layer in model.layers() if layer.spatial and layer.shape[-1] == count][place]
        for count in (4, 5)
    )
    sample, found = model.prepare(read_picture(PICTURE)), dict[str, np.ndarray]()
    for where in PLACES:
        channel = f"{second}:{CHANNEL}{where}"
        asked = focused(model, sample, read_place(f"channel={channel}"))
        targets = asked.top_targets(asked.predict(sample.x)[0], 5)
        # Several pictures at a time, and twice the same target.
        twice = asked.pullback(np.concatenate([sample.x, -sample.x, sample.x]), targets * 2, [INPUT, first, second])
        for name, layer in {"input": INPUT, "first": first, "second": second}.items():
            found[f"{name}{where}"] = twice.gradients[layer]
        found[f"score{where}"] = asked.class_scores(twice.outputs)
        found[f"guided{where}"] = asked.pullback(sample.x, targets, rules=Rules(ReluRule.GUIDED)).gradients[INPUT]
        for method, choices in {"partial-occlusion": OCCLUSION, "grad-cam": {"layer": first}}.items():
            result = picasso.explain(model, PICTURE, method, channel=channel, **choices)
            assert isinstance(result, picasso.Result)
            found[f"{method}{where}"] = result.attributions[0].values
    return found


def write_keras(folder: Path, backend: str) -> None:
    """Write what the network says on this process's Keras backend: FOLDER/channels-keras-<backend>.npz and others."""
    network = keras_network()
    found = {f"keras-{backend}": answers(picasso.load_model(network, preprocessing=PREPROCESSING))}
    if backend == "torch":
        turned = keras_network(channels_first=True)
        found["keras-channels-first"] = answers(picasso.load_model(turned, preprocessing=PREPROCESSING))
    if backend == "tensorflow":
        with quiet(), redirect_stdout(StringIO()):
            network.export(folder / "twin", verbose=False)
        saved = picasso.load_model(folder / "twin", preprocessing=PREPROCESSING)
        found["tensorflow"] = answers(saved, place=1)  # its first one is the convolution before the bias is added
    for name, arrays in found.items():
        np.savez(folder / f"channels-{name}.npz", **arrays)
