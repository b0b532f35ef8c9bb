"""The family of class activation maps: closed forms, slow re-implementations, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import picasso
from picasso.core import registry
from picasso.core.attribution import Attribution, enlarge
from picasso.core.errors import CanceledError, NotFoundError, NotSupportedError, SettingsError
from picasso.core.model import Model
from picasso.shell import flags
from tests.models.networks import InPlace, Plain, Vit, seeded
from tests.models.test_onnx_exports import exported
from tests.oracle.scene import X, network

WEIGHING = ("grad-cam", "grad-cam-plus-plus", "xgrad-cam", "layer-cam", "hires-cam")
"""Methods of feature maps and gradients."""
FAMILY = (*WEIGHING, "cam", "score-cam", "ablation-cam", "eigen-cam")
INPUT = torch.from_numpy(X)


def opened(net: nn.Module, side: int = 32, **choices: Any) -> Model:
    return picasso.load_model(net, preprocessing=picasso.Preprocessing(size=side), **choices)


def explained(net: nn.Module | Model, name: str, given: Any = INPUT[0], **choices: Any) -> Attribution:
    model = net if isinstance(net, Model) else opened(net)
    result = picasso.explain(model, given, name, **choices)
    assert isinstance(result, picasso.Result)
    return result.attributions[0]


def native(net: nn.Module | Model, name: str, **choices: Any) -> np.ndarray:
    """Return the layer's own map with both signs."""
    values = explained(net, name, keep_negative=True, **choices).native
    assert values is not None
    return values


def parts(net: nn.Module, layer: str, target: int, x: torch.Tensor = INPUT) -> tuple[np.ndarray, np.ndarray]:
    """Return a layer's feature maps and the gradient of a class score by them, (channels, rows, columns), by a hook."""
    kept: list[torch.Tensor] = []

    def keep(part: nn.Module, given: object, made: torch.Tensor) -> torch.Tensor:
        made = made.detach().requires_grad_()
        kept.append(made)
        return made.clone()  # what follows in place must not reach it

    handle = net.get_submodule(layer).register_forward_hook(keep)
    try:
        score = net.eval()(x)[0, target]
    finally:
        handle.remove()
    (slope,) = torch.autograd.grad(score, kept)
    return kept[0][0].detach().double().numpy(), slope[0].double().numpy()


# --- the formulas, written slowly ---------------------------------------------------------------------------------


def slow_grad_cam(features: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    total = np.zeros(features.shape[1:])
    for feature, slope in zip(features, gradient, strict=True):
        total += slope.mean() * feature
    return total


def slow_grad_cam_plus_plus(features: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    total = np.zeros(features.shape[1:])
    for feature, slope in zip(features, gradient, strict=True):
        weight, all_of_it = 0.0, feature.sum()
        for g in slope.flat:
            if g > 0:
                weight += g * g**2 / (2 * g**2 + all_of_it * g**3)
        total += weight * feature
    return total


def slow_xgrad_cam(features: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    total = np.zeros(features.shape[1:])
    for feature, slope in zip(features, gradient, strict=True):
        if feature.sum():
            total += (slope * feature / feature.sum()).sum() * feature
    return total


def slow_layer_cam(features: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    return np.asarray(sum(f * g.clip(min=0) for f, g in zip(features, gradient, strict=True)))


def slow_hires_cam(features: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    return np.asarray(sum(f * g for f, g in zip(features, gradient, strict=True)))


SLOW: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "grad-cam": slow_grad_cam,
    "grad-cam-plus-plus": slow_grad_cam_plus_plus,
    "xgrad-cam": slow_xgrad_cam,
    "layer-cam": slow_layer_cam,
    "hires-cam": slow_hires_cam,
}


@pytest.mark.parametrize("name", WEIGHING)
@pytest.mark.parametrize(("kind", "layer"), [("plain", "relu1"), ("flat", "pool"), ("residual", "relu2")])
def test_the_formula_written_slowly_gives_the_same(name: str, kind: str, layer: str) -> None:
    expected = SLOW[name](*parts(network(kind), layer, 2))
    found = native(network(kind), name, target=2, layer=layer)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    cut = explained(network(kind), name, target=2, layer=layer)
    assert cut.sign == "unsigned"
    np.testing.assert_array_equal(cut.native, np.maximum(found, 0))
    np.testing.assert_array_equal(cut.values, enlarge(np.maximum(found, 0), 32, 32))


@pytest.mark.parametrize("variant", ["softmax", "probability"])
@pytest.mark.parametrize("layer", ["relu1", "relu2"])
def test_score_cam_written_slowly_gives_the_same(variant: str, layer: str) -> None:
    net, target = network("plain"), 3
    features, _ = parts(net, layer, target)
    scores = []
    with torch.no_grad():
        for feature in features.astype(np.float32):
            up = torch.nn.functional.interpolate(torch.from_numpy(feature)[None, None], (32, 32), mode="bilinear")
            span = up.max() - up.min()
            mask = (up - up.min()) / span if span > 0 else torch.zeros_like(up)
            answer = net(INPUT * mask)[0].double()
            scores.append(float(answer[target] if variant == "softmax" else answer.softmax(0)[target]))
    weights = np.exp(scores) / np.exp(scores).sum() if variant == "softmax" else np.array(scores)
    expected = np.einsum("k,khw->hw", weights, features)
    found = native(net, "score-cam", target=target, layer=layer, variant=variant)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(("kind", "layer"), [("plain", "conv2"), ("flat", "pool"), ("residual", "relu1")])
def test_ablation_cam_written_slowly_gives_the_same(kind: str, layer: str) -> None:
    net, target = network(kind), 1
    features, _ = parts(net, layer, target)
    expected = np.zeros(features.shape[1:])
    with torch.no_grad():
        whole = float(net(INPUT)[0, target])
        for channel, feature in enumerate(features):

            def silence(part: nn.Module, given: object, made: torch.Tensor, channel: int = channel) -> torch.Tensor:
                made = made.clone()
                made[:, channel] = 0
                return made

            handle = net.get_submodule(layer).register_forward_hook(silence)
            expected += (whole - float(net(INPUT)[0, target])) * feature
            handle.remove()
    found = native(network(kind), "ablation-cam", target=target, layer=layer)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("layer", ["relu1", "conv2"])
def test_eigen_cam_is_the_first_component_by_power_iteration(layer: str, center: bool) -> None:
    features, _ = parts(network("plain"), layer, 0)
    rows = features.reshape(len(features), -1).T
    matrix = rows - rows.mean(axis=0) if center else rows
    vector = np.ones(matrix.shape[1])
    for _ in range(3000):
        vector = matrix.T @ (matrix @ vector)
        vector /= np.linalg.norm(vector)
    expected = matrix @ vector
    found = native(network("plain"), "eigen-cam", layer=layer, center=center).ravel()
    assert found @ rows.sum(axis=1) > 0  # more active places have larger values
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-4 * np.abs(expected).max())
    np.testing.assert_allclose(found * np.sign(found @ expected), expected, atol=1e-4 * np.abs(expected).max())


# --- closed forms -------------------------------------------------------------------------------------------------


def test_cam_takes_the_score_apart() -> None:
    net = network("plain")
    features, _ = parts(net, "relu2", 4)
    expected = np.einsum("k,khw->hw", net.head.weight[4].double().numpy(), features)
    found = native(net, "cam", target=4)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    score = explained(net, "cam", target=4).score
    assert found.mean() + float(net.head.bias[4]) == pytest.approx(score, rel=1e-4)


@given(seed=st.integers(0, 10_000), channels=st.integers(1, 6), target=st.integers(0, 2))
@settings(max_examples=8)
def test_on_networks_that_pool_everything_methods_agree(seed: int, channels: int, target: int) -> None:
    """Grad-CAM is CAM divided by the number of places, and HiRes-CAM and XGrad-CAM are Grad-CAM."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(3, channels, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3)
    )
    model = opened(net, 8)
    x = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(seed))
    found = {
        name: native(model, name, given=x, target=target, layer="1")
        for name in ("cam", "grad-cam", "hires-cam", "xgrad-cam")
    }
    scale = np.abs(found["cam"]).max()
    for name in ("grad-cam", "hires-cam", "xgrad-cam"):
        np.testing.assert_allclose(found[name] * 36, found["cam"], atol=1e-4 * scale + 1e-7)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=8)
def test_xgrad_cam_and_hires_cam_keep_the_sum(seed: int) -> None:
    """Both sum to gradient times activation, which is the score where ReLUs and layers without bias follow."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3, bias=False), nn.ReLU(), nn.Flatten(),
        nn.Linear(5 * 16, 3, bias=False),
    )  # fmt: skip
    model = opened(net, 8)
    x = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(seed))
    score = float(net(x[None])[0, 1].detach())
    for name in ("xgrad-cam", "hires-cam"):
        found = native(model, name, given=x, target=1, layer="1").astype(np.float64)
        assert found.sum() == pytest.approx(score, rel=1e-3, abs=1e-4 * np.abs(found).sum())


def test_ablation_cam_of_a_linear_head_is_what_each_channel_brings() -> None:
    net = network("plain")
    features, _ = parts(net, "relu2", 0)
    brings = net.head.weight[0].double().numpy() * features.mean(axis=(1, 2))
    expected = np.einsum("k,khw->hw", brings, features)
    np.testing.assert_allclose(
        native(net, "ablation-cam", target=0, layer="relu2"), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()
    )


def test_ablation_cam_does_not_turn_over_where_the_score_is_negative() -> None:
    net = network("plain")
    before = native(net, "ablation-cam", target=0)
    with torch.no_grad():
        net.head.bias[0] -= 100
    attribution = explained(net, "ablation-cam", target=0, keep_negative=True)
    assert attribution.score < 0
    np.testing.assert_allclose(attribution.native, before, rtol=1e-2, atol=1e-3 * np.abs(before).max())


def test_grad_cam_plus_plus_of_one_channel_by_hand() -> None:
    """One channel, two places: A = (1, 3), g = (.5, -.25); only the first counts: .5 * 1 / (2 + 4 * .5) = 1/8."""

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.same = nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.same(x)
            slopes = torch.tensor([0.5, -0.25])
            score = (x[:, 0, 0] * slopes).sum(1, keepdim=True)
            return torch.cat([score, -score], 1)

    model = picasso.load_model(Two(), preprocessing=picasso.Preprocessing(size=(1, 2), color="grey"))
    x = np.array([1.0, 3.0], np.float32).reshape(1, 1, 2, 1)
    found = picasso.explain(model, x, "grad-cam-plus-plus", target=0, layer="same")[0].attributions[0]
    np.testing.assert_allclose(found.native, [[1 / 8, 3 / 8]], rtol=1e-6)


@pytest.mark.parametrize("kind", ["plain", "residual"])
def test_grad_cam_agrees_with_captum(kind: str) -> None:
    net = network(kind).requires_grad_(True)
    oracle = LayerGradCam(net, net.conv2).attribute(INPUT, target=2)[0, 0].detach().numpy()
    found = native(network(kind), "grad-cam", target=2, layer="conv2")
    np.testing.assert_allclose(found, oracle, rtol=1e-4, atol=1e-5 * np.abs(oracle).max())


# --- what is refused, and what is said ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "layer"), [("flat", ""), ("plain", "conv2"), ("plain", "relu1"), ("residual", "relu1")]
)
def test_cam_is_refused_where_another_head_follows(kind: str, layer: str) -> None:
    with pytest.raises(NotSupportedError, match="global average pooling and one linear layer behind"):
        explained(network(kind), "cam", layer=layer)


def test_cam_is_refused_where_a_hidden_layer_follows_the_pooling() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 9),
        nn.ReLU(),
        nn.Linear(9, 3),
    )
    with pytest.raises(NotSupportedError, match="linear layer"):
        explained(net, "cam")


@pytest.mark.parametrize("name", ["grad-cam", "xgrad-cam", "hires-cam", "cam", "ablation-cam", "score-cam"])
def test_evidence_that_is_all_negative_is_said(name: str) -> None:
    net = network("plain")
    choices: dict[str, Any] = {}
    with torch.no_grad():
        net.head.weight[:] = -net.head.weight.abs()
        if name == "score-cam":  # whose weights have no sign: here it is the features that have
            net.conv2.bias[:] = -1000
            choices["layer"] = "conv2"
    attribution = explained(net, name, target=1, **choices)
    assert not attribution.values.any()
    assert any("all evidence is negative" in note for note in attribution.notes)
    kept = explained(net, name, target=1, keep_negative=True, **choices)
    assert kept.sign == "signed"
    assert (kept.values < 0).any()
    assert not any("all evidence is negative" in note for note in kept.notes)


@pytest.mark.parametrize("name", ["grad-cam-plus-plus", "layer-cam"])
def test_methods_of_positive_slopes_see_nothing_where_all_are_negative(name: str) -> None:
    net = network("plain")
    with torch.no_grad():
        net.head.weight[:] = -net.head.weight.abs()
    assert not explained(net, name, target=1, keep_negative=True).values.any()


@pytest.mark.parametrize("name", [*WEIGHING, "cam"])
def test_a_gradient_that_is_zero_is_said(name: str) -> None:
    net = network("plain")
    with torch.no_grad():
        net.head.weight.zero_()
    attribution = explained(net, name, target=1)
    assert not attribution.values.any()
    assert "zero everywhere" in attribution.notes[0]
    assert "saturation" in attribution.notes[0]


def test_what_the_formulas_do_not_hold_for_is_said() -> None:
    for name, word in (("xgrad-cam", "negative activations"), ("grad-cam-plus-plus", "negative sums")):
        assert word in explained(network("plain"), name, layer="conv2").notes[0]
        assert not explained(network("plain"), name, layer="relu2", target=1, keep_negative=True).notes


def test_eigen_cam_says_that_it_knows_no_class() -> None:
    model = opened(network("plain"))
    both = picasso.explain(model, INPUT[0], "eigen-cam", target=[0, 3])
    assert isinstance(both, picasso.Result)
    np.testing.assert_array_equal(both.attributions[0].values, both.attributions[1].values)
    assert "knows no class" in both.attributions[0].notes[0]


def test_an_unknown_layer_and_one_without_space_are_refused() -> None:
    for name in FAMILY:
        with pytest.raises(NotFoundError, match="conv9"):
            explained(network("plain"), name, layer="relu1, conv9")
        with pytest.raises(picasso.PicassoError, match=r"needs|no space"):
            explained(network("plain"), name, layer="head")
    flat = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32 * 3, 4))
    with pytest.raises(NotSupportedError, match="Layer-CAM needs a convolutional layer"):
        explained(flat, "layer-cam")


def test_score_cam_needs_probabilities_for_its_first_variant() -> None:
    model = opened(network("plain"), head="none")
    with pytest.raises(SettingsError, match="variant must be softmax"):
        explained(model, "score-cam", variant="probability")


# --- what they share ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted({*FAMILY} - {"cam"}))
@pytest.mark.parametrize("fuse", ["mean", "max"])
def test_several_layers_are_fused(name: str, fuse: str) -> None:
    model = opened(network("plain"))
    choices: dict[str, Any] = {"target": 1, "keep_negative": True}
    one, two = (explained(model, name, layer=layer, **choices).values for layer in ("relu1", "relu2"))
    fused = explained(model, name, layer="relu1, relu2", fuse=fuse, **choices)
    one, two = one / np.abs(one).max(), two / np.abs(two).max()
    expected = (one + two) / 2 if fuse == "mean" else np.where(np.abs(one) >= np.abs(two), one, two)
    np.testing.assert_allclose(fused.values, expected, atol=1e-4)
    assert fused.native is None
    assert fused.units == "share of the layer's largest value"
    assert any(f"The {fuse} of 2 layers" in note for note in fused.notes)


def test_layers_are_given_as_text_as_a_list_or_by_a_flag_again() -> None:
    kind = registry.visualization("layer-cam").load().settings_type
    for words in (["--layer", "relu1,relu2"], ["--layer", "relu1", "--layer=relu2"], ["--layer", '["relu1", "relu2"]']):
        read = kind.read(flags.split_words(words, kind, "layer-cam", [])[1])
        assert read.model_dump()["layer"].replace(" ", "") == "relu1,relu2"
    three = flags.split_words(["--layer=a", "--layer=b", "--layer=c"], kind, "layer-cam", [])[1]
    assert kind.read(three).model_dump()["layer"] == "a, b, c"
    twice = flags.split_words(["--fuse=max", "--fuse=mean"], kind, "layer-cam", [])[1]
    assert twice == {"fuse": "mean"}
    model = opened(network("plain"))
    text, listed = (explained(model, "layer-cam", layer=layer) for layer in ("relu1, relu2", ["relu1", "relu2"]))
    np.testing.assert_array_equal(text.values, listed.values)


def test_a_comma_may_be_part_of_a_layers_name() -> None:
    net = nn.Sequential()
    for name, part in (("a, b", nn.Conv2d(3, 4, 3)), ("act", nn.ReLU()), ("pool", nn.AdaptiveAvgPool2d(1))):
        net.add_module(name, part)
    net.add_module("flat", nn.Flatten())
    assert explained(net, "grad-cam", layer="a, b").native is not None


@pytest.mark.parametrize("name", FAMILY)
def test_the_batch_and_the_seed_change_nothing(name: str) -> None:
    found = [
        explained(opened(network("plain"), batch_size=size), name, target=2, seed=seed).values
        for size, seed in ((1, 0), (5, 0), (64, 1))
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-4, atol=1e-5 * np.abs(found[0]).max())


@pytest.mark.parametrize("name", FAMILY)
def test_a_difference_of_classes_is_explained(name: str) -> None:
    found = explained(network("plain"), name, target="1 - 3", keep_negative=True)
    assert found.target.minus == 3
    assert np.isfinite(found.values).all()
    if name in ("cam", "grad-cam", "hires-cam", "xgrad-cam", "ablation-cam"):
        apart = [native(network("plain"), name, target=target) for target in (1, 3)]
        np.testing.assert_allclose(found.native, apart[0] - apart[1], atol=1e-4 * np.abs(apart[0]).max())


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("layer", ["bn", "conv2"])
def test_a_relu_in_place_behind_the_layer_does_not_write_over_it(name: str, layer: str) -> None:
    if name == "cam":
        with pytest.raises(NotSupportedError, match="linear layer"):
            explained(opened(seeded(InPlace), 24), name, INPUT[0, :, :24, :24], layer=layer)
        return
    there, apart = (
        native(opened(seeded(kind), 24), name, given=INPUT[0, :, :24, :24], target=2, layer=layer)
        for kind in (InPlace, Plain)
    )
    np.testing.assert_allclose(there, apart, rtol=1e-4, atol=1e-5 * np.abs(apart).max())


@pytest.mark.parametrize("name", sorted({*FAMILY} - {"cam"}))
def test_tokens_lie_where_their_patches_do(name: str) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (12, 15, 3)).astype(np.uint8)
    model = picasso.load_model(Vit(), preprocessing=picasso.Preprocessing(size=(12, 15)))
    found = picasso.explain(model, picture, name, target=2, keep_negative=True)
    assert isinstance(found, picasso.Result)
    assert found.attributions[0].native is not None
    assert found.attributions[0].native.shape == (4, 5)
    if name in SLOW:
        pulled = model.pullback(model.prepare(found.picture).x, [model.target(2)], [model.default_layer().name])  # type: ignore[union-attr]
        features, gradient = (
            values.reshape(-1, 21, 12)[0, 1:].reshape(4, 5, 12).transpose(2, 0, 1).astype(np.float64)
            for values in (*pulled.values.values(), *pulled.gradients.values())
        )
        expected = SLOW[name](features, gradient)
        if name != "grad-cam-plus-plus":  # the sums of these channels are negative, where nothing is defined
            np.testing.assert_allclose(found.attributions[0].native, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["score-cam", "ablation-cam"])
def test_channels_are_bounded_by_a_setting(name: str) -> None:
    net = network("plain")
    model = opened(net)
    features, _ = parts(net, "relu2", 0)
    strongest = set(np.argsort(-features.sum(axis=(1, 2)))[:3].tolist())
    few = explained(model, name, target=1, most=3, keep_negative=True)
    assert "Only the 3 of 12 channels" in few.notes[0]
    assert few.native is not None
    flat = features.reshape(12, -1).T
    weights = np.linalg.lstsq(flat, few.native.ravel().astype(np.float64), rcond=None)[0]
    assert set(np.flatnonzero(np.abs(weights) > 1e-4 * np.abs(weights).max()).tolist()) <= strongest
    assert not explained(model, name, target=1, most=12, keep_negative=True).notes


@pytest.mark.parametrize("name", ["score-cam", "ablation-cam"])
def test_no_more_than_a_chunk_is_held_and_a_cancel_ends_the_work(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 70, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(70, 3))
    model = opened(net, 8, batch_size=4)
    sizes: list[int] = []
    for method, place in (("predict_whole", 0), ("predict_replaced", 2)):
        inner = getattr(model, method)

        def watched(*args: Any, inner: Any = inner, place: int = place) -> Any:
            sizes.append(len(args[place]))
            return inner(*args)

        monkeypatch.setattr(model, method, watched)
    said: list[tuple[int, int]] = []
    x = INPUT[0, :, :8, :8]
    picasso.explain(model, x, name, layer="0, 1", top=2, progress=lambda done, total, _: said.append((done, total)))
    assert sum(sizes) == 140
    assert max(sizes) <= 32
    assert said[0] == (0, 140)
    assert said[-1] == (140, 140)

    def cancel(done: int, total: int, message: str) -> None:
        if done > 4:
            raise CanceledError("Enough.")

    sizes.clear()
    with pytest.raises(CanceledError):
        picasso.explain(model, x, name, layer="0, 1", progress=cancel)
    assert sum(sizes) <= 32


def test_fills_are_what_lies_behind_a_dark_mask() -> None:
    """A picture all of one shade is the same behind every mask of that shade, so that all channels weigh alike."""
    net = network("plain")
    white = np.full((32, 32, 3), 255, np.uint8)
    found = explained(net, "score-cam", given=white, target=1, fill="white", keep_negative=True)
    features, _ = parts(net, "relu2", 1, torch.ones(1, 3, 32, 32))
    np.testing.assert_allclose(found.native, features.mean(axis=0), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["plain", "residual"])
def test_an_exported_network_has_the_same_maps(kind: str, tmp_path: Path) -> None:
    net = network(kind)
    onnx = picasso.load_model(exported(net, tmp_path / "net.onnx", 32), preprocessing=picasso.Preprocessing(size=32))
    last = onnx.default_layer()
    assert last is not None
    for name in FAMILY:
        expected = native(net, name, target=2)
        found = native(onnx, name, target=2, layer=last.name)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max(), err_msg=name)


# --- clips --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*WEIGHING, "cam", "ablation-cam", "eigen-cam"])
def test_a_clip_has_a_map_for_each_frame(name: str) -> None:
    torch.manual_seed(4)
    net = nn.Sequential(
        nn.Conv3d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool3d((2, 1, 1)), nn.Conv3d(4, 5, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(5, 3),
    ).eval()  # fmt: skip
    clip = np.random.default_rng(0).integers(0, 256, (8, 12, 16, 3)).astype(np.uint8)
    model = picasso.load_model(net, preprocessing=picasso.Preprocessing(size=(12, 16)), frames=8)
    found = picasso.explain(model, clip, name, layer="4", target=1, keep_negative=True)
    assert isinstance(found, picasso.Result)
    attribution = found.attributions[0]
    assert attribution.native is not None
    assert attribution.native.shape == (4, 12, 16)
    assert attribution.values.shape == (8, 12, 16)
    x = torch.from_numpy(np.moveaxis(model.preprocess([clip]), -1, 1).copy())
    features, gradient = parts(net, "4", 1, x)
    if name in SLOW:
        expected = SLOW[name](features, gradient)
    elif name == "cam":
        expected = slow_hires_cam(features, gradient) * 4 * 12 * 16
    elif name == "ablation-cam":
        brings = net[7].weight[1].detach().double().numpy() * features.mean(axis=(1, 2, 3))
        expected = np.einsum("k,kthw->thw", brings, features)
    else:
        rows = features.reshape(5, -1).T
        expected = (rows @ np.linalg.eigh(rows.T @ rows)[1][:, -1]).reshape(4, 12, 16)
        expected = np.abs(expected)
    np.testing.assert_allclose(attribution.native, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    fused = picasso.explain(model, clip, name, layer="4, 4" if name == "cam" else "1, 4", target=1)
    assert isinstance(fused, picasso.Result)
    assert fused.attributions[0].values.shape == (8, 12, 16)
