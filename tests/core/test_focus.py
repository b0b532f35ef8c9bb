"""Regions and boxes: their scores and derivatives against slow loops, and what a person may ask about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import picasso
from picasso import Preprocessing
from picasso.core.asking import Place, focused, input_mask, read_place
from picasso.core.errors import NotSupportedError, TargetError
from picasso.core.facts import Task
from picasso.core.focus import MATCH, Asked, BoxFocus, RegionFocus, mean_over, overlap, suppress
from picasso.core.model import Model
from picasso.core.pictures.images import read_picture
from picasso.core.preprocessing import Array
from picasso.core.targets import BOX_SCORES, BOXES, MASKS
from picasso.testing import check_model

RANDOM = np.random.default_rng(0)
PICTURE = np.zeros((64, 96, 3), np.uint8)
PICTURE[20:40, 30:60, 0] = 255
PICTURE[:10, :, 2] = 200


def by_pixel(x: Array) -> Array:
    """A segmenter: red things are class 1, if there is blue anywhere in the picture; else they are class 2."""
    blue = x[..., 2].max((1, 2), keepdims=True) > 0.5
    red = x[..., 0] > 0.5
    return np.stack([1 - 2.0 * red, 2.0 * red * blue, 2.0 * red * ~blue], 1).astype(np.float32)


def boxed(x: Array) -> dict[str, Array]:
    """A detector of 12 x 8 places: the more red in a place the surer, and the box grows with green."""
    places = x.reshape(len(x), 4, 8, 6, 8, 3).mean((2, 4)).reshape(len(x), 24, 3)
    rows, columns = np.divmod(np.arange(24), 6)
    corners = np.stack([columns * 8, rows * 8, columns * 8 + 8, rows * 8 + 8], -1).astype(np.float32)
    boxes = corners[None] + places[..., 1:2] * np.array([0, 0, 4, 4], np.float32)
    return {"boxes": boxes, "scores": np.stack([places[..., 0] * 6 - 3, places[..., 2] * 6 - 3], -1)}


@pytest.fixture
def segmenter() -> Model:
    declared = Preprocessing(size=(32, 48))
    return picasso.load_model(by_pixel, preprocessing=declared, labels=["ground", "tank", "decoy"], head="softmax")


@pytest.fixture
def detector() -> Model:
    return picasso.load_model(boxed, preprocessing=Preprocessing(size=(32, 48)), labels=["red", "blue"], head="sigmoid")


# --- arithmetic ---------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 40), min_size=8, max_size=8))
@settings(deadline=None)
def test_overlap_is_what_counting_pixels_gives(numbers: list[float]) -> None:
    corners = np.round(np.array(numbers)).reshape(2, 4)
    boxes = np.concatenate([np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])], 1)
    masks = []
    for left, top, right, bottom in boxes.astype(int):
        mask = np.zeros((41, 41), bool)
        mask[top:bottom, left:right] = True
        masks.append(mask)
    whole = (masks[0] | masks[1]).sum()
    expected = (masks[0] & masks[1]).sum() / whole if whole else 0
    assert overlap(boxes[:1].astype(np.float32), boxes[1].astype(np.float32))[0] == pytest.approx(expected, abs=1e-6)


def test_a_region_is_the_mean_of_its_pixels() -> None:
    masks = RANDOM.normal(size=(3, 4, 5, 2)).astype(np.float32)
    regions = [RANDOM.random((4, 5)) > 0.5 for _ in range(2)]
    focus = RegionFocus(("a", "b"), 2, (), "", "", None, 0, mean_over(regions))
    slow = [[np.mean([masks[n, r, c, k] for r in range(4) for c in range(5) if regions[k][r, c]]) for k in range(2)]
            for n in range(3)]  # fmt: skip
    np.testing.assert_allclose(focus.read({MASKS: masks}), slow, atol=1e-6)


def detections() -> dict[str, Array]:
    corners = RANDOM.uniform(0, 20, (5, 7, 2))
    boxes = np.concatenate([corners, corners + RANDOM.uniform(4, 14, (5, 7, 2))], -1).astype(np.float32)
    return {BOXES: boxes, BOX_SCORES: RANDOM.normal(size=(5, 7, 3)).astype(np.float32)}


def slow_score(boxes: Array, scores: Array, asked: Asked) -> float:
    shared = [float(overlap(box, np.array(asked.box, np.float32))) for box in boxes]
    if asked.side:
        return float(boxes[int(np.argmax(shared)), asked.column])
    near = [row for row, value in enumerate(shared) if value >= MATCH]
    if near:
        return max(float(scores[row, asked.column]) for row in near)
    return float(scores[int(np.argmax(shared)), asked.column])


def test_a_box_is_matched_as_a_slow_loop_matches_it() -> None:
    outputs = detections()
    asked = tuple(Asked(tuple(map(float, outputs[BOXES][1, i] + 1)), i % 3) for i in range(4))  # type: ignore[arg-type]
    asked += tuple(Asked(asked[0].box, side, side=True) for side in range(4))
    focus = BoxFocus(tuple("abcdefgh"), 4, (), "", "", None, 0, asked)
    expected = [[slow_score(outputs[BOXES][n], outputs[BOX_SCORES][n], one) for one in asked] for n in range(5)]
    np.testing.assert_allclose(focus.read(outputs), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["region", "box"])
def test_derivatives_agree_with_finite_differences(kind: str) -> None:
    if kind == "region":
        outputs = {MASKS: RANDOM.normal(size=(2, 3, 4, 2)).astype(np.float32)}
        weights = mean_over([RANDOM.random((3, 4)) > 0.4 for _ in range(2)])
        focus: RegionFocus | BoxFocus = RegionFocus(("a", "b"), 2, (), "", "", None, 0, weights)
    else:
        outputs = detections()
        asked = (Asked(tuple(map(float, outputs[BOXES][1, 0])), 2), Asked((0.0, 0.0, 9.0, 9.0), 1, side=True))  # type: ignore[arg-type]
        focus = BoxFocus(("a", "b"), 1, (), "", "", None, 0, asked)
    slopes = RANDOM.normal(size=(len(next(iter(outputs.values()))), 2)).astype(np.float32)
    found = focus.cotangents(outputs, slopes)
    for name, values in outputs.items():
        for place in [tuple(RANDOM.integers(0, side) for side in values.shape) for _ in range(30)]:
            step = 1e-3
            ends = []
            for sign in (1, -1):
                moved = values.copy()
                moved[place] += sign * step
                ends.append(float((focus.read(outputs | {name: moved}).astype(np.float64) * slopes).sum()))
            assert found[name][place] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=2e-2)


def test_suppression_keeps_one_of_each_heap() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [30, 30, 40, 40], [0, 0, 10, 10]], np.float32)
    scores = np.array([[0.9, 0.1], [0.8, 0.1], [0.2, 0.5], [0.1, 0.7]], np.float32)
    assert suppress(boxes, scores, 9) == [(0, 0), (3, 1), (2, 1)]
    assert suppress(boxes, scores, 1) == [(0, 0)]


# --- what a person says -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "box"),
    [
        ("12,8", (12, 8, 0, 0)),
        ((12, 8), (12, 8, 0, 0)),
        (" 1, 2, 3.5 ,4", (1, 2, 3.5, 4)),
        (np.array([1, 2, 3, 4]), (1, 2, 3, 4)),
    ],
)
def test_pixels_and_boxes_are_read(said: object, box: tuple[float, ...]) -> None:
    place = read_place(said)
    assert place is not None
    assert place.box == box


@pytest.mark.parametrize("said", ["here", "1,2,3", "1,2,0,4", "1,2,-3,4", "nan,2", 7, ["a", "b"], "#", "#two"])
def test_places_that_are_none_are_refused_in_one_sentence(said: object) -> None:
    with pytest.raises(TargetError, match="place to explain was not understood"):
        read_place(said)


def test_masks_come_as_arrays_and_as_files(tmp_path: Path) -> None:
    mask = PICTURE[..., 0] > 0
    Image.fromarray((mask * 255).astype(np.uint8)).save(tmp_path / "mask.png")
    places = [read_place(mask), read_place(tmp_path / "mask.png"), read_place(str(tmp_path / "mask.png"))]
    assert len({place.key for place in places if place}) == 1
    with pytest.raises(TargetError, match="mask is empty"):
        read_place(np.zeros((4, 4), bool))
    with pytest.raises(TargetError, match="mask is no picture"):
        read_place("absent.png")


def test_nothing_said_is_no_place() -> None:
    assert read_place(None) is None
    assert read_place("") is None


# --- a segmenter --------------------------------------------------------------------------------------------------


def asking(model: Model, at: object = None) -> Model:
    return focused(model, model.prepare(read_picture(PICTURE)), read_place(at))


def test_models_that_answer_by_pixel_or_box_keep_their_contract(segmenter: Model, detector: Model) -> None:
    check_model(segmenter)
    check_model(detector)


def test_without_a_place_each_class_is_asked_over_its_own_mask(segmenter: Model) -> None:
    model = asking(segmenter)
    assert model.focus is not None
    assert [p.label for p in model.focus.predictions] == ["ground", "tank", "decoy"]
    assert model.focus.predictions[1].probability == pytest.approx(30 * 20 / (96 * 64), rel=0.1)
    assert [t.label for t in model.top_targets(np.zeros(3, np.float32), 5)] == ["ground", "tank"]


@pytest.mark.parametrize("at", [(45, 30), (32, 22, 20, 10), PICTURE[..., 0] > 0])
def test_a_place_is_found_where_the_picture_has_it(segmenter: Model, at: object) -> None:
    model = asking(segmenter, at)
    scores = model.predict(model.prepare(read_picture(PICTURE)).x)[0]
    np.testing.assert_allclose(scores, [-1, 2, 0], atol=0.2)
    assert model.focus is not None
    assert model.focus.predictions[0].label == "tank"


def test_places_outside_and_masks_of_another_size_are_refused(segmenter: Model) -> None:
    with pytest.raises(TargetError, match="does not see the box"):
        asking(segmenter, (200, 10, 4, 4))
    with pytest.raises(TargetError, match=r"mask must have the picture's size, 96 x 64\. Got 5 x 4"):
        asking(segmenter, np.ones((4, 5), bool))
    with pytest.raises(TargetError, match="numbered for a detector"):
        asking(segmenter, "#1")


def test_the_map_of_a_region_shows_what_lies_outside_it(segmenter: Model) -> None:
    """The class of the red thing hangs on the blue sky: its map must be there, and not only on the thing."""
    result = picasso.explain(segmenter, PICTURE, target="tank - decoy", at=(30, 20, 30, 20), fill="black", window=16)
    assert isinstance(result, picasso.Result)
    values = result.attributions[0].values
    model = asking(segmenter, (30, 20, 30, 20))
    sky = model.prepare(read_picture(PICTURE)).x.copy()
    sky[:, :6] = 0
    target = model.target("tank - decoy")
    drop = result.attributions[0].score - target.of_classes(model.predict(sky)[0])
    assert drop == pytest.approx(4, abs=0.5)
    assert values[20:30, 20:26].max() > 0.5
    assert result.record["asked"] == "the box at 30, 20, 30 x 20"
    assert result.panels[0].id == "asked"


def test_results_of_other_places_are_not_mixed_up(segmenter: Model) -> None:
    first = picasso.explain(segmenter, PICTURE, "class-probabilities", at=(45, 30))
    second = picasso.explain(segmenter, PICTURE, "class-probabilities", at=(2, 60))
    assert isinstance(first, picasso.Result)
    assert isinstance(second, picasso.Result)
    assert first.predictions[0].label == "tank"
    assert second.predictions[0].label == "ground"


def test_a_label_that_is_a_number_is_not_that_number(segmenter: Model) -> None:
    model = picasso.load_model(by_pixel, preprocessing=Preprocessing(size=(32, 48)), labels=["1", "2", "3"])
    at = (45, 30)
    by_index, by_label = (picasso.explain(model, PICTURE, "partial-occlusion", target=t, at=at) for t in (1, "1"))
    assert isinstance(by_index, picasso.Result)
    assert isinstance(by_label, picasso.Result)
    assert (by_index.targets[0].label, by_label.targets[0].label) == ("2", "1")


def test_a_mask_of_the_pictures_size_is_laid_where_the_picture_is() -> None:
    model = picasso.load_model(by_pixel, preprocessing=Preprocessing(size=(32, 48), resize="crop", short_side=64))
    picture = np.zeros((32, 48, 3), np.uint8)  # of the input's size, and yet enlarged and cropped
    sample, mask = model.prepare(read_picture(picture)), np.zeros((32, 48), bool)
    mask[8:24, 12:36] = True
    assert input_mask(sample, mask).all()
    assert np.array_equal(input_mask(sample, mask), input_mask(sample, (12, 8, 24, 16)))
    mask[...] = False
    mask[:4, :4] = True
    with pytest.raises(TargetError, match="does not see"):
        input_mask(sample, mask)
    assert input_mask(model.prepare(read_picture(PICTURE)), mask).sum() == 16  # the input's own size


def test_the_whole_is_not_scored(segmenter: Model) -> None:
    with pytest.raises(NotSupportedError, match="no class scores of the whole picture"):
        segmenter.predict(segmenter.prepare(read_picture(PICTURE)).x)


def test_a_classifier_has_no_places() -> None:
    model = picasso.load_model(lambda x: x.mean((1, 2)), preprocessing=Preprocessing(size=8))
    with pytest.raises(TargetError, match="answers for the whole picture"):
        picasso.explain(model, PICTURE, at=(3, 4))


# --- a detector ---------------------------------------------------------------------------------------------------


def test_without_a_place_each_detection_is_a_class(detector: Model) -> None:
    assert detector.facts.task is Task.DETECTION
    model = asking(detector)
    assert model.labels[0] == "red 1"
    assert model.target("red").label == "red 1"
    assert model.target("red - red 2").label == "red 1 - red 2"


def test_what_was_not_found_is_said(detector: Model) -> None:
    empty = focused(detector, detector.prepare(read_picture(np.zeros_like(PICTURE))), None)
    found = {label.rpartition(" ")[0] or label for label in empty.labels}
    for label in {"red", "blue"} - found:
        with pytest.raises(TargetError, match=f"No '{label}' was found in this picture"):
            empty.target(label)
    assert found != {"red", "blue"}


def test_a_missed_object_is_explained_in_a_drawn_box(detector: Model) -> None:
    result = picasso.explain(detector, PICTURE, at=(32, 24, 16, 16), target=["red", "blue", "right"], window=8)
    assert isinstance(result, picasso.Result)
    assert [a.units for a in result.attributions] == ["change in logit", "change in logit", "change in pixel"]
    assert result.attributions[0].score == pytest.approx(0.75 * 6 - 3, abs=0.1)
    assert result.attributions[1].score == pytest.approx(-3, abs=0.1)
    values = result.attributions[0].values
    inside = np.zeros_like(values, bool)
    inside[12:20, 16:24] = True
    assert values[inside].mean() > 5 * np.abs(values[~inside]).mean()


def test_detections_are_named_by_number_and_by_a_point_within(detector: Model) -> None:
    by_number, by_point = asking(detector, "#1"), asking(detector, (45, 30))
    assert by_number.focus is not None
    assert by_point.focus is not None
    assert by_number.focus.predictions[0].label == "red"
    assert by_point.focus.predictions[0].label == "red"
    with pytest.raises(TargetError, match=r"There are \d+ detections. Got #99"):
        asking(detector, "#99")


def test_places_say_themselves_in_words() -> None:
    assert Place(box=(1, 2, 3, 4)).words == "the box at 1, 2, 3 x 4"
    assert Place(box=(1, 2, 0, 0)).words == "the pixel at 1, 2"
    assert Place(number=2).words == "detection 2"


@pytest.mark.parametrize("name", ["segmentation-mask", "detected-boxes"])
def test_the_answer_itself_is_shown(segmenter: Model, detector: Model, name: str) -> None:
    model, other = (segmenter, detector) if name.startswith("seg") else (detector, segmenter)
    result = picasso.explain(model, PICTURE, name)
    assert isinstance(result, picasso.Result)
    assert {panel.kind for panel in result.panels} >= {"images", "bars"}
    with pytest.raises(NotSupportedError, match=r"is for (segmenters|detectors)"):
        picasso.explain(other, PICTURE, name)
