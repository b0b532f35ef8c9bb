"""Top examples: a channel that detects something finds the pictures that hold it, and cuts out where it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import picasso
from picasso.core.errors import NotFoundError, NotSupportedError, SettingsError, TargetError
from picasso.core.model import Model
from picasso.core.panels import Bars, Curve, Gallery, Text
from picasso.core.pictures.images import read_picture

SIDE = 20
WINDOW = 5
READ = picasso.Preprocessing(size=SIDE)
RNG = np.random.default_rng(11)


class Detector(torch.nn.Module):
    """Its channel 0 is the redness of a window of 5 pixels, channel 1 the opposite, channel 2 never anything."""

    def __init__(self) -> None:
        super().__init__()
        self.red = torch.nn.Conv2d(3, 3, WINDOW, padding=2)
        self.head = torch.nn.Linear(3, 2)
        with torch.no_grad():
            self.red.weight.zero_()
            self.red.bias.zero_()
            color = torch.tensor([1.0, -0.5, -0.5])[:, None, None] / WINDOW**2
            self.red.weight[0], self.red.weight[1] = color, -color
            self.head.weight[:] = torch.tensor([[2.0, 1.0, 3.0], [-1.0, 0.5, 0.0]])
            self.head.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.red(x).mean((2, 3)))


@pytest.fixture(scope="module")
def model() -> Model:
    return picasso.load_model(Detector(), preprocessing=READ, labels=("plain", "other"))


def planted(folder: Path, count: int, holding: dict[int, tuple[int, int, int]]) -> None:
    """Write gray pictures; some hold a red square of 5 pixels at (top, left) of a brightness."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = np.repeat(RNG.integers(90, 110, (SIDE, SIDE, 1)), 3, axis=2).astype(np.uint8)
        if number in holding:
            top, left, red = holding[number]
            pixels[top : top + WINDOW, left : left + WINDOW] = (red, 0, 0)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")


def looked(model: Model, folder: Path, **choices: object) -> picasso.Result:
    choices = {"layer": "red", "album": str(folder)} | choices
    result = picasso.explain(model, visualization="top-examples", cache=False, **choices)
    assert isinstance(result, picasso.Result)
    return result


def gallery(result: picasso.Result) -> Gallery:
    return next(panel for panel in result.panels if isinstance(panel, Gallery))


def test_a_planted_patch_is_found_in_its_order_and_cut_out_to_the_pixel(model: Model, tmp_path: Path) -> None:
    holding = {3: (2, 4, 160), 7: (13, 9, 255), 11: (0, 15, 200), 12: (8, 0, 120)}
    planted(tmp_path, 20, holding)
    result = looked(model, tmp_path, unit=0)
    assert result.arrays["order"][:4].tolist() == [7, 11, 3, 12]
    strongest = gallery(result).groups[0]
    assert strongest.title == "Strongest"
    sheet = gallery(result).atlas.image()
    for tile, number in zip(strongest.tiles[:4], (7, 11, 3, 12), strict=True):
        top, left, red = holding[number]
        assert tile.name == f"{number:03}.png"
        assert tile.box == pytest.approx((left / SIDE, top / SIDE, WINDOW / SIDE, WINDOW / SIDE))
        assert tile.caption == f"{red / 255:.3g}"
        pixels = np.asarray(gallery(result).atlas.tile(sheet, tile.number), float)
        np.testing.assert_allclose(pixels.mean(axis=(0, 1)), (red, 0, 0), atol=24)  # JPEG: twice
        assert result.arrays["largest_at"][number] == (top + 2) * SIDE + left + 2
    whole = gallery(result).wholes
    assert whole is not None
    assert whole.count == gallery(result).atlas.count


def test_a_field_at_the_edge_ends_at_the_edge(model: Model, tmp_path: Path) -> None:
    """All of the first rows is red: a window that lies half in the padding sees less of it than the one below."""
    planted(tmp_path, 2, {})
    pixels = np.full((SIDE, SIDE, 3), 100, np.uint8)
    pixels[:3, :3] = (255, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "corner.png")
    tile = gallery(looked(model, tmp_path, unit=0)).groups[0].tiles[0]
    assert tile.name == "corner.png"
    # Of the windows that hold all nine red pixels, all others gray, the first: its unit is that at row 0, column 0.
    assert tile.box == pytest.approx((0, 0, 3 / SIDE, 3 / SIDE))


def test_percentiles_are_those_of_all_pictures(model: Model, tmp_path: Path) -> None:
    planted(tmp_path, 80, {number: (5, 5, 60 + 2 * ((number * 37) % 80)) for number in range(80)})
    result = looked(model, tmp_path, unit=0)
    values = np.array([60 + 2 * ((number * 37) % 80) for number in range(80)])
    order = np.argsort(-values, kind="stable")
    assert result.arrays["order"].tolist() == order.tolist()
    groups = {group.title: [int(tile.name[:3]) for tile in group.tiles] for group in gallery(result).groups}
    assert [title for title in groups if "percentile" in title] == [f"{ten}th percentile" for ten in range(90, 0, -10)]
    for ten in range(10, 100, 10):
        middle = round((100 - ten) / 100 * 79)
        assert groups[f"{ten}th percentile"] == order[middle - 2 : middle + 2].tolist()
        share = (values < values[groups[f"{ten}th percentile"][1]]).mean()
        assert abs(share - ten / 100) < 0.03
    curve = next(panel for panel in result.panels if isinstance(panel, Curve))
    assert curve.lines[0].values[50] == pytest.approx(float(np.median(values)) / 255, abs=1e-5)


def test_the_opposite_channel_is_weakest_where_the_first_is_strongest(model: Model, tmp_path: Path) -> None:
    planted(tmp_path, 12, {5: (4, 4, 250)})
    groups = {group.title: group for group in gallery(looked(model, tmp_path, unit=1)).groups}
    (lowest, *_) = groups["Most negative"].tiles
    assert lowest.name == "005.png"
    assert lowest.caption.startswith("-0.98")
    assert lowest.box == pytest.approx((4 / SIDE, 4 / SIDE, WINDOW / SIDE, WINDOW / SIDE))


def test_a_channel_that_never_fires_says_so(model: Model, tmp_path: Path) -> None:
    planted(tmp_path, 4, {1: (4, 4, 250)})
    (group,) = gallery(looked(model, tmp_path, unit=2)).groups
    assert group.caption.startswith("It is zero everywhere")
    several = gallery(looked(model, tmp_path)).groups
    assert [group.unit for group in several][-1] == "red:2"
    assert several[-1].caption.startswith("It is zero everywhere")
    assert several[0].unit == "red:0"
    assert several[0].tiles[0].name == "001.png"


def test_relevance_of_a_linear_head_is_weight_times_mean(model: Model, tmp_path: Path) -> None:
    planted(tmp_path, 10, {1: (4, 4, 250), 2: (0, 0, 90), 8: (9, 3, 200)})
    network = Detector()
    x = np.concatenate([model.prepare(read_picture(path)).x for path in sorted(tmp_path.iterdir())])
    with torch.no_grad():
        maps = network.red(torch.from_numpy(x).permute(0, 3, 1, 2))
        scores = network.head(maps.mean((2, 3)))
    for label, word in enumerate(("plain", "other")):
        result = looked(model, tmp_path, relevant_for=word)
        of_class = scores.argmax(1) == label
        among = of_class if of_class.any() else torch.ones(10, dtype=bool)
        expected = (maps.mean((2, 3))[among] * network.head.weight[label]).mean(0).detach().numpy()
        np.testing.assert_allclose(result.arrays["relevance"], expected, atol=1e-6)
        assert result.arrays["channels"].tolist() == np.argsort(-expected, kind="stable").tolist()
    one = looked(model, tmp_path, relevant_for="plain", unit=0)
    places = (maps[:, 0] * 2.0 / SIDE**2).flatten(1)
    np.testing.assert_allclose(one.arrays["largest"], places.max(1).values, atol=1e-7)
    assert one.arrays["largest_at"].tolist() == places.argmax(1).tolist()


def test_classes_for_which_it_fires_are_those_that_hold_the_patch(model: Model, tmp_path: Path) -> None:
    planted(tmp_path / "plain", 4, {})
    planted(tmp_path / "other", 4, dict.fromkeys(range(4), (3, 3, 255)))
    bars = next(panel for panel in looked(model, tmp_path, unit=0).panels if isinstance(panel, Bars))
    assert bars.labels == ("other", "plain")
    assert bars.values[0] == pytest.approx(1.0, abs=1e-5)


def test_one_picture_suffices_and_a_vector_has_no_part(model: Model, tmp_path: Path) -> None:
    planted(tmp_path, 1, {})
    result = looked(model, tmp_path, layer="head", unit=1)
    assert gallery(result).wholes is None
    assert [tile.box for tile in gallery(result).groups[0].tiles] == [None]
    said = next(panel for panel in result.panels if isinstance(panel, Text))
    assert said.text == f"1 picture of {tmp_path.name}."


@pytest.mark.parametrize(
    ("choices", "kind", "said"),
    [
        ({"album": ""}, SettingsError, "album must name"),
        ({"unit": 3}, NotFoundError, "red has channels 0 to 2. Got 3."),
        ({"layer": "blue"}, NotFoundError, "no layer 'blue'"),
        ({"layer": "red, head"}, SettingsError, "layer must be one layer. Got 2: red, head."),
        ({"relevant_for": "tank"}, TargetError, "no class"),
        ({"relevant_for": "plain - other"}, TargetError, "relevant_for must be one class"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    model: Model, tmp_path: Path, choices: dict[str, object], kind: type[Exception], said: str
) -> None:
    planted(tmp_path, 2, {})
    with pytest.raises(kind, match=said):
        looked(model, tmp_path, **choices)


def test_a_segmenter_shows_examples_and_has_no_relevance_for_a_class(tmp_path: Path) -> None:
    planted(tmp_path, 3, {1: (4, 4, 250)})
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 1))
    model = picasso.load_model(network, preprocessing=READ, labels=("ground", "thing"))
    assert model.facts.task == "segmentation"
    assert len(gallery(looked(model, tmp_path, layer="0")).groups) == 4
    with pytest.raises(NotSupportedError, match="Relevance is relevance for a class"):
        looked(model, tmp_path, layer="0", relevant_for="thing")
