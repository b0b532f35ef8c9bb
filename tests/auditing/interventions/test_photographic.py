"""Light, color, sharpness, noise and compression: after the transfer the picture measures as the source does."""

import numpy as np
import pytest
from scipy import ndimage

from picasso.core.interventions.compression import jpeg_quality, recompressed
from picasso.core.interventions.detail import noise_level
from picasso.core.interventions.intervention import Pixels, Seen
from picasso.core.interventions.light import light_of
from picasso.core.interventions.tones import log_chroma, luminance, moments, to_pixels
from tests.auditing.interventions.scenes import block, intervention, properties, scenes, taken, textured

SIZE = (48, 56)


def seen(view: Pixels, masked: bool = True) -> Seen:
    return Seen("picture", view, 0, block(view.shape[:2], (10, 12, 14, 16)) if masked else None)


def colored(seed: int, strong: float) -> Pixels:
    """Smooth noise whose colors are so strong, 1 as drawn."""
    view = textured(seed)
    gray = luminance(view)[..., None]
    return to_pixels(gray + np.float32(strong) * (view - gray))


def fine(view: Pixels) -> np.ndarray:
    """Return the finest detail of a picture."""
    tones = luminance(view)
    return tones - ndimage.gaussian_filter(tones, 1.5)


@pytest.fixture
def to() -> Seen:
    return seen(textured(1, mean=130))


def test_the_background_becomes_as_bright(to: Seen) -> None:
    source = seen(textured(2, mean=90))
    found = taken("luminance", to, source)
    wanted, _ = moments(luminance(source.view), source.middle)
    assert moments(luminance(found), to.middle)[0] == pytest.approx(wanted, abs=0.2)
    # A gain: black stays black, and the object is lit like the rest.
    np.testing.assert_allclose(
        found / np.float64(to.view), wanted / moments(luminance(to.view), to.middle)[0], atol=0.01
    )


def test_brightness_is_reached_although_some_pixels_are_clipped() -> None:
    view = np.full((20, 20, 3), 60, np.uint8)
    view[4:8] = 240
    source = Seen("bright", np.full((20, 20, 3), 150, np.uint8), 0)
    found = taken("luminance", Seen("to", view, 0), source)
    assert luminance(found)[2:-2, 2:-2].mean() == pytest.approx(150, abs=0.3)


def test_the_background_gets_the_color_and_stays_as_bright(to: Seen) -> None:
    warm = to_pixels(textured(2, mean=110) * np.array([1.3, 1.0, 0.7], np.float32))
    source = seen(warm)
    found = taken("color-cast", to, source)
    np.testing.assert_allclose(log_chroma(found, to.middle), log_chroma(source.view, source.middle), atol=0.005)
    assert luminance(found)[to.middle].mean() == pytest.approx(luminance(to.view)[to.middle].mean(), abs=0.2)


def test_colors_become_as_strong_and_keep_hue_and_luminance() -> None:
    to, source = (seen(colored(seed, strong)) for seed, strong in ((1, 0.3), (2, 1.0)))

    def colors(view: Pixels) -> np.ndarray:
        return view[to.middle] - luminance(view[to.middle])[:, None]

    found = taken("saturation", to, source)
    strengths = [np.sqrt(np.square(colors(view)).mean()) for view in (found, source.view)]
    assert strengths[0] == pytest.approx(strengths[1], rel=0.02)
    np.testing.assert_allclose(luminance(found), luminance(to.view), atol=0.6)
    before, after = colors(to.view), colors(found)
    assert (before * after).sum() / np.linalg.norm(before) / np.linalg.norm(after) > 0.999


def test_gray_pictures_have_no_color_to_make_stronger() -> None:
    gray = seen(np.repeat(textured(1)[..., :1], 3, 2))
    what = properties("saturation", SIZE)[0]
    assert intervention("saturation").take(what, gray, seen(colored(2, 1.0)), np.random.default_rng(0)) is None
    assert np.ptp(taken("saturation", seen(colored(2, 1.0)), gray).astype(int), axis=2).max() < 40


def test_the_background_gets_the_contrast_and_keeps_its_mean(to: Seen) -> None:
    source = seen(textured(2, mean=90, spread=24))
    found = taken("contrast", to, source)

    def spread(view: Pixels) -> float:
        tones, here = luminance(view), to.middle.astype(float)
        around = ndimage.gaussian_filter(tones * here, 0.04 * 56) / (ndimage.gaussian_filter(here, 0.04 * 56) + 1e-9)
        return float((tones - around)[to.middle].std())

    assert spread(found) == pytest.approx(spread(source.view), rel=0.01)
    assert luminance(found)[to.middle].mean() == pytest.approx(luminance(to.view)[to.middle].mean(), abs=0.2)


def test_of_a_bright_sky_over_dark_land_the_line_alone_is_contrast() -> None:
    to, other = (Seen(str(seed), textured(seed, (96, 112)), 0) for seed in (1, 2))
    bright = other.view.copy()
    bright[:48] += 60
    assert luminance(bright).std() > 2 * luminance(other.view).std()
    plain, sky = (luminance(taken("contrast", to, source)).std() for source in (other, Seen("sky", bright, 1)))
    assert sky < 1.4 * plain


def with_frame(view: Pixels) -> Pixels:
    """Return a picture in a frame of red noise, wider at the left than at the right."""
    made, rng = view.copy(), np.random.default_rng(0)
    for side in (made[:4], made[-4:], made[:, :5], made[:, -2:]):
        side[...] = np.clip(rng.normal((200, 60, 60), 25, side.shape), 0, 255)
    return made


@pytest.mark.parametrize(
    ("name", "which"),
    [("luminance", 0), ("color-cast", 0), ("saturation", 0), ("contrast", 0), ("blur", 0), ("vignette", 0),
     ("light-gradient", 0), ("light-gradient", 1)],
)  # fmt: skip
def test_a_frame_is_neither_light_nor_color(to: Seen, name: str, which: int) -> None:
    other = textured(2, mean=120)
    framed, plain = (taken(name, to, seen(view), which).astype(float) for view in (with_frame(other), other))
    assert np.abs(framed - plain).max() < 1.5


def test_an_even_frame_makes_a_picture_no_less_noisy(to: Seen) -> None:
    drawn = np.random.default_rng(0).normal(0, 8, (*SIZE, 3)).astype(np.float32)
    other = to_pixels(textured(2, mean=120) + drawn)
    framed = other.copy()
    framed[:5] = framed[-5:] = framed[:, :6] = framed[:, -6:] = 90
    found, wanted = (noise_level(taken("noise", to, seen(view)), to.middle) for view in (framed, other))
    assert found == pytest.approx(wanted, rel=0.08)  # beside a frame nothing is flat, which leaves fewer places


@pytest.mark.parametrize("box", [(4, 4, 40, 48), (4, 4, 38, 46)])
def test_where_the_object_leaves_little_but_edges_these_are_measured(box: tuple[int, int, int, int]) -> None:
    covered = Seen("covered", textured(1), 0, block(SIZE, box))
    assert covered.context.any()
    np.testing.assert_array_equal(covered.middle, covered.context)


@pytest.mark.parametrize(
    ("name", "which", "place"), [("light-gradient", 0, 1), ("light-gradient", 1, 2), ("vignette", 0, 3)]
)
def test_the_light_changes_one_way_as_the_sources(to: Seen, name: str, which: int, place: int) -> None:
    down, across = np.meshgrid(np.linspace(-1, 1, SIZE[0]), np.linspace(-1, 1, SIZE[1]), indexing="ij")
    light = np.exp(0.3 * across - 0.2 * down - 0.4 * (across**2 + down**2) / 2)
    source = seen(to_pixels((textured(2) * light[..., None]).astype(np.float32)))
    before, wanted, after = light_of(to), light_of(source), light_of(seen(taken(name, to, source, which)))
    assert before is not None
    assert wanted is not None
    assert after is not None
    assert after[place] == pytest.approx(wanted[place], abs=0.01)
    for other in {1, 2, 3} - {place}:
        assert after[other] == pytest.approx(before[other], abs=0.02)


def test_a_sharp_picture_is_blurred_as_the_source_was() -> None:
    sharp, other = scenes()[0], scenes()[2]
    soft = Seen(
        "soft", to_pixels(ndimage.gaussian_filter(other.view.astype(np.float32), (1.5, 1.5, 0))), 0, other.object
    )
    found = taken("blur", sharp, soft)
    edges = [np.abs(np.diff(luminance(view), axis=0)).mean() for view in (sharp.view, found)]
    assert edges[1] < 0.8 * edges[0]
    # Sharpened again by the picture that it was, it is near to it.
    again = taken("blur", Seen("blurred", found, 0, sharp.object), sharp)
    assert np.abs(np.diff(luminance(again), axis=0)).mean() > 1.1 * edges[1]


@pytest.mark.parametrize("level", [4.0, 10.0])
def test_the_flat_parts_become_as_noisy(level: float) -> None:
    clean, other = (Seen(str(seed), textured(seed, (96, 96), spread=6), 0) for seed in (1, 2))
    grain = np.random.default_rng(3).standard_normal(other.view.shape, np.float32)
    noisy = Seen("noisy", to_pixels(other.view + np.float32(level) * grain), 0)
    wanted = noise_level(noisy.view, noisy.middle)
    assert wanted == pytest.approx(level * np.linalg.norm([0.299, 0.587, 0.114]), rel=0.15)
    assert noise_level(taken("noise", clean, noisy), clean.middle) == pytest.approx(wanted, rel=0.12)
    quiet = noise_level(taken("noise", noisy, clean), noisy.middle)
    assert quiet is not None
    assert quiet < 0.5 * wanted


def test_noise_that_is_drawn_is_equal_for_equal_seeds() -> None:
    clean = Seen("clean", textured(1, (96, 96), spread=6), 0)
    grain = np.random.default_rng(3).standard_normal(clean.view.shape, np.float32)
    noisy = Seen("noisy", to_pixels(clean.view + 8 * grain), 0)
    np.testing.assert_array_equal(taken("noise", clean, noisy), taken("noise", clean, noisy))


@pytest.mark.parametrize("quality", [12, 20, 50, 73, 85])
def test_compression_is_the_sources(quality: int) -> None:
    to, source, *_ = scenes()
    squeezed = Seen("squeezed", recompressed(source.view, quality), 1, source.object)
    assert jpeg_quality(source.view) is None
    assert jpeg_quality(squeezed.view) == quality
    np.testing.assert_array_equal(taken("jpeg-grid", to, squeezed), recompressed(to.view, quality))


def test_the_grid_is_taken_out_where_the_source_has_none() -> None:
    to, source, *_ = scenes()
    squeezed = recompressed(to.view, 15)
    found = taken("jpeg-grid", Seen("squeezed", squeezed, 0, to.object), source)

    def blocks(view: Pixels) -> float:
        steps = np.abs(np.diff(luminance(view), axis=1)).mean(0)
        at_edges = np.arange(len(steps)) % 8 == 7
        return float(steps[at_edges].mean() / steps[~at_edges].mean())

    assert jpeg_quality(found) is None
    assert abs(blocks(found) - blocks(to.view)) < 0.5 * abs(blocks(squeezed) - blocks(to.view))


def test_the_detail_that_compression_took_comes_back_from_the_source() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 6, (2, 64, 64, 3)).astype(np.float32)
    noisy = [to_pixels(textured(n, (64, 64), spread=8) + noise[n]) for n in (0, 1)]
    squeezed, source = seen(recompressed(noisy[0], 25)), seen(noisy[1])
    assert jpeg_quality(squeezed.view) == 25
    found = taken("jpeg-grid", squeezed, source)
    took, wanted, got = (fine(view)[squeezed.context].std() for view in (squeezed.view, source.view, found))
    assert took < 0.65 * wanted
    assert got == pytest.approx(wanted, rel=0.2)
    assert fine(found)[squeezed.object].std() < 0.65 * wanted


def test_what_compression_would_not_take_stays_in_the_source() -> None:
    to, other = textured(1, (64, 64)), textured(2, (64, 64))
    marked = other.copy()
    marked[10:14, 40:60:4] = 250
    squeezed = seen(recompressed(to, 85), masked=False)
    plain, with_mark = (
        taken("jpeg-grid", squeezed, seen(view, masked=False)).astype(float) for view in (other, marked)
    )
    assert jpeg_quality(squeezed.view) == 85
    assert np.abs(with_mark - plain).max() < 40  # of 130


@pytest.mark.parametrize(("strong", "weak"), [(15, 50), (30, 85), (12, 20)])
def test_one_that_was_compressed_less_is_compressed_as_little(strong: int, weak: int) -> None:
    to, source, *_ = scenes()
    squeezed = Seen("squeezed", recompressed(to.view, strong), 0, to.object)
    found = taken("jpeg-grid", squeezed, Seen("source", recompressed(source.view, weak), 1, source.object))
    assert jpeg_quality(found) == weak


def test_the_picture_is_mirrored_where_that_makes_it_more_alike() -> None:
    ramp = np.repeat(np.linspace(40, 200, 56).astype(np.uint8)[None, :, None], 48, 0).repeat(3, 2)
    to = Seen("to", ramp, 0)
    np.testing.assert_array_equal(taken("orientation", to, Seen("mirrored", ramp[:, ::-1], 1)), ramp[:, ::-1])
    np.testing.assert_array_equal(taken("orientation", to, Seen("alike", ramp, 1)), ramp)


def test_fine_detail_comes_over_and_coarse_things_do_not() -> None:
    smooth = ndimage.gaussian_filter(textured(1, (64, 64)).astype(np.float32), (4, 4, 0))
    checks = (np.indices((64, 64)).sum(0) % 2 * 12 - 6).astype(np.float32)[..., None]
    to, source = Seen("to", to_pixels(smooth), 0), Seen("source", to_pixels(smooth[::-1] + checks), 1)
    apart = taken("fine-detail", to, source).astype(float) - to.view
    inner = np.s_[4:-4, 4:-4]
    assert np.corrcoef(apart[inner][..., 0].ravel(), checks[inner].ravel())[0, 1] > 0.95
    assert np.abs(ndimage.uniform_filter(apart, (8, 8, 1)))[inner].max() < 2
