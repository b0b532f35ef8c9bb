"""The demo's data sets by name: drawn once, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from picasso.core import registry
from picasso.core.dataset import read_dataset
from picasso.core.errors import CanceledError, DatasetError, PluginError
from picasso.demo import datasets, tanks


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Picasso's folder, and the demo's data sets installed as they are by pip, of four pictures each."""
    info = tmp_path / "site/tanks_by_name-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tanks-by-name\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[picasso.datasets]\ndemo = picasso.demo.datasets\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("PICASSO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(datasets, "PICTURES", 4)
    return tmp_path / "home"


def test_the_tanks_are_drawn_once_with_their_masks(home: Path) -> None:
    told: list[tuple[int, int]] = []
    dataset = read_dataset("demo:tanks", progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (dataset.name, dataset.classes, dict(dataset.counts)) == (
        "demo:tanks",
        ("decoy", "tank"),
        {"decoy": 2, "tank": 2},
    )
    assert (dataset.skipped, dataset.notes) == ((), ())
    drawn = {
        f"{tanks.LABELS[label]}/{i:04d}.png": r
        for i, (label, r) in enumerate(zip(*(lambda s: (s.labels, s))(tanks.held_out_set(4, True)), strict=True))
    }
    for example in dataset.examples:
        picture = dataset.picture(example)
        assert np.array_equal(picture.pixels, drawn[example.name].pixels)
        assert np.array_equal(dataset.object_mask(example, picture), drawn[example.name].object_mask)
    again = read_dataset("demo:tanks", progress=lambda done, total: told.append((done, total)))
    assert again == dataset
    assert len(told) == 4
    assert [path.name for path in (home / "datasets").iterdir()] == [dataset.examples[0].source.path.parts[-3]]


def test_the_honest_ones_are_the_same_under_other_skies(home: Path) -> None:
    clouds = {}
    for name in ("demo:tanks", "demo:tanks-honest"):
        folder = datasets.open_dataset(name)
        facts = json.loads((folder / "scenes.json").read_text())
        clouds[name] = [fact["cloudiness"] for fact in facts]
        assert [fact["kind"] == "tank" for fact in facts] == [True, False] * 2
    assert all((value >= 0.75) == (i % 2 == 0) for i, value in enumerate(clouds["demo:tanks"]))
    assert clouds["demo:tanks-honest"] != clouds["demo:tanks"]


def test_a_drawing_that_is_canceled_leaves_nothing(home: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise CanceledError("Canceled.")

    with pytest.raises(CanceledError):
        datasets.open_dataset("demo:tanks", stop)
    assert list((home / "datasets").iterdir()) == []


def test_another_that_draws_at_once_does_no_harm(home: Path) -> None:
    def other(done: int, total: int) -> None:
        if done == 1:
            datasets.open_dataset("demo:tanks-honest")
            (part,) = (home / "datasets").glob("tanks-honest-*")
            part.rename(part.with_name(part.name.replace("tanks-honest-", "tanks-")))

    folder = datasets.open_dataset("demo:tanks", other)
    assert [path.name for path in (home / "datasets").iterdir()] == [folder.name]


def test_a_folder_that_cannot_be_written_is_said(home: Path) -> None:
    home.write_text("a file")
    with pytest.raises(DatasetError, match=r"cannot be written: .*Choose \$PICASSO_HOME"):
        datasets.open_dataset("demo:tanks")


def test_unknown_names_are_refused(home: Path) -> None:
    with pytest.raises(DatasetError, match=r"There is no data set 'demo:cats'\. Known: demo:tanks, demo:tanks-honest"):
        read_dataset("demo:cats")


def test_a_broken_plug_in_says_that_it_opens_data_sets(home: Path) -> None:
    points = next(home.parent.glob("site/*.dist-info")) / "entry_points.txt"
    points.write_text("[picasso.datasets]\ncats = nowhere_at_all\n")
    with pytest.raises(PluginError, match=r"What opens 'cats' data sets is broken"):
        read_dataset("cats:all")


def test_the_package_names_its_data_sets_where_installers_look() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert '[project.entry-points."picasso.datasets"]\ndemo = "picasso.demo.datasets"' in text
    assert registry.GROUP_DATASETS == "picasso.datasets"
