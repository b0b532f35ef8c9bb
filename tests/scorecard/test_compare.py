"""`picasso.compare`: good maps are told from bad ones, and everything that was chosen comes out."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest

import picasso
from picasso.core.errors import CanceledError, ConfigurationError, NotSupportedError, PictureError, SettingsError
from picasso.core.model import Model
from picasso.core.tested import WARNING
from picasso.scorecard.card import Card, Trust
from picasso.scorecard.comparing import choose_methods
from picasso.scorecard.randomization import Randomization
from picasso.scorecard.ranks import Figure
from picasso.scorecard.verdict import judged, verdict
from tests.core.plugins import drop
from tests.scorecard.making import EDGES, RANDOM, WEIGHTS, linear, network, picture

PLANTED = """
class Planted(AttributionMethod[Settings]):
    '''Show where the object was put.'''

    name, title = "planted", "Planted"

    def attribute(self, ctx, sample, targets, settings):
        values = np.zeros(sample.x.shape[1:3], np.float32)
        values[ROWS, 4:10] = 1
        return [Attribution(values, t, "truth", "unsigned", 0.0) for t in targets]
"""
GOOD, BAD = PLANTED.replace("ROWS", "4:10"), PLANTED.replace("ROWS", "10:16")
BAD = BAD.replace("Planted", "Misplaced").replace("planted", "misplaced")


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of plug-ins."""
    monkeypatch.setenv("PICASSO_HOME", str(tmp_path))
    drop(tmp_path / "visualizations", GOOD, "planted.py")
    drop(tmp_path / "visualizations", BAD, "misplaced.py")
    drop(tmp_path / "visualizations", EDGES, "edges.py")
    drop(tmp_path / "visualizations", RANDOM, "dice.py")
    return tmp_path


def of_region() -> Model:
    """A model that looks at rows and columns 4 to 10 alone."""
    weights = np.zeros_like(WEIGHTS)
    weights[4:10, 4:10] = 1
    return linear(weights)


def bright(seed: int) -> np.ndarray:
    """A picture that is bright there, on a ground with edges elsewhere."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 2, (16, 16, 1)).repeat(3, 2) * 120
    pixels[4:10, 4:10] = 160
    return pixels.astype(np.uint8)


def test_a_planted_good_map_beats_a_planted_bad_one(plugins: Path) -> None:
    box = (4, 4, 6, 6)
    found = picasso.compare(
        of_region(), [bright(0), bright(1), bright(2)], ["misplaced", "planted"], target="yes", mask=[box] * 3
    )
    good, bad = found.card("planted"), found.card("misplaced")
    assert good.gain.mean > 0 > bad.gain.mean
    assert good.over_sobel.surely_positive
    assert good.patches.mean > 0.5 > bad.patches.mean
    assert (good.pointing.mean, good.mass.mean, good.overlap.mean) == (1, 1, 1)
    assert bad.pointing.mean == 0
    assert good.trust is Trust.CARE  # a function shows no weights, so randomization is not testable
    assert good.untested == "Not testable: function models do not show their parameters."
    assert bad.trust is Trust.NO
    assert any("no better than an edge filter" in reason for reason in bad.reasons)
    assert found.verdict[0] == "Read with care: Planted."
    assert found.verdict[1] == "Do not trust here: Misplaced."


def test_a_map_that_ignores_the_weights_is_not_to_be_trusted_and_the_test_is_kept(plugins: Path) -> None:
    model = network()
    first = picasso.compare(model, [picture(0), picture(1)], ["edges", "saliency-map"], randomization=False)
    assert first.card("edges").randomization is None
    assert first.card("edges").untested == "Randomization was not asked for."
    assert first.card("edges").trust in (Trust.CARE, Trust.NO)
    second = picasso.compare(model, [picture(0), picture(1)], ["edges", "saliency-map"])
    card = second.card("edges")
    assert card.trust is Trust.NO
    assert card.tested.warned
    assert WARNING in html.unescape(second.html())
    assert WARNING not in html.unescape(first.html())
    assert card.reasons[0].startswith("It hardly changes when the network's weights are shuffled (similarity 1.00, ")
    assert second.card("saliency-map").randomization.passed
    messages: list[str] = []
    third = picasso.compare(
        model, picture(0), ["edges"], randomization=False, progress=lambda done, total, said: messages.append(said)
    )
    assert third.card("edges").randomization == card.randomization
    assert not any("shuffled" in message for message in messages)


def test_a_method_that_is_another_each_time_is_found_out(plugins: Path) -> None:
    card = picasso.compare(network(), picture(), ["dice"], randomization=False).card("dice")
    assert card.repeat > 0.01
    assert any("Two runs with one seed differ" in reason for reason in card.reasons)


def test_equal_seeds_give_equal_numbers_whatever_the_batch(plugins: Path) -> None:
    model = network()
    first = picasso.compare(model, picture(), ["saliency-map", "grad-cam"], seed=3).document()
    model.batch_size = 3
    again = picasso.compare(model, picture(), ["saliency-map", "grad-cam"], seed=3).document()
    for one, other in zip(first["cards"], again["cards"], strict=True):
        if one["gain"]:
            assert one["gain"]["mean"] == pytest.approx(other["gain"]["mean"], abs=1e-5)
            assert one["patches"]["mean"] == pytest.approx(other["patches"]["mean"], abs=1e-3)


def test_everything_is_saved(plugins: Path, tmp_path: Path) -> None:
    found = picasso.compare(network(), [picture(0), picture(1)], ["saliency-map", "grad-cam"], target="b")
    files = found.save(tmp_path / "out")
    assert [file.name for file in files] == ["comparison.html", "comparison.json", "comparison.npz"]
    document = json.loads(files[1].read_text("utf-8"))
    assert document["format"] == 1
    assert [card["name"] for card in document["cards"]] == ["saliency-map", "grad-cam", "sobel", "gaussian", "noise"]
    assert set(document["cards"][0]["gains"]) == {"mean", "blur", "diffusion"}
    assert {picture["target"] for picture in document["pictures"]} == {"b"}
    with np.load(files[2]) as arrays:
        assert arrays["map_1_grad_cam"].shape == (16, 16)
        assert arrays["most_saliency_map"].shape == arrays["least_saliency_map"].shape == (2, 3, 9)
        removed, most, least = (arrays[f"{name}_saliency_map"] for name in ("removed", "most", "least"))
        gains = np.trapezoid(least - most, removed[:, None], axis=2)
    assert document["cards"][0]["gain"]["mean"] == pytest.approx(gains.mean())


def test_the_page_is_one_file_that_asks_for_nothing(plugins: Path) -> None:
    odd = picasso.load_model(
        lambda x: np.stack([x.mean(axis=(1, 2, 3)), -x.mean(axis=(1, 2, 3))], 1) * 9,
        labels=("<b>", "&"),
        head="softmax",
        preprocessing=picasso.Preprocessing(size=16),
    )
    page = picasso.compare(odd, picture(), ["partial-occlusion"], mask=(2, 2, 5, 5)).html()
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert "url(" not in page
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert "Points at mask" in page
    assert "untested" in page


def test_a_method_that_fails_does_not_stop_the_others(plugins: Path) -> None:
    drop(plugins / "visualizations", EDGES.replace("edges", "broken").replace("grey =", "grey = 1 / 0 #"), "broken.py")
    found = picasso.compare(network(), picture(), ["broken", "saliency-map"], randomization=False)
    assert "ZeroDivisionError" in found.card("broken").failed
    assert found.card("saliency-map").gain is not None
    assert "Could not be measured: Edges only." in found.verdict
    assert "ZeroDivisionError" in found.html()


def test_pictures_that_were_left_out_are_said(plugins: Path) -> None:
    once = EDGES.replace("edges", "sometimes").replace("grey =", "1 / (sample.view.max() // 200); grey =")
    drop(plugins / "visualizations", once, "sometimes.py")
    dark = picture().pixels // 4
    card = picasso.compare(network(), [picture().pixels, dark], ["sometimes"], randomization=False).card("sometimes")
    assert card.gain is not None
    assert card.gain.count == 1
    assert any("On 1 of 2 pictures it could not be measured" in reason for reason in card.reasons)


def test_methods_are_chosen(plugins: Path) -> None:
    names = lambda found: [method.name for method in found]  # noqa: E731
    assert names(choose_methods(network(), None)) == ["partial-occlusion", "saliency-map", "grad-cam"]
    assert names(choose_methods(linear(), None)) == ["partial-occlusion"]
    everything = names(choose_methods(network(), "all"))
    assert {"edges", "grad-cam"} <= set(everything)
    assert "class-probabilities" not in everything
    with pytest.raises(NotSupportedError, match="makes no map"):
        choose_methods(network(), "class-probabilities")
    with pytest.raises(NotSupportedError, match="needs"):
        choose_methods(linear(), "grad-cam")
    with pytest.raises(SettingsError, match="no method"):
        choose_methods(network(), [])


def test_one_method_with_two_settings_gets_two_cards(plugins: Path) -> None:
    pairs = [("saliency-map", {}), ("saliency-map", {"reduction": "sum"})]
    found = picasso.compare(network(), picture(), pairs, randomization=False)
    assert [card.name for card in found.cards[:2]] == ["saliency-map", "saliency-map-2"]
    assert found.card("saliency-map-2").settings["reduction"] == "sum"
    assert found.card("saliency-map").title == "Saliency map"
    assert found.card("saliency-map-2").title == "Saliency map (reduction sum)"


def test_a_cancel_takes_effect(plugins: Path) -> None:
    seen: list[tuple[int, int]] = []

    def report(done: int, total: int, message: str) -> None:
        seen.append((done, total))
        if len(seen) > 12:
            raise CanceledError("Enough.")

    with pytest.raises(CanceledError):
        picasso.compare(network(), picture(), progress=report)
    assert all(0 <= done <= total for done, total in seen)
    assert seen == sorted(seen)


def test_what_cannot_be_compared_is_said(plugins: Path) -> None:
    with pytest.raises(ConfigurationError, match="needs a model"):
        picasso.compare("demo:tank-proxy", picture())  # type: ignore[arg-type]
    with pytest.raises(PictureError, match="no picture"):
        picasso.compare(network(), [])
    with pytest.raises(SettingsError, match="one mask"):
        picasso.compare(network(), [picture(0), picture(1)], mask=(1, 1, 2, 2))
    clips = picasso.load_model(
        lambda x: np.stack([x.mean(axis=(1, 2, 3, 4))] * 2, 1),
        frames=4,
        preprocessing=picasso.Preprocessing(size=16),
        head="softmax",
    )
    with pytest.raises(NotSupportedError, match="clips"):
        picasso.compare(clips, np.zeros((4, 16, 16, 3), np.uint8))


def test_a_segmenter_is_compared_at_a_place(plugins: Path) -> None:
    model = picasso.load_model("demo:segmenter")
    side = model.input_shape[0]
    drawn = np.random.default_rng(0).integers(0, 255, (side, side, 3)).astype(np.uint8)
    found = picasso.compare(model, drawn, ["saliency-map"], at=(side // 2, side // 2), randomization=False)
    assert found.card("saliency-map").gain is not None


def test_words_follow_numbers() -> None:
    sure, one = Figure(1.0, 0.5, 1.5, 4), Figure(0.3, None, None, 1)
    passed = Randomization(0.1, 1.0, 1.0, 2.0, ("a",), (0.1,), 1, 0)
    good = Card("m", "M", gain=sure, over_sobel=sure, over_sobel_by_fill=(sure,) * 3, patches=one, randomization=passed)
    assert judged(good).trust is Trust.YES
    cases = {
        "reaches below zero": {"over_sobel": Figure(1.0, -0.1, 2.1, 4)},
        "not with blur.": {"over_sobel_by_fill": (sure, Figure(-1.0, None, None, 1), sure)},
        "does not rank single patches": {"patches": Figure(-0.1, None, None, 1)},
        "Untested": {"randomization": None},
        "Two runs": {"repeat": 0.1},
        "too faint to see": {"sensitivity": Figure(3.0, None, None, 1)},
        "misses the sum": {"completeness": Figure(0.2, None, None, 1)},
        "On 1 of 4 pictures": {"empty": 1},
    }
    for words, change in cases.items():
        card = judged(Card(**{**vars(good), **change}))
        assert card.trust is Trust.CARE, words
        assert any(words in reason for reason in card.reasons), words
    assert judged(Card(**{**vars(good), "empty": 4})).trust is Trust.NO
    said = verdict([judged(good)], 0.5, 3)
    assert said[0] == "Trust here: M."
    assert "50%" in said[-1]
