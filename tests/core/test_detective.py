"""The detective against networks whose right convention is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picasso.core.detective import Findings, Trial, class_of, conventions, try_conventions
from picasso.core.errors import NotSupportedError, PictureError
from picasso.core.hooks import ModelFile
from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.preprocessing import Preprocessing

RNG = np.random.default_rng(61)
LABELS = ("dark", "red", "green", "blue", "bright")
COLORS = np.array([[25, 25, 25], [210, 60, 60], [60, 200, 60], [60, 60, 210], [235, 235, 235]])
RIGHT = [index % 5 for index in range(40)]
PICTURES = [
    np.clip(COLORS[label] + RNG.normal(0, 30, (12, 14, 3)) + RNG.normal(0, 20, 3), 0, 255).astype(np.uint8)
    for label in RIGHT
]
TRUE = {
    "0..1": Preprocessing(size=8),
    "0..255": Preprocessing(size=8, scale=1),
    "-1..1": Preprocessing(size=8, scale=1 / 127.5, mean=1),
    "ImageNet mean and std": Preprocessing(size=8, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "Caffe: BGR minus means": Preprocessing(size=8, color="bgr", scale=1, mean=(104, 117, 123)),
}


def nearest(trained: Preprocessing) -> Callable[[Any], Any]:
    """A network that was trained under a convention: the class whose color is nearest, bounded like one with norms."""
    centers = trained.normalize(COLORS[:, None].astype(np.uint8))[:, 0]
    spread = float(centers.std())

    def network(x: Any) -> Any:
        seen = x.mean(axis=(1, 2))[:, None] - centers[None]
        return np.float32(12 * np.exp(-(seen**2).sum(-1) / (2 * spread**2)))

    return network


def opened(trained: str, used: Preprocessing | None, labels: tuple[str, ...] = LABELS) -> Model:
    return load_model(nearest(TRUE[trained]), preprocessing=used, labels=labels, head="softmax")


def test_a_right_convention_is_left_alone() -> None:
    for name, preprocessing in TRUE.items():
        for labels in (None, RIGHT):
            found = try_conventions(opened(name, preprocessing), PICTURES, labels)
            assert found.used == found.best == name
            assert found.warning == ""


@pytest.mark.parametrize("trained", TRUE)
@pytest.mark.parametrize("used", TRUE)
def test_labels_prove_which_is_right(trained: str, used: str) -> None:
    found = try_conventions(opened(trained, TRUE[used]), PICTURES, RIGHT)
    trials = {trial.name: trial for trial in found.trials}
    assert trials[trained].accuracy is not None
    assert trials[trained].accuracy > 0.95
    assert found.labelled == 40
    wrong = (trials[used].accuracy or 0) < 0.8
    if wrong:
        assert found.warning.startswith(f"The declared preprocessing ({used}) is wrong: {trials[used].accuracy:.0%} ri")
        assert trials[found.best].accuracy == max(trial.accuracy or 0 for trial in found.trials)
    if found.warning:
        assert trials[used].accuracy != trials[trained].accuracy


@pytest.mark.parametrize(("trained", "used"), [("0..255", "0..1"), ("0..1", "0..255"), ("0..255", "-1..1")])
def test_without_labels_a_scale_in_which_all_look_alike_looks_wrong(trained: str, used: str) -> None:
    found = try_conventions(opened(trained, TRUE[used]), PICTURES)
    assert f"({used}) looks wrong: 100% of the pictures get the same class" in found.warning
    assert found.best == trained
    assert "Labelled pictures would tell" in found.verdict
    assert found.labelled == 0
    assert all(trial.accuracy is None for trial in found.trials)


def test_the_numbers_are_what_they_say() -> None:
    model = opened("0..255", TRUE["0..1"])
    found = try_conventions(model, PICTURES[:7], ["dark", "RED", "green", None, "no such", "dark", 1])
    trial = next(trial for trial in found.trials if trial.name == "0..255")
    scores = model.predict(TRUE["0..255"].apply_all(PICTURES[:7])).astype(np.float64)
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    best = shares.argmax(1)
    assert trial.confidence == pytest.approx(shares.max(1).mean())
    assert trial.confident == pytest.approx((shares.max(1) >= 0.9).mean())
    assert trial.classes == len(set(best))
    assert trial.commonest == pytest.approx(max((best == i).mean() for i in range(5)))
    assert trial.largest == pytest.approx(np.abs(scores).max())
    joint = shares / 7
    expected = (joint * np.log2(joint / (joint.sum(0) * joint.sum(1, keepdims=True)))).sum()
    assert trial.information == pytest.approx(expected, rel=1e-4)
    assert found.labelled == 5
    assert trial.accuracy == pytest.approx(
        np.mean([best[0] == 0, best[1] == 1, best[2] == 2, best[5] == 0, best[6] == 1])
    )


def test_scores_that_are_out_of_all_bounds_are_told() -> None:
    def linear(x: Any) -> Any:  # as a network without biases: the scale changes no class
        return np.float32((x.mean(axis=(1, 2)) @ np.linalg.pinv(COLORS.T / 255.0).T) * 8)

    found = try_conventions(load_model(linear, preprocessing=TRUE["0..255"], head="softmax"), PICTURES)
    assert "(0..255) looks too large: scores reach " in found.warning
    assert found.best != "0..255"


def test_what_is_assumed_is_called_so() -> None:
    class Net:
        def __call__(self, x: Any) -> Any:
            return nearest(TRUE["0..255"])(x)

    model = load_model(Net(), labels=LABELS, head="softmax")
    assert try_conventions(model, PICTURES).warning.startswith("The assumed preprocessing (0..1) looks wrong")


def test_few_pictures_conclude_nothing() -> None:
    found = try_conventions(opened("0..255", TRUE["0..1"]), PICTURES[:4], RIGHT[:4])
    assert (found.best, found.warning) == ("", "")
    assert found.verdict == "Nothing is concluded from fewer than 5 pictures."


def test_the_model_is_left_as_it_was() -> None:
    model = opened("0..255", TRUE["0..1"])
    before = model.digest
    try_conventions(model, PICTURES[:6])
    assert model.digest == before
    assert model.preprocessing == TRUE["0..1"]


def test_conventions_keep_the_size_and_name_the_one_in_use() -> None:
    used = Preprocessing(size=(8, 9), resize="crop", short_side=20, interpolation="bicubic", mean=0.3)
    found = conventions(used)
    assert next(iter(found.items())) == ("the one in use", used)
    for other in found.values():
        assert (other.size, other.resize, other.short_side, other.interpolation) == ((8, 9), "crop", 20, "bicubic")
    assert next(iter(conventions(Preprocessing(scale=1)))) == "0..255"
    assert next(iter(conventions(Preprocessing(mean=0.5, std=0.5)))) == "-1..1"
    assert set(conventions(Preprocessing(color="grey"))) == {"0..1", "0..255", "-1..1", "MNIST mean and std"}
    values = conventions(Preprocessing(color="values", bands=5))
    assert list(values) == ["as they are", "8 bits to 0..1", "16 bits to 0..1"]
    assert all(other.channels == 5 for other in values.values())


def test_networks_of_values() -> None:
    declared = Preprocessing(size=(12, 14), color="values", bands=3)
    model = load_model(lambda x: x.mean(axis=(1, 2)) * 9 / 65535, preprocessing=declared, head="softmax")
    deep = [np.float64(picture) * 257 for picture in PICTURES]
    found = try_conventions(model, deep)
    assert [trial.name for trial in found.trials] == ["as they are", "8 bits to 0..1", "16 bits to 0..1"]
    assert found.trials[0].information > found.trials[1].information


def test_what_a_folders_name_means() -> None:
    labels = ("tench, Tinca tinca", "T-shirt", "traffic_light", "class 3", "7")
    for name, index in (("tench", 0), ("tinca TINCA", 0), ("t-shirt", 1), ("T_Shirt", 1), ("traffic light", 2)):
        assert class_of(labels, name) == index
    assert class_of(labels, "3") == 3
    assert class_of(labels, "03") == 3
    assert class_of(labels, "7") == 4
    for name in ("shirt", "", "8", "photos"):
        assert class_of(labels, name) is None


def test_what_cannot_be_tried_is_refused() -> None:
    model = opened("0..1", TRUE["0..1"])
    with pytest.raises(PictureError, match=r"^There are 2 labels for 3 pictures\. Give one for each, or None\.$"):
        try_conventions(model, PICTURES[:3], [0, 1])
    with pytest.raises(PictureError, match="There are no pictures"):
        try_conventions(model, [])
    with pytest.raises(PictureError, match="not preprocessed yet"):
        try_conventions(model, np.zeros((5, 8, 8, 3), np.float32))
    bare = load_model(nearest(TRUE["0..1"]), preprocessing=TRUE["0..1"], head="none")
    with pytest.raises(NotSupportedError, match="needs a classifier with probabilities"):
        try_conventions(bare, PICTURES)

    class Own(ModelFile):
        def preprocess(self, pictures: Any) -> Any:
            return TRUE["0..1"].apply_all(pictures)

    model.hooks.__class__ = Own
    with pytest.raises(NotSupportedError, match="this model has a preprocess hook"):
        try_conventions(model, PICTURES)


def test_a_real_network_on_real_digits(shared_data: Path) -> None:
    """A LeNet that was trained on 0..1 is as accurate in any scale; nothing may be claimed against any but the huge."""
    files = sorted((shared_data / "mnist").glob("*.png"))[:60]
    model = load_model(str(shared_data / "mnist" / "lenet_fixed_batch10.onnx"))
    found = try_conventions(model, files, [path.stem.split("_")[1] for path in files])
    assert found.used == found.best == "0..1"
    assert found.trials[0].accuracy == 1
    assert found.warning == ""
    assert isinstance(found, Findings)
    assert all(isinstance(trial, Trial) for trial in found.trials)


def test_conventions_that_do_equally_well_are_said() -> None:
    def mean(x: Any) -> Any:  # whatever the scale, the brighter half wins
        return np.stack([x[:, :, :4].mean((1, 2, 3)), x[:, :, 4:].mean((1, 2, 3))], 1)

    model = load_model(mean, preprocessing=Preprocessing(size=8), labels=("left", "right"), head="softmax")
    pictures = [np.full((8, 8, 3), 50, np.uint8) for _ in range(6)]
    for index, picture in enumerate(pictures):
        picture[:, 4 * (index % 2) : 4 * (index % 2) + 4] = 200
    verdict = try_conventions(model, pictures, [index % 2 for index in range(6)]).verdict
    assert verdict.startswith("0..1 fits best: 100% of 6 labelled pictures are right; 0..255 and -1..1 and ImageNet")
    assert verdict.endswith(" fit as well.")


@pytest.mark.parametrize(
    ("right", "said"),
    [
        ((40, 40, 39), "100% of 40 labelled pictures are right; B fits as well; C fits about as well."),
        ((40, 39, 10), "100% of 40 labelled pictures are right; B fits about as well."),
        ((40, 30, 20), "100% of 40 labelled pictures are right."),
        ((6, 3, 2), "100% of 6 labelled pictures are right. 6 pictures are too few to rule out B and C."),
        ((6, 6, 1), "100% of 6 labelled pictures are right; B fits as well."),
    ],
)
def test_every_rival_is_compared_with_the_best_picture_by_picture(right: tuple[int, int, int], said: str) -> None:
    def network(x: Any) -> Any:  # it knows the scale by the size of the numbers, and is right of so many under each
        level = x.mean(axis=(1, 2, 3))
        rank = np.where(level > 100, 0, np.where(level > 1, 1, 2))
        known = level / np.array([1, 1 / 255, 1 / 65535])[rank] - 1000 < np.array(right)[rank] - 0.5
        return np.stack([known, ~known], 1).astype(np.float32)

    declared = Preprocessing(size=8, color="values", bands=3)
    model = load_model(network, preprocessing=declared, labels=("yes", "no"), head="softmax")
    count = max(right)
    pictures = [np.full((8, 8, 3), 1000.0 + index) for index in range(count)]
    verdict = try_conventions(model, pictures, ["yes"] * count).verdict
    said = said.replace("B", "8 bits to 0..1").replace("C", "16 bits to 0..1")
    assert verdict == f"as they are fits best: {said}"
