"""Files of Keras 1, in its layout, beside a slow re-implementation of what it calculated."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

import picasso
from picasso.core.errors import ModelFileError
from picasso.core.facts import INPUT
from picasso.testing import check_model
from tests.models import keras_one

SIZE = picasso.Preprocessing(size=8)
X = np.random.default_rng(5).normal(size=(2, 8, 8, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("order", "backend", "turned"),
    [("tf", "", False), ("tf", "theano", True), ("th", "", True), ("th", "tensorflow", False)],
)
def test_sequential_models_of_keras_1(tmp_path: Path, order: str, backend: str, turned: bool) -> None:
    config, saved = keras_one.sequential(order)
    keras_one.write_whole(tmp_path / "old.h5", config, saved, twice=order == "tf", backend=backend)
    model = picasso.load_model(tmp_path / "old.h5", preprocessing=SIZE)
    expected = keras_one.answer(saved, X.astype(np.float64), order, turned)
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-5)
    assert model.facts.units == "logit"
    assert model.layers()[0].shape == (8, 8, 4)
    guessed = any("taken for those of Theano" in note for note in model.facts.notes)
    assert guessed == (order == "th" and not backend)
    gradient = model.pullback(X, [model.target(1)]).gradients[INPUT][0].astype(np.float64)
    direction, step = np.random.default_rng(0).normal(size=X.shape), 1e-5
    ends = [keras_one.answer(saved, X + sign * step * direction, order, turned)[:, 1] for sign in (1, -1)]
    np.testing.assert_allclose((gradient * direction).sum((1, 2, 3)), (ends[0] - ends[1]) / (2 * step), rtol=1e-3)


def test_architecture_and_weights_apart(tmp_path: Path) -> None:
    config, saved = keras_one.sequential("tf")
    (tmp_path / "model.json").write_text(json.dumps(json.dumps(config | {"keras_version": "1.2.1"})))
    with h5py.File(tmp_path / "some-weights.hdf5", "w") as file:
        keras_one.write_weights(file, saved)
    expected = keras_one.answer(saved, X.astype(np.float64), "tf", False)
    for source in ("model.json", "some-weights.hdf5"):
        model = picasso.load_model(tmp_path / source, preprocessing=SIZE)
        np.testing.assert_allclose(model.predict(X), expected, atol=1e-5)
        assert {file.name for file in model.files} == {"model.json", "some-weights.hdf5"}
        assert any("model.json" in note and "some-weights.hdf5" in note for note in model.facts.notes)
    (tmp_path / "other.h5").write_bytes((tmp_path / "some-weights.hdf5").read_bytes())
    with pytest.raises(ModelFileError, match=r"several files beside it may hold them: other\.h5, some-weights\.hdf5"):
        picasso.load_model(tmp_path / "model.json", preprocessing=SIZE)
    named = picasso.load_model(tmp_path / "model.json", preprocessing=SIZE, weights=tmp_path / "other.h5")
    np.testing.assert_allclose(named.predict(X), expected, atol=1e-5)


def test_graphs_of_keras_1_with_merges(tmp_path: Path) -> None:
    config, saved = keras_one.graph()
    keras_one.write_whole(tmp_path / "old.h5", config, saved)
    model = picasso.load_model(tmp_path / "old.h5", preprocessing=SIZE)

    def weights(name: str) -> tuple[np.ndarray, np.ndarray]:
        return saved[name][0][1], saved[name][1][1]

    a = np.maximum(keras_one.convolved(X, *weights("a"), same=True), 0)
    b = keras_one.convolved(X, *weights("b"), same=True)
    both = np.concatenate([a + b, b], axis=3)
    expected = keras_one.convolved(both, *weights("wide"), rate=2).mean((1, 2))
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-5)
    check_model(model)


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("Merge", {"mode": "dot"}, "Merge layer 'odd' of Keras 1 has no counterpart"),
        ("BatchNormalization", {"mode": 1}, "'odd' .BatchNormalization. has the setting mode=1"),
        ("MaxoutDense", {"output_dim": 3}, "'MaxoutDense' is no part of Keras"),
        ("Dense", {"output_dim": 3, "whatever": 1}, "has the setting whatever=1"),
        (3, {}, "a layer has no class"),
    ],
)
def test_what_has_no_counterpart_is_named(tmp_path: Path, kind: str, settings: dict[str, object], words: str) -> None:
    config, saved = keras_one.sequential("tf")
    config["config"].append({"class_name": kind, "config": {"name": "odd"} | settings})
    keras_one.write_whole(tmp_path / "old.h5", config, saved)
    with pytest.raises(ModelFileError, match=words):
        picasso.load_model(tmp_path / "old.h5", preprocessing=SIZE)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    config, saved = keras_one.sequential("tf")
    wrong = dict(saved)
    wrong["dense_1"] = [(name, value[:-1]) for name, value in saved["dense_1"]]
    keras_one.write_whole(tmp_path / "shape.h5", config, wrong)
    with pytest.raises(ModelFileError, match=r"'dense_1' has a weight of shape \(20, 3\); \(19, 3\) was saved"):
        picasso.load_model(tmp_path / "shape.h5", preprocessing=SIZE)
    del wrong["dense_1"]
    keras_one.write_whole(tmp_path / "absent.h5", config, wrong)
    with pytest.raises(ModelFileError, match="there are none for 'dense_1'"):
        picasso.load_model(tmp_path / "absent.h5", preprocessing=SIZE)
    renamed = {f"{name}_x": weights for name, weights in saved.items()}
    keras_one.write_whole(tmp_path / "renamed.h5", config, renamed)
    model = picasso.load_model(tmp_path / "renamed.h5", preprocessing=SIZE)
    assert any("were given in order" in note for note in model.facts.notes)
    np.testing.assert_allclose(model.predict(X), keras_one.answer(saved, X.astype(float), "tf", False), atol=1e-5)
