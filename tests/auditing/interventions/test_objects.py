"""What is changed of the object: its size, place, tone, texture, itself, and whether it is there."""

import numpy as np
import pytest

from picasso.core.interventions.intervention import Pixels, Seen
from picasso.core.interventions.tones import log_chroma, luminance, moments
from tests.auditing.interventions.scenes import block, intervention, properties, scenes, taken, textured, with_object

SIZE = (80, 96)
BLUE = (40, 60, 160)


def plain(tone: int = 120) -> Pixels:
    return np.full((*SIZE, 3), tone, np.uint8)


def blue(view: Pixels) -> np.ndarray:
    return view[..., 2].astype(int) - view[..., 0] > 60


@pytest.mark.parametrize("box", [(20, 30, 16, 24), (30, 40, 40, 44), (40, 40, 10, 12)])
def test_the_object_covers_as_much_as_the_other_and_stands_where_it_stood(box: tuple[int, int, int, int]) -> None:
    to, source = with_object(plain(), (30, 36, 24, 30)), with_object(plain(), box)
    shown = blue(taken("object-scale", to, source))
    assert shown.sum() == pytest.approx(box[2] * box[3], rel=0.12)
    rows, columns = np.nonzero(shown)
    assert abs(rows.max() + 1 - 54) <= 1
    assert abs((columns.min() + columns.max() + 1) / 2 - 51) <= 1


def test_the_object_is_moved_to_where_the_other_stands() -> None:
    to, source = with_object(plain(), (30, 36, 20, 24)), with_object(plain(), (40, 10, 30, 10))
    found = taken("object-position", to, source)
    np.testing.assert_array_equal(blue(found), block(SIZE, (50, 3, 20, 24)))


def test_an_object_that_would_not_fit_stays_inside() -> None:
    to, source = with_object(plain(), (30, 36, 20, 40)), with_object(plain(), (0, 0, 6, 6))
    found = taken("object-position", to, source)
    assert blue(found).sum() == 20 * 40


def test_where_the_object_stood_the_background_is_filled() -> None:
    to, source = with_object(plain(), (30, 10, 20, 24)), with_object(plain(), (30, 60, 20, 24))
    found = taken("object-position", to, source)
    np.testing.assert_array_equal(found[:, :50], 120)


def test_the_object_gets_the_tone_and_the_background_stays() -> None:
    box = (20, 30, 30, 30)
    to, source = (with_object(textured(1, SIZE), box, color) for color in ((90, 80, 70), (60, 100, 150)))
    found = taken("object-tone", to, source)
    inside = block(SIZE, (21, 31, 28, 28))
    assert to.object is not None
    assert moments(luminance(found), inside)[0] == pytest.approx(luminance(np.array([60, 100, 150])), abs=0.6)
    np.testing.assert_allclose(log_chroma(found, inside), log_chroma(source.view, to.object), atol=0.02)
    # No rim: what lies beside the object gets none of its tone.
    np.testing.assert_array_equal(found[~to.object], to.view[~to.object])


def stripes(frequency: tuple[float, float], phase: float, seed: int = 0) -> Pixels:
    """Waves of (down, right) cycles per pixel, 24 tones high, under a little grain."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    wave = 24 * np.sin(2 * np.pi * (frequency[0] * rows + frequency[1] * columns + phase))
    grain = np.random.default_rng(seed).normal(0, 2, SIZE)
    return np.repeat((120 + wave + grain)[..., None], 3, 2).round().astype(np.uint8)


def wave(view: Pixels, mask: np.ndarray, frequency: tuple[float, float]) -> complex:
    """The wave of this frequency in the tones of an object: its height, and its phase."""
    rows, columns = np.nonzero(mask)
    tones = luminance(view)[mask]
    turn = np.exp(-2j * np.pi * (frequency[0] * rows + frequency[1] * columns))
    return complex(2 * np.mean((tones - tones.mean()) * turn))


def test_stripes_come_go_and_turn_and_the_shape_of_what_is_there_stays() -> None:
    mask, upright, level = block(SIZE, (10, 10, 60, 70)), (0.0, 0.2), (0.2, 0.0)
    inner = block(SIZE, (14, 14, 52, 62))
    bare = Seen("bare", stripes((0, 0), 0.0, 1), 0, mask)
    one, turned = Seen("one", stripes(upright, 0.1, 2), 0, mask), Seen("turned", stripes(level, 0.6, 3), 0, mask)
    assert abs(wave(taken("object-texture", one, bare), inner, upright)) < 3
    # The phase of grain is random, so that a wave that comes is here and there stronger, as woven cloth.
    come = luminance(taken("object-texture", bare, one))[inner]
    assert come.std() == pytest.approx(luminance(one.view)[inner].std(), rel=0.25)
    found = taken("object-texture", one, turned)
    assert abs(wave(found, inner, upright)) < 4
    assert luminance(found)[inner].std() == pytest.approx(luminance(turned.view)[inner].std(), rel=0.35)
    same = Seen("other phase", stripes(upright, 0.45, 4), 0, mask)
    kept = wave(taken("object-texture", one, same), inner, upright) / wave(one.view, inner, upright)
    assert abs(kept) == pytest.approx(1, abs=0.1)
    assert abs(np.angle(kept)) < 0.1


@pytest.mark.parametrize(("own", "other"), [(20, 60), (60, 20), (16, 40)])
def test_a_texture_is_as_strong_whatever_the_sizes_of_the_objects(own: int, other: int) -> None:
    to, source = (
        Seen(str(side), stripes((0.0, 0.2), 0.1, side), 0, block(SIZE, (10, 10, side, side))) for side in (own, other)
    )
    inner = block(SIZE, (13, 13, own - 6, own - 6))
    found = luminance(taken("object-texture", to, source))[inner].std()
    assert found == pytest.approx(luminance(to.view)[inner].std(), rel=0.25)


def test_of_a_wire_there_is_no_texture_to_take() -> None:
    wire, one = (
        Seen("one", stripes((0.0, 0.2), 0.1), 0, block(SIZE, box)) for box in ((10, 10, 1, 60), (10, 10, 40, 40))
    )
    what, rng = properties("object-texture", SIZE)[0], np.random.default_rng(0)
    for to, source in ((wire, one), (one, wire)):
        assert intervention("object-texture").take(what, to, source, rng) is None


def test_patterns_of_color_that_are_equally_bright_go_too() -> None:
    mask, waves = block(SIZE, (10, 10, 60, 70)), stripes((0.0, 0.2), 0.1).astype(np.float32) - 120
    rust = np.clip(plain() + waves * np.array([1, 0, -0.299 / 0.114]) * 0.8, 0, 255).round().astype(np.uint8)
    found = taken("object-texture", Seen("rusty", rust, 0, mask), Seen("bare", plain(), 0, mask))
    inner = block(SIZE, (14, 14, 52, 62))
    assert found[inner][:, 0].std() < 0.2 * rust[inner][:, 0].std()
    assert np.abs(luminance(found) - luminance(rust))[inner].mean() < 1.5


def test_plain_paint_can_get_a_texture_and_an_object_its_own() -> None:
    mask = block(SIZE, (10, 10, 60, 70))
    even, one = Seen("even", plain(), 0, mask), Seen("one", stripes((0.1, 0.15), 0.2), 0, mask)
    assert luminance(taken("object-texture", even, one))[mask].std() > 12
    itself = taken("object-texture", one, one).astype(int) - one.view
    assert np.abs(itself).mean() < 0.6


def test_the_object_gets_the_strength_of_the_texture_and_keeps_its_tone() -> None:
    mask = block(SIZE, (10, 10, 60, 70))
    weak, strong = (Seen("object", textured(seed, SIZE, spread=spread), 0, mask) for seed, spread in ((1, 9), (2, 16)))
    found = taken("object-texture", weak, strong)

    def roughness(view: Pixels) -> float:
        return float(np.abs(np.diff(luminance(view), axis=1))[mask[:, 1:]].mean())

    assert roughness(found) == pytest.approx(roughness(strong.view), rel=0.2)
    assert moments(luminance(found), mask)[0] == pytest.approx(moments(luminance(weak.view), mask)[0], abs=1)
    np.testing.assert_array_equal(found[weak.context], weak.view[weak.context])


def test_another_object_stands_there_as_large() -> None:
    to, source = with_object(plain(), (30, 36, 20, 40), (200, 60, 40)), with_object(plain(90), (10, 10, 40, 20))
    found = taken("object-swap", to, source)
    assert not (found[..., 0].astype(int) - found[..., 2] > 40).any()
    assert blue(found).sum() == pytest.approx(20 * 40, rel=0.12)
    rows, columns = np.nonzero(blue(found))
    assert (rows.max() + 1, (columns.min() + columns.max() + 1) / 2) == pytest.approx((50, 56), abs=1)
    np.testing.assert_array_equal(found[:8], 120)


def test_erased_nothing_of_the_object_is_left_and_the_sham_leaves_it() -> None:
    seen = with_object(textured(1, SIZE, spread=4), (30, 36, 20, 30))
    pair = intervention("erasure").pair(properties("erasure", SIZE)[0], seen, seen, seen, 3)
    assert pair is not None
    sham, treatment = pair
    assert not blue(treatment).any()
    np.testing.assert_array_equal(treatment[seen.context], seen.view[seen.context])
    np.testing.assert_array_equal(sham[seen.around], seen.view[seen.around])
    assert not (blue(sham) & seen.context).any()
    assert (sham != seen.view).any(-1).sum() > 0.5 * seen.around.sum()


def test_where_nothing_so_large_fits_beside_it_the_sham_erases_around_the_object() -> None:
    seen = with_object(textured(1, SIZE, spread=4), (6, 12, 66, 70))
    pair = intervention("erasure").pair(properties("erasure", SIZE)[0], seen, seen, seen, 3)
    assert pair is not None
    sham, treatment = pair
    assert seen.object is not None
    np.testing.assert_array_equal(sham[seen.object | seen.context], seen.view[seen.object | seen.context])
    assert (sham != seen.view).any()
    assert not blue(treatment).any()


def test_an_object_that_fills_the_picture_cannot_be_erased_or_moved() -> None:
    full = Seen("full", plain(), 0, np.ones(SIZE, bool))
    part = with_object(plain(), (30, 36, 20, 30))
    for name in ("erasure", "object-position", "object-scale", "object-swap"):
        assert intervention(name).pair(properties(name, SIZE)[0], full, part, part, 0) is None
    assert intervention("context").pair(properties("context", SIZE)[0], part, full, full, 0) is None


def test_a_cutout_brings_nothing_of_its_background() -> None:
    to, source, *_ = scenes()
    red = Seen(
        "red", np.where(source.around[..., None], source.view, np.array([255, 0, 0], np.uint8)), 1, source.object
    )
    found = taken("object-swap", to, red)
    assert not ((found[..., 0] > 200) & (found[..., 1] < 60)).any()


@pytest.mark.parametrize(("wide", "made"), [(1, False), (6, True)])
def test_the_tone_of_a_wire_is_not_asked_for(wide: int, made: bool) -> None:
    # All of it is edge: nothing would be changed, and that must not read as harmless.
    to, source = (
        with_object(textured(1, SIZE), (20, 10, wide, 60), color) for color in ((90, 80, 70), (200, 190, 180))
    )
    what = properties("object-tone", SIZE)[0]
    assert (intervention("object-tone").pair(what, to, source, source, 0) is not None) is made
