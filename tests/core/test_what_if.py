"""The scores before and after: those of the network, on exactly what a perturbation method would have it read."""

from __future__ import annotations

import numpy as np
import pytest

from picasso.core.asking import read_place
from picasso.core.edits import Edit, Paint
from picasso.core.errors import NotSupportedError, TargetError
from picasso.core.maps.baselines import BASELINES, baseline
from picasso.core.opening import load_model
from picasso.core.pictures.images import read_picture
from picasso.core.preprocessing import Preprocessing
from picasso.core.what_if import WhatIf

PICTURE = read_picture(np.random.default_rng(3).integers(0, 256, (90, 120, 3), dtype=np.uint8))


@pytest.mark.parametrize("fill", [fill for fill in BASELINES if fill != "uniform"])
def test_the_score_is_that_of_the_covered_input(fill: str) -> None:
    model = load_model("demo:tank-proxy")
    height, width = model.input_shape[:2]
    change = WhatIf(model, PICTURE).ask(Edit(height, width, (Paint(fill, (0, 20 * width)),)), ["tank - decoy"])  # type: ignore[arg-type]
    sample = model.prepare(PICTURE)
    x = sample.x.copy()
    x[0, :20] = baseline(model, sample, fill)[:20]  # type: ignore[arg-type]
    before, after = model.predict(sample.x)[0], model.predict(x)[0]
    assert change.painted == 20 * width
    first, *others = change.moved
    assert (first.label, first.asked, first.probability) == ("tank - decoy", True, None)
    assert first.score == pytest.approx((before[0] - before[1], after[0] - after[1]), rel=1e-5)
    assert {one.label for one in others} == {"tank", "decoy"}
    for one in others:
        assert one.score == pytest.approx((before[one.index], after[one.index]), rel=1e-5)
        chances = model.probabilities(np.stack([before, after]))[:, one.index]
        assert one.probability == pytest.approx(tuple(chances), rel=1e-5)


def test_no_edit_changes_nothing() -> None:
    for one in WhatIf(load_model("demo:tank-honest"), PICTURE).ask(None).moved:
        assert one.score[0] == one.score[1]


def test_looks_name_every_fill() -> None:
    looks = WhatIf(load_model("demo:tank-honest"), PICTURE).looks()
    assert set(looks) == {"picture", "grey", "black", "white", "mean", "blur"}
    assert (looks["grey"], looks["black"], looks["white"]) == ("#808080", "#000000", "#ffffff")


def test_a_segmenter_is_asked_at_the_place() -> None:
    model = load_model("demo:segmenter")
    height, width = model.input_shape[:2]
    what_if = WhatIf(model, PICTURE, read_place("40,30,30,20"))
    change = what_if.ask(Edit(height, width, (Paint("black", (0, height * width)),)), ["sky"])
    sample = model.prepare(PICTURE)
    covered = what_if.model.predict(baseline(model, sample, "black")[None])[0]
    assert change.moved[0].label == "sky"
    assert change.moved[0].score[1] == pytest.approx(covered[1], rel=1e-5)
    assert change.moved[0].probability is not None


def test_where_every_class_has_its_own_region_there_are_no_probabilities() -> None:
    assert all(one.probability is None for one in WhatIf(load_model("demo:segmenter"), PICTURE).ask(None).moved)


def test_a_detection_is_followed_and_its_sides_are_pixels() -> None:
    what_if = WhatIf(load_model("demo:detector"), PICTURE, read_place("10,10,60,50"))
    found = {one.label: one for one in what_if.ask(None, ["left", "tank"]).moved}
    assert (found["left"].units, found["left"].probability) == ("pixel", None)
    assert found["tank"].probability is not None


def test_clips_and_impossible_targets_are_refused() -> None:
    def flash(x: np.ndarray) -> np.ndarray:
        return x.mean(axis=(1, 2, 3))

    with pytest.raises(NotSupportedError, match="clips of 4 frames"):
        WhatIf(load_model(flash, frames=4, preprocessing=Preprocessing(size=8)), PICTURE)
    with pytest.raises(TargetError):
        WhatIf(load_model("demo:tank-honest"), PICTURE).ask(None, ["aircraft"])
