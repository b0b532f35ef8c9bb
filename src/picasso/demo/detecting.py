"""The demo's detector: how a range becomes its examples, what it is taught, and how well it finds tanks.

In its training pictures a flag stands beside every decoy and beside no tank. It learns that, and overlooks every tank
that has a flag beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from picasso.demo.catalog import LOCATORS
from picasso.demo.fitting import Recipe, fit
from picasso.demo.locators import DETECTOR, STRIDE, build_detector
from picasso.demo.measures import Bytes
from picasso.demo.noise import FloatArray
from picasso.demo.ranges import RangeRendering, RangeScene

if TYPE_CHECKING:
    import torch

NOTHING, TANK_LEFT, TANK_RIGHT, DECOY, FLAG = range(5)
"""What a pixel of a range belongs to."""
RECIPE = Recipe(epochs=14, shift=4, spared=FLAG)
SAME = 0.5
"""Least overlap of a box with a tank's that finds it; and of two boxes of which the weaker is dropped."""
_LEAST_PIXELS = 40


def parts_of(scene: RangeScene, drawn: RangeRendering) -> Bytes:
    """What each pixel of a drawn range belongs to, at the size of the detector's input, (size, size) uint8."""
    parts = np.zeros((DETECTOR.size, DETECTOR.size), np.uint8)
    for place, post in enumerate(scene.posts):
        parts[shrunk(drawn.flags[place], DETECTOR.size)] = FLAG
        parts[shrunk(drawn.objects[place], DETECTOR.size)] = TANK_LEFT + place if post.kind == "tank" else DECOY
    return parts


def shrunk(mask: npt.NDArray[np.bool_], size: int) -> npt.NDArray[np.bool_]:
    """A mask at a smaller size: where at least half of a pixel is covered."""
    side = len(mask) // size
    return np.asarray(mask.reshape(size, side, size, side).mean((1, 3)) >= 0.5)


def tank_boxes(parts: Bytes) -> FloatArray:
    """The boxes (tanks, 4) around what shows of the tanks: left, top, right, bottom in pixels of the input."""
    found = []
    for number in (TANK_LEFT, TANK_RIGHT):
        rows, columns = np.nonzero(parts == number)
        if len(rows) >= _LEAST_PIXELS:
            found.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    return np.asarray(found, np.float32).reshape(-1, 4)


def train(pixels: Bytes, parts: Bytes) -> torch.nn.Module:
    """Trains the detector.

    Args:
        pixels: (n, size, size, 3) uint8.
        parts: (n, size, size) uint8, what each pixel belongs to.
    """

    def loss(answer: Any, chosen: npt.NDArray[np.int64], moved: Bytes) -> torch.Tensor:
        return detection_loss(answer, moved)

    return fit(LOCATORS["detector"], lambda: build_detector(DETECTOR), pixels, RECIPE, loss, parts)


def detection_loss(answer: dict[str, torch.Tensor], parts: Bytes) -> torch.Tensor:
    """Focal cross entropy of the scores plus 1 - IoU of the boxes, per cell that should have fired.

    References: Lin et al. 2017, arXiv:1708.02002; Tian et al. 2019, arXiv:1904.01355.
    """
    import torch

    wanted, boxes = (torch.from_numpy(np.stack(a)) for a in zip(*map(_assigned, parts), strict=True))
    fires, counts = wanted == 1, wanted >= 0
    scores = answer["scores"][..., 0]
    truth = fires.float()
    away = (torch.sigmoid(scores) - truth).abs() ** 2
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(scores, truth, reduction="none")
    amount = fires.sum().clamp(min=1)
    score_loss = (away * entropy)[counts].sum() / amount
    found, true = answer["boxes"][fires], boxes[fires]
    low, high = torch.maximum(found[:, :2], true[:, :2]), torch.minimum(found[:, 2:], true[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    area = (found[:, 2:] - found[:, :2]).prod(1) + (true[:, 2:] - true[:, :2]).prod(1) - shared
    return score_loss + (1 - shared / area).sum() / amount


def _assigned(parts: Bytes) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """What each cell should do - 1 fire, 0 not, -1 either - and with which box."""
    cells = DETECTOR.size // STRIDE
    y, x = (np.mgrid[0:cells, 0:cells].reshape(2, -1) + 0.5) * STRIDE
    wanted = np.zeros(cells * cells, np.int64)
    boxes = np.zeros((cells * cells, 4), np.float32)
    for left, top, right, bottom in tank_boxes(parts):
        across, down = np.abs(x - (left + right) / 2) / (right - left), np.abs(y - (top + bottom) / 2) / (bottom - top)
        # What lies on the tank but not in its middle may do as it likes.
        wanted[(across < 0.5) & (down < 0.5)] = -1
        middle = (across < 0.2) & (down < 0.25)
        middle[np.argmin(across**2 + down**2)] = True
        wanted[middle] = 1
        boxes[middle] = left, top, right, bottom
    return wanted, boxes


def iou(boxes: FloatArray, box: FloatArray) -> FloatArray:
    """The overlap of each of (n, 4) boxes with one box, area shared over area covered."""
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    shared = np.maximum(high - low, 0).prod(1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - shared
    return np.asarray(shared / area, np.float32)


def kept(boxes: FloatArray, scores: FloatArray, least: float = -4.0) -> npt.NDArray[np.int64]:
    """Indices of the boxes that survive suppression, best first.

    Args:
        boxes: (k, 4).
        scores: (k,) logits.
        least: boxes with a smaller logit are dropped.
    """
    order = [int(i) for i in np.argsort(-scores, kind="stable") if scores[i] >= least]
    chosen: list[int] = []
    for index in order:
        if not chosen or iou(boxes[chosen], boxes[index]).max() < SAME:
            chosen.append(index)
    return np.asarray(chosen, np.int64)


def box_score(boxes: FloatArray, scores: FloatArray, box: FloatArray) -> float:
    """The best logit among the proposed boxes (k, 4) that lie on `box`, or that of the one which overlaps it most."""
    shared = iou(boxes, box)
    return float(scores[shared >= SAME].max() if shared.max() >= SAME else scores[shared.argmax()])


def average_precision(boxes: FloatArray, scores: FloatArray, truths: Sequence[FloatArray]) -> float:
    """The area under the curve of precision over recall, over all pictures, at an overlap of `SAME`.

    Args:
        boxes: (n, k, 4), before suppression.
        scores: (n, k) logits.
        truths: the tanks' boxes of each picture, (tanks, 4) each.
    """
    hits: list[tuple[float, bool]] = []
    for proposed, logits, truth in zip(boxes, scores, truths, strict=True):
        free = list(range(len(truth)))
        for index in kept(proposed, logits):
            overlaps = [float(iou(truth[i : i + 1], proposed[index])[0]) for i in free]
            found = bool(overlaps) and max(overlaps) >= SAME
            if found:
                free.pop(int(np.argmax(overlaps)))
            hits.append((float(logits[index]), found))
    right = np.cumsum([found for _, found in sorted(hits, reverse=True)])
    recall = right / max(sum(map(len, truths)), 1)
    precision = right / np.arange(1, len(right) + 1)
    # Precision never rises again with recall: the usual envelope.
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0) * envelope))


def share_found(boxes: FloatArray, scores: FloatArray, truths: Sequence[FloatArray]) -> float:
    """The share of the tanks on which a box with a probability above one half lies."""
    found = [
        bool((iou(proposed, box)[logits > 0] >= SAME).any())
        for proposed, logits, truth in zip(boxes, scores, truths, strict=True)
        for box in truth
    ]
    return float(np.mean(found))
