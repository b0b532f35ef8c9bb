"""Clips: which files are read as several frames, which frames a network reads, and what is said about it."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from picasso import Preprocessing, explain, load_model
from picasso.core import registry
from picasso.core.attribution import Attribution, nearest
from picasso.core.detective import try_conventions
from picasso.core.errors import ConfigurationError, NotSupportedError, PictureError, PluginError
from picasso.core.facts import Facts
from picasso.core.fitting import missing, stills_only
from picasso.core.hooks import Head
from picasso.core.inputs import read_inputs
from picasso.core.model import Model
from picasso.core.pictures import clips
from picasso.core.pictures.clips import chosen, frames_of, place_of
from picasso.core.pictures.images import decode_picture, read_picture
from picasso.core.targets import Target

GREYS = (0, 60, 120, 180, 240, 30)
FRAMES = np.stack([np.full((6, 8, 3), grey, np.uint8) for grey in GREYS])
FIRST = "It holds several frames; the first is used."


def saved(frames: NDArray[np.uint8], kind: str, **choices: Any) -> bytes:
    if kind == "NPY":
        buffer = io.BytesIO()
        np.save(buffer, frames, **choices)
        return buffer.getvalue()
    images = [Image.fromarray(frame) for frame in frames]
    buffer = io.BytesIO()
    images[0].save(buffer, kind, save_all=True, append_images=images[1:], **choices)
    return buffer.getvalue()


def mean(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """A score for each of three moments: the brightness of a frame."""
    return x.mean(axis=(2, 3, 4))


def model(frames: int | None, **choices: Any) -> Model:
    plain = Preprocessing(size=(6, 8), scale=1.0, **choices)
    if frames is None:
        return load_model(lambda x: x.mean(axis=(1, 2)), preprocessing=plain)
    return load_model(mean, preprocessing=plain, frames=frames, head="none")


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "NPY"])
def test_the_frames_of_a_file_are_read(kind: str) -> None:
    data = saved(FRAMES, kind, **({"lossless": True} if kind == "WEBP" else {}))
    picture = decode_picture(data, "clip")
    np.testing.assert_array_equal(picture.pixels, FRAMES[0])
    assert picture.notes == (FIRST,)
    frames, notes = frames_of(picture)
    np.testing.assert_array_equal(frames, FRAMES)
    assert notes == ()
    scores = model(6).predict(model(6).prepare(picture).x)
    np.testing.assert_allclose(scores[0], GREYS)


@pytest.mark.parametrize("last", [1, 3])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_grey_and_of_columns(last: int, order: Any) -> None:
    picture = decode_picture(saved(np.asarray(FRAMES[..., :last], order=order), "NPY"))
    np.testing.assert_array_equal(frames_of(picture)[0], FRAMES)


def test_a_picture_of_four_axes_that_is_no_clip_is_refused() -> None:
    for array in (FRAMES.astype(np.float32), FRAMES[..., :2], FRAMES[:0]):
        with pytest.raises(PictureError, match=r"a clip as uint8 \(frames, height, width, 3\)"):
            decode_picture(saved(array, "NPY"))


def test_a_clip_that_ends_early_is_damaged() -> None:
    with pytest.raises(PictureError, match="damaged"):
        decode_picture(saved(FRAMES, "NPY")[:-1])


def test_pages_of_different_sizes_are_no_clip() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6)).save(buffer, "TIFF", save_all=True, append_images=[Image.new("RGB", (80, 60))])
    picture = decode_picture(buffer.getvalue(), "pages")
    assert picture.pixels.shape == (6, 8, 3)
    with pytest.raises(PictureError, match=r"The frames of pages are not of one size\."):
        frames_of(picture)


def test_long_clips_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = decode_picture(saved(FRAMES, "GIF"))
    monkeypatch.setattr(clips, "MAX_PIXELS", 6 * 8 * 4)
    frames, notes = frames_of(picture)
    np.testing.assert_array_equal(frames, FRAMES[:4])
    assert notes == ("Only its first 4 frames are read.",)
    assert "Only its first 4 frames are read." in model(4).prepare(picture).picture.notes


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "NPY"])
def test_damaged_clips_are_refused_or_shorter(kind: str) -> None:
    data = saved(np.random.default_rng(0).integers(0, 255, (4, 20, 20, 3), dtype=np.uint8), kind)
    picture = decode_picture(data)
    for cut in range(0, len(data), len(data) // 40):
        for broken in (data[:cut], data[:cut] + b"\xff" * 30 + data[cut + 30 :]):
            try:
                frames, _ = frames_of(replace(picture, clip=broken))
            except PictureError:
                continue
            assert frames.shape[1:] == (20, 20, 3)


@pytest.mark.parametrize(
    ("total", "wanted", "places"),
    [(6, 6, [0, 1, 2, 3, 4, 5]), (6, 3, [0, 2, 5]), (2, 4, [0, 0, 1, 1]), (1, 3, [0, 0, 0]), (5, 1, [0])],
)
def test_frames_are_chosen_at_even_distances(total: int, wanted: int, places: list[int]) -> None:
    assert chosen(total, wanted) == places


@pytest.mark.parametrize(
    ("frames", "notes"),
    [
        (3, ("3 of its 6 frames are read, at even distances.",)),
        (6, ()),
        (8, ("Its 6 frames are repeated to make 8.",)),
    ],
)
def test_what_was_done_is_noted(frames: int, notes: tuple[str, ...]) -> None:
    result = explain(model(frames), saved(FRAMES, "GIF"), "class-probabilities")
    assert result.picture.notes == notes
    assert result.record["picture"]["notes"] == list(notes)
    np.testing.assert_allclose(result.arrays["scores"], [GREYS[place] for place in chosen(6, frames)])


def test_a_still_picture_is_repeated() -> None:
    still = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    result = explain(model(4), still, window=2, stride=2, frames=1)
    assert result.picture.notes == ("A still picture: it is repeated to make 4 frames.",)
    np.testing.assert_allclose(result.arrays["scores"][0, 0, 0][1:], still.mean(), rtol=1e-6)
    assert result.attributions[0].values.shape == (4, 6, 8)


@pytest.mark.parametrize("kind", ["GIF", "NPY"])
def test_a_network_of_pictures_reads_the_first_frame(kind: str) -> None:
    frames = np.concatenate([FRAMES[3:], FRAMES[:3]])
    result = explain(model(None), saved(frames, kind), "class-probabilities")
    np.testing.assert_allclose(result.arrays["scores"], [180] * 3)
    assert result.picture.notes == (FIRST,)


def test_an_array_of_frames_is_one_clip_for_a_network_of_clips_and_many_pictures_for_another() -> None:
    assert isinstance(explain(model(None), FRAMES, "class-probabilities"), tuple)
    one = explain(model(6), FRAMES, "class-probabilities")
    np.testing.assert_allclose(one.arrays["scores"], GREYS)
    several = explain(model(6), np.stack([FRAMES, FRAMES[::-1]]), "class-probabilities")
    np.testing.assert_allclose([result.arrays["scores"] for result in several], [GREYS, GREYS[::-1]])
    listed = explain(model(6), [FRAMES, saved(FRAMES, "GIF")], "class-probabilities")
    assert len(listed) == 2


def test_frames_with_their_channels_first() -> None:
    (picture,) = read_inputs(model(6), np.moveaxis(FRAMES, 3, 1))[0]
    np.testing.assert_array_equal(frames_of(picture)[0], FRAMES)


def test_a_data_loader_of_clips() -> None:
    loader = [(np.stack([FRAMES, FRAMES]).astype(np.float32), np.array([0, 1]))]
    results = explain(model(6), loader, "class-probabilities")
    assert len(results) == 2
    assert results[0].picture.notes[0] == "The network's input was given as it is."
    np.testing.assert_array_equal(results[0].view, FRAMES[3])


def test_the_same_clip_under_another_name_keeps_its_notes(tmp_path: Path) -> None:
    network = model(3)
    results = []
    for name in ("a.gif", "b.gif"):
        (tmp_path / name).write_bytes(saved(FRAMES, "GIF"))
        results.append(explain(network, tmp_path / name, "class-probabilities"))
    assert [result.picture.name for result in results] == ["a.gif", "b.gif"]
    assert results[1].record["picture"]["notes"] == ["3 of its 6 frames are read, at even distances."]


def test_preprocessing_runs_on_every_frame() -> None:
    wide = np.broadcast_to(np.array(GREYS, np.uint8)[:, None, None, None], (6, 12, 32, 3))
    (picture,) = read_inputs(model(6), wide)[0]
    sample = model(6, resize="crop").prepare(picture)
    assert sample.views is not None
    assert sample.views.shape == (6, 6, 8, 3)
    np.testing.assert_array_equal(sample.view, sample.views[3])
    assert sample.frame is not None
    assert sample.frame.left > 0
    np.testing.assert_allclose(sample.x[0].mean(axis=(1, 2, 3)), GREYS)


def test_grey_networks_of_clips() -> None:
    grey = load_model(mean, preprocessing=Preprocessing(size=(6, 8), scale=1.0, color="grey"), frames=6, head="none")
    np.testing.assert_allclose(grey.predict(grey.prepare(decode_picture(saved(FRAMES, "GIF"))).x)[0], GREYS)


@pytest.mark.parametrize("frames", [0, -1, 2.0, True, 10**6])
def test_numbers_of_frames_that_are_none(frames: Any) -> None:
    with pytest.raises(ConfigurationError, match="frames must be a whole number, 1 to"):
        load_model(mean, preprocessing=Preprocessing(size=8), frames=frames)


def test_boxes_lie_in_space_or_in_space_and_time() -> None:
    clip = np.arange(5 * 4 * 6 * 3).reshape(5, 4, 6, 3)
    np.testing.assert_array_equal(clip[place_of(np.array([1, 2, 2, 3]))], clip[:, 1:3, 2:5])
    np.testing.assert_array_equal(clip[place_of(np.array([3, 2, 1, 2, 2, 3]))], clip[3:5, 1:3, 2:5])
    np.testing.assert_array_equal(clip[0][place_of(np.array([1, 2, 2, 3]))], clip[0, 1:3, 2:5])


def test_frames_go_to_the_nearest_step() -> None:
    assert nearest(4, 8).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert nearest(1, 3).tolist() == [0, 0, 0]
    assert nearest(3, 3).tolist() == [0, 1, 2]
    assert nearest(6, 3).tolist() == [1, 3, 5]


def test_the_largest_channel_of_each_pixel_of_a_clip() -> None:
    values = np.random.default_rng(0).normal(size=(3, 4, 5, 2)).astype(np.float32)
    flat = Attribution(values, Target(0, "a", ((0, 1.0),)), "unit", "signed", 0.0, in_frames=True).flat()
    expected = np.where(np.abs(values[..., 0]) >= np.abs(values[..., 1]), values[..., 0], values[..., 1])
    np.testing.assert_array_equal(flat, expected)


def test_the_detective_asks_for_a_network_of_pictures() -> None:
    clip_model = load_model(mean, preprocessing=Preprocessing(size=(6, 8)), frames=3)
    with pytest.raises(NotSupportedError, match="The detective tries still pictures; this model reads clips"):
        try_conventions(clip_model, [read_picture(FRAMES[0])])


def test_what_looks_at_pictures_only_says_so() -> None:
    entry = registry.visualization("saliency-map")
    assert missing(model(3), registry.visualization("class-probabilities")) == ""
    assert "needs gradients" in missing(model(3), entry)
    said = stills_only("Saliency map", "pictures", False, 3)
    assert said == "Saliency map looks at still pictures only; this model reads clips of 3 frames."
    assert "does not know clips yet" in stills_only("Filters", "model", False, 3)
    for takes, frames in ((False, None), (True, 3)):
        assert stills_only("Saliency map", "pictures", takes, frames) == ""


def test_a_plug_in_that_knows_no_clips_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.visualization("class-probabilities").load(), "takes_clips", False)
    with pytest.raises(NotSupportedError, match=r"looks at still pictures only; this model reads clips of 6 frames\."):
        explain(model(6), FRAMES, "class-probabilities")


def test_maps_of_other_shapes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    kind: Any = registry.visualization("partial-occlusion").load()
    whole = kind.attribute

    def flat(self: Any, *arguments: Any) -> Any:
        return [replace(one, values=one.values[0]) for one in whole(self, *arguments)]

    monkeypatch.setattr(kind, "attribute", flat)
    with pytest.raises(PluginError, match=r"must be \(frames, h, w\) = \(6, 6, 8\) here\. Got \(6, 8\)"):
        explain(model(6), FRAMES, top=1)


def test_frames_for_a_network_of_pictures_are_refused() -> None:
    class Stills(Model):
        framework = "paper"

        def _outputs(self, x: Any) -> Any:
            raise NotImplementedError

    class Opener:
        @staticmethod
        def claims(source: object) -> bool:
            return True

        @staticmethod
        def open_model(source: object, hooks: Any, options: Any) -> Model:
            return Stills(Facts((6, 8, 3), 2, Head.SOFTMAX, "logit", "", 0), hooks, "stills")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "openers", lambda: [Opener])
        with pytest.raises(ConfigurationError, match="frames=3 was given, and this paper model reads still pictures"):
            load_model(mean, frames=3)
