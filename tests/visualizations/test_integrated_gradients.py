"""Integrated, expected, guided and smoothed gradients: closed forms, axioms, Captum, PAIR's package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import GradientShap, IntegratedGradients, NoiseTunnel, Saliency
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import picasso
from picasso.core.maps.paths import quadrature
from picasso.visualizations.guided_integrated_gradients import along_guided_path
from tests.models.networks import Plain, seeded
from tests.models.test_onnx_exports import exported
from tests.oracle.scene import X as SCENE
from tests.oracle.scene import network as oracle_network
from tests.visualizations.gradient_networks import (
    BLACK,
    PICTURE,
    SIZE,
    WHITE,
    Flat,
    Line,
    X,
    agree,
    explained,
    gradient,
    last,
    opened,
)

PAIR = Path(__file__).parents[1] / "oracle" / "arrays" / "saliency.npz"
ONCE: dict[str, Any] = {"reduction": "none", "tolerance": 1}
PATHS = ("integrated-gradients", "guided-integrated-gradients", "expected-gradients")


@pytest.mark.parametrize("name", PATHS)
def test_on_a_linear_model_a_path_gives_the_difference_times_the_weights(name: str) -> None:
    line, baseline = Line(), {"baseline": "black"} if name.startswith("guided") else {"baselines": "black"}
    attribution = explained(line, name, reduction="none", **baseline)
    np.testing.assert_allclose(attribution.values, line.weights(1) * last(X[0] - BLACK[0]), atol=1e-5)
    assert attribution.convergence_error == pytest.approx(0, abs=2e-5)


def test_on_a_linear_model_noise_changes_nothing_and_has_no_variance() -> None:
    line = Line()
    np.testing.assert_allclose(explained(line, "smooth-grad", reduction="none").values, line.weights(1), atol=1e-6)
    squared = explained(line, "smooth-grad", reduction="none", variant="smoothgrad-squared")
    np.testing.assert_allclose(squared.values, line.weights(1) ** 2, atol=1e-7)
    variance = explained(line, "smooth-grad", variant="vargrad")
    assert not variance.values.any()
    assert "never varies" in variance.notes[0]


def captum_integral(target: int, start: torch.Tensor, method: str, steps: int) -> np.ndarray:
    oracle = IntegratedGradients(seeded(Plain).eval())
    return last(oracle.attribute(X, start, target, n_steps=steps, method=method)[0])  # type: ignore[arg-type]


def test_gauss_legendre_agrees_with_captum() -> None:
    found = explained(seeded(Plain), "integrated-gradients", target=2, steps=20, **ONCE)
    agree(found.values, captum_integral(2, BLACK, "gausslegendre", 20))
    both = explained(seeded(Plain), "integrated-gradients", target=2, steps=20, baselines=["black", "white"], **ONCE)
    expected = captum_integral(2, BLACK, "gausslegendre", 20) + captum_integral(2, WHITE, "gausslegendre", 20)
    agree(both.values, expected / 2)
    assert both.baseline == "black, white"


def test_captums_trapezoid_loses_a_step() -> None:
    """Its weights for n points sum to (n - 1) / n, so that its map is too small by that; ours sum to 1."""
    found = explained(seeded(Plain), "integrated-gradients", steps=20, rule="trapezoid", **ONCE)
    agree(found.values * 19 / 20, captum_integral(1, BLACK, "riemann_trapezoid", 20))
    for rule in ("gauss-legendre", "trapezoid"):
        assert quadrature(rule, 20)[1].sum() == pytest.approx(1)  # type: ignore[arg-type]


def test_a_slow_integral_gives_the_same() -> None:
    places, difference = np.linspace(0, 1, 9), last(X[0] - BLACK[0])
    slopes = [gradient(1, BLACK + float(t) * (X - BLACK)) for t in places]
    expected = difference * np.trapezoid(slopes, places, axis=0)
    agree(explained(seeded(Plain), "integrated-gradients", steps=9, rule="trapezoid", **ONCE).values, expected)


def random_network(seed: int, width: int, smooth: bool) -> nn.Module:
    torch.manual_seed(seed)
    act = nn.Softplus if smooth else nn.ReLU
    return nn.Sequential(
        nn.Conv2d(3, width, 3, stride=2), act(), nn.Conv2d(width, width, 3, stride=2), act(), nn.Flatten(),
        nn.Linear(width * 25, 3),
    )  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6), st.booleans(), st.sampled_from(["black", "white", "mean", "blur"]))
def test_completeness_over_random_networks(seed: int, width: int, smooth: bool, kind: str) -> None:
    model = opened(random_network(seed, width, smooth))
    result = picasso.explain(model, PICTURE, "integrated-gradients", target=[0, 2], baselines=kind, tolerance=0.02)
    assert isinstance(result, picasso.Result)
    for place, found in enumerate(result.attributions):
        change = float(result.arrays["changes"][0, place])
        missed = abs(found.values.sum(dtype=np.float64) - change)
        assert found.convergence_error == pytest.approx(missed, abs=1e-4)
        scale = max(abs(change), abs(found.score) * 1e-3)
        assert missed <= 0.02 * scale + 1e-5 or found.notes[0].startswith("Not converged")
        if smooth:
            assert missed <= 1e-3 * scale + 1e-5


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10_000))
def test_expected_gradients_are_complete_in_expectation(seed: int) -> None:
    model = opened(random_network(seed, 3, True), batch_size=64)
    found = explained(model, "expected-gradients", samples=400, baselines="black, white", seed=seed)
    exact = [explained(model, "integrated-gradients", baselines=kind).values.sum() for kind in ("black", "white")]
    size = float(np.abs(exact).max())
    assert found.convergence_error is not None
    assert found.convergence_error < 0.1 * size + 1e-3


def test_what_a_network_does_not_read_gets_nothing_and_what_it_reads_gets_something() -> None:
    class Corner(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            part = torch.relu(x[:, :, :6, :6] + 3).mean((2, 3))
            return part * torch.tensor([[1.0, 2.0, -1.0]])

    for name in (*PATHS, "smooth-grad", "gradient-times-input"):
        values = explained(Corner(), name).values
        assert values[:6, :6].any()
        assert not values[6:].any()
        assert not values[:, 6:].any()


class Step(nn.Module):
    """A score that rises steeply near the picture, so that few points miss the rise."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = at

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        part = (x.mean((1, 2, 3)) - BLACK.mean()) / (X.mean() - BLACK.mean())
        return torch.stack([torch.relu(part - self.at), 5 * part, part * 0], 1)


def test_it_refines_until_the_tolerance_is_met_or_the_most_is_reached() -> None:
    choices: dict[str, Any] = {"target": 0, "steps": 4, "tolerance": 0.001}
    poor = explained(Step(0.87), "integrated-gradients", max_steps=4, **choices)
    fine = explained(Step(0.87), "integrated-gradients", max_steps=256, **choices)
    assert poor.notes[0].startswith("Not converged: with 4 steps")
    assert poor.convergence_error is not None
    assert fine.convergence_error is not None
    assert fine.convergence_error < poor.convergence_error / 4
    straight = explained(Step(0.87), "integrated-gradients", target=1, steps=4, max_steps=256)
    assert straight.notes == ()


def test_more_steps_may_be_worse_and_the_best_is_kept() -> None:
    """Where the kink lies decides whether four points or eight come closer to a ReLU's integral."""

    def error(at: float, steps: int) -> float:
        places, weights = quadrature("trapezoid", steps)
        return abs(float(weights @ (places > at)) - (1 - at))

    at = next(at for at in np.linspace(0.5, 0.9, 200) if error(at, 4) < 0.2 * error(at, 8))
    choices: dict[str, Any] = {"rule": "trapezoid", "steps": 4, "tolerance": 0}
    found = explained(Step(float(at)), "integrated-gradients", target=0, max_steps=8, **choices)
    alone = explained(Step(float(at)), "integrated-gradients", target=0, max_steps=4, **choices)
    np.testing.assert_allclose(found.values, alone.values, atol=1e-7)
    assert found.convergence_error == pytest.approx(error(float(at), 4), abs=1e-4)
    assert any("does not fall evenly" in note and "that of 4 steps" in note for note in found.notes)


def test_steps_cost_as_many_pictures_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = opened(seeded(Plain), batch_size=8), list[int]()
    whole = type(model).pullback

    def counted(self: Any, x: Any, *arguments: Any, **named: Any) -> Any:
        seen.append(len(x))
        return whole(self, x, *arguments, **named)

    monkeypatch.setattr(type(model), "pullback", counted)
    picasso.explain(model, PICTURE, "integrated-gradients", steps=20, max_steps=20, top=3)
    assert seen == [8, 8, 4], "one backward for all targets, never more than a batch at a time"


@pytest.mark.parametrize("name", [*PATHS, "smooth-grad"])
def test_neither_batch_nor_run_changes_a_map_but_the_seed_does(name: str) -> None:
    models = [opened(seeded(Plain), batch_size=size) for size in (1, 5, 64)]
    kinds = {"baselines": "uniform, blur"} if name in PATHS and not name.startswith("guided") else {}
    maps = [explained(model, name, seed=3, **kinds).values for model in models]
    agree(maps[1], maps[0], 1e-5)
    agree(maps[2], maps[0], 1e-5)
    again = explained(models[1], name, seed=3, **kinds).values
    np.testing.assert_array_equal(again, maps[1])
    if not name.startswith("guided"):
        assert np.abs(explained(models[1], name, seed=4, **kinds).values - maps[1]).max() > 0


def test_gradient_shap_agrees_with_captum_on_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, network, starts = 12, seeded(Plain).eval(), (BLACK, WHITE)
    expected = np.zeros((24, 24, 3))
    for number in range(samples):
        drawn = np.random.default_rng((7, number))
        start, part = starts[int(drawn.integers(2))], drawn.random()
        monkeypatch.setattr(np.random, "uniform", lambda *_, part=part: np.array([part]))
        expected += last(GradientShap(network).attribute(X, start, n_samples=1, target=2)[0]) / samples
    monkeypatch.undo()
    found = explained(
        network, "expected-gradients", 2, seed=7, samples=samples, baselines="black, white", reduction="none"
    )
    agree(found.values, expected)


@pytest.mark.parametrize(
    ("variant", "captum"),
    [("smoothgrad", "smoothgrad"), ("smoothgrad-squared", "smoothgrad_sq"), ("vargrad", "vargrad")],
)
def test_noise_agrees_with_captum_on_the_same_draws(variant: str, captum: str, monkeypatch: pytest.MonkeyPatch) -> None:
    samples, x = 10, last(X[0])
    spread = 0.1 * np.ptp(x)
    drawn = [np.random.default_rng((5, number)).standard_normal(x.shape, np.float32) for number in range(samples)]
    noisy = torch.from_numpy(np.stack([x + spread * one for one in drawn]).transpose(0, 3, 1, 2)).float()
    monkeypatch.setattr(NoiseTunnel, "_add_noise_to_input", lambda *_: noisy)
    oracle = NoiseTunnel(Saliency(seeded(Plain).eval()))
    expected = last(oracle.attribute(X, nt_type=captum, nt_samples=samples, target=2, abs=False)[0])
    found = explained(
        seeded(Plain), "smooth-grad", 2, seed=5, samples=samples, noise=0.1, variant=variant, reduction="none"
    )
    agree(found.values, expected)
    assert found.sign == ("signed" if variant == "smoothgrad" else "unsigned")


@pytest.mark.parametrize("target", [0, 3])
@pytest.mark.parametrize("name", ["plain", "flat", "residual"])
@pytest.mark.parametrize(("label", "fraction", "distance"), [("near", 0.25, 0.02), ("free", 0.1, 1.0)])
def test_guided_paths_agree_with_pair(label: str, fraction: float, distance: float, name: str, target: int) -> None:
    network, x = oracle_network(name), SCENE[0].transpose(1, 2, 0).astype(np.float64)

    def slope(gone: np.ndarray, step: int) -> np.ndarray:
        here = torch.from_numpy(
            (start + gone * (x - start)).astype(np.float32).transpose(2, 0, 1)[None]
        ).requires_grad_()
        return last(torch.autograd.grad(network(here)[0, target], here)[0][0]).astype(np.float64)

    with np.load(PAIR) as arrays:
        start = arrays["guided-ig/start"]
        found = along_guided_path(x - start, slope, 20, fraction, distance)
        agree(found, arrays[f"guided-ig-{label}/{name}/{target}"])


def test_a_guided_path_that_may_not_leave_the_straight_one_is_an_integral_of_left_points() -> None:
    found = explained(seeded(Plain), "guided-integrated-gradients", distance=0, steps=5, fraction=1, reduction="none")
    slopes = [gradient(1, BLACK + t / 5 * (X - BLACK)) for t in range(5)]
    agree(found.values, last(X[0] - BLACK[0]) * np.mean(slopes, axis=0))


def test_baselines_are_named_as_text_or_list_and_misspelled_ones_are_refused() -> None:
    listed = explained(Line(), "integrated-gradients", baselines=["mean", "grey"])
    written = explained(Line(), "integrated-gradients", baselines="mean,grey")
    np.testing.assert_array_equal(listed.values, written.values)
    for wrong, said in (("purple", "'purple' is none"), ("black, black", "each baseline once"), ("", "'' is none")):
        with pytest.raises(picasso.PicassoError, match=said):
            explained(Line(), "integrated-gradients", baselines=wrong)


def test_a_picture_that_is_its_own_baseline_says_so() -> None:
    result = picasso.explain(opened(Line()), np.zeros_like(PICTURE), "integrated-gradients", target=0)
    assert isinstance(result, picasso.Result)
    assert not result.attributions[0].values.any()
    assert "the picture is the baseline" in result.attributions[0].notes[0]


@pytest.mark.parametrize("name", ["integrated-gradients", "smooth-grad"])
def test_the_same_in_onnx(name: str, tmp_path: Path) -> None:
    file = picasso.load_model(exported(seeded(Plain).eval(), tmp_path / "net.onnx", 24), preprocessing=SIZE)
    agree(explained(file, name).values, explained(seeded(Plain), name).values)


def test_half_precision_is_said_to_converge_as_far_as_it_does() -> None:
    half = explained(seeded(Plain).half(), "integrated-gradients")
    full = explained(seeded(Plain), "integrated-gradients")
    agree(half.values, full.values, 0.05)
    assert half.convergence_error is not None


def test_training_mode_and_weights_are_left_as_they_were() -> None:
    network = seeded(Plain).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    at_rest = explained(seeded(Plain).eval(), "integrated-gradients")
    agree(explained(network, "integrated-gradients").values, at_rest.values)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_flat_network_has_no_path_either() -> None:
    assert not explained(Flat(), "guided-integrated-gradients").values.any()
    assert "saturation" in explained(Flat(), "expected-gradients").notes[0]


def test_a_guided_path_that_misses_the_change_says_so() -> None:
    rough = explained(Step(0.87), "guided-integrated-gradients", target=0, steps=1)
    assert rough.notes[-1].startswith("The values miss the change in score of 0.13")
    assert explained(Step(0.87), "guided-integrated-gradients", target=1, steps=1).notes == ()
