"""JAX networks as op graphs: the graph's slow reading against the network itself, the words used, refusals, layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import picasso
from picasso.core import graph as g
from picasso.core.graph import Graph, GraphError
from picasso.core.model import Model
from picasso.models.jax.engine import Engine
from picasso.models.jax.networks import make_network
from picasso.models.jax.op_graph import read_graph
from tests.engine import reference
from tests.matrix.flax_networks import NETWORKS
from tests.models.jax_networks import Net, Nnx, Twice, first, last, mixed, parameters

RANDOM = np.random.default_rng(7)


def opened(source: Any, side: int = 12, **choices: Any) -> Model:
    return picasso.load_model(source, preprocessing=picasso.Preprocessing(size=side), **choices)


def shaken(module: linen.Module, side: int = 12) -> Any:
    """Return variables none of which is what initialization makes it: zeros and ones hide mistakes."""
    variables = mixed(module, side=side)
    params = jax.tree_util.tree_map(
        lambda leaf: leaf + 0.1 * RANDOM.normal(size=leaf.shape).astype(np.float32), variables["params"]
    )
    return {**variables, "params": params}


def agreed(source: Any, side: int = 12, **choices: Any) -> Graph:
    """Return a network's graph, which must answer what the network answers."""
    model: Any = opened(source, side, **choices)
    graph: Graph = model._read_graph()
    answers_alike(graph, model.engine, side)
    assert {op.layer for op in graph.ops} <= {"", *(layer.name for layer in model.layers())}
    return graph


def answers_alike(graph: Graph, engine: Engine, side: int) -> None:
    # As many pictures as the network was opened with: it is compiled for that number.
    x = np.random.default_rng(1).normal(size=(6, side, side, 3)).astype(np.float32)
    found, expected = reference.outputs(graph, x.transpose(0, 3, 1, 2)), engine.forward(x, ())[0]
    assert found.keys() == expected.keys()
    for name, answer in expected.items():
        np.testing.assert_allclose(found[name], answer, atol=1e-4 * float(np.abs(answer).max()))


def function(body: Callable[[Any], Any], side: int = 12) -> Graph:
    """Return the graph of a function of the picture, whose answer is turned into scores."""

    def scores(weights: Any, x: Any) -> Any:
        answer = body(x)
        return answer.reshape(len(x), -1) @ weights["top"]

    answer = jax.eval_shape(body, jax.ShapeDtypeStruct((2, side, side, 3), np.float32))
    count = int(np.prod(answer.shape)) // 2
    network = make_network((scores, {"top": RANDOM.normal(size=(count, 4)).astype(np.float32)}))
    engine, shape = Engine(network, None, live=True), (side, side, 3)
    graph = read_graph(*engine.program(shape), engine.taps(shape), channels_first=False)
    answers_alike(graph, engine, side)
    return graph


def kinds(graph: Graph) -> list[str]:
    return [type(op).__name__ for op in graph.ops[1:]]


def only(graph: Graph, kind: type[g.AnyOp]) -> g.AnyOp:
    (found,) = (op for op in graph.ops if isinstance(op, kind))
    return found


# --- architectures -------------------------------------------------------------------------------------------


@cache
def architecture(name: str) -> Graph:
    module = NETWORKS[name](5)
    return agreed((module, shaken(module, 32)), 32)


@pytest.mark.parametrize("name", NETWORKS)
def test_architectures_agree(name: str) -> None:
    graph = architecture(name)
    assert "Activation" not in kinds(graph) or not {"rsqrt", "exp", "erf"} & {
        op.function for op in graph.ops if isinstance(op, g.Activation)
    }, "a normalization, softmax or activation is spelled out"


def test_convolutions_end_in_one_word_for_each_layer() -> None:
    words = kinds(architecture("ResNet"))
    assert words[:3] == ["Conv", "Affine", "Activation"]
    assert set(words) == {"Conv", "Affine", "Activation", "Elementwise", "GlobalPool", "Linear"}


def test_convnext_stays_channels_first() -> None:
    graph = architecture("ConvNeXt")
    assert "Transpose" not in kinds(graph)
    assert {op.axes for op in graph.ops if isinstance(op, g.LayerNorm)} == {(0,)}


def test_squeeze_and_excitation_has_its_words() -> None:
    graph = architecture("MobileNetV3")
    functions = [op.function for op in graph.ops if isinstance(op, g.Activation)]
    assert functions.count("hard_swish") == 5
    assert functions.count("sigmoid") == 2
    assert any(isinstance(op, g.Conv) and op.groups == 24 for op in graph.ops)


class UNet(linen.Module):
    """Down, up by a transposed convolution and by interpolation, with skips; one mask for each class."""

    @linen.compact
    def __call__(self, x: Any) -> Any:
        one = linen.relu(linen.BatchNorm(use_running_average=True)(linen.Conv(4, (3, 3))(x)))
        two = linen.relu(linen.Conv(6, (3, 3), strides=(2, 2))(one))
        three = linen.relu(linen.Conv(8, (3, 3))(linen.max_pool(two, (2, 2), (2, 2))))
        up = linen.ConvTranspose(5, (3, 3), strides=(2, 2))(three)
        up = linen.relu(linen.Conv(6, (3, 3))(jnp.concatenate([up, two], axis=-1)))
        up = jax.image.resize(up, (len(x), 2 * up.shape[1], 2 * up.shape[2], up.shape[3]), "bilinear")
        return linen.Conv(3, (1, 1))(jnp.concatenate([up, one], axis=-1))


def test_a_unet_agrees() -> None:
    graph = agreed((UNet(), shaken(UNet())))
    assert {"ConvTranspose", "Resize", "Concat"} <= set(kinds(graph))
    assert isinstance(graph.by_name[graph.outputs["output"]], g.Transpose), "the mask has the network's own axes"
    assert kinds(graph).count("Resize") == 1
    assert kinds(graph).count("Transpose") == 1


class Inception(linen.Module):
    """Branches of odd kernels, of a mean of windows without their padding, and of the largest, joined."""

    @linen.compact
    def __call__(self, x: Any) -> Any:
        x = linen.relu(linen.Conv(6, (3, 3), strides=(2, 2), padding="VALID", use_bias=False)(x))
        branches = [
            linen.Conv(3, (1, 7))(linen.Conv(3, (7, 1), padding=[(3, 3), (0, 0)])(x)),
            linen.Conv(4, (3, 3), kernel_dilation=(2, 1), padding=[(3, 1), (0, 2)])(x)[:, :5, :5],
            linen.Conv(4, (1, 1))(linen.avg_pool(x, (3, 3), (1, 1), "SAME", count_include_pad=False)),
            linen.avg_pool(x, (2, 3), (1, 1), "SAME"),
            linen.max_pool(x, (3, 3), (1, 1), "SAME"),
            linen.Conv(6, (3, 3), feature_group_count=3)(x),
        ]
        return linen.Dense(5)(jnp.concatenate(branches, axis=-1).max((1, 2)))


def test_branches_agree() -> None:
    graph = agreed((Inception(), shaken(Inception())))
    means = [op for op in graph.ops if isinstance(op, g.Pool) and op.function == "mean"]
    assert [op.counted == g.NO_PADDING for op in means] == [True, False]
    assert only(graph, g.GlobalPool).function == "max"


def test_flax_nnx_and_functions_agree() -> None:
    assert "nnx" not in kinds(agreed(Nnx(nnx.Rngs(0))))
    assert kinds(agreed((last, parameters()))) == kinds(agreed((first, parameters()), output="logits"))
    assert "Transpose" not in kinds(agreed((first, parameters()), output="logits"))


@pytest.mark.parametrize("head", [linen.softmax, linen.log_softmax, linen.sigmoid])
def test_the_head_is_taken_off(head: Any) -> None:
    words = kinds(agreed((Net(end=head), mixed(Net()))))
    assert words[-1] == "Linear"


# --- normalizations ------------------------------------------------------------------------------------------


class Normed(linen.Module):
    """A normalization between convolutions."""

    norm: Any

    @linen.compact
    def __call__(self, x: Any) -> Any:
        return linen.Dense(4)(linen.Conv(3, (3, 3))(self.norm(linen.Conv(6, (3, 3))(x))).mean((1, 2)))


NORMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "layer": (linen.LayerNorm(), {"axes": (0,), "root_mean_square": False}),
    "layer, plain variance": (linen.LayerNorm(use_fast_variance=False, use_bias=False), {"axes": (0,)}),
    "mean square": (linen.RMSNorm(), {"axes": (0,), "root_mean_square": True}),
    "group": (linen.GroupNorm(3), {"groups": 3}),
    "group, no scale": (linen.GroupNorm(2, use_scale=False, use_bias=False), {"groups": 2}),
    "instance": (linen.InstanceNorm(), {"groups": 6}),
    "standardized": (lambda x: jax.nn.standardize(x, epsilon=1e-3), {"axes": (0,), "epsilon": 1e-3}),
    "by its deviation": (
        lambda x: (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-2),
        {"axes": (0,)},
    ),
}


@pytest.mark.parametrize("name", NORMS)
def test_normalizations_have_their_word(name: str) -> None:
    norm, expected = NORMS[name]
    module = Normed(norm)
    graph = agreed((module, shaken(module)))
    found: Any = only(graph, g.GroupNorm if "groups" in expected else g.LayerNorm)
    for field, value in expected.items():
        assert getattr(found, field) == pytest.approx(value)
    assert kinds(graph) == ["Conv", type(found).__name__, "Conv", "GlobalPool", "Linear"]


def test_what_only_looks_like_a_normalization_is_written_out() -> None:
    def crooked(x: Any) -> Any:
        return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var((1, 2), keepdims=True) + 1e-2)

    assert "LayerNorm" not in kinds(function(crooked))


# --- activations ---------------------------------------------------------------------------------------------

ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], dict[str, Any]]] = {
    "relu": (jax.nn.relu, {"function": "relu"}),
    "by hand": (lambda x: jnp.where(x > 0, x, 0.0), {"function": "relu"}),
    "relu6": (jax.nn.relu6, {"function": "clip", "low": 0, "high": 6}),
    "clip": (lambda x: jnp.clip(x, -0.5, 0.75), {"function": "clip", "low": -0.5, "high": 0.75}),
    "leaky": (lambda x: jax.nn.leaky_relu(x, 0.3), {"function": "leaky_relu", "slope": 0.3}),
    "elu": (lambda x: jax.nn.elu(x, 0.7), {"function": "elu", "slope": 0.7}),
    "celu": (lambda x: jax.nn.celu(x, 0.7), {"function": "celu", "slope": 0.7}),
    "selu": (jax.nn.selu, {"function": "selu"}),
    "silu": (jax.nn.silu, {"function": "silu"}),
    "gelu": (lambda x: jax.nn.gelu(x, approximate=False), {"function": "gelu"}),
    "gelu_tanh": (jax.nn.gelu, {"function": "gelu_tanh"}),
    "softplus": (jax.nn.softplus, {"function": "softplus"}),
    "softsign": (jax.nn.soft_sign, {"function": "softsign"}),
    "mish": (jax.nn.mish, {"function": "mish"}),
    "hard_swish": (jax.nn.hard_swish, {"function": "hard_swish"}),
    "hard_sigmoid": (jax.nn.hard_sigmoid, {"function": "hard_sigmoid", "slope": 1 / 6, "offset": 0.5}),
    "other hard_sigmoid": (
        lambda x: jnp.clip(0.2 * x + 0.4, 0, 1),
        {"function": "hard_sigmoid", "slope": 0.2, "offset": 0.4},
    ),
    "tanh": (jnp.tanh, {"function": "tanh"}),
    "sigmoid": (lambda x: 1 / (1 + jnp.exp(-x)), {"function": "sigmoid"}),
    "square": (lambda x: x * x, {"function": "square"}),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_have_their_word(name: str) -> None:
    activation, expected = ACTIVATIONS[name]
    found: Any = only(function(activation), g.Activation)
    for field, value in expected.items():
        assert getattr(found, field) == (pytest.approx(value) if isinstance(value, float) else value)


@pytest.mark.parametrize(
    "body",
    [
        lambda x: x + 1e-6,
        lambda x: x * jax.nn.sigmoid(1.702 * x),
        lambda x: jnp.log1p(jnp.abs(x)) + jnp.expm1(-jnp.abs(x)),
        lambda x: jax.nn.relu(x) ** 3 - jnp.abs(x) ** 0.5,
        lambda x: 1 / (2 + jnp.abs(x)) + jax.lax.erf(x) - jax.lax.rsqrt(x * x + 1),
        lambda x: jnp.maximum(x, 1 - x) - jnp.minimum(x, x[:, ::-1]),
    ],
)
def test_other_functions_are_written_out(body: Callable[[Any], Any]) -> None:
    function(body)


def test_shifts_are_no_activations() -> None:
    assert "Activation" not in kinds(function(lambda x: x + 1e-6))


# --- shapes, windows, products -------------------------------------------------------------------------------


def convolved(layout: tuple[str, str, str], kernel: tuple[int, ...], **given: Any) -> Callable[[Any], Any]:
    weight = RANDOM.normal(size=kernel).astype(np.float32)

    def body(x: Any) -> Any:
        order = tuple("NHWC".index(axis) for axis in layout[0])
        options = {"window_strides": (1, 1), "padding": "SAME", **given}
        return jax.lax.conv_general_dilated(x.transpose(order), weight, dimension_numbers=layout, **options)

    return body


CONVOLUTIONS: dict[str, Callable[[Any], Any]] = {
    "channels first": convolved(("NCHW", "OIHW", "NCHW"), (4, 3, 3, 2), window_strides=(2, 1)),
    "odd layouts": convolved(("CHWN", "IHWO", "HWNC"), (3, 3, 3, 4)),
    "depthwise": convolved(("NHWC", "HWIO", "NHWC"), (3, 3, 1, 6), feature_group_count=3),
    "cropped": convolved(("NHWC", "HWIO", "NHWC"), (3, 3, 3, 4), padding=((-1, 2), (0, -2))),
    "spread": convolved(("NHWC", "HWIO", "NHWC"), (3, 2, 3, 4), lhs_dilation=(2, 3), padding=((1, 2), (0, 3))),
    "spread, grouped, dilated": convolved(
        ("NHWC", "HWIO", "NHWC"),
        (3, 3, 1, 6),
        lhs_dilation=(2, 2),
        rhs_dilation=(2, 1),
        feature_group_count=3,
        padding=((2, 2), (3, 0)),
    ),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_agree(name: str) -> None:
    body = CONVOLUTIONS[name]
    if name == "odd layouts":
        function(lambda x: body(x).transpose(2, 0, 1, 3))
    else:
        assert ("ConvTranspose" in kinds(function(body))) == name.startswith("spread")


BODIES: dict[str, Callable[[Any], Any]] = {
    "resized, nearest": lambda x: jax.image.resize(x, (len(x), 18, 24, 3), "nearest"),
    "resized, smaller": lambda x: jax.image.resize(x, (len(x), 5, 7, 3), "linear"),
    "resized, cubic": lambda x: jax.image.resize(x, (len(x), 18, 24, 3), "cubic"),
    "padded": lambda x: jnp.pad(x, ((0, 0), (1, 2), (0, 3), (0, 0)), constant_values=0.5),
    "padded channels": lambda x: jnp.pad(x, ((0, 0), (0, 0), (0, 0), (1, 2))) + 1,
    "reflected": lambda x: jnp.pad(x, ((0, 0), (2, 1), (1, 2), (0, 0)), mode="reflect"),
    "flipped, cut": lambda x: x[:, ::-1, 2:11:3][:, 1:],
    "rolled": lambda x: jnp.roll(x, (2, -3), (1, 2)),
    "repeated": lambda x: jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2),
    "channels shuffled": lambda x: x[..., jnp.array([2, 0, 1, 1])],
    "split": lambda x: jnp.concatenate(jnp.split(x, [1], axis=-1)[::-1], axis=-1),
    "patches": lambda x: x.reshape(len(x), 3, 4, 3, 4, 3).transpose(0, 1, 3, 2, 4, 5).reshape(len(x), 9, 48),
    "space to depth": lambda x: x.reshape(len(x), 6, 2, 6, 2, 3).transpose(0, 1, 3, 2, 4, 5).reshape(len(x), 6, 6, 12),
    "sums": lambda x: jnp.stack([x.sum((1, 3)), x.max((1, 3)), x.min((1, 3)), x.mean((1, 3))], axis=1),
    "of itself": lambda x: jnp.einsum("nhwc,nhvc->nhwv", x, x),
    "over places": lambda x: jnp.einsum("nhwc,nhwd->ncd", x, x),
    "channels gated": lambda x: x * jnp.broadcast_to(jax.nn.sigmoid(x.mean((1, 2)))[:, None, None], x.shape),
    "normalized as a whole": lambda x: jax.nn.standardize(x, axis=(1, 2, 3)),
    "places gated": lambda x: x * jax.nn.softmax(x.mean(-1).reshape(len(x), -1)).reshape(len(x), 12, 12, 1),
    "outer": lambda x: x.mean((1, 3))[:, :, None] * x.max((2, 3))[:, None],
    "positions": lambda x: x + np.linspace(0, 1, 12 * 12 * 3).reshape(1, 12, 12, 3).astype(np.float32),
    "scaled": lambda x: (x * 255 - np.array([120.0, 115, 100], np.float32)) / np.array([50.0, 60, 70], np.float32),
    "pooled on one axis": lambda x: linen.max_pool(x, (1, 3), (1, 2)) - 2,
    "pooled over channels": lambda x: jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 1, 1, 2), (1, 1, 1, 1), "VALID"),
    "picture by picture": lambda x: jax.vmap(lambda one: jnp.tanh(one).sum(0) @ jnp.ones((3, 2)))(x),
    "a loop": lambda x: jax.lax.scan(lambda kept, w: (jnp.tanh(kept * w), None), x, jnp.array([0.5, 2.0, -1.0]))[0],
    "windows as rows": lambda x: jax.nn.softmax(
        x.reshape(len(x), 3, 4, 12, 3).reshape(-1, 4, 36) @ np.linspace(-1, 1, 36 * 5, dtype=np.float32).reshape(36, 5)
    ).reshape(len(x), 3, 4, 5),
}


@pytest.mark.parametrize("name", BODIES)
def test_operations_agree(name: str) -> None:
    function(BODIES[name])


def test_words_are_the_most_specific_ones() -> None:
    assert kinds(function(BODIES["resized, nearest"]))[0] == "Resize"
    assert kinds(function(BODIES["padded"]))[0] == "Pad"
    scaled = function(BODIES["scaled"])
    assert kinds(scaled)[0] == "Affine"
    np.testing.assert_allclose(only(scaled, g.Affine).scale, 255 / np.array([50, 60, 70]), rtol=1e-6)
    assert "Softmax" in kinds(function(BODIES["windows as rows"]))


# --- refusals, layers, the user's model ----------------------------------------------------------------------


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "sorted": (lambda x: jnp.sort(x, axis=1), r"sort at '.*' has no form in the op graph\."),
    "cumulated": (lambda x: jnp.cumsum(x, axis=1), "cumsum"),
    "chosen by the picture": (lambda x: jnp.where(x > x.mean(), x[:, ::-1], x * 2), "reduce_sum at '.*' mixes"),
    "compared": (lambda x: jnp.where(x > x[:, ::-1], x, 2 * x[:, ::-1]), "gt at '.*' has no form"),
    "whole numbers": (lambda x: jnp.round(x).astype(jnp.int32).astype(jnp.float32), "has no form"),
    "batch mixed": (lambda x: x - x.mean(0, keepdims=True), "mixes the pictures of a batch"),
    "frequencies": (lambda x: jnp.fft.fft(x, axis=1).real, "complex64"),
    "looped": (lambda x: jax.lax.while_loop(lambda v: v.sum() < 0, lambda v: v + 1, x), "while at"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_the_operation(name: str) -> None:
    body, said = REFUSED[name]
    with pytest.raises(GraphError, match=said):
        function(body)


def test_a_refusal_names_the_layer() -> None:
    class Sorted(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            return jnp.sort(linen.Conv(3, (1, 1))(x), axis=1)

    module = Normed(Sorted())
    with pytest.raises(GraphError, match=r"^sort at 'norm' has no form in the op graph\."):
        agreed((module, shaken(module)))


def test_layers_are_the_users() -> None:
    graph = agreed((Net(), mixed(Net())))
    said = [(type(op).__name__, op.layer) for op in graph.ops]
    for expected in [
        ("Conv", "Conv_0"),
        ("Conv", "Block_0.inner"),
        ("Affine", "Block_0.BatchNorm_0"),
        ("Elementwise", "Block_0"),
        ("Activation", "Block_0.relu"),
        ("Linear", "Dense_0"),
    ]:
        assert expected in said
    assert [op.layer for op in agreed((Twice(), mixed(Twice()))).ops][1:3] == ["conv", "conv:2"]


def test_the_network_is_left_as_it_was() -> None:
    module = Nnx(nnx.Rngs(0))
    before = [np.array(leaf) for leaf in jax.tree_util.tree_leaves(nnx.state(module, nnx.Param, nnx.BatchStat))]
    model: Any = opened(module)
    origin = model.origin()
    graph = model._read_graph()
    after = jax.tree_util.tree_leaves(nnx.state(module, nnx.Param, nnx.BatchStat))
    assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))
    assert model.origin() == origin
    module.top.kernel[...] = module.top.kernel[...] * 2
    twice = only(model._read_graph(), g.Linear).weight
    np.testing.assert_allclose(twice, 2 * only(graph, g.Linear).weight, rtol=1e-6)
