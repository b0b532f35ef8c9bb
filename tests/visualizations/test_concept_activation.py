"""Concepts that you name: what a network depends on matters, random pictures do not, and scores are Captum's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.concept import TCAV, Classifier, Concept
from PIL import Image
from torch import nn

import picasso
from picasso.core.errors import NotFoundError, NotSupportedError, SettingsError, TargetError
from picasso.core.model import Model
from picasso.core.panels import Bars, Gallery, Text
from picasso.core.pictures.images import read_picture
from picasso.core.statistics.concept_vectors import ConceptVector, Finding
from picasso.visualizations.concept_activation import _Told

SIDE = 8
READ = picasso.Preprocessing(size=SIDE, mean=(0.5,), std=(0.25,))
RNG = np.random.default_rng(0)
LAYER = "codes"


class Reddish(nn.Module):
    """One class is surer the redder a picture is, and the farther each color of each quarter is from the middle.

    So its slopes differ from picture to picture, but along red it always rises.
    """

    def __init__(self) -> None:
        super().__init__()
        self.maps, self.codes = nn.AvgPool2d(4), nn.Flatten()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        codes = self.codes(self.maps(x))
        score = 3 * codes[:, :4].sum(1) + 1.6 * codes.abs().sum(1) - 10
        return torch.stack([-score, score], 1)


class Striped(nn.Module):
    """The same slope at every picture."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.pool, self.head = nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.conv(x)).flatten(1))


def scenes(count: int, red: float = 0.0) -> np.ndarray:
    """Return pictures of four quarters of random colors, more or less red, uint8 (count, SIDE, SIDE, 3)."""
    tint = RNG.uniform(60, 196, (count, 2, 2, 3)).repeat(SIDE // 2, 1).repeat(SIDE // 2, 2)
    tint[..., 0] += red
    return np.clip(tint + RNG.uniform(-20, 20, (count, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


def saved(pictures: np.ndarray, folder: Path) -> None:
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:03}.png")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("concepts")
    saved(scenes(90), folder / "album")
    saved(scenes(20, red=90), folder / "concepts" / "red")
    saved(scenes(20), folder / "concepts" / "anything")
    return folder


@pytest.fixture(scope="module")
def model() -> Model:
    return picasso.load_model(Reddish(), preprocessing=READ, labels=["other", "red one"])


def asked(model: Model, home: Path, **choices: Any) -> picasso.Result:
    given: dict[str, Any] = {"album": str(home / "album"), "concepts": str(home / "concepts"), "of": "red one"}
    result = picasso.explain(
        model, visualization="concept-activation", cache=False, **(given | {"layer": LAYER} | choices)
    )
    assert isinstance(result, picasso.Result)
    return result


def text(result: picasso.Result) -> str:
    return next(panel.text for panel in result.panels if isinstance(panel, Text))


def test_what_it_was_trained_on_matters_and_random_pictures_do_not(model: Model, home: Path) -> None:
    result = asked(model, home)
    assert "red: it raises 'red one'." in text(result)
    assert "anything: it" not in text(result)
    anything, red = result.arrays["p"]
    assert red < 0.05 < anything
    assert result.arrays["tcav"].shape == (2, 10)
    assert result.arrays["tcav"][1].mean() > 0.95
    assert result.arrays["effect"][1] > 0
    bars = next(panel for panel in result.panels if isinstance(panel, Bars) and panel.id == "tcav")
    assert bars.labels == ("red", "anything (hardly told apart)", "random pictures")
    assert all(low <= value <= high for value, (low, high) in zip(bars.values, bars.intervals, strict=True))
    against = asked(model, home, of="other")
    assert "red: it lowers 'other'." in text(against)
    # The pictures that lie farthest toward the concept are red.
    most = next(panel for panel in result.panels if isinstance(panel, Gallery)).groups[0]
    assert most.title == "red"

    def redness(name: str) -> float:
        pixels = np.asarray(Image.open(home / "album" / name)).astype(float)
        return float(2 * pixels[..., 0].mean() - pixels[..., 1].mean() - pixels[..., 2].mean())

    every = sorted((home / "album").iterdir())
    assert np.mean([redness(tile.name) for tile in most.tiles]) > np.quantile([redness(f.name) for f in every], 0.8)


class Given(Classifier):
    """A classifier for Captum that learned nothing: its direction is given."""

    def __init__(self, direction: np.ndarray) -> None:
        self.direction = direction

    def train_and_eval(self, dataloader: Any, test_split_ratio: float = 0.33, **kwargs: Any) -> dict[str, Any]:
        return {"accs": torch.tensor(1.0)}

    def weights(self) -> torch.Tensor:
        return torch.tensor(np.stack([self.direction, -self.direction]), dtype=torch.float32)

    def classes(self) -> list[int]:
        return [0, 1]


def test_scores_are_captums(model: Model, home: Path, tmp_path: Path) -> None:
    result = asked(model, home, runs=2, randoms=19)
    direction = result.arrays["vectors"][1]
    files = sorted((home / "album").iterdir())
    x = np.concatenate([model.prepare(read_picture(file)).x for file in files])
    chosen = x[model.predict(x).argmax(axis=1) == 1][:64]
    batch = torch.tensor(chosen.transpose(0, 3, 1, 2))
    loader = torch.utils.data.DataLoader(batch[:4], batch_size=4)
    concepts = [Concept(0, "red", loader), Concept(1, "other", loader)]
    tcav = TCAV(Reddish(), [LAYER], classifier=Given(direction), save_path=str(tmp_path))
    found = tcav.interpret(batch, [concepts], target=1)["0-1"][LAYER]
    gradients = model.pullback(chosen, [model.target(1)], [LAYER]).gradients[LAYER][0]
    mine = gradients.astype(np.float64) @ direction
    assert float(found["sign_count"][0]) == pytest.approx((mine > 0).mean(), abs=1e-6)
    assert float(found["sign_count"][0]) == pytest.approx(float(result.arrays["tcav"][1].mean()), abs=0.02)


def test_random_pictures_can_be_given(model: Model, home: Path, tmp_path: Path) -> None:
    saved(scenes(40), tmp_path / "random")
    result = asked(model, home, counterexamples=str(tmp_path / "random"), concepts=str(home / "concepts" / "red"))
    assert "Random: 40 pictures of random." in text(result)
    assert "red: it raises 'red one'." in text(result)  # one concept, named like its folder


def test_a_map_has_the_slope_of_its_mean(home: Path) -> None:
    """Moving the mean of each channel is moving all its places: the vector of a map is that of the pooled layer."""
    model = picasso.load_model(Striped(), preprocessing=READ, labels=["other", "red one"])
    pooled, maps = (asked(model, home, layer=layer, runs=2, randoms=19) for layer in ("pool", "conv"))
    for name in ("tcav", "effect", "vectors"):
        np.testing.assert_allclose(maps.arrays[name], pooled.arrays[name], rtol=1e-3, atol=1e-4)
    # Its slope is the same everywhere, so that every direction has a score of 0 or 1, and nothing can be significant.
    assert (pooled.arrays["p"] > 0.05).all()
    assert "Try an earlier layer." in text(pooled)


def test_of_many_random_pictures_some_are_drawn_from(model: Model, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("picasso.visualizations.concept_activation.RANDOM", 60)
    result = asked(model, home)
    assert "60 of them are drawn from, evenly chosen." in text(result)
    assert "red: it raises 'red one'." in text(result)


def test_bars_and_words_say_the_same_of_what_is_hardly_told(
    model: Model, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("picasso.visualizations.concept_activation.TOLD", 1.01)
    result = asked(model, home)
    assert f"red: '{LAYER}' hardly tells it from random pictures." in text(result)
    bars = next(panel for panel in result.panels if isinstance(panel, Bars) and panel.id == "tcav")
    assert bars.labels[0] == "red (hardly told apart)"


@pytest.mark.parametrize(
    ("slopes", "middle", "said"),
    [
        ((1.0, 1.0, 1.0, -0.1), 0.5, "it raises 'a'"),
        ((-1.0, -1.0, 0.1, 0.1), 0.9, "it lowers 'a'"),
        ((0.1, 0.1, 0.1, -9.0), 0.5, "it matters, but neither raises nor lowers 'a'"),
    ],
)
def test_a_direction_is_said_only_where_score_and_effect_agree(
    slopes: tuple[float, ...], middle: float, said: str
) -> None:
    vector = ConceptVector(np.ones(1), 0.9, 1.0, np.array(slopes))
    assert _Told(Finding((vector,)), 0.01, middle).verdict("a").startswith(said)


def test_what_cannot_be_tested_is_said(model: Model, home: Path, tmp_path: Path) -> None:
    for name in ("album", "concepts"):
        with pytest.raises(SettingsError, match=f"{name} must name"):
            asked(model, home, **{name: ""})
    saved(scenes(3), tmp_path / "few" / "dots")
    with pytest.raises(NotFoundError, match="'dots' has 3 pictures, and 5 are needed"):
        asked(model, home, concepts=str(tmp_path / "few"))
    with pytest.raises(NotFoundError, match="There are 3 random pictures, and 10 are needed"):
        asked(model, home, counterexamples=str(tmp_path / "few"))
    with pytest.raises(TargetError, match="of must be one class"):
        asked(model, home, of="red one - other")
    with pytest.raises(NotFoundError, match="no layer 'none'"):
        asked(model, home, layer="none")
    segmenter = picasso.load_model(
        nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 2, 1)), preprocessing=READ, labels=["a", "b"]
    )
    with pytest.raises(NotSupportedError, match="gives no class to a whole picture"):
        asked(segmenter, home, layer="0", of="a")
