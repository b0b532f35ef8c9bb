"""One unit of a layer: Captum's maps of a neuron, a slow deconvnet, and nothing outside its receptive field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from captum.attr import NeuronDeconvolution, NeuronGradient, NeuronGuidedBackprop

import picasso
from picasso.core.errors import NotSupportedError, TargetError
from picasso.core.model import Model
from picasso.core.panels import Images
from tests.models.networks import Plain, Vit, seeded
from tests.models.onnx_files import graph, node
from tests.models.squeezenet_maps import PREPROCESSING
from tests.visualizations.gradient_networks import PICTURE, SIZE, X, agree, last, opened

pytestmark = [pytest.mark.filterwarnings("ignore:Setting (backward|forward).*hooks")]
METHODS = {
    "saliency-map": NeuronGradient,
    "deconvnet": NeuronDeconvolution,
    "guided-backpropagation": NeuronGuidedBackprop,
}
UNIT = (5, 3, 7)
"""Channel, row and column of a unit of the second convolution, whose map is 12 x 12."""


def seen(model: Model, name: str, channel: str, **choices: Any) -> picasso.Result:
    result = picasso.explain(model, PICTURE, name, channel=channel, cache=False, **choices)
    assert isinstance(result, picasso.Result)
    return result


def asked(result: picasso.Result) -> Images:
    panel = next(one for one in result.panels if one.id == "asked")
    assert isinstance(panel, Images)
    return panel


@pytest.mark.parametrize("layer", ["conv2", "relu2"])
@pytest.mark.parametrize("name", METHODS)
def test_the_map_of_a_unit_is_that_of_captum(name: str, layer: str) -> None:
    network = seeded(Plain).eval()
    unit = UNIT if layer == "conv2" else _firing(network)
    expected = METHODS[name](network, getattr(network, layer)).attribute(X.clone().requires_grad_(), unit)
    channel, row, column = unit
    found = seen(opened(seeded(Plain)), name, f"{layer}:{channel}@{row},{column}", reduction="none")
    assert np.abs(found.attributions[0].values).max() > 0
    agree(found.attributions[0].values, last(expected[0]))


def _firing(network: Plain) -> tuple[int, int, int]:
    """Return a unit of the last ReLU that fires."""
    with torch.no_grad():
        made = network.conv2(network.relu1(network.bn(network.conv1(X))))[0]
    channel, row, column = np.unravel_index(int(made.argmax()), made.shape)
    return int(channel), int(row), int(column)


def test_a_deconvnet_runs_backward_by_hand() -> None:
    """From the unit down: the kernel, only what is positive, the norm's scale, the first kernel; no ReLU above it."""
    network = seeded(Plain).eval()
    channel, row, column = UNIT
    with torch.no_grad():
        start = torch.zeros(1, 8, 12, 12)
        start[0, channel, row, column] = 1
        flow = F.conv_transpose2d(start, network.conv2.weight, stride=2, padding=1, output_padding=1).clamp(min=0)
        flow = flow * (network.bn.weight / (network.bn.running_var + network.bn.eps).sqrt())[None, :, None, None]
        expected = last(F.conv_transpose2d(flow, network.conv1.weight, padding=1)[0])
    found = seen(opened(network), "deconvnet", f"conv2:{channel}@{row},{column}", reduction="none")
    agree(found.attributions[0].values, expected)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("place", [(0, 0), (3, 7), (11, 11)])
def test_nothing_lies_outside_the_receptive_field(name: str, place: tuple[int, int]) -> None:
    result = seen(opened(seeded(Plain)), name, f"conv2:5@{place[0]},{place[1]}", reduction="none")
    values = np.abs(result.attributions[0].values).sum(axis=2)
    # A kernel of 3 with a stride of 2 on one of 3, each with a border of 1.
    rows, columns = (slice(max(0, 2 * one - 2), min(24, 2 * one + 3)) for one in place)
    inside = values[rows, columns].copy()
    values[rows, columns] = 0
    assert inside.any()
    assert not values.any()
    panel = asked(result)
    assert f"rows {rows.start} to {rows.stop - 1}, columns {columns.start} to {columns.stop - 1}." in panel.caption
    assert f"{rows.stop - rows.start} x {columns.stop - columns.start} of 24 x 24 pixels" in panel.caption
    shown, view = panel.pictures[0], result.view
    assert view is not None
    inner = slice(rows.start + 1, rows.stop - 1), slice(columns.start + 1, columns.stop - 1)
    np.testing.assert_array_equal(shown[inner], view[inner])  # within its white edge the picture is as it was
    far = np.ones((24, 24), bool)
    far[max(0, rows.start - 1) : rows.stop + 1, max(0, columns.start - 1) : columns.stop + 1] = False
    np.testing.assert_array_equal(shown[far], view[far] // 3 + 40)


def test_the_largest_is_found_once_the_picture_is_there() -> None:
    model, network = opened(seeded(Plain)), seeded(Plain).eval()
    with torch.no_grad():
        made = network.conv2(network.relu1(network.bn(network.conv1(X))))[0, 6].numpy()
    row, column = np.unravel_index(made.argmax(), made.shape)
    result = seen(model, "saliency-map", "conv2:6@max")
    attribution = result.attributions[0]
    assert attribution.target.label == f"conv2:6@{row},{column}"
    assert attribution.score == pytest.approx(float(made.max()), rel=1e-4)
    assert (
        result.record["asked"]
        == f"channel 6 of conv2, at row {row}, column {column}, where it is largest in this picture"
    )
    assert result.record["at"] == "channel=conv2:6@max"
    there = seen(model, "saliency-map", f"conv2:6@{row},{column}")
    np.testing.assert_array_equal(attribution.values, there.attributions[0].values)
    other = picasso.explain(model, PICTURE[::-1].copy(), "saliency-map", channel="conv2:6@max", cache=False)
    assert isinstance(other, picasso.Result)
    assert other.attributions[0].target.label != attribution.target.label


def test_the_mean_of_a_channel_has_no_outline() -> None:
    assert [one.id for one in seen(opened(seeded(Plain)), "saliency-map", "conv2:6").panels if one.id == "asked"] == []


def test_a_network_that_cannot_be_read_still_explains_its_unit() -> None:
    class Odd(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(torch.special.gammaln(x.abs() + 1) + x)

    model = opened(seeded(Odd))
    with pytest.raises(NotSupportedError):
        model.graph()
    result = seen(model, "saliency-map", "conv2:6@3,4")
    assert all(one.id != "asked" for one in result.panels)
    assert np.abs(result.attributions[0].values).max() > 0


def test_a_token_sees_its_patch_before_attention() -> None:
    network = Vit(extra=2).eval()
    model = picasso.load_model(network, preprocessing=picasso.Preprocessing(size=12))
    grid = next(layer for layer in model.layers() if layer.grid)
    result = seen(model, "saliency-map", f"{grid.name}:1@max")
    assert "of 12 x 12 pixels" in asked(result).caption
    row, column = (int(one) for one in result.attributions[0].target.label.split("@")[1].split(","))
    values = model.activations(model.prepare(result.picture).x, [grid.name])[grid.name][0, 2:, 1]  # type: ignore[arg-type]
    assert values.argmax() == row * grid.grid[1] + column  # type: ignore[index]


def test_what_is_no_place_is_said() -> None:
    model = opened(seeded(Plain))
    with pytest.raises(TargetError, match="not understood"):
        seen(model, "saliency-map", "conv2:6@most")
    with pytest.raises(NotSupportedError, match="has no rows and columns"):
        seen(model, "saliency-map", "fc:1@max")
    with pytest.raises(TargetError, match=r"are 0\.\.7"):
        seen(model, "saliency-map", "conv2:8@max")


def test_keras_and_onnx_mark_the_same(tmp_path: Path) -> None:
    network = seeded(Plain).eval()
    k1, k2, fc = (one.weight.detach().numpy() for one in (network.conv1, network.conv2, network.fc))
    layers = keras.layers
    start = keras.Input((24, 24, 3))
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="conv1")(start)
    x = layers.ZeroPadding2D(1)(layers.ReLU()(x))
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, name="conv2")(x)
    end = layers.Dense(5, use_bias=False)(layers.GlobalAveragePooling2D()(layers.ReLU()(x)))
    twin = keras.Model(start, end)
    twin.set_weights([k1.transpose(2, 3, 1, 0), k2.transpose(2, 3, 1, 0), fc.T])
    nodes = [
        node("Conv", ["x", "a"], ["c1"], pads=[1, 1, 1, 1], name="conv1"),
        node("Relu", ["c1"], ["r1"]),
        node("Conv", ["r1", "b"], ["c2"], strides=[2, 2], pads=[1, 1, 1, 1], name="conv2"),
        node("Relu", ["c2"], ["r2"]),
        node("GlobalAveragePool", ["r2"], ["p"]),
        node("Flatten", ["p"], ["f"]),
        node("MatMul", ["f", "m"], ["scores"]),
    ]
    onnx.save(
        graph(nodes, {"x": ("n", 3, 24, 24)}, ["scores"], {"a": k1, "b": k2, "m": fc.T.copy()}), tmp_path / "n.onnx"
    )
    models = [opened(twin), picasso.load_model(tmp_path / "n.onnx", preprocessing=SIZE)]
    first, second = (seen(model, "guided-backpropagation", "conv2:5@max") for model in models)
    assert asked(first).caption == asked(second).caption
    assert "of 24 x 24 pixels: rows" in asked(first).caption
    agree(first.attributions[0].values, second.attributions[0].values)


def test_a_unit_of_a_real_network_looks_within_its_field(shared_data: Path) -> None:
    folder = shared_data / "squeezenet11"
    model = picasso.load_model(
        folder / "squeezenet11_state_dict.pt",
        preprocessing=PREPROCESSING,
        factory=f"{Path(__file__).parents[1] / 'models' / 'squeezenet.py'}:SqueezeNet",
    )
    result = picasso.explain(
        model, shared_data / "photos" / "cat.jpg", "guided-backpropagation", channel="fire5:200@max", reduction="none"
    )
    assert isinstance(result, picasso.Result)
    panel, values = asked(result), np.abs(result.attributions[0].values).sum(axis=2)
    words = panel.caption.split("pixels: rows ")[1].split(".")[0].replace(", columns", " to").split(" to ")
    top, bottom, left, right = (int(word) for word in words)
    assert (bottom - top + 1, right - left + 1) == (63, 63)
    inside = values[top : bottom + 1, left : right + 1].copy()
    values[top : bottom + 1, left : right + 1] = 0
    assert inside.any()
    assert not values.any()
