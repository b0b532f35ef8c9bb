"""What the thing looks like that pictures are of, and where it is in them."""

from itertools import product

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from picasso.auditing.regions import things
from picasso.auditing.regions.kinds import find_kinds
from picasso.auditing.regions.looks import SIDE, look
from picasso.auditing.regions.patches import cut
from picasso.auditing.regions.things import Things, learn_things
from picasso.demo.planted.scenes import Scenes, scenes
from tests.auditing.scenes import draw


def _fit(drawn: Scenes, found: np.ndarray) -> tuple[float, float]:
    """Intersection over union with the true objects, and the share of these that is found, over all pictures."""
    both = (found & drawn.masks).sum()
    return both / (found | drawn.masks).sum(), both / drawn.masks.sum()


@pytest.mark.parametrize(("classes", "ties"), [(2, {"background-texture": 0.9}), (6, {"sky": 1.0})])
def test_painted_things_in_a_landscape_are_one_kind_whatever_else_is_tied_to_the_class(classes, ties):
    drawn, fresh = scenes(48, 5, classes, ties), scenes(12, 6, classes, ties)
    kinds = find_kinds(drawn.pixels, drawn.labels)
    assert kinds.object.kind is not None
    overlap, covered = _fit(drawn, np.stack([kinds.object_proposal(view) for view in drawn.pixels]))
    assert overlap > 0.6
    assert covered > 0.8
    assert _fit(fresh, np.stack([kinds.object_proposal(view) for view in fresh.pixels]))[0] > 0.55


def test_a_thing_of_the_colors_of_its_ground_is_found_by_what_other_pictures_show_of_it():
    """A checkered square of two greens in a meadow of both: by itself it stands out as little as the meadow."""
    rng = np.random.default_rng(0)
    views, where = [], np.zeros((48, 64, 64), bool)
    for place in where:
        ground = np.where(rng.random((64, 64)) < 0.5, 90, 110)
        top, left = rng.integers(8, 36, 2)
        place[top : top + 20, left : left + 20] = True
        checkers = np.where(np.add.outer(np.arange(64) // 4, np.arange(64) // 4) % 2, 90, 110)
        views.append(np.where(place, checkers, ground)[..., None] * np.array([0.6, 1, 0.5]))
    views = np.asarray(views).astype(np.uint8)
    pictures = [cut(view) for view in views]
    learned = learn_things(views, pictures, 0)
    expected = np.stack([learned.expected(look(view)[0]) for view in views])
    assert expected[where].mean() > expected[~where].mean() + 0.5


def test_all_of_a_height_looks_alike_where_nothing_stands():
    rows = np.linspace(40, 200, 48).astype(np.uint8)
    looks, known = look(np.broadcast_to(rows[:, None, None], (48, 64, 3)))
    assert known.all()
    np.testing.assert_allclose(looks, np.broadcast_to(looks[:, :1], looks.shape), rtol=1e-4, atol=1e-3)
    across = looks[..., 9::2]  # edges from column to column
    np.testing.assert_allclose(across, 0, atol=1e-3)


def test_looks_are_taken_at_one_scale_and_a_border_has_none():
    view = np.random.default_rng(0).integers(0, 256, (200, 150, 3), np.uint8)
    assert look(view)[0].shape == (SIDE, round(SIDE * 0.75), 25)
    assert look(view[:40, :30])[0].shape == (40, 30, 25)
    framed = view[:64, :64].copy()
    framed[:5], framed[-5:] = 0, 0
    looks, known = look(framed)
    assert known.any(axis=1).tolist() == [False] * 5 + [True] * 54 + [False] * 5
    assert not looks[~known].any()


def test_the_window_is_that_of_the_largest_sum():
    speaks = np.random.default_rng(1).normal(-0.2, 1, (20, 24))
    best, found = -np.inf, None
    for down, across in product(things._SIDES, things._SIDES):
        tall, wide = round(down * 20), round(across * 24)
        if not 1 / 3 <= across / down <= 3:
            continue
        for top, left in product(range(20 - tall + 1), range(24 - wide + 1)):
            total = speaks[top : top + tall, left : left + wide].sum()
            if total > best:
                best, found = total, (top + tall / 2, left + wide / 2, tall, wide)
    ellipse = things._ellipse(speaks)
    middle, center, tall, wide = found
    expected = np.zeros((20, 24))
    for row, column in product(range(20), range(24)):
        away = (2 * (row + 0.5 - middle) / tall) ** 2 + (2 * (column + 0.5 - center) / wide) ** 2
        expected[row, column] = away <= 1.2
    np.testing.assert_array_equal(ellipse, expected)


def test_weights_are_those_of_a_ridge_regression():
    rng = np.random.default_rng(2)
    looks = rng.normal(size=(3, 10, 12, 5)).astype(np.float32)
    known = rng.random((3, 10, 12)) < 0.8
    wanted = rng.random((3, 10, 12)).astype(np.float32)
    mixing, shift = rng.normal(size=(5, 4)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    plain = Things(np.full(5, 0.1, np.float32), np.full(5, 2, np.float32), mixing, shift, np.zeros(10, np.float32))
    numbers = plain.mixed(looks[known])[:, :-1]
    for mixtures, columns in ((True, 9), (False, 5)):
        fitted = things._fitted(plain, looks, known, wanted, mixtures)
        ridge = Ridge(alpha=things._RIDGE * known.sum()).fit(numbers[:, :columns], wanted[known])
        np.testing.assert_allclose(fitted.weight[:columns], ridge.coef_, atol=1e-4)
        np.testing.assert_allclose(fitted.weight[-1], ridge.intercept_, atol=1e-4)
        assert not fitted.weight[columns:-1].any()


def test_what_is_decided_counts_more():
    share = np.full(4, 0.25, np.float32)
    sure, unsure = np.array([1, 1, 0, 0], np.float32), np.full(4, 0.5, np.float32)
    both = np.array([0.8, 0.8, 0.2, 0.2], np.float32)
    np.testing.assert_allclose(things._together(both, both, share), both, rtol=1e-5)
    for one, other in ((sure, unsure), (unsure, sure)):
        np.testing.assert_allclose(things._together(one, other, share)[:2], 0.5**0.2, rtol=1e-5)
    # Where nothing stands out nothing is a thing, however much looks like one.
    assert things._together(sure, np.zeros(4, np.float32), share).max() < 0.1


def test_pictures_without_a_thing_have_none():
    drawn = draw(24, square=False)
    pictures = [cut(view) for view in drawn.views]
    learned = learn_things(drawn.views, pictures, 0)
    figures = [learned.figure(view, one).figure for view, one in zip(drawn.views, pictures, strict=True)]
    assert max(float(figure.mean()) for figure in figures) < 0.1
