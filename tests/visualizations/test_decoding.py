"""Decoding: a decoder learned from waves or from pictures brings back what a layer says simply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import picasso
from picasso.core.errors import NotFoundError, NotSupportedError
from picasso.core.learning.album import album
from picasso.core.model import Model
from picasso.core.panels import Bars, Images, Text
from picasso.core.pictures.images import read_picture
from picasso.core.synthesis.eight_bit import eight_bit
from tests.models import channel_twins as twins

SIDE = 16
READ = picasso.Preprocessing(size=SIDE, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
RNG = np.random.default_rng(0)
PICTURE = np.kron(RNG.integers(20, 236, (8, 8, 3)), np.ones((2, 2, 1))).astype(np.uint8)


class Losing(nn.Module):
    """An invertible layer, one that keeps the brightness of each block alone, and one that is noise to the picture."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.keep = nn.Conv2d(3, 12, 2, stride=2)
        nn.init.orthogonal_(self.keep.weight)
        self.grey = nn.Conv2d(3, 1, 2, stride=2, bias=False)
        nn.init.constant_(self.grey.weight, 1.0)
        self.none = nn.Conv2d(3, 2, 2, stride=2)
        nn.init.zeros_(self.none.weight)
        self.head = nn.Linear(15, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.cat([self.keep(x), self.grey(x), self.none(x)], 1).mean((2, 3)))


@pytest.fixture(scope="module")
def model() -> Model:
    return picasso.load_model(Losing(), preprocessing=READ, labels=["a", "b"])


def decoded(model: Model, picture: Any = PICTURE, **choices: Any) -> picasso.Result:
    result = picasso.explain(model, picture, "decoding", cache=False, **choices)
    assert isinstance(result, picasso.Result)
    return result


def row(result: picasso.Result) -> Images:
    return next(panel for panel in result.panels if isinstance(panel, Images))


def folder_of_pictures(folder: Path, count: int) -> Path:
    (folder / "within").mkdir(parents=True)
    for number in range(count):
        pixels = np.kron(RNG.integers(0, 256, (6, 6, 3)), np.ones((3, 3, 1))).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "within" / f"{number}.png")
    return folder


def test_layers_are_decoded_as_far_as_they_keep_the_picture(model: Model) -> None:
    result = decoded(model, layers="keep, grey, none")
    keep, grey, none = result.arrays["explained"]
    assert keep > 0.999
    assert 0.2 < grey < 0.97
    assert none < 0.05
    np.testing.assert_allclose(result.arrays["decoded"][0], PICTURE / 255, atol=0.01)
    panel = row(result)
    assert np.abs(panel.pictures[1].astype(int) - PICTURE).max() <= 3
    assert panel.captions[1] == "keep: correlation 1.00"
    bars = next(panel for panel in result.panels if isinstance(panel, Bars))
    assert bars.labels == ("keep", "grey", "none")


def test_a_folder_is_learned_from_and_the_picture_itself_is_left_out(model: Model, tmp_path: Path) -> None:
    folder = folder_of_pictures(tmp_path / "album", 12)
    result = decoded(model, layers="keep", album=str(folder), pictures=8)
    text = next(panel.text for panel in result.panels if isinstance(panel, Text))
    assert f"Learned from 8 pictures of {folder}" in text
    assert result.arrays["explained"][0] > 0.99
    own = tmp_path / "own"
    own.mkdir()
    Image.fromarray(PICTURE).save(own / "a.png")
    Image.fromarray(PICTURE[::-1].copy()).save(own / "b.png")
    with pytest.raises(NotFoundError, match="holds fewer than two pictures"):
        decoded(model, own / "a.png", layers="keep", album=str(own))


def test_an_album_that_changed_is_learned_from_again(model: Model, tmp_path: Path) -> None:
    folder = folder_of_pictures(tmp_path / "album", 6)
    choices: dict[str, Any] = {"layers": "grey", "album": str(folder)}
    first = picasso.explain(model, PICTURE, "decoding", **choices)
    assert picasso.explain(model, PICTURE, "decoding", **choices) is first
    Image.fromarray(PICTURE[:, ::-1].copy()).save(folder / "within" / "0.png")
    assert picasso.explain(model, PICTURE, "decoding", **choices) is not first


def test_of_many_pictures_some_are_taken_from_everywhere(model: Model, tmp_path: Path) -> None:
    folder = folder_of_pictures(tmp_path / "album", 7)
    leaves = album(
        model, eight_bit(model, model.prepare(read_picture(PICTURE, "a"))), str(folder), 4,
        np.random.default_rng(0), lambda done, total: None,
    )  # fmt: skip
    every = [np.asarray(Image.open(folder / "within" / f"{number}.png")) for number in range(7)]
    taken = [model.prepare(read_picture(every[number], "b")).x for number in (0, 1, 3, 5)]
    for leaf, x in zip(leaves, taken, strict=True):
        np.testing.assert_array_equal(leaf.x, x)


def test_what_cannot_be_learned_from_is_said(model: Model, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no folder or data set 'nowhere'"):
        decoded(model, album="nowhere")
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(NotFoundError, match="fewer than two pictures"):
        decoded(model, album=str(tmp_path))
    with pytest.raises(NotFoundError, match="There is no layer 'conv99'"):
        decoded(model, layers="conv99")
    plain = picasso.load_model(lambda x: x.mean((1, 2)), preprocessing=READ)
    with pytest.raises(NotSupportedError, match="needs activations"):
        decoded(plain)


def test_the_seed_decides(model: Model) -> None:
    one, again, other = (decoded(model, layers="grey", seed=seed).arrays["decoded"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_frameworks_agree(tmp_path: Path) -> None:
    torched = picasso.load_model(twins.torch_network(), preprocessing=twins.PREPROCESSING)
    file = picasso.load_model(twins.onnx_file(tmp_path), preprocessing=twins.PREPROCESSING)
    one, other = (decoded(model, twins.PICTURE, layers="conv2").arrays["decoded"] for model in (torched, file))
    np.testing.assert_allclose(one, other, atol=1e-3)
