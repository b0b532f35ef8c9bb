"""Activations: channels, their orders and the statistics of layers, against Captum, closed forms and plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import LayerActivation
from torch import nn

import picasso
from picasso.core.errors import NotFoundError, NotSupportedError
from picasso.core.facts import Capability
from picasso.core.layers.channel_statistics import channel_maps, dead_channels, shrunk, sparsity
from picasso.core.model import Model
from picasso.core.panels import Bars, Curve, FeatureMaps
from picasso.core.pictures.images import read_picture
from picasso.testing import check_visualization, small_transformer
from picasso.visualizations import activations as module
from tests.models.networks import InPlace, Plain, seeded
from tests.visualizations.gradient_networks import PICTURE, X, opened

RNG = np.random.default_rng(8)


def shown(network: Any, **choices: Any) -> picasso.Result:
    model = network if isinstance(network, Model) else opened(network)
    result = picasso.explain(model, PICTURE, "activations", cache=False, **choices)
    assert isinstance(result, picasso.Result)
    return result


def channels(result: picasso.Result) -> FeatureMaps:
    panel = result.panels[0]
    assert isinstance(panel, FeatureMaps)
    return panel


class Weighed(nn.Module):
    """Channels are the picture's mean color times a weight, less a bias; the class is a weighted sum of their means."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 1)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(5, 2, bias=False)
        with torch.no_grad():
            self.conv.weight[:] = torch.tensor([0.5, 2.0, 0.0, 1.0, 1.0]).reshape(5, 1, 1, 1) / 3
            self.conv.bias[:] = torch.tensor([9.0, 9.0, -1.0, -0.4, 0.3])
            self.fc.weight[:] = torch.tensor([[1.0, -1.0, 4.0, 9.0, 0.5], [0.0, 0.0, 0.0, 0.0, 0.0]])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.relu(self.conv(x)).mean((2, 3)))


def by_hand() -> np.ndarray:
    """The channels of `Weighed` after the ReLU, (5, 24, 24), by NumPy alone."""
    mean = X.numpy()[0].astype(np.float64).mean(axis=0)
    slopes = np.array([0.5, 2.0, 0.0, 1.0, 1.0])[:, None, None]
    return np.maximum(slopes * mean + np.array([9.0, 9.0, -1.0, -0.4, 0.3])[:, None, None], 0)


@pytest.mark.parametrize(
    ("kind", "layer"),
    [*((Plain, layer) for layer in ("conv1", "bn", "relu1", "conv2", "relu2")), (InPlace, "bn"), (InPlace, "conv2")],
)
def test_the_channels_are_those_of_captum(kind: type[Plain], layer: str) -> None:
    """Also where a ReLU in place writes over the layer's output: the layer is shown as it was."""
    reference = seeded(Plain).eval()
    theirs = LayerActivation(reference, dict(reference.named_modules())[layer]).attribute(X)[0].detach().numpy()
    ours = channels(shown(seeded(kind), layer=layer)).values
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


def test_the_layer_is_the_one_that_grad_cam_takes() -> None:
    model = opened(seeded(Plain))
    assert channels(shown(model)).layer == model.default_layer().name == "relu2"  # type: ignore[union-attr]


def test_strength_sparsity_and_effect_are_as_their_formulas_say() -> None:
    panel = channels(shown(Weighed(), layer="relu", target=0))
    maps = by_hand()
    np.testing.assert_allclose(panel.values, maps, atol=1e-5)
    measures = {measure.name: measure.values for measure in panel.measures}
    np.testing.assert_allclose(measures["strength"], maps.mean(axis=(1, 2)), rtol=1e-5)
    # The class is linear in the layer: a channel's effect is its weight times its mean.
    np.testing.assert_allclose(measures["effect"], np.array([1, -1, 4, 9, 0.5]) * maps.mean(axis=(1, 2)), rtol=1e-4)
    slow = []
    for one in maps:
        sizes = [abs(value) for value in one.ravel()]
        length = sum(value**2 for value in sizes) ** 0.5
        root = len(sizes) ** 0.5
        slow.append((root - sum(sizes) / length) / (root - 1) if length else np.nan)
    np.testing.assert_allclose(measures["sparsity"], slow, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("order", ["index", "strength", "sparsity", "effect"])
def test_the_orders_are_those_of_the_values_computed_by_hand(order: str) -> None:
    maps = by_hand()
    assert dead_channels(maps).tolist() == [False, False, True, False, False]
    with np.errstate(invalid="ignore"):
        ratios = maps.sum(axis=(1, 2)) / np.sqrt((maps**2).sum(axis=(1, 2)))
    values = {
        "index": -np.arange(5.0),
        "strength": maps.mean(axis=(1, 2)),
        "sparsity": -ratios,
        "effect": np.array([1, -1, 4, 9, 0.5]) * maps.mean(axis=(1, 2)),
    }[order]
    expected = sorted(range(5), key=lambda k: (-values[k] if np.isfinite(values[k]) else np.inf, k))
    assert channels(shown(Weighed(), layer="relu", target=0, order=order)).ranking().tolist() == expected


def test_a_channel_that_is_zeroed_loses_what_the_network_says_it_does() -> None:
    network = seeded(Plain).eval()
    panel = channels(shown(network, layer="relu1", target=1, zeroed=4))
    drop = next(measure.values for measure in panel.measures if measure.name == "drop")
    effect = next(measure.values for measure in panel.measures if measure.name == "effect")
    living = np.flatnonzero(~dead_channels(panel.values))
    tried = living[np.argsort(-np.abs(effect[living]))[:4]]
    expected = np.full(len(effect), np.nan)
    expected[dead_channels(panel.values)] = 0
    with torch.no_grad():
        whole = network(X)[0, 1]
        for number in tried:

            def emptied(module: nn.Module, given: Any, values: torch.Tensor, k: int = int(number)) -> torch.Tensor:
                values = values.clone()
                values[:, k] = 0
                return values

            handle = network.relu1.register_forward_hook(emptied)
            expected[number] = float(whole - network(X)[0, 1])
            handle.remove()
    np.testing.assert_allclose(drop, expected, atol=1e-4 * np.nanmax(np.abs(expected)))


def test_where_the_class_is_linear_the_effect_is_the_exact_drop() -> None:
    panel = channels(shown(Weighed(), layer="relu", target=0, zeroed=5))
    measures = {measure.name: measure.values for measure in panel.measures}
    np.testing.assert_allclose(measures["drop"], measures["effect"], atol=1e-4)


def test_the_statistics_of_every_layer_are_those_of_a_plain_loop() -> None:
    network = seeded(Plain).eval()
    result = shown(network)
    curve = next(panel for panel in result.panels if isinstance(panel, Curve))
    kept: dict[str, torch.Tensor] = {}
    handles = [
        module.register_forward_hook(lambda module, given, out, name=name: kept.__setitem__(name, out.detach()))
        for name, module in network.named_children()
    ]
    with torch.no_grad():
        network(X)
    for handle in handles:
        handle.remove()
    assert set(curve.ticks) >= set(kept)
    lines = {line.label: dict(zip(curve.ticks, line.values, strict=True)) for line in curve.lines}
    for name, out in kept.items():
        maps = out[0].reshape(out.shape[1], -1).numpy().astype(np.float64)
        dead = [k for k in range(len(maps)) if not maps[k].any()]
        assert lines["dead channels"][name] == pytest.approx(len(dead) / len(maps))
        assert lines["zeros"][name] == pytest.approx(float((maps == 0).mean()))
        found = lines["sparsity"][name]
        if maps.shape[1] == 1:
            assert found is None
            continue
        root = maps.shape[1] ** 0.5
        each = [
            (root - np.abs(m).sum() / np.sqrt((m**2).sum())) / (root - 1) for k, m in enumerate(maps) if k not in dead
        ]
        assert found == pytest.approx(float(np.mean(each)), rel=1e-4)


def test_layers_that_do_not_fit_together_are_counted_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    together = next(panel for panel in shown(seeded(Plain)).panels if isinstance(panel, Curve))
    monkeypatch.setattr(module, "MOST_HELD", 1)
    assert len(list(module._groups(opened(seeded(Plain)).layers()))) == len(together.x)
    apart = next(panel for panel in shown(seeded(Plain)).panels if isinstance(panel, Curve))
    assert apart.to_wire() == together.to_wire()


def test_of_a_layer_too_large_to_send_means_are_shown_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SHOWN", 6 * 12 * 12)
    result = shown(seeded(Plain), layer="relu1")
    assert channels(result).values.shape == (6, 12, 12)
    assert "Each value shown is the mean of 2 x 2." in channels(result).caption
    assert result.arrays["activations"].shape == (6, 24, 24)


def test_sparsity_is_zero_for_even_maps_and_one_for_single_places() -> None:
    even, single, dead = np.full((4, 5), -3e-30), np.zeros((4, 5)), np.zeros((4, 5))
    single[2, 3] = 7
    np.testing.assert_allclose(sparsity(np.stack([even, single, dead])), [0, 1, np.nan], atol=1e-12)
    assert np.isnan(sparsity(np.ones((3, 1, 1)))).all()


def test_dead_channels_are_counted_and_come_last_by_sparsity() -> None:
    result = shown(Weighed(), layer="relu", order="sparsity")
    assert "1 of 5 channels is dead" in channels(result).caption
    assert channels(result).ranking()[-1] == 2


def test_tokens_lie_on_their_grid() -> None:
    model = small_transformer()
    result = picasso.explain(model, PICTURE, "activations", layer="blocks.0", cache=False)
    assert isinstance(result, picasso.Result)
    raw = model.activations(model.prepare(read_picture(PICTURE)).x, ["blocks.0"])["blocks.0"][0]
    assert raw.shape == (21, 12)
    np.testing.assert_array_equal(channels(result).values, raw[1:].reshape(4, 5, 12).transpose(2, 0, 1))


def test_a_vector_is_shown_as_bars_in_their_order() -> None:
    result = shown(seeded(Plain), layer="fc", order="strength", shown=3)
    panel = result.panels[0]
    assert isinstance(panel, Bars)
    with torch.no_grad():
        scores = seeded(Plain).eval()(X)[0].numpy()
    best = np.argsort(-np.abs(scores))[:3]
    assert panel.labels == tuple(f"channel {number}" for number in best)
    np.testing.assert_allclose(panel.values, scores[best], rtol=1e-4)


def test_maps_too_large_to_send_are_averaged() -> None:
    maps = RNG.normal(size=(3, 7, 10)).astype(np.float32)
    whole, side = shrunk(maps, maps.size)
    assert side == 1
    assert whole is maps
    small, side = shrunk(maps, 3 * 12)
    assert side == 4
    assert small.shape == (3, 2, 3)
    for row in range(2):
        for column in range(3):
            block = maps[:, row * 4 : row * 4 + 4, column * 4 : column * 4 + 4]
            np.testing.assert_allclose(small[:, row, column], block.mean(axis=(1, 2)), rtol=1e-4, atol=1e-6)
    assert shrunk(maps, 1)[0].shape == (3, 1, 1)


def test_limits_are_shared_and_say_what_is_clipped() -> None:
    panel = channels(shown(seeded(Plain), layer="conv1"))
    low, high = panel.limits
    assert panel.sign == "signed"
    assert low == -high
    beyond = np.mean(np.abs(panel.values) > high)
    assert panel.clipped == pytest.approx(float(beyond))
    assert 0 < beyond <= 0.003
    assert channels(shown(seeded(Plain), layer="relu1")).limits[0] == 0


def test_without_gradients_there_is_no_effect_and_that_is_said() -> None:
    model = opened(seeded(Plain))
    model.capabilities -= {Capability.GRADIENTS}
    names = {measure.name for measure in channels(shown(model)).measures}
    assert names == {"strength", "sparsity"}
    with pytest.raises(NotSupportedError, match="needs gradients"):
        shown(model, order="effect")


def test_an_unknown_layer_is_refused_by_name() -> None:
    with pytest.raises(NotFoundError, match="no such layer"):
        shown(seeded(Plain), layer="no such layer")


def test_numbers_are_kept_and_the_contact_sheet_is_saved(tmp_path: Any) -> None:
    result = shown(Weighed(), layer="relu", target=0, zeroed=2)
    assert result.arrays["activations"].shape == (5, 24, 24)
    assert set(result.arrays) == {"activations", "strength", "sparsity", "effect", "drop"}
    names = {path.name for path in result.save(tmp_path)}
    assert any(name.endswith(".activations.channels.png") for name in names)


def test_a_vector_has_maps_of_one_place() -> None:
    model = opened(seeded(Plain))
    assert channel_maps(model, np.arange(4, dtype=np.float32)[None]).tolist() == [[[0.0]], [[1.0]], [[2.0]], [[3.0]]]


def test_the_contract_is_kept_on_a_transformer() -> None:
    check_visualization("activations", small_transformer())


def test_what_zeroing_the_numbers_of_a_vector_does_is_shown() -> None:
    network = Weighed()
    result = shown(network, layer="fc", target=0, zeroed=2)
    drops = next(panel for panel in result.panels if panel.id == "drops")
    assert isinstance(drops, Bars)
    score = float(network(X).detach()[0, 0])
    assert dict(zip(drops.labels, drops.values, strict=True))["channel 0"] == pytest.approx(score, rel=1e-5)


def test_the_effect_counts_tokens_without_a_place() -> None:
    model = small_transformer()
    layer = next(one.name for one in model.layers() if one.grid and len(one.shape) == 2)
    panel = channels(shown(model, layer=layer, target=0))
    pulled = model.pullback(model.prepare(read_picture(PICTURE)).x, [model.target(0)], [layer])
    expected = (pulled.values[layer][0] * pulled.gradients[layer][0, 0]).sum(axis=0)
    effect = next(measure.values for measure in panel.measures if measure.name == "effect")
    np.testing.assert_allclose(effect, expected, rtol=1e-4, atol=1e-6)
