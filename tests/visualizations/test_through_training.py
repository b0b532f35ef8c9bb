"""A network through its training: what is shown at each checkpoint is what the network was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import picasso
from picasso.core.errors import NotFoundError, NotSupportedError, SettingsError
from picasso.core.model import Model
from picasso.core.panels import Curve, FeatureMaps, Heatmap, Series, Text
from picasso.core.preprocessing import Preprocessing
from picasso.core.result import Result
from tests.training.runs import LABELS, SIDE, album, torch_network, torch_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    torch_run(folder / "checkpoints")
    album(folder / "album")
    return folder


@pytest.fixture
def model() -> Model:
    return picasso.load_model(torch_network(3), preprocessing=Preprocessing(size=(SIDE, SIDE)), labels=LABELS)


def looked(model: Model, run: Path, **settings: Any) -> dict[str, Any]:
    given = {"checkpoints": str(run / "checkpoints")} | settings
    result = picasso.explain(model, None, "through-training", cache=False, **given)
    assert isinstance(result, Result)
    return {panel.id: panel for panel in result.panels} | {"arrays": result.arrays}


def test_the_filters_at_each_checkpoint_are_those_in_the_file(model: Model, run: Path) -> None:
    import torch

    shown = looked(model, run)
    series = shown["series"]
    assert isinstance(series, Series)
    assert [step.label for step in series.steps] == [f"epoch {number}" for number in range(5)]
    for number, step in enumerate(series.steps):
        kernels = step.panels[0]
        assert isinstance(kernels, FeatureMaps)
        saved = torch.load(run / "checkpoints" / f"epoch-{number:06d}.pt")["0.weight"].numpy()
        np.testing.assert_array_equal(kernels.values, np.moveaxis(saved, 1, -1))
        assert kernels.limits == series.steps[0].panels[0].limits  # type: ignore[attr-defined]
    assert "said" not in shown


def test_distances_and_metrics_are_those_of_the_files(model: Model, run: Path) -> None:
    import torch

    shown = looked(model, run)
    first, middle, last = (torch.load(run / "checkpoints" / f"epoch-00000{n}.pt") for n in (0, 2, 4))
    expected = (middle["5.weight"] - first["5.weight"]).norm() ** 2 + (middle["5.bias"] - first["5.bias"]).norm() ** 2
    length = first["5.weight"].norm() ** 2 + first["5.bias"].norm() ** 2
    curve = shown["from-first"]
    assert isinstance(curve, Curve)
    assert [line.label for line in curve.lines] == ["0", "1", "5"]
    assert curve.lines[2].values[2] == pytest.approx(float((expected / length) ** 0.5), rel=1e-5)
    assert curve.x == (0, 1, 2, 3, 4)
    assert curve.x_title == "epoch"
    away = (middle["0.weight"] - last["0.weight"]).norm() ** 2 + (middle["0.bias"] - last["0.bias"]).norm() ** 2
    length = last["0.weight"].norm() ** 2 + last["0.bias"].norm() ** 2
    assert shown["from-last"].lines[0].values[2] == pytest.approx(float((away / length) ** 0.5), rel=1e-5)
    assert shown["arrays"]["from_last"].shape == (5, 3)
    losses = shown["metric-0"].lines[0].values
    assert losses[0] is None
    assert losses[1] > losses[4]


def test_what_is_not_drawn_is_named(model: Model, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = []
    for number in (1, 2):
        file = run / "checkpoints" / f"epoch-00000{number}.pt"
        (tmp_path / file.name).write_bytes(file.read_bytes())
        metrics = dict.fromkeys(("loss", "a", "b", "c", "rate", "norm"), 0.5)
        lines.append(json.dumps({"file": file.name, "epoch": 1, "step": 10 * number, "metrics": metrics}))
    (tmp_path / "training.jsonl").write_text("\n".join(lines))
    monkeypatch.setattr("picasso.visualizations.through_training.LINES", 2)
    shown = looked(model, run, album=str(run / "album"), checkpoints=str(tmp_path))
    assert shown["metric-3"].caption == "As the training wrote it down. Not drawn: rate, norm."
    assert "Not drawn" not in shown["metric-2"].caption
    assert len(shown["accuracy"].lines) == 2
    assert shown["accuracy"].caption == "Of 2 classes those 1 that changed most."
    assert (shown["accuracy"].x, shown["accuracy"].x_title) == ((10, 20), "step")


def test_the_accuracy_by_class_is_counted_at_each_checkpoint(model: Model, run: Path) -> None:
    shown = looked(model, run, album=str(run / "album"))
    curve = shown["accuracy"]
    assert isinstance(curve, Curve)
    assert [line.label for line in curve.lines] == ["all", "green", "red"]
    dataset = picasso.read_dataset(str(run / "album"))
    there = model.at_checkpoint(run / "checkpoints" / "epoch-000004.pt")
    right = [
        LABELS[int(there.predict(there.prepare(dataset.picture(one)).x).argmax())] == one.label
        for one in dataset.examples
    ]
    assert curve.lines[0].values[4] == pytest.approx(np.mean(right))
    assert curve.limits == (0, 1)


def test_a_map_is_of_the_pictures_own_class_at_each_checkpoint(model: Model, run: Path) -> None:
    shown = looked(model, run, album=str(run / "album"), view="saliency-map", example=1)
    maps = [step.panels[0] for step in shown["series"].steps]
    assert all(isinstance(one, Heatmap) for one in maps)
    assert {one.target for one in maps} == {"red"}
    assert len({one.limits for one in maps}) == 1
    dataset = picasso.read_dataset(str(run / "album"))
    there = model.at_checkpoint(run / "checkpoints" / "epoch-000003.pt")
    picture = next(one for one in dataset.examples if one.label == "red")
    alone = picasso.explain(there, dataset.picture(picture), "saliency-map", target="red")
    assert isinstance(alone, Result)
    np.testing.assert_array_equal(maps[3].values, alone.attributions[0].values)


def test_a_part_is_handed_on_in_the_words_of_what_is_shown(model: Model, run: Path) -> None:
    shown = looked(model, run, layer="0", at_channel=4, most=2)
    assert [step.label for step in shown["series"].steps] == ["epoch 0", "epoch 4"]
    assert "channel 4" in shown["series"].steps[0].panels[0].title.lower()
    made = looked(model, run, layer="0", at_channel=4, most=2, view="feature-visualization", options="steps=3")
    pictures = [step.picture for step in made["series"].steps]
    assert (pictures[0] != pictures[1]).any()


def test_without_checkpoints_the_network_is_shown_as_it_is(model: Model, run: Path) -> None:
    shown = looked(model, run, checkpoints="")
    assert [step.label for step in shown["series"].steps] == ["as it is"]
    assert isinstance(shown["how"], Text)
    assert "from-first" not in shown


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"view": "no-such"}, NotFoundError, "no-such"),
        ({"view": "through-training"}, NotSupportedError, "cannot be run by one"),
        ({"view": "saliency-map"}, SettingsError, "Saliency map looks at pictures"),
        ({"view": "architecture", "layer": "0"}, SettingsError, "Architecture looks at no layer"),
        ({"options": "steps"}, SettingsError, "options must be name=value"),
        ({"view": "feature-visualization", "options": "album=/etc"}, SettingsError, "takes nothing from the disk here"),
        ({"options": '{"steps": '}, SettingsError, "options must be JSON"),
        ({"options": "nothing=3"}, SettingsError, "There is no setting 'nothing'"),
        ({"example": 99, "album": "album"}, NotFoundError, "example must be 0..11"),
    ],
)
def test_what_cannot_be_is_refused(
    model: Model, run: Path, settings: dict[str, Any], error: type[Exception], said: str
) -> None:
    if "album" in settings:
        settings = settings | {"album": str(run / "album")}
    with pytest.raises(error, match=said):
        looked(model, run, **settings)


def test_another_checkpoint_makes_another_result(model: Model, run: Path, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(run / "checkpoints", tmp_path / "copy")

    def explain() -> Any:
        return picasso.explain(model, None, "through-training", checkpoints=str(folder))

    first = explain()
    assert explain() is first
    (folder / "epoch-000004.pt").unlink()
    assert len(explain().panels[0].steps) == 4
