import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picasso.auditing.regions.kinds import RegionKinds, find_kinds
from tests.auditing.scenes import SIDE, Drawn, draw, overlap


def best(kinds: RegionKinds, views, truth) -> tuple[int, float]:
    """The kind that lies most where something is, and its mean overlap with it."""
    maps = [kinds.label(view) for view in views]
    scores = [np.mean([overlap(m == k, t) for m, t in zip(maps, truth, strict=True)]) for k in range(len(kinds))]
    return int(np.argmax(scores)), float(max(scores))


@pytest.fixture(scope="module")
def tied() -> tuple[Drawn, RegionKinds]:
    drawn = draw(tied=True)
    return drawn, find_kinds(drawn.views, drawn.labels)


def test_a_sky_whose_color_is_the_class_stays_one_kind(tied):
    drawn, kinds = tied
    sky, score = best(kinds, drawn.views, drawn.sky)
    assert score > 0.9
    assert kinds.presence[sky].tolist() == [1, 1]
    assert kinds.telling[sky] > 0.95
    assert kinds.names[sky] == "the area at the top"  # of no color, since that differs


def test_what_the_classes_share_does_not_tell_them_apart(tied):
    drawn, kinds = tied
    ground, _ = best(kinds, drawn.views, ~drawn.sky & ~drawn.thing)
    assert kinds.names[ground] == "the green area at the bottom"
    assert kinds.telling[ground] < 0.7


def test_a_thing_in_random_places_is_found_and_proposed(tied):
    drawn, kinds = tied
    thing, score = best(kinds, drawn.views, drawn.thing)
    assert score > 0.8
    assert kinds.object.kind == thing
    assert kinds.object.confidence > 0.3
    assert "red thing" in kinds.names[thing]
    proposals = [kinds.object_proposal(view) for view in drawn.views]
    assert np.mean([overlap(p, t) for p, t in zip(proposals, drawn.thing, strict=True)]) > 0.8


def test_pictures_that_were_not_among_the_found_ones_are_labeled_as_well(tied):
    _, kinds = tied
    fresh = draw(16, tied=True, seed=77)
    assert best(kinds, fresh.views, fresh.sky)[1] > 0.9
    assert best(kinds, fresh.views, fresh.thing)[1] > 0.75


def test_without_a_thing_no_object_is_proposed():
    drawn = draw(square=False)
    kinds = find_kinds(drawn.views, drawn.labels)
    assert kinds.object.kind is None
    assert not kinds.object_proposal(drawn.views[0]).any()
    assert best(kinds, drawn.views, drawn.sky)[1] > 0.9


def test_equal_arguments_give_equal_kinds_and_pickling_keeps_them():
    drawn = draw(24, seed=3)
    first, second = (find_kinds(drawn.views, drawn.labels, seed=4) for _ in range(2))
    kept = pickle.loads(pickle.dumps(first))
    assert first.names == second.names == kept.names
    for view in drawn.views[:8]:
        np.testing.assert_array_equal(first.label(view), second.label(view))
        np.testing.assert_array_equal(first.label(view), kept.label(view))


def test_kinds_do_not_depend_on_classes():
    """Below the number from which marks are looked for, classes say only how often a kind is there."""
    drawn = draw(24, seed=3)
    one = find_kinds(drawn.views, drawn.labels)
    other = find_kinds(drawn.views, np.random.default_rng(0).permutation(drawn.labels))
    np.testing.assert_array_equal(one.label(drawn.views[0]), other.label(drawn.views[0]))


def test_a_mark_of_one_class_is_found_and_is_a_place_of_every_picture():
    drawn = draw(48)
    views = drawn.views.copy()
    where = np.zeros((SIDE, SIDE), bool)
    where[80:88, 76:90] = True
    views[drawn.labels == 1] = np.where(where[..., None], (250, 240, 60), views[drawn.labels == 1])
    kinds = find_kinds(views, drawn.labels)
    mark = kinds.names.index("the mark at the bottom right")
    assert kinds.presence[mark].tolist() == [0, 1]
    assert kinds.telling[mark] > 0.95
    assert min(overlap(kinds.label(view) == mark, where) for view in views) > 0.7


def test_a_border_is_a_kind_and_is_a_place_of_every_picture():
    drawn = draw(48)
    views = drawn.views.copy()
    where = np.ones((SIDE, SIDE), bool)
    where[5:-5, 5:-5] = False
    views[drawn.labels == 0] = np.where(where[..., None], 0, views[drawn.labels == 0])
    kinds = find_kinds(views, drawn.labels)
    border = kinds.names.index("the border around the picture")
    assert kinds.presence[border].tolist() == [1, 0]
    assert min(overlap(kinds.label(view) == border, where) for view in views) > 0.9
    assert best(kinds, views, drawn.sky & ~where)[1] > 0.9


def test_sizes_must_be_equal():
    views = [np.zeros((16, 16, 3), np.uint8), np.zeros((16, 17, 3), np.uint8)]
    with pytest.raises(ValueError, match="one size"):
        find_kinds(views, np.array([0, 1]))
    with pytest.raises(ValueError, match="at least one"):
        find_kinds([], np.array([], np.int64))
    kinds = find_kinds(views[:1] * 4, np.array([0, 1, 0, 1]))
    with pytest.raises(ValueError, match=r"16 x 16 pixels. Got \(16, 17\)"):
        kinds.label(views[1])


@settings(max_examples=12, deadline=None)
@given(st.integers(16, 40), st.integers(16, 40), st.sampled_from(["flat", "grey", "noise", "black"]), st.integers(1, 9))
def test_odd_pictures_get_kinds_too(height: int, width: int, how: str, count: int):
    rng = np.random.default_rng(count)
    views = {
        "flat": np.broadcast_to(rng.integers(0, 256, (count, 1, 1, 3)), (count, height, width, 3)),
        "grey": np.repeat(rng.integers(0, 256, (count, height, width, 1)), 3, axis=3),
        "noise": rng.integers(0, 256, (count, height, width, 3)),
        "black": np.zeros((count, height, width, 3)),
    }[how].astype(np.uint8)
    kinds = find_kinds(list(views), np.arange(count) % 2)
    assert len(set(kinds.names)) == len(kinds) >= 1
    assert kinds.presence.shape == (len(kinds), min(count, 2))
    assert ((kinds.telling >= 0) & (kinds.telling <= 1)).all()
    labels = kinds.label(views[0])
    assert labels.shape == (height, width)
    assert labels.dtype == np.int64
    assert set(np.unique(labels)) <= set(range(len(kinds)))
