"""The JAX adapter: functions, linen and nnx against JAX itself; heads, layers, ReLU rules; nothing touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from flax.core import freeze

import picasso
from picasso.core.errors import ConfigurationError, ModelFailedError, ModelFileError, ModelOutputError, NotFoundError
from picasso.core.facts import INPUT, ReluRule, Rules
from picasso.core.hooks import Head
from picasso.core.model import Model
from picasso.testing import check_model
from tests.models.jax_networks import Net, Nnx, Transformer, Twice, first, last, mixed, parameters, started

SIZE = picasso.Preprocessing(size=12)
X = np.random.default_rng(1).normal(size=(3, 12, 12, 3)).astype(np.float32) * 2
RULED = [ReluRule.GUIDED, ReluRule.DECONVNET]


def opened(source: Any, **choices: Any) -> Model:
    return picasso.load_model(source, **{"preprocessing": SIZE, **choices})


def slope(function: Callable[[Any], Any], x: Any, index: int) -> Any:
    """The gradient of a class score, as JAX takes it."""
    return jax.jit(jax.grad(lambda x: function(x)[:, index].sum()))(jnp.asarray(x))


def near(found: Any, expected: Any, tolerance: float = 1e-5) -> None:
    expected = np.asarray(expected)
    np.testing.assert_allclose(found, expected, atol=tolerance * max(float(np.abs(expected).max()), 1e-6))


def ruled(rule: ReluRule, cap: float | None = None) -> Callable[[Any], Any]:
    """A ReLU with a rule, written once more."""

    @jax.custom_vjp
    def relu(x: Any) -> Any:
        return jnp.clip(x, 0, cap)

    def back(x: Any, gradient: Any) -> Any:
        passes = gradient > 0
        if rule is ReluRule.GUIDED:
            passes = passes & (x > 0) & (x < (jnp.inf if cap is None else cap))
        return (gradient * passes,)

    relu.defvjp(lambda x: (relu(x), x), back)
    return relu


# --- agreement with JAX --------------------------------------------------------------------------------------


def test_linen_agrees_with_flax() -> None:
    module = Net()
    variables = mixed(module)
    model = opened((module, variables))

    @jax.jit
    def native(x: Any) -> Any:
        return module.apply(variables, x, train=False)

    near(model.predict(X), native(X))
    near(model.pullback(X, [model.target(2)]).gradients[INPUT][0], slope(native, X, 2), 1e-4)
    _, kept = jax.jit(lambda x: module.apply(variables, x, train=False, capture_intermediates=True))(X)
    seen = kept["intermediates"]
    found = model.activations(X, ["Conv_0", "Block_0.inner", "Block_0.BatchNorm_0", "Block_0", "Dense_0"])
    near(found["Conv_0"], seen["Conv_0"]["__call__"][0])
    near(found["Block_0.inner"], seen["Block_0"]["inner"]["__call__"][0])
    near(found["Block_0.BatchNorm_0"], seen["Block_0"]["BatchNorm_0"]["__call__"][0])
    near(found["Block_0"], seen["Block_0"]["__call__"][0])
    near(found["Dense_0"], seen["Dense_0"]["__call__"][0])


def test_the_gradient_at_a_linen_layer_is_that_of_a_perturbation() -> None:
    module = Net()
    variables = mixed(module)
    model = opened((module, variables))

    def from_block(delta: Any) -> Any:
        def add(function: Any, args: Any, kwargs: Any, context: Any) -> Any:
            answer = function(*args, **kwargs)
            return answer + delta if context.module.path == ("Block_0",) else answer

        with linen.intercept_methods(add):
            return module.apply(variables, X, train=False)

    expected = slope(from_block, jnp.zeros((3, 12, 12, 6)), 4)
    pulled = model.pullback(X, [model.target(4)], ["Block_0"])
    near(pulled.gradients["Block_0"][0], expected, 1e-4)
    assert list(pulled.values) == ["Block_0"]


def test_nnx_agrees_with_flax() -> None:
    module = Nnx(nnx.Rngs(0))
    for _ in range(2):
        module(jnp.asarray(X))  # running averages
    model = opened(module)
    still = nnx.clone(module)
    still.eval()
    near(model.predict(X), still(X))
    near(model.pullback(X, [model.target(1)]).gradients[INPUT][0], slope(still, X, 1), 1e-4)
    near(model.activations(X, ["parts.0"])["parts.0"], still.parts[0](X))
    near(model.activations(X, ["parts.0.conv"])["parts.0.conv"], still.parts[0].conv(X))
    names = [layer.name for layer in model.layers()]
    assert names[:4] == ["parts.0.conv", "parts.0.norm", "parts.0.relu", "parts.0"]
    assert names[4:12:4] == ["parts.1.conv", "parts.1.conv:2"]
    assert names[-1] == "top"
    assert {layer.kind for layer in model.layers()} == {"Conv", "BatchNorm", "relu", "Part", "Linear"}


@pytest.mark.parametrize("function", [last, first])
def test_functions_in_both_layouts_agree_with_jax(function: Any) -> None:
    tree = parameters()
    model = opened((function, tree))
    reads_first = function is first

    def native(x: Any) -> Any:
        answer = function(tree, jnp.moveaxis(x, -1, 1) if reads_first else x)
        return answer["logits"] if reads_first else answer

    near(model.predict(X), native(X))
    pulled = model.pullback(X, [model.target(0), model.target("class 1 - class 3")])
    near(pulled.gradients[INPUT][0], slope(native, X, 0), 1e-4)
    near(pulled.gradients[INPUT][1], slope(native, X, 1) - slope(native, X, 3), 1e-4)
    assert ("The network reads channels first." in model.facts.notes) is reads_first
    listed = [(layer.name, layer.shape) for layer in model.layers() if len(layer.shape) == 3]
    shapes = [(12, 12, 6), (6, 6, 8)]
    if reads_first:
        assert listed == list(zip(("one", "two"), shapes, strict=True))
    else:
        assert listed == [
            ("conv", shapes[0]), ("relu", shapes[0]), ("conv:2", shapes[1]), ("relu:2", shapes[1])
        ]  # fmt: skip


def test_both_layouts_give_the_same_values_at_layers() -> None:
    tree = parameters()
    one, other = opened((last, tree)), opened((first, tree))
    near(one.activations(X, ["relu:2"])["relu:2"], other.activations(X, ["two"])["two"])
    a, b = one.pullback(X, [one.target(3)], ["relu"]), other.pullback(X, [other.target(3)], ["one"])
    near(a.gradients["relu"], b.gradients["one"], 1e-4)


def test_models_keep_their_contract() -> None:
    check_model(opened((lambda p, x: jax.nn.softmax(last(p, x)), parameters())))


# --- heads and outputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "head"),
    [
        (jax.nn.softmax, Head.SOFTMAX),
        (jax.nn.log_softmax, Head.SOFTMAX),
        (lambda x: jnp.exp(x) / jnp.exp(x).sum(-1, keepdims=True), Head.SOFTMAX),
        (jax.jit(lambda x: jax.nn.softmax(x.astype(jnp.float32))), Head.SOFTMAX),
        (jax.nn.sigmoid, Head.SIGMOID),
        (lambda x: 1 / (1 + jnp.exp(-x)), Head.SIGMOID),
    ],
)
def test_a_head_inside_the_network_is_found_and_the_logits_explained(end: Any, head: Head) -> None:
    tree = parameters()
    model = opened((lambda p, x: end(last(p, x)), tree))
    assert model.head is head
    assert model.facts.units == "logit"
    # The divisor of exp(x) / sum(exp(x)) is written without the shift, so its logits are x itself, too.
    near(model.predict(X), last(tree, X))


def test_probabilities_without_a_visible_head_become_log_probabilities() -> None:
    tree = parameters()
    squared = lambda p, x: jax.nn.softmax(last(p, x)) ** 2  # noqa: E731
    model = opened((lambda p, x: squared(p, x) / squared(p, x).sum(-1)[:, None], tree))
    assert model.facts.units == "log probability"
    expected = jax.nn.log_softmax(2 * last(tree, X))
    near(model.predict(X), expected, 1e-4)
    native = slope(lambda x: jax.nn.log_softmax(2 * last(tree, x)), X, 0)
    near(model.pullback(X, [model.target(0)]).gradients[INPUT][0], native, 1e-4)


def test_a_softmax_in_the_middle_is_no_head() -> None:
    tree = parameters()
    model = opened((lambda p, x: jax.nn.softmax(last(p, x)) * 30 - 3, tree))
    near(model.predict(X), jax.nn.softmax(last(tree, X)) * 30 - 3)


def test_an_output_is_chosen_and_a_mask_is_read() -> None:
    model = opened((first, parameters()), output="aux")
    assert model.facts.task == "segmentation"
    assert model.outputs(X)["masks"].shape == (3, 6, 6, 8)
    with pytest.raises(ConfigurationError, match=r"has no output 'other'\. It has aux, logits"):
        opened((first, parameters()), output="other")


def test_low_precision_networks() -> None:
    tree = jax.tree_util.tree_map(lambda a: jnp.asarray(a, jnp.bfloat16) if hasattr(a, "shape") else a, parameters())
    model = opened((lambda p, x: last(p, x.astype(jnp.bfloat16)), tree))
    assert model.predict(X).dtype == np.float32
    gradient = model.pullback(X, [model.target(0)], [INPUT, "relu"]).gradients
    near(gradient[INPUT][0], slope(lambda x: last(parameters(), x), X, 0), 0.05)


def test_a_network_that_takes_one_picture_at_a_time() -> None:
    tree = parameters()
    model = opened((lambda p, x: last(p, x.reshape(1, 12, 12, 3)), tree))
    assert model.facts.fixed_batch == 1
    near(model.predict(X), last(tree, X))


def test_the_size_is_found_by_trying() -> None:
    module = linen.Sequential([lambda x: x.reshape(len(x), -1), linen.Dense(4)])
    variables = started(module, jnp.zeros((1, 28, 28, 1)))
    model = picasso.load_model((module, variables))
    assert model.input_shape == (28, 28, 1)
    assert model.facts.notes[0] == "The input's size was found by trying: 28 x 28, 1 channel."


def test_a_size_alone_leaves_the_colors_to_the_network() -> None:
    module = linen.Sequential([linen.Conv(4, (3, 3)), lambda x: x.mean((1, 2))])
    variables = started(module, jnp.zeros((1, 28, 28, 1)))
    model = picasso.load_model((module, variables), preprocessing=picasso.Preprocessing(size=20))
    assert (model.input_shape, model.preprocessing.color) == ((20, 20, 1), "grey")
    with pytest.raises(ModelOutputError, match=r"does not take an input of shape \(20, 20, 3\)"):
        picasso.load_model((module, variables), preprocessing=picasso.Preprocessing(size=20, color="rgb"))


# --- layers --------------------------------------------------------------------------------------------------


def test_layers_of_linen_are_its_modules_and_what_runs_between_them() -> None:
    module = Net()
    model = opened((module, mixed(module)))
    assert [(layer.name, layer.kind) for layer in model.layers()] == [
        ("Conv_0", "Conv"),
        ("relu", "relu"),
        ("Block_0.inner", "Conv"),
        ("Block_0.BatchNorm_0", "BatchNorm"),
        ("Block_0.relu", "relu"),
        ("Block_0", "Block"),
        ("max_pool", "max_pool"),
        ("Dense_0", "Dense"),
    ]
    with pytest.raises(NotFoundError, match=r"There is no layer 'Block_1'\. Did you mean Block_0"):
        model.activations(X, ["Block_1"])


def test_a_module_that_runs_twice_has_two_names() -> None:
    module = Twice()
    variables = started(module, X)
    model = opened((module, variables))
    assert [layer.name for layer in model.layers()] == ["conv", "conv:2", "top"]
    native = jax.jit(lambda x: module.apply(variables, x, method=module.features))
    near(model.activations(X, ["conv:2"])["conv:2"], native(X))


def test_tokens_know_their_grid_and_attention_is_no_map() -> None:
    module = Transformer()
    variables = mixed(module, True)
    model = opened((module, variables))
    layers = {layer.name: layer for layer in model.layers()}
    assert layers["last"].grid == (3, 3)
    query = layers["MultiHeadDotProductAttention_0.query"]
    assert query.shape == (10, 8)
    near(model.predict(X), jax.jit(lambda x: module.apply(variables, x, deterministic=True))(X))
    default = model.default_layer()
    assert default is not None
    assert default.name == "LayerNorm_2"
    key = "MultiHeadDotProductAttention_0.key"
    pulled = model.pullback(X, [model.target(0)], [query.name, key])
    assert pulled.gradients[query.name].shape == (1, 3, 10, 8)
    attention = model.attention(X, [model.target(0), model.target(2)], early=True)
    assert (attention.grid, attention.extra, attention.read.nonzero()[0].tolist()) == ((3, 3), 1, [0])
    first_layer, second_layer = attention.layers
    assert second_layer.gradients.shape == (2, 3, 2, 10, 10)
    q, k = (pulled.values[part].reshape(3, 10, 2, 4) for part in (query.name, key))
    products = np.exp(np.einsum("nqhd,nkhd->nhqk", q, k) / 2)
    near(first_layer.weights, products / products.sum(axis=-1, keepdims=True))
    assert "gelu" not in layers or layers["gelu"].shape == (10, 16)


@pytest.mark.parametrize("wrap", [linen.remat, linen.jit])
def test_layers_inside_what_is_lifted(wrap: Any) -> None:
    class Lifted(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            return wrap(linen.Conv)(5, (3, 3), name="inside")(x).mean((1, 2))

    module = Lifted()
    variables = started(module, X)
    model = opened((module, variables))
    assert [layer.name for layer in model.layers()] == ["inside"]
    near(model.pullback(X, [model.target(0)], ["inside"]).gradients["inside"][0][..., 0], np.full((3, 12, 12), 1 / 144))


def test_blocks_in_a_loop_are_layers_of_their_own_and_are_ruled() -> None:
    class Step(linen.Module):
        relu: Any = linen.relu

        @linen.compact
        def __call__(self, x: Any, _: Any) -> Any:
            x = self.relu(linen.Conv(3, (3, 3))(x))
            return x, x.mean((1, 2))

    class Loop(linen.Module):
        relu: Any = linen.relu

        @linen.compact
        def __call__(self, x: Any) -> Any:
            blocks = linen.scan(Step, variable_axes={"params": 0}, split_rngs={"params": True}, length=3)
            x, means = blocks(self.relu)(x, None)
            return x.mean((1, 2)) + means[1]

    variables = started(Loop(), X)
    model = opened((Loop(), variables))
    near(model.predict(X), jax.jit(Loop().apply)(variables, X))
    names = [layer.name for layer in model.layers()]
    assert [name for name in names if "Conv" in name] == [f"ScanStep_0.Conv_0{end}" for end in ("", ":2", ":3")]
    pulled = model.pullback(X, [model.target(0)], rules=Rules(relu=ReluRule.GUIDED))
    expected = slope(lambda x: Loop(relu=ruled(ReluRule.GUIDED)).apply(variables, x), X, 0)
    near(pulled.gradients[INPUT][0], expected, 1e-4)
    assert pulled.ruled == 3


def test_layers_inside_what_nnx_rebuilds() -> None:
    class Lifted(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.inside = nnx.Conv(3, 4, (3, 3), rngs=rngs)

        def __call__(self, x: Any) -> Any:
            x = nnx.remat(lambda module, x: module(x))(self.inside, x)
            return nnx.jit(lambda module, x: module(x[..., :3]))(self.inside, x).mean((1, 2))

    module = Lifted(nnx.Rngs(0))
    model = opened(module)
    assert [layer.name for layer in model.layers()] == ["inside", "inside:2"]
    near(model.predict(X), module(X))


# --- ReLU rules ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("relu", "cap"),
    [
        (jax.nn.relu, None),
        (lambda x: jnp.maximum(x, 0), None),
        (lambda x: jnp.maximum(jnp.zeros_like(x), x), None),
        (lambda x: jnp.where(x > 0, x, 0), None),
        (lambda x: jnp.where(jnp.float32(0) >= x, 0, x), None),
        (lambda x: jax.lax.max(x, jnp.float32(0)), None),
        (jax.nn.relu6, 6.0),
        (lambda x: jnp.clip(x, 0, 1), 1.0),
        (lambda x: jax.lax.clamp(0.0, x, 1.0), 1.0),
        (lambda x: jnp.maximum(jnp.minimum(x, 1), 0), 1.0),
        (jax.jit(lambda x: jnp.minimum(jnp.maximum(x, 0.0), 1.0)), 1.0),
    ],
)
def test_every_way_to_write_a_relu_follows_the_rules(relu: Any, cap: float | None) -> None:
    # The guided rule, which masks at both ends; deconvnet's is tried in modules.
    rule, tree = ReluRule.GUIDED, parameters()
    model = opened((lambda p, x: last(p, x, relu), tree))
    pulled = model.pullback(X, [model.target(0), model.target(4)], rules=Rules(relu=rule))
    near(pulled.outputs["scores"], last(tree, X, relu))
    assert pulled.ruled == 2
    for row, index in enumerate((0, 4)):
        expected = slope(lambda x: last(tree, x, ruled(rule, cap)), X, index)
        near(pulled.gradients[INPUT][row], expected, 1e-4)


@pytest.mark.parametrize("rule", RULED)
def test_rules_in_modules(rule: ReluRule) -> None:
    module = Net()
    variables = mixed(module)
    model = opened((module, variables))
    pulled = model.pullback(X, [model.target(3)], [INPUT, "Conv_0"], Rules(relu=rule))
    expected = slope(lambda x: Net(relu=ruled(rule)).apply(variables, x, train=False), X, 3)
    near(pulled.gradients[INPUT][0], expected, 1e-4)
    assert pulled.ruled == 2
    assert model.pullback(X, [model.target(3)], ["Block_0"], Rules(relu=rule)).ruled == 2


def test_what_only_looks_like_a_relu_is_not_ruled() -> None:
    class Net(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            x = linen.LayerNorm()(linen.Conv(4, (3, 3))(x))  # max(variance, 0)
            x = jax.nn.hard_swish(jax.nn.leaky_relu(jax.nn.elu(x)))
            x = jnp.maximum(x, 0.1) + jnp.minimum(x, 0) + jnp.maximum(x, -x) + jax.nn.gelu(x) + jax.nn.silu(x)
            return jax.nn.softmax(x.mean((1, 2)))

    module = Net()
    variables = started(module, X)
    model = opened((module, variables))
    plain = model.pullback(X, [model.target(0)])
    guided = model.pullback(X, [model.target(0)], rules=Rules(relu=ReluRule.GUIDED))
    assert guided.ruled == 0
    np.testing.assert_array_equal(plain.gradients[INPUT], guided.gradients[INPUT])


# --- live networks -------------------------------------------------------------------------------------------


def test_parameters_that_change_change_answer_and_digest() -> None:
    tree = parameters()
    model = opened((last, tree))
    before, digest = model.predict(X), model.digest
    tree["top"] = tree["top"] * 2
    near(model.predict(X), 2 * before)
    assert model.digest != digest
    tree["top"] = tree["top"] / 2
    assert model.digest == digest
    assert opened((last, parameters())).digest == digest
    assert opened((lambda p, x: last(p, x) + 1, parameters())).digest != digest


def test_random_keys_among_the_parameters() -> None:
    tree, hidden = parameters() | {"key": jax.random.key(3)}, jax.random.key(4)

    def noisy(p: Any, x: Any) -> Any:
        return last(p, x) + jax.random.normal(p["key"], (5,)) + jax.random.normal(hidden, (5,))

    model = opened((noisy, tree))
    digest = model.digest
    near(model.predict(X), noisy(tree, X))
    tree["key"] = jax.random.key(5)
    assert model.digest != digest


def test_an_nnx_module_is_never_touched_and_may_change() -> None:
    module = Nnx(nnx.Rngs(0))
    before = [np.array(leaf) for leaf in jax.tree_util.tree_leaves(nnx.state(module, nnx.Not(nnx.RngState)))]
    model = opened(module)
    digest, scores = model.digest, model.predict(X)
    model.pullback(X, [model.target(0)], ["parts.1"], Rules(relu=ReluRule.GUIDED))
    assert type(module.top) is nnx.Linear
    assert not module.dropout.deterministic
    after = jax.tree_util.tree_leaves(nnx.state(module, nnx.Not(nnx.RngState)))
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    module.dropout(jnp.ones((2, 6)))  # counts a random number
    assert model.digest == digest
    module.top.bias[...] = module.top.bias[...] + 1
    near(model.predict(X), scores + 1)
    assert model.digest != digest
    module.top = nnx.Linear(6, 5, use_bias=False, rngs=nnx.Rngs(3))
    near(model.predict(X), opened(module).predict(X))


def test_variables_in_the_ways_in_which_people_hold_them() -> None:
    module = Twice()
    variables = started(module, X)
    expected = opened((module, variables)).predict(X)
    for source in ((module, variables["params"]), (module.apply, variables), (module, freeze(variables))):
        near(opened(source).predict(X), expected)


@pytest.mark.parametrize(
    ("source", "kind", "said"),
    [
        (Net(), ModelFileError, r"A Flax linen module holds no parameters of its own\. Give \(module, variables\)"),
        ((Net(), [1, 2]), ModelFileError, "The variables of a Flax module must be a mapping. Got list."),
        ((lambda p, x: jnp.zeros(()), {}), ModelOutputError, "does not take an input .*it returns no row for each"),
        ((lambda p, x: np.asarray(x).mean((1, 2)), {}), ModelOutputError, "traced array with shape"),
        ((lambda p, x: x.mean((1, 2)) * jnp.nan, {}), ModelOutputError, "NaN or infinite scores"),
    ],
)
def test_what_cannot_be_opened_is_refused(source: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        opened(source)


def test_devices() -> None:
    tree = parameters()
    near(opened((last, tree), device="cpu").predict(X), last(tree, X))
    for name in ("cpu:77", "nonsense", "cuda:x"):
        with pytest.raises(ConfigurationError, match=f"The device '{name}' cannot be used: .* Use cpu."):
            opened((last, tree), device=name)


def test_memory_errors_are_known() -> None:
    kind = type(opened((last, parameters())))
    assert kind.is_out_of_memory(RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 99 bytes."))
    assert not kind.is_out_of_memory(RuntimeError("INTERNAL: other"))
    assert ModelFailedError.code == "model-failed"
