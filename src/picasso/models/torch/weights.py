"""Bare weights: the tensors in a file by name, and how they get into a network."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from picasso.core.errors import ModelFileError

_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params")
_USUAL_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
_DEEPEST = 3
_LARGEST_INDEX = 64 * 2**20


def read_safetensors(path: Path) -> dict[str, Any]:
    """Read the tensors of a safetensors file.

    Raises:
        ModelFileError: Its header promises what is not in it, or it is damaged otherwise.
    """
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except Exception as error:
        said = str(error).strip().splitlines()
        raise ModelFileError(f"{path.name} is damaged: {said[0] if said else type(error).__name__}.") from error


def read_index(path: Path) -> list[Path]:
    """Return the files of weights that an index names, all beside it.

    Raises:
        ModelFileError: It is no index, names files elsewhere, or some of them are not there.
    """
    try:
        document = json.loads(path.read_text("utf-8")) if path.stat().st_size <= _LARGEST_INDEX else None
    except ValueError as error:
        raise ModelFileError(f"{path.name} is damaged: {error}.") from error
    table = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(table, dict) or not table or not all(isinstance(name, str) for name in table.values()):
        raise ModelFileError(f"{path.name} is no index of weights: it has no weight_map.", "Give another file.")
    names = list(dict.fromkeys(table.values()))
    for name in names:
        if Path(name).name != name or "\\" in name or name.endswith(".json"):
            raise ModelFileError(f"{path.name} names a file that is not beside it: '{name[:80]}'.")
    absent = [name for name in names if not (path.parent / name).is_file()]
    if absent:
        raise ModelFileError(
            f"{len(absent)} of the {len(names)} files of {path.name} are not there: {absent[0]}.",
            "Put all of them beside it.",
        )
    return [path.parent / name for name in names]


def state_dict_in(content: Any, path: Path) -> dict[str, Any]:
    """Return the tensors of a checkpoint by name, whatever it is wrapped in.

    Raises:
        ModelFileError: There are none.
    """
    import torch

    for _ in range(2):
        if isinstance(content, Mapping):
            inner = [content[name] for name in _WRAPPERS if isinstance(content.get(name), Mapping)]
            content = inner[0] if inner else content
    if isinstance(content, Mapping):
        content = {key: value for key, value in content.items() if not str(key).endswith("_extra_state")}
    if not isinstance(content, Mapping) or not content or not all(torch.is_tensor(v) for v in content.values()):
        raise ModelFileError(f"{path.name} holds no state dict.", "Save model.state_dict().")
    return {str(key): value for key, value in content.items()}


def without_prefix(weights: dict[str, Any], wanted: Collection[str]) -> dict[str, Any]:
    """Name weights as the network does: take off what a wrapper put before them, or put it there.

    What a wrapper has beside the network, as a loss with weights, is left out.

    Args:
        weights: Tensors by name.
        wanted: The network's own names.
    """
    needed = [key for key in wanted if not key.endswith("num_batches_tracked")]
    if all(key in weights for key in needed):
        return weights
    prefixes = dict.fromkeys(
        ".".join(parts[:depth]) + "."
        for parts in (key.split(".") for key in weights)
        for depth in range(1, min(_DEEPEST, len(parts) - 1) + 1)
    )
    for prefix in prefixes:
        bare = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
        if all(key in bare for key in needed):
            return bare
    for prefix in dict.fromkeys(key.split(".")[0] + "." for key in needed):
        if all(prefix + key in wanted for key in weights):
            return {prefix + key: value for key, value in weights.items()}
    # Nothing fits wholly: what does not is told without what wrappers put before it.
    for prefix in _USUAL_PREFIXES:
        if all(key.startswith(prefix) for key in weights) and not all(key.startswith(prefix) for key in wanted):
            weights = {key.removeprefix(prefix): value for key, value in weights.items()}
    return weights


def fill(module: Any, weights: dict[str, Any], path: Path, hint: str) -> Any:
    """Put weights into a module, all of them and nothing else.

    Raises:
        ModelFileError: They do not fit; `hint` says what to check.
    """
    import torch

    wanted = {key: value for key, value in module.state_dict().items() if torch.is_tensor(value)}
    weights = without_prefix(weights, wanted)
    lacking = [key for key in wanted if key not in weights and not key.endswith("num_batches_tracked")]
    unknown = [key for key in weights if key not in wanted]
    shaped = [
        f"{key} is {tuple(weights[key].shape)}, not {tuple(wanted[key].shape)}"
        for key in wanted
        if key in weights and not torch.nn.parameter.is_lazy(wanted[key]) and weights[key].shape != wanted[key].shape
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
