"""What a Keras model keeps of its training says how pictures come in, and what the answer means."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import picasso
from picasso.models.keras import training
from picasso.models.keras.loading import import_keras

SIZE = picasso.Preprocessing(size=12)


@pytest.fixture(scope="module")
def keras() -> Any:
    return import_keras()


def small(keras: Any, end: str = "linear") -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(2, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation=end),
        ]
    )


def test_what_teachable_machine_exports_is_prepared_as_there(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    pooling = layers.GlobalAveragePooling2D(name="global_average_pooling2d_GlobalAveragePooling2D1")
    features = keras.Sequential([keras.Input((224, 224, 3)), layers.Conv2D(2, 3, 8), pooling], name="sequential_1")
    dense = layers.Dense(3, activation="softmax", name="dense_Dense1")
    head = keras.Sequential([keras.Input((2,)), dense], name="sequential_3")
    keras.Sequential([features, head]).save(tmp_path / "keras_model.keras")
    (tmp_path / "labels.txt").write_text("0 Cat\n1 Dog\n2 Bird\n")
    model = picasso.load_model(tmp_path / "keras_model.keras")
    assert model.labels == ("Cat", "Dog", "Bird")
    assert model.preprocessing.resize == "crop"
    x = model.preprocess([np.full((300, 400, 3), 255, np.uint8), np.zeros((224, 224, 3), np.uint8)])
    np.testing.assert_allclose(x.reshape(2, -1)[:, :5], [[1] * 5, [-1] * 5], atol=1e-6)
    assert any("Teachable Machine" in note for note in model.facts.notes)
    declared = picasso.load_model(tmp_path / "keras_model.keras", preprocessing=picasso.Preprocessing(size=224))
    assert declared.preprocessing.resize == "stretch"


@pytest.mark.parametrize("form", ["keras", "h5", "live"])
@pytest.mark.parametrize(
    ("loss", "end", "head"),
    [
        ("mse", "linear", "none"),
        ("Huber", "linear", "none"),
        ("BinaryCrossentropy", "linear", "sigmoid"),
        (["mean_absolute_error"], "linear", "none"),
        ("CategoricalCrossentropy", "linear", "softmax"),
        ("mse", "softmax", "softmax"),
    ],
)
def test_the_loss_says_what_the_answer_is(
    keras: Any, tmp_path: Path, form: str, loss: Any, end: str, head: str
) -> None:
    logging.getLogger("absl").setLevel(logging.ERROR)  # Keras calls HDF5 old
    network = small(keras, end)
    network.compile("adam", getattr(keras.losses, loss)() if str(loss)[0].isupper() else loss)
    network.save(tmp_path / "some.h5") if form == "h5" else network.save(tmp_path / "some.keras")
    source = network if form == "live" else tmp_path / f"some.{form}"
    model = picasso.load_model(source, preprocessing=SIZE)
    assert model.head == head
    assert any("so says the loss" in note for note in model.facts.notes) == (end == "linear" and head != "softmax")
    assert not any("declared" in note for note in model.facts.notes)
    assert picasso.load_model(source, preprocessing=SIZE, head="sigmoid").head == "sigmoid"


@pytest.mark.parametrize("loss", [None, "mine", {"a": "mse", "b": "mse"}, ["mse", "mae"], {"config": 3}, 5])
def test_a_loss_that_says_nothing_is_let_be(loss: Any, tmp_path: Path) -> None:
    class Compiled:
        pass

    model = Compiled()
    model.loss = loss  # type: ignore[attr-defined]
    assert training.head_of(model, ()) is None
