"""Errors: counts, shares and agreement are those that other libraries find in the same answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import picasso
from picasso.core.errors import NotFoundError, NotSupportedError
from picasso.core.labels.annotations import annotate
from picasso.core.model import Model
from picasso.core.panels import Bars, Curve, Matrix, Text
from picasso.core.pictures.images import read_picture
from picasso.core.statistics.proportions import share_interval

SIDE = 8
RNG = np.random.default_rng(5)
CLASSES = ("dark", "middle", "light")


class Brightness(torch.nn.Module):
    """Tells classes by brightness, with a threshold between each two; scale makes it trainable."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.centers = torch.nn.Parameter((torch.arange(classes) + 0.5) / classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -20 * (x.mean((1, 2, 3))[:, None] - self.centers).abs()


def classifier(labels: tuple[str, ...] = CLASSES) -> Model:
    return picasso.load_model(Brightness(len(labels)), preprocessing=picasso.Preprocessing(size=SIDE), labels=labels)


def shade(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((SIDE, SIDE, 3), level, np.uint8)).save(path)


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures whose labels are right but for every fifth."""
    folder = tmp_path_factory.mktemp("shades")
    for number in range(60):
        level = int(RNG.integers(0, 256))
        true = min(2, level * 3 // 256)
        shade(folder / CLASSES[(true + 1) % 3 if number % 5 == 0 else true] / f"{number}.png", level)
    return folder


def counted(model: Model, folder: Path, **choices: object) -> picasso.Result:
    result = picasso.explain(model, visualization="errors", cache=False, album=str(folder), **choices)
    assert isinstance(result, picasso.Result)
    return result


def panel(result: picasso.Result, id_: str) -> object:
    return next(one for one in result.panels if one.id == id_)


def test_counts_are_those_of_scikit_learn(album: Path) -> None:
    from sklearn.metrics import accuracy_score, confusion_matrix, recall_score

    model = classifier()
    result = counted(model, album)
    matrix = panel(result, "confusion")
    assert isinstance(matrix, Matrix)
    truth = [CLASSES.index(name.split("/")[0]) for name in matrix.names]
    scores = np.concatenate([model.predict(model.prepare(read_picture(album / name)).x) for name in matrix.names])
    best = scores.argmax(1)
    assert matrix.rows == matrix.columns == CLASSES
    np.testing.assert_array_equal(matrix.counts(), confusion_matrix(truth, best))
    np.testing.assert_allclose(matrix.values, model.probabilities(scores).max(1), atol=1e-6)
    assert result.arrays["prediction"].tolist() == best.tolist()
    said = panel(result, "said")
    assert isinstance(said, Text)
    assert said.text.startswith(f"{accuracy_score(truth, best):.1%} of 60 pictures are as the labels say")
    bars = panel(result, "classes")
    assert isinstance(bars, Bars)
    recalls = dict(zip(CLASSES, recall_score(truth, best, average=None), strict=True))
    assert {
        label.split(" (")[0]: value for label, value in zip(bars.labels, bars.values, strict=True)
    } == pytest.approx(recalls)
    assert list(bars.values) == sorted(bars.values)


def test_accuracy_falls_with_the_property_that_makes_it_fall(tmp_path: Path) -> None:
    """All that is brighter than half is labelled wrongly: the curve of brightness comes first, and falls to zero."""
    for number in range(64):
        level = 4 * number
        right = min(2, level * 3 // 256)
        shade(tmp_path / CLASSES[right if level < 128 else (right + 1) % 3] / f"{number}.png", level)
    result = counted(classifier(), tmp_path)
    curves = [one for one in result.panels if isinstance(one, Curve)]
    assert curves[0].id == "brightness"
    assert curves[0].lines[0].values == (1.0,) * 4 + (0.0,) * 4
    assert "lie apart" in curves[0].caption
    np.testing.assert_allclose(curves[0].x, (np.arange(64).reshape(8, 8) * 4 / 255).mean(1), atol=1e-5)
    low, high = curves[0].lines[1].values[0], curves[0].lines[2].values[0]
    assert (low, high) == pytest.approx(share_interval(8, 8)[1:])
    assert not any(one.id == "contrast" for one in curves)  # of pictures of one shade it is zero


def test_people_agree_as_scikit_learn_says(album: Path) -> None:
    from sklearn.metrics import cohen_kappa_score

    names = sorted(f"{path.parent.name}/{path.name}" for path in album.rglob("*.png"))
    said = {name: CLASSES[int(RNG.integers(0, 3))] for name in names[:40]}
    for name, label in said.items():
        annotate(album, name, "Ann", label)
    result = counted(classifier(), album)
    bars = panel(result, "agreement")
    assert isinstance(bars, Bars)
    assert [label.partition(", kappa")[0] for label in bars.labels] == [
        "model and labels",
        "model and Ann",
        "labels and Ann",
    ]
    matrix = panel(result, "confusion")
    assert isinstance(matrix, Matrix)
    best = dict(zip(matrix.names, result.arrays["prediction"], strict=True))
    by_ann = [CLASSES.index(label) for label in said.values()]
    for who, voice in (
        ("model", [best[name] for name in said]),
        ("labels", [CLASSES.index(n.split("/")[0]) for n in said]),
    ):
        place = next(i for i, label in enumerate(bars.labels) if label.startswith(f"{who} and Ann"))
        assert f"kappa {cohen_kappa_score(voice, by_ann):.2f} (" in bars.labels[place]
        assert bars.labels[place].endswith(", 40)")
        assert bars.values[place] == pytest.approx(np.mean(np.array(voice) == by_ann))
    against = counted(classifier(), album, against="Ann")
    assert (against.arrays["truth"] >= 0).sum() == 40
    counts = panel(against, "confusion")
    assert isinstance(counts, Matrix)
    assert counts.row_title == "label of Ann"
    assert counts.counts().sum() == 40
    with pytest.raises(NotFoundError, match="'Bob' labelled nothing"):
        counted(classifier(), album, against="Bob")


def test_an_annotator_of_other_pictures_is_refused(tmp_path: Path) -> None:
    shade(tmp_path / "dark" / "1.png", 0)
    annotate(tmp_path, "dark/gone.png", "Ann", "dark")
    with pytest.raises(NotFoundError, match="'Ann' labelled none of the 1 pictures"):
        counted(classifier(), tmp_path, against="Ann")


def test_columns_of_a_table_are_groups_and_second_opinions(tmp_path: Path) -> None:
    rows = ["file,label,site,reader"]
    for number in range(20):
        level, site = 12 * number, "AB"[number % 2]
        shade(tmp_path / f"{number}.png", level)
        true = min(2, level * 3 // 256)
        label = CLASSES[(true + 1) % 3] if site == "B" else CLASSES[true]
        rows.append(f"{number}.png,{label},{site},{CLASSES[true]}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    result = counted(classifier(), tmp_path)
    bars = [one for one in result.panels if isinstance(one, Bars)]
    by_site = next(one for one in bars if one.title == "Accuracy by site")
    assert by_site.values == (0.0, 1.0)
    assert by_site.labels[0].startswith("B (0% to ")
    agreement = panel(result, "agreement")
    assert isinstance(agreement, Bars)
    assert any(label.startswith("model and reader, kappa 1.00") for label in agreement.labels)
    assert (counted(classifier(), tmp_path, against="reader").arrays["truth"] >= 0).all()


def test_of_a_thousand_classes_those_with_errors_are_shown(tmp_path: Path) -> None:
    """A class for each of 1000 shades is told from 256 levels; each of forty pictures but two is labelled wrongly."""
    labels = tuple(f"shade {number}" for number in range(1000))
    model = classifier(labels)
    for number in range(40):
        level = 6 * number
        true = int(model.predict(np.full((1, SIDE, SIDE, 3), level / 255, np.float32))[0].argmax())
        shade(tmp_path / labels[true if number < 2 else (true + 500) % 1000] / f"{number}.png", level)
    result = counted(model, tmp_path)
    matrix = panel(result, "confusion")
    assert isinstance(matrix, Matrix)
    assert len(matrix.rows) == 30
    assert matrix.rows[-1] == "all others"
    assert matrix.counts().sum() == 40
    assert (result.arrays["prediction"] == result.arrays["truth"]).sum() == 2
    assert "some are right" in matrix.caption


def test_one_output_with_a_sigmoid_has_two_classes(tmp_path: Path) -> None:
    class Lit(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = torch.nn.Parameter(torch.tensor(10.0))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(self.gain * (x.mean((1, 2, 3)) - 0.5))[:, None]

    model = picasso.load_model(Lit(), preprocessing=picasso.Preprocessing(size=SIDE), labels=("off", "on"))
    for number, level in enumerate((0, 100, 150, 250)):
        shade(tmp_path / ("on" if number in (1, 2, 3) else "off") / f"{number}.png", level)
    matrix = panel(counted(model, tmp_path), "confusion")
    assert isinstance(matrix, Matrix)
    assert matrix.counts().tolist() == [[1, 0], [1, 2]]


def test_what_has_no_classes_is_refused_with_the_reason(tmp_path: Path) -> None:
    shade(tmp_path / "1.png", 3)
    with pytest.raises(NotSupportedError, match=r"Errors need labels: .* holds no pictures in folders of classes"):
        counted(classifier(), tmp_path)
    shade(tmp_path / "zebra" / "1.png", 3)
    with pytest.raises(NotSupportedError, match="The model has no class 'zebra'"):
        counted(classifier(), tmp_path)
    with pytest.raises(NotSupportedError, match="classifiers with at least two classes"):
        counted(classifier(("light",)), tmp_path)
