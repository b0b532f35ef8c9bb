"""Planted scenes: what one component draws changes no other, and flipping a kind changes that kind alone."""

import numpy as np
import pytest

from picasso.demo.planted.kinds import KINDS
from picasso.demo.planted.kinds_seen import SEEN
from picasso.demo.planted.kinds_unseen import UNSEEN
from picasso.demo.planted.scenes import Scenes, level, scenes
from picasso.demo.planted.things import THINGS


@pytest.fixture(scope="module")
def plain() -> Scenes:
    return scenes(16, seed=3, classes=6)


def test_equal_seeds_draw_equal_scenes(plain: Scenes) -> None:
    again = scenes(16, seed=3, classes=6)
    np.testing.assert_array_equal(again.pixels, plain.pixels)
    np.testing.assert_array_equal(again.masks, plain.masks)
    assert (scenes(16, seed=4, classes=6).pixels != plain.pixels).mean() > 0.9


def test_a_scene_does_not_depend_on_how_many_there_are(plain: Scenes) -> None:
    np.testing.assert_array_equal(scenes(7, seed=3, classes=6).pixels, plain.pixels[:7])


@pytest.mark.parametrize("name", KINDS)
def test_flipping_a_kind_changes_nothing_outside_its_footprint(plain: Scenes, name: str) -> None:
    other = scenes(16, seed=3, classes=6, flipped=[name])
    changed = (other.pixels != plain.pixels).any(-1)
    allowed = plain.footprint(name) | other.footprint(name)
    assert not (changed & ~allowed).any()
    assert changed.any((1, 2)).all(), "in some picture it shows nowhere"
    np.testing.assert_array_equal(other.labels, plain.labels)
    for kind, values in plain.values.items():
        np.testing.assert_array_equal(other.values[kind], 1 - values if kind == name else values)


@pytest.mark.parametrize("name", [kind.name for kind in (*SEEN, *UNSEEN) if kind.name not in ("color-cast", "jpeg")])
def test_a_footprint_is_no_larger_than_it_must_be(name: str) -> None:
    shown = scenes(40, seed=8)
    flipped = scenes(40, seed=8, flipped=[name])
    raw = (shown.values["jpeg"] == 0)[:, None, None]
    changed = (shown.pixels != flipped.pixels).any(-1) & raw
    allowed = (shown.footprint(name) | flipped.footprint(name)) & raw
    # A color that happens to stay within half a step, a mark of letters that leave gaps.
    assert changed.sum() > (0.25 if name == "watermark" else 0.6) * allowed.sum()


def test_tying_a_kind_changes_that_kind_alone(plain: Scenes) -> None:
    tied = scenes(16, seed=3, classes=6, ties={"watermark": 1.0})
    moved = tied.values["watermark"] != plain.values["watermark"]
    np.testing.assert_array_equal(tied.values["watermark"], [level(label, 6) for label in tied.labels.tolist()])
    np.testing.assert_array_equal((tied.pixels != plain.pixels).any((1, 2, 3)), moved)
    assert 0 < moved.sum() < 16


@pytest.mark.parametrize(("classes", "rho"), [(2, 1.0), (2, 0.8), (6, 0.9), (2, 0.5)])
def test_a_tie_is_as_strong_as_it_says_and_ties_nothing_else(classes: int, rho: float) -> None:
    n = 600
    drawn = scenes(n, seed=1, classes=classes, ties={"sky": rho})
    wanted = np.array([level(label, classes) for label in drawn.labels.tolist()])
    agreement = {name: float((values == wanted).mean()) for name, values in drawn.values.items()}
    for name, share in agreement.items():
        expected = rho if name == "sky" else 0.5
        assert abs(share - expected) <= 4 * np.sqrt(expected * (1 - expected) / n), name
    together = np.corrcoef(np.array([*drawn.values.values()]))[~np.eye(len(KINDS), dtype=bool)]
    assert np.abs(together).max() < 4.2 / np.sqrt(n)


def test_pairs_flip_together() -> None:
    ties = {"border": 1.0, "object-tone": 1.0}
    one, other = scenes(12, seed=2, ties=ties), scenes(12, seed=2, ties=ties, flipped=list(ties))
    for name in ties:
        np.testing.assert_array_equal(one.values[name], one.labels)
        np.testing.assert_array_equal(other.values[name], 1 - one.labels)


def test_masks_show_the_object_and_every_class_has_one(plain: Scenes) -> None:
    assert plain.classes == tuple(THINGS)
    share = plain.masks.mean((1, 2))
    assert share.min() > 0.015
    assert share.max() < 0.25
    np.testing.assert_array_equal(np.bincount(plain.labels), [3, 3, 3, 3, 2, 2])


def test_another_object_changes_nothing_around_it(plain: Scenes) -> None:
    two = scenes(16, seed=3, classes=2)
    around = two.footprint("object-size") | plain.footprint("object-size")
    changed = (two.pixels != plain.pixels).any(-1)
    assert not (changed & ~around).any()
    assert changed.any()


def test_four_kinds_were_never_seen_and_two_are_on_the_object() -> None:
    assert [kind.name for kind in KINDS.values() if not kind.seen] == [
        "background-texture", "object-position", "co-occurring-object", "high-frequency-noise",
    ]  # fmt: skip
    assert [kind.name for kind in KINDS.values() if kind.on_object] == ["object-tone", "object-texture"]
    assert tuple(KINDS.values()) == (*SEEN, *UNSEEN)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind 'moon'; known: sky"):
        scenes(2, 0, ties={"moon": 1.0})
    with pytest.raises(ValueError, match=r"strength must be in \[0.5, 1\]. Got 1.2"):
        scenes(2, 0, ties={"sky": 1.2})
    with pytest.raises(ValueError, match=r"classes must be in \[2, 6\]. Got 7"):
        scenes(2, 0, classes=7)
