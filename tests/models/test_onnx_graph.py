"""ONNX graphs of whole networks as op graphs, read slowly, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto
from torch import nn

from picasso.core import graph as g
from tests.models.networks import Vit
from tests.models.onnx_files import graph, node, random
from tests.models.onnx_graphs import NONE, kinds, opened, read, sizes
from tests.models.test_onnx_exports import architecture, exported, quiet

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


def test_heads_of_a_single_picture(tmp_path: Path) -> None:
    with quiet():
        torch.onnx.export(Attending(False).eval(), (torch.zeros(1, 3, 16, 16),), tmp_path / "net.onnx", dynamo=False)
    assert kinds(read(opened(tmp_path / "net.onnx", (16, 16), 3))).count("Attention") == 1


@pytest.mark.parametrize("new", [False, True])
def test_a_normalization_by_neighbors_that_is_spelled_out(tmp_path: Path, new: bool) -> None:
    parts = nn.Sequential(nn.Conv2d(3, 8, 5, 2), nn.LocalResponseNorm(5, 0.3, 0.6, 1.5), nn.MaxPool2d(2), nn.Flatten())
    made = read(opened(exported(parts, tmp_path / "net.onnx", 16, new), (16, 16), 3))
    assert kinds(made) == ["Conv", "LocalResponseNorm", "Pool", "Reshape"]
    norm = next(op for op in made.ops if isinstance(op, g.LocalResponseNorm))
    assert (norm.size, norm.bias) == (5, 1.5)


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
