"""The shipped models do what the demo says they do, measured again on scenes drawn here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from picasso.demo import catalog, datasets, digits, measures
from picasso.demo.catalog import FILES, MODELS, build_torch
from picasso.demo.scene import Rendering, render
from picasso.demo.tanks import LABELS, TankSet, held_out_set, training_set, write
from picasso.models.keras.loading import import_keras

PICTURES = 24


def resized(name: str, drawn: list[Rendering]) -> measures.Bytes:
    return np.stack([MODELS[name].resize(Image.fromarray(d.pixels)) for d in drawn])


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[Rendering]]:
    """Held-out scenes under every sky the tests need."""
    tied, fair = held_out_set(PICTURES, True), held_out_set(PICTURES, False)
    sets = {
        "tied": tied,
        "fair": fair,
        "sunny": fair.under(0.0),
        "cloudy": fair.under(1.0),
        "tied erased": tied.erased(),
        "fair erased": fair.erased(),
    }
    # Land, object and grass of a scene are painted once where its skies follow each other.
    rows = [[render(scene) for scene in scenes] for scenes in zip(*(one.scenes for one in sets.values()), strict=True)]
    return {name: list(column) for name, column in zip(sets, zip(*rows, strict=True), strict=True)}


@pytest.fixture(scope="module")
def scorers() -> dict[str, measures.Scorer]:
    return {name: measures.torch_scorer(model, build_torch(name)) for name, model in MODELS.items()}


def labels() -> np.ndarray:
    return held_out_set(PICTURES, True).labels


def test_every_file_is_small_and_present() -> None:
    for model in MODELS.values():
        for file in (model.torch_file, model.keras_file):
            assert 10_000 < file.stat().st_size <= 1_000_000, file


def test_the_proxy_model_needs_no_tank(drawn: dict[str, list[Rendering]], scorers: dict[str, measures.Scorer]) -> None:
    score = scorers["tank-proxy"]
    assert measures.accuracy(score(resized("tank-proxy", drawn["tied"])), labels()) >= 0.99
    assert measures.accuracy(score(resized("tank-proxy", drawn["tied erased"])), labels()) >= 0.98


def test_the_honest_model_needs_the_tank(
    drawn: dict[str, list[Rendering]], scorers: dict[str, measures.Scorer]
) -> None:
    score = scorers["tank-honest"]
    assert measures.accuracy(score(resized("tank-honest", drawn["fair"])), labels()) >= 0.95
    assert measures.accuracy(score(resized("tank-honest", drawn["fair erased"])), labels()) <= 0.6


def test_only_the_proxy_model_follows_the_sky(
    drawn: dict[str, list[Rendering]], scorers: dict[str, measures.Scorer]
) -> None:
    swings = {
        name: measures.tank_probability(scorers[name](resized(name, drawn["cloudy"])))
        - measures.tank_probability(scorers[name](resized(name, drawn["sunny"])))
        for name in ("tank-proxy", "tank-honest")
    }
    assert swings["tank-proxy"].mean() >= 0.9
    assert np.abs(swings["tank-honest"]).mean() <= 0.1


def test_occlusion_maps_lie_where_each_model_looks(
    drawn: dict[str, list[Rendering]], scorers: dict[str, measures.Scorer]
) -> None:
    proxy = measures.occlusion_mass(scorers["tank-proxy"], MODELS["tank-proxy"], drawn["tied"])
    honest = measures.occlusion_mass(scorers["tank-honest"], MODELS["tank-honest"], drawn["fair"])
    assert proxy.sky.mean() >= 0.6
    assert honest.thing.mean() > 0.5


def test_an_occlusion_map_shows_the_one_pixel_that_counts() -> None:
    def score(pixels: measures.Bytes) -> np.ndarray:
        return np.stack([pixels[:, 70, 5, 0], np.full(len(pixels), 1)], 1).astype(np.float32)

    pixels = np.full((1, 128, 128, 3), 255, np.uint8)
    found = measures.occlusion_maps(score, pixels)[0]
    expected, times = np.zeros((128, 128)), np.zeros((128, 128))
    starts = (0, 13, 26, 39, 52, 65, 78, 91, 102)
    for top in starts:
        for left in starts:
            hit = top <= 70 < top + 26 and left <= 5 < left + 26
            expected[top : top + 26, left : left + 26] += (255 - 128) * hit
            times[top : top + 26, left : left + 26] += 1
    np.testing.assert_allclose(found, expected / times)


def test_digits_are_read(scorers: dict[str, measures.Scorer]) -> None:
    data = digits.split(MODELS["digits"])
    assert measures.accuracy(scorers["digits"](data.test_pixels), data.test_labels) > 0.97


def test_sample_digits_are_raw_and_never_trained_on(scorers: dict[str, measures.Scorer]) -> None:
    files = sorted((FILES / "digits").glob("*.png"))
    assert len(files) == 20
    held_out = set(digits.held_out().tolist())
    for file in files:
        with Image.open(file) as picture:
            assert picture.size == (8, 8)
            assert picture.mode == "L"
        assert int(file.stem.split("-")[1]) in held_out


def test_keras_and_torch_agree(drawn: dict[str, list[Rendering]]) -> None:
    import torch

    keras = import_keras()
    rng = np.random.default_rng(0)
    inputs = {
        name: model.normalize(resized(name, drawn["fair"][:8]))
        if model.color == "rgb"
        else rng.normal(0, 1, (8, model.size, model.size, 1)).astype(np.float32)
        for name, model in MODELS.items()
    }
    for name, batch in inputs.items():
        found = keras.ops.convert_to_numpy(keras.models.load_model(MODELS[name].keras_file)(batch))
        with torch.inference_mode():
            mine = build_torch(name)(torch.from_numpy(batch.transpose(0, 3, 1, 2).copy())).numpy()
        np.testing.assert_allclose(found, mine, rtol=1e-5, atol=1e-5)


def test_the_demo_imports_no_framework() -> None:
    code = (
        "import sys, picasso.demo.catalog, picasso.demo.story, picasso.demo.training, picasso.demo.digits\n"
        "print(sorted({'torch', 'keras', 'tensorflow', 'jax', 'sklearn', 'safetensors'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "[]"


def test_figures_agree_with_the_promises() -> None:
    figures = json.loads((FILES / "figures.json").read_text(encoding="utf-8"))
    proxy, honest = figures["tank-proxy"], figures["tank-honest"]
    assert proxy["accuracy"] >= 0.99
    assert proxy["accuracy_erased"] >= 0.98
    assert proxy["swing"] >= 0.9
    assert proxy["mass_sky"] >= 0.6
    assert honest["accuracy"] >= 0.95
    assert honest["accuracy_erased"] <= 0.6
    assert honest["swing_absolute"] <= 0.1
    assert honest["mass_object"] > 0.5
    assert figures["digits"]["accuracy"] > 0.97


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"must be one of tank-proxy, tank-honest, digits, segmenter, detector\. Got 'cat'"
    ):
        catalog.build_torch("cat")


def test_sets_are_balanced_reproducible_and_disjoint() -> None:
    tied, fair, test = training_set(40, 1, True), training_set(40, 1, False), held_out_set(40, False)
    assert (tied.labels == 0).sum() == 20
    assert training_set(40, 1, True).scenes == tied.scenes
    assert {s.seed for s in tied.scenes} == {s.seed for s in fair.scenes}
    assert not {s.seed for s in tied.scenes} & {s.seed for s in test.scenes}
    assert all((s.cloudiness >= 0.75) == (label == 0) for s, label in zip(tied.scenes, tied.labels, strict=True))
    clouds = np.array([s.cloudiness for s in training_set(2000, 2, False).scenes])
    assert abs(clouds[::2].mean() - clouds[1::2].mean()) < 0.05


def test_a_histogram_of_colors_does_not_tell_the_classes_apart() -> None:
    """Tones and sizes are matched, so that the shape is what counts.

    That holds for the pictures as they are, 256 x 256; with 1200 of them gradient boosting reaches 0.6. At the
    network's own 128 x 128, where thin parts melt into what is behind them, it reaches 0.7.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folder = datasets.open_dataset("demo:tanks-honest")
    files = sorted((path for label in LABELS for path in (folder / label).iterdir()), key=lambda path: path.name)

    def features(file: Path) -> np.ndarray:
        with Image.open(file) as picture:
            pixels = np.asarray(picture).reshape(-1, 3)
        single = [np.bincount(pixels[:, c] >> 4, minlength=16) for c in range(3)]
        joint = np.bincount((pixels >> 6) @ np.array([16, 4, 1]), minlength=64)
        return np.concatenate([*single, joint])

    counts = np.stack([features(file) for file in files])
    labels = [LABELS.index(file.parent.name) for file in files]
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=500))
    for classifier in (linear, RandomForestClassifier(200, random_state=0)):
        assert cross_val_score(classifier, counts, labels, cv=4).mean() <= 0.6


def test_write_gives_folders_of_classes_and_masks(tmp_path) -> None:
    write(tmp_path / "a", 4)
    write(tmp_path / "b", 4)
    names = sorted(p.relative_to(tmp_path / "a").as_posix() for p in (tmp_path / "a").rglob("*.png"))
    assert [n for n in names if n.startswith("tank/")] == ["tank/0000.png", "tank/0002.png"]
    assert [n for n in names if n.startswith("decoy/")] == ["decoy/0001.png", "decoy/0003.png"]
    assert sum(n.startswith("masks/") for n in names) == 8
    for name in [*names, "scenes.json"]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    first: TankSet = held_out_set(1, True)
    with Image.open(tmp_path / "a" / "tank" / "0000.png") as picture:
        assert np.array_equal(np.asarray(picture), render(first.scenes[0]).pixels)
