"""ONNX files -> a checked graph and its weights, reading nothing but the file and what lies beside it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import ModelFileError, PicassoError, UnsafeModelError
from picasso.core.opening import describe
from picasso.core.trust import file_digest

STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Operators that ONNX Runtime brings itself; all others come as a library that runs code."""
_MOST_BYTES = 2**31 - 1
"""What a protocol buffer may hold."""
_MOST_NODES = 500_000
"""Nodes of a graph once its functions are written out; a few functions that call each other twice make millions."""
_APART = 1024
"""Bytes from which a weight is kept apart from the graph, so that PyTorch and ONNX Runtime share one copy of it."""
_SHARED = ("float32", "float64", "float16", "int8", "uint8", "int32", "int64")
_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16}
_BITS |= dict.fromkeys((17, 18, 19, 20, 24), 8) | dict.fromkeys((21, 22, 23), 4) | dict.fromkeys((25, 26), 2)
"""Bits of one number, by the format's code of its type."""
_FIELDS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")


@dataclass(frozen=True)
class OnnxFile:
    """A graph whose local functions are written out.

    Args:
        name: The file's name, for messages.
        proto: onnx.ModelProto without the weights that are kept apart.
        weights: Every weight by name.
        apart: Names of the weights that are not in the proto.
        digest: Digest of the file and of the files of weights beside it.
        beside: Those files.
    """

    name: str
    proto: Any
    weights: dict[str, NDArray[Any]]
    apart: tuple[str, ...]
    digest: str
    beside: tuple[Path, ...]

    @property
    def opset(self) -> int:
        """The version of the standard operators."""
        return next((int(entry.version) for entry in self.proto.opset_import if entry.domain in ("", "ai.onnx")), 1)

    @property
    def size(self) -> int:
        """How many numbers its weights hold."""
        return sum(weight.size for weight in self.weights.values() if weight.dtype.kind == "f")


def looks_like_onnx(path: Path) -> bool:
    """Say whether a file begins as ONNX files do: with the format's version, then another field of a model."""
    with path.open("rb") as file:
        head = file.read(3)
    return (
        len(head) == 3 and head[0] == 0x08 and 3 <= head[1] <= 40 and head[2] in b"\x12\x1a\x22\x28\x2a\x32\x3a\x42\x72"
    )


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Take what goes wrong in reading a file for its damage: there are too many kinds to look for each.

    Args:
        name: The file's name.
    """
    try:
        yield
    except (PicassoError, MemoryError):
        raise
    except Exception as error:
        raise ModelFileError(f"{name} is damaged: {first_line(error)}.", "Copy or export it again.") from error


def read_onnx(source: Any, name: str) -> OnnxFile:
    """Read a graph from a path or an onnx.ModelProto, which is left as it is.

    Args:
        source: The path or proto.
        name: What to call it in messages.

    Raises:
        ModelFileError: It is no ONNX graph, or damaged.
        UnsafeModelError: It needs a library of operators, or reads files that do not lie beside it.
    """
    import onnx

    proto = onnx.ModelProto()
    if isinstance(source, str):
        path = Path(source)
        _parse(path, proto)
        folder, digest = path.parent, hashlib.sha256(file_digest(path).encode())
    else:
        proto.CopyFrom(source)
        folder, digest = None, hashlib.sha256(proto.SerializeToString(deterministic=True))
    if not proto.graph.output:
        raise ModelFileError(f"{name} is no ONNX graph: it has no outputs.", "Export the network again.")
    _check_operators(name, proto)
    if proto.functions:
        proto = _inlined(name, proto)
    if proto.graph.sparse_initializer or any(
        a.HasField("sparse_tensor") for n in graph_nodes(proto.graph) for a in n.attribute
    ):
        raise ModelFileError(f"{name} has sparse weights, which cannot be read.", "Export it with dense weights.")
    for tensor in _inner_tensors(proto.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise UnsafeModelError(f"{name} refers from within a node to another file.", "Export the network again.")
        _check_size(name, tensor, len(tensor.raw_data))
    weights, apart, files = {}, [], {}
    for tensor in proto.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            weights[tensor.name], file = _external(name, tensor, folder)
            files[file.name] = file
        else:
            _check_size(name, tensor, len(tensor.raw_data))
            weights[tensor.name] = _array(name, tensor)
        if _set_apart(tensor, weights[tensor.name]):
            apart.append(tensor.name)
    for inner in sorted(files):
        digest.update(f"{inner}\0{file_digest(files[inner])}".encode())
    _drop_weights_among_inputs(proto)
    return OnnxFile(name, proto, weights, tuple(apart), digest.hexdigest(), tuple(files.values()))


def graph_nodes(graph: Any) -> Iterator[Any]:
    """Go through the nodes of a graph, or of a function, and of the graphs within them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from graph_nodes(inner)


def _parse(path: Path, proto: Any) -> None:
    if path.is_dir():
        raise ModelFileError(f"{path.name} is a folder, not an ONNX file.", "Give the file in it.")
    if not path.is_file():
        raise ModelFileError(f"There is no file {path}.", "Check the path.")
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise ModelFileError(
            f"{path.name} has {size / 2**30:.1f} GiB; an ONNX file has at most 2.",
            "Save its weights beside it: onnx.save_model(..., save_as_external_data=True).",
        )
    data = path.read_bytes()
    with suppress(Exception):  # the errors of protocol buffers differ from one version of them to the next
        if proto.ParseFromString(data) and proto.ir_version > 0 and proto.HasField("graph"):
            return
    if data[4:8] == b"ORTM":
        raise ModelFileError(
            f"{path.name} is a file in ONNX Runtime's own format.", "Give the .onnx file that it was made from."
        )
    if size and looks_like_onnx(path):
        raise ModelFileError(f"{path.name} is a damaged ONNX file: it cannot be read to its end.", "Copy it again.")
    hint = "If it came from a git repository, fetch it with: git lfs pull" if b"git-lfs" in data[:100] else ""
    raise ModelFileError(f"{path.name} is no ONNX file: it is {describe(path)}.", hint or "Give another file.")


def _check_operators(name: str, proto: Any) -> None:
    """Refuse operators of libraries, and those that load what was compiled elsewhere."""
    own = {(function.domain, function.name) for function in proto.functions}
    foreign = set()
    for body in (proto.graph, *proto.functions):
        for node in graph_nodes(body):
            ours = (node.domain, node.op_type) in own
            if node.op_type == "EPContext" or (node.domain not in STANDARD_DOMAINS and not ours):
                foreign.add(f"{node.domain}.{node.op_type}")
    if foreign:
        listed = ", ".join(sorted(foreign)[:5])
        raise UnsafeModelError(
            f"{name} needs operators that come as a library, which would run code: {listed}.",
            "Export the network with ONNX's standard operators.",
        )


def _inlined(name: str, proto: Any) -> Any:
    """Write the graph's own functions out, once it is sure that this ends."""
    from onnx import inliner

    bodies = {(function.domain, function.name): function for function in proto.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(body: Any, above: tuple[Any, ...]) -> int:
        total = 0
        for node in graph_nodes(body):
            key = (node.domain, node.op_type)
            if key in above or len(above) > 100:
                raise ModelFileError(f"{name} has functions that call themselves: {key[1]}.", "Export it again.")
            if key in bodies and key not in sizes:
                sizes[key] = size(bodies[key], (*above, key))
            total += sizes.get(key, 1)
        return total

    if size(proto.graph, ()) > _MOST_NODES:
        raise ModelFileError(f"{name} has functions that make more than {_MOST_NODES} nodes.", "Export it again.")
    try:
        return inliner.inline_local_functions(proto)
    except Exception as error:
        raise ModelFileError(f"The functions in {name} could not be written out: {first_line(error)}") from error


def _inner_tensors(graph: Any) -> Iterator[Any]:
    """Go through the tensors that are attributes of nodes, and the weights of the graphs within them."""
    for node in graph_nodes(graph):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            yield from attribute.g.initializer


def _check_size(name: str, tensor: Any, length: int) -> None:
    """Refuse a tensor whose shape is not that of its data, before anything of that shape is made.

    Args:
        name: The file.
        tensor: onnx.TensorProto.
        length: Bytes of its raw data; 0 where its numbers are listed one by one.
    """
    count = math.prod(tensor.dims)
    bits = _BITS.get(tensor.data_type)
    if bits is None:  # strings, which no image network reads
        return
    listed = max((len(getattr(tensor, field)) for field in _FIELDS), default=0)
    least = 1 if bits >= 8 else 8 // bits
    right = length == -(-count * bits // 8) if length else listed in (count, 2 * count, -(-count // least))
    if min(tensor.dims, default=0) < 0 or not right:
        got = f"{length} bytes" if length else f"{listed} numbers"
        raise ModelFileError(
            f"{name} is damaged: '{tensor.name}' has shape {list(tensor.dims)[:8]} and {got}.", "Copy it again."
        )


def _external(name: str, tensor: Any, folder: Path | None) -> tuple[NDArray[Any], Path]:
    """Read a weight that lies in another file."""
    import onnx

    told = {entry.key: entry.value for entry in tensor.external_data}
    location = told.get("location", "")
    if folder is None:
        raise ModelFileError(
            f"The ModelProto keeps '{tensor.name}' in another file, '{location}'.", "Give the path of the .onnx file."
        )
    file = _beside(name, folder, location)
    try:
        offset = int(told.get("offset") or 0)
        length = int(told["length"]) if told.get("length") else file.stat().st_size - offset
    except ValueError:
        raise ModelFileError(f"{name} is damaged: '{tensor.name}' lies nowhere in {file.name}.") from None
    if offset < 0 or length < 0 or offset + length > file.stat().st_size:
        raise ModelFileError(
            f"{file.name} is too short: '{tensor.name}' would lie at bytes {offset} to {offset + length}, and it has "
            f"{file.stat().st_size}.",
            "Copy it again.",
        )
    if length:
        _check_size(name, tensor, length)
    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    tensor.ClearField("external_data")
    tensor.data_location = onnx.TensorProto.DEFAULT
    if str(kind) in _SHARED and length >= _APART:
        flat = np.fromfile(file, kind, math.prod(tensor.dims), offset=offset)
        return flat.reshape(tuple(tensor.dims)), file
    with file.open("rb") as stream:
        stream.seek(offset)
        tensor.raw_data = stream.read(length)
    return _array(name, tensor), file


def _beside(name: str, folder: Path, location: str) -> Path:
    """Return the path of a file of weights, which must really lie beside the graph or below."""
    parts = Path(location.replace("\\", "/")).parts
    bad = not parts or "\0" in location or ".." in parts or Path(location).is_absolute() or ":" in parts[0]
    file = folder / location if not bad else folder
    inside = not bad and file.resolve().is_relative_to(folder.resolve())
    if not inside or location.startswith(("/", "\\")):
        raise UnsafeModelError(
            f"{name} wants to read a file that does not lie beside it: '{location[:100]}'.",
            "Put the weights beside the .onnx file and export it again.",
        )
    if not file.is_file():
        raise ModelFileError(f"{name} keeps its weights in '{location}', which is not beside it.", "Copy both files.")
    return file


def _array(name: str, tensor: Any) -> NDArray[Any]:
    from onnx import numpy_helper

    try:
        return np.array(numpy_helper.to_array(tensor))  # a copy: what it was lets nobody share it
    except Exception as error:
        raise ModelFileError(f"{name} is damaged: '{tensor.name}': {first_line(error)}.", "Copy it again.") from error


def _set_apart(tensor: Any, array: NDArray[Any]) -> bool:
    """Take a large weight out of the graph; what is left says that it is given from outside."""
    import onnx

    if array.nbytes < _APART or str(array.dtype) not in _SHARED:
        return False
    for field in ("raw_data", *_FIELDS):
        tensor.ClearField(field)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="given")
    return True


def _drop_weights_among_inputs(proto: Any) -> None:
    """Early files list their weights among the inputs, too; nobody feeds them."""
    names = {tensor.name for tensor in proto.graph.initializer}
    kept = [value for value in proto.graph.input if value.name not in names]
    del proto.graph.input[:]
    proto.graph.input.extend(kept)
    proto.ir_version = max(proto.ir_version, 4)


def first_line(error: Exception) -> str:
    """Return the first line of what an error says, without a full stop."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
