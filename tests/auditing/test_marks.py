import numpy as np

from picasso.auditing.regions.marks import find_marks
from tests.auditing.scenes import SIDE, draw


def stamped(views: np.ndarray, which: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Lay a white cross over some of the pictures."""
    where = np.zeros((SIDE, SIDE), bool)
    where[70:84, 76:79] = where[75:78, 70:86] = True
    made = views.copy()
    mixed = (1 - strength) * views[which] + strength * 255
    made[which] = np.where(where[..., None], mixed, views[which]).astype(np.uint8)
    return made, where


def test_a_mark_is_found_where_it_is_and_on_the_pictures_that_have_it():
    drawn = draw(64)
    for which, strength in ((drawn.labels == 1, 0.4), (np.arange(64) % 4 < 2, 1.0)):
        views, where = stamped(drawn.views, which, strength)
        (mark,) = find_marks(views, drawn.labels)
        assert (mark.where & where).sum() > 0.8 * where.sum()
        assert mark.where.sum() < 4 * where.sum()
        assert [mark.is_on(view) for view in views] == which.tolist()
        assert mark.name == "the mark at the bottom right"


def test_without_a_mark_none_is_found():
    drawn = draw(64)
    assert find_marks(drawn.views, drawn.labels) == []


def test_a_horizon_at_one_height_is_no_mark():
    views = np.full((40, SIDE, SIDE, 3), 60) + np.random.default_rng(0).integers(0, 20, (40, SIDE, SIDE, 3))
    views[:, :40] += 120
    assert find_marks(views.astype(np.uint8), np.zeros(40, np.int64)) == []
