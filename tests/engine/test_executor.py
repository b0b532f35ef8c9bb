"""The plain executor gives what the engine, a slow reference and the network give, and so do its gradients."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

import picasso
from picasso.core import graph as g
from picasso.core.errors import NotSupportedError
from picasso.engine.executor import Executor, attention_apart, towards, unreached
from picasso.engine.occlusion import Engine
from tests.engine import reference
from tests.engine.random_graphs import random_case
from tests.models.networks import Vit


def by_reference(graph: g.Graph, x: torch.Tensor) -> dict[str, Any]:
    """Run the slow reference with gradients."""
    values: dict[str, Any] = {}
    for op in graph.ops:
        if isinstance(op, g.Input):
            values[op.name] = x
        elif isinstance(op, g.Constant):
            values[op.name] = torch.as_tensor(np.array(op.value)).to(x.dtype)[None]
        else:
            values[op.name] = reference._run(op, [values[name] for name in op.inputs], x.dtype)
    return {name: values[made].expand(len(x), *values[made].shape[1:]) for name, made in graph.outputs.items()}


@pytest.mark.parametrize("seed", range(60))
def test_values_and_gradients_of_random_graphs(seed: int) -> None:
    case = random_case(random.Random(seed))
    graph, x = case.graph, np.concatenate([case.x, case.x[..., ::-1]])
    run = Executor(graph)
    with torch.no_grad():
        made = run.outputs(torch.from_numpy(np.ascontiguousarray(x)))
    for name, value in Engine(graph).run(x).items():
        np.testing.assert_allclose(made[name].numpy(), value, rtol=0, atol=1e-4 * max(1e-3, np.abs(value).max()))
    exact, slow = (torch.from_numpy(x.astype(np.float64)).requires_grad_() for _ in range(2))
    ends, wanted = Executor(graph, dtype=torch.float64).outputs(exact), by_reference(graph, slow)
    rough = any(isinstance(op, g.LocalResponseNorm) for op in graph.ops)  # it computes in single precision always
    close = 1e-5 if rough else 1e-10
    for name in graph.outputs:
        size = float(wanted[name].detach().abs().max())
        torch.testing.assert_close(ends[name], wanted[name], rtol=0, atol=close * max(size, 1e-3))
    weights = [torch.from_numpy(np.random.default_rng(seed).normal(size=end.shape)) for end in ends.values()]
    pairs = []
    for start, answers in ((exact, ends), (slow, wanted)):
        reached = [(a, w) for a, w in zip(answers.values(), weights, strict=True) if a.requires_grad]
        (slope,) = torch.autograd.grad([a for a, _ in reached], start, [w for _, w in reached], allow_unused=True)
        pairs.append(torch.zeros_like(start) if slope is None else slope)
    if not rough:
        torch.testing.assert_close(*pairs, rtol=1e-6, atol=1e-12 + 1e-7 * float(pairs[1].abs().max()))


def relu_graph() -> tuple[g.Graph, str, str]:
    build = g.Builder()
    conv = build.add(g.Conv, [build.input((1, 3, 3))], weight=np.ones((1, 1, 1, 1), np.float32), layer="stem")
    relu = build.add(g.Activation, [conv], function="relu", layer="act")
    pooled = build.add(g.GlobalPool, [relu], function="mean", layer="pool")
    return build.graph({"scores": pooled}), conv, relu


def test_a_rule_replaces_how_an_operation_is_differentiated() -> None:
    graph, _, relu = relu_graph()

    def guided(op: g.Op, run: Any) -> Any:
        def ran(values: list[Any]) -> Any:
            return values[0] * 2 + (run(values) - values[0] * 2).detach()

        return ran if op.name == relu else run

    x = torch.tensor([[[[-1.0, 2, 0], [1, -3, 4], [0, 0, 0]]]], requires_grad=True)
    end = Executor(graph, {g.Activation: guided}).outputs(x)["scores"]
    assert end.item() == pytest.approx(7 / 9)
    (slope,) = torch.autograd.grad(end.sum(), x)
    torch.testing.assert_close(slope, torch.full_like(x, 2 / 9))


def test_an_operation_without_a_rule_is_refused_by_kind_and_layer() -> None:
    graph, _, _ = relu_graph()
    with pytest.raises(NotSupportedError, match=r"no rule for Activation \(relu\) at the layer 'act'"):
        Executor(graph, {g.Conv: lambda op, run: run}, None)


def test_only_what_is_wanted_is_kept_and_what_is_known_does_not_run() -> None:
    graph, conv, relu = relu_graph()
    x = torch.ones(2, 1, 3, 3)
    assert set(Executor(graph)(x, [conv])) == {conv, "pool"}
    assert set(Executor(graph)(x)) == {"input", conv, relu, "pool"}

    def refuse(op: g.Op, run: Any) -> Any:
        def ran(values: list[Any]) -> Any:
            raise AssertionError(op.name)

        return ran

    known = {relu: torch.full((2, 1, 3, 3), 5.0)}
    assert Executor(graph, {g.Conv: refuse}).outputs(x, known)["scores"].tolist() == [[5], [5]]


def test_attention_taken_apart_shows_its_weights() -> None:
    model = picasso.load_model(Vit().eval(), preprocessing=picasso.Preprocessing(size=12))
    graph = model.graph()
    build = g.Builder()
    x = build.input((2, 5, 4))
    mask = build.constant(np.where(np.eye(5) > 0, -np.inf, 0.3))
    made = build.add(g.Attention, [x, x, x, mask], scale=0.5, layer="heads")
    alone = build.graph({"made": made})
    for one, shape in ((graph, (2, 3, 12, 12)), (alone, (2, 2, 5, 4))):
        pictures = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        apart = attention_apart(one)
        assert not any(isinstance(op, g.Attention) for op in apart.ops)
        found, wanted = (Executor(each).outputs(pictures) for each in (apart, one))
        for name in wanted:
            torch.testing.assert_close(found[name], wanted[name], rtol=1e-5, atol=1e-6)
    weights = Executor(attention_apart(alone))(torch.ones(1, 2, 5, 4))[f"{made}:weights"]
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 2, 5))


def test_parts_of_a_graph() -> None:
    graph, conv, relu = relu_graph()
    part = towards(graph, [relu])
    assert [op.name for op in part.ops] == ["input", conv, relu]
    build = g.Builder()
    x, fixed = build.input((1, 2, 2)), build.constant(np.ones((1, 2, 2)))
    soft = build.add(g.Softmax, [x], axis=0, name="soft")
    total = build.add(g.Elementwise, [soft, fixed], function="add", name="sum")
    assert unreached(build.graph({"y": total})) == {fixed}
    assert unreached(build.graph({"y": total}), (g.Softmax,)) == {fixed, "soft", "sum"}


def test_a_network_of_one_channel_and_odd_strides() -> None:
    build = g.Builder()
    weight = np.random.default_rng(0).normal(size=(2, 1, 3, 3)).astype(np.float32)
    conv = build.add(g.Conv, [build.input((1, 9, 3))], weight=weight, stride=(1, 2), padding=(0, 1, 1, 0))
    graph = build.graph({"y": conv})
    x = np.random.default_rng(1).normal(size=(2, 1, 9, 3)).astype(np.float32)
    found = Executor(graph).outputs(torch.from_numpy(x))["y"].numpy()
    np.testing.assert_allclose(found, reference.outputs(graph, x)["y"], atol=1e-5)
