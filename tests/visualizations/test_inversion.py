"""Inversion: what can be brought back is, what cannot is said, and the objective is that of autograd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import picasso
from picasso.core import registry, runner
from picasso.core.errors import CanceledError, NotFoundError, NotSupportedError, SettingsError
from picasso.core.facts import INPUT
from picasso.core.fitting import read_settings
from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.panels import Bars, Images, Text
from picasso.core.pictures.images import read_picture
from picasso.demo.tanks import held_out_set
from picasso.testing import small_transformer
from picasso.visualizations.inversion import Code
from tests.models import channel_twins as twins
from tests.models.squeezenet_maps import PREPROCESSING

SIDE = 16
READ = picasso.Preprocessing(size=SIDE, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
PICTURE = np.kron(np.random.default_rng(0).integers(20, 236, (4, 4, 3)), np.ones((4, 4, 1))).astype(np.uint8)


class Turned(nn.Module):
    """An invertible linear layer, which mixes all numbers and keeps their length, and a head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        size = SIDE * SIDE * 3
        self.turn, self.head = nn.Linear(size, size), nn.Linear(size, 4)
        self.dead = nn.ReLU()
        nn.init.orthogonal_(self.turn.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        turned = self.turn(x.flatten(1))
        return self.head(turned) + self.dead(-turned.abs()).sum()


def turned() -> Model:
    return picasso.load_model(Turned(), preprocessing=READ)


def inverted(model: Model, picture: Any = PICTURE, **choices: Any) -> picasso.Result:
    result = picasso.explain(model, picture, "inversion", cache=False, **choices)
    assert isinstance(result, picasso.Result)
    return result


def row(result: picasso.Result) -> Images:
    return next(panel for panel in result.panels if isinstance(panel, Images))


def said(result: picasso.Result) -> str:
    return next(panel.text for panel in result.panels if isinstance(panel, Text))


def alike(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


# --- cases with a known answer -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pixels", "fourier"])
def test_an_invertible_layer_gives_the_picture_back(kind: str) -> None:
    result = inverted(turned(), layers="turn", parametrization=kind, total_variation=0, alpha_norm=0, steps=300)
    assert alike(row(result).pictures[1], PICTURE) > 0.99
    assert float(result.arrays["errors"][0]) < 0.01
    assert "It correlates with the picture by 1.00" in said(result) or "by 0.99" in said(result)


def test_variation_alone_gives_a_flat_picture() -> None:
    """So heavy that the layer's output does not count beside it."""
    result = inverted(turned(), layers="turn", total_variation=10_000, parametrization="pixels", steps=100, rate=0.02)
    flat = result.arrays["inverted"][0]
    assert np.abs(np.diff(flat, axis=0)).max() < 0.01
    assert np.abs(np.diff(flat, axis=1)).max() < 0.01
    assert row(result).pictures[1].std(axis=(0, 1)).max() <= 1


def test_more_smoothness_gives_less_variation_and_the_pull_to_grey_less_contrast() -> None:
    model = turned()
    plain, smooth, grey = (
        row(inverted(model, layers="turn", parametrization="pixels", steps=100, **choices)).pictures[1].astype(float)
        for choices in (
            {"total_variation": 0, "alpha_norm": 0},
            {"total_variation": 30, "alpha_norm": 0},
            {"total_variation": 0, "alpha_norm": 100},
        )
    )
    assert np.abs(np.diff(smooth, axis=0)).mean() < 0.7 * np.abs(np.diff(plain, axis=0)).mean()
    assert np.abs(grey - 127.5).max() < 0.9 * np.abs(plain - 127.5).max()


def test_what_a_layer_cannot_know_is_not_brought_back() -> None:
    """A layer that sees the sum over the channels alone: the picture's brightness comes back, its colors do not."""

    class Brightness(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sum, self.head = nn.Conv2d(3, 1, 1), nn.Linear(SIDE * SIDE, 2)
            with torch.no_grad():
                self.sum.weight.copy_(torch.tensor([0.2, 0.25, 0.3]).reshape(1, 3, 1, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.sum(x).flatten(1))

    model = picasso.load_model(Brightness(), preprocessing=READ)
    result = inverted(model, layers="sum", parametrization="pixels", total_variation=0, alpha_norm=0, steps=300)
    found = row(result).pictures[1].astype(float)
    assert alike(found.sum(-1), PICTURE.sum(-1).astype(float)) > 0.99
    assert float(result.arrays["errors"][0]) < 1e-3
    assert alike(found - found.mean(-1, keepdims=True), PICTURE - PICTURE.mean(-1, keepdims=True)) < 0.5


# --- the objective -------------------------------------------------------------------------------------------------


def test_the_gradient_of_the_code_is_that_of_autograd() -> None:
    model = picasso.load_model(twins.torch_network(), preprocessing=twins.PREPROCESSING)
    x = np.random.default_rng(0).random((2, twins.SIDE, twins.SIDE, 3)).astype(np.float32)
    code = model.activations(x[:1], ["conv2"])["conv2"] + 1
    target = Code(place="conv2", code=code)
    pulled = model.pullback(x, [target], (INPUT,))
    tensor = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_()
    network = twins.torch_network()
    wanted = torch.from_numpy(code.transpose(0, 3, 1, 2).copy())
    apart = ((network.conv2(torch.relu(network.conv1(tensor))) - wanted) ** 2).sum((1, 2, 3)) / (wanted**2).sum()
    apart.sum().backward()
    assert tensor.grad is not None
    np.testing.assert_allclose(target(pulled.outputs), apart.detach().numpy(), rtol=1e-5)
    expected = tensor.grad.numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(pulled.gradients[INPUT][0], expected, atol=1e-6 * np.abs(expected).max() * 10)


def test_a_code_is_no_distance_from_itself_and_one_from_nothing() -> None:
    code = np.random.default_rng(0).normal(size=(1, 4, 4, 2)).astype(np.float32)
    target = Code(place="any", code=code)
    both = {"layer": np.concatenate([code, np.zeros_like(code)])}
    np.testing.assert_allclose(target(both), [0, 1], atol=1e-6)
    assert not target.cotangents(both)["layer"][0].any()


def test_the_errors_are_those_of_what_is_shown() -> None:
    model = turned()
    result = inverted(model, layers="turn, head", steps=40)
    for place, layer in enumerate(("turn", "head")):
        code = model.activations(READ.apply(PICTURE)[None], [layer])[layer]
        found = model.activations(result.arrays["inverted"][place][None], [layer])[layer]
        assert float(result.arrays["errors"][place]) == pytest.approx(
            float(((found - code) ** 2).sum() / (code**2).sum()), rel=1e-3, abs=1e-6
        )
    bars = next(panel for panel in result.panels if isinstance(panel, Bars))
    assert bars.labels == ("turn", "head")
    np.testing.assert_allclose(bars.values, result.arrays["errors"])
    assert result.arrays["course"].shape == (2, 41)


# --- kinds of networks -----------------------------------------------------------------------------------------------


def test_a_layer_without_space_works() -> None:
    result = inverted(turned(), layers="head", steps=60)
    assert float(result.arrays["errors"][0]) < 0.01
    assert alike(row(result).pictures[1], PICTURE) < 0.9  # four numbers do not hold a picture


def test_by_default_three_layers_are_spread_over_the_depth() -> None:
    result = inverted(picasso.load_model("demo:tank-honest"), tank(), steps=10)
    names = next(panel.labels for panel in result.panels if isinstance(panel, Bars))
    order = [layer.name for layer in picasso.load_model("demo:tank-honest").layers() if layer.spatial]
    places = [order.index(name) for name in names]
    assert len(places) == 3
    assert places == sorted(places)
    assert places[0] < len(order) / 4
    assert places[2] == len(order) - 1


def tank() -> np.ndarray:
    return next(iter(held_out_set(1, proxy=True))).pixels


def test_tokens_segmenters_and_detectors_have_layers_too() -> None:
    for model in (small_transformer(), picasso.load_model("demo:segmenter"), picasso.load_model("demo:detector")):
        layer = next(layer.name for layer in model.layers() if layer.spatial)
        result = inverted(model, tank(), layers=layer, steps=15)
        course = result.arrays["course"][0]
        assert course[-1] < 0.9 * course[0]


def test_onnx_brings_back_the_same(tmp_path: Path) -> None:
    torched = picasso.load_model(twins.torch_network(), preprocessing=twins.PREPROCESSING)
    file = picasso.load_model(twins.onnx_file(tmp_path), preprocessing=twins.PREPROCESSING)
    one, other = (inverted(model, twins.PICTURE, layers="conv2", steps=20) for model in (torched, file))
    np.testing.assert_allclose(one.arrays["course"], other.arrays["course"], rtol=0.01)


def test_flax_brings_back_the_same() -> None:
    torched = picasso.load_model(twins.torch_network(), preprocessing=twins.PREPROCESSING)
    flax = picasso.load_model(twins.flax_network(), preprocessing=twins.PREPROCESSING)
    names = [
        next(layer.name for layer in one.layers() if layer.spatial and layer.shape[-1] == 5) for one in (torched, flax)
    ]
    one, other = (
        inverted(model, twins.PICTURE, layers=name, steps=20)
        for model, name in zip((torched, flax), names, strict=True)
    )
    np.testing.assert_allclose(one.arrays["course"], other.arrays["course"], rtol=0.01)


# --- what must always hold --------------------------------------------------------------------------------------------


def test_the_seed_decides_and_jitter_is_drawn_from_it() -> None:
    model = turned()
    for choices in ({}, {"jitter": 2}):
        one, again, other = (
            inverted(model, layers="turn", steps=15, seed=seed, **choices).arrays["inverted"] for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(one, again)
        assert not np.array_equal(one, other)
    still, moved = (inverted(model, layers="turn", steps=15, jitter=jitter).arrays["inverted"] for jitter in (0, 3))
    assert not np.allclose(still, moved, atol=0.1)


def test_a_rate_that_is_too_high_is_said_and_no_empty_picture_is_shown() -> None:
    with pytest.raises(SettingsError, match=r"rate must be lower here: no step came nearer to the output of turn"):
        inverted(turned(), layers="turn", rate=1000, steps=5, total_variation=0)
    with pytest.raises(SettingsError, match=r"rate must be higher, or steps more, here"):
        inverted(turned(), layers="turn", rate=1e-6, steps=5)


def test_priors_that_outweigh_the_picture_itself_are_blamed_and_not_the_rate() -> None:
    with pytest.raises(SettingsError, match="total_variation and alpha_norm must be lower here"):
        inverted(turned(), layers="turn", steps=5, total_variation=1e4)


def test_of_several_layers_the_one_that_diverges_is_said_and_the_others_are_shown() -> None:
    result = inverted(turned(), layers="turn, head", rate=3, steps=60, total_variation=0, parametrization="pixels")
    shown = [caption.split(":")[0] for caption in row(result).captions[1:]]
    for layer in ("turn", "head"):
        lost = f"{layer}: no step came nearer to its output than grey is" in said(result)
        assert lost == (layer not in shown)
    assert shown


def test_what_has_no_answer_is_refused_with_the_reason() -> None:
    with pytest.raises(NotFoundError, match="no layer 'nowhere'"):
        inverted(turned(), layers="turn, nowhere")
    with pytest.raises(NotSupportedError, match="output of 'dead' is zero everywhere"):
        inverted(turned(), layers="dead")
    function = load_model(lambda x: x.mean((1, 2)), preprocessing=READ)
    with pytest.raises(NotSupportedError, match=r"Inversion needs activations, gradients, which this .* model lacks"):
        inverted(function)


def test_a_cancel_takes_effect_between_two_steps_and_who_watches_sees_the_picture_come() -> None:
    reports: list[int] = []

    def report(done: int, total: int, message: str) -> None:
        reports.append(done)
        if len(reports) == 30:
            raise CanceledError("enough")

    entry, shown = registry.visualization("inversion"), []
    settings = read_settings(entry, {"layers": ["turn", "head"]})
    with pytest.raises(CanceledError):
        runner.run(turned(), read_picture(PICTURE), entry, settings, report=report, show=shown.append)
    assert len(reports) == 30
    assert [panel.id for panel in shown] == ["inverted"] * 2
    assert not np.array_equal(shown[0].pictures[1], shown[1].pictures[1])


# --- real weights ----------------------------------------------------------------------------------------------------


def test_early_layers_of_a_real_network_keep_the_photograph_and_later_ones_less(shared_data: Path) -> None:
    model = picasso.load_model(
        shared_data / "squeezenet11" / "squeezenet11_state_dict.pt",
        labels=shared_data / "squeezenet11" / "synset_words.txt",
        preprocessing=PREPROCESSING,
        factory=f"{Path(__file__).parents[1] / 'models' / 'squeezenet.py'}:SqueezeNet",
    )
    kept = []
    for name in ("cat.jpg", "sunflower.jpg"):
        result = inverted(model, shared_data / "photos" / name, layers="conv1, fire5, fire9", steps=30, rate=0.4)
        view, *pictures = row(result).pictures
        kept.append([alike(picture, view) for picture in pictures])
    early, middle, late = np.mean(kept, axis=0)
    assert min(one[0] for one in kept) > 0.9
    assert early > middle > late
