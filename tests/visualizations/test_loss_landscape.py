"""The loss around a network: at 0 it is its own, along a training it is that of the checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import picasso
from picasso.core.errors import DatasetError, NotFoundError, NotSupportedError
from picasso.core.learning.labelled import labelled
from picasso.core.learning.landscape import ParameterSlice, measure
from picasso.core.learning.parameter_space import principal_plane
from picasso.core.model import Model
from picasso.core.panels import Curve, Surface, Text
from picasso.core.preprocessing import Preprocessing
from picasso.core.result import Result
from tests.training.runs import LABELS, SIDE, album, drawn, torch_network, torch_run

READING = Preprocessing(size=(SIDE, SIDE))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("landscape")
    torch_run(folder / "checkpoints")
    album(folder / "album")
    return folder


@pytest.fixture
def model(run: Path) -> Model:
    return opened(run, 4)


def opened(run: Path, epoch: int) -> Model:
    network = torch_network()
    network.load_state_dict(torch.load(run / "checkpoints" / f"epoch-{epoch:06d}.pt"))
    return picasso.load_model(network, preprocessing=READING, labels=LABELS)


def looked(model: Model, run: Path, **settings: Any) -> Result:
    given = {"album": str(run / "album"), "points": 5} | settings
    result = picasso.explain(model, None, "loss-landscape", cache=False, **given)
    assert isinstance(result, Result)
    return result


def own(model: Model, run: Path) -> tuple[float, float]:
    """Return loss and accuracy on the album, by PyTorch."""
    dataset = picasso.read_dataset(str(run / "album"))
    scores = np.concatenate([model.predict(model.prepare(dataset.picture(one)).x) for one in dataset.examples])
    classes = torch.tensor([LABELS.index(one.label) for one in dataset.examples])
    given = torch.from_numpy(scores)
    return float(torch.nn.functional.cross_entropy(given, classes)), float((given.argmax(1) == classes).float().mean())


def test_in_the_middle_of_a_plane_is_the_network_itself(model: Model, run: Path) -> None:
    result = looked(model, run)
    loss, accuracy = result.panels[:2]
    assert isinstance(loss, Surface)
    assert isinstance(accuracy, Surface)
    expected = own(model, run)
    assert (loss.values[2, 2], accuracy.values[2, 2]) == pytest.approx(expected, rel=1e-5)
    assert loss.x == loss.y == (-1, -0.5, 0, 0.5, 1)
    assert loss.mark == (0, 0)
    np.testing.assert_array_equal(result.arrays["loss"].T.astype(np.float32), loss.values)
    assert isinstance(result.panels[-1], Text)
    assert result.panels[-1].text.startswith("Measured on 12 pictures of")


def test_the_seed_chooses_the_directions(model: Model, run: Path) -> None:
    losses = [
        picasso.explain(model, None, "loss-landscape", seed=seed, cache=False, album=str(run / "album"), points=3)
        for seed in (0, 0, 1)
    ]
    first, again, other = (one.arrays["loss"] for one in losses if isinstance(one, Result))
    np.testing.assert_array_equal(first, again)
    assert (first[0] != other[0]).any()
    assert first[1, 1] == other[1, 1]


def test_a_line_is_drawn_as_curves(model: Model, run: Path) -> None:
    loss, accuracy, _ = looked(model, run, shape="line", points=7, span=0.5).panels
    assert isinstance(loss, Curve)
    assert isinstance(accuracy, Curve)
    assert loss.x == pytest.approx(np.linspace(-0.5, 0.5, 7))
    assert loss.lines[0].values[3] == pytest.approx(own(model, run)[0], rel=1e-5)
    assert loss.mark == 0


def test_along_a_training_the_path_ends_at_its_last_checkpoint(run: Path) -> None:
    start = opened(run, 0)
    result = looked(start, run, checkpoints=str(run / "checkpoints"), points=9)
    surface = result.panels[0]
    assert isinstance(surface, Surface)
    assert [stop.label for stop in surface.path] == [f"epoch {number}" for number in range(5)]
    assert (surface.path[-1].x, surface.path[-1].y) == (0, 0)
    assert surface.x[0] < min(stop.x for stop in surface.path)
    assert surface.x[-1] > max(stop.x for stop in surface.path)
    assert "of the movement" in surface.x_title
    np.testing.assert_allclose(result.arrays["path"][:, 0], [stop.x for stop in surface.path])


def test_the_plane_of_three_checkpoints_holds_all_three(run: Path) -> None:
    models = [opened(run, epoch) for epoch in (0, 2, 4)]
    plane = principal_plane([model.parameters() for model in models])
    assert sum(plane.explained) == pytest.approx(1)
    pictures = labelled(models[-1], str(run / "album"), 12, lambda done, total: None)
    for model, (x, y) in zip(models, plane.places, strict=True):
        cut = ParameterSlice(plane.directions, (np.array([x]), np.array([y])))
        *_, found = measure(models[-1], cut, pictures, "cross-entropy", lambda done, total: None)
        # The norms' statistics are those of the last checkpoint, the parameters those of each.
        there = models[-1].with_parameters(dict(model.parameters()))
        assert found.losses[0, 0] == pytest.approx(own(there, run)[0], rel=1e-4)


def test_without_pictures_the_network_is_asked_for_its_own_opinion(model: Model) -> None:
    result = picasso.explain(model, None, "loss-landscape", points=3, pictures=8, cache=False)
    assert isinstance(result, Result)
    assert result.arrays["accuracy"][1, 1] == 1.0
    assert "random waves" in result.panels[-1].text  # type: ignore[attr-defined]


def test_what_cannot_be_is_refused(model: Model, run: Path, tmp_path: Path) -> None:
    for epoch in (1, 2):
        torch.save(torch_network(epoch).state_dict(), tmp_path / f"{epoch}.pt")
    with pytest.raises(NotFoundError, match="holds 2 checkpoints of this network; a plane needs 3"):
        looked(model, run, checkpoints=str(tmp_path))
    with pytest.raises(NotFoundError, match="no data set with classes"):
        looked(model, run, album=str(tmp_path / "nowhere"))
    other = picasso.load_model(torch_network(), preprocessing=READING, labels=("cat", "dog"))
    with pytest.raises(DatasetError, match="The model has no class 'green'"):
        looked(other, run)
    painter = torch.nn.Conv2d(3, 2, 1)
    segmenter = picasso.load_model(painter, preprocessing=READING, labels=("day", "night"))
    for given in ({}, {"album": ""}):
        with pytest.raises(NotSupportedError, match="segmentation has no class"):
            looked(segmenter, run, **given)


def test_norms_keep_their_statistics(model: Model, run: Path) -> None:
    """Along a direction that doubles a convolution's weights, a norm in evaluation does not take that back."""
    x = drawn(8, 3)[0].astype(np.float32) / 255
    doubled = model.with_parameters({"0.weight": 2 * model.parameters()["0.weight"]})
    assert np.abs(doubled.predict(x) - model.predict(x)).max() > 0.1
