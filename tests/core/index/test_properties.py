"""What is measured of a picture without a model, against its definition written out slowly."""

import numpy as np
import pytest

from picasso.core.index import PROPERTIES
from picasso.core.index.properties import measure
from picasso.core.interventions.tones import WEIGHTS

RNG = np.random.default_rng(3)


def test_properties_are_those_of_a_slow_loop() -> None:
    view = RNG.integers(0, 256, (7, 9, 3)).astype(np.uint8)
    light = [[float(np.dot(WEIGHTS, [int(one) for one in pixel])) / 255 for pixel in row] for row in view]
    colors = [(int(max(pixel)) - int(min(pixel))) / 255 for row in view for pixel in row]
    across = [(row[i] - 2 * row[i + 1] + row[i + 2]) ** 2 for row in light for i in range(7)]
    down = [(light[i][j] - 2 * light[i + 1][j] + light[i + 2][j]) ** 2 for i in range(5) for j in range(9)]
    mask = np.zeros((14, 18), bool)
    mask[:7, :9] = True
    found = dict(zip([one.name for one in PROPERTIES], measure(view, mask), strict=True))
    assert found["brightness"] == pytest.approx(np.mean(light), rel=1e-5)
    assert found["contrast"] == pytest.approx(np.std(light), rel=1e-5)
    assert found["color"] == pytest.approx(np.mean(colors), rel=1e-5)
    assert found["sharpness"] == pytest.approx(10 * np.log10((np.mean(across) + np.mean(down)) / 2), rel=1e-5)
    assert found["object size"] == 0.25


def test_a_plain_picture_has_no_contrast_color_or_sharpness_and_no_object_is_not_an_object_of_size_zero() -> None:
    found = measure(np.full((5, 2, 3), 51, np.uint8), None)
    np.testing.assert_allclose(found[:4], [0.2, 0, 0, -60], atol=1e-5)
    assert np.isnan(found[4])
