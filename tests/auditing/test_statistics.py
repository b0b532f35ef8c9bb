"""The statistics of the audit against SciPy, closed forms and their own promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from picasso.auditing import statistics
from picasso.auditing.thresholds import ALPHA, DROP, SURE
from picasso.core.statistics.multiple_tests import holm


@pytest.mark.parametrize(("right", "count"), [(0, 10), (3, 10), (10, 10), (97, 200)])
def test_share_is_wilsons_interval(right: int, count: int) -> None:
    low, high = stats.binomtest(right, count).proportion_ci(0.95, method="wilson")
    found = statistics.share(right, count)
    assert (found.value, found.low, found.high) == pytest.approx((right / count, low, high), abs=1e-12)


def test_share_of_nothing_says_nothing() -> None:
    found = statistics.share(0, 0)
    assert (found.low, found.high) == (0, 1)


def test_drop_of_what_never_moved_still_has_an_interval() -> None:
    found = statistics.drop(0, 0, 67)
    assert found.value == 0
    assert found.high == pytest.approx(1.959964**2 / (67 + 1.959964**2), rel=1e-5)
    assert found.low == pytest.approx(-found.high)


def test_drop_is_where_the_score_test_begins_to_reject() -> None:
    def likelihood(gained: float, difference: float) -> float:
        shares = np.array([gained + difference, gained, 1 - 2 * gained - difference])
        return float((np.array([12, 2, 86]) * np.log(np.maximum(shares, 1e-300))).sum())

    found = statistics.drop(12, 2, 100)
    assert found.value == pytest.approx(0.1)
    for end in (found.low, found.high):
        # An independent search for the nuisance parameter, and the score statistic from its definition.
        grid = np.linspace(max(0, -end) + 1e-9, (1 - end) / 2 - 1e-9, 400_001)
        gained = grid[np.argmax([likelihood(one, end) for one in grid[::40]]) * 40]
        score = (10 - 100 * end) / np.sqrt(100 * (2 * gained + end * (1 - end)))
        assert abs(score) == pytest.approx(1.959964, abs=2e-3)


@given(st.integers(1, 500), st.data())
def test_drop_lies_in_its_interval(count: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, count))
    gained = data.draw(st.integers(0, count - lost))
    found = statistics.drop(lost, gained, count)
    mirrored = statistics.drop(gained, lost, count)
    assert -1 <= found.low <= found.high <= 1
    assert found.low == pytest.approx(-mirrored.high)
    assert found.low <= found.value <= found.high


def test_drop_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    for lost, gained in ((0.02, 0.0), (0.05, 0.0), (0.1, 0.02), (0.3, 0.3)):
        draws = rng.multinomial(100, [lost, gained, 1 - lost - gained], size=4000)
        ends = {(a, b): statistics.drop(a, b, 100) for a, b in {(int(a), int(b)) for a, b, _ in draws}}
        found = [ends[int(a), int(b)] for a, b, _ in draws]
        covered = np.mean([one.low <= lost - gained <= one.high for one in found])
        assert covered > 0.93


def test_paired_p_is_students() -> None:
    differences = np.random.default_rng(1).normal(0.2, 1, 80)
    wanted = stats.ttest_1samp(differences, 0, alternative="greater").pvalue
    assert statistics.paired_p(differences) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(("values", "p"), [([], 1), ([3.0], 1), ([0.0] * 9, 1), ([-2.0] * 9, 1), ([2.0] * 9, 0)])
def test_paired_p_of_what_does_not_vary(values: list[float], p: float) -> None:
    assert statistics.paired_p(np.array(values)) == p


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_keeps_the_order_and_never_helps(ps: list[float]) -> None:
    corrected = holm(ps)
    assert all(q >= p for p, q in zip(ps, corrected, strict=True))
    assert all(q <= 1 for q in corrected)
    order = np.argsort(ps, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()


@pytest.mark.parametrize("count", [64, 133, 200, 1000])
@pytest.mark.parametrize("tests", [1, 45])
def test_smallest_drop_can_just_be_seen(count: int, tests: int) -> None:
    def seen(lost: int) -> bool:
        flips = np.concatenate([np.ones(lost), np.zeros(count - lost)])
        enough = lost >= DROP * count and statistics.drop(lost, 0, count).low > SURE
        return enough and tests * statistics.paired_p(flips) < ALPHA

    lost = round(statistics.smallest_drop(count, tests) * count)
    assert seen(lost)
    assert not seen(lost - 1)


def test_more_pictures_see_more_and_more_tests_less() -> None:
    seen = [statistics.smallest_drop(count, 45) for count in (20, 64, 133, 400)]
    assert seen == sorted(seen, reverse=True)
    assert statistics.smallest_drop(64, 45) > statistics.smallest_drop(64, 1)
    assert statistics.smallest_drop(2, 1) == 1


def test_a_mean_has_the_interval_of_its_standard_error() -> None:
    found = statistics.mean(np.array([1.0, 2, 3, 6]))
    reach = 1.959964 * np.sqrt(14 / 3) / 2
    assert (found.value, found.low, found.high) == pytest.approx((3, 3 - reach, 3 + reach))
    assert np.isinf(statistics.mean(np.array([3.0])).high)
    assert statistics.mean(np.array([])).value == 0
