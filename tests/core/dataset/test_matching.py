"""Which class of a model is meant by a class of a data set."""

from __future__ import annotations

import time
import unicodedata

import pytest

from picasso.core.dataset import match_classes
from picasso.core.errors import DatasetError

IMAGENET = [
    "n02123045 tabby, tabby cat",
    "n02123159 tiger cat",
    "n02012849 crane",
    "n03126707 crane",
    "n04399382 teddy bear",
]


@pytest.mark.parametrize(
    ("name", "labels", "place"),
    [
        ("tank", ["decoy", "tank"], 1),
        ("Tank", ["TANKS", "tank"], 1),
        ("Tank", ["tank", "Tank"], 1),
        ("polar_bear", ["bear", "Polar Bear"], 1),
        ("t-shirt", ["shirt", "T shirt"], 1),
        ("Tabby-cat", IMAGENET, 0),
        ("tabby", IMAGENET, 0),
        ("n02123159", IMAGENET, 1),
        ("n03126707_crane", IMAGENET, 3),
        ("teddy_bears", IMAGENET, 4),
        ("n02123159-tiger cat", ["tabby, tabby cat", "tiger cat"], 1),
        ("cat", ["dogs", "cats"], 1),
        ("Butterflies", ["moth", "butterfly"], 1),
        ("boxes", ["ball", "box"], 1),
        ("glasses", ["glass", "gas"], 0),
        ("bus", ["bu", "bus"], 1),
        ("3", ["0", "1", "2", "3"], 3),
        ("1", ["decoy", "tank"], 1),
        ("00001", ["decoy", "tank"], 1),
        ("class_1", ["class 0", "class 1"], 1),
        ("2", ["2", "1", "0"], 0),
        ("01", ["1", "2", "3"], 0),
        ("7", ["other", "class 7"], 1),
        ("0", ["other", "7"], 0),
    ],
)
def test_a_class_is_found_by_its_name(name: str, labels: list[str], place: int) -> None:
    assert match_classes([name], labels) == {name: place}


def test_all_are_matched_in_the_order_of_the_data_set() -> None:
    assert list(match_classes(["b", "a"], ["a", "b", "c"]).items()) == [("b", 1), ("a", 0)]


def test_accents_may_be_written_either_way() -> None:
    apart, composed = unicodedata.normalize("NFD", "Käfer"), "Käfer"
    for written, label in ((apart, composed), (composed, apart), (apart, "käfer, beetle")):
        assert match_classes([written, "b"], ["b", label]) == {written: 1, "b": 0}
    assert match_classes([apart, "b"], ["b", "c"], {composed: "c"}) == {apart: 1, "b": 0}
    assert match_classes([apart, composed], ["b", "c"], {composed: "c", apart: "b"}) == {apart: 0, composed: 1}


def test_what_is_given_wins() -> None:
    assert match_classes(["cat", "dog"], ["cat", "dog", "tabby"], {"cat": "tabby"}) == {"cat": 2, "dog": 1}
    assert match_classes(["cat", "dog"], ["cat", "dog", "tabby"], {"cat": 2, "dog": "0"}) == {"cat": 2, "dog": 0}
    # A number that is a label is that label where it comes as text.
    assert match_classes(["x"], ["1", "0"], {"x": "1"}) == {"x": 0}
    assert match_classes(["x"], ["1", "0"], {"x": 1}) == {"x": 1}
    assert match_classes(["x"], ["b", "a"], {"x": "1"}) == {"x": 1}


def test_no_two_classes_are_one_and_the_advice_works() -> None:
    labels = ["cat", "dog", "bird", "big cats, lynx"]
    with pytest.raises(DatasetError) as error:
        match_classes(["cat", "Cats", "dog"], labels)
    assert error.value.message == "The classes 'cat' and 'Cats' would both be the model's 'cat'."
    assert "as in --match Cats=3 for 'big cats, lynx'" in error.value.hint
    assert match_classes(["cat", "Cats", "dog"], labels, {"Cats": 3}) == {"cat": 0, "Cats": 3, "dog": 1}
    for given in ({"Cats": 0}, {"cat": 0, "Cats": 0}):
        with pytest.raises(DatasetError, match="would both be"):
            match_classes(["cat", "Cats", "dog"], labels, given)


def test_the_advice_is_for_the_class_of_which_nobody_said_anything() -> None:
    with pytest.raises(DatasetError) as error:
        match_classes(["cat", "kitten"], ["cat", "dog"], {"kitten": "cat"})
    assert error.value.message == "The classes 'cat' and 'kitten' would both be the model's 'cat'."
    assert "--match cat=1 for 'dog'" in error.value.hint
    assert match_classes(["cat", "kitten"], ["cat", "dog"], {"kitten": "cat", "cat": 1}) == {"cat": 1, "kitten": 0}


def test_where_no_class_is_free_the_advice_is_another() -> None:
    with pytest.raises(DatasetError, match="no other class that is free: put the pictures of both into one class"):
        match_classes(["cat", "Cats", "dog"], ["cat", "dog"])


def test_what_is_not_found_is_named_with_what_comes_nearest() -> None:
    with pytest.raises(DatasetError) as error:
        match_classes(["cat", "dog"], ["tabby cat", "tiger cat", "dog", "car"])
    assert error.value.message == "The model has no class 'cat'."
    assert "tabby cat" in error.value.hint
    assert "tiger cat" in error.value.hint
    assert 'Say which it is: --match cat="' in error.value.hint
    with pytest.raises(DatasetError) as error:
        match_classes([f"class of {i}" for i in range(9)], ["tank", "decoy"])
    assert error.value.message.endswith("'class of 4' and 4 more.")
    assert error.value.hint.startswith("The model's classes are tank, decoy.")
    assert '--match "class of 0"=tank' in error.value.hint


def test_what_could_be_several_is_asked() -> None:
    with pytest.raises(DatasetError) as error:
        match_classes(["crane"], IMAGENET)
    assert str(error.value) == "The model has several classes 'crane': 2, 3. Say which is meant: --match crane=2."
    with pytest.raises(DatasetError, match="Give the number"):
        match_classes(["bird"], IMAGENET, {"bird": "crane"})


@pytest.mark.parametrize("given", [{"cat": "wolf"}, {"cat": 2}, {"cat": "-1"}, {"cat": -1}])
def test_what_is_given_must_exist(given: dict[str, str | int]) -> None:
    with pytest.raises(DatasetError, match=r"The model has no class '.*', which 'cat' is said to be"):
        match_classes(["cat"], ["cat", "dog"], given)


def test_only_classes_of_the_data_set_can_be_given() -> None:
    with pytest.raises(DatasetError, match=r"The data set has no class 'cow'\. Its classes are cat, dog"):
        match_classes(["cat", "dog"], ["cat", "dog"], {"cow": "cat"})


def test_where_labels_are_numbers_no_other_number_counts() -> None:
    with pytest.raises(DatasetError, match="The model has no class '0'"):
        match_classes(["0", "1"], ["1", "2"])


def test_numbers_beyond_the_model_are_not_found() -> None:
    with pytest.raises(DatasetError, match="The model has no class '2'"):
        match_classes(["1", "2"], ["decoy", "tank"])


def test_a_thousand_classes_take_no_time() -> None:
    labels = [f"n{place:08d} kind {place}, sort of {place}" for place in range(1000)]
    names = [f"Kind_{place}s"[:-1] for place in range(1000)]
    start = time.process_time()
    assert list(match_classes(names, labels).values()) == list(range(1000))
    assert time.process_time() - start < 2
