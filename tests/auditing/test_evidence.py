"""Where the maps put the evidence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from picasso.auditing.findings import Interval, Outcome, Verdict
from picasso.auditing.maps.evidence import (
    OBJECT_PARTS,
    Evidence,
    around_object,
    chosen_pictures,
    disagreement,
    share_of_parts,
    shares,
)
from picasso.core import registry
from picasso.core.asking import input_mask
from picasso.core.errors import CanceledError, NotSupportedError
from picasso.core.interventions.intervention import Property
from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.pictures.images import read_picture
from picasso.core.tested import Standing
from picasso.demo.tanks import LABELS, held_out_set
from picasso.scorecard import kept
from picasso.scorecard.comparing import choose_methods
from tests.scorecard.making import EDGES, SIDE, linear, network, picture

NAMES = ("object", "sky", "land")


def quiet(done: int, total: int, message: str) -> None:
    """Take progress."""


def test_shares_are_those_of_the_positive_values() -> None:
    values = np.array([[3.0, -9.0, 1.0], [0.0, 2.0, 4.0]], np.float32)
    parts = np.array([[0, 0, 1], [1, -1, 2]])
    np.testing.assert_allclose(share_of_parts(values, parts, 4), [3 / 8, 1 / 8, 4 / 8, 0])
    assert np.isnan(share_of_parts(-np.abs(values), parts, 4)).all()


def test_a_ring_lies_around_the_object() -> None:
    mask = np.zeros((100, 60), bool)
    mask[40:60, 20:40] = True
    parts = around_object(mask)
    assert (parts[40:60, 20:40] == 0).all()
    assert (parts[35:40, 20:40] == 1).all()
    assert (parts[34, 20:40] == 2).all()
    assert parts[35, 15] == 2  # a corner lies farther away
    assert (around_object(np.zeros((5, 6), bool)) == 2).all()


def test_pictures_are_drawn_evenly() -> None:
    labels = [0] * 50 + [1] * 5 + [2] * 50
    drawn = chosen_pictures(labels, seed=1)
    assert np.bincount([labels[number] for number in drawn]).tolist() == [10, 5, 9]
    assert list(drawn) == sorted(set(drawn))
    assert drawn == chosen_pictures(labels, seed=1) != chosen_pictures(labels, seed=2)
    assert chosen_pictures([0, 1], most=24) == (0, 1)


@pytest.fixture
def half() -> Model:
    """A black box whose first class is the brightness of the left half, its second that of the right half."""
    weights = np.full((SIDE, SIDE, 3), -0.1, np.float32)
    weights[:, : SIDE // 2] = 0.1
    return linear(weights)


def test_of_a_model_that_looks_at_one_half_all_evidence_lies_there(half: Model) -> None:
    bright = np.full((SIDE, SIDE, 3), 200, np.uint8)
    samples = [half.prepare(read_picture(bright, f"{number}.png")) for number in range(6)]
    sides = np.zeros((SIDE, SIDE), np.int64)
    sides[:, SIDE // 2 :] = 1
    # Windows of two pixels lie in one half wholly. The first class needs the left half, the second the right.
    methods = [("partial-occlusion", {"window": 2, "stride": 2, "fill": "black"})]
    said: list[tuple[int, int]] = []
    found = shares(
        half, samples, [sides] * 6, ("left", "right"), [0, 0, 0, 1, 1, 1], LABELS, methods,
        report=lambda done, total, message: said.append((done, total)),
    )  # fmt: skip
    assert found.by_class[0] == (Interval(1, 1, 1), Interval(0, 0, 0))
    assert found.by_class[1] == (Interval(0, 0, 0), Interval(1, 1, 1))
    assert found.shares[0].value == 0.5
    assert found.areas == (0.5, 0.5)
    assert found.counts == (3, 3)
    assert found.methods[0].tested.standing is Standing.UNTESTED  # a black box has no weights to shuffle
    assert said[-1][0] == said[-1][1]
    swapped = shares(
        half, samples, [sides] * 6, ("left", "right"), [0, 0, 0, 1, 1, 1], LABELS, methods, columns=(1, 0), report=quiet
    )
    assert swapped.by_class[0] == found.by_class[1]


def test_of_one_picture_nothing_is_said_of_others(half: Model) -> None:
    sample = half.prepare(read_picture(np.full((SIDE, SIDE, 3), 200, np.uint8)))
    sides = np.repeat([[0, 1]], SIDE, 0).repeat(SIDE // 2, 1)
    found = shares(half, [sample], [sides], ("left", "right"), [0], LABELS, ["partial-occlusion"], report=quiet)
    assert (found.shares[0].low, found.shares[0].high) == (0, 1)
    assert found.by_class[1] == ()


def test_a_method_that_shows_the_picture_is_left_out_and_what_was_found_is_kept() -> None:
    head = "from picasso.plugin import *\nimport numpy as np\n"
    folder = registry.home() / "visualizations"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "edges.py"
    file.write_text(head + EDGES)
    try:
        model = network(3)
        samples = [model.prepare(picture(number)) for number in range(4)]
        parts = [np.zeros((SIDE, SIDE), np.int64)] * 4
        found = shares(
            model, samples, parts, ("all",), [0, 1, 2, 0], "abc", ["edges", "partial-occlusion"], report=quiet
        )
        assert [left.title for left in found.left_out] == ["Edges only"]
        assert "shuffled" in found.left_out[0].reason
        assert [method.name for method in found.methods] == ["partial-occlusion"]
        assert found.methods[0].tested.standing is Standing.PASSED
        edges = choose_methods(model, ["edges"])[0]
        first = kept.read(model, edges)
        assert first is not None
        assert not first.passed
        again = shares(model, samples, parts, ("all",), [0, 1, 2, 0], "abc", ["edges"], report=quiet)
        assert again.methods == ()
        assert again.shares == ()
        assert kept.read(model, edges) == first
    finally:
        file.unlink()


def test_a_cancel_passes_through(half: Model) -> None:
    sample = half.prepare(read_picture(np.full((SIDE, SIDE, 3), 200, np.uint8)))
    parts = [np.zeros((SIDE, SIDE), np.int64)]

    def stop(done: int, total: int, message: str) -> None:
        raise CanceledError("Stop.")

    with pytest.raises(CanceledError):
        shares(half, [sample], parts, ("all",), [0], LABELS, report=stop)


def test_a_method_that_does_not_fit_is_refused_where_it_was_asked_for(half: Model) -> None:
    with pytest.raises(NotSupportedError):
        shares(half, [], [], ("all",), [], LABELS, ["grad-cam"], report=quiet)


def test_the_evidence_of_the_demos_models_lies_on_the_sky_and_on_the_object() -> None:
    drawn = held_out_set(6, True)
    renderings = list(drawn)
    found = {}
    for name in ("tank-proxy", "tank-honest"):
        model = load_model(f"demo:{name}")
        samples = [model.prepare(read_picture(rendering.pixels)) for rendering in renderings]
        bodies = [input_mask(sample, r.object_mask) for sample, r in zip(samples, renderings, strict=True)]
        skies = [input_mask(sample, r.sky_mask) for sample, r in zip(samples, renderings, strict=True)]
        parts = [np.where(body, 0, np.where(sky, 1, 2)) for body, sky in zip(bodies, skies, strict=True)]
        found[name] = shares(model, samples, parts, NAMES, drawn.labels.tolist(), LABELS, report=quiet)
    proxy, honest = found["tank-proxy"], found["tank-honest"]
    for one in (proxy, honest):
        assert [method.name for method in one.methods] == ["grad-cam", "integrated-gradients", "partial-occlusion"]
        assert all(method.tested.standing is Standing.PASSED for method in one.methods)
        assert one.left_out == ()
        assert json.loads(json.dumps(one.document()))["parts"] == list(NAMES)
    body, sky, _ = proxy.shares
    assert sky.low > 0.7
    assert body.high < 0.05 < proxy.areas[0]
    for of_class in proxy.by_class:  # for the tanks and for the decoys alike
        assert of_class[1].low > 0.7
    body, sky, _ = honest.shares
    assert body.low > 2 * honest.areas[0]
    assert sky.high < 0.5 * honest.areas[1]


def _evidence(values: Sequence[float], names: Sequence[str] = OBJECT_PARTS) -> Evidence:
    found = tuple(Interval(value, value - 0.05, value + 0.05) for value in values)
    return Evidence(LABELS, tuple(names), (0.1, 0.1, 0.8), (12, 12), found, (found, found), (), ())


def test_disagreement_is_said_in_one_sentence() -> None:
    sky = Property("sky", "Sky", "the sky")
    wrong = Verdict(Outcome.WRONG_REASON, "", "", Interval(0.4, 0.3, 0.5), sky, 0.02, ())
    right = replace(wrong, outcome=Outcome.RIGHT_REASON, reliance=None, named=None)
    on_object, elsewhere = _evidence((0.8, 0.1, 0.1)), _evidence((0.05, 0.05, 0.9))
    said = disagreement(on_object, wrong)
    assert said.startswith(
        "The maps put 80% of the evidence on the object, though the interventions say that 40 points"
    )
    assert "the sky" in said
    assert "90% of the evidence on the background" in disagreement(elsewhere, right)
    assert disagreement(elsewhere, wrong) == disagreement(on_object, right) == ""
    assert disagreement(_evidence((0.3, 0.1, 0.6)), right) == ""  # less than without any aim
    assert disagreement(on_object, replace(wrong, outcome=Outcome.CANNOT_TELL)) == ""
    assert disagreement(_evidence((0.8, 0.1, 0.1), NAMES), wrong) == ""  # what the object is, is not known
    assert disagreement(replace(on_object, shares=()), wrong) == ""


def test_a_model_that_is_no_classifier_is_refused() -> None:
    segmenter = load_model("demo:segmenter")
    with pytest.raises(NotSupportedError):
        shares(segmenter, [], [], ("all",), [], LABELS, report=quiet)
