"""ONNX's operators in op graphs, one by one, against ONNX Runtime; and what has no form there."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from picasso.core import graph as g
from tests.models.onnx_files import graph, node, random
from tests.models.onnx_graphs import NONE, PLACES, W, kinds, network, one, opened, read, sizes

PART = {"w": random(6, 2, 3, 1, seed=1), "b": random(6, seed=2)}
BACK = {"w": random(4, 3, 3, 2, seed=1), "b": random(6, seed=2)}
NORM = {"s": random(4, seed=1), "b": random(4, seed=2), "m": random(4, seed=3), "v": random(4, seed=4) ** 2 + 0.5}
CHANNELS = {"c": random(4, 1, 1, seed=1)}


ONES: dict[str, tuple[Any, str]] = {
    "conv": (one("Conv", "w", "b", weights=W, pads=[1, 0, 2, 1], strides=[2, 1]), "Conv"),
    "conv, dilated": (one("Conv", "w", "b", weights=W, pads=[2, 2, 2, 2], dilations=[2, 3]), "Conv"),
    "conv, groups of 3 x 1": (one("Conv", "w", "b", weights=PART, group=2, pads=[1, 0, 1, 0]), "Conv"),
    "conv, depthwise": (one("Conv", "w", weights={"w": random(4, 1, 3, 3)}, group=4, auto_pad="SAME_UPPER"), "Conv"),
    "conv, same, lower": (one("Conv", "w", weights=W, strides=[2, 2], auto_pad="SAME_LOWER"), "Conv"),
    "conv, same, upper": (one("Conv", "w", weights=W, strides=[2, 3], auto_pad="SAME_UPPER"), "Conv"),
    "conv, valid": (one("Conv", "w", weights=W, auto_pad="VALID"), "Conv"),
    "transposed": (
        one("ConvTranspose", "w", "b", weights=BACK, group=2, strides=[2, 3], pads=[1, 0, 0, 1]),
        "ConvTranspose",
    ),
    "transposed, more": (
        one("ConvTranspose", "w", "b", weights=BACK, group=2, strides=[2, 2], output_padding=[1, 1], dilations=[1, 2]),
        "ConvTranspose",
    ),
    "transposed, same": (
        one("ConvTranspose", "w", weights=BACK, group=2, strides=[2, 2], auto_pad="SAME_UPPER"),
        "ConvTranspose",
    ),
    "transposed, to a size": (
        one("ConvTranspose", "w", weights=BACK, group=2, strides=[2, 2], output_shape=[18, 21]),
        "ConvTranspose",
    ),
    "max": (one("MaxPool", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]), "Pool"),
    "max, ceil": (one("MaxPool", kernel_shape=[2, 3], strides=[2, 3], pads=[1, 1, 0, 1], ceil_mode=1), "Pool"),
    "max, dilated": (one("MaxPool", kernel_shape=[3, 3], dilations=[2, 3], strides=[2, 1]), "Pool"),
    "max, same": (one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER"), "Pool"),
    "max of all": (one("GlobalMaxPool"), "GlobalPool"),
    "mean": (one("AveragePool", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]), "Pool"),
    "mean, padding counted": (
        one("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 2, 2], count_include_pad=1),
        "Pool",
    ),
    "mean, ceil": (
        one("AveragePool", kernel_shape=[3, 4], strides=[2, 3], pads=[1, 1, 1, 2], ceil_mode=1),
        "Pool",
    ),
    "mean, ceil, padding counted": (
        one("AveragePool", kernel_shape=[3, 4], strides=[2, 3], pads=[1, 1, 1, 1], ceil_mode=1, count_include_pad=1),
        "Pool",
    ),
    "mean, same": (one("AveragePool", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"), "Pool"),
    "mean of all": (one("GlobalAveragePool"), "GlobalPool"),
    "mean of a window as large as the map": (one("AveragePool", kernel_shape=[9, 11]), "GlobalPool"),
    "mean of both sides": (one("ReduceMean", axes=[2, 3], keepdims=0), "GlobalPool"),
    "mean of one side": (one("ReduceMean", axes=[3], keepdims=0), "Reduce"),
    "mean of both sides, as an input": (one("ReduceMean", "a", opset=18, weights={"a": sizes(-1, 2)}), "GlobalPool"),
    "sum of channels": (one("ReduceSum", "a", weights={"a": sizes(1)}), "Reduce"),
    "least of a side": (one("ReduceMin", axes=[2]), "Reduce"),
    "batch norm": (one("BatchNormalization", "s", "b", "m", "v", weights=NORM, epsilon=1e-3), "Affine"),
    "instance norm": (one("InstanceNormalization", "s", "b", weights=NORM), "GroupNorm"),
    "group norm": (one("GroupNormalization", "s", "b", weights=NORM, opset=21, num_groups=2), "GroupNorm"),
    "group norm, one scale for each group": (
        one("GroupNormalization", "s", "b", weights={"s": random(2), "b": random(2)}, opset=18, num_groups=2),
        "GroupNorm",
    ),
    "layer norm": (
        one("LayerNormalization", "s", "b", weights={"s": random(9, 11), "b": random(11)}, axis=2),
        "LayerNorm",
    ),
    "local response norm": (one("LRN", size=3, alpha=0.3, beta=0.6, bias=1.5), "LocalResponseNorm"),
    "clip": (one("Clip", "a", "b", weights={"a": np.float32(0), "b": np.float32(1)}), "Activation:clip"),
    "clip, old": (one("Clip", opset=10, min=0.0, max=6.0), "Activation:clip"),
    "clip below": (one("Clip", "a", weights={"a": np.float32(0)}), "Activation:relu"),
    "maximum": (one("Max", "a", weights={"a": np.float32(0)}), "Activation:relu"),
    "minimum": (one("Min", "a", weights={"a": np.float32(0.5)}), "Activation:clip"),
    "leaky": (one("LeakyRelu", alpha=0.2), "Activation:leaky_relu"),
    "parametric": (one("PRelu", "c", weights=CHANNELS), "Activation:prelu"),
    "parametric, one slope": (one("PRelu", "a", weights={"a": random(1)}), "Activation:leaky_relu"),
    "elu": (one("Elu", alpha=0.7), "Activation:elu"),
    "celu": (one("Celu", alpha=0.7), "Activation:celu"),
    "selu": (one("Selu"), "Activation:selu"),
    "hard sigmoid": (one("HardSigmoid", alpha=0.3, beta=0.4), "Activation:hard_sigmoid"),
    "hard swish": (one("HardSwish"), "Activation:hard_swish"),
    "gelu": (one("Gelu", opset=20), "Activation:gelu"),
    "gelu, roughly": (one("Gelu", opset=20, approximate="tanh"), "Activation:gelu_tanh"),
    "mish": (one("Mish", opset=18), "Activation:mish"),
    "mish, spelled out": (
        network([node("Softplus", ["x"], ["s"]), node("Tanh", ["s"], ["t"]), node("Mul", ["t", "x"], ["y"], "it")]),
        "Activation:mish",
    ),
    "no mish": (network([node("Softplus", ["x"], ["s"]), node("Mul", ["s", "x"], ["y"], "it")]), "Elementwise"),
    "square": (one("Pow", "a", weights={"a": np.float32(2)}), "Activation:square"),
    "add a channel's": (one("Add", "c", weights=CHANNELS), "Affine"),
    "multiply by a channel's": (one("Mul", "c", weights=CHANNELS), "Affine"),
    "divide by a channel's": (one("Div", "c", weights=CHANNELS), "Affine"),
    "subtract a number": (one("Sub", "a", weights={"a": np.float32(0.3)}), "Affine"),
    "softmax": (network([node("Softmax", ["x"], ["p"], "it", axis=1), node("Exp", ["p"], ["y"])]), "Softmax"),
    "log softmax, old": (
        network([node("LogSoftmax", ["x"], ["p"], "it", axis=3), node("Exp", ["p"], ["y"])], opset=11), "Softmax"
    ),
    "pad": (one("Pad", "p", "v", weights={"p": sizes(0, 0, 1, 2, 0, 0, 0, 3), "v": np.float32(0.5)}), "Pad"),
    "pad, mirrored": (one("Pad", "p", weights={"p": sizes(0, 0, 1, 2, 0, 0, 3, 0)}, mode="reflect"), "Pad"),
    "pad, repeated": (one("Pad", "p", weights={"p": sizes(0, 0, 1, 2, 0, 0, 3, 0)}, mode="edge"), "Pad"),
    "cut": (one("Pad", "p", weights={"p": sizes(0, 0, -1, 0, 0, 0, -2, 3)}), "Pad"),
    "nearest": (one("Upsample", "z", opset=9, weights={"z": np.float32([1, 1, 2, 3])}), "Resize"),
    "bilinear": (
        one("Resize", "n", "z", weights={"n": NONE, "z": np.float32([1, 1, 1.7, 2])}, mode="linear"), "Resize"
    ),
    "bilinear, corners": (
        one("Resize", "n", "z", weights={"n": NONE, "z": np.float32([1, 1, 2, 0.5])}, mode="linear",
            coordinate_transformation_mode="align_corners"),
        "Resize",
    ),
    "slice": (one("Slice", "f", "t", "a", "s", weights={"f": sizes(1, -1), "t": sizes(9, -12), "a": sizes(2, 3),
                                                        "s": sizes(3, -2)}), "Slice"),
    "gather": (one("Gather", "i", weights={"i": sizes(3, 1)}, axis=1), "Slice"),
    "gather one": (one("Gather", "i", weights={"i": np.int64(-1)}, axis=2), "Slice"),
    "tile": (one("Tile", "i", weights={"i": sizes(1, 2, 1, 1)}), "Concat"),
    "expand": (network([node("GlobalMaxPool", ["x"], ["p"]), node("Expand", ["p", "i"], ["y"], "it")],
                       {"i": sizes(1, 4, 2, 3)}), "Elementwise"),
    "pixels of channels": (one("DepthToSpace", blocksize=2), "ConvTranspose"),
    "pixels of channels, grouped": (one("DepthToSpace", blocksize=2, mode="CRD"), "ConvTranspose"),
}  # fmt: skip


@pytest.mark.parametrize("name", ONES)
def test_one_operator(name: str) -> None:
    source, kind = ONES[name]
    made = read(opened(source))
    assert kind in kinds(made)
    assert next(op.layer for op in made.ops if type(op).__name__ == kind.partition(":")[0]) == "it"
    if kind != "Conv":
        assert not any(isinstance(op, g.Transpose) for op in made.ops)


def test_places_that_are_counted_off_change_nothing() -> None:
    weights = {"all": sizes(-1), "i": np.arange(3 * 4 * 9 * 11).reshape(3, 4, 9, 11)}
    nodes = [
        node("Relu", ["x"], ["a"], "relu"),
        node("Reshape", ["a", "all"], ["b"]),
        node("Gather", ["b", "i"], ["c"], "strided"),
        node("GlobalAveragePool", ["c"], ["d"], "pool"),
        node("Flatten", ["d"], ["scores"]),
    ]
    made = read(opened(graph(nodes, {"x": [3, 4, 9, 11]}, ["scores"], weights)))
    assert kinds(made) == ["Activation:relu", "GlobalPool"]


# --- refusals --------------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[onnx.ModelProto, str]] = {
    "unknown": (one("CumSum", "a", weights={"a": sizes(1)}), "CumSum at 'it' has no form in the op graph."),
    "no derivative": (one("Hardmax", opset=13), "Hardmax at 'it' has no form in the op graph."),
    "halves": (
        network([node("Cast", ["x"], ["h"], "it", to=10), node("Cast", ["h"], ["y"], to=1)]),
        "Cast at 'it' has no form in the op graph: it goes over to half precision.",
    ),
    "whole numbers": (
        network([node("Cast", ["x"], ["h"], "it", to=7), node("Cast", ["h"], ["y"], to=1)]),
        "Cast at 'it' has no form in the op graph: it makes whole numbers.",
    ),
    "a slope for each place": (one("PRelu", "c", weights=PLACES), "PRelu at 'it' has no form in the op graph: it has "
                               "a slope for each place."),
    "mixed pictures": (
        network([node("ReduceMax", ["x"], ["m"], "it", axes=[0], keepdims=1), node("Sub", ["x", "m"], ["y"])]),
        "ReduceMax at 'it' has no form in the op graph: it mixes pictures.",
    ),
    "wrapped": (one("Pad", "p", weights={"p": sizes(0, 0, 1, 0, 0, 0, 0, 0)}, mode="wrap", opset=19), "Pad at 'it' "
                "has no form in the op graph: it pads axes [2] of a value of shape"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_form_is_refused(name: str) -> None:
    source, said = REFUSED[name]
    with pytest.raises(g.GraphError) as error:
        opened(source)._read_graph()
    assert str(error.value).startswith(said)


def test_quantized_networks_are_refused() -> None:
    weights = {
        "xs": np.float32(0.05), "xz": np.uint8(128), "w": np.int8(random(6, 4, 3, 3) * 40), "ws": np.float32(0.02),
        "wz": np.int8(0), "ys": np.float32(0.1), "yz": np.uint8(120),
    }  # fmt: skip
    nodes = [
        node("QuantizeLinear", ["x", "xs", "xz"], ["q"], "quantize"),
        node("QLinearConv", ["q", "xs", "xz", "w", "ws", "wz", "ys", "yz"], ["c"], "conv"),
        node("DequantizeLinear", ["c", "ys", "yz"], ["y"], "back"),
    ]
    with pytest.raises(g.GraphError, match="QuantizeLinear at 'quantize' has no form in the op graph"):
        opened(network(nodes, weights))._read_graph()


def test_weights_that_are_stored_in_bytes_are_read() -> None:
    weights = {"w": np.int8(random(6, 4, 3, 3) * 40), "s": np.abs(random(6)), "z": np.zeros(6, np.int8)}
    nodes = [node("DequantizeLinear", ["w", "s", "z"], ["v"], axis=0), node("Conv", ["x", "v"], ["y"], "conv")]
    assert kinds(read(opened(network(nodes, weights)))) == ["Conv", "Reshape"]


def test_the_network_is_left_as_it_was_and_shares_its_weights() -> None:
    model = opened(one("Conv", "w", "b", weights={"w": random(64, 4, 3, 3), "b": random(64)}))
    x = random(2, *model.input_shape)
    before = model.predict(x)
    steps = model._network.graph.steps
    made = model._read_graph()
    np.testing.assert_array_equal(model.predict(x), before)
    assert model._network.graph.steps is steps
    conv = next(op for op in made.ops if isinstance(op, g.Conv))
    assert np.shares_memory(conv.weight, model._network.file.weights["w"])
