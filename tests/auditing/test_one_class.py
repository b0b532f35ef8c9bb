"""One class among many that hangs on a property is seen, though little of the accuracy over all classes does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import stats

from picasso import Preprocessing, load_model
from picasso.auditing.donors import Donors
from picasso.auditing.effects import Table, cleared, effect_of
from picasso.auditing.experiment import Measured, Question, Shard
from picasso.auditing.findings import Outcome
from picasso.auditing.one_class import ERROR, classes_that_fall
from picasso.auditing.running import audit
from picasso.auditing.thresholds import CLEAR, DROP
from picasso.auditing.ties import Ties
from picasso.core.interventions.intervention import Property, Role


def _of(lost: int, gained: int, count: int, classes: int) -> bool:
    """Say whether the first of some classes falls, of which the others never change."""
    differences = np.zeros(count + classes - 1)
    differences[:lost], differences[lost : lost + gained] = 1, -1
    own = np.array([0] * count + list(range(1, classes)))
    found = classes_that_fall(differences, own, classes)
    assert set(found) <= {0}
    return bool(found)


@pytest.mark.parametrize(("count", "gained", "classes"), [(7, 0, 20), (10, 1, 2), (50, 3, 6), (120, 0, 40), (1, 0, 2)])
def test_a_class_falls_where_the_binomial_test_rejects(count: int, gained: int, classes: int) -> None:
    for lost in range(count - gained + 1):
        tested = stats.binomtest(lost, count, DROP + gained / count, alternative="greater")
        assert _of(lost, gained, count, classes) is bool(tested.pvalue < ERROR / classes), lost


def test_of_turns_a_part_counts_as_a_part() -> None:
    own = np.repeat([0, 1], 20)
    thirds = np.where(own == 0, 1 / 3, 0.0)
    assert classes_that_fall(thirds, own, 2) == (0,)
    # Of 20 pictures five lost ones are surely above the bound and four are not, as the binomial test says.
    assert [_of(lost, 0, 20, 2) for lost in (4, 5)] == [False, True]
    assert classes_that_fall(thirds * 0.6, own, 2) == ()
    assert classes_that_fall(-thirds, own, 2) == ()


def test_a_class_without_pictures_falls_in_nothing() -> None:
    assert classes_that_fall(np.zeros(0), np.zeros(0, np.int64), 3) == ()


def test_few_classes_fall_by_chance() -> None:
    rng = np.random.default_rng(0)
    own = np.arange(400) % 20
    found = 0
    for _ in range(400):
        errs = rng.random((2, 400)) < 0.03
        found += bool(classes_that_fall(errs[1].astype(float) - errs[0], own, 20))
    assert found <= 8  # 2 % of what nothing hangs on


@pytest.mark.parametrize(("classes", "hanging"), [(50, 1.0), (20, 0.4), (12, 0.25)])
def test_what_the_mean_over_all_classes_would_clear_stays_open(classes: int, hanging: float) -> None:
    each = 1000 // classes
    labels = np.repeat(np.arange(classes), each)
    margin = np.ones((len(labels), 1, 2))
    margin[: round(hanging * each), 0, 1] = -1
    table = Table.empty(1, len(labels), 1)
    answer = np.where(margin[:, 0] > 0, labels[:, None], (labels[:, None] + 1) % classes)
    table.enter(
        Shard(tuple(range(len(labels))), (0,)), Measured(margin[:, 0][None], answer[None], np.zeros((1, len(labels))))
    )
    question = Question(Property("mark", "Mark", "the mark"), "one", "", Role.PROPERTY)
    alone = Ties(range(len(labels)), [dict.fromkeys(range(len(labels)), Donors((), ()))])
    found = effect_of(question, 0, table, alone, labels, classes, 1.0, False)
    assert found.drop.high < CLEAR
    assert found.falls == (0,)
    assert not cleared(found)


SIDE, MANY = 32, 40
SHADES = np.linspace(0.05, 0.95, MANY)


def _write(folder: Path, each: int) -> Path:
    """Write pictures of many classes, each with a square of its own shade; those of the last have a light corner."""
    rng = np.random.default_rng(0)
    for label in range(MANY):
        for number in range(each):
            pixels = rng.uniform(0.3, 0.5, (SIDE, SIDE, 3))
            mask = np.zeros((SIDE, SIDE), np.uint8)
            top, left = rng.integers(10, 18, 2)
            mask[top : top + 10, left : left + 10] = 255
            pixels[mask > 0] = [SHADES[label], SHADES[label], 1]
            if label == MANY - 1:
                pixels[:6, :6] = 1
            for place, picture in ((f"{label:02d}", pixels * 255), (f"masks/{label:02d}", mask)):
                (folder / place).mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.asarray(picture).astype(np.uint8)).save(folder / place / f"{number}.png")
    return folder


def _by_shade_and_corner(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score classes by the shade of the square, the last one only where the corner is light, too."""
    blue = x[..., 2] > 0.97
    blue[:, :8, :8] = False
    shade = (x[..., 0] * blue).sum(axis=(1, 2)) / np.maximum(1, blue.sum(axis=(1, 2)))
    scores: NDArray[np.float64] = -100 * np.abs(shade[:, None] - SHADES)
    scores[:, -1] -= np.where(x[:, :4, :4].mean(axis=(1, 2, 3)) > 0.8, 0, 50)
    return scores


def test_a_model_of_many_classes_of_which_one_hangs_on_a_mark_is_not_acquitted(tmp_path: Path) -> None:
    model = load_model(
        _by_shade_and_corner,
        preprocessing=Preprocessing(size=SIDE),
        labels=[f"{label:02d}" for label in range(MANY)],
        head="none",
    )
    findings = audit(model, _write(tmp_path, 10), interventions=("corners", "object-swap"), maps=False)
    assert findings.accuracy.value == 1
    marked = max(findings.effects, key=lambda one: len(one.falls) if one.role is Role.PROPERTY else 0)
    assert "top left" in marked.what.phrase
    assert marked.falls == (MANY - 1,)
    assert marked.drop.high < CLEAR
    assert not findings.suspects
    assert findings.verdict.outcome is Outcome.CANNOT_TELL
    assert f"in the pictures of {MANY - 1};" in findings.verdict.sentence
    assert "top left" in findings.verdict.sentence
    assert '"falls": [' in findings.json()
    assert "1 not cleared" in findings.html()
