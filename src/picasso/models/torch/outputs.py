"""What a PyTorch network returns, as tensors by name: tuples, dicts, dataclasses, and lists of boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from picasso.core.hooks import Head
from picasso.core.preprocessing import Array
from picasso.models.torch.functions import Heads

_MOST_BOXES = 100
_COCO = 91


@dataclass(frozen=True)
class Detections:
    """How the boxes of a network that returns a dict for each picture become arrays: as many rows for each.

    Args:
        boxes: Rows for each picture; those that a picture lacks are zero, and of no class.
        classes: Columns of scores; a box has one for the class that it was given.
    """

    boxes: int
    classes: int

    def stacked(self, pictures: list[Any]) -> dict[str, Any]:
        """Return boxes (n, boxes, 4) and scores (n, boxes, classes), through which gradients pass."""
        import torch
        import torch.nn.functional as F

        boxes, scores = [], []
        for found in pictures:
            place = found["boxes"][: self.boxes]
            rest = self.boxes - len(place)
            row = F.one_hot(found["labels"][: self.boxes].long().clamp(0, self.classes - 1), self.classes)
            row = row.to(found["scores"].dtype) * found["scores"][: self.boxes, None]
            boxes.append(F.pad(place, (0, 0, 0, rest)))
            scores.append(F.pad(row, (0, 0, 0, rest)))
        return {"boxes": torch.stack(boxes), "scores": torch.stack(scores)}


def detections_of(module: Any) -> Detections:
    """Return how many boxes and classes a detector returns at most, as it says itself."""
    boxes: list[int] = []
    classes: list[int] = []
    for part in module.modules():
        boxes += [value for name in _LIMITS if isinstance(value := getattr(part, name, None), int)]
        said = (
            getattr(part, "num_classes", None),
            getattr(getattr(part, "cls_score", None), "out_features", None),
            getattr(getattr(part, "classification_head", None), "num_columns", None),
        )
        classes += [value for value in said if isinstance(value, int)]
    return Detections(max(boxes, default=_MOST_BOXES), max(classes, default=_COCO))


_LIMITS = ("detections_per_img", "detections_per_image", "box_detections_per_img")


def are_detections(answer: Any) -> bool:
    """Say whether an answer is one dict of boxes, labels and scores for each picture."""
    return (
        isinstance(answer, list)
        and bool(answer)
        and all(isinstance(found, dict) and {"boxes", "labels", "scores"} <= found.keys() for found in answer)
    )


def named_outputs(answer: Any, detections: Detections | None = None, prefix: str = "") -> dict[str, Any]:
    """Return every tensor of numbers that a network returned, by name: keys, places, or "output"."""
    import torch

    if torch.is_tensor(answer):
        numbers = answer.is_floating_point() and answer.ndim
        return {prefix or "output": answer} if numbers else {}
    if detections is not None and are_detections(answer):
        return detections.stacked(answer)
    if hasattr(answer, "_asdict"):
        answer = answer._asdict()
    elif hasattr(answer, "__dataclass_fields__") and not isinstance(answer, dict):
        answer = vars(answer)
    pairs = (
        answer.items() if isinstance(answer, dict) else enumerate(answer) if isinstance(answer, list | tuple) else ()
    )
    found: dict[str, Any] = {}
    for key, part in pairs:
        found |= named_outputs(part, detections, f"{prefix}.{key}" if prefix else str(key))
    return found


def before_heads(answer: dict[str, Any], heads: Heads) -> tuple[dict[str, Any], Head | None]:
    """Put what went into a softmax or sigmoid in the place of what came out, where that is an output.

    Lists (n, boxes, numbers) stay: the places of boxes may end in a sigmoid, too, and are meant as they come.
    """
    found: Head | None = None
    answer = dict(answer)
    for name, tensor in answer.items():
        for source, result, head in heads:
            if result is tensor and tensor.ndim != 3:
                answer[name], found = source, head
    return answer, found


def array(tensor: Any) -> Array:
    """Return a tensor as a float32 array."""
    import numpy as np

    numbers: Array = np.ascontiguousarray(tensor.detach().float().cpu().numpy())
    return numbers


def arrays(tensors: dict[str, Any]) -> dict[str, Array]:
    """Return tensors as float32 arrays."""
    return {name: array(tensor) for name, tensor in tensors.items()}
