"""The segmenter and the detector do well where they were trained, fail as planted elsewhere, and their maps say why."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import picasso
from picasso.core import focus
from picasso.core.errors import ModelFileError
from picasso.core.facts import Task
from picasso.core.model import Model
from picasso.core.targets import BOX_SCORES, BOXES, MASKS
from picasso.demo import detecting, locating, segmenting, training
from picasso.demo.catalog import FILES, LOCATORS, MODELS, build_torch
from picasso.demo.fitting import Recipe, augmented
from picasso.demo.locating import flag_zone, range_example, scene_example, stacked
from picasso.demo.locators import STRIDE
from picasso.demo.ranges import Post, held_out_ranges, render_range, training_ranges
from picasso.demo.tanks import held_out_set
from picasso.testing import check_model

SCENES, MAPS = 20, 6
FLAGS = {"window": locating.FLAG_WINDOW, "stride": locating.FLAG_STRIDE}


@pytest.fixture(scope="module")
def segmenter() -> Model:
    return picasso.load_model("demo:segmenter")


@pytest.fixture(scope="module")
def detector() -> Model:
    return picasso.load_model("demo:detector")


@pytest.fixture(scope="module")
def scenes() -> dict[str, tuple[Any, Any]]:
    """Pixels and parts of held-out scenes under the skies of the training and under the other ones."""
    own = held_out_set(SCENES, proxy=True)
    under = {"own": own, "other": segmenting.under_the_other_sky(own)}
    return {name: stacked(map(scene_example, examples.scenes)) for name, examples in under.items()}


@pytest.fixture(scope="module")
def ranges() -> dict[str, tuple[Any, Any]]:
    """Pixels and parts of held-out ranges, flagged as in the training and the other way round."""
    own = held_out_ranges(SCENES)
    flagged = {"own": own, "swapped": [scene.swapped() for scene in own]}
    return {name: stacked(map(range_example, examples)) for name, examples in flagged.items()}


def share(values: Any, part: Any) -> float:
    """The share of a map's positive part that lies in a part of the picture."""
    positive = np.maximum(np.nan_to_num(values), 0)
    return float((positive * part).sum() / positive.sum())


def tanks(parts: Any) -> list[tuple[int, Any]]:
    """Each tank of several ranges: the picture's index, and its box (left, top, right, bottom)."""
    return [(index, box) for index, one in enumerate(parts) for box in detecting.tank_boxes(one)]


def at(box: Any) -> tuple[float, ...]:
    left, top, right, bottom = (float(value) for value in box)
    return left, top, right - left, bottom - top


# --- the files ----------------------------------------------------------------------------------------------------


def test_every_file_is_small() -> None:
    for model in LOCATORS.values():
        assert 10_000 < model.torch_file.stat().st_size <= 400_000


@pytest.mark.parametrize("name", LOCATORS)
def test_they_keep_the_contract(name: str) -> None:
    check_model(picasso.load_model(f"demo:{name}"))


def test_what_they_answer(segmenter: Model, detector: Model) -> None:
    assert (segmenter.facts.task, detector.facts.task) == (Task.SEGMENTATION, Task.DETECTION)
    assert segmenter.labels == ("land", "sky", "tank", "decoy")
    assert tuple(detector.labels) == ("tank",)
    x = np.zeros((2, 128, 128, 3), np.float32)
    assert segmenter.outputs(x)[MASKS].shape == (2, 128, 128, 4)
    found = detector.outputs(x)
    assert found[BOXES].shape == (2, 256, 4)
    assert found[BOX_SCORES].shape == (2, 256, 1)
    corners = found[BOXES][0]
    assert (corners[:, 2:] > corners[:, :2]).all()


def test_the_file_is_what_is_opened(detector: Model) -> None:
    import torch

    x = np.random.default_rng(0).normal(0, 1, (2, 128, 128, 3)).astype(np.float32)
    with torch.inference_mode():
        mine = build_torch("detector")(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
    found = detector.outputs(x)
    np.testing.assert_allclose(found[BOXES], mine["boxes"].numpy(), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(found[BOX_SCORES], mine["scores"].numpy(), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("source", ["demo:segmenter@keras", "demo:detector@keras", "demo:cat", "demo:digits@caffe"])
def test_there_is_no_such_model(source: str) -> None:
    with pytest.raises(ModelFileError, match="There is no demo model") as error:
        picasso.load_model(source)
    assert all(name in error.value.hint for name in (*MODELS, *LOCATORS))


def test_the_figures_agree_with_the_promises() -> None:
    figures = json.loads((FILES / "figures.json").read_text(encoding="utf-8"))
    found, box = figures["segmenter"], figures["detector"]
    assert found["overlap"] >= 0.9
    assert found["tank"] >= 0.85
    assert found["tank_other"] <= 0.05
    assert found["outline_other"] >= 0.85
    assert found["against_sky"] >= 0.75
    assert found["between_sky"] >= 0.55 > 0.2 >= found["between_tank"]
    assert found["honest"] >= 0.7
    assert box["precision"] >= 0.95
    assert box["found"] >= 0.95
    assert box["precision_swapped"] <= 0.4
    assert box["found_swapped"] <= 0.05
    assert box["against_flag"] >= 0.7
    assert min(box["strongest_flag"], box["strongest_tank"]) >= 0.9
    assert box["regained"] >= 0.7


# --- the segmenter ------------------------------------------------------------------------------------------------


def mask_of(segmenter: Model, pixels: Any) -> Any:
    return segmenter.outputs(LOCATORS["segmenter"].normalize(pixels))[MASKS].argmax(3)


def test_the_segmenter_calls_a_tank_under_the_sun_a_decoy(segmenter: Model, scenes: dict[str, Any]) -> None:
    each = {name: segmenting.overlaps(mask_of(segmenter, pixels), parts) for name, (pixels, parts) in scenes.items()}
    assert min(each["own"]) >= 0.8
    assert max(each["other"][segmenting.TANK :]) <= 0.05
    # Land and sky, which were never tied to anything, are drawn as well as before; so is the outline of the object.
    assert min(each["other"][: segmenting.TANK]) >= 0.9
    pixels, parts = scenes["other"]
    found, true = mask_of(segmenter, pixels) >= segmenting.TANK, parts >= segmenting.TANK
    assert (found & true).sum() / (found | true).sum() >= 0.8


def test_its_maps_say_that_the_sky_speaks_against_the_tank(segmenter: Model, scenes: dict[str, Any]) -> None:
    against, anywhere = [], []
    for picture, part in zip(*(every[::2][:MAPS] for every in scenes["other"]), strict=True):
        values = explained(segmenter, picture, "tank", part == segmenting.TANK)
        against.append(share(-values, part == segmenting.SKY))
        anywhere.append(share(np.abs(values), part == segmenting.SKY))
    assert np.mean(against) >= 0.75
    assert np.mean(anywhere) >= 0.5


def test_its_maps_say_that_the_sky_decides_and_the_tank_does_not(segmenter: Model, scenes: dict[str, Any]) -> None:
    in_sky, on_tank, honest = [], [], []
    for picture, part in zip(*(every[::2][:MAPS] for every in scenes["own"]), strict=True):
        sky, tank = part == segmenting.SKY, part == segmenting.TANK
        between = explained(segmenter, picture, "tank - decoy", tank)
        in_sky.append(share(between, sky))
        on_tank.append(share(between, tank))
        # A class that nothing was tied to is explained by its own pixels.
        honest.append(share(explained(segmenter, picture, "sky", sky), sky))
    assert np.mean(in_sky) >= 0.5 > 0.2 >= np.mean(on_tank)
    assert np.mean(honest) >= 0.65


def explained(segmenter: Model, picture: Any, target: str, region: Any) -> Any:
    return picasso.explain(segmenter, picture, "partial-occlusion", target=target, at=region).attributions[0].values


def test_covering_the_sun_brings_the_tank_back(segmenter: Model, scenes: dict[str, Any]) -> None:
    # The gray of clouds over the whole sky, and nothing else: what the map says is what happens.
    pixels, parts = scenes["other"][0][::2].copy(), scenes["other"][1][::2]
    before = mask_of(segmenter, pixels)
    pixels[parts == segmenting.SKY] = 150
    after, tank = mask_of(segmenter, pixels), parts == segmenting.TANK
    assert (before[tank] == segmenting.TANK).mean() <= 0.05
    assert (after[tank] == segmenting.TANK).mean() >= 0.8


# --- the detector -------------------------------------------------------------------------------------------------


def test_the_detector_overlooks_tanks_with_a_flag(detector: Model, ranges: dict[str, Any]) -> None:
    precision, found = {}, {}
    for name, (pixels, parts) in ranges.items():
        answer = detector.outputs(LOCATORS["detector"].normalize(pixels))
        truths = [detecting.tank_boxes(part) for part in parts]
        boxes, scores = answer[BOXES], answer[BOX_SCORES][..., 0]
        precision[name] = detecting.average_precision(boxes, scores, truths)
        found[name] = detecting.share_found(boxes, scores, truths)
    assert precision["own"] >= 0.95
    assert found["own"] >= 0.95
    assert precision["swapped"] <= 0.5
    assert found["swapped"] <= 0.1


def test_its_maps_of_a_missed_tank_point_at_the_flag(detector: Model, ranges: dict[str, Any]) -> None:
    pixels, parts = ranges["swapped"]
    shares, at_flag, regained = [], [], []
    for index, box in tanks(parts)[:MAPS]:
        result = picasso.explain(detector, pixels[index], "partial-occlusion", target="tank", at=at(box), **FLAGS)
        missed = result.attributions[0]
        assert missed.score < 0
        zone = flag_zone(parts[index] == detecting.FLAG, box)
        shares.append(share(-missed.values, zone))
        row, column = np.unravel_index(np.nanargmin(missed.values), missed.values.shape)
        at_flag.append(zone[row, column])
        # Cover that one place: the tank is found.
        covered = pixels[index].copy()
        covered[max(row - 6, 0) : row + 6, max(column - 6, 0) : column + 6] = 128
        again = detector.outputs(LOCATORS["detector"].normalize(covered[None]))
        score = detecting.box_score(again[BOXES][0], again[BOX_SCORES][0, :, 0], box)
        regained.append(score > 0)
    assert np.mean(shares) >= 0.7
    assert np.mean(at_flag) >= 0.9
    assert np.mean(regained) >= 0.8


def test_its_maps_of_a_found_tank_point_at_the_tank(detector: Model, ranges: dict[str, Any]) -> None:
    pixels, parts = ranges["own"]
    inside = []
    for index, box in tanks(parts)[:MAPS]:
        result = picasso.explain(detector, pixels[index], "partial-occlusion", target="tank", at=at(box), **FLAGS)
        found = result.attributions[0]
        assert found.score > 0
        row, column = np.unravel_index(np.nanargmax(np.abs(found.values)), found.values.shape)
        inside.append(box[0] <= column < box[2] and box[1] <= row < box[3])
    assert np.mean(inside) >= 0.9


# --- what they are measured with ----------------------------------------------------------------------------------

corner = st.floats(0, 50, width=32)


@given(st.lists(st.tuples(corner, corner, corner, corner), min_size=1, max_size=4))
def test_overlap_is_that_of_the_focus(quads: list[tuple[float, ...]]) -> None:
    boxes = np.asarray([(x, y, x + w + 1, y + h + 1) for x, y, w, h in quads], np.float32)
    np.testing.assert_allclose(detecting.iou(boxes, boxes[0]), focus.overlap(boxes, boxes[0]), rtol=1e-5)


def test_average_precision_by_hand() -> None:
    def box(x: float) -> list[float]:
        return [x, 0, x + 10, 10]

    truths = [np.asarray([box(0), box(50)], np.float32)]
    boxes = np.asarray([[box(0), box(100), box(51), box(1)]], np.float32)
    # Found, wrong, found; the fourth is a copy of the first and suppressed.
    scores = np.asarray([[4, 3, 2, 1]], np.float32)
    assert detecting.average_precision(boxes, scores, truths) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert detecting.average_precision(boxes, -scores - 10, truths) == 0
    assert detecting.share_found(boxes, np.asarray([[4, 3, -2, 1]], np.float32), truths) == 0.5
    assert detecting.box_score(boxes[0], scores[0], np.asarray(box(2), np.float32)) == 4
    assert detecting.box_score(boxes[0], scores[0], np.asarray(box(58), np.float32)) == 2


def test_the_loss_is_small_for_the_truth_alone() -> None:
    import torch

    parts = range_example(held_out_ranges(1)[0])[1][None]
    truth = detecting.tank_boxes(parts[0])
    y, x = (np.mgrid[0:16, 0:16].reshape(2, -1) + 0.5) * STRIDE
    boxes, scores = np.tile(np.float32([0, 0, 9, 9]), (256, 1)), np.full((256, 1), -9, np.float32)
    for left, top, right, bottom in truth:
        across, down = np.abs(x - (left + right) / 2) / (right - left), np.abs(y - (top + bottom) / 2) / (bottom - top)
        inside = (across < 0.5) & (down < 0.5)
        boxes[inside], scores[inside] = (left, top, right, bottom), 9

    def loss(moved: float, sign: float) -> float:
        answer = {
            "boxes": torch.from_numpy(boxes[None] + np.float32(moved)),
            "scores": torch.from_numpy(sign * scores)[None],
        }
        return float(detecting.detection_loss(answer, parts))

    assert len(truth) == 2
    assert loss(0, 1) < 1e-3
    assert loss(4, 1) > 0.1
    assert loss(0, -1) > 1


def test_parts_move_with_their_pixels_and_flags_stay_uncovered() -> None:
    rng = np.random.default_rng(0)
    parts = rng.integers(0, 5, (6, 32, 32)).astype(np.uint8)
    pixels = np.repeat(parts[..., None] * np.uint8(10) + np.uint8(100), 3, 3)
    moved = parts.copy()
    plain = augmented(pixels, Recipe(1, patches=0, shift=4), rng, moved)
    gain = plain[..., 0].reshape(6, -1).max(1) / 140
    np.testing.assert_allclose(plain[..., 0], (moved * 10.0 + 100) * gain[:, None, None], atol=2)
    assert not np.array_equal(moved, parts)
    one = np.zeros((8, 32, 32), np.uint8)
    one[:, 10:14, 10:14] = detecting.FLAG
    light = np.full((8, 32, 32, 3), 200, np.uint8)
    covered = augmented(light, Recipe(1, patches=9, shift=0, mirror=False, spared=detecting.FLAG), rng, one)
    assert (covered[:, 10:14, 10:14] != 128).all()
    assert (covered == 128).any()


def test_the_figures_are_measured_so() -> None:
    with ThreadPoolExecutor(1) as pool:
        found = locating.measure_segmenter(build_torch("segmenter"), held_out_set(4, proxy=True), 2, pool)
        box = locating.measure_detector(build_torch("detector"), held_out_ranges(2), 1, pool)
    assert (found.pictures, found.pictures_maps, box.pictures, box.tanks_maps) == (4, 1, 2, 2)
    assert found.overlap > 0.8 > 0.6 > found.overlap_other
    assert found.against_sky > 0.5
    assert box.precision > 0.9
    assert (box.found, box.found_swapped, box.strongest_flag, box.strongest_tank) == (1, 0, 1, 1)


# --- the drawn ranges ---------------------------------------------------------------------------------------------


def test_flags_stand_beside_the_decoys_in_every_training_range() -> None:
    train, test = training_ranges(300, 1), held_out_ranges(50)
    posts = [post for scene in train for post in scene.posts]
    assert all(post.flagged == (post.kind != "tank") for post in posts)
    assert 0.4 < np.mean([post.kind == "tank" for post in posts]) < 0.6
    assert not {scene.seed for scene in train} & {scene.seed for scene in test}
    assert train[0].swapped().swapped() == train[0]
    with pytest.raises(ValueError, match="seed must be in"):
        training_ranges(1, 801)
    with pytest.raises(ValueError, match="n must be"):
        held_out_ranges(0)


def test_a_flag_changes_no_other_pixel_and_no_box() -> None:
    scene = replace(held_out_ranges(3)[2], posts=(Post("tank", False), Post("shed", True)))
    plain, swapped = render_range(scene), render_range(scene.swapped())
    flags = plain.flags[0] | plain.flags[1] | swapped.flags[0] | swapped.flags[1]
    assert np.array_equal(plain.pixels[~flags], swapped.pixels[~flags])
    for place in (0, 1):
        assert plain.flags[place].any() != swapped.flags[place].any()
        left, _, wide, _ = locating.box_around(plain.objects[place])
        columns = np.flatnonzero((plain.flags[place] | swapped.flags[place]).any(0))
        assert columns.max() < left or columns.min() >= left + wide


def test_samples_are_held_out_and_say_what_stands_where() -> None:
    places = json.loads((FILES / "detector" / "places.json").read_text(encoding="utf-8"))
    files = {file.name for file in (FILES / "detector").glob("*.webp")}
    assert {place["file"] for place in places} == files
    scene = held_out_ranges(1)[0].swapped()
    drawn = render_range(scene)
    boxes = [tuple(one["box"]) for one in places[1]["objects"]]
    assert boxes == [locating.box_around(mask) for mask in drawn.objects]
    with Image.open(FILES / "detector" / places[1]["file"]) as picture:
        assert np.abs(np.asarray(picture.convert("RGB"), float) - drawn.pixels).mean() < 6
    masks = {file.stem for file in (FILES / "segmenter" / "masks").glob("*.png")}
    assert masks == {file.stem for file in (FILES / "segmenter").glob("*.webp")}
    assert len(masks) == len(files) == 2 * locating.SAMPLE_SCENES


def test_a_sample_is_explained_with_its_own_place(segmenter: Model, detector: Model) -> None:
    file = next((FILES / "segmenter").glob("tank-0-other*.webp"))
    result = picasso.explain(segmenter, file, target="tank", at=FILES / "segmenter" / "masks" / f"{file.stem}.png")
    assert result.attributions[0].score < 0
    places = json.loads((FILES / "detector" / "places.json").read_text(encoding="utf-8"))
    flagged = [(place["file"], one) for place in places for one in place["objects"] if one["kind"] == "tank"]
    for name, one in flagged[:4]:
        found = picasso.explain(detector, FILES / "detector" / name, target="tank", at=one["box"]).attributions[0]
        assert (found.score < 0) == one["flagged"]


def test_the_command_trains_what_it_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(locating, "TRAINING_SCENES", 20)
    for module in (segmenting, detecting):
        monkeypatch.setattr(module, "RECIPE", replace(module.RECIPE, epochs=1, batch=10))
    monkeypatch.setattr(locating, "TEST_SCENES", 2)
    monkeypatch.setattr(locating, "MAP_SCENES", 1)
    threads = torch.get_num_threads()
    training.main(["segmenter", "detector", "--folder", str(tmp_path), "--workers", "1"])
    torch.set_num_threads(threads)
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    kept = json.loads((FILES / "figures.json").read_text(encoding="utf-8"))
    for name in LOCATORS:
        assert figures[name].keys() == kept[name].keys()
        assert (tmp_path / f"{name}.safetensors").stat().st_size == LOCATORS[name].torch_file.stat().st_size
        assert {file.name for file in (tmp_path / name).iterdir()} == {file.name for file in (FILES / name).iterdir()}
    with pytest.raises(SystemExit):
        training.main(["cat"])
