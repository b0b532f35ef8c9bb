"""What Keras files must not do, and what they are called when their name says something else."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import picasso
from picasso.core.errors import ModelFileError, PicassoError, UnsafeModelError
from picasso.core.trust import file_digest
from picasso.models.keras.loading import import_keras, quiet

SIZE = picasso.Preprocessing(size=12)
X = np.random.default_rng(2).normal(size=(2, 12, 12, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def keras() -> Any:
    return import_keras()


def small(keras: Any, *before: Any) -> Any:
    x = start = keras.Input((12, 12, 3))
    for step in before:
        x = step(x)
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    return keras.Model(start, keras.layers.Dense(3, activation="softmax", name="fc")(keras.layers.Flatten()(x)))


@pytest.fixture(scope="module")
def files(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import absl.logging

    folder = tmp_path_factory.mktemp("files")
    absl.logging.set_verbosity(absl.logging.ERROR)
    with quiet():
        model = small(keras)
        model.save(folder / "good.keras")
        model.save(folder / "good.h5")
        model.save_weights(folder / "some.weights.h5")
        coded = small(keras, keras.layers.Lambda(lambda x: x * 2, output_shape=(12, 12, 3)))
        coded.save(folder / "coded.keras")
        coded.save(folder / "coded.h5")
    (folder / "good.json").write_text(model.to_json())
    return folder


def repacked(files: Path, path: Path, change: Callable[[dict[str, bytes]], None], **choices: Any) -> Path:
    """The good archive with other content."""
    with zipfile.ZipFile(files / "good.keras") as source:
        content = {name: source.read(name) for name in source.namelist()}
    change(content)
    with zipfile.ZipFile(path, "w", **choices) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def refused(path: Path, kind: type[PicassoError], words: str) -> PicassoError:
    with pytest.raises(kind, match=words) as caught:
        picasso.load_model(path, preprocessing=SIZE)
    assert "\n" not in str(caught.value)
    return caught.value


# --- HDF5 ----------------------------------------------------------------------------------------------------


def hostile(files: Path, path: Path, change: Callable[[Any, Any], None]) -> Path:
    """The good HDF5 file, changed; `change` gets the file and the group of one layer."""
    path.write_bytes((files / "good.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        group = file["model_weights/conv"]
        while not any(isinstance(inner, h5py.Dataset) for inner in group.values()):
            group = next(iter(group.values()))
        change(file, group)
    return path


def replace(group: Any, make: Callable[[str], Any]) -> None:
    del group["kernel"]
    made = make("kernel")
    if made is not None:
        group["kernel"] = made


def virtual(group: Any) -> None:
    layout = h5py.VirtualLayout(shape=(3, 3, 3, 4), dtype="f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", shape=(3, 3, 3, 4))
    del group["kernel"]
    group.create_virtual_dataset("kernel", layout)


def outside(group: Any) -> None:
    del group["kernel"]
    group.create_dataset("kernel", shape=(3, 3, 3, 4), dtype="f4", external=[("/etc/hostname", 0, 432)])


def hollow(group: Any) -> None:
    del group["kernel"]
    group.create_dataset("kernel", shape=(10**6, 10**6), dtype="f4", chunks=(1000, 1000))


def squeezed(group: Any) -> None:
    del group["kernel"]
    group.create_dataset("kernel", data=np.zeros((3000, 3000), np.float32), chunks=True, compression="gzip")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda file, group: replace(group, lambda name: h5py.ExternalLink("/etc/hostname", "/x")),
            "link to another file",
        ),
        (lambda file, group: replace(group, lambda name: h5py.SoftLink("/model_weights/fc")), "link to another place"),
        (lambda file, group: virtual(group), "keeps '.*kernel' in another file"),
        (lambda file, group: outside(group), "keeps '.*kernel' in another file"),
        (lambda file, group: hollow(group), "declares 1,000,000,000,000 numbers in '.*kernel', but does not hold them"),
        (lambda file, group: squeezed(group), "declares 9,000,000 numbers"),
    ],
)
def test_hdf5_that_leads_elsewhere(files: Path, tmp_path: Path, change: Any, words: str) -> None:
    path = hostile(files, tmp_path / "bad.h5", change)
    refused(path, UnsafeModelError, words)
    packed = repacked(
        files, tmp_path / "bad.keras", lambda content: content.update({"model.weights.h5": path.read_bytes()})
    )
    refused(packed, UnsafeModelError, words)


def test_groups_that_hold_themselves_end(files: Path, tmp_path: Path) -> None:
    path = hostile(files, tmp_path / "loop.h5", lambda file, group: group.__setitem__("loop", file["model_weights"]))
    assert picasso.load_model(path, preprocessing=SIZE).predict(X).shape == (2, 3)


# --- sizes ---------------------------------------------------------------------------------------------------


def declared(config: dict[str, Any], name: str, **settings: Any) -> None:
    for layer in config["config"]["layers"]:
        if layer["config"]["name"] == name:
            layer["config"].update(settings)
            layer.pop("build_config", None)


@pytest.mark.parametrize(
    ("layer", "settings", "words"),
    [
        ("fc", {"units": 10**12}, "declares a layer 'fc' with .* weights; it holds"),
        ("conv", {"filters": 10**9}, "declares a layer 'conv' with .* weights; it holds"),
        ("conv", {"kernel_size": [10, 10**10]}, "."),
        ("picture", {"batch_shape": [None, 10**6, 10**6, 3]}, "."),
    ],
)
@pytest.mark.parametrize("form", ["keras", "h5"])
def test_declared_sizes_are_checked_before_memory_is_taken(
    files: Path, tmp_path: Path, layer: str, settings: dict[str, Any], words: str, form: str
) -> None:
    path = tmp_path / f"large.{form}"
    if form == "h5":
        path.write_bytes((files / "good.h5").read_bytes())
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            first = config["config"]["layers"][0]["config"]["name"]
            declared(config, first if layer == "picture" else layer, **settings)
            file.attrs["model_config"] = json.dumps(config)
    else:

        def change(content: dict[str, bytes]) -> None:
            config = json.loads(content["config.json"])
            first = config["config"]["layers"][0]["config"]["name"]
            declared(config, first if layer == "picture" else layer, **settings)
            content["config.json"] = json.dumps(config).encode()

        repacked(files, path, change)
    refused(path, ModelFileError, words)


def test_layers_that_return_absurdly_much(keras: Any, files: Path, tmp_path: Path) -> None:
    start = keras.Input((12, 12, 3))
    x = keras.layers.UpSampling2D(4)(start)
    network = keras.Model(start, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))
    network.save(tmp_path / "up.keras")
    with zipfile.ZipFile(tmp_path / "up.keras") as source:
        content = {name: source.read(name) for name in source.namelist()}
    config = content["config.json"].replace(b'"size": [4, 4]', b'"size": [40000, 40000]')
    assert config != content["config.json"]
    with zipfile.ZipFile(tmp_path / "up.keras", "w") as archive:
        for name, data in (content | {"config.json": config}).items():
            archive.writestr(name, data)
    refused(tmp_path / "up.keras", ModelFileError, "returns 480000 x 480000 x 3 numbers: that is too large")


# --- archives ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "a/../../evil", "C:\\evil", "..\\evil"])
def test_names_that_lead_out_of_the_archive(files: Path, tmp_path: Path, name: str) -> None:
    path = repacked(files, tmp_path / "bad.keras", lambda content: content.update({name: b"x"}))
    refused(path, UnsafeModelError, "names a file outside of it")


def test_links_bombs_and_doubles_in_archives(files: Path, tmp_path: Path) -> None:
    path = repacked(files, tmp_path / "link.keras", lambda content: None)
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("assets/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    refused(path, UnsafeModelError, "names a file outside of it: 'assets/link'")
    bomb = repacked(
        files,
        tmp_path / "bomb.keras",
        lambda content: content.update(zeros=bytes(2**24)),
        compression=zipfile.ZIP_DEFLATED,
    )
    refused(bomb, UnsafeModelError, "is a zip bomb: 'zeros' in it grows to 16 MB")
    twice = repacked(files, tmp_path / "twice.keras", lambda content: None)
    with zipfile.ZipFile(twice, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.json", "{}")
    refused(twice, UnsafeModelError, "several files of one name")


def test_compressed_archives_open(files: Path, tmp_path: Path) -> None:
    path = repacked(files, tmp_path / "small.keras", lambda content: None, compression=zipfile.ZIP_DEFLATED)
    expected = picasso.load_model(files / "good.keras", preprocessing=SIZE)
    np.testing.assert_array_equal(picasso.load_model(path, preprocessing=SIZE).predict(X), expected.predict(X))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["model/saved_model.pb", "model/variables/v.index"], "is a zip archive with a TensorFlow SavedModel in it"),
        (["archive/data.pkl", "archive/data/0"], "is a zip archive written by PyTorch"),
        (["model.json", "weights.bin"], "of a TensorFlow.js export"),
        (["keras_model.h5", "labels.txt"], "with model files in it"),
        (["readme.txt"], "but not one that Keras wrote"),
    ],
)
def test_other_archives_are_named(tmp_path: Path, names: list[str], words: str) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    assert refused(path, ModelFileError, words).hint


# --- halves of models ----------------------------------------------------------------------------------------


def test_weights_alone_and_architectures_alone(files: Path, tmp_path: Path) -> None:
    expected = picasso.load_model(files / "good.keras", preprocessing=SIZE).predict(X)
    alone = tmp_path / "model.keras"
    alone.write_bytes((files / "some.weights.h5").read_bytes())
    said = refused(alone, ModelFileError, "model.keras holds weights only: the architecture is missing")
    assert "--factory" in said.hint
    assert ".json" in said.hint
    (tmp_path / "net.json").write_bytes((files / "good.json").read_bytes())
    np.testing.assert_allclose(picasso.load_model(alone, preprocessing=SIZE).predict(X), expected, atol=1e-6)
    (tmp_path / "model.keras").rename(tmp_path / "net.weights.h5")
    model = picasso.load_model(tmp_path / "net.json", preprocessing=SIZE)
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-6)
    (tmp_path / "net.weights.h5").unlink()
    refused(tmp_path / "net.json", ModelFileError, "no HDF5 file lies beside it")
    named = picasso.load_model(tmp_path / "net.json", preprocessing=SIZE, weights=files / "some.weights.h5")
    np.testing.assert_allclose(named.predict(X), expected, atol=1e-6)
    with pytest.raises(ModelFileError, match="holds no weights of a Keras model"):
        picasso.load_model(tmp_path / "net.json", preprocessing=SIZE, weights=files / "good.keras")
    misnamed = tmp_path / "text.keras"
    misnamed.write_bytes((files / "good.json").read_bytes())
    refused(misnamed, ModelFileError, "is an architecture without weights")


def test_hdf5_of_something_else(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = np.zeros(3)
    refused(tmp_path / "data.h5", ModelFileError, "neither a Keras model nor the weights of one")


# --- trust ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["coded.keras", "coded.h5"])
def test_a_lambda_layer_runs_only_where_its_file_is_trusted(files: Path, keras: Any, name: str) -> None:
    said = refused(files / name, UnsafeModelError, "holds a Lambda layer")
    digest = file_digest(files / name)
    assert f"--trust {digest}" in said.hint
    with pytest.raises(UnsafeModelError):
        picasso.load_model(files / name, preprocessing=SIZE, trust="0" * 64)
    model = picasso.load_model(files / name, preprocessing=SIZE, trust=digest)
    with quiet():
        network = keras.saving.load_model(files / name, compile=False, safe_mode=False)
    np.testing.assert_allclose(model.probabilities(model.predict(X)), np.asarray(network(X)), atol=1e-6)


@pytest.mark.parametrize(
    ("part", "kind", "words"),
    [
        (
            {"module": "keras.config", "class_name": "enable_unsafe_deserialization", "config": {}},
            ModelFileError,
            "no part of Keras",
        ),
        ({"module": "keras.utils", "class_name": "get_file", "config": {}}, ModelFileError, "no part of Keras"),
        ({"module": "keras.src.utils.file_utils", "class_name": "get_file", "config": {}}, ModelFileError, "no part"),
        ({"module": None, "class_name": "get_file", "config": {}}, ModelFileError, "no part of Keras"),
        (
            {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}},
            UnsafeModelError,
            "reads another file: '/etc/passwd'",
        ),
        (
            {"module": "builtins", "class_name": "__typespec__", "config": [], "spec_name": "x"},
            UnsafeModelError,
            "__typespec__",
        ),
    ],
)
def test_objects_that_are_no_part_of_an_architecture(
    files: Path, tmp_path: Path, part: dict[str, Any], kind: type[PicassoError], words: str
) -> None:
    def change(content: dict[str, bytes]) -> None:
        config = json.loads(content["config.json"])
        config["config"]["layers"][1]["config"]["kernel_initializer"] = part
        content["config.json"] = json.dumps(config).encode()

    refused(repacked(files, tmp_path / "bad.keras", change), kind, words)


def test_nothing_is_left_of_the_watch_over_weights(keras: Any, files: Path) -> None:
    usual = keras.layers.Layer.add_weight
    picasso.load_model(files / "good.h5", preprocessing=SIZE)
    assert keras.layers.Layer.add_weight is usual
