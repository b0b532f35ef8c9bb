"""The values of variables, from checkpoints of TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from picasso.core.errors import ModelFileError
from picasso.models.tensorflow.nodes import by_name, sources, split
from picasso.models.tensorflow.quiet import reading

VARIABLES = ("Variable", "VariableV2", "VarHandleOp")


def open_checkpoint(prefix: Path) -> Any:
    """Return a reader of a checkpoint whose files hold what its index declares.

    Raises:
        ModelFileError: A file of it is missing, or damaged.
    """
    import numpy as np
    import tensorflow as tf

    files = list(prefix.parent.glob(f"{prefix.name}.data-*")) or ([prefix] if prefix.is_file() else [])
    if not files:
        raise ModelFileError(
            f"The weights of {prefix.name} are missing.", f"Put {prefix.name}.data-00000-of-00001 beside it."
        )
    with reading(prefix.name):
        reader = tf.train.load_checkpoint(str(prefix))
        shapes, kinds = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    declared = sum(
        int(np.prod(shape, dtype=np.float64)) * kinds[name].size
        for name, shape in shapes.items()
        if kinds[name] != tf.string
    )
    held = sum(file.stat().st_size for file in files)
    if declared > held * (1 if not prefix.is_file() else 4):
        raise ModelFileError(
            f"The checkpoint {prefix.name} is cut short: {held} of {declared} bytes.", "Copy it again."
        )
    return reader


def restore(graph: Any, prefix: Path | None, saved: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    """Make constants of the variables of a GraphDef, in place.

    Args:
        graph: The part of the graph that is used.
        prefix: The checkpoint; None where the graph needs none.
        saved: Under which names, and which pieces of them, it keeps each variable.

    Raises:
        ModelFileError: The checkpoint lacks a variable, or is damaged.
    """
    import tensorflow as tf

    variables = [node for node in graph.node if node.op in VARIABLES]
    if not variables:
        return
    if prefix is None:
        raise ModelFileError(f"There are no weights for '{variables[0].name}'.", "Put the checkpoint beside the graph.")
    reader = open_checkpoint(prefix)
    known = reader.get_variable_to_shape_map()
    for node in variables:
        names = [(key, part) for key, part in (*saved.get(node.name, ()), (node.name, "")) if key in known]
        if not names:
            raise ModelFileError(
                f"The checkpoint {prefix.name} has no '{node.name}': it belongs to another graph.",
                "Give the .meta file that was saved with it.",
            )
        key, part = names[0]
        with reading(prefix.name):
            value = _part(reader.get_tensor(key), part)
        del node.input[:]
        node.op = "Const"
        node.attr.clear()
        tensor = tf.make_tensor_proto(value)
        node.attr["dtype"].type = tensor.dtype
        node.attr["value"].tensor.CopyFrom(tensor)
    _read_constants(graph, {node.name: node for node in variables})


def _part(value: Any, part: str) -> Any:
    """Return a piece of a variable that was cut up: "6 4 0,3:0,4" is what 0..3 and 0..4 of a (6, 4) hold."""
    if not part:
        return value
    cuts = []
    for one in part.split()[-1].split(":"):
        if one == "-":
            cuts.append(slice(None))
        else:
            start, length = (int(number) for number in one.split(","))
            cuts.append(slice(start, start + length))
    return value[tuple(cuts)]


def saved_names(graph: Any) -> dict[str, list[tuple[str, str]]]:
    """Return under which names, and which pieces of them, a graph's own savers keep each variable."""
    import tensorflow as tf

    nodes = by_name(graph)
    found: dict[str, list[tuple[str, str]]] = {}
    for node in graph.node:
        if node.op != "SaveV2" or not all(split(name)[0] in nodes for name in node.input[1:3]):
            continue
        names, parts = (nodes[split(name)[0]] for name in node.input[1:3])
        if names.op != "Const" or parts.op != "Const":
            continue
        texts = [[text.decode() for text in tf.make_ndarray(one.attr["value"].tensor)] for one in (names, parts)]
        for tensor, key, part in zip(node.input[3:], *texts, strict=False):
            name = split(tensor)[0]
            while name in nodes and nodes[name].op in ("Identity", "ReadVariableOp") and sources(nodes[name]):
                name = split(sources(nodes[name])[0])[0]
            found.setdefault(name, []).append((key, part))
    return found


def _read_constants(graph: Any, constants: Mapping[str, Any]) -> None:
    """Let what read variables read constants."""
    handles = dict(constants)
    for node in graph.node:
        inputs = sources(node)
        if not inputs or split(inputs[0])[0] not in handles:
            continue
        kind = handles[split(inputs[0])[0]].attr["dtype"].type
        if node.op in ("ReadVariableOp", "Identity"):
            node.op = "Identity"
            node.attr.clear()
            node.attr["T"].type = kind
        elif node.op == "ResourceGather":
            indices = node.attr["Tindices"].type
            node.op = "Gather"
            node.attr.clear()
            node.attr["Tparams"].type, node.attr["Tindices"].type = kind, indices
