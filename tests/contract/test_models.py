"""Every kind of model that is opened keeps the contract."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picasso.core.hooks import Head
from picasso.core.opening import load_model
from picasso.core.preprocessing import Preprocessing
from picasso.demo import catalog
from picasso.models.keras.loading import import_keras
from picasso.testing import check_model, check_visualization, small_model

PREPROCESSING = Preprocessing(size=(16, 20), mean=(0.5,), std=(0.25,))
FACTORY = """
import torch


def make():
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3, padding=1),
        torch.nn.ReLU(inplace=True),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(6, 5, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(5, 3),
    )
"""
MODEL = '''
import numpy as np

from picasso.plugin import ModelFile, Prediction
from net import make


class Own(ModelFile):
    """A model that does all three hooks itself."""

    labels = ("one", "two", "three")

    def load(self):
        return make()

    def preprocess(self, pictures):
        rows = [picture[np.linspace(0, len(picture) - 1, 16).astype(int)] for picture in pictures]
        return np.stack([row[:, np.linspace(0, row.shape[1] - 1, 20).astype(int)] for row in rows]) / np.float32(255)

    def postprocess(self, activation):
        return activation if activation.ndim == 4 else activation[:, None, None, :]

    def decode_prob(self, scores):
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
        rows = shifted / shifted.sum(axis=1, keepdims=True)
        return [[Prediction(int(i), self.labels[int(i)], float(row[i])) for i in np.argsort(-row)] for row in rows]
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a user's files, from which Python imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "net.py").write_text(FACTORY, "utf-8")
    (tmp_path / "own.py").write_text(MODEL, "utf-8")
    monkeypatch.delitem(sys.modules, "net", raising=False)
    return tmp_path


def network() -> Any:
    from picasso.core.opening import load_factory

    return load_factory("net.py:make")()


def test_a_live_network() -> None:
    check_model(small_model())


@pytest.mark.parametrize("head", [Head.SIGMOID, Head.NONE])
def test_a_live_network_with_another_head(folder: Path, head: Head) -> None:
    check_model(load_model(network(), preprocessing=PREPROCESSING, head=head))


def test_a_live_network_that_ends_in_a_softmax(folder: Path) -> None:
    import torch

    model = load_model(torch.nn.Sequential(network(), torch.nn.Softmax(1)), preprocessing=PREPROCESSING)
    assert model.facts.units == "logit"
    check_model(model)


def test_a_binary_network_with_one_output(folder: Path) -> None:
    import torch

    model = load_model(torch.nn.Sequential(network(), torch.nn.Linear(3, 1)), preprocessing=PREPROCESSING)
    assert len(model.labels) == 2
    check_model(model)


def test_a_network_that_sees_grey() -> None:
    import torch

    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 14 * 18, 10)
    )
    check_model(load_model(net, preprocessing=Preprocessing(size=(16, 20), color="grey")))


def test_a_state_dict(folder: Path) -> None:
    import torch

    torch.save(network().state_dict(), "weights.pth")
    check_model(load_model("weights.pth", factory="net.py:make", preprocessing=PREPROCESSING))


def test_safetensors(folder: Path) -> None:
    from safetensors.torch import save_file

    save_file(network().state_dict(), "weights.safetensors")
    check_model(load_model("weights.safetensors", factory="net.py:make", preprocessing=PREPROCESSING))


@pytest.mark.parametrize("dynamic", [True, False])
def test_an_exported_program(folder: Path, dynamic: bool) -> None:
    import torch

    batch = torch.export.Dim("batch", min=1, max=64) if dynamic else None
    shapes = ({0: batch},) if dynamic else None
    program = torch.export.export(network().eval(), (torch.zeros(4, 3, 16, 20),), dynamic_shapes=shapes)
    torch.export.save(program, "network.pt2")
    check_model(load_model("network.pt2", preprocessing=PREPROCESSING))


def test_a_model_file_with_hooks(folder: Path) -> None:
    check_model(load_model("own.py:Own"))


@pytest.mark.parametrize("answer", ["scores", "probabilities"])
def test_a_function(answer: str) -> None:
    def scores(x: np.ndarray) -> np.ndarray:
        return np.stack([x[:, :8].mean(axis=(1, 2, 3)), x[:, 8:].mean(axis=(1, 2, 3))], axis=1) * 4

    def probabilities(x: np.ndarray) -> np.ndarray:
        powers = np.exp(scores(x) - scores(x).max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    check_model(load_model(scores if answer == "scores" else probabilities, preprocessing=PREPROCESSING))


@pytest.mark.parametrize("name", catalog.MODELS)
def test_a_demo_model(name: str) -> None:
    check_model(load_model(f"demo:{name}"))


def test_keras(tmp_path: Path) -> None:
    keras = import_keras()
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.layers.Input((16, 20, 3)),
            keras.layers.Conv2D(6, 3, activation="relu", padding="same"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(5, 3),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    live = load_model(network, preprocessing=PREPROCESSING, labels=("a", "b", "c"))
    check_model(live)
    network.save(tmp_path / "network.keras")
    check_model(load_model(tmp_path / "network.keras", preprocessing=PREPROCESSING))
    for name in ("class-probabilities", "saliency-map", "grad-cam", "cam", "eigen-cam", "score-cam", "ablation-cam"):
        check_visualization(name, live)
