"""Wilson's interval is that of SciPy, and holds what it should."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from picasso.core.statistics.proportions import share_interval


@pytest.mark.parametrize(("successes", "count"), [(0, 1), (1, 1), (0, 12), (7, 12), (12, 12), (500, 1000), (3, 10_000)])
def test_the_interval_is_that_of_scipy(successes: int, count: int) -> None:
    expected = binomtest(successes, count).proportion_ci(0.95, "wilson")
    assert share_interval(successes, count) == pytest.approx(
        (successes / count, expected.low, expected.high), abs=1e-12
    )


def test_of_nothing_nothing_is_known() -> None:
    assert share_interval(0, 0) == (0.0, 0.0, 1.0)


def test_it_holds_the_truth_about_as_often_as_it_says() -> None:
    counts = np.arange(51)
    ends = [share_interval(int(one), 50)[1:] for one in counts]
    held = [binom.pmf(counts, 50, p)[[low <= p <= high for low, high in ends]].sum() for p in np.linspace(0.1, 0.9, 33)]
    assert 0.94 < np.mean(held) < 0.96
