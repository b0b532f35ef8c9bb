"""Filters: the framework's own weights to the last bit, in every layout; what is refused, and what is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
import torch
from torch import nn

import picasso
from picasso.core.errors import NotFoundError, NotSupportedError, SettingsError
from picasso.core.layers.kernels import find_kernels, kernel_chroma, kernel_likenesses, kernel_strengths
from picasso.core.model import Model
from picasso.core.panels import Bars, FeatureMaps
from tests.models.onnx_files import graph, node
from tests.models.squeezenet_maps import PREPROCESSING

SIZE = picasso.Preprocessing(size=24)
RNG = np.random.default_rng(23)


def random(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


FIRST, EACH, PAIRS, UP, MATRIX = (
    random(6, 3, 3, 5),
    random(6, 1, 3, 3),
    random(4, 3, 2, 2),
    random(4, 5, 3, 3),
    random(5, 2),
)
"""Kernels as PyTorch has them: of the first layer, depthwise, in two groups, transposed; and the head's."""


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, (3, 5), bias=False)
        self.norm, self.each = nn.BatchNorm2d(6), nn.Conv2d(6, 6, 3, groups=6, bias=False)
        self.pairs, self.up = nn.Conv2d(6, 4, 2, groups=2, bias=False), nn.ConvTranspose2d(4, 5, 3, bias=False)
        self.head = nn.Linear(5, 2, bias=False)
        with torch.no_grad():
            for part, weight in ((self.first, FIRST), (self.each, EACH), (self.pairs, PAIRS), (self.up, UP)):
                part.weight[:] = torch.from_numpy(weight)
            self.head.weight[:] = torch.from_numpy(MATRIX.T)
            self.norm.weight.fill_(7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.each(torch.relu(self.norm(self.first(x))))
        return self.head(self.up(torch.relu(self.pairs(x))).mean((2, 3)))


def in_torch(folder: Path) -> Model:
    return picasso.load_model(Net().eval(), preprocessing=SIZE)


def in_keras(folder: Path) -> Model:
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            layers.Conv2D(6, (3, 5), use_bias=False, name="first"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(),
            layers.DepthwiseConv2D(3, use_bias=False, name="each"),
            layers.Conv2D(4, 2, groups=2, use_bias=False, activation="relu", name="pairs"),
            layers.Conv2DTranspose(5, 3, use_bias=False, name="up"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, use_bias=False),
        ]
    )
    network.get_layer("first").set_weights([FIRST.transpose(2, 3, 1, 0)])
    network.get_layer("each").set_weights([EACH.transpose(2, 3, 0, 1)])
    network.get_layer("pairs").set_weights([PAIRS.transpose(2, 3, 1, 0)])
    network.get_layer("up").set_weights([UP.transpose(2, 3, 1, 0)])
    return picasso.load_model(network, preprocessing=SIZE)


def in_onnx(folder: Path) -> Model:
    nodes = [
        node("Conv", ["x", "a"], ["first"], kernel_shape=[3, 5], name="first"),
        node("Relu", ["first"], ["relu"]),
        node("Conv", ["relu", "b"], ["each"], kernel_shape=[3, 3], group=6, name="each"),
        node("Conv", ["each", "c"], ["pairs"], kernel_shape=[2, 2], group=2, name="pairs"),
        node("ConvTranspose", ["pairs", "d"], ["up"], kernel_shape=[3, 3], name="up"),
        node("GlobalAveragePool", ["up"], ["pool"]),
        node("Flatten", ["pool"], ["flat"]),
        node("MatMul", ["flat", "m"], ["scores"]),
    ]
    weights = {"a": FIRST, "b": EACH, "c": PAIRS, "d": UP, "m": MATRIX}
    onnx.save(graph(nodes, {"x": ("n", 3, 24, 24)}, ["scores"], weights), folder / "net.onnx")
    return picasso.load_model(folder / "net.onnx", preprocessing=SIZE)


def seen(model: Model, **settings: Any) -> picasso.Result:
    result = picasso.explain(model, visualization="filters", cache=False, **settings)
    assert isinstance(result, picasso.Result)
    return result


def grid(result: picasso.Result) -> FeatureMaps:
    panel = next(one for one in result.panels if one.id == "kernels")
    assert isinstance(panel, FeatureMaps)
    return panel


@pytest.mark.parametrize("make", [in_torch, in_keras, in_onnx])
def test_every_framework_gives_the_same_kernels(make: Any, tmp_path: Path) -> None:
    model = make(tmp_path)
    found = {kernels.layer: kernels for kernels in find_kernels(model.graph())}
    expected = {"first": FIRST, "each": EACH, "pairs": PAIRS, "up": UP.swapaxes(0, 1)}
    for name, weight in expected.items():
        np.testing.assert_array_equal(found[name].weight, weight)
    assert [found[name].groups for name in expected] == [1, 6, 2, 1]
    assert [found[name].transposed for name in expected] == [False, False, False, True]
    assert [found[name].channels for name in expected] == [(0, 1, 2), (), (), ()]
    assert found["pairs"].read_by(1) == range(3)
    assert found["pairs"].read_by(2) == range(3, 6)
    panel = grid(seen(model))
    np.testing.assert_array_equal(panel.values, FIRST.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(seen(model, layer="each").arrays["kernels"], EACH[:, 0])
    result = seen(model, layer="pairs", output=3)
    np.testing.assert_array_equal(result.arrays["kernels"], PAIRS[3])
    assert "Input channels 3 to 5" in grid(result).caption
    deep = seen(model, layer="up")  # the strongest output channel, unless one is asked for
    strong = np.sqrt((UP.astype(np.float64) ** 2).sum(axis=(0, 2, 3)))
    np.testing.assert_allclose(deep.arrays["strength"], strong, rtol=1e-6)
    np.testing.assert_array_equal(deep.arrays["kernels"], UP[:, strong.argmax()])


def test_a_picture_of_weights_is_what_a_slow_hand_would_draw() -> None:
    panel = grid(seen(in_torch(Path()), order="index"))
    largest = panel.limits[1]
    assert panel.limits == (-largest, largest)
    assert (np.abs(FIRST) > largest).mean() == pytest.approx(panel.clipped)
    sheet = np.asarray(panel.contact_sheet())
    side = 480 // 6
    step = round(side / 5 * 5) + 8
    for kernel in range(6):
        for row in range(3):
            for column in range(5):
                y, x = int((row + 0.5) * side / 5), kernel * step + int((column + 0.5) * side / 5)
                drawn = sheet[y, x]
                for color in range(3):
                    share = (FIRST[kernel, color, row, column] / largest + 1) / 2
                    assert abs(int(drawn[color]) - 255 * min(1, max(0, share))) <= 1
    assert "Grey is a weight of zero" in panel.caption


def test_orders_are_measures_with_a_closed_form() -> None:
    kernels = np.zeros((4, 3, 2, 2), np.float32)
    kernels[0] = 2  # grey
    kernels[1, 0], kernels[1, 1] = 1, -1  # color alone
    kernels[2] = -1  # the opposite of the strongest
    np.testing.assert_allclose(kernel_strengths(kernels), [np.sqrt(48), np.sqrt(8), np.sqrt(12), 0], rtol=1e-6)
    np.testing.assert_allclose(kernel_likenesses(kernels), [1, 0, -1, np.nan], atol=1e-6)
    np.testing.assert_allclose(kernel_chroma(kernels), [0, 1, 0, np.nan], atol=1e-6)
    half = np.zeros((1, 3, 1, 1), np.float32)
    half[0, 0] = 1  # red is a third grey
    assert kernel_chroma(half)[0] == pytest.approx(2 / 3)


@pytest.mark.parametrize("order", ["strength", "likeness", "color", "index"])
def test_kernels_come_in_the_order_that_was_asked_for(order: str) -> None:
    panel = grid(seen(in_torch(Path()), order=order))
    keys = {
        "strength": kernel_strengths(FIRST),
        "likeness": kernel_likenesses(FIRST),
        "color": kernel_chroma(FIRST),
        "index": -np.arange(6),
    }
    assert panel.ranking().tolist() == np.argsort(-keys[order], kind="stable").tolist()


def test_blue_green_red_is_shown_as_red_green_blue() -> None:
    network = Net().eval()
    reverse = picasso.load_model(network, preprocessing=picasso.Preprocessing(size=24, color="bgr"))
    np.testing.assert_array_equal(grid(seen(reverse)).values, FIRST[:, ::-1].transpose(0, 2, 3, 1))

    class Turned(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x[:, [2, 0, 1]] * 2 - 1)

    turned = picasso.load_model(Turned().eval(), preprocessing=SIZE)  # it reads blue, red, green
    np.testing.assert_array_equal(grid(seen(turned)).values, FIRST[:, [1, 2, 0]].transpose(0, 2, 3, 1))


def test_one_by_one_is_a_matrix_and_a_row_of_it_bars() -> None:
    network = nn.Sequential(nn.Conv2d(3, 7, 3), nn.Conv2d(7, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    model, weight = picasso.load_model(network, preprocessing=SIZE), network[1].weight.detach().numpy()[:, :, 0, 0]
    result = seen(model, layer="1")
    order = np.argsort(-np.linalg.norm(weight, axis=1))
    np.testing.assert_array_equal(grid(result).values, weight[order][None])
    np.testing.assert_array_equal(result.arrays["kernels"], weight)
    row = seen(model, layer="1", output=2, shown=3).panels[0]
    assert isinstance(row, Bars)
    best = np.argsort(-np.abs(weight[2]), kind="stable")[:3]
    assert row.labels == tuple(f"input channel {number}" for number in best)
    assert row.values == tuple(float(weight[2, number]) for number in best)


def test_one_channel_of_a_grey_picture_is_a_signed_map() -> None:
    model = picasso.load_model("demo:digits")
    panel = grid(seen(model))
    np.testing.assert_array_equal(panel.values, model.parameters()["conv1.weight"][:, 0])
    with pytest.raises(NotSupportedError, match="do not read the picture's colors"):
        seen(model, order="color")


def test_idle_kernels_are_counted() -> None:
    network = Net().eval()
    with torch.no_grad():
        network.first.weight[[1, 4]] = 0
    assert "2 of 6 kernels are zero" in grid(seen(picasso.load_model(network, preprocessing=SIZE))).caption


def test_what_cannot_be_shown_says_why() -> None:
    model = in_torch(Path())
    with pytest.raises(NotFoundError, match="no layer 'nowhere'") as lost:
        seen(model, layer="nowhere")
    assert "first, each, pairs, up" in lost.value.hint
    with pytest.raises(SettingsError, match="'norm' has no kernels"):
        seen(model, layer="norm")
    with pytest.raises(SettingsError, match=r"are 0\.\.3\. Got 4"):
        seen(model, layer="pairs", output=4)
    flat = picasso.load_model(nn.Sequential(nn.Flatten(), nn.Linear(24 * 24 * 3, 2)).eval(), preprocessing=SIZE)
    with pytest.raises(NotSupportedError, match="no convolution"):
        seen(flat)


def test_two_thousand_kernels_are_one_array() -> None:
    network = nn.Sequential(nn.Conv2d(3, 2048, 7), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 2)).eval()
    panel = grid(seen(picasso.load_model(network, preprocessing=SIZE), order="likeness"))
    assert panel.values.shape == (2048, 7, 7, 3)
    wire, arrays = panel.to_wire()
    assert wire["picture"] is None
    assert {name for name in arrays if not name.startswith("measures")} == {"values"}
    assert len(panel.html()) < 2**20


def test_a_real_first_layer_holds_greys_and_colors(shared_data: Path) -> None:
    folder = shared_data / "squeezenet11"
    model = picasso.load_model(
        folder / "squeezenet11_state_dict.pt",
        preprocessing=PREPROCESSING,
        factory=f"{Path(__file__).parents[1] / 'models' / 'squeezenet.py'}:SqueezeNet",
    )
    state = torch.load(folder / "squeezenet11_state_dict.pt", weights_only=True)
    result = seen(model, order="color")
    own = state["conv1.weight"].numpy()[:, ::-1]  # the network reads blue, green, red
    np.testing.assert_array_equal(result.arrays["kernels"], own)
    shares = kernel_chroma(own)
    assert (shares > 0.8).sum() > 5
    assert (shares < 0.3).sum() > 5
    assert "sees 3 x 3 pixels of the picture; neighbors lie 2 x 2 pixels apart" in grid(result).caption
    twin = picasso.load_model(folder / "squeezenet11_logits.onnx", preprocessing=PREPROCESSING)
    np.testing.assert_array_equal(grid(seen(twin)).values, own.transpose(0, 2, 3, 1))
