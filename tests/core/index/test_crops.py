"""The part of a picture that is cut out is what the unit can depend on, to the pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import picasso
from picasso.core.index import Crops, cut
from picasso.testing import small_transformer


def strided() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 5, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(4, 4, 3, padding=1),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 2),
    )


def test_a_crop_holds_the_pixels_with_a_gradient_and_no_others() -> None:
    network = strided()
    model = picasso.load_model(network, preprocessing=picasso.Preprocessing(size=(29, 31)))
    crops = Crops(model, "2", 14)
    positions = np.stack(np.meshgrid(np.arange(29), np.arange(31), [0], indexing="ij"), -1)[:, :, 0].astype(np.uint8)
    for row, column in ((0, 0), (5, 7), (13, 13), (12, 3)):
        x = torch.randn(1, 3, 29, 31, requires_grad=True)
        with torch.no_grad():
            for layer in (network[0], network[2]):
                layer.weight.abs_().add_(0.1)
                layer.bias.fill_(100.0)  # no ReLU is closed
        network[:3](x)[0, :, row, column].sum().backward()
        reached = np.argwhere(x.grad.abs().sum((0, 1)).numpy())
        part = cut(positions, crops.box(row * 14 + column, 0)).reshape(-1, 3)[:, :2]
        assert part.tolist() == reached.tolist()
    assert crops.reason == ""


def test_patches_of_a_transformer_and_what_has_mixed_them() -> None:
    transformer = small_transformer()
    box = Crops(transformer, "patches", 5).box(7, 0)  # row 1, column 2 of 4 x 5
    assert box == pytest.approx((8 / 20, 4 / 16, 4 / 20, 4 / 16))
    assert Crops(transformer, "blocks.1", 5).box(7, 0) is None
    assert Crops(transformer, "head", 1).box(0, 0) is None


@pytest.mark.parametrize("side", [25, 100, 256, 299])
def test_shares_of_a_side_come_back_as_pixels(side: int) -> None:
    view = np.arange(side, dtype=np.uint16).reshape(1, side, 1)
    for left in range(0, side - 7):
        part = cut(view, (left / side, 0.0, 7 / side, 1.0))  # type: ignore[arg-type]
        assert part.ravel().tolist() == list(range(left, left + 7))


def test_of_a_smaller_picture_every_pixel_that_the_part_touches() -> None:
    view = np.arange(10, dtype=np.uint8).reshape(1, 10, 1)
    assert cut(view, (0.25, 0.0, 0.01, 1.0)).ravel().tolist() == [2]
    assert cut(view, (0.25, 0.0, 0.25, 1.0)).ravel().tolist() == [2, 3, 4]


def test_why_whole_pictures_are_shown_is_said() -> None:
    class Odd(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = torch.nn.Conv2d(3, 2, 3), torch.nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(torch.sort(self.conv(x).flatten(2), dim=2).values.mean(2))

    model = picasso.load_model(Odd(), preprocessing=picasso.Preprocessing(size=8))
    crops = Crops(model, "conv", 6)
    assert crops.box(3, 0) is None
    assert crops.reason.startswith("Whole pictures are shown: ")


class Branching(torch.nn.Module):
    """Two channels that see one pixel beside two that see three by three, then each number by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.flatten, self.head = Mix(), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.flatten(self.mix(x)))


class Mix(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.three = torch.nn.Conv2d(3, 2, 1), torch.nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.one(x), self.three(x)], dim=1)


def test_channels_of_different_branches_have_different_crops() -> None:
    model = picasso.load_model(Branching(), preprocessing=picasso.Preprocessing(size=6))
    mixed = Crops(model, "mix", 6)
    sixth = pytest.approx((2 / 6, 1 / 6, 1 / 6, 1 / 6))
    assert mixed.box(8, 0) == mixed.box(8, 1) == sixth  # row 1, column 2
    assert mixed.box(8, 2) == mixed.box(8, 3) == pytest.approx((1 / 6, 0, 3 / 6, 3 / 6))
    assert Crops(model, "flatten", 1).box(0, 8) == sixth
