"""What a Keras file must not do: run code, read other files, or take memory for more than it holds."""

from __future__ import annotations

import math
import stat
import threading
import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from picasso.core.errors import ModelFileError, UnsafeModelError
from picasso.core.trust import demand_trust

UNSAFE = frozenset({"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "__typespec__"})
"""Layers that hold code, pickles or foreign programs."""
PLAIN = frozenset(
    {"__tensor__", "__keras_tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__", "__tuple__"}
)
"""Values that Keras writes as if they were objects."""
CLASS_MODULES = tuple(
    f"keras.{inner}{name}"
    for inner in ("", "src.")
    for name in (
        "layers",
        "models",
        "ops",
        "initializers",
        "regularizers",
        "constraints",
        "activations",
        "dtype_policies",
        "quantizers",
        "random",
    )
)
"""Where the classes live that an architecture is made of."""
PARTS = {
    "CustomScaleLayer": "keras.src.applications.inception_resnet_v2",
    "LayerScale": "keras.src.applications.convnext",
    "StochasticDepth": "keras.src.applications.convnext",
}
"""Layers of which Keras makes its own networks, and where they live; no list of layers has them."""
FUNCTION_MODULES = ("keras.activations", "keras.ops", "keras.src.activations", "keras.src.ops")
"""Where the functions live that a file may name; others (a download, say) must not be called by a file."""
VOCABULARY = frozenset({"StringLookup", "IntegerLookup", "TextVectorization"})
WAY_OUT = "Build it in code of your own: give a model file my_model.py:MyModel whose load() returns the built model."
MOST_OBJECTS = 200_000
SMALL = 2**22
"""Bytes that a file may always declare, stored or not."""
MOST_RATIO = 200
"""How many times smaller than its content compressed data may be; real weights hardly compress."""
SLACK = 1_000_000
"""Numbers that a model may have beyond those in its file: the states of random generators, say."""
_ADD_WEIGHT = threading.RLock()


def check_archive(archive: zipfile.ZipFile, name: str) -> None:
    """Refuse a zip archive with names that lead out of it, links, names that come twice, or absurdly much content.

    Raises:
        UnsafeModelError: It has such a thing.
    """
    entries = archive.infolist()
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        outside = path.is_absolute() or ".." in path.parts or ":" in (path.parts or ("",))[0]
        if outside or stat.S_ISLNK(entry.external_attr >> 16):
            raise UnsafeModelError(f"{name} names a file outside of it: '{entry.filename}'.", "Do not use this file.")
        if entry.file_size > max(SMALL, MOST_RATIO * entry.compress_size):
            size = entry.file_size / 2**20
            raise UnsafeModelError(
                f"{name} is a zip bomb: '{entry.filename}' in it grows to {size:,.0f} MB.", "Do not use this file."
            )
    if len({entry.filename for entry in entries}) < len(entries) or len(entries) > MOST_OBJECTS:
        raise UnsafeModelError(f"{name} holds several files of one name.", "Do not use this file.")


def check_hdf5(file: Any, name: str) -> int:
    """Refuse an HDF5 file that leads to other files, or declares more than it holds.

    Args:
        file: The open h5py.File.
        name: What to call it.

    Returns:
        The number of numbers in it.

    Raises:
        UnsafeModelError: It has such a thing.
    """
    import h5py

    total, seen, waiting = 0, set(), [file]
    while waiting:
        group = waiting.pop()
        info = h5py.h5o.get_info(group.id)
        if (info.fileno, info.addr) in seen:
            continue
        seen.add((info.fileno, info.addr))
        if len(seen) > MOST_OBJECTS:
            raise UnsafeModelError(f"{name} holds more than {MOST_OBJECTS:,} objects.", "Do not use this file.")
        for key in group:
            link = group.get(key, getlink=True)
            if not isinstance(link, h5py.HardLink):
                what = "another file" if isinstance(link, h5py.ExternalLink) else "another place"
                raise UnsafeModelError(f"{name} holds a link to {what}: '{key}'.", "Do not use this file.")
            inner = group[key]
            if isinstance(inner, h5py.Group):
                waiting.append(inner)
            elif isinstance(inner, h5py.Dataset):
                total += _check_dataset(inner, name)
    return total


def _check_dataset(data: Any, name: str) -> int:
    """Refuse a dataset that lies elsewhere or is not there; return how many numbers it has."""
    if data.is_virtual or data.external:
        raise UnsafeModelError(f"{name} keeps '{data.name}' in another file.", "Do not use this file.")
    count = math.prod(data.shape or (0,))
    declared, stored = count * data.dtype.itemsize, data.id.get_storage_size()
    compressed = data.compression is not None
    if declared > max(SMALL, stored * (MOST_RATIO if compressed else 1)):
        raise UnsafeModelError(
            f"{name} declares {count:,} numbers in '{data.name}', but does not hold them.", "Do not use this file."
        )
    return count


@contextmanager
def limited(keras: Any, held: int | None, name: str) -> Iterator[None]:
    """Refuse a model, while it is built, that has more weights than its file holds; before memory is taken for them.

    Args:
        keras: The imported package.
        held: How many numbers the file holds; None for no limit.
        name: What to call the file.

    Raises:
        ModelFileError: The model asks for more.
    """
    if held is None:
        yield
        return
    with _ADD_WEIGHT:
        layer, owner = keras.layers.Layer, threading.get_ident()
        usual: Callable[..., Any] = layer.add_weight
        asked = 0

        def add_weight(self: Any, shape: Any = None, *args: Any, **settings: Any) -> Any:
            nonlocal asked
            if threading.get_ident() == owner:
                sides = (shape,) if isinstance(shape, int) else tuple(shape or ())
                asked += math.prod(abs(int(side)) for side in sides)
                if asked > 2 * held + SLACK:
                    raise ModelFileError(
                        f"{name} declares a layer '{self.name}' with {math.prod(sides):,} weights; it holds {held:,}.",
                        "The file is damaged or hostile.",
                    )
            return usual(self, shape, *args, **settings)

        layer.add_weight = add_weight
        try:
            yield
        finally:
            layer.add_weight = usual


def check_shapes(model: Any, name: str, most: int) -> None:
    """Refuse a built model one of whose layers returns absurdly much for one picture.

    Raises:
        ModelFileError: A layer's output has more than `most` numbers.
    """
    for operation in getattr(model, "operations", ()):
        for node in operation._inbound_nodes:
            for tensor in node.output_tensors:
                if math.prod(side or 1 for side in tensor.shape) > most:
                    shape = " x ".join(str(side or "any") for side in tensor.shape[1:])
                    raise ModelFileError(
                        f"The layer '{operation.name}' of {name} returns {shape} numbers: that is too large.",
                        "The file is damaged or hostile.",
                    )


def check_code(config: Any, path: Path | None, trust: Collection[str], keras: Any) -> bool:
    """Refuse a declared architecture that holds code, unless its file is trusted, or names code not of Keras.

    Args:
        config: The architecture, or a part of it.
        path: Its file; None for that of a live model of Keras 2.
        trust: Digests of trusted files.
        keras: The imported package.

    Returns:
        Whether it holds code, of a file that is trusted.

    Raises:
        UnsafeModelError: It holds code.
        ModelFileError: It names code that is not there.
    """
    if isinstance(config, list):
        found = [check_code(part, path, trust, keras) for part in config]
        return any(found)
    if not isinstance(config, dict):
        return False
    kind, holds = config.get("class_name"), False
    if isinstance(kind, str) and kind in UNSAFE:
        what = "a Lambda layer" if "ambda" in kind else f"a {kind}"
        if path is None:
            raise ModelFileError(
                f"The model of Keras 2 holds {what}, whose code cannot be carried over.",
                "Save it as a TensorFlow SavedModel, and open that.",
            )
        demand_trust(path, trust, what)
        # What is inside is that code's own business now.
        return True
    if isinstance(kind, str) and not _known(config, kind, keras):
        registered = config.get("registered_name") or kind
        name = path.name if path else "The model"
        raise ModelFileError(f"{name} needs code that is not in it: '{registered}' is no part of Keras.", WAY_OUT)
    inner = config.get("config")
    if kind in VOCABULARY and isinstance(inner, dict) and isinstance(inner.get("vocabulary"), str):
        name = path.name if path else "The model"
        raise UnsafeModelError(f"{name} reads another file: '{inner['vocabulary']}'.", "Do not use this file.")
    for key, part in config.items():
        if key != "compile_config":
            holds = check_code(part, path, trust, keras) or holds
    return holds


def _known(config: dict[str, Any], kind: str, keras: Any) -> bool:
    module = config.get("module")
    name = config.get("config") if kind == "function" else config.get("registered_name")
    if isinstance(name, str) and keras.saving.get_registered_object(name) is not None:
        return True
    if not isinstance(module, str | None):
        return False
    if kind != "function":
        if module is None:
            return kind in PLAIN or (
                not config.get("registered_name") and any(hasattr(home, kind) for home in (keras.layers, keras))
            )
        return (
            module == "keras"
            or PARTS.get(kind) == module
            or any(module == home or module.startswith(f"{home}.") for home in CLASS_MODULES)
        )
    if module == "builtins":  # Keras's own functions by their bare names
        homes = (keras.activations, keras.initializers, keras.regularizers, keras.constraints)
        return isinstance(name, str) and any(hasattr(home, name) for home in homes)
    return module is not None and any(module == home or module.startswith(f"{home}.") for home in FUNCTION_MODULES)
