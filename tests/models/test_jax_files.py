"""Checkpoints of JAX networks: msgpack, Orbax and npz, written by Flax, Orbax and NumPy; and what is refused."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx, serialization
from orbax import checkpoint

import picasso
from picasso.core.errors import ModelFileError
from picasso.core.model import Model
from picasso.models.jax import files as jax_files

SIZE = picasso.Preprocessing(size=8)
X = np.random.default_rng(1).normal(size=(3, 8, 8, 3)).astype(np.float32)


class Small(linen.Module):
    """A linen network with batch statistics."""

    @linen.compact
    def __call__(self, x: Any, train: bool = True) -> Any:
        x = linen.BatchNorm(use_running_average=not train)(linen.Dense(4)(x))
        return linen.Dense(3)(linen.relu(x).mean((1, 2)))


class SmallNnx(nnx.Module):
    """The same as an nnx module."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.one = nnx.Linear(3, 4, rngs=rngs)
        self.norms = nnx.List([nnx.BatchNorm(4, rngs=rngs)])
        self.dropout = nnx.Dropout(0.3, rngs=rngs)
        self.two = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.two(self.dropout(nnx.relu(self.norms[0](self.one(x))).mean((1, 2))))


@cache
def variables() -> Any:
    drawn = jax.jit(lambda key: Small().init(key, jnp.zeros((1, 8, 8, 3))))(jax.random.key(2))
    return jax.tree_util.tree_map(lambda leaf: np.asarray(leaf) + 0.25, drawn)


@cache
def native() -> np.ndarray:
    saved = variables()
    return np.asarray(jax.jit(lambda x: Small().apply(saved, x, train=False))(X))


def plain(parameters: Any, x: Any) -> Any:
    return x.mean((1, 2)) @ parameters["top"]["kernel"] + parameters["top"]["bias"]


def tree(columns: int = 5) -> Any:
    return {"top": {"kernel": np.full((3, columns), 0.5, np.float32), "bias": np.arange(columns, dtype=np.float32)}}


def opened(path: Path, factory: Callable[[], Any] | None) -> Model:
    return picasso.load_model(path, factory=factory, preprocessing=SIZE)


def save(path: Path, value: Any) -> Path:
    """Write a checkpoint by the library whose format the name says."""
    if path.suffix == ".msgpack":
        path.write_bytes(serialization.to_bytes(value))
    elif path.suffix == ".npz":
        flat = {
            "/".join(key.key for key in keys): leaf for keys, leaf in jax.tree_util.tree_flatten_with_path(value)[0]
        }
        np.savez(path, **flat)
    else:
        with checkpoint.StandardCheckpointer() as saver:
            saver.save(path.absolute(), value)
            saver.wait_until_finished()
    return path


@pytest.mark.parametrize("name", ["net.msgpack", "net.npz", "net"])
def test_a_linen_network(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, variables())
    model = opened(path, Small)
    np.testing.assert_allclose(model.predict(X), native(), atol=1e-5)
    assert path.absolute() in model.files
    assert model.digest == opened(path, lambda: (Small(), variables())).digest


@pytest.mark.parametrize("name", ["net.msgpack", "net"])
def test_a_training_state_is_stripped(tmp_path: Path, name: str) -> None:
    state = {"state": {"step": np.int32(7), **variables(), "opt_state": {"mu": variables()["params"]}}}
    np.testing.assert_allclose(opened(save(tmp_path / name, state), Small).predict(X), native(), atol=1e-5)


@pytest.mark.parametrize("name", ["net.msgpack", "net.npz", "net"])
def test_a_function(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, {"params": tree()})
    model = opened(path, lambda: (plain, jax.tree_util.tree_map(np.zeros_like, tree())))
    np.testing.assert_allclose(model.predict(X), plain(tree(), X), atol=1e-5)


def test_an_nnx_network(tmp_path: Path) -> None:
    saved = SmallNnx(nnx.Rngs(5))
    saved(jnp.asarray(X))
    state = nnx.state(saved, nnx.Param, nnx.BatchStat)
    path = save(tmp_path / "net", nnx.merge_state(*state))
    pure = nnx.to_pure_dict(nnx.merge_state(*state))
    other = save(tmp_path / "net.msgpack", jax.tree_util.tree_map(np.asarray, {"params": _text_keys(pure)}))
    saved.eval()
    for file in (path, other):
        model = opened(file, lambda: SmallNnx(nnx.Rngs(0)))
        np.testing.assert_allclose(model.predict(X), saved(X), atol=1e-5)


def _text_keys(value: Any) -> Any:
    return {str(key): _text_keys(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def test_the_newest_step_of_a_manager_is_read(tmp_path: Path) -> None:
    for step in (9, 10):
        scaled = jax.tree_util.tree_map(lambda leaf: leaf * (step == 10), variables())  # noqa: B023
        save(tmp_path / "run" / str(step) / "default", scaled)
    np.testing.assert_allclose(opened(tmp_path / "run", Small).predict(X), native(), atol=1e-5)


def test_a_file_named_on_the_command_line(tmp_path: Path) -> None:
    save(tmp_path / "net.msgpack", {"params": tree()})
    (tmp_path / "my_net.py").write_text(
        "import numpy as np\n\n\n"
        "def plain(p, x):\n    return x.mean((1, 2)) @ p['top']['kernel'] + p['top']['bias']\n\n\n"
        "def make():\n    return plain, {'top': {'kernel': np.zeros((3, 5)), 'bias': np.zeros(5)}}\n"
    )
    model = picasso.load_model(tmp_path / "net.msgpack", factory=f"{tmp_path / 'my_net.py'}:make", preprocessing=SIZE)
    np.testing.assert_allclose(model.predict(X), plain(tree(), X), atol=1e-5)


# --- what is refused -----------------------------------------------------------------------------------------


def refused(path: Path, factory: Callable[[], Any] | None, said: str) -> None:
    with pytest.raises(ModelFileError, match=said):
        opened(path, factory)


def test_weights_without_a_network(tmp_path: Path) -> None:
    path = save(tmp_path / "net.msgpack", tree())
    refused(path, None, r"net\.msgpack holds parameters only, .* Give --factory my_net\.py:make")
    refused(tmp_path / "absent.msgpack", Small, "There is no file")
    refused(path, lambda: 3, r"The factory must return a Flax module or \(function, parameters\)\. Got int\.")
    refused(path, lambda: 1 / 0, "The factory raised ZeroDivisionError")


@pytest.mark.parametrize("name", ["net.msgpack", "net.npz", "net"])
def test_weights_of_another_network(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, tree())
    refused(path, lambda: (plain, tree(4)), r"top\.bias has shape \(5,\) in net.*; the factory's network has \(4,\)")
    refused(
        path, lambda: (plain, {"head": tree()}), r"lacks head\.top\.bias, head\.top\.kernel, which .* It holds top\."
    )
    refused(path, lambda: SmallNnx(nnx.Rngs(0)), r"lacks .* and 5 more, which the factory's network has")
    refused(path, lambda: (Small(), variables()), "lacks .*, which the factory's network has")


@pytest.mark.parametrize("name", ["net.msgpack", "net.npz"])
@pytest.mark.parametrize("data", [b"", b"\x00", b"nonsense", b"PK\x03\x04", b"\xdf\xff\xff\xff\xff", b"\x80", b"\xc0"])
def test_files_that_are_none(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    refused(tmp_path / name, Small, r"net\.(msgpack|npz) (cannot be read as a checkpoint|holds no parameters)")


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", a=np.array([{"x": 1}], dtype=object))
    refused(tmp_path / "net.npz", Small, "cannot be read as a checkpoint .*Object arrays cannot be loaded")


def test_a_file_that_unpacks_to_far_more_is_refused_unread(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"\0" * 2**27)
    began = time.process_time()
    refused(tmp_path / "net.npz", Small, "would take 134,217,728 bytes of memory from")
    assert time.process_time() - began < 5


def test_an_orbax_folder_that_is_broken_or_absurd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "net", tree())
    monkeypatch.setattr(jax_files, "_MOST_BYTES", 10)
    refused(path, lambda: (plain, tree()), r"net would take 80 bytes of memory from")
    monkeypatch.undo()
    for file in (path / "d").rglob("*"):
        if file.is_file():
            file.write_bytes(b"broken")
    for file in path.rglob("ocdbt.process_0/d/*"):
        file.write_bytes(b"broken")
    (path / "manifest.ocdbt").write_bytes(b"broken")
    refused(path, lambda: (plain, tree()), "net cannot be read as a checkpoint of a JAX network")
    assert not jax_files.is_checkpoint(tmp_path)
