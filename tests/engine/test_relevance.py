"""Relevance rules on op graphs: that the parts add up, and each rule once more, slowly, from its formula."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch

from picasso.core import graph as g
from picasso.core.errors import NotSupportedError
from picasso.core.relevance import LayerwiseRules, LrpRule, RelevanceRules, RescaleRule
from picasso.engine.layerwise import folded
from picasso.engine.relevance import Shared, share
from tests.engine import reference
from tests.engine.making import Making
from tests.engine.random_graphs import random_case, random_graph
from tests.models.networks import Vit
from tests.models.torch_graphs import opened

EPSILON = LayerwiseRules(LrpRule.EPSILON, LrpRule.EPSILON, LrpRule.EPSILON, epsilon=1e-2)
RNG = np.random.default_rng(5)


def shared(graph: g.Graph, x: np.ndarray, rules: RelevanceRules, seed: int = 0) -> Shared:
    """Share two random targets, linear in the outputs, of pictures (n, channels, height, width)."""

    def cotangents(raw: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        return {name: rng.normal(size=(2, *value.shape)) for name, value in raw.items()}

    return share(graph, np.moveaxis(x, 1, -1), rules, graph.outputs, cotangents, torch.float64)


def sums(found: Shared) -> np.ndarray:
    return found.values.sum(axis=(2, 3, 4), dtype=np.float64)


@pytest.mark.parametrize("seed", range(60))
def test_deeplift_is_complete_on_random_graphs(seed: int) -> None:
    case = random_case(random.Random(seed))
    baseline = np.random.default_rng(seed).normal(size=case.x.shape[1:]).astype(np.float32)
    x = np.concatenate([case.x, case.x[..., ::-1]])
    found = shared(case.graph, x, RescaleRule(np.moveaxis(baseline, 0, -1)))
    weights = np.random.default_rng(0)
    wanted: np.ndarray | float = 0.0
    now, before = reference.outputs(case.graph, x), reference.outputs(case.graph, baseline[None])
    for name in case.graph.outputs:
        value = np.broadcast_to(now[name], (2, *now[name].shape[1:]))
        weight = weights.normal(size=(2, *value.shape))
        wanted = wanted + (weight * (value - before[name])).reshape(2, 2, -1).sum(axis=2)
    size = max(1.0, float(np.abs(found.values).sum(axis=(2, 3, 4)).max()))
    np.testing.assert_allclose(found.shared, wanted, rtol=0, atol=1e-5 * size)
    np.testing.assert_allclose(sums(found), wanted, rtol=0, atol=1e-5 * size)
    reached = len(case.graph.ops) - sum(isinstance(op, g.Input | g.Constant) for op in case.graph.ops)
    assert sum(found.rules.values()) <= reached + 5  # attention counts as five operations more


BOX = LayerwiseRules(LrpRule.Z_BOX, LrpRule.Z_PLUS, LrpRule.GAMMA, epsilon=0.1)
FLAT = LayerwiseRules(LrpRule.FLAT, LrpRule.ALPHA_BETA, LrpRule.EPSILON, epsilon=0.1)


@pytest.mark.parametrize("rules", [EPSILON, BOX, FLAT])
@pytest.mark.parametrize("seed", range(30))
def test_what_lrp_does_not_hand_on_is_booked(seed: int, rules: LayerwiseRules) -> None:
    case = random_case(random.Random(seed))
    if rules is BOX:
        ends = [np.moveaxis(np.full_like(case.x[0], end), 0, -1) for end in (case.x.min(), case.x.max())]
        rules = LayerwiseRules(BOX.first, BOX.convolutions, BOX.matrices, BOX.epsilon, limits=(ends[0], ends[1]))
    if any(isinstance(op, g.Softmax) and op.log for op in case.graph.ops):
        with pytest.raises(NotSupportedError, match="no rule for the logarithm of Softmax"):
            shared(case.graph, case.x, rules)
        return
    found = shared(case.graph, case.x, rules)
    left = sums(found) + sum(found.absorbed.values()) - found.shared
    sizes = [np.abs(found.values).sum(axis=(2, 3, 4)), np.abs(found.shared), *map(np.abs, found.absorbed.values())]
    np.testing.assert_allclose(left, 0, atol=1e-5 * max(float(size.max()) for size in sizes) + 1e-9)


@pytest.mark.parametrize("rules", [EPSILON, FLAT, RescaleRule(np.zeros((18, 20, 2), np.float32))])
def test_pictures_do_not_know_of_each_other(rules: RelevanceRules) -> None:
    make = Making(random.Random(3))
    build = g.Builder()
    make.build, make.maps = build, [build.input((2, 18, 20))]
    for kind in ("conv", "relu", "pool", "conv"):
        if kind == "conv":
            make.maps.append(make.convolved(make.last, 4, (3, 3), padding=(1, 1, 1, 1)))
        elif kind == "relu":
            make.follow(g.Activation, function="relu")
        else:
            make.follow(g.Pool, function="max", kernel=(3, 3), stride=(2, 2), padding=(1, 1, 1, 1))
    graph = build.graph({"maps": make.last})
    x = make.normal(3, 2, 18, 20)

    def one(raw: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"maps": np.ones((1, *raw["maps"].shape))}

    last = np.moveaxis(x, 1, -1)
    together = share(graph, last, rules, graph.outputs, one).values
    alone = np.concatenate([share(graph, part[None], rules, graph.outputs, one).values for part in last], axis=1)
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-4 * np.abs(alone).max())


# --- each rule once more ------------------------------------------------------------------------------------------


def dense(rule: LrpRule, x: np.ndarray, w: np.ndarray, b: np.ndarray, relevance: np.ndarray, low: float, high: float):
    """Share relevance among the inputs of one matrix, number by number."""
    handed = np.zeros_like(x)
    for j in range(len(b)):
        z = [x[i] * w[j, i] for i in range(len(x))]
        total = sum(z) + b[j]
        sign = lambda value: 1e-6 if value >= 0 else -1e-6  # noqa: E731
        up, down = sum(max(one, 0) for one in z) + max(b[j], 0), sum(min(one, 0) for one in z) + min(b[j], 0)
        box = [z[i] - low * max(w[j, i], 0) - high * min(w[j, i], 0) for i in range(len(x))]
        for i in range(len(x)):
            match rule:
                case LrpRule.EPSILON:
                    part = z[i] / (total + sign(total))
                case LrpRule.Z_PLUS:
                    part = max(z[i], 0) / (up + 1e-6)
                case LrpRule.ALPHA_BETA:
                    part = 2 * max(z[i], 0) / (up + 1e-6) - min(z[i], 0) / (down + sign(down))
                case LrpRule.GAMMA:
                    favored = up if total > 0 else down
                    more = max(z[i], 0) if total > 0 else min(z[i], 0)
                    whole = total + 0.25 * favored
                    part = (z[i] + 0.25 * more) / (whole + sign(whole))
                case LrpRule.FLAT:
                    part = 1 / (len(x) + 1e-6)
                case LrpRule.Z_BOX:
                    part = box[i] / (sum(box) + sign(sum(box)))
            handed[i] += part * relevance[j]
    return handed


@pytest.mark.parametrize("rule", list(LrpRule))
def test_the_rules_of_layers_of_weights(rule: LrpRule) -> None:
    w, v, b, c = RNG.normal(size=(5, 6)), RNG.normal(size=(3, 5)), RNG.normal(size=5), RNG.normal(size=3)
    x = RNG.uniform(-1, 1, size=6)
    build = g.Builder()
    flat = build.add(g.Reshape, [build.input((1, 2, 3))], target=(6,))
    hidden = build.add(g.Linear, [flat], weight=w.astype(np.float32), bias=b.astype(np.float32))
    relu = build.add(g.Activation, [hidden], function="relu")
    graph = build.graph({"y": build.add(g.Linear, [relu], weight=v.astype(np.float32), bias=c.astype(np.float32))})
    limits = np.full((2, 3, 1), -1, np.float32), np.full((2, 3, 1), 1, np.float32)
    second = LrpRule.EPSILON if rule in (LrpRule.FLAT, LrpRule.Z_BOX) else rule
    given = LayerwiseRules(rule, second, second, limits=limits)
    found = share(
        graph, x.reshape(1, 2, 3, 1), given, graph.outputs, lambda raw: {"y": np.array([[[0.0, 1, 0]]])}, torch.float64
    )
    middle = np.maximum(w.astype(np.float32) @ x + b.astype(np.float32), 0)
    start = np.array([0, v.astype(np.float32)[1] @ middle + c.astype(np.float32)[1], 0])
    inner = dense(second, middle, v.astype(np.float32), c.astype(np.float32), start, 0, 0)
    wanted = dense(rule, x, w.astype(np.float32), b.astype(np.float32), inner, -1, 1)
    np.testing.assert_allclose(found.values.ravel(), wanted, rtol=1e-4, atol=1e-6)
    assert found.rules == {
        "Reshape: moved": 1, f"Linear: {rule}": 1, "Activation: passed": 1, f"Linear: {second}": 1
    } or rule == second  # fmt: skip


def attention_graph() -> tuple[g.Graph, dict[str, np.ndarray]]:
    build = g.Builder()
    tokens = build.add(g.Reshape, [build.input((1, 4, 3))], target=(4, 3))
    given = {name: RNG.normal(size=(3, 3)).astype(np.float32) for name in "qkv"}
    norm = build.add(g.LayerNorm, [tokens], axes=(1,), epsilon=1e-5, scale=np.array([1, 2, 0.5], np.float32))
    q, k, v = (build.add(g.Linear, [norm], weight=given[name]) for name in "qkv")
    made = build.add(g.Attention, [q, k, v], scale=0.7)
    return build.graph({"y": build.add(g.Reduce, [made], function="sum", axes=(0, 1))}), given


def by_share_slowly(
    f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, relevance: np.ndarray, epsilon: float = 1e-6
) -> np.ndarray:
    """Share by parts x_i df_j/dx_i / f_j, slopes from the function's own values: it is linear."""
    zero, z = f(np.zeros_like(x)), f(x)
    handed = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        unit = np.zeros_like(x)
        unit[place] = x[place]
        handed[place] = ((f(unit) - zero) / (z + np.where(z >= 0, epsilon, -epsilon)) * relevance).sum()
    return handed


@pytest.mark.parametrize("attention", ["shared", "constant"])
def test_the_rules_of_attention(attention: str) -> None:
    graph, given = attention_graph()
    x = RNG.normal(size=(4, 3)).astype(np.float32).astype(np.float64)
    rules = LayerwiseRules(LrpRule.EPSILON, LrpRule.EPSILON, LrpRule.EPSILON, attention=attention)  # type: ignore[arg-type]
    found = share(graph, x.reshape(1, 4, 3, 1), rules, graph.outputs, lambda raw: {"y": np.ones((1, 1))}, torch.float64)
    scale = np.array([1, 2, 0.5])
    spread = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    normed = (x - x.mean(axis=1, keepdims=True)) / spread * scale
    q, k, v = (normed @ given[name].T.astype(np.float64) for name in "qkv")
    logits = 0.7 * q @ k.T
    weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    out = weights @ v
    relevance = by_share_slowly(lambda o: o.sum(), out, out.sum())
    part = 0.5 if attention == "shared" else 1.0
    inner = by_share_slowly(lambda b: weights @ b, v, part * relevance)
    to_norm = by_share_slowly(lambda n: n @ given["v"].T.astype(np.float64), normed, inner)
    if attention == "shared":
        of_weights = by_share_slowly(lambda a: a @ v, weights, part * relevance)
        of_logits = logits * (of_weights - weights * of_weights.sum(axis=1, keepdims=True))
        of_q = by_share_slowly(lambda a: 0.7 * a @ k.T, q, part * of_logits)
        of_k = by_share_slowly(lambda a: 0.7 * q @ a.T, k, part * of_logits)
        to_norm += by_share_slowly(lambda n: n @ given["q"].T.astype(np.float64), normed, of_q)
        to_norm += by_share_slowly(lambda n: n @ given["k"].T.astype(np.float64), normed, of_k)
    wanted = by_share_slowly(lambda t: (t - t.mean(axis=1, keepdims=True)) / spread * scale, x, to_norm)
    np.testing.assert_allclose(found.values.reshape(4, 3), wanted, rtol=1e-3, atol=1e-5 * np.abs(wanted).max())


def test_deeplift_of_a_product_a_quotient_and_the_largest() -> None:
    build = g.Builder()
    x = build.input((1, 1, 2))
    a, b = (build.add(g.Slice, [x], axis=2, start=i, stop=i + 1) for i in (0, 1))
    functions = ("multiply", "divide", "maximum", "minimum")
    graph = build.graph({f: build.add(g.Elementwise, [a, b], function=f) for f in functions})  # type: ignore[arg-type]
    (a1, b1), (a0, b0) = (3.0, 2.0), (1.0, 4.0)
    for name, wanted in {
        "multiply": ((a1 - a0) * (b1 + b0) / 2, (b1 - b0) * (a1 + a0) / 2),
        "divide": ((a1 - a0) * (1 / b1 + 1 / b0) / 2, (1 / b1 - 1 / b0) * (a1 + a0) / 2),
        "maximum": (0.0, -1.0),  # a fall from 4 to 3: it comes from what was the largest
        "minimum": (1.0, 0.0),  # a rise from 1 to 2: it comes from what was the smallest
    }.items():
        found = share(
            graph,
            np.array([a1, b1]).reshape(1, 1, 2, 1),
            RescaleRule(np.array([a0, b0]).reshape(1, 2, 1)),
            {name: graph.outputs[name]},
            lambda raw: {key: np.ones((1, *value.shape)) for key, value in raw.items()},
            torch.float64,
        )
        np.testing.assert_allclose(found.values.ravel(), wanted, rtol=1e-6)


def test_a_power_of_two_numbers_of_the_picture_is_refused_by_name() -> None:
    build = g.Builder()
    x = build.input((1, 2, 2))
    graph = build.graph({"y": build.add(g.Elementwise, [x, x], function="power", layer="odd")})
    for rules in (EPSILON, RescaleRule(np.ones((2, 2, 1), np.float32))):
        with pytest.raises(NotSupportedError, match=r"no rule for Elementwise \(power\) at the layer 'odd'"):
            shared(graph, np.ones((1, 1, 2, 2)), rules)


def test_an_operation_that_nobody_knows_is_refused_by_name() -> None:
    class Odd(g.Op):
        pass

    build = g.Builder()
    odd = build.add(Odd, [build.input((1, 2, 2))], layer="block.odd")
    with pytest.raises(NotSupportedError, match="Odd"):
        shared(build.graph({"y": odd}), np.ones((1, 1, 2, 2)), EPSILON)


@pytest.mark.parametrize("seed", range(25))
def test_folding_batch_norms_changes_nothing(seed: int) -> None:
    graph = random_graph(Making(random.Random(seed)), 8)
    x = np.random.default_rng(seed).normal(size=(1, *graph.ops[0].shape)).astype(np.float32)
    made, wanted = reference.outputs(folded(graph), x), reference.outputs(graph, x)
    for name, value in wanted.items():
        np.testing.assert_allclose(made[name], value, rtol=0, atol=1e-5 * max(1e-3, np.abs(value).max()))


def test_batch_norms_after_every_layer_of_weights_are_folded() -> None:
    build = g.Builder()
    scale = lambda n: {"scale": RNG.normal(size=n).astype("f"), "shift": RNG.normal(size=n).astype("f")}  # noqa: E731
    weight = RNG.normal(size=(4, 3, 2, 2)).astype(np.float32)
    up = build.add(g.ConvTranspose, [build.input((4, 3, 3))], weight=weight, groups=2, stride=(2, 2))
    flat = build.add(g.Reshape, [build.add(g.Affine, [up], **scale(6))], target=(-1,))
    weight = RNG.normal(size=(5, 6 * 36)).astype(np.float32)
    end = build.add(g.Affine, [build.add(g.Linear, [flat], weight=weight)], **scale(5))
    graph = build.graph({"y": end})
    assert not any(isinstance(op, g.Affine) for op in folded(graph).ops)
    x = RNG.normal(size=(2, 4, 3, 3)).astype(np.float32)
    made, wanted = (reference.outputs(one, x)["y"] for one in (folded(graph), graph))
    np.testing.assert_allclose(made, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_a_vision_transformer_is_covered() -> None:
    graph = opened(Vit().eval()).graph()
    x = RNG.normal(size=(1, 3, 12, 12))
    found = shared(graph, x, EPSILON)
    assert {"Softmax: softmax": 3, "LayerNorm: normalization": 7}.items() <= found.rules.items()
    left = sums(found) + sum(found.absorbed.values()) - found.shared
    np.testing.assert_allclose(left, 0, atol=1e-5 * np.abs(found.values).sum())
    rescaled = shared(graph, x, RescaleRule(np.zeros((12, 12, 3), np.float32)))
    np.testing.assert_allclose(sums(rescaled), rescaled.shared, atol=1e-5 * np.abs(rescaled.values).sum())
