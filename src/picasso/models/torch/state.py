"""The state of a PyTorch module: where it lies, whether it can run, at rest while it is explained, and its digest."""

from __future__ import annotations

import copy
import hashlib
import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from operator import is_
from typing import Any

import numpy as np

from picasso.core.errors import ConfigurationError, ModelFileError, NotSupportedError
from picasso.core.preprocessing import Array


def check_ready(module: Any) -> None:
    """Refuse a module that has no weights yet.

    Raises:
        ModelFileError: Its weights are on the meta device, or lazy ones have no shape.
    """
    import torch

    tensors = dict((*module.named_parameters(), *module.named_buffers()))
    lazy = [name for name, tensor in tensors.items() if torch.nn.parameter.is_lazy(tensor)]
    if lazy:
        raise ModelFileError(
            f"The network has lazy parameters that have no shape yet: {lazy[0]}.", "Run it once on a batch first."
        )
    bare = [name for name, tensor in tensors.items() if tensor.is_meta]
    if bare:
        raise ModelFileError(
            f"The network is on the meta device, where weights have no numbers: {bare[0]}.",
            "Load its weights first, with load_state_dict(..., assign=True) for example.",
        )


def placed(module: Any, wanted: str | None, live: bool) -> tuple[Any, Any, str]:
    """Return the module on its device, in evaluation mode where it is ours; a live module is never moved.

    Returns:
        The module, the device, and a note where a copy was made.

    Raises:
        ConfigurationError: The device cannot be used.
    """
    import torch

    current = next((p.device for p in (*module.parameters(), *module.buffers())), torch.device("cpu"))
    if wanted is not None:
        try:
            device = torch.device(wanted)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigurationError(f"The device '{wanted}' cannot be used: {reason}.", "Use cpu.") from None
    elif live:
        device = current
    else:
        device = torch.device("cuda" if torch.cuda.is_available() and not is_quantized(module) else "cpu")
    if live and device == current:
        return module, device, ""
    if live:
        note = f"A copy of the network, as it was when it was opened, is on {device}."
        return copy.deepcopy(module).to(device), device, note
    module = module.to(device)
    rest(module)
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return module, device, ""


def is_quantized(module: Any) -> bool:
    """Say whether a network computes with quantized numbers: it gives no gradients then, and runs on the CPU."""
    return any("quantized" in type(part).__module__ for part in module.modules())


def is_out_of_memory(error: Exception) -> bool:
    """Say whether an error means that the device's memory did not suffice."""
    import torch

    refused = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return refused or isinstance(error, MemoryError | torch.OutOfMemoryError)


def dtype_of(module: Any) -> Any:
    """Return the precision of a module's numbers."""
    import torch

    return next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)


def rest(module: Any) -> None:
    """Put a module of our own into evaluation mode; exported programs refuse eval() and are in it already."""
    for part in module.modules():
        part.training = False


def copied(module: Any, parameters: Mapping[str, Array]) -> Any:
    """Return a copy of a module, in evaluation mode, in which some parameters have other values.

    Raises:
        NotSupportedError: It cannot be copied.
    """
    import torch

    try:
        # Parts in TorchScript are copied by cloning, which gradients would follow.
        # PyTorch warns of its own parts when it copies an exported program.
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = copy.deepcopy(module)
    except Exception as error:
        raise NotSupportedError(f"The network cannot be copied: {error}.") from None
    rest(made)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.requires_grad_(False)
            if name in parameters:
                parameter.copy_(torch.from_numpy(np.array(parameters[name])))
    return made


def own_labels(module: Any, columns: int) -> tuple[str, ...]:
    """Return the labels that a network of a known library says itself, or () where it says none that fit.

    Args:
        module: The network.
        columns: How many columns of scores it has; a detector has one more than labels, for no object.
    """
    said = getattr(getattr(module, "config", None), "id2label", None)
    if not isinstance(said, dict) or not all(isinstance(label, str) for label in said.values()):
        return ()
    labels = tuple(said[index] for index in sorted(said))
    if sorted(said) != list(range(len(said))) or labels == tuple(f"LABEL_{index}" for index in said):
        return ()
    return labels if len(labels) == columns else (*labels, "no object") if len(labels) + 1 == columns else ()


def parts_of(module: Any) -> list[Any]:
    """Return a module and all its parts, each once: what `modules()` yields, several times as fast."""
    found, seen = [module], {id(module)}
    for part in found:  # it grows on the way
        if part._modules:
            for child in part._modules.values():
                if child is not None and id(child) not in seen:
                    seen.add(id(child))
                    found.append(child)
    return found


Snapshot = tuple[list[Any], list[int]]
"""Everything that what a live network computes may hang on: its parts and their attributes, and where numbers lie."""


def snapshot(module: Any, versions: bool = True) -> Snapshot:
    """Return what a network that is at rest is made of now.

    Args:
        module: The network.
        versions: Whether it counts what its numbers are, too, and not only where they lie.
    """
    found = parts_of(module)
    numbers: list[int] = []
    for part in found.copy():
        held = vars(part)
        found.extend(held.values())
        for tensors in (held["_parameters"], held["_buffers"]):
            if tensors:
                # What replaces a tensor's numbers lies elsewhere, what changes them in place counts up.
                found.extend(tensors.values())
                there = [tensor for tensor in tensors.values() if tensor is not None]
                numbers += [tensor.data_ptr() for tensor in there]
                if versions:
                    numbers += [0 if tensor.is_inference() else tensor._version for tensor in there]
        for hooks in (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks):
            if hooks:
                found.extend(hooks.values())
    return found, numbers


def unchanged(before: Snapshot, now: Snapshot) -> bool:
    """Say whether a network is what it was."""
    same = len(before[0]) == len(now[0]) and all(map(is_, before[0], now[0]))
    return same and before[1] == now[1]


@contextmanager
def at_rest(module: Any, frozen: bool) -> Iterator[None]:
    """Put a live module into evaluation mode, and its parameters out of the graph; then restore every flag."""
    parts = parts_of(module)
    modes = [(part, part.training) for part in parts if hasattr(part, "training")]
    owned = (parameter for part in parts for parameter in part._parameters.values()) if frozen else ()
    trained = [parameter for parameter in owned if parameter is not None and parameter.requires_grad]
    # Flags are set only where they differ: to set one costs more than to look at many.
    try:
        for part, mode in modes:
            if mode:
                part.training = False
        for parameter in trained:
            parameter.requires_grad_(False)
        yield
    finally:
        for part, mode in modes:
            if part.training != mode:
                part.training = mode
        for parameter in trained:
            parameter.requires_grad_(True)


def digest_of_module(module: Any) -> str:
    """Digest a module: its class's source, its structure, its parameters and buffers."""
    import torch

    digest = hashlib.sha256(repr(module).encode())
    graph = getattr(module, "inlined_graph", None)  # of TorchScript
    if graph is not None:
        digest.update(str(graph).encode())
    digest.update(_source(module.__class__).encode())
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
    return digest.hexdigest()


@lru_cache(maxsize=64)
def _source(kind: type) -> str:
    """Return a class's source, or its name where there is none; to find it a whole file is parsed."""
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return kind.__qualname__
