"""Training pictures: against retraining without each of them, against Captum, and what is said where it cannot be."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.influence import TracInCP
from PIL import Image
from sklearn.linear_model import LogisticRegression
from torch import nn

import picasso
from picasso.core.errors import NotFoundError, NotSupportedError, SettingsError, TargetError
from picasso.core.hooks import Head
from picasso.core.index import PictureIndex
from picasso.core.layers import head_codes
from picasso.core.model import Model
from picasso.core.panels import Bars, Gallery, Text
from picasso.core.pictures.images import read_picture
from picasso.core.statistics.logistic import Logistic, losses, with_ones

READ = picasso.Preprocessing(size=8, mean=(0.5,), std=(0.25,))
RNG = np.random.default_rng(0)
CLASSES = ("ash", "birch", "cedar")
EACH = 16
DECAY = 0.03
PICTURE = RNG.integers(0, 256, (8, 8, 3)).astype(np.uint8)


def network(classes: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, classes)
    )  # fmt: skip


def opened(made: nn.Module) -> Model:
    return picasso.load_model(made, preprocessing=READ, labels=list(CLASSES))


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three classes whose colors overlap."""
    folder = tmp_path_factory.mktemp("forest")
    for number, name in enumerate(CLASSES):
        (folder / name).mkdir()
        for place in range(EACH):
            pixels = RNG.integers(0, 256, (8, 8, 3)) * 0.5
            pixels[..., number] += RNG.integers(0, 100)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{place:02}.png")
    return folder


def inputs(model: Model, forest: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return what the network reads of the folder, in its order, and the classes."""
    files = sorted(forest.rglob("*.png"))
    x = np.concatenate([model.prepare(read_picture(file)).x for file in files])
    return x, np.array([CLASSES.index(file.parent.name) for file in files])


def codes(model: Model, x: np.ndarray) -> np.ndarray:
    return with_ones(model.activations(x, ["3"])["3"])


def asked(model: Model, forest: Path, **choices: Any) -> picasso.Result:
    result = picasso.explain(
        model, PICTURE, "influence", target=1, album=str(forest), regularization=DECAY, cache=False, **choices
    )
    assert isinstance(result, picasso.Result)
    return result


def text(result: picasso.Result) -> str:
    return next(panel.text for panel in result.panels if isinstance(panel, Text))


def retrained(x: np.ndarray, truth: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return by how much the picture's loss changes when each training picture is left out, by scikit-learn."""

    def loss(kept: np.ndarray) -> float:
        # The sum of the losses that are left, and the regularization as it was.
        fit = LogisticRegression(C=1 / (DECAY * len(x)), fit_intercept=False, tol=1e-9, max_iter=10_000)
        fit.fit(x[kept], truth[kept])
        return float(-np.log(fit.predict_proba(own)[0, 1]))

    every = np.arange(len(x))
    whole = loss(every)
    return np.array([loss(np.delete(every, place)) - whole for place in every])


def test_influence_foretells_what_leaving_out_does(forest: Path) -> None:
    made = network()
    model = opened(made)
    x, truth = inputs(model, forest)
    found = asked(model, forest, refit=True).arrays["influence"]
    own = codes(model, model.prepare(read_picture(PICTURE, "own")).x)
    true = retrained(codes(model, x), truth, own)
    assert np.corrcoef(found, true)[0, 1] > 0.99
    np.testing.assert_allclose(found, true, atol=0.1 * np.abs(true).max())
    # A head that is at the minimum needs no refitting, and says so.
    start = Logistic(np.zeros((3, 7)), codes(model, x), np.eye(3)[truth], Head.SOFTMAX, DECAY).fitted()
    with torch.no_grad():
        made[4].weight.copy_(torch.tensor(start.weights[:, :-1]))
        made[4].bias.copy_(torch.tensor(start.weights[:, -1]))
    settled = asked(opened(made), forest)
    np.testing.assert_allclose(settled.arrays["influence"], found, rtol=1e-3, atol=1e-6)
    assert "which is where influence is exact" in text(settled)


def test_influence_of_the_head_as_it_is_is_the_formula(forest: Path) -> None:
    model = opened(network())
    x, truth = inputs(model, forest)
    read, own = codes(model, x), codes(model, model.prepare(read_picture(PICTURE, "own")).x)
    scores = model.predict(x).astype(np.float64)
    hessian, slopes = DECAY * np.eye(21), []
    for code, score, answer in zip(read, scores, truth, strict=True):
        p = np.exp(score) / np.exp(score).sum()
        hessian += np.kron(np.diag(p) - np.outer(p, p), np.outer(code, code)) / len(x)
        slopes.append(np.kron(p - np.eye(3)[answer], code))
    score = model.predict(model.prepare(read_picture(PICTURE, "own")).x)[0].astype(np.float64)
    mine = np.kron(np.exp(score) / np.exp(score).sum() - np.eye(3)[1], own[0])
    result = asked(model, forest)
    expected = np.array(slopes) @ np.linalg.solve(hessian, mine) / len(x)
    np.testing.assert_allclose(result.arrays["influence"], expected, rtol=1e-3, atol=1e-6)
    assert "is not where this loss is smallest" in text(result)
    bars = next(panel for panel in result.panels if isinstance(panel, Bars))
    sums = dict(zip(bars.labels, bars.values, strict=True))
    assert sums["cedar"] == pytest.approx(expected[truth == 2].sum(), rel=1e-3)


def test_one_score_for_two_classes_is_the_formula_of_a_sigmoid(forest: Path, tmp_path: Path) -> None:
    for name in CLASSES[:2]:
        shutil.copytree(forest / name, tmp_path / name)
    model = picasso.load_model(network(1), preprocessing=READ, labels=list(CLASSES[:2]), head="sigmoid")
    x, truth = inputs(model, tmp_path)
    read, own = codes(model, x), codes(model, model.prepare(read_picture(PICTURE, "own")).x)
    p, mine = (1 / (1 + np.exp(-model.predict(every)[:, 1].astype(np.float64))) for every in (
        x, model.prepare(read_picture(PICTURE, "own")).x
    ))  # fmt: skip
    hessian = (read * (p * (1 - p))[:, None]).T @ read / len(x) + DECAY * np.eye(7)
    expected = ((p - truth)[:, None] * read) @ np.linalg.solve(hessian, (mine[0] - 1) * own[0]) / len(x)
    found = asked(model, tmp_path)
    np.testing.assert_allclose(found.arrays["influence"], expected, rtol=1e-3, atol=1e-6)


def test_tracin_is_captums(forest: Path, tmp_path: Path) -> None:
    made, rates = network(), {"epoch1.pt": 0.5, "epoch2.pt": 0.125}
    for name, rate in rates.items():
        with torch.no_grad():
            made[4].weight.mul_(1.7)
            made[0].weight.add_(0.05)
        torch.save(made.state_dict(), tmp_path / name)
        with (tmp_path / "training.jsonl").open("a") as journal:
            journal.write(json.dumps({"file": name, "epoch": int(name[5]), "metrics": {"lr": rate}}) + "\n")
    model = opened(made)
    x, truth = inputs(model, forest)
    found = asked(model, forest, checkpoints=str(tmp_path))

    def load(module: nn.Module, path: str) -> float:
        module.load_state_dict(torch.load(path, weights_only=True))
        return rates[Path(path).name]

    pairs = torch.utils.data.TensorDataset(torch.tensor(x.transpose(0, 3, 1, 2)), torch.tensor(truth))
    files = [str(tmp_path / name) for name in rates]
    other = TracInCP(
        network(), pairs, files, load, layers=["4"], loss_fn=nn.CrossEntropyLoss(reduction="none"), batch_size=64
    )
    own = torch.tensor(model.prepare(read_picture(PICTURE, "own")).x.transpose(0, 3, 1, 2))
    expected = other.influence((own, torch.tensor([1])))[0].numpy()
    np.testing.assert_allclose(found.arrays["tracin"], expected, rtol=2e-3, atol=1e-5)
    assert "TracIn over 2 checkpoints, each weighted by its learning rate" in text(found)
    titles = [group.title.split(" (")[0] for group in gallery(found).groups]
    assert titles == ["Most alike to the network", "Helpful", "Harmful", "TracIn: Helpful", "TracIn: Harmful"]


def saved(forest: Path, folder: Path, rates: dict[str, float | None]) -> dict[str, np.ndarray]:
    """Save a checkpoint with each rate, the first with a last layer of zeros; return the products at each."""
    made, products = network(), {}
    folder.mkdir()
    for place, (name, rate) in enumerate(rates.items()):
        with torch.no_grad():
            made[4].weight.copy_(torch.linspace(-1, 1, 18).reshape(3, 6) * place)
            made[4].bias.mul_(place)
        torch.save(made.state_dict(), folder / name)
        with (folder / "training.jsonl").open("a") as journal:
            metrics = {} if rate is None else {"lr": rate}
            journal.write(json.dumps({"file": name, "epoch": place + 1, "metrics": metrics}) + "\n")
        model = opened(made)
        x, truth = inputs(model, forest)
        own = model.prepare(read_picture(PICTURE, "own")).x
        residuals = torch.softmax(torch.tensor(model.predict(np.concatenate([x, own]))), 1).numpy()
        residuals[np.arange(len(x) + 1), [*truth, 1]] -= 1
        products[name] = (residuals[:-1] @ residuals[-1]) * (codes(model, x) @ codes(model, own)[0])
    return products


@pytest.mark.parametrize(
    ("rates", "weights", "said"),
    [
        ((0.0, 0.5), (0.0, 0.5), "over 2 checkpoints, each weighted by its learning rate"),
        ((None, None), (1.0, 1.0), "over 2 checkpoints, all weighted alike"),
        ((None, 0.5), (0.0, 0.5), "over 1 checkpoint, each weighted by its learning rate"),
    ],
)
def test_tracin_weighs_by_the_rates_that_are_known(
    forest: Path, tmp_path: Path, rates: tuple[float | None, ...], weights: tuple[float, ...], said: str
) -> None:
    products = saved(forest, tmp_path / "run", dict(zip(("a.pt", "b.pt"), rates, strict=True)))
    result = asked(opened(network()), forest, checkpoints=str(tmp_path / "run"))
    expected = sum(weight * row for weight, row in zip(weights, products.values(), strict=True))
    np.testing.assert_allclose(result.arrays["tracin"], expected, rtol=1e-3, atol=1e-5)
    assert said in text(result)
    assert ("Those without a learning rate are left out: 1." in text(result)) == (rates == (None, 0.5))


def test_a_picture_that_one_checkpoint_cannot_read_moves_no_other(
    forest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    products = saved(forest, tmp_path / "run", {"a.pt": 0.25, "b.pt": 0.5})
    model, whole = opened(network()), head_codes.index_pictures
    zero = model.at_checkpoint(tmp_path / "run" / "a.pt").digest

    def without_the_fifth(model: Model, *others: Any) -> PictureIndex:
        index = whole(model, *others)
        if model.digest != zero:
            return index
        kept = [place for place in range(len(index)) if place != 4]
        return replace(
            index,
            examples=tuple(index.examples[place] for place in kept),
            keys=tuple(index.keys[place] for place in kept),
            truth=index.truth[kept],
        )

    monkeypatch.setattr(head_codes, "index_pictures", without_the_fifth)
    result = asked(model, forest, checkpoints=str(tmp_path / "run"))
    expected = 0.25 * products["a.pt"] + 0.5 * products["b.pt"]
    expected[4] = np.nan
    np.testing.assert_allclose(result.arrays["tracin"], expected, rtol=1e-3, atol=1e-5)
    assert "Pictures without TracIn, as not every checkpoint could read them: 1." in text(result)


def test_a_checkpoint_whose_head_cannot_be_read_is_left_out(forest: Path, tmp_path: Path) -> None:
    products = saved(forest, tmp_path / "run", {"a.pt": 0.25, "b.pt": 0.5})
    broken = torch.load(tmp_path / "run" / "a.pt", weights_only=True)
    broken["4.weight"][0, 0] = float("nan")
    torch.save(broken, tmp_path / "run" / "a.pt")
    result = asked(opened(network()), forest, checkpoints=str(tmp_path / "run"))
    np.testing.assert_allclose(result.arrays["tracin"], 0.5 * products["b.pt"], rtol=1e-3, atol=1e-5)
    assert "TracIn over 1 checkpoint" in text(result)
    assert "Checkpoints at which the head could not be read are left out: 1. epoch 1: " in text(result)
    (tmp_path / "run" / "b.pt").unlink()
    alone = asked(opened(network()), forest, checkpoints=str(tmp_path / "run"))
    assert "tracin" not in alone.arrays
    assert "at no checkpoint could the head be read" in text(alone)


def test_a_picture_of_half_the_code_is_not_the_same(tmp_path: Path) -> None:
    """Codes that point the same way are those of one picture only where they are as long, too."""
    plain = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    read = picasso.Preprocessing(size=2, mean=(0.0,), std=(1.0,))
    model = picasso.load_model(plain, preprocessing=read, labels=list(CLASSES))
    for name, grey in (("dark", 60), ("bright", 120)):
        Image.fromarray(np.full((2, 2, 3), grey, np.uint8)).save(tmp_path / f"{name}.png")
    own = str(tmp_path / "bright.png")
    result = picasso.explain(model, own, "influence", target=1, album=str(tmp_path), cache=False)
    assert isinstance(result, picasso.Result)
    np.testing.assert_allclose(result.arrays["alike"], 1, atol=1e-6)
    captions = {tile.name: tile.caption for tile in gallery(result).groups[0].tiles}
    assert captions == {"bright.png": "the same", "dark.png": "1.0000"}
    assert "The picture itself is among them." in text(result)


def test_influences_stay_where_the_smallest_loss_is_not_found(forest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("picasso.core.statistics.logistic._NEWTON", 0)
    result = asked(opened(network()), forest)
    assert np.isfinite(result.arrays["influence"]).all()
    assert "Where this loss is smallest could not be found" in text(result)


def gallery(result: picasso.Result) -> Gallery:
    return next(panel for panel in result.panels if isinstance(panel, Gallery))


def test_the_most_alike_are_those_of_the_largest_cosine(forest: Path) -> None:
    model = opened(network())
    own = forest / "birch" / "03.png"
    result = picasso.explain(model, own, "influence", album=str(forest), shown=5, cache=False)
    assert isinstance(result, picasso.Result)
    first = gallery(result).groups[0]
    x, _ = inputs(model, forest)
    read = codes(model, x)[:, :-1]
    mine = codes(model, model.prepare(read_picture(own)).x)[0, :-1]
    cosine = read @ mine / np.linalg.norm(read, axis=1) / np.linalg.norm(mine)
    np.testing.assert_allclose(result.arrays["alike"], cosine, atol=1e-6)
    names = [file.relative_to(forest).as_posix() for file in sorted(forest.rglob("*.png"))]
    assert [tile.name for tile in first.tiles] == [names[place] for place in np.argsort(-cosine)[:5]]
    assert first.tiles[0].caption == "birch, the same"
    assert "The picture itself is among them." in text(result)


def test_without_classes_only_the_most_alike_are_shown(forest: Path, tmp_path: Path) -> None:
    for number, file in enumerate(sorted(forest.rglob("*.png"))[:4]):
        (tmp_path / f"{number}.png").write_bytes(file.read_bytes())
    result = asked(opened(network()), tmp_path)
    assert len(gallery(result).groups) == 1
    assert "influence" not in result.arrays
    assert "cannot be said" in text(result)


def test_what_cannot_be_said_is_refused(forest: Path) -> None:
    model = opened(network())
    with pytest.raises(SettingsError, match="album must name"):
        picasso.explain(model, PICTURE, "influence", cache=False)
    with pytest.raises(NotFoundError, match="no folder or data set"):
        picasso.explain(model, PICTURE, "influence", album="nowhere", cache=False)
    with pytest.raises(NotFoundError, match="There is no folder of checkpoints"):
        asked(model, forest, checkpoints="nowhere")
    bent = nn.Sequential(*network()[:4], nn.Linear(6, 3), nn.Tanh())
    with pytest.raises(NotSupportedError, match="not made by one linear layer"):
        asked(opened(bent), forest)
    with pytest.raises(TargetError, match=r"target must be one class\. Got 'ash - birch'"):
        picasso.explain(model, PICTURE, "influence", target="ash - birch", album=str(forest), cache=False)
    segmenter = picasso.load_model(nn.Conv2d(3, 3, 1), preprocessing=READ, labels=list(CLASSES))
    with pytest.raises(NotSupportedError, match="for a class of the whole picture"):
        asked(segmenter, forest)


def test_losses_are_cross_entropies() -> None:
    scores = RNG.normal(size=(5, 3))
    answers = np.array([0, 2, 1, 1, 0])
    expected = nn.functional.cross_entropy(torch.tensor(scores), torch.tensor(answers), reduction="none")
    np.testing.assert_allclose(losses(scores, np.eye(3)[answers], Head.SOFTMAX), expected.numpy())
    split = nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(scores), torch.tensor(np.eye(3)[answers]), reduction="none"
    )
    np.testing.assert_allclose(losses(scores, np.eye(3)[answers], Head.SIGMOID), split.numpy().sum(axis=1))
