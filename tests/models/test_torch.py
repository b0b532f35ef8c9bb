"""The PyTorch adapter: heads, layers, gradients, ReLU rules, files; and that it leaves networks alone."""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.attr import Deconvolution, GuidedBackprop
from torch import nn

import picasso
from picasso.core.errors import ModelFileError, NotFoundError, UnsafeModelError
from picasso.core.facts import INPUT, ReluRule, Rules
from picasso.core.hooks import Head
from picasso.core.model import Model
from tests.models.networks import Clamped, Functional, InPlace, Plain, Shared, Threshold, seeded

SIZE = picasso.Preprocessing(size=12)
X = np.random.default_rng(1).normal(size=(3, 12, 12, 3)).astype(np.float32) * 2


def opened(network: nn.Module, **choices: object) -> Model:
    return picasso.load_model(network, preprocessing=SIZE, **choices)  # type: ignore[arg-type]


def channels_first(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x.transpose(0, 3, 1, 2).copy())


class With(nn.Module):
    """A network with something behind its scores."""

    def __init__(self, body: nn.Module, end: object) -> None:
        super().__init__()
        self.body, self.end = body, end

    def forward(self, x: torch.Tensor) -> object:
        return self.end(self.body(x))  # type: ignore[operator]


# --- prediction and heads ------------------------------------------------------------------------------------


def test_predict_agrees_with_the_network_itself() -> None:
    network = seeded(Plain).eval()
    with torch.no_grad():
        expected = network(channels_first(X)).numpy()
    np.testing.assert_allclose(opened(network).predict(X), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("end", "head"),
    [
        (nn.Softmax(1), Head.SOFTMAX),
        (lambda x: x.softmax(1), Head.SOFTMAX),
        (lambda x: torch.softmax(x, 1), Head.SOFTMAX),
        (lambda x: F.log_softmax(x, 1), Head.SOFTMAX),
        (torch.sigmoid, Head.SIGMOID),
        (nn.Sigmoid(), Head.SIGMOID),
    ],
)
def test_a_head_inside_the_network_is_found_and_the_logits_explained(end: object, head: Head) -> None:
    network = seeded(Plain).eval()
    model = opened(With(network, end))
    assert model.head is head
    assert model.facts.units == "logit"
    np.testing.assert_allclose(model.predict(X), opened(network).predict(X), atol=1e-6)


def test_probabilities_without_a_visible_head_become_log_probabilities() -> None:
    body = seeded(Plain).eval()
    model = opened(With(body, lambda x: x.exp() / x.exp().sum(1, keepdim=True)))
    assert model.facts.units == "log probability"
    np.testing.assert_allclose(
        model.probabilities(model.predict(X)), opened(body).probabilities(opened(body).predict(X)), atol=1e-5
    )


def test_one_sigmoid_column_is_two_classes() -> None:
    body = nn.Sequential(nn.Conv2d(3, 1, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = opened(body, labels=["decoy", "tank"])
    scores = model.predict(X)
    assert scores.shape == (3, 2)
    np.testing.assert_allclose(model.probabilities(scores).sum(1), 1, atol=1e-6)
    pulled = model.pullback(X, [model.target("tank"), model.target("decoy")])
    np.testing.assert_allclose(pulled.gradients[INPUT][0], -pulled.gradients[INPUT][1])


def test_the_head_can_be_declared() -> None:
    assert opened(seeded(Plain), head="sigmoid").head is Head.SIGMOID


@pytest.mark.parametrize("wrap", [lambda s: (s, None), lambda s: {"aux": s[:, :, None], "out": s}])
def test_tuples_and_dicts_of_outputs(wrap: object) -> None:
    body = seeded(Plain).eval()
    np.testing.assert_allclose(opened(With(body, wrap)).predict(X), opened(body).predict(X), atol=1e-6)


# --- layers and gradients ------------------------------------------------------------------------------------


def test_layers_are_listed_in_order_of_execution_with_shapes() -> None:
    layers = {layer.name: layer for layer in opened(seeded(Shared)).layers()}
    assert list(layers) == ["conv1", "bn", "relu1", "conv2", "relu1:2", "fc"]
    assert layers["relu1:2"].shape == (6, 6, 8)
    assert layers["fc"].shape == (5,)


@pytest.mark.parametrize("kind", [Plain, Functional, InPlace, Shared, Clamped])
def test_gradient_of_the_input_is_autograds(kind: type[Plain]) -> None:
    model = opened(seeded(kind))
    x = channels_first(X).requires_grad_()
    expected = [torch.autograd.grad(seeded(Plain).eval()(x)[:, k].sum(), x)[0].movedim(1, -1) for k in (1, 4)]
    pulled = model.pullback(X, [model.target(1), model.target(4), model.target("1 - 4")])
    np.testing.assert_allclose(pulled.gradients[INPUT][0], expected[0], atol=1e-6)
    np.testing.assert_allclose(pulled.gradients[INPUT][1], expected[1], atol=1e-6)
    np.testing.assert_allclose(pulled.gradients[INPUT][2], expected[0] - expected[1], atol=1e-6)


@pytest.mark.parametrize("kind", [Plain, Functional, InPlace])
def test_a_layer_before_an_in_place_relu_keeps_its_own_values(kind: type[Plain]) -> None:
    model = opened(seeded(kind))
    pulled = model.pullback(X, [model.target(0)], ["bn", "conv2"])
    body = seeded(Plain).eval()
    with torch.no_grad():
        before = body.bn(body.conv1(channels_first(X))).movedim(1, -1).numpy()
    assert (before < 0).any()
    np.testing.assert_allclose(pulled.values["bn"], before, atol=1e-6)
    np.testing.assert_allclose(model.activations(X, ["bn"])["bn"], before, atol=1e-6)
    reference = opened(seeded(Plain)).pullback(X, [model.target(0)], ["bn", "conv2"])
    for layer in ("bn", "conv2"):
        np.testing.assert_allclose(pulled.gradients[layer], reference.gradients[layer], atol=1e-7)


def test_gradients_agree_with_finite_differences() -> None:
    model = opened(seeded(Plain).double())
    target = model.target(2)
    gradient = model.pullback(X, [target]).gradients[INPUT][0]
    rng = np.random.default_rng(0)
    for _ in range(5):
        step = rng.normal(size=X.shape).astype(np.float32) * 1e-3
        change = model.predict(X + step)[:, 2].astype(float) - model.predict(X - step)[:, 2]
        np.testing.assert_allclose((gradient * 2 * step).sum((1, 2, 3)), change, rtol=0.02, atol=1e-5)


def test_unknown_layers_are_named_with_the_closest() -> None:
    with pytest.raises(NotFoundError, match="conv1"):
        opened(seeded(Plain)).activations(X, ["conv11"])


def test_batches_of_any_size_give_the_same() -> None:
    small, large = opened(seeded(Plain), batch_size=1), opened(seeded(Plain))
    np.testing.assert_allclose(small.predict(X), large.predict(X), atol=1e-6)
    target = [small.target(0)]
    np.testing.assert_allclose(
        small.pullback(X, target).gradients[INPUT], large.pullback(X, target).gradients[INPUT], atol=1e-7
    )


# --- the ReLU rules ------------------------------------------------------------------------------------------


def slow_rule(network: Plain, x: np.ndarray, column: int, rule: ReluRule, cap: float) -> np.ndarray:
    """The rule with loops of our own over a chain of layers, independent of hooks and of autograd's ReLU."""
    start = channels_first(x)
    before = [network.bn(network.conv1(start)).detach()]
    before.append(network.conv2(before[0].clamp(0, cap)).detach())
    count = before[1].shape[2] * before[1].shape[3]
    gradient = network.fc.weight[column].detach()[None, :, None, None].expand(before[1].shape) / count
    for index, stage in ((1, network.conv2), (0, lambda t: network.bn(network.conv1(t)))):
        values = before[index]
        if rule is ReluRule.STANDARD:
            gradient = gradient * ((values > 0) & (values < cap))
        elif rule is ReluRule.DECONVNET:
            gradient = gradient.clamp(min=0)
        else:
            gradient = gradient.clamp(min=0) * ((values > 0) & (values < cap))
        source = (before[0].clamp(0, cap) if index == 1 else start).clone().requires_grad_()
        (gradient,) = torch.autograd.grad(stage(source), source, gradient)
    return gradient.movedim(1, -1).numpy()


@pytest.mark.parametrize("rule", list(ReluRule))
@pytest.mark.parametrize("kind", [Plain, Functional, InPlace, Shared, Clamped, Threshold])
def test_relu_rules_however_the_relu_is_written(kind: type[Plain], rule: ReluRule) -> None:
    model = opened(seeded(kind))
    expected = slow_rule(seeded(Plain).eval(), X, 1, rule, float("inf"))
    found = model.pullback(X, [model.target(1)], rules=Rules(rule))
    np.testing.assert_allclose(found.gradients[INPUT][0], expected, atol=1e-6 * np.abs(expected).max())
    np.testing.assert_allclose(found.outputs["scores"], model.predict(X), atol=1e-6)


@pytest.mark.parametrize("rule", list(ReluRule))
def test_relu_rules_of_relu6(rule: ReluRule) -> None:
    network = seeded(Plain, cap=True).eval()
    expected = slow_rule(network, X, 1, rule, 6.0)
    with torch.no_grad():
        assert (network.bn(network.conv1(channels_first(X))) > 6).any(), "the cap must be reached"
    found = opened(network).pullback(X, [opened(network).target(1)], rules=Rules(rule)).gradients[INPUT][0]
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(("rule", "oracle"), [(ReluRule.GUIDED, GuidedBackprop), (ReluRule.DECONVNET, Deconvolution)])
@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU activations")
def test_relu_rules_agree_with_captum_on_module_relus(rule: ReluRule, oracle: type) -> None:
    network = seeded(Plain).eval()
    expected = oracle(network).attribute(channels_first(X).requires_grad_(), target=2).detach().movedim(1, -1).numpy()
    found = opened(seeded(Functional)).pullback(X, [opened(network).target(2)], rules=Rules(rule))
    np.testing.assert_allclose(found.gradients[INPUT][0], expected, atol=1e-6 * np.abs(expected).max())


# --- files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"state_dict": s}, lambda s: {f"module.{k}": v for k, v in s.items()}]
)
def test_state_dicts_in_their_usual_wrappings(tmp_path: Path, wrap: object) -> None:
    network = seeded(Plain).eval()
    torch.save(wrap(network.state_dict()), tmp_path / "net.pt")  # type: ignore[operator]
    model = picasso.load_model(tmp_path / "net.pt", factory=Plain, preprocessing=SIZE)
    np.testing.assert_allclose(model.predict(X), opened(network).predict(X), atol=1e-6)


def test_safetensors_with_a_factory_in_a_file(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    network = seeded(Plain).eval()
    save_file(network.state_dict(), tmp_path / "net.safetensors")
    (tmp_path / "make.py").write_text("from tests.models.networks import Plain\ndef make():\n    return Plain()\n")
    model = picasso.load_model(tmp_path / "net.safetensors", factory=f"{tmp_path / 'make.py'}:make", preprocessing=SIZE)
    np.testing.assert_allclose(model.predict(X), opened(network).predict(X), atol=1e-6)


@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize("rule", list(ReluRule))
def test_exported_programs(tmp_path: Path, dynamic: bool, rule: ReluRule) -> None:
    network = seeded(Functional).eval()
    shapes = ({0: torch.export.Dim.DYNAMIC},) if dynamic else None
    program = torch.export.export(With(network, nn.Softmax(1)).eval(), (channels_first(X[:2]),), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "net.pt2")
    model = picasso.load_model(tmp_path / "net.pt2", preprocessing=SIZE)
    live = opened(network)
    assert model.head is Head.SOFTMAX
    assert model.facts.units == "logit"
    assert model.facts.fixed_batch == (None if dynamic else 2)
    np.testing.assert_allclose(model.predict(X), live.predict(X), atol=1e-6)
    assert "conv2d" in [layer.name for layer in model.layers()]
    found = model.pullback(X, [model.target(1)], [INPUT, "conv2d_1"], Rules(rule))
    expected = live.pullback(X, [live.target(1)], [INPUT, "conv2"], Rules(rule))
    np.testing.assert_allclose(found.gradients[INPUT], expected.gradients[INPUT], atol=1e-7)
    np.testing.assert_allclose(found.gradients["conv2d_1"], expected.gradients["conv2"], atol=1e-7)


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    state = seeded(Plain).state_dict()
    state["extra"] = state.pop("fc.bias")
    state["conv2.bias"] = torch.zeros(9)
    torch.save(state, tmp_path / "net.pt")
    with pytest.raises(ModelFileError, match=r"1 missing \(fc.bias\); 1 unknown \(extra\); 1 of another shape"):
        picasso.load_model(tmp_path / "net.pt", factory=Plain)


def test_a_pickled_network_is_refused_with_the_way_out(tmp_path: Path) -> None:
    torch.save(seeded(Plain), tmp_path / "whole.pt")
    with pytest.raises(UnsafeModelError, match="state_dict"):
        picasso.load_model(tmp_path / "whole.pt")


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("exploded"),))  # type: ignore[return-value]


def test_a_hostile_pickle_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bomb.pt").write_bytes(pickle.dumps(_Bomb(), protocol=2))
    with pytest.raises(UnsafeModelError):
        picasso.load_model("bomb.pt")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("target", "torch.hub.load"),
        ("target", "_operator.methodcaller"),
        ("expr_str", "__import__('os').system('touch exploded')"),
        ("expr_str", "Symbol('s0').__class__"),
        ("expr_str", "input()"),
    ],
)
def test_exported_programs_that_would_run_code_are_refused(tmp_path: Path, key: str, value: str) -> None:
    program = torch.export.export(
        seeded(Plain).eval(), (channels_first(X[:2]),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)
    )
    torch.export.save(program, tmp_path / "good.pt2")
    picasso.load_model(tmp_path / "good.pt2", preprocessing=SIZE)
    with zipfile.ZipFile(tmp_path / "good.pt2") as good, zipfile.ZipFile(tmp_path / "bad.pt2", "w") as bad:
        for name in good.namelist():
            content = good.read(name).decode() if name.endswith("model.json") else good.read(name)
            if isinstance(content, str):
                content = re.sub(f'"{key}": "[^"]*"', f'"{key}": {json.dumps(value)}', content, count=1)
                assert value in content
            bad.writestr(name, content)
    with pytest.raises(UnsafeModelError, match="would run code"):
        picasso.load_model(tmp_path / "bad.pt2", preprocessing=SIZE)


def test_a_pickle_inside_an_exported_program_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = torch.export.export(seeded(Plain).eval(), (channels_first(X[:2]),))
    torch.export.save(program, "good.pt2")
    with zipfile.ZipFile("good.pt2") as good, zipfile.ZipFile("bad.pt2", "w") as bad:
        for name in good.namelist():
            bomb = pickle.dumps(_Bomb(), protocol=2)
            bad.writestr(name, bomb if "sample_inputs" in name else good.read(name))
    with pytest.raises(ModelFileError):
        picasso.load_model("bad.pt2", preprocessing=SIZE)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty file"), (b"hello, I am text\n" * 9, "text file"), (b"\x89PNG" + bytes(60), "PNG picture")],
)
def test_misnamed_files_are_named_for_what_they_are(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "net.pt").write_bytes(content)
    with pytest.raises(ModelFileError, match=said):
        picasso.load_model(tmp_path / "net.pt")


# --- nothing is changed --------------------------------------------------------------------------------------


def test_a_live_network_is_left_as_it_was_found() -> None:
    network = seeded(InPlace).train()
    network.conv2.eval()
    network.fc.weight.requires_grad_(False)
    (network(channels_first(X)).sum() * 0.1).backward()
    calls: list[int] = []
    network.fc.register_forward_hook(lambda *_: calls.append(1))

    def state() -> list[object]:
        modes = [(name, part.training, len(part._forward_hooks)) for name, part in network.named_modules()]
        tensors = [(n, t.detach().clone().numpy().tobytes()) for n, t in network.state_dict().items()]
        grads = [
            (n, p.requires_grad, None if p.grad is None else p.grad.numpy().tobytes())
            for n, p in network.named_parameters()
        ]
        return [modes, tensors, grads]

    before = state()
    model = opened(network)
    model.predict(X)
    model.layers()
    model.pullback(X, [model.target(0)], [INPUT, "bn"], Rules(ReluRule.GUIDED))
    with pytest.raises(NotFoundError):
        model.activations(X, ["nothing"])
    with pytest.raises(picasso.PicassoError):
        model.predict(np.zeros((1, 12, 12, 7), np.float32))
    assert state() == before
    assert calls, "the user's own hooks still run"


def test_half_precision_networks_are_explained_in_float32() -> None:
    model = opened(seeded(Plain).to(torch.bfloat16))
    pulled = model.pullback(X, [model.target(0)])
    assert pulled.gradients[INPUT].dtype == np.float32
    np.testing.assert_allclose(model.predict(X), opened(seeded(Plain)).predict(X), atol=0.1, rtol=0.1)


def test_the_digest_follows_the_parameters() -> None:
    network = seeded(Plain)
    model = opened(network)
    before = model.digest
    assert before == model.digest
    with torch.no_grad():
        network.fc.bias[0] += 1
    assert model.digest != before


def test_out_of_memory_halves_the_batch() -> None:
    class Hungry(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) > 3:
                raise torch.OutOfMemoryError("too much")
            return super().forward(x)

    network = Hungry()
    network.load_state_dict(seeded(Plain).state_dict())
    model = opened(network)
    x = np.concatenate([X, X, X])
    np.testing.assert_allclose(model.predict(x), opened(seeded(Plain)).predict(x), atol=1e-6)
    assert model.batch_size <= 3


def test_what_a_network_does_to_its_input_in_place_reaches_nothing() -> None:
    class Shifts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x -= 0.5
            return self.conv(x).mean((2, 3))

    model = picasso.load_model(Shifts(), preprocessing=picasso.Preprocessing(size=12, color="grey"))
    x = X[..., :1].copy()
    first = model.predict(x)
    np.testing.assert_array_equal(x, X[..., :1])
    np.testing.assert_array_equal(model.predict(x), first)


def test_a_network_without_gradients_is_no_explanation() -> None:
    class Detached(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return super().forward(x)

    model = opened(Detached())
    for wrt in (INPUT, "conv1"):
        with pytest.raises(picasso.PicassoError, match="detaches") as caught:
            model.pullback(X, [model.target(0)], [wrt])
        assert caught.value.code == "not-supported"


def test_small_logits_behind_a_normalization_are_no_probabilities() -> None:
    for seed in range(12):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        )
        assert opened(network).facts.units == "logit", seed


def test_checkpointed_networks_keep_their_statistics() -> None:
    from torch.utils.checkpoint import checkpoint

    class Checkpointed(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = checkpoint(lambda t: torch.relu(self.bn(self.conv1(t))), x, use_reentrant=False)
            return self.fc(torch.relu(self.conv2(x)).mean((2, 3)))

    network = seeded(Checkpointed).train()
    before = network.bn.running_mean.clone()
    found = opened(network).pullback(X, [opened(network).target(1)]).gradients[INPUT]
    expected = opened(seeded(Plain)).pullback(X, [opened(seeded(Plain)).target(1)]).gradients[INPUT]
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert torch.equal(network.bn.running_mean, before)


def test_outputs_of_unclear_meaning_are_refused_and_named_ones_taken() -> None:
    body = seeded(Plain).eval()
    with pytest.raises(picasso.PicassoError, match=r"several outputs: 0 \(3,\), 1 \(5,\)"):
        opened(With(body, lambda s: (s[:, :3], s)))
    model = opened(With(body, lambda s: {"embedding": s[:, :3], "logits": s}))
    np.testing.assert_allclose(model.predict(X), opened(body).predict(X), atol=1e-6)


def test_a_squeezed_binary_head_is_one_column() -> None:
    body = nn.Sequential(nn.Conv2d(3, 1, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Flatten(0))
    assert opened(body, labels=["decoy", "tank"]).predict(X).shape == (3, 2)


def test_wrapped_networks_show_their_layers() -> None:
    names = [layer.name for layer in opened(nn.DataParallel(seeded(Plain))).layers()]
    assert names[0] == "conv1"
