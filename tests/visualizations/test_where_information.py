"""Where-information: closed forms, a slow probe, what pooling forgets, and the same in three frameworks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import picasso
from picasso.core.errors import NotFoundError, NotSupportedError
from picasso.core.facts import Layer
from picasso.core.learning.planting import LARGEST, SMALLEST, plant_objects, read_drawn
from picasso.core.model import Model
from picasso.core.panels import Curve, Images
from picasso.core.statistics.probing import FOLDS, PENALTIES, cell_means, explained_variance, mixed
from tests.models import channel_twins as twins

SIZE = picasso.Preprocessing(size=(40, 48))
RNG = np.random.default_rng(3)


def looked(model: Model, **settings: Any) -> picasso.Result:
    result = picasso.explain(model, visualization="where-information", cache=False, **settings)
    assert isinstance(result, picasso.Result)
    return result


def curve(result: picasso.Result) -> Curve:
    (panel,) = [one for one in result.panels if isinstance(one, Curve)]
    return panel


# --- the probe -------------------------------------------------------------------------------------------------------


def slow(values: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Ridge by normal equations for every penalty, every picture really left out, one truth after the other."""
    wide = values.astype(np.float64)
    missed, spread = np.zeros(truths.shape[1]), np.zeros(truths.shape[1])
    for fold in range(FOLDS):
        out = np.arange(len(wide)) % FOLDS == fold
        mean, size = wide[~out].mean(0), wide[~out].std(0)
        known, asked = (wide[~out] - mean) / size, (wide[out] - mean) / size
        unit = (np.linalg.svd(known, compute_uv=False) ** 2)[: min(len(known) - 1, known.shape[1])].mean()
        for place in range(truths.shape[1]):
            truth = truths[~out, place]

            def fit(x: np.ndarray, y: np.ndarray, penalty: float, unit: float = unit) -> tuple[np.ndarray, float]:
                center = x.mean(0)
                products = (x - center).T @ (x - center) + penalty * unit * np.eye(x.shape[1])
                weights = np.linalg.solve(products, (x - center).T @ (y - y.mean()))
                return weights, y.mean() - center @ weights

            errors = []
            for penalty in PENALTIES:
                error = 0.0
                for left in range(len(known)):
                    rest = np.arange(len(known)) != left
                    weights, start = fit(known[rest], truth[rest], penalty)
                    error += (truth[left] - known[left] @ weights - start) ** 2
                errors.append(error)
            weights, start = fit(known, truth, PENALTIES[int(np.argmin(errors))])
            missed[place] += ((truths[out, place] - asked @ weights - start) ** 2).sum()
            spread[place] += ((truths[out, place] - truth.mean()) ** 2).sum()
    return 1 - missed / spread


@pytest.mark.parametrize("width", [4, 30])
def test_the_probe_is_ridge_with_every_picture_left_out(width: int) -> None:
    """Of fewer numbers than pictures, and of more."""
    values = RNG.normal(size=(28, width)).astype(np.float32)
    truths = np.stack([values[:, 0] + 0.5 * RNG.normal(size=28), values[:, :3].sum(1), RNG.normal(size=28)], 1)
    np.testing.assert_allclose(explained_variance(values, truths), slow(values, truths), atol=1e-6)


def test_what_lies_in_a_layer_linearly_is_read_and_noise_is_not() -> None:
    truths = RNG.normal(size=(400, 2))
    mix = RNG.normal(size=(2, 50))
    values = (truths @ mix + 0.01 * RNG.normal(size=(400, 50))).astype(np.float32)
    assert explained_variance(values, truths).min() > 0.999
    noise = RNG.normal(size=(400, 2000)).astype(np.float32)
    assert np.abs(explained_variance(noise, truths)).max() < 0.05
    assert explained_variance(np.ones((400, 7), np.float32), truths) == pytest.approx(np.zeros(2), abs=0.05)


def test_cells_are_the_means_of_adaptive_pooling() -> None:
    values = RNG.normal(size=(3, 12, 8, 5)).astype(np.float32)
    expected = nn.functional.adaptive_avg_pool2d(torch.from_numpy(values.transpose(0, 3, 1, 2)), 4)
    found = cell_means(Layer("map", "Conv2d", (12, 8, 5)), values, 4)
    np.testing.assert_allclose(found, expected.permute(0, 2, 3, 1).reshape(3, -1).numpy(), atol=1e-6)
    uneven = cell_means(Layer("map", "Conv2d", (7, 3, 5)), values[:, :7, :3], 4)
    assert uneven.shape == (3, 4 * 3 * 5)
    means = [values[:, lo:hi, :3].mean(1) for lo, hi in ((0, 2), (2, 4), (4, 5), (5, 7))]
    np.testing.assert_allclose(uneven, np.stack(means, 1).reshape(3, -1), atol=1e-6)
    tokens = RNG.normal(size=(3, 2 + 6 * 4, 5)).astype(np.float32)
    found = cell_means(Layer("block", "Block", (26, 5), grid=(6, 4)), tokens, 2)
    patches = tokens[:, 2:].reshape(3, 2, 3, 2, 2, 5).mean((2, 4)).reshape(3, -1)
    np.testing.assert_allclose(found, np.concatenate([tokens[:, :2].reshape(3, -1), patches], 1), atol=1e-6)
    vector = RNG.normal(size=(3, 9)).astype(np.float32)
    np.testing.assert_array_equal(cell_means(Layer("fc", "Linear", (9,)), vector, 4), vector)


def test_numbers_beyond_the_most_are_mixed_and_keep_their_products() -> None:
    values = RNG.normal(size=(20, 50_000)).astype(np.float32)
    few = mixed(values, 4096)
    assert few.shape == (20, 4096)
    np.testing.assert_array_equal(few, mixed(values, 4096))
    lengths = (few.astype(np.float64) ** 2).sum(1) / (values.astype(np.float64) ** 2).sum(1)
    assert np.abs(lengths - 1).max() < 0.15
    assert cell_means(Layer("wide", "Linear", (50_000,)), values, 4).shape == (20, 4096)


# --- the pictures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["bar", "ellipse"])
def test_what_is_said_of_the_object_is_what_its_pixels_show(shape: Any) -> None:
    planted = plant_objects(range(40), (160, 200), shape, seed=1)
    assert planted.pixels.shape == (40, 160, 200, 3)
    for place in range(40):
        rows, columns = np.nonzero(planted.pixels[place].min(axis=2) > 165)
        points = np.stack([columns + 0.5, rows + 0.5], 1)
        assert points.mean(0) == pytest.approx([planted.x[place], planted.y[place]], abs=0.6)
        variances, axes = np.linalg.eigh(np.cov(points.T))
        angle = np.arctan2(-axes[1, 1], axes[0, 1])  # rows run down
        turned = abs((angle - planted.angle[place] + np.pi / 2) % np.pi - np.pi / 2)
        assert np.degrees(turned) < 3
        half = np.sqrt(variances[1] * (3 if shape == "bar" else 4))
        assert half == pytest.approx(planted.scale[place], rel=0.08)
    assert planted.scale.min() >= SMALLEST * 160
    assert planted.scale.max() <= LARGEST * 160


def test_what_is_drawn_is_drawn_evenly_and_depends_on_its_number_alone() -> None:
    many = plant_objects(range(600), (24, 32), "bar", seed=5)
    facts = np.stack([many.x, many.y, np.log(many.scale), np.cos(2 * many.angle), np.sin(2 * many.angle)])
    assert np.abs(np.corrcoef(facts) - np.eye(5)).max() < 0.15
    assert many.x.mean() == pytest.approx(16, abs=0.6)
    again = plant_objects([7, 3], (24, 32), "bar", seed=5)
    np.testing.assert_array_equal(again.pixels, many.pixels[[7, 3]])
    assert not np.array_equal(plant_objects([7], (24, 32), "bar", seed=6).pixels[0], many.pixels[7])


def test_the_network_reads_the_drawn_pixels_whole() -> None:
    """Though its preprocessing would cut the margins off a picture."""

    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x.mean((2, 3)))

    seen = picasso.Preprocessing(size=24, resize="crop", short_side=32, color="bgr", mean=(0.1, 0.2, 0.3))
    model, pixels = (
        picasso.load_model(Mean().eval(), preprocessing=seen),
        plant_objects([0, 1], (24, 24), "bar", 0).pixels,
    )
    expected = pixels[..., ::-1] / np.float32(255) - np.array([0.1, 0.2, 0.3], np.float32)
    np.testing.assert_allclose(read_drawn(model, pixels), expected, atol=1e-6)


# --- networks whose answer is known ----------------------------------------------------------------------------------


class Centroid(nn.Module):
    """Returns where the bright pixels lie, as a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.place, self.head = nn.Identity(), nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = (x.amin(1) > 165 / 255).float()
        rows, columns = torch.arange(x.shape[2]).float()[None, :, None], torch.arange(x.shape[3]).float()[None, None]
        count = bright.sum((1, 2)).clamp(min=1)
        return self.head(self.place(torch.stack([(bright * one).sum((1, 2)) / count for one in (columns, rows)], 1)))


def test_a_layer_that_holds_the_position_gives_it_back() -> None:
    result = looked(
        picasso.load_model(Centroid().eval(), preprocessing=SIZE, batch_size=50), layers="place", pictures=200
    )
    across, down, scale, orientation = result.arrays["r2"][1]
    assert min(across, down) > 0.995
    assert max(scale, orientation) < 0.1
    assert curve(result).ticks == ("input", "place")


def test_global_pooling_of_a_circular_network_forgets_the_place_and_not_the_size() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 5, padding=2, padding_mode="circular"),
        nn.ReLU(),
        nn.Conv2d(16, 32, 5, padding=2, padding_mode="circular"),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 2),
    )
    result = looked(picasso.load_model(network.eval(), preprocessing=SIZE, batch_size=50), layers="3, 4")
    before, after = result.arrays["r2"][1:]
    assert max(after[:2]) < 0.05
    assert after[2] > 0.6
    assert min(before[:2]) > 0.4
    assert np.abs(result.arrays["r2_shuffled"]).max() < 0.1
    single = looked(picasso.load_model(network.eval(), preprocessing=SIZE, batch_size=50), layers="3", grid=1)
    np.testing.assert_allclose(single.arrays["r2"][1], after, atol=1e-4)  # a mean is a mean, whoever takes it


def test_it_is_the_same_again_and_whatever_the_batch() -> None:
    network = twins.torch_network()
    one, other = (picasso.load_model(network, preprocessing=twins.PREPROCESSING, batch_size=size) for size in (40, 7))
    first, again, third = looked(one, pictures=60), looked(one, pictures=60), looked(other, pictures=60)
    np.testing.assert_array_equal(first.arrays["r2"], again.arrays["r2"])
    np.testing.assert_array_equal(first.arrays["truths"], third.arrays["truths"])
    np.testing.assert_allclose(first.arrays["r2"], third.arrays["r2"], atol=1e-3)
    assert not np.allclose(looked(one, pictures=60, seed=1).arrays["r2"], first.arrays["r2"], atol=1e-3)


def test_keras_and_onnx_say_the_same(tmp_path: Path) -> None:
    names, found = "conv1, conv2, fc", []
    for network in (twins.torch_network(), twins.keras_network(), twins.onnx_file(tmp_path)):
        model = picasso.load_model(network, preprocessing=twins.PREPROCESSING)
        found.append(looked(model, layers=names, pictures=80))
    for other in found[1:]:
        np.testing.assert_allclose(other.arrays["r2"], found[0].arrays["r2"], atol=2e-3)


def test_the_panels_say_what_was_done() -> None:
    result = looked(picasso.load_model("demo:digits"), pictures=40, shape="ellipse", grid=2)
    examples, lines = result.panels
    assert isinstance(examples, Images)
    assert isinstance(lines, Curve)
    assert len(examples.pictures) == len(examples.captions) == 5
    assert [line.label for line in lines.lines] == [
        "position, across", "position, down", "scale", "orientation", "chance",
    ]  # fmt: skip
    assert len(lines.ticks) == 9
    assert lines.ticks[0] == "input"
    assert lines.ticks[-1] == "logits"
    for words in ("40 pictures with an ellipse", "2 x 2 cells", "shuffled"):
        assert words in lines.caption
    np.testing.assert_allclose([line.values for line in lines.lines[:4]], result.arrays["r2"].T)


def test_what_cannot_be_asked_says_why() -> None:
    with pytest.raises(NotFoundError, match="no layer 'nowhere'"):
        looked(picasso.load_model("demo:digits"), layers="conv1, nowhere")
    network = nn.Sequential(nn.Conv2d(4, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)).eval()
    values = picasso.load_model(
        network, preprocessing=picasso.Preprocessing(size=24, color="values", mean=(0,) * 4, std=(1,) * 4)
    )
    with pytest.raises(NotSupportedError, match="no colors can be drawn"):
        looked(values)


def test_a_layer_may_be_called_input() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.input, self.after = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.after(self.input(x)).mean((2, 3))

    model = picasso.load_model(Named(), preprocessing=picasso.Preprocessing(size=16))
    result = picasso.explain(model, visualization="where-information", layers="after, input", pictures=60, cache=False)
    assert isinstance(result, picasso.Result)
    assert next(panel for panel in result.panels if isinstance(panel, Curve)).ticks == ("input", "input", "after")
