"""Exported programs (.pt2) as ordinary modules, in which every operation is a layer that can be tapped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from picasso.core.errors import ModelFileError
from picasso.core.opening import Options


def is_exported(source: object) -> bool:
    """Say whether an object is a torch.export.ExportedProgram, without importing PyTorch."""
    return type(source).__name__ == "ExportedProgram" and type(source).__module__.startswith("torch.export")


def module_of(program: Any) -> Any:
    """Return a module that computes what the program computes, with one submodule for each operation.

    Args:
        program: A torch.export.ExportedProgram with one tensor input.

    Returns:
        A torch.nn.Module; its submodules are named as the program's nodes.

    Raises:
        ModelFileError: PyTorch cannot make a module of it.
    """
    import torch

    class Operation(torch.nn.Module):
        def __init__(self, target: Any, kind: str) -> None:
            super().__init__()
            self.target = target
            self.kind = kind

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return self.target(*args, **kwargs)

    try:
        graph_module = program.module()
    except Exception as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelFileError(
            f"PyTorch cannot run this exported program: {said.rstrip('.')}.",
            "Export it again; a part of the network may have a name that PyTorch itself needs.",
        ) from error
    for node in list(graph_module.graph.nodes):
        if node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload):
            kind = node.target.overloadpacket.__name__
            graph_module.add_submodule(node.name, Operation(node.target, kind))
            node.op, node.target = "call_module", node.name
    graph_module.recompile()
    return graph_module


def input_shape(program: Any, picture: str = "") -> tuple[int, ...] | None:
    """Return the input's shape (h, w, c), or of clips (frames, h, w, c), that the program was exported for.

    None where it has another number of axes.
    """
    shape = _picture(program, picture)
    if len(shape) not in (4, 5) or not all(isinstance(side, int) for side in shape[1:]):
        return None
    if len(shape) == 5:
        frames, channels = (shape[2], shape[1]) if shape[1] <= 4 < shape[2] else (shape[1], shape[2])
        return frames, *shape[3:], channels
    return shape[2], shape[3], shape[1]


def fixed_batch(program: Any, picture: str = "") -> int | None:
    """Return the number of pictures that the program was exported for, or None where any number will do."""
    shape = _picture(program, picture)
    return shape[0] if shape and isinstance(shape[0], int) else None


def with_inputs(program: Any, options: Options) -> Options:
    """Return the options with the picture's input named, where there are several, and zeros for the others.

    Zeros of an open number of pictures are one row, which is repeated for each picture.
    """
    import torch

    inputs = _inputs(program)
    if len(inputs) < 2:
        return options
    chosen = _chosen(inputs, options.input)
    zeros = {
        name: torch.zeros([1 if side is None else side for side in shape], dtype=dtype)
        for name, (shape, dtype) in inputs.items()
        if name != chosen
    }
    given = {
        name: torch.full_like(zeros[name], value) if name in zeros and isinstance(value, int | float) else value
        for name, value in options.hold.items()
    }
    return replace(options, input=options.input or chosen, hold=zeros | given)


def _picture(program: Any, picture: str) -> tuple[Any, ...]:
    inputs = _inputs(program)
    return inputs[_chosen(inputs, picture)][0] if inputs else ()


def _chosen(inputs: dict[str, Any], picture: str) -> str:
    """Return the input that reads the picture: the one asked for, the first of four axes, or the first."""
    if picture in inputs:
        return picture
    return next((name for name, (shape, _) in inputs.items() if len(shape) == 4), next(iter(inputs), ""))


def _inputs(program: Any) -> dict[str, tuple[tuple[Any, ...], Any]]:
    """Return the shape, None for a side left open, and the precision of each input by name."""
    names = set(program.graph_signature.user_inputs)
    return {
        node.name: (tuple(side if isinstance(side, int) else None for side in value.shape), value.dtype)
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in names and hasattr(value := node.meta.get("val"), "shape")
    }
