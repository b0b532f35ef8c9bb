"""What stands for absent."""

from __future__ import annotations

import io

import numpy as np
import pytest

import picasso
from picasso.core.maps.baselines import BASELINES, baseline, blurred
from picasso.core.model import Model
from picasso.core.pictures.images import decode_picture, read_picture

PICTURE = np.random.default_rng(3).integers(0, 256, (20, 40, 3)).astype(np.uint8)
SIZE = picasso.Preprocessing(size=16, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3), resize="pad")


@pytest.fixture(scope="module")
def model() -> Model:
    return picasso.load_model(lambda x: x.mean(axis=(1, 2)), preprocessing=SIZE, labels=("a", "b", "c"))


@pytest.mark.parametrize("kind", BASELINES)
def test_a_baseline_has_the_shape_of_the_input(model: Model, kind: str) -> None:
    sample = model.prepare(read_picture(PICTURE))
    made = baseline(model, sample, kind)
    assert made.shape == sample.x.shape[1:]
    assert np.isfinite(made).all()


def test_shades_pass_the_preprocessing(model: Model) -> None:
    sample = model.prepare(read_picture(PICTURE))
    for kind, shade in (("black", 0), ("grey", 128 / 255), ("white", 1)):
        inside = baseline(model, sample, kind)[6:10]  # beyond are the bars
        np.testing.assert_allclose(
            inside[:, 4:12], np.broadcast_to((shade - np.array(SIZE.mean)) / SIZE.std, (4, 8, 3)), atol=1e-5
        )


def test_the_mean_is_that_of_the_picture_without_its_bars(model: Model) -> None:
    sample = model.prepare(read_picture(PICTURE))
    np.testing.assert_allclose(baseline(model, sample, "mean")[0, 0], sample.x[0, 4:12].mean(axis=(0, 1)), atol=1e-5)


def test_shades_of_values_lie_between_those_of_the_picture_and_leave_its_bars() -> None:
    declared = picasso.Preprocessing(size=32, color="values", bands=1, scale=1 / 1000, resize="pad")
    model = picasso.load_model(lambda x: x.mean(axis=(1, 2)), preprocessing=declared, labels=("a",), head="none")
    values = np.random.default_rng(0).uniform(1000, 2000, (20, 40, 1)).astype(np.float32)
    np.save(file := io.BytesIO(), values)
    sample = model.prepare(decode_picture(file.getvalue(), "scan.npy"))
    shown = sample.x[0, 8:24]
    for kind, wanted in (("black", shown.min()), ("white", shown.max())):
        made = baseline(model, sample, kind)  # type: ignore[arg-type]
        np.testing.assert_allclose(made[8:24], wanted, rtol=1e-6)
        assert (made[:8] == 0).all()
        assert (made[24:] == 0).all()
    assert shown.min() < baseline(model, sample, "grey")[16, 16, 0] < shown.max()


def test_what_is_drawn_is_drawn_by_the_seed_between_black_and_white(model: Model) -> None:
    sample = model.prepare(read_picture(PICTURE))
    one, same, other = (baseline(model, sample, "uniform", seed) for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()
    black, white = baseline(model, sample, "black"), baseline(model, sample, "white")
    assert (one >= black - 1e-5).all()
    assert (one <= white + 1e-5).all()


def test_a_blur_keeps_the_mean_of_an_even_picture_and_smooths_a_point() -> None:
    even = np.full((12, 12, 1), 3.0, np.float32)
    np.testing.assert_allclose(blurred(even), even, rtol=1e-6)
    point = np.zeros((41, 41, 1), np.float32)
    point[20, 20] = 1
    smooth = blurred(point)
    assert smooth.sum() == pytest.approx(1, rel=1e-4)
    assert smooth[20, 20] / smooth[20, 24] == pytest.approx(np.exp(0.5 * (4 / 4.1) ** 2), rel=1e-4)
