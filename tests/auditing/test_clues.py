"""What files give away of the classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from picasso.auditing.files.clues import JOINT, find_clues
from picasso.auditing.files.facts import FileFacts, file_facts
from picasso.auditing.files.probes import (
    area,
    area_interval,
    areas,
    folds,
    joint_probe,
    logistic,
    number_probe,
    word_probe,
)
from picasso.auditing.findings import Clue
from tests.auditing.filing import exif, pixels, saved

CLASSES = ("tank", "decoy")


@pytest.fixture(scope="module")
def plain() -> list[FileFacts]:
    """Facts of 96 files that were all saved alike."""
    return [file_facts(saved(pixels(seed), quality=85)) for seed in range(96)]


def by_name(clues: Sequence[Clue]) -> dict[str, Clue]:
    return {clue.name: clue for clue in clues}


@pytest.mark.parametrize("seed", range(5))
def test_the_area_is_scikit_learns(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, 80)
    scores = np.round(random.normal(size=(80, 3)) + np.eye(3)[labels], 1)  # with ties
    for label in range(3):
        assert area(scores[:, label], labels == label) == pytest.approx(
            roc_auc_score(labels == label, scores[:, label])
        )
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    whole = roc_auc_score(labels, chances, multi_class="ovr", average="macro")
    assert areas(chances, labels).value == pytest.approx(whole)


def test_the_interval_of_chance_is_mann_whitneys_and_it_has_a_width_at_the_ends() -> None:
    # A variance of (m + n + 1) / (12 m n) at chance: an area whose lower end is one half lies 1.96 of it above.
    many, others = 40, 60
    spread = np.sqrt((many + others + 1) / (12 * many * others))
    assert area_interval(0.5 + 1.959964 * spread, many, others)[0] == pytest.approx(0.5, abs=0.002)
    low, high = area_interval(1.0, 20, 20)
    assert 0.8 < low < 0.95
    assert high == 1
    assert area_interval(0.0, 20, 20) == pytest.approx((0, 1 - low))


def test_the_interval_holds_what_it_promises() -> None:
    from scipy.stats import norm

    random, true = np.random.default_rng(0), float(norm.cdf(1 / np.sqrt(2)))
    held, kind = 0, np.arange(60) < 25
    for _ in range(400):
        low, high = area_interval(area(random.normal(size=60) + kind, kind), 25, 35)
        held += low <= true <= high
    assert 0.92 <= held / 400 <= 0.99


def test_folds_have_as_many_of_every_class() -> None:
    labels = np.array([0] * 40 + [1] * 11 + [2] * 4)
    fold = folds(labels, 3)
    assert np.bincount(fold[labels == 0]).tolist() == [8] * 5
    assert set(np.bincount(fold[labels == 1], minlength=5)) == {2, 3}
    assert np.bincount(fold[labels == 2], minlength=5).max() == 1
    assert (fold == folds(labels, 3)).all()
    assert (fold != folds(labels, 4)).any()


def test_a_relation_that_is_not_monotone_counts() -> None:
    random = np.random.default_rng(1)
    labels = np.arange(200) % 2
    values = np.where(labels == 0, random.normal(0, 0.3, 200), random.choice([-2, 2], 200) + random.normal(0, 0.3, 200))
    scores = number_probe(values, labels, 2, folds(labels, 0))
    assert abs(roc_auc_score(labels, values) - 0.5) < 0.15
    assert areas(scores, labels).value > 0.95


def test_a_fact_that_is_the_same_everywhere_is_at_chance_exactly() -> None:
    labels = np.array([0] * 33 + [1] * 14)
    fold = folds(labels, 0)
    assert areas(number_probe(np.ones(47), labels, 2, fold), labels).value == 0.5
    assert areas(word_probe(["JPEG"] * 47, labels, 2, fold), labels).value == 0.5


def test_a_word_for_each_picture_tells_nothing() -> None:
    labels = np.arange(60) % 2
    scores = word_probe([f"patient {number}" for number in range(60)], labels, 2, folds(labels, 0))
    assert areas(scores, labels).value == pytest.approx(0.5)


def test_the_logistic_regression_is_scikit_learns() -> None:
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(2)
    labels = random.integers(0, 3, 120)
    features = random.normal(size=(120, 4)) + np.eye(4)[labels]
    weights = logistic(features, labels, 3)
    known = LogisticRegression(C=1.0, tol=1e-8, max_iter=2000).fit(features, labels)
    logits = np.concatenate([features, np.ones((120, 1))], axis=1) @ weights
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(chances, known.predict_proba(features), atol=2e-3)


def test_facts_that_tell_only_together_are_found_by_the_joint_probe() -> None:
    random = np.random.default_rng(3)
    labels = np.arange(300) % 2
    common = random.normal(size=300)
    first, second = common + 0.15 * labels, common - 0.15 * labels + random.normal(0, 0.05, 300)
    fold = folds(labels, 0)
    assert areas(number_probe(first, labels, 2, fold), labels).value < 0.65
    assert areas(joint_probe([first, second], [], labels, 2, fold), labels).value > 0.9


PLANTED = {
    "jpeg-quality": lambda seed: saved(pixels(seed), quality=70),
    "width": lambda seed: saved(pixels(seed, 72), quality=85),
    "exif": lambda seed: saved(pixels(seed), quality=85, exif=exif("Canon EOS")),
    "format": lambda seed: saved(pixels(seed), "PNG"),
    "border-bottom": lambda seed: saved(
        np.concatenate([pixels(seed)[:60], np.zeros((4, 64, 3), np.uint8)]), quality=85
    ),
    "luminance": lambda seed: saved(pixels(seed) // 2, quality=85),
}
SAID = {
    "jpeg-quality": 'Pictures of "tank" are saved at a lower JPEG quality: median 70 against 85 of "decoy".',
    "width": 'Pictures of "tank" are wider: median 72 pixels against 64 pixels of "decoy".',
    "exif": 'EXIF data: "absent" in 0% of the pictures of "tank", and in 100% of "decoy".',
    "format": 'Format: "JPEG" in 0% of the pictures of "tank", and in 100% of "decoy".',
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_was_planted_into_the_files_of_one_class_is_found_and_said(name: str, plain: list[FileFacts]) -> None:
    labels = [seed % 2 for seed in range(96)]
    facts = [file_facts(PLANTED[name](seed)) if seed % 2 == 0 else plain[seed] for seed in range(96)]
    clues = find_clues(facts, labels, CLASSES)
    found = by_name(clues)
    assert found[name].telling
    assert found[name].auc > 0.95
    assert found[name].low > 0.85
    assert found[JOINT].telling
    assert found[name].sentence == SAID.get(name, found[name].sentence)
    assert [clue.auc for clue in clues] == sorted((clue.auc for clue in clues), reverse=True)
    if name in ("exif", "border-bottom"):  # the picture itself is the same
        assert not found["width"].telling
        assert found["width"].sentence == "It is the same in all pictures."


def test_columns_are_numbers_dates_or_words(plain: list[FileFacts]) -> None:
    random = np.random.default_rng(4)
    labels = [number % 2 for number in range(96)]
    columns = [
        {
            "site": ("north", "south")[label] if random.random() < 0.9 else "east",
            "age": str(random.integers(20, 50) + 30 * label),
            "date": f"2026-0{1 + 4 * label + random.integers(3)}-1{random.integers(9)}",
            "patient": str(number * 7 % 96) + "x",
            "split": ("train", "test")[label],
        }
        for number, label in enumerate(labels)
    ]
    found = by_name(find_clues(plain, labels, CLASSES, columns))
    assert {name for name in found if name.startswith("column-") and found[name].telling} == {
        "column-site", "column-age", "column-date",
    }  # fmt: skip
    assert "column-split" not in found
    assert "have an earlier date: median 2026-0" in found["column-date"].sentence
    assert found["column-site"].sentence.startswith('Column site: "')


def test_of_many_classes_the_one_that_is_told_best_is_named(plain: list[FileFacts]) -> None:
    labels = [seed % 3 for seed in range(96)]
    facts = [file_facts(saved(pixels(seed), quality=60)) if seed % 3 == 1 else plain[seed] for seed in range(96)]
    found = by_name(find_clues(facts, labels, ("car", "cat", "cow")))["jpeg-quality"]
    assert 0.7 < found.auc < 0.95  # the other two are not told apart
    assert found.telling
    assert found.sentence == 'Pictures of "cat" are saved at a lower JPEG quality: median 60 against 85 of the others.'


def test_labels_that_mean_nothing_hardly_ever_have_a_clue(plain: list[FileFacts]) -> None:
    alarms, areas_found = 0, []
    for seed in range(40):
        labels = np.random.default_rng(seed).permutation(np.arange(96) % 2)
        clues = find_clues(plain, labels.tolist(), CLASSES, seed=seed)
        alarms += any(clue.telling for clue in clues)
        areas_found += [clue.auc for clue in clues]
    assert alarms <= 40 * 0.05
    assert 0.45 < np.mean(areas_found) < 0.51


def test_the_same_seed_finds_the_same(plain: list[FileFacts]) -> None:
    labels = [seed % 2 for seed in range(96)]
    assert find_clues(plain, labels, CLASSES, seed=1) == find_clues(plain, labels, CLASSES, seed=1)


def test_one_class_alone_has_no_clues(plain: list[FileFacts]) -> None:
    assert find_clues(plain, [0] * 96, CLASSES) == ()
    assert find_clues(plain[:3], [0, 0, 1], CLASSES) == ()
