"""Receptive fields against brute force: every pixel alone, and which units it moves, in three frameworks."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import picasso
from picasso.core.errors import NotSupportedError
from picasso.core.facts import Layer
from picasso.core.graph import Builder, Op, Reshape, Slice
from picasso.core.layers.extents import followed
from picasso.core.layers.receptive_field import ReceptiveFields, Region, Sliding
from picasso.core.model import Model
from tests.models.onnx_files import graph, node

RNG = np.random.default_rng(5)


def positive(network: nn.Module) -> nn.Module:
    """Give a network random weights above zero and no biases, so that nothing cancels and no ReLU stops it."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            else:
                values = RNG.uniform(0.5, 1.5, parameter.shape) / max(1, parameter[0].numel())
                parameter.copy_(torch.from_numpy(values.astype(np.float32)))
    return network.eval()


def opened(network: nn.Module, rows: int = 19, columns: int = 22) -> Model:
    return picasso.load_model(
        network,
        preprocessing=picasso.Preprocessing(size=(rows, columns)),
        batch_size=64,
    )


def patterns(model: Model, layer: Layer) -> np.ndarray:
    """Return which pixels move which units, bool (rows, columns, *layer.shape), one pixel after the other."""
    rows, columns, channels = model.input_shape
    # So much brighter than the rest that it is the maximum of every window that it lies in.
    x = np.full((1 + rows * columns, rows, columns, channels), 0.01, np.float32)
    for place in range(rows * columns):
        x[1 + place, place // columns, place % columns] = 10
    values = model.activations(x, [layer.name])[layer.name]
    return (values[1:] != values[:1]).reshape(rows, columns, *values.shape[1:])


def around(moved: np.ndarray) -> Region:
    """Return the smallest rectangle around the pixels, bool (rows, columns)."""
    if not moved.any():
        return Region(0, 0, 0, 0)
    rows, columns = np.flatnonzero(moved.any(axis=1)), np.flatnonzero(moved.any(axis=0))
    return Region(int(rows[0]), int(columns[0]), int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1)


def all_agree(model: Model, least: int, skip: tuple[str, ...] = ()) -> None:
    """Compare every unit of every layer with brute force; at least so many layers must be known."""
    fields, known = ReceptiveFields(model.graph()), 0
    for layer in model.layers():
        if layer.name in skip or fields.operation(layer) is None:
            continue
        moved = patterns(model, layer)
        for index in np.ndindex(*layer.shape):
            assert fields.of(layer, index) == around(moved[(..., *index)]), (layer, index)
        known += 1
    assert known >= least


class Classifier(nn.Module):
    def __init__(self, features: nn.Module, channels: int) -> None:
        super().__init__()
        self.features, self.head = features, nn.Linear(channels, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x).mean((2, 3)))


def plain() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.Conv2d(4, 4, (1, 3), padding=(0, 1), groups=2),
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 3, 3, stride=2, padding=2, dilation=2),
        nn.AvgPool2d(2, 1, padding=1),
    )


def dilated() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 2, 3, padding=4, dilation=4),
        nn.Conv2d(2, 2, 2, dilation=3, stride=3),
        nn.Conv2d(2, 2, 1, padding=1),
    )


class Residual(nn.Module):
    """Branches of other reach are added; one has a stride, and the gate of all places."""

    def __init__(self, gate: bool) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Conv2d(4, 4, 5, padding=2)
        self.short, self.gate = nn.Conv2d(3, 4, 1, stride=2), gate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        deep = self.b(F.relu(self.a(x)))
        if self.gate:
            deep = deep * deep.mean((2, 3), keepdim=True)
        return F.relu(deep + self.short(x))


class Branches(nn.Module):
    """Channels of other reach lie side by side, are shuffled, and are mixed in groups and one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.small, self.wide, self.tall = (
            nn.Conv2d(3, 2, 1),
            nn.Conv2d(3, 2, (1, 5), padding=(0, 2)),
            nn.Conv2d(3, 2, (3, 1)),
        )
        self.each, self.pairs, self.all = nn.Conv2d(6, 6, 3, groups=6), nn.Conv2d(6, 6, 1, groups=3), nn.Conv2d(6, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([self.small(x), self.wide(x), F.pad(self.tall(x), (0, 0, 1, 1))], 1)
        x = self.each(x)
        n, c, h, w = x.shape
        x = x.reshape(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.all(self.pairs(x))


class Upward(nn.Module):
    """A decoder: transposed convolution, interpolation, mirrored borders, a crop, pixels from channels."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 4, 3, stride=4)
        self.up = nn.ConvTranspose2d(4, 4, 3, stride=3, padding=1, output_padding=1, dilation=2)
        self.border, self.same = nn.ReflectionPad2d((2, 1, 0, 2)), nn.Conv2d(4, 8, 2)
        self.pixels, self.last = nn.PixelShuffle(2), nn.Conv2d(2, 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.border(self.up(self.down(x)))
        x = F.interpolate(x[:, :, 1:, ::1], scale_factor=0.7, mode="bilinear")
        return self.last(self.pixels(self.same(x)))


NETWORKS: dict[str, Callable[[], tuple[nn.Module, int]]] = {
    "plain": lambda: (plain(), 3),
    "dilated": lambda: (dilated(), 2),
    "residual": lambda: (Residual(gate=False), 4),
    "gated": lambda: (Residual(gate=True), 4),
    "branches": lambda: (Branches(), 2),
    "upward": lambda: (Upward(), 2),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_unit_sees_what_moves_it(name: str) -> None:
    all_agree(opened(positive(Classifier(*NETWORKS[name]()))), 3)


def test_a_token_sees_its_patch_and_after_attention_everything() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch, self.start = nn.Conv2d(3, 8, 4, stride=4), nn.Parameter(torch.ones(1, 1, 8))
            self.before, self.qkv, self.after = nn.Linear(8, 8), nn.Linear(8, 24), nn.Linear(8, 8)
            self.head = nn.Linear(8, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.patch(x).flatten(2).transpose(1, 2)
            x = self.before(torch.cat([self.start.expand(len(x), -1, -1), x], 1))
            q, k, v = self.qkv(x).reshape(len(x), -1, 3, 2, 4).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
            return self.head(self.after(mixed)[:, 0])

    model = opened(positive(Block()), 16, 12)
    fields, layers = ReceptiveFields(model.graph()), {layer.name: layer for layer in model.layers()}
    all_agree(model, 4, skip=("after",))
    assert fields.of(layers["before"], (0, 3)) == Region(0, 0, 0, 0)  # the class token knows nothing of the picture yet
    assert fields.of(layers["before"], (1 + 3 + 1, 3)) == Region(4, 4, 4, 4)
    assert fields.of(layers["after"], (5, 0)) == Region(0, 0, 16, 12)
    assert fields.sliding(layers["before"]) is None


def test_keras_pads_unevenly_and_it_is_seen() -> None:
    network = keras.Sequential(
        [
            keras.Input((18, 21, 3)),
            keras.layers.Conv2D(3, 4, strides=2, padding="same", activation="relu"),
            keras.layers.DepthwiseConv2D(3, padding="same"),
            keras.layers.ZeroPadding2D(((0, 1), (2, 0))),
            keras.layers.MaxPooling2D(3, 2, padding="same"),
            keras.layers.SeparableConv2D(4, 2),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    network.set_weights([RNG.uniform(0.5, 1.5, w.shape) if w.ndim > 1 else w for w in network.get_weights()])
    all_agree(picasso.load_model(network, preprocessing=picasso.Preprocessing(size=(18, 21)), batch_size=64), 5)


def test_onnx_pads_as_written(tmp_path: Path) -> None:
    weights = {
        "k": RNG.uniform(0.5, 1.5, (4, 3, 3, 3)),
        "d": RNG.uniform(0.5, 1.5, (4, 1, 3, 3)),
        "m": RNG.uniform(0.5, 1.5, (4, 2)),
    }
    nodes = [
        node("Conv", ["x", "k"], ["conv"], kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 2, 0]),
        node("Relu", ["conv"], ["relu"]),
        node("MaxPool", ["relu"], ["pool"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        node("Conv", ["pool", "d"], ["depth"], kernel_shape=[3, 3], group=4, auto_pad="SAME_UPPER"),
        node("GlobalAveragePool", ["depth"], ["mean"]),
        node("Flatten", ["mean"], ["flat"]),
        node("MatMul", ["flat", "m"], ["scores"]),
    ]
    values = {name: array.astype(np.float32) for name, array in weights.items()}
    onnx.save(graph(nodes, {"x": ("n", 3, 19, 22)}, ["scores"], values), tmp_path / "net.onnx")
    all_agree(
        picasso.load_model(tmp_path / "net.onnx", preprocessing=picasso.Preprocessing(size=(19, 22)), batch_size=64), 5
    )


def test_stride_size_and_start_are_those_of_the_closed_form() -> None:
    """Of a chain: size grows by (kernel - 1) times the strides before, the start recedes by the padding times them."""
    model = opened(positive(Classifier(plain(), 3)), 40, 44)
    fields, layers = ReceptiveFields(model.graph()), {layer.name: layer for layer in model.layers()}
    rows, columns = fields.sliding(layers["features.5"])  # type: ignore[misc]
    assert rows == Sliding(size=1 + 2 + 2 + 0 + 4 * 2, stride=4, start=-1 - 2 * 2)
    assert columns == Sliding(size=1 + 2 + 2 + 2 * 2 + 4 * 2, stride=4, start=-1 - 1 * 2 - 2 * 2)
    assert fields.sliding(layers["head"]) is None
    for place in ((0, 0), (3, 2), (4, 6)):  # clipped, it is what each unit has
        region = fields.of(layers["features.5"], (*place, 0))
        assert region is not None
        along = ((rows, region.top, region.height, 40), (columns, region.left, region.width, 44))
        for at, (one, lo, length, side) in zip(place, along, strict=True):
            begin = one.start + at * one.stride
            assert lo == max(0, begin)
            assert lo + length == min(side, begin + one.size)


def test_branches_of_one_stride_slide_together_and_others_do_not() -> None:
    model = opened(positive(Classifier(Residual(gate=False), 4)))
    fields, layers = ReceptiveFields(model.graph()), {layer.name: layer for layer in model.layers()}
    assert fields.sliding(layers["features"]) == (Sliding(11, 2, -5),) * 2
    assert fields.sliding(layers["features.short"]) == (Sliding(1, 2, 0),) * 2
    gated = opened(positive(Classifier(Residual(gate=True), 4)))
    assert ReceptiveFields(gated.graph()).sliding({one.name: one for one in gated.layers()}["features"]) is None


def test_squeezenet_sees_what_brute_force_finds_in_three_frameworks(shared_data: Path) -> None:
    """Of a network of means and positive weights, by gradients; the Keras and ONNX files have the same fields."""
    spec = importlib.util.spec_from_file_location("squeezenet", Path(__file__).parents[2] / "models" / "squeezenet.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    size = picasso.Preprocessing(size=227)
    own = picasso.load_model(positive(module.SqueezeNet()), preprocessing=size)
    folder = shared_data / "squeezenet11"
    others = [
        picasso.load_model(folder / name, preprocessing=size)
        for name in ("squeezenet11_softmax.keras", "squeezenet11_logits.onnx")
    ]
    last = [{"PyTorch": "fire9", "Keras": "fire9_concat", "ONNX": "/fire9/Concat"}[m.framework] for m in (own, *others)]
    mean = module.SqueezeNet()
    for name, part in mean.named_modules():
        if isinstance(part, nn.MaxPool2d):
            setattr(mean, name, nn.AvgPool2d(part.kernel_size, part.stride, part.padding, part.ceil_mode))
    mean = positive(mean).double()
    kept: dict[str, torch.Tensor] = {}
    mean.fire9.register_forward_hook(lambda module, given, made: kept.update(made=made))
    x = torch.ones(1, 3, 227, 227, dtype=torch.float64, requires_grad=True)
    mean(x)
    regions = []
    for model, name in zip((own, *others), last, strict=True):
        fields, layer = ReceptiveFields(model.graph()), {one.name: one for one in model.layers()}[name]
        regions.append([fields.of(layer, (r, c, k)) for r in range(14) for c in range(14) for k in (3, 300)])
    assert regions[0] == regions[1] == regions[2]
    # One channel is that of a 1x1 branch and one that of a 3x3 branch; corners, edges and the middle.
    for place in ((0, 0), (0, 6), (7, 7), (13, 13)):
        for channel in (3, 300):
            gradient = torch.autograd.grad(kept["made"][0, channel, *place], x, retain_graph=True)[0][0].sum(0) != 0
            found = regions[0][(place[0] * 14 + place[1]) * 2 + (channel == 300)]
            assert found == around(gradient.numpy())


def test_a_layer_that_is_no_operation_is_not_known_and_an_unknown_operation_refused() -> None:
    model = opened(positive(Classifier(plain(), 3)))
    fields = ReceptiveFields(model.graph())
    assert fields.of(Layer("nowhere", "Conv2d", (5, 5, 3)), (0, 0, 0)) is None
    assert fields.of(Layer("features.0", "Conv2d", (5, 5, 3)), (0, 0, 0)) is None  # of another shape
    with pytest.raises(NotSupportedError, match="Op at 'odd'"):
        followed(Op(name="odd", inputs=(), shape=(1,), layer="odd"), [], [], 0)


def test_numbers_in_another_order_keep_their_fields() -> None:
    build = Builder()
    x = build.input((1, 4, 6))
    turned = build.add(Reshape, [x], target=(24,))
    kept = build.add(Slice, [turned], axis=0, start=21, stop=-1, step=-7, layer="kept")
    fields = ReceptiveFields(build.graph({"y": kept}))
    found = [fields.of(Layer("kept", "slice", (4,)), (place,)) for place in range(4)]
    assert found == [Region(place // 6, place % 6, 1, 1) for place in (21, 14, 7, 0)]


def test_a_region_is_a_mask_and_says_where_it_is() -> None:
    mask = Region(2, 3, 4, 5).mask((10, 12))
    assert mask.sum() == 20
    assert mask[2:6, 3:8].all()
    assert Region(2, 3, 4, 5).words == "rows 2 to 5, columns 3 to 7"
