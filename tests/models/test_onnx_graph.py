"""ONNX graphs as op graphs, read slowly, against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto
from torch import nn

import picasso
from picasso.core import graph as g
from picasso.core.model import Model
from picasso.models.onnx.opener import OnnxModel
from tests.engine import reference
from tests.models.networks import Vit
from tests.models.onnx_files import graph, node, random
from tests.models.test_onnx_exports import architecture, exported

Weights = Mapping[str, Any]


def opened(source: onnx.ModelProto | Path, size: tuple[int, int] = (9, 11), channels: int = 4) -> OnnxModel:
    colors: dict[str, Any] = {"color": "values", "bands": channels}
    colors = {1: {"color": "grey"}, 3: {}}.get(channels, colors)
    model = picasso.load_model(source, preprocessing=picasso.Preprocessing(size=size, **colors))
    assert isinstance(model, OnnxModel)
    return model


def read(model: Model, tolerance: float = 1e-5, scale: float = 1.0, middle: float = 0.0) -> g.Graph:
    """Return the op graph of a network after it was compared with the network's own answer."""
    assert isinstance(model, OnnxModel)
    made = model._read_graph()
    count = model.facts.fixed_batch or 2
    x = random(count, *model.input_shape, seed=7) * np.float32(scale) + np.float32(middle)
    answers = model._network.forward(x)
    found = reference.outputs(made, x.transpose(0, 3, 1, 2), torch.float32 if scale == 1 else torch.float64)
    assert found.keys() == model._read.keys()
    for name, value in model._read.items():
        wanted = answers[value]
        assert found[name].shape == wanted.shape
        np.testing.assert_allclose(found[name], wanted, rtol=0, atol=tolerance * np.abs(wanted).max())
    assert {op.layer for op in made.ops} <= {layer.name for layer in model.layers()} | {""}
    return made


def network(
    nodes: Sequence[onnx.NodeProto],
    weights: Weights | None = None,
    size: tuple[int, int] = (9, 11),
    channels: int = 4,
    opset: int = 17,
    flat: bool = True,
) -> onnx.ModelProto:
    """Return a network from `x` (n, channels, *size) to `y`, which is made one row for each picture."""
    end = [node("Flatten", ["y"], ["scores"], "flatten")] if flat else []
    return graph([*nodes, *end], {"x": ["n", channels, *size]}, ["scores" if flat else "y"], weights, opset)


def kinds(made: g.Graph) -> list[str]:
    return [type(op).__name__ + (f":{op.function}" if isinstance(op, g.Activation) else "") for op in made.ops[1:]]


def one(kind: str, *more: str, opset: int = 17, weights: Weights | None = None, **attributes: Any) -> Any:
    """Return the file and op kinds of one node that reads the picture and constants."""
    return network([node(kind, ["x", *more], ["y"], "it", **attributes)], weights, opset=opset)


W = {"w": random(6, 4, 3, 3, seed=1), "b": random(6, seed=2)}
PART = {"w": random(6, 2, 3, 1, seed=1), "b": random(6, seed=2)}
BACK = {"w": random(4, 3, 3, 2, seed=1), "b": random(6, seed=2)}
NORM = {"s": random(4, seed=1), "b": random(4, seed=2), "m": random(4, seed=3), "v": random(4, seed=4) ** 2 + 0.5}
CHANNELS = {"c": random(4, 1, 1, seed=1)}
PLACES = {"c": random(4, 9, 11, seed=1)}
NONE = np.zeros(0, np.float32)


def sizes(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


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


# --- whole networks --------------------------------------------------------------------------------------------------


class Pieces(nn.Module):
    """What networks have besides straight lines of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, (7, 1), 2, (3, 0), dilation=(1, 2))
        self.bn = nn.BatchNorm2d(8)
        self.squeeze, self.excite = nn.Linear(8, 4), nn.Linear(4, 8)
        self.wide, self.high = nn.Conv2d(8, 6, (1, 7), padding=(0, 3)), nn.Conv2d(8, 4, (7, 1), padding=(3, 0))
        self.down, self.up = nn.Conv2d(10, 12, 3, 2, 1, groups=2), nn.ConvTranspose2d(12, 10, 2, 2, output_padding=1)
        self.group = nn.GroupNorm(2, 10)
        self.prelu = nn.PReLU(10)
        self.end = nn.Linear(5, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn(self.stem(x))
        x = x * F.relu6(x + 3) / 6
        weights = self.excite(F.relu(self.squeeze(x.mean((2, 3))))).sigmoid()
        x = x * weights[:, :, None, None]
        x = torch.cat([self.wide(x), self.high(x)], 1)
        y = self.up(self.down(x))[:, :, : x.shape[2], : x.shape[3]]
        y = F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)
        x = F.interpolate(x, size=y.shape[2:], mode="nearest")
        x = self.prelu(self.group(x)) + F.hardsigmoid(y) * F.silu(y) * F.gelu(y)
        x = F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False)
        x = torch.stack(x.unbind(1)[::2], 1) + F.pad(x[:, 1::2], (1, 1))[..., 1:-1]
        return self.end(x.mean((2, 3))).softmax(1)


@pytest.mark.parametrize(("new", "opset"), [(False, 11), (False, 13), (False, 17), (False, 20), (True, None)])
def test_pieces_of_networks(tmp_path: Path, new: bool, opset: int | None) -> None:
    torch.manual_seed(2)
    pieces = Pieces()
    for part in (pieces.bn, pieces.group):
        nn.init.uniform_(part.weight, 0.5, 1.5)
        nn.init.normal_(part.bias, std=0.5)
    nn.init.uniform_(pieces.bn.running_var, 0.5, 2)
    nn.init.normal_(pieces.bn.running_mean)
    model = opened(exported(pieces.eval(), tmp_path / "net.onnx", 32, new, opset), (32, 32), 3)
    made = read(model)
    found = kinds(made)
    for kind in ("hard_swish", "hard_sigmoid", "silu", "gelu", "prelu"):
        assert f"Activation:{kind}" in found
    assert found.count("GroupNorm") == 1
    assert found.count("GlobalPool") == 2
    assert "Transpose" not in found
    assert "Reduce" not in found
    assert "Softmax" not in found, "the head is taken off"


@pytest.mark.parametrize(
    ("name", "opset"),
    [("mobilenet_v3_small", 13), ("convnext_atto", 14), ("vit_tiny_patch16_224", 14), ("vit_tiny_patch16_224", 18)],
)
def test_usual_networks(tmp_path: Path, name: str, opset: int) -> None:
    built = architecture(name)
    for part in built.modules():
        if isinstance(part, nn.BatchNorm2d | nn.LayerNorm) and part.weight is not None:
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.2)
    made = read(opened(exported(built, tmp_path / "net.onnx", 64, opset=opset), (64, 64), 3))
    found = kinds(made)
    if name.startswith("convnext"):
        assert "Transpose" not in found, "maps stay maps"
        assert {op.axes for op in made.ops if isinstance(op, g.LayerNorm)} == {(0,)}
        assert found.count("Linear") == 1, "those on maps are convolutions"
    if name.startswith("vit"):
        assert found.count("Attention") == 3
        assert found.count("LayerNorm") == 7


@pytest.mark.parametrize("extra", [0, 1])
def test_attention_by_hand(tmp_path: Path, extra: int) -> None:
    made = read(opened(exported(Vit(extra or 1, bool(extra)).eval(), tmp_path / "net.onnx", 12), (12, 12), 3))
    assert kinds(made).count("Attention") == 3


class Attending(nn.Module):
    """PyTorch's own attention, which lays the heads of all pictures on one axis."""

    def __init__(self, weighed: bool) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.patches, self.weighed = nn.Conv2d(3, 8, 4, 4), weighed
        self.attention, self.end = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.end((tokens + self.attention(tokens, tokens, tokens, need_weights=self.weighed)[0]).mean(1))


@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("new", [False, True])
def test_heads_beside_pictures(tmp_path: Path, weighed: bool, new: bool) -> None:
    made = read(opened(exported(Attending(weighed).eval(), tmp_path / "net.onnx", 16, new), (16, 16), 3))
    assert kinds(made).count("Attention") == 1


def test_an_input_that_is_transformed_as_inception_s(tmp_path: Path) -> None:
    class Transformed(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            parts = [x[:, channel, None] * (0.5 + channel) + 0.1 * channel for channel in range(3)]
            return torch.cat(parts, 1).max(3).values.amax(2)

    made = read(opened(exported(Transformed(), tmp_path / "net.onnx", 16), (16, 16), 3))
    assert "Reshape" not in kinds(made)[:-2]


# --- axes ------------------------------------------------------------------------------------------------------------


def test_maps_with_their_channels_last_stay_maps() -> None:
    weights = {
        "w": random(6, 3, 3, 3), "s": random(6), "c": random(6, seed=3), "m": random(6, 7, seed=4),
        "z": np.float32([1, 2, 2, 1]), "none": NONE, "p": sizes(0, 1, 0, 0, 0, 0, 2, 0), "w2": random(4, 13, 1, 1),
        "q": sizes(-1, 1344), "w3": random(1344, 5),
    }  # fmt: skip
    nodes = [
        node("Div", ["x", "v"], ["a"], "scale"),
        node("Transpose", ["a"], ["b"], perm=[0, 3, 1, 2]),
        node("Conv", ["b", "w"], ["c1"], "conv", pads=[1, 1, 1, 1]),
        node("Transpose", ["c1"], ["d"], perm=[0, 2, 3, 1]),
        node("Mul", ["d", "s"], ["e1"], "times"),
        node("Add", ["c", "e1"], ["e"], "plus"),
        node("MatMul", ["e", "m"], ["f"], "dense"),
        node("Concat", ["e", "f"], ["h"], "concat", axis=3),
        node("ReduceMean", ["h"], ["i"], "mean", axes=[1, 2], keepdims=1),
        node("Sigmoid", ["i"], ["j"], "gate"),
        node("Mul", ["h", "j"], ["k"], "gated"),
        node("Resize", ["k", "none", "z"], ["l"], "resize", mode="linear"),
        node("Pad", ["l", "p"], ["m1"], "pad"),
        node("Transpose", ["m1"], ["n"], perm=[0, 3, 1, 2]),
        node("MaxPool", ["n"], ["o"], "pool", kernel_shape=[2, 2], strides=[1, 1]),
        node("Conv", ["o", "w2"], ["p1"], "last"),
        node("Transpose", ["p1"], ["r"], perm=[0, 2, 3, 1]),
        node("Reshape", ["r", "q"], ["t"], "flat"),
        node("MatMul", ["t", "w3"], ["scores"], "fc"),
    ]
    source = graph(nodes, {"x": ["n", 8, 10, 3]}, ["scores"], weights | {"v": np.float32([2, 3, 4])}, 17)
    made = read(opened(source, (8, 10), 3))
    found = kinds(made)
    assert found.count("Transpose") == 1, "one before the flattening, which looks at the order"
    assert [op.shape for op in made.ops if isinstance(op, g.Resize)] == [(13, 16, 20)]
    assert found.count("Conv") == 3
    assert found.count("Linear") == 1


def test_a_mask_with_its_channels_last_ends_in_a_transpose() -> None:
    nodes = [
        node("Transpose", ["x"], ["a"], perm=[0, 3, 1, 2]),
        node("Conv", ["a", "w"], ["b"], "conv", pads=[1, 1, 1, 1]),
        node("Transpose", ["b"], ["c"], "back", perm=[0, 2, 3, 1]),
        node("Softmax", ["c"], ["mask"], "softmax", axis=-1),
    ]
    made = read(opened(graph(nodes, {"x": ["n", 8, 10, 3]}, ["mask"], {"w": random(5, 3, 3, 3)}), (8, 10), 3))
    assert kinds(made) == ["Conv", "Transpose"]
    assert made.ops[-1].layer == "back"


@pytest.mark.parametrize("dims", [["n", 80], ["n", 8, 10]])
def test_a_picture_without_an_axis_of_channels_becomes_a_map(dims: list[int | str]) -> None:
    nodes = [
        node("Reshape", ["x", "s"], ["a"], "map"),
        node("Conv", ["a", "w"], ["b"], "conv"),
        node("GlobalAveragePool", ["b"], ["c"], "pool"),
        node("Flatten", ["c"], ["scores"]),
    ]
    weights = {"s": sizes(-1, 1, 8, 10), "w": random(5, 1, 3, 3)}
    made = read(opened(graph(nodes, {"x": dims}, ["scores"], weights), (8, 10), 1))
    assert kinds(made) == ["Conv", "GlobalPool"]


def test_a_row_of_colors() -> None:
    weights = {"s": sizes(-1, 8, 10, 3), "w": random(5, 3, 3, 3)}
    nodes = [
        node("Reshape", ["x", "s"], ["a"]),
        node("Transpose", ["a"], ["b"], perm=[0, 3, 1, 2]),
        node("Conv", ["b", "w"], ["c"], "conv"),
        node("GlobalMaxPool", ["c"], ["d"], "pool"),
        node("Flatten", ["d"], ["scores"]),
    ]
    made = read(opened(graph(nodes, {"x": ["n", 240]}, ["scores"], weights), (8, 10), 3))
    assert kinds(made) == ["Conv", "GlobalPool"]


def test_bytes_are_rounded() -> None:
    nodes = [
        node("Cast", ["x"], ["a"], to=TensorProto.FLOAT),
        node("Transpose", ["a"], ["b"], perm=[0, 3, 1, 2]),
        node("Conv", ["b", "w"], ["c"], "conv"),
        node("Flatten", ["c"], ["scores"]),
    ]
    source = graph(nodes, {"x": ["n", 6, 7, 3]}, ["scores"], {"w": random(5, 3, 3, 3)}, kind=TensorProto.UINT8)
    made = read(opened(source, (6, 7), 3), scale=90, middle=120)
    assert kinds(made) == ["Activation:clip", "Activation:round", "Conv", "Reshape"]


@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_number_of_pictures_and_sizes_that_are_worked_out(batch: int) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["a"], "conv"),
        node("Shape", ["a"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]),
        node("Concat", ["n", "rest"], ["t"], axis=0),
        node("Reshape", ["a", "t"], ["b"], "flat"),
        node("Gemm", ["b", "v", "c"], ["scores"], "fc", transB=1, alpha=0.5, beta=2.0),
    ]
    weights = {"w": random(6, 4, 3, 3), "zero": sizes(0), "rest": sizes(-1), "v": random(5, 378), "c": random(5)}
    made = read(opened(graph(nodes, {"x": [batch, 4, 9, 11]}, ["scores"], weights)))
    assert kinds(made) == ["Conv", "Reshape", "Linear"]


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


# --- real weights ----------------------------------------------------------------------------------------------------


def test_squeezenet(shared_data: Path) -> None:
    made = read(opened(shared_data / "squeezenet11" / "squeezenet11_logits.onnx", (227, 227), 3))
    assert set(kinds(made)) == {"Conv", "Activation:relu", "Pool", "Concat", "GlobalPool"}


def test_mobilenet(shared_data: Path) -> None:
    path = shared_data / "mobilenet_v1" / "mobilenet_v1_0.25_128.onnx"
    made = read(opened(path, (128, 128), 3), scale=80, middle=120)
    assert set(kinds(made)) == {"Affine", "Conv", "Activation:clip", "GlobalPool", "Reshape"}


def test_lenet_with_ten_pictures(shared_data: Path) -> None:
    made = read(opened(shared_data / "mnist" / "lenet_fixed_batch10.onnx", (28, 28), 1))
    assert kinds(made)[-3:] == ["Linear", "Activation:relu", "Linear"]
