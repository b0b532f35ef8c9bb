import numpy as np
import pytest

from picasso.auditing.regions.frame import Frame, frame_of


def noise(height: int = 60, width: int = 80) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("color", [0, 255, 90])
def test_a_border_is_as_wide_as_it_was_painted(color: int):
    view = noise()
    view[:4], view[-6:], view[:, :3], view[:, -5:] = color, color, color, color
    frame = frame_of(view)
    assert frame == Frame(4, 6, 3, 5)
    assert frame.inside(view).shape == (50, 72, 3)
    assert frame.mask((60, 80)).sum() == 60 * 80 - 50 * 72


def test_bars_above_and_below_are_a_border():
    view = noise()
    view[:5] = view[-5:] = 0
    assert frame_of(view) == Frame(5, 5, 0, 0)


def test_neither_a_plain_background_nor_one_edge_is_a_border():
    assert frame_of(noise()).none
    plain = np.full((60, 80, 3), 200, np.uint8)
    assert frame_of(plain).none
    plain[20:40, 30:50] = 0  # a thing in front of it
    assert frame_of(plain).none
    sky = noise()
    sky[:10] = 220
    assert frame_of(sky).none


@pytest.mark.parametrize(("mixed", "more"), [(0.1, 1), (0.5, 1), (0.7, 1), (0.9, 0)])
def test_what_a_smaller_picture_mixes_with_its_border_belongs_to_it(mixed: float, more: int):
    view = noise()
    view[:4], view[-6:], view[:, :3], view[:, -5:] = 0, 0, 0, 0
    inside = view[4:-6, 3:-5].copy()
    view[4, 3:-5], view[-7, 3:-5] = mixed * inside[1], mixed * inside[-2]
    view[4:-6, 3], view[4:-6, -6] = mixed * inside[:, 1], mixed * inside[:, -2]
    assert frame_of(view) == Frame(4 + more, 6 + more, 3 + more, 5 + more)
