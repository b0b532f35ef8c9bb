"""Losses against closed forms, and a grid that goes on where it was stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from picasso.core.errors import CanceledError
from picasso.core.learning.kept_points import MOST, KeptPoints
from picasso.core.learning.labelled import Labelled
from picasso.core.learning.landscape import (
    Measured,
    ParameterSlice,
    landscape_key,
    mean_loss,
    measure,
    spread_around,
    usual_loss,
)
from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.preprocessing import Array, Preprocessing

SIDE, CLASSES = 4, 3


class Linear(torch.nn.Module):
    """Class scores that are linear in the pixels and in the weights."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.scores = torch.nn.Linear(3 * SIDE**2, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scores(x.flatten(1))


def linear(seed: int = 0, head: str = "none") -> Model:
    return load_model(Linear(seed), preprocessing=Preprocessing(size=(SIDE, SIDE)), labels=("a", "b", "c"), head=head)


def pictures(count: int = 12) -> Labelled:
    random = np.random.default_rng(1)
    x = random.random((count, SIDE, SIDE, 3), np.float32)
    digests = tuple(map(str, range(count)))
    return Labelled(x, np.arange(count) % CLASSES, {0: "a", 1: "b", 2: "c"}, digests, 0, count)


def direction(model: Model, seed: int) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    return {name: random.normal(size=value.shape).astype(np.float32) for name, value in model.parameters().items()}


def quiet(done: int, total: int) -> None:
    """Report nothing."""


def last(model: Model, cut: ParameterSlice, given: Labelled, loss: Any, **more: Any) -> Measured:
    return list(measure(model, cut, given, loss, quiet, **more))[-1]


def test_cross_entropy_is_that_of_pytorch() -> None:
    random = np.random.default_rng(0)
    scores, classes = (20 * random.normal(size=(9, 4))).astype(np.float32), random.integers(0, 4, 9)
    given, wanted = torch.from_numpy(scores).double(), torch.from_numpy(classes)
    expected = torch.nn.functional.cross_entropy(given, wanted)
    assert mean_loss(scores, classes, "cross-entropy", "softmax") == pytest.approx(float(expected), rel=1e-12)
    one_hot = torch.nn.functional.one_hot(wanted, 4).double()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(given, one_hot)
    assert mean_loss(scores, classes, "cross-entropy", "sigmoid") == pytest.approx(float(expected), rel=1e-12)
    expected = ((given - one_hot) ** 2).sum(1).mean()
    assert mean_loss(scores, classes, "squared", "none") == pytest.approx(float(expected), rel=1e-12)


def test_the_usual_loss_goes_by_the_head() -> None:
    assert usual_loss(linear(head="none")) == "squared"
    assert usual_loss(linear(head="softmax")) == "cross-entropy"


def test_the_squared_loss_of_a_linear_model_is_the_parabola_of_its_closed_form() -> None:
    model, given = linear(), pictures()
    axes = tuple(direction(model, seed) for seed in (1, 2))
    amounts = np.linspace(-0.5, 0.5, 5), np.linspace(-1, 1, 7)
    found = last(model, ParameterSlice(axes, amounts), given, "squared")
    x = given.x.transpose(0, 3, 1, 2).reshape(len(given), -1).astype(np.float64)
    wanted = np.eye(CLASSES)[given.classes]

    def scores(point: dict[str, Array]) -> np.ndarray:
        return x @ point["scores.weight"].astype(np.float64).T + point["scores.bias"]

    here, (first, second) = scores(dict(model.parameters())) - wanted, map(scores, axes)
    # |e + a u + b v|^2 in six numbers: quadratic in (a, b).
    dot = lambda p, q: float((p * q).sum() / len(given))  # noqa: E731
    a, b = np.meshgrid(*amounts, indexing="ij")
    expected = (
        dot(here, here) + 2 * a * dot(here, first) + 2 * b * dot(here, second)
        + a**2 * dot(first, first) + b**2 * dot(second, second) + 2 * a * b * dot(first, second)
    )  # fmt: skip
    np.testing.assert_allclose(found.losses, expected, rtol=1e-4)
    right = (scores(dict(model.parameters())).argmax(1) == given.classes).mean()
    assert found.accuracies[2, 3] == pytest.approx(right)


def test_around_its_minimum_a_quadratic_is_symmetric() -> None:
    given = pictures(60)
    x = given.x.transpose(0, 3, 1, 2).reshape(len(given), -1).astype(np.float64)
    design = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    best = np.linalg.lstsq(design, np.eye(CLASSES)[given.classes], rcond=None)[0].T
    model = linear().with_parameters(
        {"scores.weight": best[:, :-1].astype(np.float32), "scores.bias": best[:, -1].astype(np.float32)}
    )
    cut = ParameterSlice((direction(model, 4),), (np.linspace(-1, 1, 11),))
    losses = last(model, cut, given, "squared").losses
    np.testing.assert_allclose(losses, losses[::-1], rtol=1e-4)
    assert losses.argmin() == 5


def test_a_sketch_comes_before_the_whole(tmp_path: Path) -> None:
    model = linear()
    cut = ParameterSlice((direction(model, 1), direction(model, 2)), (np.linspace(-1, 1, 9),) * 2)
    order = cut.order()
    assert len(order) == len(set(order)) == 81
    assert order[:4] == [(0, 0), (0, 8), (8, 0), (8, 8)]
    seen = list(measure(model, cut, pictures(), "squared", quiet, KeptPoints("a", tmp_path)))
    assert [one.done for one in seen] == [5, 20, 81]
    assert np.isfinite(seen[0].losses).sum() == 5
    assert np.isfinite(seen[-1].losses).all()
    np.testing.assert_array_equal(seen[0].losses[0, 0], seen[-1].losses[0, 0])


def test_where_scores_are_not_finite_the_loss_is_unknown(tmp_path: Path) -> None:
    model = linear()
    far = {name: np.full_like(value, 3e38) for name, value in model.parameters().items()}
    found = last(model, ParameterSlice((far,), (np.array([-1.0, 0, 1]),)), pictures(), "squared")
    assert np.isnan(found.losses).tolist() == [True, False, True]


def test_a_canceled_grid_goes_on_where_it_stopped(tmp_path: Path) -> None:
    model, given = linear(), pictures()
    cut = ParameterSlice((direction(model, 1),), (np.linspace(-1, 1, 10),))

    def stopping(done: int, total: int) -> None:
        if done == 4:
            raise CanceledError("Canceled.")

    with pytest.raises(CanceledError):
        list(measure(model, cut, given, "squared", stopping, KeptPoints("k", tmp_path)))
    kept = KeptPoints("k", tmp_path)
    known = kept.read()
    assert list(known) == cut.order()[:4]
    kept.write(cut.order()[0], (123.0, 0.5))  # what is known is taken as it is, and not measured again
    whole = last(model, cut, given, "squared", kept=kept)
    assert whole.losses[cut.order()[0]] == 123
    whole.losses[cut.order()[0]], whole.accuracies[cut.order()[0]] = known[cut.order()[0]]
    fresh = last(model, cut, given, "squared", kept=KeptPoints("other", tmp_path))
    np.testing.assert_array_equal(whole.losses, fresh.losses)
    np.testing.assert_array_equal(whole.accuracies, fresh.accuracies)


KILLED = """
import time
import tests.core.learning.test_landscape as these

model = these.linear()
cut = these.ParameterSlice((these.direction(model, 1),), (these.np.linspace(-1, 1, 40),))

def report(done, total):
    print(done, flush=True)
    time.sleep(0.02)

list(these.measure(model, cut, these.pictures(), "squared", report))
"""


def test_a_killed_process_leaves_what_it_measured(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    environment = os.environ | {"PICASSO_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 7:
                process.send_signal(signal.SIGKILL)
                break
    model = linear()
    cut = ParameterSlice((direction(model, 1),), (np.linspace(-1, 1, 40),))
    key = landscape_key(model, cut, pictures(), "squared")
    kept = KeptPoints(key, tmp_path / "landscapes")
    assert 7 <= len(kept.read()) < 40
    found = last(model, cut, pictures(), "squared", kept=kept)
    fresh = last(model, cut, pictures(), "squared", kept=KeptPoints("fresh", tmp_path / "other"))
    np.testing.assert_array_equal(found.losses, fresh.losses)


def test_the_key_is_another_for_everything_that_decides_the_numbers() -> None:
    model, given = linear(), pictures()
    cut = ParameterSlice((direction(model, 1),), (np.linspace(-1, 1, 5),))
    keys = {
        landscape_key(model, cut, given, "squared"),
        landscape_key(linear(1), cut, given, "squared"),
        landscape_key(model, ParameterSlice((direction(model, 2),), cut.amounts), given, "squared"),
        landscape_key(model, ParameterSlice(cut.directions, (np.linspace(-1, 1, 7),)), given, "squared"),
        landscape_key(model, cut, pictures(9), "squared"),
        landscape_key(model, cut, given, "cross-entropy"),
    }
    assert len(keys) == 6
    assert landscape_key(linear(), cut, pictures(), "squared") in keys


def test_the_oldest_grids_go(tmp_path: Path) -> None:
    for number in range(MOST + 3):
        file = tmp_path / f"{number}.sqlite"
        file.write_bytes(b"")
        os.utime(file, (number, number))
    KeptPoints("new", tmp_path).close()
    names = {file.name for file in tmp_path.iterdir()}
    assert len(names) == MOST
    assert "new.sqlite" in names
    assert "0.sqlite" not in names


def test_a_damaged_grid_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "k.sqlite").write_bytes(b"no database at all" * 100)
    for known in ({}, {(0,): (1.5, 0.5)}):
        kept = KeptPoints("k", tmp_path)
        assert kept.read() == known
        kept.write((0,), (1.5, 0.5))
        kept.close()


def test_a_folder_that_cannot_be_written_costs_the_memory_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    kept = KeptPoints("k", tmp_path / "file")
    kept.write((1, 2), (0.1, float("nan")))
    ((place, numbers),) = kept.read().items()
    assert place == (1, 2)
    assert numbers[0] == 0.1
    assert np.isnan(numbers[1])


def test_where_the_disk_is_full_points_last_as_long_as_the_process(tmp_path: Path) -> None:
    kept, known = KeptPoints("k", tmp_path), {}
    pages = kept._database.execute("PRAGMA page_count").fetchone()[0]
    kept._database.execute(f"PRAGMA max_page_count = {pages}")  # SQLite then says that the disk is full
    for place in range(400):
        known[place, 0] = (place / 3, 0.25)
        kept.write((place, 0), known[place, 0])
    assert kept.read() == known
    kept.close()
    assert 0 < len(KeptPoints("k", tmp_path).read()) < 400


def test_amounts_reach_beyond_what_the_training_covered() -> None:
    np.testing.assert_allclose(spread_around([3.0, 1.0, 0.0], 5), [-0.6, 0.45, 1.5, 2.55, 3.6])
    np.testing.assert_allclose(spread_around([0.0, 0.0], 3), [-0.2, 0, 0.2])
