"""The demo's two networks that say where: a segmenter and a detector. PyTorch is imported when one is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

STRIDE = 8
"""Pixels of the input from one of the detector's cells to the next."""


@dataclass(frozen=True)
class SegmenterShape:
    """A small U-Net whose deepest map is also averaged over the whole picture, so that it knows the context.

    Attributes:
        size: height and width of the input, pixels.
        classes: number of logits at each pixel.
    """

    size: int
    classes: int


@dataclass(frozen=True)
class DetectorShape:
    """A detector of one stage without anchors: every cell of the last map proposes one box.

    Attributes:
        size: height and width of the input, pixels.
        classes: number of logits of each box.
    """

    size: int
    classes: int


SEGMENTER = SegmenterShape(size=128, classes=4)
DETECTOR = DetectorShape(size=128, classes=1)


def _conv(given: int, filters: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> list[Any]:
    """A convolution that keeps the size (over the stride), batch normalization, ReLU."""
    from torch import nn

    margin = dilation * (kernel // 2)
    return [
        nn.Conv2d(given, filters, kernel, stride, margin, dilation, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
    ]


def build_segmenter(shape: SegmenterShape) -> torch.nn.Module:
    """Builds the segmenter with fresh weights: (n, 3, size, size) float32 to (n, classes, size, size) logits."""
    import torch
    from torch import nn

    class Segmenter(nn.Module):
        """Three steps down, the context of the whole picture added, three steps up."""

        def __init__(self) -> None:
            super().__init__()
            self.down2 = nn.Sequential(*_conv(3, 16, 5, 2))
            self.down4 = nn.Sequential(*_conv(16, 32, 3, 2))
            self.down8 = nn.Sequential(*_conv(32, 48, 3, 2), *_conv(48, 48, dilation=2))
            self.context = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(48, 48, 1), nn.ReLU())
            self.twice = nn.Upsample(scale_factor=2, mode="bilinear")
            self.up4 = nn.Sequential(*_conv(80, 24))
            self.up2 = nn.Sequential(*_conv(40, 16))
            self.logits = nn.Conv2d(16, shape.classes, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            half = self.down2(x)
            quarter = self.down4(half)
            deep = self.down8(quarter)
            deep = deep + self.context(deep)
            up = self.up4(torch.cat([self.twice(deep), quarter], 1))
            up = self.up2(torch.cat([self.twice(up), half], 1))
            found: torch.Tensor = self.twice(self.logits(up))
            return found

    return Segmenter()


def build_detector(shape: DetectorShape) -> torch.nn.Module:
    """Builds the detector with fresh weights.

    It turns (n, 3, size, size) float32 into `boxes` (n, cells, 4): left, top, right, bottom in pixels of the input,
    and `scores` (n, cells, classes): logits. Nothing is suppressed, so that everything can be differentiated.
    """
    import torch
    from torch import nn

    class Detector(nn.Module):
        """Three steps down, then convolutions that see about half of the picture around each cell."""

        middles: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                *_conv(3, 16, 5, 2),
                *_conv(16, 32, 3, 2),
                *_conv(32, 48, 3, 2),
                *_conv(48, 48, dilation=2),
                *_conv(48, 48, dilation=2),
            )
            self.scores = nn.Conv2d(48, shape.classes, 1)
            self.sides = nn.Conv2d(48, 4, 1)
            cells = shape.size // STRIDE
            middle = (torch.arange(cells) + 0.5) * STRIDE
            y, x = torch.meshgrid(middle, middle, indexing="ij")
            self.register_buffer("middles", torch.stack([x, y], 2).reshape(-1, 2), persistent=False)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            deep = self.body(x)
            scores = self.scores(deep).flatten(2).transpose(1, 2)
            # How far each side of the box lies from the middle of the cell: never on the wrong side of it.
            far = 2 * STRIDE * nn.functional.softplus(self.sides(deep).flatten(2).transpose(1, 2))
            boxes = torch.cat([self.middles - far[..., :2], self.middles + far[..., 2:]], 2)
            return {"boxes": boxes, "scores": scores}

    return Detector()
