"""The networks of keras.applications by name, against Keras itself."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from picasso.core.errors import ModelFileError
from picasso.core.hooks import Head
from picasso.core.opening import load_model
from picasso.models.hub import keras as hub_keras
from picasso.testing.common import trial_picture
from tests.models.hub_offline import cut_off

MODULES = sorted(
    name
    for name, part in vars(keras.applications).items()
    if hasattr(part, "preprocess_input") and name != "imagenet_utils"
)


@pytest.mark.parametrize("name", MODULES)
def test_a_picture_becomes_what_keras_makes_of_it(name: str) -> None:
    home = getattr(keras.applications, name)
    preprocessing = hub_keras.read_preprocessing(home, (None, 64, 48, 3))
    pixels = trial_picture(1, 120, 160).pixels
    stretched = np.asarray(Image.fromarray(pixels).resize((48, 64), Image.Resampling.BILINEAR), np.float32)
    np.testing.assert_allclose(preprocessing.apply(pixels), home.preprocess_input(stretched), rtol=1e-5, atol=4e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vgg16", {"color": "bgr", "scale": 1.0, "mean": (103.939, 116.779, 123.68), "std": (1.0,)}),
        ("mobilenet_v2", {"color": "rgb", "scale": 1 / 127.5, "mean": (1.0,), "std": (1.0,)}),
        ("densenet", {"scale": 1 / 255, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}),
        ("efficientnet", {"scale": 1.0, "mean": (0.0,), "std": (1.0,)}),
    ],
)
def test_the_preprocessing_is_said_in_plain_numbers(name: str, expected: dict[str, Any]) -> None:
    found = hub_keras.read_preprocessing(getattr(keras.applications, name), (None, None, None, 3))
    assert found.size == 224
    assert {key: getattr(found, key) for key in expected} == expected


@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
def test_weights_of_seven_classes_open_and_answer_as_in_keras(ending: str, tmp_path: Path) -> None:
    network = keras.applications.MobileNet(weights=None, classes=7)
    file = tmp_path / f"mine{ending}"
    network.save(file) if ending == ".keras" else network.save_weights(file)
    if ending == ".keras":  # the whole way once, the reading of the other layout alone
        made = hub_keras.make("keras:MobileNet", str(file)).network
        for ours, theirs in zip(made.weights, network.weights, strict=True):
            np.testing.assert_array_equal(np.asarray(ours.value), np.asarray(theirs.value))
        return
    model = load_model("keras:MobileNet", weights=file)
    picture = trial_picture(2, 300, 400)
    x = model.prepare(picture).x
    theirs = np.asarray(network(x, training=False))
    np.testing.assert_allclose(model.probabilities(model.predict(x)), theirs, atol=1e-5)
    assert (model.name, model.head, len(model.labels)) == ("keras:MobileNet", Head.SOFTMAX, 7)
    assert model.files == (file,)
    assert "of keras.applications.mobilenet, the picture stretched" in model.facts.notes[0]


def test_random_weights_are_the_same_every_time_and_leave_others_alone() -> None:
    random.seed(5)
    expected = random.random()
    random.seed(5)
    made, again = (hub_keras.make("keras:mobilenet", "random") for _ in range(2))
    assert random.random() == expected
    for first, second in zip(made.network.weights, again.network.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(first.value), np.asarray(second.value))
    assert any("untrained" in note for note in made.notes)


def test_labels_are_those_in_the_cache(tmp_path: Path) -> None:
    assert hub_keras.labels_in(tmp_path) == ()
    (tmp_path / "imagenet_class_index.json").write_text(json.dumps({"0": ["n1", "tench"], "1": ["n2", "great_owl"]}))
    assert hub_keras.labels_in(tmp_path) == ("tench", "great owl")
    (tmp_path / "imagenet_class_index.json").write_text("[")
    assert hub_keras.labels_in(tmp_path) == ()


def test_offline_one_sentence_says_what_where_and_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(monkeypatch, tmp_path)
    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ModelFileError) as caught:
        load_model("keras:MobileNet")
    assert caught.value.message == (
        "The weights of keras:MobileNet could not be downloaded from Keras's storage (URL fetch failure [Errno -2] "
        f"Name or service not known), and the cache {tmp_path / 'models'} does not hold them."
    )
    assert "--weights FILE" in caught.value.hint


def test_names_and_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"keras.applications has no model 'VGG61'. Did you mean keras:VGG1"):
        load_model("keras:VGG61")
    with pytest.raises(ModelFileError, match="There is no file of weights"):
        load_model("keras:MobileNet", weights=tmp_path / "absent.h5")
    (tmp_path / "text.h5").write_text("no weights")
    with pytest.raises(ModelFileError, match=r"text.h5"):
        load_model("keras:MobileNet", weights=tmp_path / "text.h5")
