"""PyTorch files -> a live module; what would run code that comes with a file only where the file is trusted."""

from __future__ import annotations

import pickle
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from picasso.core.errors import ModelFileError, UnsafeModelError
from picasso.core.labels.formats import from_value
from picasso.core.opening import describe, load_factory
from picasso.core.trust import demand_trust
from picasso.models.torch.archive import check_archive, check_size, weights_only
from picasso.models.torch.weights import fill, read_index, read_safetensors, state_dict_in, without_prefix

__all__ = ["SUFFIXES", "fill", "is_checkpoint", "read_module", "read_weights", "without_prefix"]

INDEX = (".safetensors.index.json", ".bin.index.json")
SUFFIXES = (".pt", ".pth", ".pt2", ".safetensors", ".ckpt", ".bin", ".torchscript", ".pth.tar", ".pt.tar", *INDEX)
"""How the names of PyTorch files end; what a file is, its content says."""
_LABELS = ("class_to_idx", "idx_to_class", "class_names", "classes", "id2label", "labels", "names")
_MODULES = ("model", "net", "network", "module", "ema")


class _Kept:
    """Stands for what a trainer kept beside the weights: nothing of it is made, read or run."""

    def __new__(cls, *_: object) -> _Kept:
        return super().__new__(cls)

    def __init__(self, *_: object) -> None:
        """Take whatever the object was made of."""

    def __setstate__(self, state: object) -> None:
        """Drop what the object held."""


_KEPT: list[Any] = [
    (_Kept, name)
    for name in (
        *("argparse.Namespace", "types.SimpleNamespace", "datetime.datetime", "datetime.timedelta"),
        *(f"{module}.{kind}Path" for module in ("pathlib", "pathlib._local") for kind in ("Posix", "Windows")),
        *(f"{core}.multiarray.{kind}" for core in ("numpy.core", "numpy._core") for kind in ("scalar", "_reconstruct")),
        *("numpy.dtype", "numpy.ndarray"),
    )
]
"""Names in a checkpoint that are common and of no use here."""


def is_checkpoint(path: Path) -> bool:
    """Say whether a file of any name, such as checkpoint.tar, is an archive that torch.save wrote."""
    try:
        with path.open("rb") as file:
            if file.read(2) != b"PK":
                return False
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def read_module(
    path: Path, factory: Callable[[], Any] | str | None, trust: Collection[str] = ()
) -> tuple[Any, tuple[str, ...]]:
    """Read a module from a state dict, safetensors, an exported program, TorchScript or a pickled module.

    Args:
        path: The file.
        factory: What makes the network that bare weights belong to.
        trust: Digests of files that may run code that comes with them.

    Returns:
        A torch.nn.Module, or an ExportedProgram; and the names of the classes that a checkpoint keeps beside it, or ().

    Raises:
        ModelFileError: The file is no PyTorch file, or its weights do not fit the network.
        UnsafeModelError: It holds code, or pickled Python objects, and is not trusted.
    """
    if not path.is_file():
        raise ModelFileError(f"There is no file {path}.", "Check the path.")
    kind = _kind(path)
    if kind == "exported":
        return _exported(path), ()
    if kind == "torchscript":
        return _script(path, trust), ()
    content = _content(path, kind, trust)
    module = _module_in(content)
    if module is not None:
        return module, labels_in(content)
    weights = state_dict_in(content, path)
    if factory is None:
        raise ModelFileError(
            f"{path.name} holds weights only, {len(weights)} tensors, and not the network.",
            "Give what makes it, with --factory my_net.py:make_net (in Python factory=...), or use a model file.",
        )
    return _fill(load_factory(factory), weights, path), labels_in(content)


def read_weights(path: Path, trust: Collection[str] = ()) -> dict[str, Any]:
    """Read the tensors of a state dict, of safetensors, or of the index of several such files, by name.

    Raises:
        ModelFileError: The file holds a whole network, or no weights.
        UnsafeModelError: It holds pickled Python objects, and is not trusted.
    """
    if not path.is_file():
        raise ModelFileError(f"There is no file of weights {path}.", "Check the path.")
    kind = _kind(path)
    content = _content(path, kind, trust) if kind not in ("exported", "torchscript") else None
    if content is None or _module_in(content) is not None:
        raise ModelFileError(f"{path.name} holds a whole network, not weights alone.", "Open the file itself.")
    return state_dict_in(content, path)


def _content(path: Path, kind: str, trust: Collection[str]) -> Any:
    if kind == "index":
        weights: dict[str, Any] = {}
        for part in read_index(path):
            weights |= read_weights(part, trust)
        return weights
    return read_safetensors(path) if kind == "safetensors" else _loaded(path, trust)


def _kind(path: Path) -> str:
    if path.name.lower().endswith(INDEX):
        return "index"
    with path.open("rb") as file:
        head = file.read(16)
    if zipfile.is_zipfile(path):
        check_size(path)
        with zipfile.ZipFile(path) as archive:
            names = [name.partition("/")[2] for name in archive.namelist()]
        if "archive_format" in names or any(name.startswith("models/") for name in names):
            return "exported"
        if "constants.pkl" in names or any(name.startswith("code/") for name in names):
            return "torchscript"
        if "data.pkl" in names:
            return "weights"
    elif head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return "safetensors"
    elif head[:1] == b"\x80" or tarfile.is_tarfile(path):
        return "weights"
    raise ModelFileError(f"{path.name} is no PyTorch file: it is {describe(path)}.", "Give another file.")


def _exported(path: Path) -> Any:
    import torch

    check_archive(path)
    try:
        with weights_only():
            program = torch.export.load(path)
        program._guards_code = []  # source text that module() would execute; the input is checked by our own code
        return program
    except Exception as error:
        raise ModelFileError(
            f"{path.name} could not be opened as an exported program: {first_line(error)}",
            "Export it again with the PyTorch that is installed here.",
        ) from error


def _script(path: Path, trust: Collection[str]) -> Any:
    import torch

    demand_trust(path, trust, "a TorchScript program")
    try:
        return torch.jit.load(path, map_location="cpu")
    except Exception as error:
        raise ModelFileError(
            f"{path.name} could not be opened as TorchScript: {first_line(error)}",
            "Save it again with the PyTorch that is installed here.",
        ) from error


def _loaded(path: Path, trust: Collection[str]) -> Any:
    """Read a pickle of tensors; one that holds anything else only where it is trusted."""
    import torch

    try:
        # An open file: of a name PyTorch would conclude what its content is.
        with path.open("rb") as file, torch.serialization.safe_globals(_KEPT), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "invalid load key" in str(error) or "ran out of input" in str(error).lower():
            raise ModelFileError(f"{path.name} is damaged: {first_line(error)}") from error
        try:
            demand_trust(path, trust, "pickled Python objects")
        except UnsafeModelError as refusal:
            raise UnsafeModelError(
                refusal.message, f"{refusal.hint} Or save model.state_dict() alone and give a factory."
            ) from error
    except Exception as error:
        raise ModelFileError(f"{path.name} is damaged: {first_line(error)}") from error
    try:
        with path.open("rb") as file:
            return torch.load(file, map_location="cpu", weights_only=False)
    except (ImportError, AttributeError) as error:
        raise ModelFileError(
            f"{path.name} needs code that is not here: {first_line(error)}",
            "Make its modules importable, or open the network with its weights in a model file of your own.",
        ) from error
    except Exception as error:
        raise ModelFileError(f"{path.name} is damaged: {first_line(error)}") from error


def labels_in(content: Any) -> tuple[str, ...]:
    """Return the names of the classes that a trainer kept in a checkpoint, or ()."""
    if not isinstance(content, Mapping):
        return ()
    for name in _LABELS:
        said = content.get(name)
        with suppress(ValueError, TypeError):
            if isinstance(said, Mapping):
                return from_value({str(key): value for key, value in said.items()})
            if isinstance(said, list | tuple) and all(isinstance(label, str) for label in said):
                return tuple(said)
    return ()


def _module_in(content: Any) -> Any:
    """Return the module that a pickle holds, bare or as part of a checkpoint, or None."""
    import torch

    parts = [content, *(content.get(name) for name in _MODULES)] if isinstance(content, Mapping) else [content]
    return next((part for part in parts if isinstance(part, torch.nn.Module)), None)


def _fill(factory: Callable[[], Any], weights: dict[str, Any], path: Path) -> Any:
    import torch

    try:
        module = factory()
    except Exception as error:
        raise ModelFileError(f"The factory raised {type(error).__name__}: {first_line(error)}") from error
    if not isinstance(module, torch.nn.Module):
        raise ModelFileError(f"The factory must return a torch.nn.Module. Got {type(module).__name__}.")
    return fill(module, weights, path, "Check the factory.")


def first_line(error: Exception) -> str:
    """Return the first line of what an error says, as a sentence."""
    lines = str(error).strip().splitlines()
    return f"{lines[0].rstrip('.') if lines else type(error).__name__}."
