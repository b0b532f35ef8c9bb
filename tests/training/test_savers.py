"""Real short trainings through the savers: what they leave is what the network was."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import picasso
from picasso.core.errors import ConfigurationError
from picasso.core.learning.checkpoints import JOURNAL, list_checkpoints
from picasso.core.panels import FeatureMaps, Series
from picasso.core.preprocessing import Preprocessing
from picasso.training import TensorBoardViews, keras_checkpoints, save_checkpoint
from tests.training.runs import LABELS, SIDE, drawn, keras_network, torch_network, torch_run

READING = Preprocessing(size=(SIDE, SIDE))


def test_a_pytorch_training_leaves_its_network_at_each_epoch(tmp_path: Path) -> None:
    network = torch_run(tmp_path, epochs=3)
    found = list_checkpoints(tmp_path)
    assert [one.label for one in found] == ["epoch 0", "epoch 1", "epoch 2", "epoch 3"]
    assert [list(one.metrics) for one in found] == [[], ["loss"], ["loss"], ["loss"]]
    assert found[3].metrics["loss"] < found[1].metrics["loss"]

    model = picasso.load_model(torch_network(seed=7), preprocessing=READING, labels=LABELS)
    x = drawn(6, 9)[0].astype(np.float32) / 255
    before = model.predict(x)
    there = model.at_checkpoint(found[-1].path)
    trained = picasso.load_model(network, preprocessing=READING, labels=LABELS)
    np.testing.assert_array_equal(there.predict(x), trained.predict(x))
    np.testing.assert_array_equal(model.predict(x), before)
    assert len({model.digest, there.digest, model.at_checkpoint(found[0].path).digest}) == 3


def test_a_keras_training_leaves_its_network_before_it_and_at_each_epoch(tmp_path: Path) -> None:
    network = keras_network()
    pictures, classes = drawn(32, 1)
    x = pictures.astype(np.float32) / 255
    model = picasso.load_model(network, preprocessing=READING, labels=LABELS)
    start = model.predict(x[:6])
    network.fit(x, classes, epochs=3, batch_size=8, verbose=0, callbacks=[keras_checkpoints(tmp_path, every=2)])
    found = list_checkpoints(tmp_path)
    assert [one.label for one in found] == ["epoch 0", "epoch 2", "epoch 3"]
    assert set(found[1].metrics) == {"accuracy", "loss"}

    end, state = model.predict(x[:6]), [np.asarray(value) for value in network.optimizer.variables]
    np.testing.assert_allclose(model.at_checkpoint(found[0].path).predict(x[:6]), start, rtol=1e-6)
    np.testing.assert_allclose(model.at_checkpoint(found[2].path).predict(x[:6]), end, rtol=1e-6)
    np.testing.assert_array_equal(model.predict(x[:6]), end)
    for kept, value in zip(state, network.optimizer.variables, strict=True):
        np.testing.assert_array_equal(kept, np.asarray(value))

    # The copies are read as op graphs with their own numbers.
    shown = picasso.explain(model, None, "through-training", checkpoints=str(tmp_path))
    assert isinstance(shown, picasso.Result)
    series = next(panel for panel in shown.panels if isinstance(panel, Series))
    for step, one in zip(series.steps, found, strict=True):
        kernels = step.panels[0]
        assert isinstance(kernels, FeatureMaps)
        weights = model.at_checkpoint(one.path).parameters()["conv/kernel"]
        np.testing.assert_array_equal(kernels.values, weights.transpose(3, 0, 1, 2))
    around = picasso.explain(model, None, "loss-landscape", checkpoints=str(tmp_path), points=3, pictures=4)
    assert isinstance(around, picasso.Result)
    assert np.isfinite(around.arrays["loss"]).all()

    # A training that goes on does not begin anew.
    network.fit(x, classes, epochs=5, initial_epoch=3, verbose=0, callbacks=[keras_checkpoints(tmp_path)])
    assert [one.step for one in list_checkpoints(tmp_path)] == [0, 2, 3, 4, 5]


def test_a_keras_training_that_stops_early_or_is_begun_again_leaves_its_last_epoch(tmp_path: Path) -> None:
    import keras

    network, (pictures, classes) = keras_network(), drawn(8, 1)
    x = pictures.astype(np.float32) / 255
    early = keras.callbacks.EarlyStopping("loss", mode="max", patience=1, restore_best_weights=False)
    for callbacks in ([keras_checkpoints(tmp_path, every=4), early], [early, keras_checkpoints(tmp_path, every=4)]):
        network.fit(x, classes, epochs=9, verbose=0, callbacks=callbacks)
    found = list_checkpoints(tmp_path)
    steps = [one.step for one in found]
    assert steps == [0, *range(2, 2 * len(steps), 2)][:3] == [0, 2, 4]  # patience of one epoch is over after two
    model = picasso.load_model(network, preprocessing=READING, labels=LABELS)
    np.testing.assert_allclose(model.at_checkpoint(found[-1].path).predict(x), model.predict(x), rtol=1e-6)


def test_a_training_that_fails_while_it_saves_leaves_no_half_file(tmp_path: Path) -> None:
    class Broken:
        def state_dict(self) -> object:
            raise RuntimeError("out of space")

    with pytest.raises(RuntimeError, match="out of space"):
        save_checkpoint(Broken(), tmp_path / "run", epoch=1)
    assert not (tmp_path / "run").exists()
    save_checkpoint(torch_network(), tmp_path, epoch=1, step=40, metrics={"loss": np.float32(0.5), "bad": float("nan")})
    assert sorted(file.name for file in tmp_path.iterdir()) == ["epoch-000001-step-000040.pt", JOURNAL]
    line = json.loads((tmp_path / JOURNAL).read_text())
    assert line == {"file": "epoch-000001-step-000040.pt", "epoch": 1, "step": 40, "metrics": {"loss": 0.5}}


def test_bad_moments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="needs its epoch or its step"):
        save_checkpoint(torch_network(), tmp_path)
    with pytest.raises(ConfigurationError, match="epoch must not be negative"):
        save_checkpoint(torch_network(), tmp_path, epoch=-1)
    with pytest.raises(ConfigurationError, match="every must be at least 1"):
        keras_checkpoints(tmp_path, every=0)


def test_tensorboard_reads_the_views_and_the_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.compat.notf", sys)  # its reader need not load TensorFlow
    import torch
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    network = torch_network()
    model = picasso.load_model(network, preprocessing=READING, labels=LABELS)
    picture = drawn(1, 3)[0][0]
    board = TensorBoardViews(tmp_path, model, ["filters", ("grad-cam", {})], picture)
    board.write(0, {"loss": 1.5})
    with torch.no_grad():
        network[0].weight.mul_(-1)
    board.write(1, {"loss": 0.5})
    board.close()
    read = EventAccumulator(str(tmp_path))
    read.Reload()
    assert [(one.step, one.value) for one in read.Scalars("metrics/loss")] == [(0, 1.5), (1, 0.5)]
    assert {"filters/kernels", "grad-cam/red", "grad-cam/green"} <= set(read.Tags()["images"])
    first, second = read.Images("filters/kernels")
    assert first.encoded_image_string != second.encoded_image_string
    assert (first.width, first.height) == (second.width, second.height)
