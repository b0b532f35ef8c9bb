"""Embedding: what a layer finds alike lies together, and what was measured is that of the layer's means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import picasso
from picasso.core.errors import CanceledError, NotSupportedError
from picasso.core.model import Model
from picasso.core.panels import Scatter, Text
from picasso.core.pictures.images import read_picture

SIDE = 12
RNG = np.random.default_rng(2)


def small(channels: int, classes: int) -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, channels, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(channels, classes),
    )


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 2),
    )
    return picasso.load_model(network, preprocessing=picasso.Preprocessing(size=SIDE), labels=("dark", "red"))


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve dark pictures and twelve red ones, in folders of these names."""
    folder = tmp_path_factory.mktemp("album")
    for number in range(24):
        pixels = RNG.integers(0, 40, (SIDE, SIDE, 3)).astype(np.uint8)
        pixels[..., 0] += 200 * (number % 2)
        place = folder / ("dark", "red")[number % 2]
        place.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number}.png")
    return folder


def embedded(model: Model, album: Path, **choices: object) -> picasso.Result:
    result = picasso.explain(model, visualization="embedding", cache=False, album=str(album), layer="1", **choices)
    assert isinstance(result, picasso.Result)
    return result


def scatter(result: picasso.Result) -> Scatter:
    return next(panel for panel in result.panels if isinstance(panel, Scatter))


def test_codes_are_the_means_of_the_layer_and_their_axes_those_of_scikit_learn(model: Model, album: Path) -> None:
    from sklearn.decomposition import PCA
    from sklearn.neighbors import NearestNeighbors

    result = embedded(model, album)
    panel = scatter(result)
    codes = np.concatenate(
        [model.activations(model.prepare(read_picture(album / name)).x, ["1"])["1"] for name in panel.names]
    ).mean(axis=(1, 2))
    expected = PCA(2).fit(codes)
    found = panel.points * np.sign((panel.points * expected.transform(codes)).sum(0))
    np.testing.assert_allclose(found, expected.transform(codes), atol=1e-5)
    assert f"{expected.explained_variance_ratio_[0]:.0%}" in panel.caption
    nearest = NearestNeighbors(n_neighbors=13, metric="cosine").fit(codes)
    distances, _ = nearest.kneighbors(codes)
    np.testing.assert_allclose(1 - result.arrays["cosines"], distances[:, 1:], atol=1e-5)
    alike = codes @ codes.T / np.outer(*[np.linalg.norm(codes, axis=1)] * 2)
    np.testing.assert_allclose(np.take_along_axis(alike, panel.neighbors, 1), result.arrays["cosines"], atol=1e-5)
    assert all(row not in panel.neighbors[row] for row in range(24))


def test_points_can_be_colored_by_label_prediction_and_correctness(model: Model, album: Path) -> None:
    panel = scatter(embedded(model, album))
    colorings = {one.name: one for one in panel.colorings}
    assert list(colorings) == ["label", "prediction", "correctness"]
    labels = [colorings["label"].words[value] for value in colorings["label"].values]
    assert labels == [name.split("/")[0] for name in panel.names]
    scores = np.concatenate([model.predict(model.prepare(read_picture(album / name)).x) for name in panel.names])
    best = [model.labels[number] for number in scores.argmax(1)]
    assert [colorings["prediction"].words[value] for value in colorings["prediction"].values] == best
    right = [colorings["correctness"].words[value] for value in colorings["correctness"].values]
    assert right == ["right" if a == b else "wrong" for a, b in zip(labels, best, strict=True)]
    said = next(one for one in embedded(model, album).panels if isinstance(one, Text)).text
    assert "The nearest neighbor of 100% has the same label; by chance 48% would." in said


def test_two_groups_stay_two_groups_and_the_same_seed_gives_the_same(model: Model, album: Path) -> None:
    result = embedded(model, album, method="tsne", neighborhood=5)
    again = embedded(model, album, method="tsne", neighborhood=5)
    points = result.arrays["points"]
    np.testing.assert_array_equal(points, again.arrays["points"])
    red = np.array([name.startswith("red") for name in scatter(result).names])
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    within = max(apart[red][:, red].max(), apart[~red][:, ~red].max())
    assert apart[red][:, ~red].min() > 0.3 * within
    nearest = np.argsort(apart + np.diag([np.inf] * 24), axis=1)[:, 0]
    assert (red[nearest] == red).all()


def test_a_search_can_be_canceled(model: Model, album: Path) -> None:
    def report(done: int, total: int, message: str) -> None:
        if message == "t-SNE" and done >= 50:
            raise CanceledError("Enough.")

    with pytest.raises(CanceledError):
        embedded(model, album, method="tsne", progress=report)


def test_pictures_without_labels_and_models_of_one_score(tmp_path: Path) -> None:
    for number in range(8):
        Image.fromarray(RNG.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)).save(tmp_path / f"{number}.png")
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 1),
    )
    model = picasso.load_model(network, preprocessing=picasso.Preprocessing(size=SIDE), labels=("one",))
    panel = scatter(embedded(model, tmp_path))
    assert panel.neighbors.shape == (8, 7)
    assert panel.colorings == ()
    (tmp_path / "0.png").unlink()
    with pytest.raises(NotSupportedError, match=r"at least 8 pictures\. Got 7"):
        embedded(model, tmp_path)
