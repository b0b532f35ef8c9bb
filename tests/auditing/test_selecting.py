"""Which pictures are audited."""

from dataclasses import replace
from pathlib import Path

import pytest

from picasso.auditing.selecting import select, spread
from picasso.core.dataset import Dataset, Example
from picasso.core.dataset.sources import File
from picasso.core.errors import DatasetError


def dataset(**counts: int) -> Dataset:
    examples = [
        Example(f"{label}/{number}.png", label, File(Path(f"/{label}/{number}.png"), 1, 1))
        for label, count in counts.items()
        for number in range(count)
    ]
    return Dataset("a set", tuple(counts), tuple(examples))


def masked(found: Dataset, count: int) -> Dataset:
    examples = [
        replace(one, boxes=((1, 1, 2, 2),)) if place < count else one for place, one in enumerate(found.examples)
    ]
    return replace(found, examples=tuple(examples))


def known(found: Dataset) -> dict[str, int]:
    return {name: number for number, name in enumerate(found.classes)}


def test_every_beginning_is_even_over_the_classes() -> None:
    found = dataset(cat=100, dog=100, fox=50)
    chosen = select(found, known(found), 1000, 0)
    assert len(chosen.examples) == 250
    for end in (25, 80, 140):
        counts = [chosen.labels[:end].count(label) for label in range(3)]
        assert counts == pytest.approx([end * 0.4, end * 0.4, end * 0.2], abs=2)
    assert [chosen.classes[label] for label in chosen.labels] == [one.label for one in chosen.examples]


def test_a_limit_is_shared_out_and_a_small_class_kept_whole() -> None:
    found = dataset(cat=5000, dog=4000, fox=20)
    chosen = select(found, known(found), 300, 0)
    counts = [chosen.labels.count(label) for label in range(3)]
    assert counts[2] == 20
    assert counts[0] == counts[1] == 140
    assert any("300 of 9020" in note for note in chosen.notes)


def test_the_seed_draws() -> None:
    found = dataset(cat=200, dog=200)
    assert select(found, known(found), 100, 0) == select(found, known(found), 100, 0)
    assert select(found, known(found), 100, 0).examples != select(found, known(found), 100, 1).examples


def test_a_class_of_five_among_ten_thousand_is_left_out_and_said() -> None:
    found = dataset(cat=5000, dog=4995, fox=5)
    chosen = select(found, known(found), 1000, 0)
    assert chosen.classes == ("cat", "dog")
    assert any("fox (5)" in note for note in chosen.notes)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"cat": 500}, "compares classes"),
        ({"cat": 500, "dog": 3}, "compares classes"),
        ({"cat": 20, "dog": 20}, "at least 64"),
    ],
)
def test_what_does_not_suffice_is_refused(counts: dict[str, int], said: str) -> None:
    found = dataset(**counts)
    with pytest.raises(DatasetError, match=said):
        select(found, known(found), 1000, 0)


def test_pictures_without_a_mask_are_left_out_where_most_have_one() -> None:
    found = masked(dataset(cat=100, dog=100), 180)
    chosen = select(found, known(found), 1000, 0)
    assert chosen.masks
    assert len(chosen.examples) == 180
    assert any("20 pictures" in note for note in chosen.notes)


def test_few_masks_are_not_used() -> None:
    found = masked(dataset(cat=100, dog=100), 70)
    chosen = select(found, known(found), 1000, 0)
    assert not chosen.masks
    assert len(chosen.examples) == 200
    assert any("70 of 200" in note for note in chosen.notes)


def test_a_limit_below_what_the_classes_need_is_refused() -> None:
    found = dataset(**{f"class{number}": 20 for number in range(50)})
    with pytest.raises(DatasetError, match="limit of 200"):
        select(found, known(found), 200, 0)
    with pytest.raises(DatasetError, match="at least 64"):
        select(found, known(found), 20, 0)


def test_every_beginning_holds_each_class_in_its_share() -> None:
    labels = [0] * 300 + [1] * 15
    order = spread([*range(300), *range(300, 315)], labels)
    assert sorted(order) == list(range(315))
    assert [one for one in order if one < 300] == list(range(300))
    for count in (21, 105, 210):
        assert abs(sum(labels[one] for one in order[:count]) - count * 15 / 315) <= 1


def test_an_even_order_stays_as_it_is() -> None:
    chosen = select(dataset(tank=90, decoy=60), {"tank": 0, "decoy": 1}, 120, 3)
    assert spread(range(120), chosen.labels) == list(range(120))


def test_masks_of_one_class_alone_are_not_used() -> None:
    found = masked(dataset(sick=80, well=80), 80)
    chosen = select(found, known(found), 1000, 0)
    assert not chosen.masks
    assert len(chosen.examples) == 160
    said = "Only 80 of 160 pictures have a mask, too few of all classes but sick, so none is used."
    assert chosen.notes == (said,)


def test_a_limit_is_met_to_the_last_picture() -> None:
    found = dataset(a=40, b=40, c=40)
    chosen = select(found, known(found), 64, 0)
    assert sorted(chosen.labels.count(label) for label in range(3)) == [21, 21, 22]


def test_too_few_of_each_are_counted() -> None:
    found = dataset(a=4, b=4)
    with pytest.raises(DatasetError, match=r"at least 10 pictures each, 64 in all; a set has a \(4\), b \(4\)"):
        select(found, known(found), 64, 0)
