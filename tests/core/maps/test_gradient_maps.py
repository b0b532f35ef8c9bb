"""What becomes of the channels of a pixel."""

import numpy as np
import pytest

from picasso.core.maps.gradient_maps import over_channels


@pytest.mark.parametrize("channels", [1, 3, 12])
def test_channels_become_one_value(channels: int) -> None:
    values = np.random.default_rng(0).normal(size=(4, 5, channels)).astype(np.float32)
    for given in (values, values.astype(np.float64)):
        sizes, sums = over_channels(given, "max_abs"), over_channels(given, "sum")
        assert sizes.dtype == sums.dtype == np.float32
        assert np.array_equal(sizes, np.abs(given).max(axis=-1).astype(np.float32))
        np.testing.assert_allclose(sums, given.sum(axis=-1, dtype=np.float64), rtol=1e-6)
        assert np.array_equal(over_channels(given, "none"), values)


def test_what_is_no_number_stays_none() -> None:
    values = np.array([[1, np.nan, 2], [1, 0, -3]], np.float32)
    assert np.array_equal(over_channels(values, "max_abs"), [np.nan, 3], equal_nan=True)
    assert np.array_equal(over_channels(values, "sum"), [np.nan, -2], equal_nan=True)
