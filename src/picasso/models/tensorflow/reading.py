"""From what lies on the disk to one GraphDef whose variables are constants."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from picasso.core.errors import ConfigurationError, ModelFileError
from picasso.core.opening import describe
from picasso.core.trust import demand_trust
from picasso.models.tensorflow import safety
from picasso.models.tensorflow.checkpoints import VARIABLES, open_checkpoint, saved_names
from picasso.models.tensorflow.files import SAVED, Kind, Place, read_message
from picasso.models.tensorflow.nodes import by_name, keep, split
from picasso.models.tensorflow.quiet import reading

SERVE = "serve"
DEFAULT = "serving_default"


@dataclass
class Read:
    """A network as it was read.

    Args:
        graph: The GraphDef.
        inputs: Tensors that the file itself names as inputs, by its own names; empty where it names none.
        outputs: The same for outputs.
        checkpoint: The variables' values, where they are not in the graph yet.
        saved: Under which names, and which pieces of them, the checkpoint keeps each variable.
        notes: What was assumed, one sentence each.
    """

    graph: Any
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    checkpoint: Path | None = None
    saved: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read(place: Place, trust: Collection[str]) -> Read:
    """Read a network.

    Args:
        place: Where it lies.
        trust: Digests of the files that may read and write files, or call Python.

    Raises:
        ModelFileError: A file is damaged, or something else than its name says.
        UnsafeModelError: The graph reaches outside itself.
    """
    if place.kind is Kind.GRAPH:
        return _read_graph(place.path, trust)
    if place.kind is Kind.CHECKPOINT:
        return _read_meta(place)
    return _read_saved(place.path, trust)


def _read_graph(path: Path, trust: Collection[str]) -> Read:
    from tensorflow.core.framework.graph_pb2 import GraphDef

    try:
        graph = read_message(path, GraphDef, "frozen graph")
    except ModelFileError:
        if not _is_saved(path):
            raise
        graph = GraphDef()
    if not _plausible(graph):
        saved = _is_saved(path)
        said = "the graph of a SavedModel" if saved else describe(path)
        hint = f"Keep its name, {SAVED}, and the folder 'variables' beside it." if saved else "Save or copy it again."
        raise ModelFileError(f"{path.name} is no frozen graph of TensorFlow: it is {said}.", hint)
    safety.check_sizes(graph, path)
    safety.check_ops(graph, path, trust)
    held = [node.name for node in graph.node if node.op in VARIABLES]
    if held:
        raise ModelFileError(
            f"{path.name} holds a graph without its weights: '{held[0]}' is a variable.",
            "Freeze it, or give the .meta file with its checkpoint.",
        )
    return Read(graph)


def _is_saved(path: Path) -> bool:
    """Say whether a file, whatever its name, is what a SavedModel begins with."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        return any(_plausible(meta.graph_def) for meta in read_message(path, SavedModel, "SavedModel").meta_graphs)
    except ModelFileError:
        return False


def _plausible(graph: Any) -> bool:
    """Say whether what was read as a GraphDef is one: other messages can be misread as one without complaint."""
    return len(graph.node) > 0 and all(node.name and node.op.replace("_", "").isalnum() for node in graph.node)


def _read_meta(place: Place) -> Read:
    from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

    if not place.path.is_file():
        raise ModelFileError(
            f"There is no meta graph beside the checkpoint {place.path.with_suffix('').name}: it holds weights alone.",
            f"Put the file {place.path.name} beside it, or build the network in code: give a model file "
            "my_model.py:MyModel whose load() returns it with its weights.",
        )
    meta = read_message(place.path, MetaGraphDef, "meta graph")
    if not _plausible(meta.graph_def):
        raise ModelFileError(
            f"{place.path.name} is no meta graph of TensorFlow: it is {describe(place.path)}.", "Save or copy it again."
        )
    safety.check_sizes(meta.graph_def, place.path)
    chosen = f"Of {place.among} checkpoints in the folder {place.prefix.name if place.prefix else ''} is taken."
    notes = [chosen] if place.among > 1 else []
    return Read(meta.graph_def, checkpoint=place.prefix, saved=saved_names(meta.graph_def), notes=notes)


def _read_saved(folder: Path, trust: Collection[str]) -> Read:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    file = folder / SAVED if (folder / SAVED).is_file() else folder / "saved_model.pbtxt"
    saved = read_message(file, SavedModel, "SavedModel")
    if not saved.meta_graphs or not any(_plausible(meta.graph_def) for meta in saved.meta_graphs):
        raise ModelFileError(f"{file.name} is no SavedModel of TensorFlow: it is {describe(file)}.")
    safety.check_inside(folder)
    metas = [meta for meta in saved.meta_graphs if SERVE in meta.meta_info_def.tags] or list(saved.meta_graphs)
    meta = metas[0]
    safety.check_sizes(meta.graph_def, folder)
    if len(meta.object_graph_def.nodes):
        _check_saved(meta, folder, trust)
        return _freeze(folder, list(meta.meta_info_def.tags))
    prefix = folder / "variables" / "variables"
    signature = _signature(meta.signature_def)
    notes = [f"The signature '{signature}' is explained."] if len(meta.signature_def) > 1 and signature else []
    named = meta.signature_def[signature] if signature else None
    return Read(
        meta.graph_def,
        {key: info.name for key, info in named.inputs.items() if info.name} if named else {},
        {key: info.name for key, info in named.outputs.items() if info.name} if named else {},
        prefix if Path(f"{prefix}.index").is_file() else None,
        saved_names(meta.graph_def),
        notes,
    )


def _signature(signatures: Mapping[str, Any]) -> str:
    """Return the name of the signature that predicts."""
    names = [name for name in signatures if not name.startswith("__") and not name.startswith("train")]
    usual = [name for name in (DEFAULT, "predict", "predict_images", "classify", "default") if name in names]
    return (usual or sorted(names) or [""])[0]


def _check_saved(meta: Any, folder: Path, trust: Collection[str]) -> None:
    """Refuse a SavedModel that reaches outside itself, also when it is only opened.

    Its own functions for saving and restoring write and read files by their nature. They are let be where nothing but
    the saver calls them.
    """
    savers = {split(name)[0] for name in (meta.saver_def.save_tensor_name, meta.saver_def.restore_op_name) if name}
    nodes = by_name(meta.graph_def)
    functions = {function.signature.name: function for function in meta.graph_def.library.function}
    own = _called([nodes[name] for name in savers if name in nodes], functions)
    others = _called([node for node in meta.graph_def.node if node.name not in savers], functions)
    others |= _called([], functions, list(meta.object_graph_def.concrete_functions))
    ops = {op for name in functions if name not in own - others for op in _ops(functions[name])}
    ops |= {node.op for node in meta.graph_def.node if node.name not in savers}
    inner = {op for name in own - others for op in _ops(functions[name])} - safety.SAVERS
    missing = safety.unknown(ops | inner, functions)
    if missing:
        raise ModelFileError(
            f"{folder.name} needs operations that are no part of TensorFlow: {', '.join(missing[:5])}.",
            "Export the network without them, from the picture to the scores.",
        )
    restoring = [nodes[name] for name in [split(meta.saver_def.restore_op_name)[0]] if name in nodes]
    restored = {op for name in _called(restoring, functions) for op in _ops(functions[name])}
    found = [op for op in safety.reaching_out(ops | inner | restored & safety.WRITERS) if op not in safety.TABLE_FILES]
    if found:
        demand_trust(folder, trust, f"operations that reach outside the network ({', '.join(found[:5])})")
    if ops & safety.TABLE_FILES:
        _check_tables(meta, folder, trust)


def _check_tables(meta: Any, folder: Path, trust: Collection[str]) -> None:
    """Refuse tables that are read from files other than the SavedModel's own assets."""
    kinds = meta.object_graph_def.nodes
    for function in meta.graph_def.library.function:
        arguments = {argument.name for argument in function.signature.input_arg}
        for node in function.node_def:
            if node.op in safety.TABLE_FILES:
                concrete = meta.object_graph_def.concrete_functions.get(function.signature.name)
                bound = concrete.bound_inputs if concrete is not None else ()
                plain = {kinds[index].WhichOneof("kind") for index in bound}
                if node.input[1] not in arguments or concrete is None or not plain <= {"asset", "resource"}:
                    demand_trust(folder, trust, "tables that are read from files of any name")
    if any(node.op in safety.TABLE_FILES for node in meta.graph_def.node):
        demand_trust(folder, trust, "tables that are read from files of any name")
    for asset in meta.asset_file_def:
        if Path(asset.filename).is_absolute() or ".." in Path(asset.filename).parts:
            raise ModelFileError(f"{folder.name} names the file '{asset.filename}', which is not in its folder.")


def _ops(function: Any) -> set[str]:
    return {node.op for node in function.node_def}


def _called(nodes: Sequence[Any], functions: Mapping[str, Any], names: Sequence[str] = ()) -> set[str]:
    """Return the names of the functions that nodes, or functions, call, directly or not."""
    found: set[str] = set()
    stack = [name for node in nodes for name in _names(node)] + list(names)
    while stack:
        name = stack.pop()
        if name in found or name not in functions:
            continue
        found.add(name)
        stack += [inner for node in functions[name].node_def for inner in _names(node)]
    return found


def _names(node: Any) -> list[str]:
    functions = [value.func.name for value in node.attr.values() if value.HasField("func")]
    functions += [one.name for value in node.attr.values() if value.HasField("list") for one in value.list.func]
    return [node.op, *functions]


def _freeze(folder: Path, tags: Sequence[str]) -> Read:
    """Open a SavedModel of TensorFlow 2, and make constants of the variables that its function reads."""
    import tensorflow as tf

    prefix = folder / "variables" / "variables"
    if Path(f"{prefix}.index").is_file():
        open_checkpoint(prefix)
    with reading(folder.name):
        loaded = tf.saved_model.load(str(folder), tags=tags or None)
    names = list(loaded.signatures)
    if names:
        name = _signature(dict.fromkeys(names))
        function = loaded.signatures[name or names[0]]
        notes = [f"The signature '{name or names[0]}' is explained."] if len(names) > 1 else []
    else:
        function, notes = _callable(loaded, folder), ["The SavedModel has no signature: its own call is explained."]
    with reading(folder.name):
        try:
            frozen = freeze(function)
        except ValueError as error:
            if "Assign" not in str(error):
                raise
            raise ModelFileError(
                f"{folder.name} changes its own weights as it answers: it was exported as it is in training.",
                "Export it with training=False, or give the file that it was made of, a .keras file, say.",
            ) from error
    frozen.notes += notes
    return frozen


def freeze(function: Any) -> Read:
    """Make constants of the variables that a concrete function reads."""
    from tensorflow.python.eager.wrap_function import function_from_graph_def
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    # Conditions stay functions: gradients pass those, but not the switches that they would be lowered to.
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
    graph = frozen.graph.as_graph_def()
    if _free_to_inline(graph):
        given, answers = [t.name for t in frozen.inputs], [t.name for t in frozen.outputs]
        frozen = convert_variables_to_constants_v2(
            function_from_graph_def(graph, given, answers), lower_control_flow=False
        )
    given = [tensor for tensor in function.inputs if tensor.dtype.name not in ("resource", "variant")]
    captured = len(function.captured_inputs)
    given = given[: len(function.inputs) - captured] if captured else given
    left = {tensor.name: tensor for tensor in frozen.inputs}
    inputs = {split(t.name)[0]: t.name for t in given if t.name in left}
    outputs = _outputs(function, frozen)
    return Read(frozen.graph.as_graph_def(), inputs, outputs)


def _free_to_inline(graph: Any) -> bool:
    """Take off the marks by which calls insist on being compiled or kept; say whether there were any.

    Gradients pass open graphs alone. Keras marks its convolutions in groups so.
    """
    inner = [node for function in graph.library.function for node in function.node_def]
    marked = False
    for part in (*graph.node, *graph.library.function, *inner):
        for mark in ("_XlaMustCompile", "_noinline"):
            marked |= mark in part.attr and part.attr[mark].b
            part.attr.pop(mark, None)
    if not marked:
        return False
    # The process knows the functions already, by name and with their marks.
    renamed = {function.signature.name: f"{function.signature.name}_open" for function in graph.library.function}
    for function in graph.library.function:
        function.signature.name = renamed[function.signature.name]
    for node in (*graph.node, *inner):
        node.op = renamed.get(node.op, node.op)
        for value in node.attr.values():
            for called in (value.func, *value.list.func):
                if called.name in renamed:
                    called.name = renamed[called.name]
    return True


def of_session(session: Any, given: str, answer: str) -> Read:
    """Make constants of the variables of a session's graph, as far as one tensor depends on them."""
    import tensorflow as tf

    with reading("The session"):
        graph = tf.compat.v1.graph_util.convert_variables_to_constants(
            session, session.graph.as_graph_def(), [split(answer)[0]]
        )
    return Read(graph, {given: given}, {answer: answer})


def _outputs(function: Any, frozen: Any) -> dict[str, str]:
    """Return the outputs of a frozen function by the names that the function gives them."""
    import tensorflow as tf

    structured = function.structured_outputs
    if isinstance(structured, dict) and len(structured) == len(frozen.outputs):
        # The outputs of a function lie in the order of the sorted names.
        return {str(key): tensor.name for key, tensor in zip(sorted(structured), frozen.outputs, strict=True)}
    flat = tf.nest.flatten(structured, expand_composites=True)
    if len(flat) == 1 and len(frozen.outputs) == 1:
        return {"output": frozen.outputs[0].name}
    return {str(place): tensor.name for place, tensor in enumerate(frozen.outputs)}


def _callable(loaded: Any, folder: Path) -> Any:
    """Return the concrete function of a SavedModel without signatures: what it does when it is called."""
    own = [name for name in ("__call__", "serve", "predict", "call", "forward") if hasattr(loaded, name)]
    others = sorted(name for name in vars(loaded) if not name.startswith("_"))
    for name in (*own, *others):
        concrete = [one for one in getattr(getattr(loaded, name), "concrete_functions", ()) if _predicts(one)]
        if concrete:
            return concrete[0]
    raise ModelFileError(
        f"{folder.name} is a SavedModel without a signature, and nothing in it can be called with a picture.",
        "Save it again with signatures=....",
    )


def _predicts(function: Any) -> bool:
    import tensorflow as tf

    args, named = function.structured_input_signature
    flat = tf.nest.flatten((args, named))
    return any(isinstance(one, tf.TensorSpec) for one in flat) and not any(one is True for one in flat)


def find_tensor(graph: Any, asked: str, named: Mapping[str, str], what: str) -> str:
    """Return the full name of a tensor that the user asked for: "name" or "name:0", or a name of the signature.

    Raises:
        ConfigurationError: There is none of that name.
    """
    import difflib

    nodes = by_name(graph)
    for tensor in (named.get(asked, ""), asked):
        name, place = split(tensor)
        if name in nodes:
            return f"{name}:{place}"
    short = {name.rsplit("PartitionedCall/", 1)[-1]: name for name in nodes}
    if split(asked)[0] in short:
        return f"{short[split(asked)[0]]}:{split(asked)[1]}"
    near = difflib.get_close_matches(split(asked)[0], [*named, *short], 4, 0.3)
    raise ConfigurationError(
        f"The graph has no {what} '{asked}'.", f"Did you mean {', '.join(near)}?" if near else "Give a tensor's name."
    )


def keep_only(graph: Any, names: Collection[str]) -> None:
    """Drop all nodes of a GraphDef but some, and all functions that those do not call."""
    keep(graph, names)
    functions = {function.signature.name: function for function in graph.library.function}
    called = _called(list(graph.node), functions)
    called |= {gradient.gradient_func for gradient in graph.library.gradient}
    for place in reversed(range(len(graph.library.function))):
        if graph.library.function[place].signature.name not in called:
            del graph.library.function[place]
