"""Concepts that nobody named: planted colors come back, and are worth what a closed form says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import picasso
from picasso.core.errors import NotFoundError, NotSupportedError, SettingsError, TargetError
from picasso.core.model import Model
from picasso.core.panels import Bars, Gallery, Text

SIDE, COUNT = 16, 8
READ = picasso.Preprocessing(size=SIDE, mean=(0.0,), std=(1.0,))
RNG = np.random.default_rng(0)
WEIGHTS = np.array([8.0, 4.0, 0.0])
"""What the red, green and blue of a picture are worth to the class."""


class Colors(nn.Module):
    """Score of one class: the means of the colors, weighted; the other class has none."""

    def __init__(self) -> None:
        super().__init__()
        self.shifted, self.seen = nn.Conv2d(3, 3, 1), nn.ReLU()
        self.pool, self.flatten, self.head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)
        with torch.no_grad():
            self.shifted.weight.copy_(torch.eye(3)[:, :, None, None])
            self.shifted.bias.fill_(-0.1)
            self.head.weight.copy_(torch.tensor(np.stack([WEIGHTS, 0 * WEIGHTS])))
            self.head.bias.copy_(torch.tensor([0.0, 0.2]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.flatten(self.pool(self.seen(self.shifted(x)))))


@pytest.fixture(scope="module")
def model() -> Model:
    return picasso.load_model(Colors(), preprocessing=READ, labels=["colored", "dark"])


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in which a red, a green and a blue square lie on black, and dark ones."""
    folder = tmp_path_factory.mktemp("squares")
    for number in range(COUNT):
        pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
        for color, quarter in enumerate(RNG.permutation(4)[:3]):
            top, left = 8 * (quarter // 2) + RNG.integers(0, 3), 8 * (quarter % 2) + RNG.integers(0, 3)
            pixels[top : top + 5, left : left + 5, color] = RNG.integers(200, 256)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        Image.fromarray(np.zeros((SIDE, SIDE, 3), np.uint8)).save(folder / f"dark{number}.png")
    return folder


def found(model: Model, album: Path, **choices: Any) -> picasso.Result:
    given: dict[str, Any] = {"album": str(album), "concepts": 3, "designs": 64, "of": "colored"}
    result = picasso.explain(model, visualization="concepts", cache=False, **(given | choices))
    assert isinstance(result, picasso.Result)
    return result


def galleries(result: picasso.Result) -> tuple[Gallery, Gallery]:
    cuttings, maps = [panel for panel in result.panels if isinstance(panel, Gallery)]
    return cuttings, maps


def text(result: picasso.Result) -> str:
    return next(panel.text for panel in result.panels if isinstance(panel, Text))


def test_planted_colors_come_back_and_are_worth_what_the_closed_form_says(model: Model, album: Path) -> None:
    result = found(model, album)
    parts = result.arrays["parts"]
    colors = parts.argmax(axis=1)
    assert sorted(colors) == [0, 1, 2]
    np.testing.assert_allclose(parts[np.arange(3), colors], 1, atol=1e-3)
    # The score is a weighted sum of how much of each there is: f = sum of a_k m_k, m even on 0..1.
    pictures = [np.asarray(Image.open(album / f"{number}.png")) / 255 for number in range(COUNT)]
    each = np.stack([np.maximum(picture - 0.1, 0).mean(axis=(0, 1)) * WEIGHTS for picture in pictures])
    total = (each**2 / (each**2).sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(result.arrays["importance"], total[colors], atol=0.03)
    np.testing.assert_allclose(result.arrays["drop"], each.mean(axis=0)[colors], rtol=1e-3, atol=1e-5)
    low, high = result.arrays["importance_interval"].T
    assert (low <= result.arrays["importance"]).all()
    assert (result.arrays["importance"] <= high).all()
    maps = result.arrays["maps"]
    assert maps.shape == (COUNT, 3, SIDE, SIDE)
    shown = np.stack([np.maximum(picture - 0.1, 0) for picture in pictures])[..., colors]
    np.testing.assert_allclose(maps, shown.transpose(0, 3, 1, 2), atol=2e-3)


def test_the_most_important_comes_first_with_its_cuttings_and_maps(model: Model, album: Path) -> None:
    result = found(model, album, shown=3)
    bars = next(panel for panel in result.panels if isinstance(panel, Bars))
    assert bars.labels == ("concept 1", "concept 2", "concept 3")
    assert list(bars.values) == sorted(bars.values, reverse=True)
    cuttings, maps = galleries(result)
    sheet, wholes = cuttings.atlas.image(), cuttings.wholes
    assert wholes is not None
    for group, color in zip(cuttings.groups, (0, 1, 2), strict=True):  # red, green, then blue, which is worth nothing
        assert len(group.tiles) == 3
        assert group.tiles[0].caption == "1.00"
        means = np.asarray(cuttings.atlas.tile(sheet, group.tiles[0].number)).mean(axis=(0, 1))
        assert means.argmax() == color
        tile = group.tiles[0]
        assert tile.box is not None
        left, top, width, height = tile.box
        whole = np.asarray(Image.open(album / tile.name))
        cut = whole[round(top * SIDE) : round((top + height) * SIDE), round(left * SIDE) : round((left + width) * SIDE)]
        assert cut.mean(axis=(0, 1)).argmax() == color
    assert len(maps.groups[0].tiles) == 3
    assert "depends most on concept 1" in text(result)
    assert f"{COUNT} pictures that the network takes for 'colored', out of 16 pictures" in text(result)


def test_the_layer_is_the_last_that_is_nowhere_below_zero(model: Model, album: Path) -> None:
    assert "'seen' answers" in text(found(model, album))
    with pytest.raises(NotSupportedError, match="'shifted' has values below zero"):
        found(model, album, layer="shifted")
    with pytest.raises(NotSupportedError, match="'flatten' has no maps"):
        found(model, album, layer="flatten")
    with pytest.raises(NotFoundError, match="no layer 'none'"):
        found(model, album, layer="none")


def test_what_cannot_be_found_is_said(model: Model, album: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="album must name"):
        picasso.explain(model, visualization="concepts", cache=False)
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes((album / f"{number}.png").read_bytes())
    with pytest.raises(NotFoundError, match="takes 3 of 3 pictures for 'colored', and 4 are needed"):
        found(model, tmp_path)
    with pytest.raises(TargetError, match="of must be one class"):
        found(model, album, of="colored - dark")
    with pytest.raises(SettingsError, match="power of two"):
        found(model, album, designs=12)
    torch.manual_seed(0)
    bent = picasso.load_model(
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.Tanh(), nn.Flatten(), nn.Linear(4 * SIDE * SIDE, 2)),
        preprocessing=READ, labels=["colored", "dark"],
    )  # fmt: skip
    with pytest.raises(NotSupportedError, match="is never below zero"):
        found(bent, album, of="")


def test_cuttings_of_wide_pictures_say_how_wide_they_are(album: Path) -> None:
    wide = picasso.Preprocessing(size=(8, SIDE), mean=(0.0,), std=(1.0,))
    model = picasso.load_model(Colors(), preprocessing=wide, labels=["colored", "dark"])
    assert galleries(found(model, album, designs=8))[0].aspect == 2


def test_more_concepts_than_there_are_channels_are_not_made(model: Model, album: Path) -> None:
    assert found(model, album, concepts=8, designs=8).arrays["parts"].shape == (3, 3)
