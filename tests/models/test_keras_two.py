"""Files and models of Keras 2, beside tf_keras, which wrote them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import picasso
from picasso.core.errors import ModelFileError, UnsafeModelError
from picasso.core.facts import INPUT
from picasso.core.trust import file_digest
from picasso.models.keras.loading import quiet
from picasso.testing import check_model
from tests.models import keras_two
from tests.models.keras_two import NETWORKS, answers

SIZE = picasso.Preprocessing(size=12)
X = np.random.default_rng(4).uniform(0, 200, size=(3, 12, 12, 3)).astype(np.float32)
SMALL = X / 100 - 1


@pytest.fixture(scope="module")
def two() -> Any:
    return keras_two.import_two()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keras-2")


@pytest.fixture(scope="module", params=list(NETWORKS))
def written(request: pytest.FixtureRequest, two: Any, folder: Path) -> tuple[str, Any]:
    return request.param, keras_two.write(two, request.param, folder)


def close(mine: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    assert mine.shape == expected.shape
    assert float(np.abs(mine - expected).max()) <= tolerance * float(np.abs(expected).max()) > 0


def test_every_form_answers_as_keras_2(written: tuple[str, Any], folder: Path) -> None:
    name, network = written
    x = X if name in ("operations", "transfer") else SMALL
    column = 0 if name == "transfer" else 1
    expected, gradient = answers(network, x, column)
    for path in (folder / f"{name}.h5", folder / f"{name}.keras", folder / f"{name}-apart" / "model.json"):
        model = picasso.load_model(path, preprocessing=SIZE)
        scores = model.outputs(x)["scores"]
        given = model.probabilities(scores) if name != "assorted" else scores
        rough = name == "half"
        close(given, expected, 1e-2 if rough else 1e-5)
        assert model.facts.units == "logit"
        head = picasso.load_model(path, preprocessing=SIZE, head="none")
        mine = head.pullback(x, [head.target(column)]).gradients[INPUT][0]
        if not rough:
            close(mine, gradient, 1e-4)
        assert any("in the words of Keras 3" in note for note in model.facts.notes)
    whole, apart = folder / f"{name}-apart" / "model_weights.h5", model
    assert picasso.load_model(whole, preprocessing=SIZE).digest != ""
    assert picasso.load_model(whole, preprocessing=SIZE).origin() == apart.origin()


def test_live_models_of_keras_2_are_copied(written: tuple[str, Any]) -> None:
    name, network = written
    x = X if name in ("operations", "transfer") else SMALL
    model = picasso.load_model(network, preprocessing=SIZE)
    scores = model.outputs(x)["scores"]
    given = model.probabilities(scores) if name != "assorted" else scores
    close(given, answers(network, x, 0)[0], 1e-2 if name == "half" else 1e-5)
    assert any("was copied to Keras 3" in note for note in model.facts.notes)


def test_layers_inside_models_are_layers(two: Any, folder: Path) -> None:
    (folder / "again").mkdir()
    keras_two.write(two, "transfer", folder / "again")
    model = picasso.load_model(folder / "again" / "transfer.h5")
    names = [layer.name for layer in model.layers()]
    assert [name for name in names if name.startswith(("base/", "twice/"))] == [
        "base/stem",
        "base/norm",
        "twice/again",
        "twice/again:2",
    ]
    assert model.preprocessing.scale == 1
    check_model(model)


def changed(folder: Path, name: str, change: Any) -> Path:
    """The file of a network with another architecture in it."""
    path = folder / f"changed-{name}.h5"
    path.write_bytes((folder / f"{name}.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change({layer["config"]["name"]: layer for layer in config["config"]["layers"]})
        file.attrs["model_config"] = json.dumps(config)
    return path


def test_what_has_no_counterpart_is_named(two: Any, folder: Path) -> None:
    with quiet():
        two.Sequential([two.layers.Input((12, 12, 3)), two.layers.Flatten(), two.layers.Dense(3, name="fc")]).save(
            folder / "plain.h5"
        )
        start = two.Input((12, 12, 3))
        import tensorflow as tf

        two.Model(start, two.layers.Flatten()(tf.image.rgb_to_hsv(start))).save(folder / "hsv.h5")
        two.Sequential([two.layers.Input((12, 12, 3)), two.layers.Lambda(lambda x: x[:, 0, 0] * 2)]).save(
            folder / "lambda.h5"
        )
    refusals: list[tuple[Path, str]] = [
        (folder / "hsv.h5", "calls TensorFlow's image.rgb_to_hsv, which has no counterpart here"),
        (
            changed(folder, "plain", lambda layers: layers["fc"]["config"].update(whatever=1)),
            "The layer 'fc' .Dense. has the setting whatever=1, which Keras 3 does not know",
        ),
    ]
    for path, words in refusals:
        with pytest.raises(ModelFileError, match=words):
            picasso.load_model(path, preprocessing=SIZE)
    with pytest.raises(UnsafeModelError, match="holds a Lambda layer"):
        picasso.load_model(folder / "lambda.h5", preprocessing=SIZE)
    model = picasso.load_model(folder / "lambda.h5", preprocessing=SIZE, trust=file_digest(folder / "lambda.h5"))
    np.testing.assert_allclose(model.predict(SMALL), SMALL[:, 0, 0] * 2, atol=1e-6)


def test_a_live_subclassed_model_says_no_layers(two: Any) -> None:
    class Own(two.Model):  # type: ignore[misc,name-defined]
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(ModelFileError, match="subclassed one of Keras 2"):
        picasso.load_model(Own(), preprocessing=SIZE)
    layers = two.layers
    start = two.Input((12, 12, 3))
    coded = two.Model(start, layers.Flatten()(layers.Lambda(lambda x: x * 2)(start)))
    with pytest.raises(ModelFileError, match="holds a Lambda layer, whose code cannot be carried over"):
        picasso.load_model(coded, preprocessing=SIZE)


def test_teachable_machine_with_its_labels(two: Any, folder: Path) -> None:
    apart = folder / "teachable"
    apart.mkdir()
    keras_two.write(two, "teachable", apart)
    (apart / "labels.txt").write_text("0 Cat\n1 Dog at home\n")
    model = picasso.load_model(apart / "teachable.h5", labels=apart / "labels.txt", preprocessing=SIZE)
    assert model.labels == ("Cat", "Dog at home")
    assert "sequential" in model.layers()[0].name
    check_model(model)
