"""What becomes one step, what must stay apart, and that all ways to compute a convolution agree."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from picasso.core import graph as g
from picasso.engine import kernels
from picasso.engine.fusing import fuse
from picasso.engine.kernels import Convolution
from picasso.engine.occlusion import Engine
from picasso.engine.steps import Anything, Convolve, Joined, Pointwise, Pooling, Step, Transposed
from picasso.engine.winograd import Winograd
from tests.engine import reference

RNG = np.random.default_rng(3)
HALF = (1, 1, 1, 1)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


class Net:
    """Writes graphs in few words."""

    def __init__(self, shape: g.Shape = (3, 12, 15)) -> None:
        self.build = g.Builder()
        self.x = self.build.input(shape)

    def conv(self, source: str, channels: int = 4, kernel: int = 3, **given: object) -> str:
        weight = normal(channels, self.build.shape(source)[0], kernel, kernel)
        return self.build.add(g.Conv, [source], weight=weight, **given)

    def affine(self, source: str) -> str:
        channels = self.build.shape(source)[0]
        return self.build.add(g.Affine, [source], scale=normal(channels), shift=normal(channels))

    def relu(self, source: str, function: str = "relu") -> str:
        return self.build.add(g.Activation, [source], function=function)

    def sum(self, *sources: str) -> str:
        return self.build.add(g.Elementwise, list(sources), function="add")

    def steps(self, **outputs: str) -> list[Step]:
        """Return the steps, once they were found to compute what the graph says."""
        graph = self.build.graph(outputs)
        x = normal(2, *graph.ops[0].shape)
        wanted, found = reference.outputs(graph, x), Engine(graph).run(x)
        for name, value in wanted.items():
            np.testing.assert_allclose(found[name], value, rtol=0, atol=3e-5 * np.abs(value).max())
        return list(fuse(graph).steps)


def kinds(steps: list[Step]) -> list[type]:
    return [type(step) for step in steps]


def test_a_convolution_takes_in_all_that_follows_it() -> None:
    net = Net()
    first = net.conv(net.x, padding=HALF)
    last = net.relu(net.sum(net.affine(net.conv(first, padding=HALF)), first))
    steps = net.steps(masks=last)
    assert kinds(steps) == [Convolve, Convolve]
    assert steps[1].inputs == (first, first)
    assert steps[1].name == last


def test_the_later_of_two_convolutions_takes_the_sum() -> None:
    net = Net()
    block = net.affine(net.conv(net.relu(net.conv(net.x, padding=HALF)), padding=HALF))
    shortcut = net.affine(net.conv(net.x, kernel=1))
    steps = net.steps(masks=net.relu(net.sum(block, shortcut)))
    assert kinds(steps) == [Convolve, Convolve, Convolve]


def test_a_function_that_no_kernel_knows_after_a_sum_is_a_step_of_its_own() -> None:
    net = Net()
    first = net.conv(net.x, padding=HALF)
    steps = net.steps(masks=net.relu(net.sum(net.conv(first, padding=HALF), first), "mish"))
    assert kinds(steps) == [Convolve, Convolve, Pointwise]


@pytest.mark.parametrize("function", ["relu", "silu", "gelu", "tanh", "elu", "mish", "softsign"])
def test_an_activation_belongs_to_its_convolution(function: str) -> None:
    net = Net()
    assert kinds(net.steps(masks=net.relu(net.conv(net.x), function))) == [Convolve]


def test_what_is_an_output_stays() -> None:
    net = Net()
    conv = net.conv(net.x)
    affine = net.affine(conv)
    steps = net.steps(masks=net.relu(affine), before=affine)
    assert kinds(steps) == [Convolve, Pointwise]
    assert steps[0].name == affine
    assert kinds(net.steps(masks=net.relu(affine), before=conv)) == [Convolve, Pointwise]


def test_what_is_read_twice_stays() -> None:
    net = Net()
    conv = net.conv(net.x)
    steps = net.steps(masks=net.sum(net.relu(conv), net.relu(conv, "tanh")))
    assert kinds(steps) == [Convolve, Pointwise, Pointwise, Pointwise]


def test_a_map_added_to_itself_is_no_sum_of_two() -> None:
    net = Net()
    conv = net.conv(net.x)
    assert kinds(net.steps(masks=net.sum(conv, conv))) == [Convolve, Pointwise]


def test_a_sum_with_one_number_for_a_channel_is_not_left_to_a_convolution() -> None:
    net = Net()
    steps = net.steps(masks=net.sum(net.conv(net.x), net.build.constant(normal(4, 1, 1))))
    assert kinds(steps) == [Convolve, Pointwise]


def test_padding_is_joined() -> None:
    net = Net()
    padded = net.build.add(g.Pad, [net.x], padding=(1, 2, 0, 3))
    steps = net.steps(masks=net.conv(padded, padding=HALF))
    assert kinds(steps) == [Convolve]
    assert steps[0].links is not None
    assert steps[0].links[0].padding == (2, 3, 1, 4)


def test_padding_with_another_number_is_joined_to_a_pool_alone() -> None:
    net = Net()
    padded = net.build.add(g.Pad, [net.x], padding=(1, 1, 0, 0), value=-1.0)
    pooled = net.build.add(g.Pool, [padded], function="max", kernel=(3, 3), stride=(2, 2))
    steps = net.steps(masks=pooled)
    assert kinds(steps) == [Pooling]
    assert steps[0].links is not None
    assert steps[0].links[0].border == -1.0
    assert kinds(net.steps(masks=net.conv(padded))) == [Anything, Convolve]
    mean = net.build.add(g.Pool, [padded], function="mean", kernel=(3, 3), stride=(2, 2))
    assert kinds(net.steps(masks=mean)) == [Anything, Pooling]


@pytest.mark.parametrize("mode", ["edge", "reflect"])
def test_a_border_made_of_the_map_is_not_joined(mode: str) -> None:
    net = Net()
    padded = net.build.add(g.Pad, [net.x], padding=HALF, mode=mode)
    assert kinds(net.steps(masks=net.conv(padded))) == [Anything, Convolve]


def test_padding_that_is_an_output_is_not_joined() -> None:
    net = Net()
    padded = net.build.add(g.Pad, [net.x], padding=HALF)
    assert kinds(net.steps(masks=net.conv(padded), before=padded)) == [Anything, Convolve]


def test_padding_that_is_cut_off_is_not_joined() -> None:
    net = Net()
    padded = net.build.add(g.Pad, [net.x], padding=(1, -1, 1, 1))
    assert kinds(net.steps(masks=net.conv(padded))) == [Anything, Convolve]


def test_transposed_convolutions_and_matrices_take_activations_in() -> None:
    net = Net()
    up = net.build.add(g.ConvTranspose, [net.x], weight=normal(3, 2, 2, 2), stride=(2, 2))
    vector = net.build.add(g.GlobalPool, [net.relu(up)], function="mean")
    steps = net.steps(scores=net.relu(net.build.add(g.Linear, [vector], weight=normal(5, 2)), "gelu"))
    assert kinds(steps) == [Transposed, Anything, Anything]


def test_scales_before_a_relu_are_left_to_convolutions_of_one_pixel() -> None:
    net = Net()
    clipped = net.relu(net.affine(net.build.add(g.Pool, [net.x], function="max", kernel=(2, 2), stride=(1, 1))))
    steps = net.steps(masks=net.conv(clipped, kernel=1), other=net.conv(clipped, kernel=1))
    assert kinds(steps) == [Pooling, Pointwise, Convolve, Convolve]
    padded = net.conv(clipped, kernel=1, padding=HALF)  # zeros are no values of the scaled map
    assert kinds(net.steps(masks=padded)) == [Pooling, Pointwise, Convolve]


def test_what_is_joined_is_clipped_in_the_same_step() -> None:
    net = Net()
    a, b = net.conv(net.x), net.conv(net.x)
    joined = net.build.add(g.Concat, [a, b])
    clipped = net.relu(net.affine(joined))
    steps = net.steps(masks=net.conv(clipped, kernel=1))
    assert kinds(steps) == [Convolve, Convolve, Joined, Convolve]
    assert steps[2].inputs == (a, b)
    assert kinds(net.steps(masks=net.conv(clipped, kernel=1), joined=joined)).count(Joined) == 1


def test_a_channel_shuffle_is_done_to_any_part_of_a_map() -> None:
    net = Net((6, 9, 8))
    apart = net.build.add(g.Reshape, [net.x], target=(2, 3, 9, 8))
    turned = net.build.add(g.Transpose, [apart], axes=(1, 0, 2, 3))
    together = net.build.add(g.Reshape, [turned], target=(6, 9, 8))
    assert kinds(net.steps(masks=together)) == [Pointwise]
    mixed = net.build.add(g.Reshape, [net.build.add(g.Reshape, [net.x], target=(8, 9, 6))], target=(6, 9, 8))
    assert kinds(net.steps(masks=mixed)) == [Pointwise]  # the same numbers in the same order
    places = net.build.add(g.Reshape, [net.build.add(g.Transpose, [net.x], axes=(0, 2, 1))], target=(6, 9, 8))
    assert kinds(net.steps(masks=places)) == [Anything, Anything]


# --- kernels -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not kernels._FUSED, reason="this PyTorch has no fused kernels")
@pytest.mark.parametrize("sides", [(3, 3), (4, 9), (11, 6), (17, 30)])
@pytest.mark.parametrize("channels", [(5, 7), (128, 130)])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_winograd_agrees_with_double_precision(sides: g.Pair, channels: g.Pair, count: int) -> None:
    read, made = channels
    x, weight, bias = normal(count, *sides, read), normal(made, read, 3, 3), normal(made)
    found = Winograd(torch.from_numpy(weight), torch.from_numpy(bias))(torch.from_numpy(x))
    turned = torch.from_numpy(x).permute(0, 3, 1, 2).double()
    wanted = functional.conv2d(turned, torch.from_numpy(weight).double(), torch.from_numpy(bias).double())
    np.testing.assert_allclose(found.permute(0, 3, 1, 2), wanted, rtol=0, atol=2e-5 * wanted.abs().max().item())


CONVOLUTIONS = {
    "plain": ((6, 5, 3, 3), {}),
    "of one pixel": ((6, 5, 1, 1), {}),
    "of one pixel in steps": ((6, 5, 1, 1), {"stride": (2, 3)}),
    "large": ((4, 5, 7, 5), {"stride": (2, 1), "padding": (3, 2, 3, 2)}),
    "dilated": ((4, 5, 3, 2), {"dilation": (2, 3), "padding": (2, 0, 1, 3)}),
    "depthwise": ((5, 1, 3, 3), {"groups": 5, "padding": HALF}),
    "grouped": ((10, 1, 3, 3), {"groups": 5, "stride": (2, 2)}),
    "of tiles": ((140, 130, 3, 3), {"padding": HALF}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("function", [None, "relu", "clip", "leaky_relu", "gelu_tanh", "hard_swish", "softplus"])
@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_all_kernels_agree(
    name: str, function: str | None, added: bool, fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "_FUSED", fused and kernels._FUSED)
    shape, given = CONVOLUTIONS[name]
    read = shape[1] * given.get("groups", 1)
    net = Net((read, 17, 19))
    conv = net.build.add(g.Conv, [net.x], weight=normal(*shape) / 10, bias=normal(shape[0]), **given)
    other = net.build.add(g.Conv, [net.x], weight=normal(*shape) / 10, **given) if added else None
    last = net.sum(conv, other) if other else conv
    if function:
        last = net.build.add(g.Activation, [last], function=function, low=-0.2, high=0.9, slope=0.1)
    net.steps(masks=last)


def test_a_kernel_serves_any_number_of_patches_of_any_size() -> None:
    op = next(op for op in _one_convolution().ops if isinstance(op, g.Conv))
    convolution = Convolution(op, None, torch.float32)
    weight = torch.from_numpy(op.weight)
    for count, height, width in [(1, 3, 3), (24, 3, 9), (2, 40, 5), (24, 9, 9), (1, 3, 3), (5, 8, 31)]:
        x = torch.from_numpy(normal(count, 8, height, width)).contiguous(memory_format=torch.channels_last)
        wanted = functional.conv2d(x.double(), weight.double())
        np.testing.assert_allclose(convolution(x, g.NO_PADDING), wanted, rtol=0, atol=1e-4)


def _one_convolution() -> g.Graph:
    net = Net((8, 40, 40))
    return net.build.graph({"masks": net.conv(net.x, 16)})
