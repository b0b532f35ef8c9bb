"""Files and models of Keras 2, beside tf_keras, which wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import picasso
from picasso.core.model import INPUT
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
