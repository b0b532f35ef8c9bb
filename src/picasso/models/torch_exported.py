"""Exported programs (.pt2) as ordinary modules, in which every operation is a layer that can be tapped."""

from __future__ import annotations

from typing import Any


def is_exported(source: object) -> bool:
    """Say whether an object is a torch.export.ExportedProgram, without importing PyTorch."""
    return type(source).__name__ == "ExportedProgram" and type(source).__module__.startswith("torch.export")


def module_of(program: Any) -> Any:
    """Return a module that computes what the program computes, with one submodule for each operation.

    Args:
        program: A torch.export.ExportedProgram with one tensor input.

    Returns:
        A torch.nn.Module; its submodules are named as the program's nodes.
    """
    import torch

    class Operation(torch.nn.Module):
        def __init__(self, target: Any, kind: str) -> None:
            super().__init__()
            self.target = target
            self.kind = kind

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return self.target(*args, **kwargs)

    graph_module = program.module()
    for node in list(graph_module.graph.nodes):
        if node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload):
            kind = node.target.overloadpacket.__name__
            graph_module.add_submodule(node.name, Operation(node.target, kind))
            node.op, node.target = "call_module", node.name
    graph_module.recompile()
    return graph_module


def input_shape(program: Any) -> tuple[int, int, int] | None:
    """Return the input's shape (h, w, c) that the program was exported for, or None where it is not 4-dimensional."""
    shape = _input(program)
    if len(shape) != 4 or not all(isinstance(side, int) for side in shape[1:]):
        return None
    return shape[2], shape[3], shape[1]


def fixed_batch(program: Any) -> int | None:
    """Return the number of pictures that the program was exported for, or None where any number will do."""
    shape = _input(program)
    return shape[0] if shape and isinstance(shape[0], int) else None


def _input(program: Any) -> tuple[Any, ...]:
    names = set(program.graph_signature.user_inputs)
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in names:
            return tuple(side if isinstance(side, int) else None for side in node.meta["val"].shape)
    return ()
