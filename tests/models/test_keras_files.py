"""Opening Keras files and models in this process: what is claimed, refused, assumed and noted."""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

import picasso
from picasso.core.errors import ConfigurationError, MissingExtraError, ModelFileError, PicassoError, UnsafeModelError
from picasso.core.hooks import ModelFile
from picasso.core.trust import file_digest
from picasso.models.keras import files as keras_files
from picasso.models.keras import loading as keras_loading
from picasso.models.keras import opener as adapter
from picasso.models.keras.loading import import_keras

SIZE = picasso.Preprocessing(size=12)
X = np.random.default_rng(2).normal(size=(2, 12, 12, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def keras() -> Any:
    return import_keras()


def small(keras: Any, *before: Any, end: str = "softmax") -> Any:
    layers = keras.layers
    x = start = keras.Input((12, 12, 3))
    for step in before:
        x = step(x)
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    return keras.Model(start, layers.Dense(3, activation=end, name="fc")(layers.Flatten()(x)))


@pytest.fixture(scope="module")
def files(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real files, written by Keras."""
    import absl.logging

    folder = tmp_path_factory.mktemp("files")
    level = absl.logging.get_verbosity()
    absl.logging.set_verbosity(absl.logging.ERROR)
    with keras_loading.quiet():
        model = small(keras)
        model.save(folder / "good.keras")
        model.save(folder / "good.h5")
        model.save_weights(folder / "some.weights.h5")
        small(keras, keras.layers.Lambda(lambda x: x * 2, output_shape=(12, 12, 3))).save(folder / "lambda.keras")
        small(keras, keras.layers.Lambda(lambda x: x * 2, output_shape=(12, 12, 3))).save(folder / "lambda.h5")
    absl.logging.set_verbosity(level)
    return folder


# --- what is claimed -----------------------------------------------------------------------------------------


def test_claims_by_ending_content_and_class(files: Path, keras: Any, tmp_path: Path) -> None:
    assert adapter.claims("absent.keras")
    assert adapter.claims("absent.h5")
    assert adapter.claims("absent.hdf5")
    assert not adapter.claims("absent.pt")
    misnamed = tmp_path / "model.bin"
    misnamed.write_bytes((files / "good.keras").read_bytes())
    assert adapter.claims(str(misnamed))
    assert adapter.claims(small(keras))
    assert not adapter.claims(keras.layers.Dense(3))
    assert not adapter.claims(lambda x: x)
    assert not adapter.claims(np.zeros(3))


def test_claiming_imports_no_framework() -> None:
    code = (
        "import sys; from picasso.models.keras import opener; opener.claims(lambda x: x); opener.claims('a.keras');"
        "print([name for name in ('keras', 'tensorflow', 'jax', 'torch', 'h5py') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["good.keras", "good.h5"])
def test_files_open_under_any_name(files: Path, tmp_path: Path, name: str) -> None:
    expected = picasso.load_model(str(files / name), preprocessing=SIZE)
    misnamed = tmp_path / ("other.h5" if name.endswith("keras") else "other.keras")
    misnamed.write_bytes((files / name).read_bytes())
    model = picasso.load_model(misnamed, preprocessing=SIZE)
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))
    assert model.origin() == expected.origin() == file_digest(files / name)
    assert model.facts.units == "logit"
    assert model.files == (misnamed,)


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_weights_are_read_where_they_lie_in_an_archive(files: Path, tmp_path: Path, kind: int) -> None:
    path = tmp_path / "other.keras"
    with zipfile.ZipFile(files / "good.keras") as source, zipfile.ZipFile(path, "w", kind) as file:
        file.comment = b"packed again"
        for name in reversed(source.namelist()):
            file.writestr(name, source.read(name))
    with keras_files.archived_weights(path) as content, zipfile.ZipFile(path) as archive:
        whole = h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r")
        places: list[str] = []
        whole.visit(places.append)
        held = {place: content[place] for place in places if isinstance(whole[place], h5py.Dataset)}
        assert held
        for place, data in held.items():
            np.testing.assert_array_equal(data, whole[place])
    expected = picasso.load_model(files / "good.keras", preprocessing=SIZE)
    np.testing.assert_array_equal(picasso.load_model(path, preprocessing=SIZE).predict(X), expected.predict(X))


def test_what_an_archive_stores_is_not_read_from_its_start_again(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    usual = zipfile.ZipExtFile.read

    def counted(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        content = usual(self, n)
        read.append(len(content))
        return content

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counted)
    keras_files.read_archive(files / "good.keras")
    with zipfile.ZipFile(files / "good.keras") as archive:
        assert sum(read) < archive.getinfo("model.weights.h5").file_size


def spoiled(files: Path, folder: Path) -> dict[str, Path]:
    """Files that are no model, by what is wrong with them."""

    def write(name: str, content: bytes) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    good, h5 = (files / "good.keras").read_bytes(), (files / "good.h5").read_bytes()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("readme.txt", "no model")
    hollow = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as source, zipfile.ZipFile(hollow, "w") as file:
        for name in source.namelist():
            content = source.read(name)
            file.writestr(name, content[: len(content) // 2])
    picture = io.BytesIO()
    Image.new("RGB", (4, 4)).save(picture, "PNG")
    (folder / "folder.keras").mkdir()
    return {
        "text": write("text.keras", b"this is no model"),
        "empty": write("empty.keras", b""),
        "picture": write("picture.h5", picture.getvalue()),
        "zip": write("zip.keras", archive.getvalue()),
        "cut zip": write("cut.keras", good[: len(good) // 2]),
        "hollow zip": write("hollow.keras", hollow.getvalue()),
        "cut hdf5": write("cut.h5", h5[: len(h5) // 2]),
        "pickle": write("pickle.keras", pickle.dumps({"layers": []})),
        "pickle h5": write("pickle.h5", pickle.dumps({"layers": []})),
        "folder": folder / "folder.keras",
        "absent": folder / "absent.keras",
        "weights": files / "some.weights.h5",
        "lambda": files / "lambda.keras",
        "lambda h5": files / "lambda.h5",
    }


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        ("text", ModelFileError, "text.keras is no Keras model: it is a text file"),
        ("empty", ModelFileError, "it is an empty file"),
        ("picture", ModelFileError, "it is a PNG picture"),
        ("zip", ModelFileError, "zip.keras is a zip archive, but not one that Keras wrote"),
        ("cut zip", ModelFileError, "may be cut short"),
        ("hollow zip", ModelFileError, "is damaged"),
        ("cut hdf5", ModelFileError, "may be cut short"),
        ("pickle", UnsafeModelError, "is a Python pickle: opening it would run code"),
        ("pickle h5", UnsafeModelError, "is a Python pickle: opening it would run code"),
        ("folder", ModelFileError, "is a folder"),
        ("absent", ModelFileError, "There is no file"),
        ("weights", ModelFileError, "holds weights only"),
        ("lambda", UnsafeModelError, "holds a Lambda layer"),
        ("lambda h5", UnsafeModelError, "holds a Lambda layer"),
    ],
)
def test_what_is_no_model_is_refused_in_one_clear_sentence(
    files: Path, tmp_path: Path, wrong: str, kind: type[PicassoError], words: str
) -> None:
    path = spoiled(files, tmp_path)[wrong]
    with pytest.raises(kind) as caught:
        picasso.load_model(path, preprocessing=SIZE)
    assert words in str(caught.value)
    assert caught.value.hint or wrong in ("zip", "hollow zip")
    assert "\n" not in str(caught.value)


def rewritten(files: Path, path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The good archive with another architecture in it."""
    with zipfile.ZipFile(files / "good.keras") as source, zipfile.ZipFile(path, "w") as file:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config).encode()
            file.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("layer", "kind", "words"),
    [
        ({"module": "os", "class_name": "function", "config": "system"}, ModelFileError, "'function'"),
        ({"module": "builtins", "class_name": "function", "config": "exec"}, ModelFileError, "'function'"),
        ({"module": "keras.utils", "class_name": "function", "config": "get_file"}, ModelFileError, "'function'"),
        ({"module": "my_code", "class_name": "MyLayer", "config": {}}, ModelFileError, "'MyLayer'"),
        (
            {"module": "my_code", "class_name": "MyLayer", "config": {}, "registered_name": "mine>MyLayer"},
            ModelFileError,
            "'mine>MyLayer' is no part of Keras",
        ),
        ({"module": "keras.layers", "class_name": "TFSMLayer", "config": {}}, UnsafeModelError, "TFSMLayer"),
        ({"class_name": "__lambda__", "config": {"value": ["", None, None]}}, UnsafeModelError, "Lambda"),
    ],
)
def test_code_named_by_a_file_is_never_looked_up(
    files: Path, tmp_path: Path, layer: dict[str, Any], kind: type[PicassoError], words: str
) -> None:
    path = rewritten(files, tmp_path / "bad.keras", lambda config: config["config"]["layers"][1].update(layer))
    with pytest.raises(kind) as caught:
        picasso.load_model(path, preprocessing=SIZE)
    assert words in str(caught.value)
    assert ("load()" if kind is ModelFileError else f"--trust {file_digest(path)}") in caught.value.hint


def test_a_layer_that_the_users_own_code_registered_is_known(keras: Any, tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable(package="picasso_tests")
    class Doubling(keras.layers.Layer):  # type: ignore[misc,name-defined]
        def call(self, x: Any) -> Any:
            return x * 2

    network = small(keras, Doubling())
    network.save(tmp_path / "own.keras")
    model = picasso.load_model(tmp_path / "own.keras", preprocessing=SIZE)
    np.testing.assert_allclose(model.predict(X), picasso.load_model(network, preprocessing=SIZE).predict(X), atol=1e-6)
    assert any("Doubling" in note for note in model.facts.notes)


def test_layers_of_keras_applications_are_known(keras: Any, tmp_path: Path) -> None:
    convnext = importlib.import_module("keras.src.applications.convnext")

    scaled = small(keras, convnext.LayerScale(0.5, 3, name="scale"), convnext.StochasticDepth(0.2, name="depth"))
    scaled.save(tmp_path / "scaled.keras")
    expected = picasso.load_model(scaled, preprocessing=SIZE).predict(X)
    model = picasso.load_model(tmp_path / "scaled.keras", preprocessing=SIZE)
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-6)
    # Keras 2 does not say where a class lives.
    with keras_loading.quiet():
        scaled.save(tmp_path / "scaled.h5")
    with h5py.File(tmp_path / "scaled.h5", "a") as content:
        config = json.loads(content.attrs["model_config"])
        for layer in config["config"]["layers"]:
            layer.pop("module", None)
            layer.pop("registered_name", None)
        content.attrs["model_config"] = json.dumps(config)
        content.attrs["keras_version"] = "2.15.0"
    model = picasso.load_model(tmp_path / "scaled.h5", preprocessing=SIZE)
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-6)


def test_weights_need_what_builds_the_network(files: Path, keras: Any) -> None:
    model = picasso.load_model(files / "some.weights.h5", preprocessing=SIZE, factory=lambda: small(keras))
    expected = picasso.load_model(files / "good.keras", preprocessing=SIZE)
    np.testing.assert_allclose(model.predict(X), expected.predict(X), atol=1e-6)
    with pytest.raises(ModelFileError, match=r"The factory must return a keras\.Model\. Got a int"):
        picasso.load_model(files / "some.weights.h5", factory=lambda: 3)


@pytest.mark.parametrize("form", ["dict", "list"])
def test_what_keras_2_said_of_sequential_models(keras: Any, tmp_path: Path, form: str) -> None:
    import absl.logging

    layers = keras.layers
    network = keras.Sequential([keras.Input((12, 12, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3)])
    path = tmp_path / "old.h5"
    absl.logging.set_verbosity(absl.logging.ERROR)
    network.save(path)
    old = [
        {"class_name": "Conv2D", "config": {"filters": 4, "kernel_size": [3, 3], "name": network.layers[0].name}},
        {"class_name": "Flatten", "config": {"name": network.layers[1].name}},
        {"class_name": "Dense", "config": {"units": 3, "activation": "linear", "name": network.layers[2].name}},
    ]
    old[0]["config"]["batch_input_shape"] = [None, 12, 12, 3]
    with h5py.File(path, "r+") as file:
        inner = old if form == "list" else {"name": "old", "layers": old}
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": inner})
    before = file_digest(path)
    model = picasso.load_model(path, preprocessing=SIZE)
    expected = picasso.load_model(network, preprocessing=SIZE)
    np.testing.assert_allclose(model.predict(X), expected.predict(X), atol=1e-6)
    assert file_digest(path) == before


# --- live models that cannot be used -------------------------------------------------------------------------


def test_models_that_read_no_picture_are_refused(keras: Any) -> None:
    layers = keras.layers
    first, second = keras.Input((12, 12, 3)), keras.Input((5,))
    two = keras.Model([first, second], layers.Dense(3)(layers.Concatenate()([layers.Flatten()(first), second])))
    assert picasso.load_model(two, preprocessing=SIZE).predict(X).shape == (2, 3)
    with pytest.raises(ModelFileError, match="reads an array of shape"):
        picasso.load_model(keras.Model(second, layers.Dense(3)(second)))
    with pytest.raises(ModelFileError, match="not built yet"):
        picasso.load_model(keras.Sequential([layers.Flatten(), layers.Dense(3)]), preprocessing=SIZE)
    with pytest.raises(ConfigurationError, match="reads pictures of 12 x 12 x 3; the preprocessing makes 20 x 20 x 3"):
        picasso.load_model(small(keras), preprocessing=picasso.Preprocessing(size=20))


def test_a_subclassed_model_says_its_shape_by_what_it_was_built_with(keras: Any) -> None:
    class Own(keras.Model):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.flat, self.dense = keras.layers.Flatten(), keras.layers.Dense(3)

        def call(self, x: Any) -> Any:
            return self.dense(self.flat(x))

    network = Own()
    network(X)
    model = picasso.load_model(network)
    assert model.input_shape == (12, 12, 3)
    assert [layer.kind for layer in model.layers()] == ["Flatten", "Dense"]


# --- what is assumed -----------------------------------------------------------------------------------------


def test_what_scales_its_own_input_gets_pixels_of_255(keras: Any) -> None:
    layers = keras.layers
    cases: list[tuple[Any, float]] = [
        (layers.Rescaling(1 / 255), 1),
        (layers.Rescaling(1 / 127.5, offset=-1), 1),
        (layers.Rescaling(2.0, offset=-1), 1 / 255),
        (layers.Normalization(mean=[120.0] * 3, variance=[50.0] * 3), 1),
        (layers.Normalization(mean=[0.4] * 3, variance=[0.1] * 3), 1 / 255),
        (lambda x: x / 127.5 - 1, 1),
        (lambda x: x * 2 - 1, 1 / 255),
        (lambda x: layers.Rescaling(1 / 255)(layers.RandomFlip()(x)), 1),
        (lambda x: keras.Sequential([layers.RandomFlip()])(x) / 127.5 - 1, 1),
        (layers.Conv2D(3, 1), 1 / 255),
    ]
    for step, scale in cases:
        model = picasso.load_model(small(keras, step))
        assert model.preprocessing.scale == pytest.approx(scale)
        assert any("Preprocessing was not declared" in note for note in model.facts.notes)
        assert any("left at 0..255" in note for note in model.facts.notes) == (scale == 1)


def test_one_channel_is_grey(keras: Any) -> None:
    start = keras.Input((8, 10, 1))
    model = picasso.load_model(keras.Model(start, keras.layers.Dense(2)(keras.layers.Flatten()(start))))
    assert model.preprocessing.color == "grey"
    assert model.preprocessing.size == (8, 10)


def test_the_users_word_on_the_head_counts(keras: Any) -> None:
    network = small(keras)
    kept = picasso.load_model(network, preprocessing=SIZE, head="none")
    np.testing.assert_allclose(kept.predict(X).sum(1), 1, atol=1e-5)
    assert kept.facts.units == "score"
    assert picasso.load_model(network, preprocessing=SIZE, head="softmax").facts.units == "logit"
    linear = small(keras, end="linear")
    assert picasso.load_model(linear, preprocessing=SIZE, head="sigmoid").head == "sigmoid"


def test_the_device_is_checked_and_said(keras: Any, files: Path) -> None:
    assert picasso.load_model(files / "good.keras", preprocessing=SIZE, device="cpu").predict(X).shape == (2, 3)
    with pytest.raises(ConfigurationError, match="The device 'tpu:7' cannot be used"):
        picasso.load_model(files / "good.keras", preprocessing=SIZE, device="tpu:7")
    live = picasso.load_model(small(keras), preprocessing=SIZE, device="cpu")
    assert any("runs where its weights are" in note for note in live.facts.notes)


# --- backends ------------------------------------------------------------------------------------------------


def test_the_backend_is_the_environments_else_the_first_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"keras", "jax", "torch"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name in installed else None)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    keras_loading._choose_backend()
    assert os.environ["KERAS_BACKEND"] == "jax"
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras_loading._choose_backend()
    assert os.environ["KERAS_BACKEND"] == "torch"
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    with pytest.raises(MissingExtraError, match=r"picasso\[tensorflow\]"):
        keras_loading._choose_backend()
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    with pytest.raises(ConfigurationError, match="must be one of tensorflow, jax, torch"):
        keras_loading._choose_backend()
    monkeypatch.delenv("KERAS_BACKEND")
    installed.clear()
    with pytest.raises(MissingExtraError, match=r"picasso\[keras\]"):
        keras_loading._choose_backend()
    installed.add("keras")
    with pytest.raises(MissingExtraError, match="none is installed"):
        keras_loading._choose_backend()


def test_what_a_backend_says_when_memory_is_short() -> None:
    class ResourceExhaustedError(Exception):
        """As TensorFlow names it."""

    kind = adapter.KerasModel
    assert kind.is_out_of_memory(MemoryError())
    assert kind.is_out_of_memory(ResourceExhaustedError("OOM when allocating tensor"))
    assert kind.is_out_of_memory(RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes"))
    assert not kind.is_out_of_memory(ValueError("wrong shape"))


def test_memory_that_does_not_suffice_halves_the_batch(keras: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = picasso.load_model(small(keras), preprocessing=SIZE, batch_size=8)
    assert isinstance(model, adapter.KerasModel)
    expected = model.predict(np.tile(X, (4, 1, 1, 1)))
    engine, forward = model._engine, model._engine.forward

    def scarce(x: np.ndarray, layers: tuple[str, ...] = ()) -> Any:
        if len(x) > 2:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return forward(x, layers)

    monkeypatch.setattr(engine, "forward", scarce)
    np.testing.assert_allclose(model.predict(np.tile(X, (4, 1, 1, 1))), expected, atol=1e-5)
    assert model.batch_size == 2


# --- a real network ------------------------------------------------------------------------------------------


def test_squeezenet_knows_what_is_in_photographs(shared_data: Path) -> None:
    """Data of others: real ImageNet weights and photographs."""
    folder = shared_data / "squeezenet11"
    seen = picasso.Preprocessing(
        size=227, resize="crop", short_side=256, color="bgr", scale=1, mean=(104.0, 117.0, 123.0)
    )
    model = picasso.load_model(
        folder / "squeezenet11_softmax.keras", labels=folder / "synset_words.txt", preprocessing=seen
    )
    assert model.facts.units == "logit"
    assert len(model.labels) == 1000
    last = model.default_layer()
    assert last is not None
    assert last.shape == (14, 14, 1000)
    for name, words in {
        "cat": ("cat", "tabby"),
        "bird": ("chickadee", "finch", "bunting", "jay", "brambling"),
        "sunflower": ("daisy", "bee"),
        "dragonfly": ("dragonfly", "damselfly"),
        "grace_hopper": ("suit", "military uniform", "bearskin"),
    }.items():
        with Image.open(shared_data / "photos" / f"{name}.jpg") as image:
            x = model.preprocess([np.array(image.convert("RGB"))])
        best = model.decode_prob(model.predict(x))[0][0]
        assert any(word in best.label for word in words), (name, best)
        found = model.pullback(x, [model.target(best.index)], (last.name,))
        assert found.gradients[last.name].shape == (1, 1, 14, 14, 1000)


def test_checkpoints_of_keras_2_open(shared_data: Path) -> None:
    """Data of others: HDF5 files of the time of Keras 2."""
    for name, shape in {
        "cifar10_resnet_pretrained.h5": (32, 32, 3),
        "fer2013_mini_XCEPTION.119-0.65.hdf5": (48, 48, 1),
    }.items():
        model = picasso.load_model(shared_data / "keras_h5" / name)
        assert model.input_shape == shape
        assert (model.head, model.facts.units) == ("softmax", "logit")


def test_a_model_file_may_build_its_keras_model(keras: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import keras\n"
        "class Mine:\n"
        "    labels = ('a', 'b')\n"
        "    def load(self):\n"
        "        x = keras.Input((12, 12, 3))\n"
        "        y = keras.layers.Lambda(lambda v: v * 2)(x)\n"
        "        return keras.Model(x, keras.layers.Dense(2, 'softmax')(keras.layers.Flatten()(y)))\n"
    )
    model = picasso.load_model(f"{tmp_path / 'mine.py'}:Mine", preprocessing=SIZE)
    assert isinstance(model.hooks, ModelFile)
    assert model.labels == ("a", "b")
    assert model.facts.units == "logit"
