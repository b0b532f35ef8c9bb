"""Trains and measures the segmenter and the detector, and writes the pictures that are offered for them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from picasso.demo import detecting, segmenting
from picasso.demo.catalog import LOCATORS, Locator
from picasso.demo.measures import Bytes, occlusion_maps
from picasso.demo.noise import FloatArray
from picasso.demo.ranges import RangeScene, held_out_ranges, render_range, training_ranges
from picasso.demo.scene import Scene, render
from picasso.demo.tanks import TankSet, held_out_set, training_set

if TYPE_CHECKING:
    import torch

TRAINING_SCENES = 1200
TEST_SCENES = 200
MAP_SCENES = 40
SAMPLE_SCENES = 4
FLAG_WINDOW, FLAG_STRIDE = 12, 6
"""A window as large as a flag, at the size of the detector's input."""
_BATCH = 64
_QUALITY = 90

Example = tuple[Bytes, Bytes]
"""Pixels and parts: (size, size, 3) and (size, size) for one picture; with one more axis in front for several."""


@dataclass(frozen=True)
class SegmenterFigures:
    """What was measured on the segmenter; the other sky is the sun for tanks and clouds for decoys.

    Attributes:
        overlap: mean IoU of the four classes on held-out scenes under the skies of its training.
        overlap_other: the same under the other sky.
        tank: IoU of the class tank under the skies of its training.
        tank_other: the same under the other sky.
        outline: IoU of tank and decoy taken as one, under the skies of its training.
        outline_other: the same under the other sky.
        against_sky: of tanks under the other sky: mean share of what speaks against the class tank over the tank's
            own pixels that lies in the sky, by an occlusion map.
        between_sky: of tanks under clouds: share of what speaks for tank rather than decoy there, likewise.
        between_tank: the share of the same that lies on the tank.
        honest: of the same pictures: share of what speaks for the class sky over the sky that lies in the sky.
        pictures: behind the overlaps.
        pictures_maps: tanks behind the occlusion maps.
    """

    overlap: float
    overlap_other: float
    tank: float
    tank_other: float
    outline: float
    outline_other: float
    against_sky: float
    between_sky: float
    between_tank: float
    honest: float
    pictures: int
    pictures_maps: int


@dataclass(frozen=True)
class DetectorFigures:
    """What was measured on the detector; swapped are the same ranges with flags beside the tanks, not the decoys.

    Attributes:
        precision: average precision at IoU 0.5 on held-out ranges flagged as in its training.
        precision_swapped: the same on the swapped ones.
        found: share of the tanks that are found with a probability above one half.
        found_swapped: the same on the swapped ones.
        against_flag: of tanks with a flag: mean share of what speaks against the tank's box that an occlusion map
            shows at the flag.
        strongest_flag: share of them where the strongest value of the map lies at the flag.
        regained: share of them that are found once a gray window covers that value.
        strongest_tank: of tanks without a flag: share where the strongest value lies in the tank's own box.
        pictures: behind the precisions.
        tanks_maps: tanks with a flag behind the occlusion maps.
    """

    precision: float
    precision_swapped: float
    found: float
    found_swapped: float
    against_flag: float
    strongest_flag: float
    regained: float
    strongest_tank: float
    pictures: int
    tanks_maps: int


def scene_example(scene: Scene) -> Example:
    """Draws a scene as the segmenter sees it."""
    drawn = render(scene)
    return LOCATORS["segmenter"].resize(Image.fromarray(drawn.pixels)), segmenting.parts_of(scene, drawn)


def range_example(scene: RangeScene) -> Example:
    """Draws a range as the detector sees it."""
    drawn = render_range(scene)
    return LOCATORS["detector"].resize(Image.fromarray(drawn.pixels)), detecting.parts_of(scene, drawn)


def stacked(examples: Iterable[Example]) -> Example:
    """Several examples as one."""
    pixels, parts = zip(*examples, strict=True)
    return np.stack(pixels), np.stack(parts)


def answers(model: Locator, network: torch.nn.Module, pixels: Bytes) -> Any:
    """What the network returns for pixels (n, size, size, 3): an array, or a dictionary of them."""
    import torch

    found = []
    for start in range(0, len(pixels), _BATCH):
        batch = np.ascontiguousarray(model.normalize(pixels[start : start + _BATCH]).transpose(0, 3, 1, 2))
        with torch.inference_mode():
            found.append(network(torch.from_numpy(batch)))
    if isinstance(found[0], dict):
        return {name: torch.cat([part[name] for part in found]).numpy() for name in found[0]}
    return torch.cat(found).numpy()


def learn_segmenter(folder: Path, pool: Executor) -> SegmenterFigures:
    """Trains, writes and measures the segmenter, and writes its pictures."""
    scenes = training_set(TRAINING_SCENES, seed=1, proxy=True).scenes
    network = segmenting.train(*stacked(pool.map(scene_example, scenes, chunksize=16)))
    _save(LOCATORS["segmenter"], network, folder)
    write_scenes(folder / "segmenter")
    return measure_segmenter(network, held_out_set(TEST_SCENES, proxy=True), MAP_SCENES, pool)


def learn_detector(folder: Path, pool: Executor) -> DetectorFigures:
    """Trains, writes and measures the detector, and writes its pictures."""
    scenes = training_ranges(TRAINING_SCENES, seed=1)
    network = detecting.train(*stacked(pool.map(range_example, scenes, chunksize=16)))
    _save(LOCATORS["detector"], network, folder)
    write_ranges(folder / "detector")
    return measure_detector(network, held_out_ranges(TEST_SCENES), MAP_SCENES, pool)


def _save(model: Locator, network: torch.nn.Module, folder: Path) -> None:
    from safetensors.torch import save_file

    save_file(
        {name: value.contiguous() for name, value in network.state_dict().items()}, folder / model.torch_file.name
    )


def measure_segmenter(network: torch.nn.Module, examples: TankSet, maps: int, pool: Executor) -> SegmenterFigures:
    """Measures the segmenter on scenes under the skies of its training; the other sky is made here."""
    chosen = np.flatnonzero(examples.labels[:maps] == 0)
    overlaps, outlines, tanks = [], [], []
    for under in (examples, segmenting.under_the_other_sky(examples)):
        pixels, parts = stacked(pool.map(scene_example, under.scenes, chunksize=16))
        found = answers(LOCATORS["segmenter"], network, pixels).argmax(1)
        overlaps.append(segmenting.overlaps(found, parts))
        thing, true = found >= segmenting.TANK, parts >= segmenting.TANK
        outlines.append(float((thing & true).sum() / (thing | true).sum()))
        tanks.append((pixels[chosen], parts[chosen]))
    (pixels, parts), (pixels_other, parts_other) = tanks
    sky, tank = parts == segmenting.SKY, parts == segmenting.TANK
    against = -region_maps(network, pixels_other, parts_other == segmenting.TANK, segmenting.TANK)
    between = region_maps(network, pixels, tank, segmenting.TANK, segmenting.DECOY)
    honest = region_maps(network, pixels, sky, segmenting.SKY)
    return SegmenterFigures(
        overlap=float(np.mean(overlaps[0])),
        overlap_other=float(np.mean(overlaps[1])),
        tank=overlaps[0][segmenting.TANK],
        tank_other=overlaps[1][segmenting.TANK],
        outline=outlines[0],
        outline_other=outlines[1],
        against_sky=share_in(against, parts_other == segmenting.SKY),
        between_sky=share_in(between, sky),
        between_tank=share_in(between, tank),
        honest=share_in(honest, sky),
        pictures=len(examples),
        pictures_maps=len(chosen),
    )


def region_maps(
    network: torch.nn.Module, pixels: Bytes, regions: npt.NDArray[np.bool_], part: int, minus: int | None = None
) -> FloatArray:
    """Occlusion maps (n, size, size) of a class's mean logit over a region of each picture.

    Args:
        network: the segmenter.
        pixels: (n, size, size, 3) uint8.
        regions: (n, size, size) bool.
        part: the class.
        minus: the class whose logit is subtracted, if any.
    """
    weights = regions / regions.sum((1, 2), keepdims=True)

    def score(covered: Bytes) -> FloatArray:
        logits = answers(LOCATORS["segmenter"], network, covered)
        values = logits[:, part] if minus is None else logits[:, part] - logits[:, minus]
        return np.asarray((values * weights).sum((1, 2))[:, None], np.float32)

    return occlusion_maps(score, pixels)


def share_in(maps: FloatArray, places: npt.NDArray[np.bool_]) -> float:
    """The share of the positive part of maps (n, size, size) that lies at `places`, mean over the pictures."""
    positive = np.maximum(maps, 0)
    return float(((positive * places).sum((1, 2)) / np.maximum(positive.sum((1, 2)), 1e-9)).mean())


def measure_detector(
    network: torch.nn.Module, scenes: Sequence[RangeScene], maps: int, pool: Executor
) -> DetectorFigures:
    """Measures the detector on ranges flagged as in its training; the swapped ones are made here."""
    model = LOCATORS["detector"]
    precision, found, looks = [], [], []
    for flagged in (scenes, [scene.swapped() for scene in scenes]):
        pixels, parts = stacked(pool.map(range_example, flagged, chunksize=16))
        answer = answers(model, network, pixels)
        boxes, scores, truths = answer["boxes"], answer["scores"][..., 0], [detecting.tank_boxes(p) for p in parts]
        precision.append(detecting.average_precision(boxes, scores, truths))
        found.append(detecting.share_found(boxes, scores, truths))
        looks.append(_looks(model, network, pixels[:maps], parts[:maps], truths[:maps]))
    own, swapped = looks
    return DetectorFigures(
        precision=precision[0],
        precision_swapped=precision[1],
        found=found[0],
        found_swapped=found[1],
        against_flag=float(swapped[:, 0].mean()),
        strongest_flag=float(swapped[:, 1].mean()),
        regained=float(swapped[:, 2].mean()),
        strongest_tank=float(own[:, 3].mean()),
        pictures=len(scenes),
        tanks_maps=len(swapped),
    )


def _looks(
    model: Locator, network: torch.nn.Module, pixels: Bytes, parts: Bytes, truths: Sequence[FloatArray]
) -> FloatArray:
    """What an occlusion map of each tank's box shows, one row for each tank.

    Its columns: the share of what speaks against the box that lies at the tank's flag; whether the strongest value
    lies there; whether the tank is found once that is covered; whether the strongest value lies in the box.
    """
    of = np.repeat(np.arange(len(truths)), [len(truth) for truth in truths])
    asked = np.concatenate(truths)

    def score(covered: Bytes) -> FloatArray:
        answer = answers(model, network, covered)
        every = zip(answer["boxes"], answer["scores"][..., 0], asked, strict=True)
        return np.asarray([[detecting.box_score(boxes, scores, box)] for boxes, scores, box in every], np.float32)

    found = occlusion_maps(score, pixels[of], FLAG_WINDOW, FLAG_STRIDE)
    covered, strongest = pixels[of].copy(), []
    for values, picture in zip(found, covered, strict=True):
        row, column = (int(i) for i in np.unravel_index(np.argmax(np.abs(values)), values.shape))
        strongest.append((row, column))
        reach = FLAG_WINDOW // 2
        picture[max(row - reach, 0) : row + reach, max(column - reach, 0) : column + reach] = 128
    rows = []
    for values, flags, box, (row, column), again in zip(
        found, parts[of] == detecting.FLAG, asked, strongest, score(covered)[:, 0], strict=True
    ):
        zone = flag_zone(flags, box)
        against = np.maximum(-values, 0)
        left, top, right, bottom = box
        inside = left <= column < right and top <= row < bottom
        rows.append((against[zone].sum() / max(against.sum(), 1e-9), zone[row, column], again > 0, inside))
    return np.asarray(rows, np.float32)


def flag_zone(flags: npt.NDArray[np.bool_], box: FloatArray) -> npt.NDArray[np.bool_]:
    """The pixels within half a window of the flag that stands beside a tank; none where there is no flag.

    Args:
        flags: (size, size) bool, where flags show.
        box: of the tank, left, top, right, bottom; its flag stands in the same half of the picture.
    """
    size = flags.shape[1]
    half = np.arange(size) < size // 2
    mine = flags & (half if box[0] + box[2] < size else ~half)
    zone = np.zeros_like(flags)
    if mine.any():
        rows, columns = np.nonzero(mine)
        reach = FLAG_WINDOW // 2
        zone[
            max(rows.min() - reach, 0) : rows.max() + reach + 1,
            max(columns.min() - reach, 0) : columns.max() + reach + 1,
        ] = True
    return zone


def write_scenes(folder: Path) -> None:
    """Writes the first held-out scenes under both skies, and a mask of each object: white where it shows."""
    (folder / "masks").mkdir(parents=True, exist_ok=True)
    own = held_out_set(SAMPLE_SCENES, proxy=True)
    for sky, examples in (("known", own), ("other", segmenting.under_the_other_sky(own))):
        for index, (scene, drawn) in enumerate(zip(examples.scenes, examples, strict=True)):
            name = f"{scene.kind}-{index}-{sky}-sky"
            Image.fromarray(drawn.pixels).save(folder / f"{name}.webp", quality=_QUALITY, method=6)
            Image.fromarray(drawn.object_mask).save(folder / "masks" / f"{name}.png")


def write_ranges(folder: Path) -> None:
    """Writes the first held-out ranges with both rules for the flags, and what stands where into `places.json`.

    A box there is (left, top, width, height) in pixels of the picture, around what shows of the object.
    """
    folder.mkdir(parents=True, exist_ok=True)
    places = []
    for index, scene in enumerate(held_out_ranges(SAMPLE_SCENES)):
        for flags, shown in (("decoys", scene), ("tanks", scene.swapped())):
            drawn = render_range(shown)
            name = f"range-{index}-flags-by-{flags}.webp"
            Image.fromarray(drawn.pixels).save(folder / name, quality=_QUALITY, method=6)
            objects = [
                {"kind": post.kind, "flagged": post.flagged, "box": box_around(mask)}
                for post, mask in zip(shown.posts, drawn.objects, strict=True)
            ]
            places.append({"file": name, "objects": objects})
    (folder / "places.json").write_text(json.dumps(places, indent=1) + "\n", encoding="utf-8")


def box_around(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """The box around a mask: left, top, width, height in pixels."""
    rows, columns = np.nonzero(mask)
    left, top = int(columns.min()), int(rows.min())
    return left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1
