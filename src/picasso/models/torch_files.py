"""PyTorch files -> a live module, without running code that comes with them."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from picasso.core.errors import ModelFileError, UnsafeModelError
from picasso.core.opening import describe, load_factory
from picasso.models.torch_archive import check_archive, weights_only

SUFFIXES = (".pt", ".pth", ".pt2", ".safetensors", ".ckpt")
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights")
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")


def read_module(path: Path, factory: Callable[[], Any] | str | None) -> Any:
    """Read a module from a state dict, safetensors or an exported program.

    Args:
        path: The file.
        factory: What makes the network that bare weights belong to.

    Returns:
        A torch.nn.Module, or an ExportedProgram.

    Raises:
        ModelFileError: The file is no PyTorch file, or its weights do not fit the network.
        UnsafeModelError: It holds pickled Python objects.
    """
    if not path.is_file():
        raise ModelFileError(f"There is no file {path}.", "Check the path.")
    kind = _kind(path)
    if kind == "exported":
        return _exported(path)
    if kind == "torchscript":
        raise ModelFileError(
            f"{path.name} is TorchScript, which cannot be opened safely.",
            "Save the network with torch.export.save as .pt2, or load it in a model file of your own.",
        )
    weights = _weights(path, kind)
    if factory is None:
        raise ModelFileError(
            f"{path.name} holds weights only, {len(weights)} tensors, and not the network.",
            "Give the factory that makes it, 'my_net.py:make_net', or use a model file.",
        )
    return _fill(load_factory(factory), weights, path)


def read_weights(path: Path) -> dict[str, Any]:
    """Read the tensors of a state dict or of safetensors, by name.

    Raises:
        ModelFileError: The file holds a whole network, or no weights.
        UnsafeModelError: It holds pickled Python objects.
    """
    if not path.is_file():
        raise ModelFileError(f"There is no file of weights {path}.", "Check the path.")
    kind = _kind(path)
    if kind not in ("safetensors", "weights"):
        raise ModelFileError(f"{path.name} holds a whole network, not weights alone.", "Open the file itself.")
    return _weights(path, kind)


def _weights(path: Path, kind: str) -> dict[str, Any]:
    return _safetensors(path) if kind == "safetensors" else _state_dict(path)


def _kind(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(16)
    if zipfile.is_zipfile(path):
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
    elif head[:1] == b"\x80":
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
            f"{path.name} could not be opened as an exported program: {_first_line(error)}",
            "Export it again with the PyTorch that is installed here.",
        ) from error


def _safetensors(path: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except Exception as error:
        raise ModelFileError(f"{path.name} is damaged: {_first_line(error)}") from error


def _state_dict(path: Path) -> dict[str, Any]:
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "invalid load key" in str(error) or "ran out of input" in str(error).lower():
            raise ModelFileError(f"{path.name} is damaged: {_first_line(error)}") from error
        raise UnsafeModelError(
            f"{path.name} holds pickled Python objects; opening it would run code that comes with the file.",
            "Save model.state_dict() instead and give a factory, or load it yourself in a model file.",
        ) from error
    except Exception as error:
        raise ModelFileError(f"{path.name} is damaged: {_first_line(error)}") from error
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if not isinstance(content, Mapping) or not content or not all(torch.is_tensor(v) for v in content.values()):
        raise ModelFileError(f"{path.name} holds no state dict.", "Save model.state_dict().")
    return dict(content)


def _fill(factory: Callable[[], Any], weights: dict[str, Any], path: Path) -> Any:
    import torch

    try:
        module = factory()
    except Exception as error:
        raise ModelFileError(f"The factory raised {type(error).__name__}: {_first_line(error)}") from error
    if not isinstance(module, torch.nn.Module):
        raise ModelFileError(f"The factory must return a torch.nn.Module. Got {type(module).__name__}.")
    return fill(module, weights, path, "Check the factory.")


def without_prefix(weights: dict[str, Any], wanted: Collection[str]) -> dict[str, Any]:
    """Take off the names that a wrapper put before all of them, where the network has no such names."""
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in weights) and not all(key.startswith(prefix) for key in wanted):
            weights = {key.removeprefix(prefix): value for key, value in weights.items()}
    return weights


def fill(module: Any, weights: dict[str, Any], path: Path, hint: str) -> Any:
    """Put weights into a module, all of them and nothing else.

    Raises:
        ModelFileError: They do not fit; `hint` says what to check.
    """
    wanted = module.state_dict()
    weights = without_prefix(weights, wanted)
    lacking = [key for key in wanted if key not in weights and not key.endswith("num_batches_tracked")]
    unknown = [key for key in weights if key not in wanted]
    shaped = [
        f"{key} is {tuple(weights[key].shape)}, not {tuple(wanted[key].shape)}"
        for key in wanted
        if key in weights and weights[key].shape != wanted[key].shape
    ]
    problems = [
        f"{len(items)} {what} ({', '.join(items[:3])}{', ...' if len(items) > 3 else ''})"
        for what, items in (("missing", lacking), ("unknown", unknown), ("of another shape", shaped))
        if items
    ]
    if problems:
        raise ModelFileError(f"The weights in {path.name} do not fit the network: {'; '.join(problems)}.", hint)
    module.load_state_dict(weights, strict=False)
    return module


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
