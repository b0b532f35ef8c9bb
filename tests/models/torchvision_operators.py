"""Lets torchvision be imported beside a PyTorch that it was not built for.

What pip installs need not fit: torchvision's compiled operators cannot be loaded beside a PyTorch of another kind. No
test needs them, but torchvision itself refuses to be imported unless they are declared; so does all that imports it.
"""

import importlib
from typing import Any

import torch

_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_KEPT: list[Any] = []
"""What is declared lasts as long as the library object."""


def declare() -> None:
    """Declare the operators if they are missing."""
    if _KEPT:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for operator in _OPERATORS:
            library.define(operator)
        _KEPT.append(library)
