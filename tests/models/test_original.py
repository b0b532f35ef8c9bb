"""Folders of the original Picasso open as they are, and give the numbers that the original gave."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import picasso
from picasso.core.errors import ModelFileError
from picasso.core.model import Model
from picasso.models.original import opener as original
from picasso.testing import check_model
from tests.models import tensorflow_graphs as graphs
from tests.models.tensorflow_graphs import Array, tf, v1

CONFIG = """
import os
base_dir = os.path.dirname(os.path.abspath(__file__))
MODEL_CLS_PATH = os.path.join(base_dir, 'model.py')
MODEL_CLS_NAME = 'DigitsModel'
MODEL_LOAD_ARGS = {
    'data_dir': os.path.join(base_dir, 'data-volume'),
    'tf_input_var': 'convolution2d_input_1:0',
    'tf_predict_var': 'Softmax:0',
}
"""
MODEL = """
import numpy as np
from PIL import Image
from picasso.models.tensorflow import TFModel

DIM = (28, 28)

class DigitsModel(TFModel):

    def preprocess(self, raw_inputs):
        arrays = [np.array(image.convert('L').resize(DIM, Image.ANTIALIAS)) for image in raw_inputs]
        return np.array(arrays).reshape(len(arrays), DIM[0], DIM[1], 1).astype(np.float) / 255
"""
OLDER_CONFIG = """
import os
base_dir = os.path.dirname(os.path.abspath(__file__))
MODEL_CLS_PATH = os.path.join(base_dir, 'model.py')
MODEL_CLS_NAME = 'DigitsModel'
DATA_DIR = os.path.join(base_dir, 'data-volume')
"""
OLDER_MODEL = MODEL.replace("picasso.models.tensorflow", "picasso.ml_frameworks.tensorflow.model").replace(
    "class DigitsModel(TFModel):\n",
    "class DigitsModel(TFModel):\n    TF_INPUT_VAR = 'convolution2d_input_1:0'\n    TF_PREDICT_VAR = 'Softmax:0'\n",
)
OLDEST_CONFIG = """
import os
base_dir = os.path.dirname(os.path.abspath(__file__))
BACKEND_ML = 'tensorflow'
BACKEND_PREPROCESSOR_NAME = 'prepared'
BACKEND_PREPROCESSOR_PATH = os.path.join(base_dir, 'util.py')
BACKEND_PROB_DECODER_NAME = 'named'
BACKEND_PROB_DECODER_PATH = os.path.join(base_dir, 'util.py')
BACKEND_TF_PREDICT_VAR = 'Softmax:0'
BACKEND_TF_INPUT_VAR = 'convolution2d_input_1:0'
DATA_DIR = os.path.join(base_dir, 'data-volume')
"""
OLDEST_UTIL = """
import numpy as np
from PIL import Image

def prepared(targets):
    arrays = [np.array(image.convert('L').resize((28, 28), Image.ANTIALIAS)) for image in targets]
    return np.array(arrays).reshape(len(arrays), 28, 28, 1).astype('float32') / 255

def named(rows, top=3):
    best = [sorted(enumerate(row), key=lambda pair: -pair[1])[:top] for row in rows]
    return [[{'index': i, 'name': 'digit %d' % i, 'prob': '{:.3f}'.format(p)} for i, p in row] for row in best]
"""


def _digit_net() -> Any:
    x = v1.placeholder(tf.float32, [None, 28, 28, 1], name="convolution2d_input_1")
    labels = v1.placeholder(tf.float32, [None, 10], name="labels")
    first = tf.nn.relu(tf.nn.conv2d(x, graphs.weights("w1", (5, 5, 1, 6)), 2, "SAME") + graphs.weights("b1", (6,)))
    second = tf.nn.relu(tf.nn.conv2d(first, graphs.weights("w2", (3, 3, 6, 8)), 2, "SAME"))
    logits = tf.matmul(tf.reshape(second, [-1, 7 * 7 * 8]), graphs.weights("w3", (7 * 7 * 8, 10)), name="scores")
    losses = v1.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits)
    step = v1.train.AdamOptimizer(1e-2).minimize(tf.reduce_mean(losses))
    return x, labels, logits, tf.nn.softmax(logits, name="Softmax"), step


class Original:
    """What the original computed, written anew from how it worked: a session, Pillow, and nothing of today's."""

    def __init__(self, session: Any, net: Any) -> None:
        self.session, (self.x, self.labels, self.logits, self.answer, self.step) = session, net

    def preprocess(self, images: list[Image.Image]) -> Array:
        small = [np.asarray(image.convert("L").resize((28, 28), Image.Resampling.LANCZOS)) for image in images]
        return np.stack(small)[..., None].astype(np.float32) / 255

    def probabilities(self, image: Image.Image) -> Array:
        row: Array = self.session.run(self.answer, {self.x: self.preprocess([image])})[0]
        return row

    def occlusion(self, image: Image.Image, window: float, grid: int, color: int) -> Array:
        """Return the probabilities with each window covered, (grid, grid, classes)."""
        image = image.resize((244, 244), Image.Resampling.LANCZOS)
        side = round(window * 244)
        half = side // 2
        found = np.zeros((grid, grid, 10))
        for i in range(grid):
            for j in range(grid):
                middle = [int(half + one * (244 - 2 * half) / (grid - 1)) for one in (i, j)]
                pixels = np.array(image)
                for y in range(middle[0] - half, min(244, middle[0] - half + side)):
                    pixels[y, middle[1] - half : middle[1] - half + side] = color
                found[i, j] = self.probabilities(Image.fromarray(pixels))
        return found

    def saliency(self, image: Image.Image, column: int) -> Array:
        with self.session.graph.as_default():
            (gradient,) = v1.gradients(self.logits[0:1, column : column + 1], self.x)
        size: Array = np.abs(self.session.run(gradient, {self.x: self.preprocess([image])}))[0, :, :, 0]
        return size


@pytest.fixture(scope="module")
def plain() -> Original:
    net, session = graphs.in_graph(_digit_net)
    run = Original(session, net)
    pictures, classes = graphs.digits(256)
    for start in range(0, 256, 32):
        part = slice(start, start + 32)
        session.run(run.step, {run.x: pictures[part], run.labels: np.eye(10)[classes[part]]})
    return run


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, plain: Original) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "data-volume"
    graphs.save_checkpoint(plain.session, folder, "convolutional.ckpt")
    return folder


def _folder(place: Path, weights: Path, **files: str) -> Path:
    place.mkdir(exist_ok=True)
    shutil.copytree(weights, place / "data-volume")
    for name, text in files.items():
        (place / f"{name}.py").write_text(text)
    return place


@pytest.fixture
def old(tmp_path: Path, weights: Path) -> Path:
    return _folder(tmp_path / "old", weights, config=CONFIG, model=MODEL)


def _digit(size: tuple[int, int] = (83, 61)) -> Image.Image:
    pictures, _ = graphs.digits(4)
    grey = Image.fromarray((pictures[2, ..., 0] * 255).astype(np.uint8))
    return grey.resize(size, Image.Resampling.BICUBIC).convert("RGB")


def _explained(model: Model, picture: Array, visualization: str, **settings: Any) -> picasso.Result:
    result = picasso.explain(model, picture, visualization, **settings)
    assert isinstance(result, picasso.Result)
    return result


def test_a_folder_gives_the_originals_numbers(old: Path, plain: Original) -> None:
    image = _digit()
    for source in (old, old / "config.py"):
        result = _explained(picasso.load_model(source), np.asarray(image), "class-probabilities")
        probabilities = plain.probabilities(image)
        np.testing.assert_allclose(result.arrays["probabilities"], probabilities, atol=5e-4)
        assert result.arrays["probabilities"].max() > 0.3
    best = int(probabilities.argmax())
    result = _explained(picasso.load_model(old), np.asarray(image), "saliency-map", target=str(best))
    expected = plain.saliency(image, best)
    np.testing.assert_allclose(result.attributions[0].values, expected, atol=1e-3 * expected.max())


@pytest.mark.parametrize(
    ("window", "grid", "fill", "color"),
    [
        (0.1, 5, "white", 255),
        (0.5, 2, "grey", 128),
        (0.3, 4, "black", 0),
        (0.05, 3, "grey", 128),
        (0.37, 6, "white", 255),
    ],
)
def test_occlusion_in_picture_space_is_the_originals(
    old: Path, plain: Original, window: float, grid: int, fill: str, color: int
) -> None:
    image = _digit()
    result = _explained(
        picasso.load_model(old),
        np.asarray(image),
        "partial-occlusion",
        space="image",
        score="probability",
        window=window,
        grid=grid,
        fill=fill,
    )
    expected = plain.occlusion(image, window, grid, color)
    assert result.arrays["scores"].shape == (grid, grid, 10)
    assert np.ptp(expected, axis=(0, 1)).max() > 0.003
    np.testing.assert_allclose(result.arrays["scores"], expected, atol=1e-3)


def test_the_contract_is_kept(old: Path) -> None:
    model = picasso.load_model(old)
    check_model(model)
    assert model.name == "old"
    assert model.framework == "TensorFlow"
    assert model.labels == tuple("0123456789")
    names = {file.name for file in model.files}
    assert {"config.py", "model.py", "convolutional.ckpt.meta", "convolutional.ckpt.index"} <= names


@pytest.mark.parametrize(
    "files",
    [
        {"config": OLDER_CONFIG, "model": OLDER_MODEL},
        {"config": OLDEST_CONFIG, "util": OLDEST_UTIL},
        {"config": "class Default:\n" + CONFIG.replace("\n", "\n    ") + "\n", "model": MODEL},
        {"config": CONFIG.replace("os.path.join(base_dir, ", "os.path.join('/home/of/2017', "), "model": MODEL},
        {"config": CONFIG.replace("os.path.join(base_dir, 'model.py')", "'model.py'"), "model": MODEL},
    ],
    ids=["older", "oldest", "class", "moved", "relative"],
)
def test_older_settings_open_as_well(tmp_path: Path, weights: Path, plain: Original, files: dict[str, str]) -> None:
    model = picasso.load_model(_folder(tmp_path / "folder", weights, **files))
    image = _digit()
    result = _explained(model, np.asarray(image), "class-probabilities")
    np.testing.assert_allclose(result.arrays["probabilities"], plain.probabilities(image), atol=5e-4)
    if "util" in files:
        assert model.labels[3] == "digit 3"
        scores = model.predict(model.preprocess([np.asarray(image)]))
        (best,) = model.decode_prob(scores)
        assert len(best) == 3
        assert best[0].probability == pytest.approx(model.probabilities(scores)[0].max(), abs=1e-6)


def test_names_of_classes_and_postprocess_are_the_users(tmp_path: Path, weights: Path) -> None:
    more = """
    def decode_prob(self, class_probabilities):
        names = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine']
        results = []
        for row in class_probabilities:
            entries = [{'index': i, 'name': names[i], 'prob': p} for i, p in enumerate(row)]
            results.append(sorted(entries, key=lambda e: e['prob'], reverse=True)[:self.top_probs])
        return results

    def postprocess(self, output_arr):
        return [row.reshape(2, 5) for row in output_arr]
"""
    model = picasso.load_model(_folder(tmp_path / "folder", weights, config=CONFIG, model=MODEL + more))
    check_model(model)
    assert model.labels[3] == "three"
    x = model.preprocess([np.asarray(_digit())])
    assert len(model.decode_prob(model.predict(x))[0]) == 5
    assert model.postprocess(model.activations(x, ["scores"])["scores"]).shape == (1, 2, 5, 1)
    spatial = model.activations(x, ["Relu"])["Relu"]
    assert model.postprocess(spatial).shape == spatial.shape
    assert picasso.load_model(tmp_path / "folder", labels=list("abcdefghij")).labels[3] == "d"


def test_the_newest_checkpoint_is_taken(old: Path, plain: Original) -> None:
    data = old / "data-volume"
    with plain.session.graph.as_default():
        (variable,) = (one for one in v1.global_variables() if one.op.name == "b1")
        change, undo = v1.assign_add(variable, [0.5] * 6), v1.assign_sub(variable, [0.5] * 6)
    plain.session.run(change)
    try:
        graphs.save_checkpoint(plain.session, data, "convolutional.ckpt", step=20)
        changed = plain.probabilities(_digit())
    finally:
        plain.session.run(undo)
    for file in data.glob("convolutional.ckpt.*"):
        os.utime(file, (1e9, 1e9))
    result = _explained(picasso.load_model(old), np.asarray(_digit()), "class-probabilities")
    np.testing.assert_allclose(result.arrays["probabilities"], changed, atol=5e-4)
    for file in data.glob("convolutional.ckpt-20.*"):
        os.utime(file, (9e8, 9e8))
    result = _explained(picasso.load_model(old), np.asarray(_digit()), "class-probabilities")
    np.testing.assert_allclose(result.arrays["probabilities"], plain.probabilities(_digit()), atol=5e-4)


def test_nothing_of_2017_stays(old: Path) -> None:
    from picasso.models import tensorflow

    picasso.load_model(old)
    assert not hasattr(Image, "ANTIALIAS")
    assert "float" not in vars(np)
    assert sys.modules["picasso.models.tensorflow"] is tensorflow
    assert importlib.import_module("picasso.models").tensorflow is tensorflow
    assert not [name for name in sys.modules if name.startswith(("picasso.ml_frameworks", "picasso.models.base"))]
    assert not hasattr(picasso, "ml_frameworks")
    with pytest.raises(ImportError):
        exec("from picasso.models.tensorflow import TFModel")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("picasso.models.base")


def test_a_load_of_ones_own_may_build_a_session(tmp_path: Path, weights: Path, plain: Original) -> None:
    own = """
import glob
import os
import tensorflow as tf

class DigitsModel(DigitsModel):
    def load(self, data_dir, tf_input_var=None, tf_predict_var=None):
        self._sess = tf.Session()
        saver = tf.train.import_meta_graph(glob.glob(os.path.join(data_dir, '*.meta'))[0])
        saver.restore(self._sess, os.path.join(data_dir, 'convolutional.ckpt'))
        self._tf_input_var = self._sess.graph.get_tensor_by_name(tf_input_var)
        self._tf_predict_var = self._sess.graph.get_tensor_by_name(tf_predict_var)
"""
    model = picasso.load_model(_folder(tmp_path / "folder", weights, config=CONFIG, model=MODEL + own))
    result = _explained(model, np.asarray(_digit()), "class-probabilities")
    np.testing.assert_allclose(result.arrays["probabilities"], plain.probabilities(_digit()), atol=5e-4)


# --- Keras ----------------------------------------------------------------------------------------------------------


KERAS_CONFIG = CONFIG.replace(
    "    'tf_input_var': 'convolution2d_input_1:0',\n    'tf_predict_var': 'Softmax:0',\n", ""
)
KERAS_MODEL = MODEL.replace("TFModel", "KerasModel").replace("models.tensorflow", "models.keras")


@pytest.mark.parametrize("parted", [True, False])
def test_a_keras_folder_opens(tmp_path: Path, parted: bool) -> None:
    """The files are those of Keras 2, written by tf_keras: architecture as text in JSON and weights, or both in one."""
    keras = importlib.import_module("tf_keras")
    keras.utils.set_random_seed(1)
    layers = keras.layers
    network = keras.Sequential(
        [
            layers.Conv2D(4, 5, strides=2, activation="relu", input_shape=(28, 28, 1)),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    data = tmp_path / "old" / "data-volume"
    data.mkdir(parents=True)
    with graphs.silent():
        if parted:
            (data / "model.json").write_text(json.dumps(network.to_json()))
            network.save_weights(str(data / "weights.hdf5"))
        else:
            network.save(str(data / "model.h5"))
        image = _digit()
        x = Original(None, [None] * 5).preprocess([image])
        expected = network.predict(x, verbose=0)[0]
    (tmp_path / "old" / "config.py").write_text(KERAS_CONFIG)
    (tmp_path / "old" / "model.py").write_text(KERAS_MODEL)
    model = picasso.load_model(tmp_path / "old")
    assert model.framework == "Keras"
    result = _explained(model, np.asarray(image), "class-probabilities")
    np.testing.assert_allclose(result.arrays["probabilities"], expected, atol=5e-4)
    assert model.labels == tuple("0123456789")


# --- what is wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("config", CONFIG.replace("'DigitsModel'", "'Missing'"), "model.py has no class Missing"),
        ("config", CONFIG.replace("MODEL_CLS_PATH", "OTHER_PATH"), "config.py does not set MODEL_CLS_PATH"),
        ("config", CONFIG.replace("'model.py'", "'other.py'"), r"MODEL_CLS_PATH names '.*other.py', and there is no"),
        ("config", CONFIG.replace("'data-volume'", "'nowhere'"), "data_dir names '.*nowhere', and there is no"),
        ("config", CONFIG.replace("'data-volume'", "'.'"), "There is no checkpoint of TensorFlow in"),
        ("config", CONFIG + "\n1 / 0\n", "config.py could not be imported: ZeroDivisionError"),
        ("model", "import nothing_like_that\n", "model.py could not be imported: ModuleNotFoundError"),
        (
            "model",
            MODEL + "\n    def load(self, **more):\n        raise IOError('no disk')\n",
            r"DigitsModel.load\(\) raised",
        ),
        ("model", MODEL + "\n    def load(self, **more):\n        pass\n", r"DigitsModel.load\(\) left no network"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(old: Path, name: str, text: str, said: str) -> None:
    (old / f"{name}.py").write_text(text)
    with pytest.raises(ModelFileError, match=said) as caught:
        picasso.load_model(old)
    assert "\n" not in str(caught.value)
    assert not hasattr(Image, "ANTIALIAS")


def test_other_folders_and_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("DEBUG = True\n")
    for source in (tmp_path, tmp_path / "config.py", tmp_path / "nothing", "\0", "demo:tanks"):
        assert not original.claims(str(source))
    assert not original.claims(None)
