"""Checkpoints of JAX networks: Flax msgpack, Orbax folders, NumPy archives; a factory makes what they belong to.

None of them holds code. What a checkpoint holds is compared with the network before it is used, and its size with the
file's before it is read.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from picasso.core.errors import MissingExtraError, ModelFileError
from picasso.core.opening import load_factory
from picasso.models.jax.networks import FunctionNetwork, LinenNetwork, Network, NnxNetwork, is_linen, key_of

SUFFIXES = (".msgpack", ".npz")
_ORBAX = ("_METADATA", "manifest.ocdbt")
_TRAINING = ("step", "opt_state", "opt", "optimizer", "optimizer_state", "tx", "rng", "rngs", "epoch", "metrics")
_WRAPPERS = ("model", "state", "train_state", "target", "variables", "default")
_MOST_BYTES = 2**36
_MOST_TIMES_PACKED = 200
"""How many times larger than its file a checkpoint may be: weights hardly compress at all, zeros do."""


def is_checkpoint(path: Path) -> bool:
    """Say whether a path is that of a checkpoint of a JAX network."""
    if path.suffix.lower() in SUFFIXES:
        return True
    return "\0" not in str(path) and _orbax_folder(path) is not None


def read_network(path: Path, factory: Callable[[], Any] | str | None) -> Network:
    """Read a checkpoint into the network that it belongs to.

    Args:
        path: A .msgpack or .npz file, or the folder of an Orbax checkpoint.
        factory: Makes a linen module, an nnx module, or (function or linen module, parameters of the right shapes).

    Raises:
        ModelFileError: It cannot be read, there is no factory, or its arrays are not those of the network.
    """
    if not path.exists():
        raise ModelFileError(f"There is no file {path}.", "Check the path.")
    if factory is None:
        raise ModelFileError(
            f"{path.name} holds parameters only, not the network that they belong to.",
            "Give --factory my_net.py:make (in Python factory=...), which returns a Flax module or "
            "(function, parameters).",
        )
    made = _made(factory)
    tree = _without_training(_read(path))
    if isinstance(made, tuple):
        function, template = made
        if is_linen(function):
            return LinenNetwork(function, _fitted(_variables(template), _variables(tree), path))
        return FunctionNetwork(function, _fitted(template, tree, path))
    if is_linen(made):
        return LinenNetwork(made, _variables(tree))
    return NnxNetwork(_updated(made, tree, path))


def _made(factory: Callable[[], Any] | str) -> Any:
    make = load_factory(factory)
    try:
        made = make()
    except (Exception, SystemExit) as error:
        raise ModelFileError(f"The factory raised {type(error).__name__}: {error}") from error
    pair = isinstance(made, tuple) and len(made) == 2 and callable(made[0])
    if not (pair or any(base.__module__.startswith("flax.") for base in type(made).__mro__)):
        raise ModelFileError(
            f"The factory must return a Flax module or (function, parameters). Got {type(made).__name__}."
        )
    return made


# --- reading -------------------------------------------------------------------------------------------------------


def _read(path: Path) -> dict[str, Any]:
    try:
        folder = _orbax_folder(path)
        if folder is not None:
            tree = _read_orbax(folder)
        else:
            tree = _read_msgpack(path) if path.suffix.lower() == ".msgpack" else _read_npz(path)
    except ModelFileError:
        raise
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{error.name} is not installed.", "Install it with: pip install 'picasso[jax]'"
        ) from None
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelFileError(
            f"{path.name} cannot be read as a checkpoint of a JAX network: {reason[:200].rstrip('.')}.",
            "Give a .msgpack of flax.serialization, an Orbax folder, or an .npz of arrays.",
        ) from None
    if not isinstance(tree, dict) or not tree:
        raise ModelFileError(f"{path.name} holds no parameters by name.")
    return tree


def _read_msgpack(path: Path) -> Any:
    from flax import serialization

    # Arrays come out of the very bytes of the file, so that they cannot be larger than it.
    return serialization.msgpack_restore(path.read_bytes())


def _read_npz(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        _check_size(path, sum(member.file_size for member in archive.infolist()), path.stat().st_size)
    tree: dict[str, Any] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays.files:
            *parents, last = name.split("/")
            inner = tree
            for parent in parents:
                inner = inner.setdefault(parent, {})
            inner[last] = arrays[name]
    return tree


def _orbax_folder(path: Path) -> Path | None:
    """Return the folder that holds the arrays: itself, its newest numbered step's, or "default" in it."""
    try:
        if not path.is_dir():
            return None
        steps = [inner for inner in path.iterdir() if inner.is_dir() and inner.name.isdigit()]
        newest = max(steps, key=lambda inner: int(inner.name), default=path)
        places = [folder / name for folder in (path, newest) for name in ("", "default", "state", "params")]
        return next((place for place in places if all((place / name).is_file() for name in _ORBAX)), None)
    except (OSError, ValueError):
        return None


def _read_orbax(folder: Path) -> Any:
    import jax
    from orbax import checkpoint

    reader = checkpoint.PyTreeCheckpointer()
    described = reader.metadata(folder.absolute())
    described = getattr(described, "item_metadata", described)
    described = getattr(described, "tree", described)
    leaves = jax.tree_util.tree_leaves(described)
    size = sum(int(np.prod(leaf.shape)) * np.dtype(leaf.dtype).itemsize for leaf in leaves if hasattr(leaf, "shape"))
    _check_size(folder, size, sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))
    # As NumPy arrays, wherever and on however many devices they were saved.
    how = jax.tree_util.tree_map(lambda _: checkpoint.RestoreArgs(restore_type=np.ndarray), described)
    return reader.restore(folder.absolute(), restore_args=how)


def _check_size(path: Path, size: int, packed: int) -> None:
    if size > min(_MOST_BYTES, packed * _MOST_TIMES_PACKED + 2**20):
        raise ModelFileError(f"{path.name} would take {size:,} bytes of memory from {packed:,} bytes of file.")


# --- fitting -------------------------------------------------------------------------------------------------------


def _without_training(tree: dict[str, Any]) -> dict[str, Any]:
    """Return what a network needs of a training state."""
    while len(kept := {k: v for k, v in tree.items() if k not in _TRAINING}) == 1:
        name, inner = next(iter(kept.items()))
        if name not in _WRAPPERS or not isinstance(inner, dict):
            break
        tree = inner
    return kept or tree


def _variables(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    return tree if "params" in tree else {"params": tree}


def _fitted(template: Any, tree: Any, path: Path) -> Any:
    """Return the template with the checkpoint's arrays in the place of its own."""
    import jax

    pairs, structure = jax.tree_util.tree_flatten_with_path(template)
    wanted = {".".join(key_of(part) for part in keys): leaf for keys, leaf in pairs}
    arrays = {name: leaf for name, leaf in wanted.items() if hasattr(leaf, "shape")}
    if not any(name.startswith("params.") for name in wanted) and isinstance(tree, dict):
        tree = tree["params"] if set(tree) == {"params"} else tree
    found = _compared(arrays, dict(_leaves(tree)), path)
    return jax.tree_util.tree_unflatten(structure, [found.get(name, leaf) for name, leaf in wanted.items()])


def _updated(module: Any, tree: dict[str, Any], path: Path) -> Any:
    """Put a checkpoint's arrays into an nnx module of ours."""
    import jax
    from flax import nnx

    definition, random, state = nnx.split(module, nnx.RngState, ...)
    pairs, structure = jax.tree_util.tree_flatten_with_path(state)
    names = [".".join(key_of(part) for part in keys).removesuffix(".value") for keys, _ in pairs]
    if set(tree) == {"params"} and not any(name.startswith("params.") for name in names):
        tree = tree["params"]
    given = {name.removesuffix(".value"): leaf for name, leaf in _leaves(tree)}
    found = _compared(dict(zip(names, (leaf for _, leaf in pairs), strict=True)), given, path)
    return nnx.merge(definition, random, jax.tree_util.tree_unflatten(structure, [found[name] for name in names]))


def _compared(wanted: Mapping[str, Any], given: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the arrays that are wanted.

    Raises:
        ModelFileError: One is missing, or of another shape.
    """
    missing = [name for name in wanted if name not in given]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        held = ", ".join(list(given)[:3])
        raise ModelFileError(
            f"{path.name} lacks {', '.join(missing[:3])}{more}, which the factory's network has.",
            f"It holds {held}{', ...' if len(given) > 3 else ''}. Give the factory of the network that was saved.",
        )
    for name, leaf in wanted.items():
        if np.shape(given[name]) != tuple(leaf.shape):
            raise ModelFileError(
                f"{name} has shape {np.shape(given[name])} in {path.name}; the factory's network has "
                f"{tuple(leaf.shape)}.",
                "Give the factory of the network that was saved.",
            )
    return {name: given[name] for name in wanted}


def _leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Walk over the arrays of nested dictionaries and lists, by dotted names."""
    if isinstance(tree, Mapping | list | tuple):
        for key, inner in tree.items() if isinstance(tree, Mapping) else enumerate(tree):
            yield from _leaves(inner, f"{prefix}.{key}" if prefix else str(key))
    elif tree is not None:
        yield prefix, tree
