"""Partial occlusion against closed forms, brute force, and Captum."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import picasso
from picasso.core.errors import CanceledError, SettingsError, TargetError
from picasso.core.model import Model
from picasso.core.pictures.images import read_picture
from picasso.core.registry import visualization
from picasso.core.runner import run
from picasso.visualizations.partial_occlusion import PartialOcclusionSettings, lay_windows
from tests.models.networks import Plain, seeded

RNG = np.random.default_rng(5)
PICTURE = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
WEIGHTS = RNG.normal(size=(20, 30, 3, 4)).astype(np.float32)
PLAIN = picasso.Preprocessing(size=(20, 30))


def linear() -> Model:
    """A model whose occlusion map has a closed form: scores are a weighted sum of the pixels."""
    return picasso.load_model(
        lambda x: np.tensordot(x, WEIGHTS, 3), labels=["tank", "truck", "shed", "boulder"], preprocessing=PLAIN
    )


def explained(**choices: Any) -> picasso.Result:
    result = picasso.explain(linear(), PICTURE, "partial-occlusion", **choices)
    assert isinstance(result, picasso.Result)
    return result


@pytest.mark.parametrize(("fill", "color"), [("black", 0), ("grey", 128), ("white", 255)])
def test_the_drop_of_a_linear_model_is_the_weighted_change(fill: str, color: int) -> None:
    result = explained(window=4, stride=4, fill=fill, target="shed")
    x = PICTURE / np.float32(255)
    effect = ((x - color / 255) * WEIGHTS[..., 2]).sum(-1)
    tops, lefts = [0, 4, 8, 12, 16], [0, 4, 8, 12, 16, 20, 24, 26]
    expected = np.array([[effect[t : t + 4, q : q + 4].sum() for q in lefts] for t in tops])
    native = result.attributions[0].native
    assert native is not None
    np.testing.assert_allclose(native, expected, atol=1e-3)
    base = np.tensordot(x, WEIGHTS, 3)
    np.testing.assert_allclose(base[2] - result.arrays["scores"][..., 2], native, atol=1e-3)
    assert result.arrays["scores"].shape == (5, 8, 4)
    assert result.attributions[0].score == pytest.approx(base[2], abs=1e-3)


def test_mean_and_blur_fill_with_what_they_say() -> None:
    x = PICTURE / np.float32(255)
    mean = explained(window=4, stride=4, fill="mean", target=0).attributions[0].native
    expected = ((x[:4, :4] - x.mean((0, 1))) * WEIGHTS[:4, :4, :, 0]).sum()
    assert mean is not None
    assert mean[0, 0] == pytest.approx(expected, abs=1e-3)
    # The blur, slowly: a normalized Gaussian of a tenth of the side around one pixel, edges repeated.
    blur = explained(window=1, stride=30, fill="blur", target=0).attributions[0].native
    assert blur is not None

    def kernel(side: int) -> np.ndarray:
        reach = int(0.3 * side + 0.5)
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (side / 10)) ** 2)
        return weights / weights.sum()

    rows, columns = kernel(20), kernel(30)
    value = np.zeros(3)
    for i, a in enumerate(rows):
        for j, b in enumerate(columns):
            value += a * b * x[max(0, i - len(rows) // 2), max(0, j - len(columns) // 2)]
    assert blur[0, 0] == pytest.approx(((x[0, 0] - value) * WEIGHTS[0, 0, :, 0]).sum(), abs=1e-4)


@given(window=st.integers(1, 20), stride=st.integers(1, 25), side=st.integers(20, 33), wide=st.integers(20, 40))
@settings(max_examples=60, deadline=None)
def test_windows_start_at_zero_step_by_the_stride_and_end_flush(window: int, stride: int, side: int, wide: int) -> None:
    windows = lay_windows(side, wide, PartialOcclusionSettings.read({"window": window, "stride": stride}))
    assert len(windows.boxes) == windows.rows * windows.columns
    for axis, length in ((0, side), (1, wide)):
        starts = sorted(set(windows.boxes[:, axis].tolist()))
        assert starts[0] == 0
        assert starts[-1] == length - window
        assert all(b - a <= stride for a, b in itertools.pairwise(starts))
        assert all(start % stride == 0 for start in starts[:-1])
    assert set(windows.boxes[:, 2:].ravel().tolist()) == {window}


def test_values_are_the_mean_drop_over_the_windows_that_cover_a_pixel() -> None:
    result = explained(window=8, stride=5, target=1)
    attribution = result.attributions[0]
    tops, lefts = [0, 5, 10, 12], [0, 5, 10, 15, 20, 22]
    assert attribution.native is not None
    for y, x in ((0, 0), (6, 11), (12, 13), (19, 29), (11, 22)):
        covering = [
            attribution.native[i, j]
            for i, top in enumerate(tops)
            for j, left in enumerate(lefts)
            if top <= y < top + 8 and left <= x < left + 8
        ]
        assert attribution.values[y, x] == pytest.approx(np.mean(covering), abs=1e-5)


def test_pixels_that_no_window_covers_are_nan() -> None:
    values = explained(window=2, stride=7, target=0).attributions[0].values
    assert np.isnan(values[4, 4])
    assert np.isfinite(values[0, 0])
    assert np.isfinite(values[19, 29])


def test_a_grid_sets_the_number_of_windows() -> None:
    assert explained(window=5, grid=6).arrays["scores"].shape == (6, 6, 4)


def test_probability_is_watched_on_demand() -> None:
    result = explained(window=10, stride=10, score="probability", target="tank", fill="black")
    np.testing.assert_allclose(result.arrays["scores"].sum(-1), 1, atol=1e-5)
    assert result.attributions[0].units == "change in probability"
    assert result.attributions[0].score == pytest.approx(
        next(p.probability for p in result.predictions if p.label == "tank"), abs=1e-6
    )


def test_a_difference_of_two_classes() -> None:
    difference = explained(window=5, stride=5, target="tank - shed").attributions[0]
    tank, shed = (explained(window=5, stride=5, target=t).attributions[0] for t in ("tank", "shed"))
    np.testing.assert_allclose(difference.values, tank.values - shed.values, atol=1e-4)


def test_picture_space_covers_the_picture_before_preprocessing() -> None:
    preprocessing = picasso.Preprocessing(size=61)
    weights = RNG.normal(size=(61, 61, 3, 2)).astype(np.float32)
    model = picasso.load_model(lambda x: np.tensordot(x, weights, 3), preprocessing=preprocessing)
    result = picasso.explain(model, PICTURE, "partial-occlusion", space="image", window=0.2, grid=4, fill="white")
    assert isinstance(result, picasso.Result)
    large = np.asarray(Image.fromarray(PICTURE).resize((244, 244), Image.Resampling.LANCZOS))
    window = round(0.2 * 244)
    centers = np.linspace(window // 2, 244 - window // 2, 4).astype(int)
    for row, y in enumerate(centers - window // 2):
        for column, x in enumerate(centers - window // 2):
            one = large.copy()
            one[y : y + window, x : x + window] = 255
            expected = np.tensordot(preprocessing.apply(one), weights, 3)
            np.testing.assert_allclose(result.arrays["scores"][row, column], expected, atol=1e-3)
    assert result.attributions[0].values.shape == (244, 244)


def test_agrees_with_captum_on_a_network() -> None:
    network = seeded(Plain).eval()
    preprocessing = picasso.Preprocessing(size=24)
    model = picasso.load_model(network, preprocessing=preprocessing)
    result = picasso.explain(model, PICTURE, "partial-occlusion", target=3, window=8, stride=8, fill="black")
    assert isinstance(result, picasso.Result)
    x = torch.from_numpy(preprocessing.apply(PICTURE).transpose(2, 0, 1).copy())[None]
    oracle = Occlusion(network).attribute(x, (3, 8, 8), strides=(3, 8, 8), target=3, baselines=0)
    np.testing.assert_allclose(result.attributions[0].values, oracle[0, 0].detach().numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("choices", "error", "said"),
    [
        ({"window": 200}, SettingsError, "window must be at most the picture's height of 20 pixels. Got 200."),
        ({"window": 0}, SettingsError, "window must be at least 1 pixel. Got 0."),
        ({"window": 3.0}, SettingsError, r"window must be in \(0, 1\].* Got 3.0."),
        ({"stride": 4, "grid": 5}, SettingsError, "grid excludes stride"),
        ({"fill": "pink"}, SettingsError, "fill must be .*Got 'pink'."),
        ({"windw": 3}, SettingsError, "There is no setting 'windw'. Known: window"),
        ({"target": "plane"}, TargetError, "'plane' is no class"),
        ({"target": 9}, TargetError, "must be in 0..3. Got 9."),
        ({"accuracy": "refined", "space": "image"}, SettingsError, "accuracy must be exact where space is image"),
        ({"target": "tank - tank"}, TargetError, "with itself"),
    ],
)
def test_bad_choices_are_named(choices: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        explained(**choices)


def test_progress_is_told_and_a_cancel_stops() -> None:
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int, message: str) -> None:
        told.append((done, total))
        if done >= 64:
            raise CanceledError("stop")

    model = linear()
    with pytest.raises(CanceledError):
        picasso.explain(model, PICTURE, "partial-occlusion", window=2, stride=1, progress=stop)
    assert told[0] == (0, 551)
    assert told[-1][0] == 64


def wide() -> Model:
    """A network large enough for the engine, in whose maps a window reaches a part only."""
    torch.manual_seed(3)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 32, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(32, 64, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(64, 64, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(64, 3),
    )
    return picasso.load_model(network.eval(), preprocessing=picasso.Preprocessing(size=64))


LARGE = RNG.integers(0, 256, (64, 64, 3)).astype(np.uint8)


def watched_run(model: Model, **choices: Any) -> tuple[picasso.Result, list[Any]]:
    """Run with somebody who watches; return the result and all panels in the order of their showing."""
    shown: list[Any] = []
    picture = read_picture(LARGE)
    chosen = PartialOcclusionSettings.model_validate(choices)
    result = run(model, picture, visualization("partial-occlusion"), chosen, top=2, show=shown.append)
    return result, shown


def test_a_rough_map_is_shown_first_and_sharpens_to_the_exact_one() -> None:
    model = wide()
    result, shown = watched_run(model, window=8, stride=4)
    maps = [panel for panel in shown if panel.id == "map-0"]
    assert len(maps) == 2
    assert maps[0].notes[0].startswith("Rough: 25 of 225 windows so far")
    assert not any("Rough" in note for note in maps[1].notes)
    assert [panel.id for panel in result.panels].count("map-0") == 1
    plain = picasso.explain(model, LARGE, "partial-occlusion", window=8, stride=4, top=2, cache=False)
    np.testing.assert_allclose(result.arrays["scores"], plain.arrays["scores"], atol=1e-5)
    patching = model.patching
    assert patching.fast
    assert patching.windows == 225
    assert patching.gain > 3
    assert result.record["patching"].startswith("Only what each window reaches was computed again")


@pytest.mark.parametrize("accuracy", ["approximate", "preview"])
def test_what_is_not_exact_says_its_measured_error(accuracy: str) -> None:
    model = wide()
    exact = picasso.explain(model, LARGE, "partial-occlusion", window=40, stride=2, cache=False)
    rough = picasso.explain(model, LARGE, "partial-occlusion", window=40, stride=2, accuracy=accuracy, cache=False)
    assert model.patching.quality == accuracy
    error = np.abs(rough.arrays["scores"] - exact.arrays["scores"]).max()
    assert 1e-6 < model.patching.error <= error * 1.01 + 1e-6
    note = rough.attributions[0].notes[0]
    assert note.startswith("Approximate, ")
    assert (
        f"The largest error over 4 of 169 windows that the network itself ran, too: {model.patching.error:.2g}" in note
    )
    assert exact.attributions[0].notes == ()


def test_refining_runs_fewer_windows_and_says_the_error_of_those_between() -> None:
    model = wide()
    half = LARGE.copy()
    half[:, 24:] = 90  # plain: covering it with grey changes little
    exact = picasso.explain(model, half, "partial-occlusion", window=8, stride=4, cache=False, top=1)
    refined = picasso.explain(
        model, half, "partial-occlusion", window=8, stride=4, accuracy="refined", cache=False, top=1
    )
    note = refined.attributions[0].notes[0]
    found = re.match(r"Refined: (\d+) of 225 windows were run", note)
    assert found is not None
    assert 25 < int(found[1]) < 225
    differences = np.abs(refined.arrays["scores"] - exact.arrays["scores"])
    assert (differences.max(axis=-1) < 1e-5).sum() >= int(found[1])
    said = float(re.search(r"largest error over 16 of those: ([\d.e-]+)", note)[1])
    assert said > 0
    # What was probed is exact now; what was not is wrong by about as much.
    assert differences.max() < 10 * said


def test_where_nothing_is_faster_the_result_is_exact_and_says_so() -> None:
    result = explained(window=4, stride=2, accuracy="preview")
    assert result.attributions[0].notes[0].startswith("Exact: Whole pictures were run, one for each window.")
    exact = explained(window=4, stride=2)
    np.testing.assert_array_equal(result.arrays["scores"], exact.arrays["scores"])
