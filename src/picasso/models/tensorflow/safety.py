"""What a TensorFlow graph may hold. A graph is a program: it can read and write files, and call Python."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from picasso.core.errors import ModelFileError
from picasso.core.trust import demand_trust

STATEFUL = re.compile(
    r"Assert|Assign(Add|Sub)?VariableOp|Case|CheckNumerics(V2)?|CudnnRNN\w*|DestroyResourceOp|DeviceIndex|DeepCopy|"
    r"DisableCopyOnRead|Empty|GuaranteeConst|If|While|(Stateful)?PartitionedCall|Print|Multinomial|"
    r"(Anonymous|Mutable|MutableDense|AnonymousMutable|AnonymousMutableDense)?HashTable(OfTensors)?(V2)?|"
    r"InitializeTable(V2)?|LookupTable\w+|IsResourceHandleRefCounting|ParameterizedTruncatedNormal|"
    r"Random\w*|Stateful(StandardNormal|TruncatedNormal|Uniform|RandomBinomial)\w*|StatelessRandomGetAlg|Rng\w+|"
    r"ReadVariableOp|ResourceGather(Nd)?|SampleDistortedBoundingBox(V2)?|Stack\w*|TemporaryVariable|TensorArray\w*|"
    r"Timestamp|TruncatedNormal|VarHandleOp|VarIsInitializedOp|Variable(V2)?|VariableShape"
)
"""Operations with a state of their own that touch nothing outside the graph. All others with a state are refused."""
STATELESS = re.compile(
    r"ReadFile|MatchingFiles|InitializeTableFromTextFile|PyFuncStateless|ImmutableConst|Reader\w+|\w*Dataset\w*|"
    r"Debug\w+|GenerateVocabRemapping|TPU\w*|Tpu\w*|XlaCustomCall\w*|\w*Snapshot\w*"
)
"""Operations that TensorFlow says have no state, and that yet reach outside the graph."""
SAVERS = frozenset({"SaveV2", "RestoreV2", "MergeV2Checkpoints", "Save", "SaveSlices", "Restore", "RestoreSlice"})
WRITERS = frozenset({"SaveV2", "MergeV2Checkpoints", "Save", "SaveSlices"})
"""Of them those that write: what restores must not call one."""
TABLE_FILES = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})
_WAY_OUT = "Export the network without it, from the picture to the scores."
_MOST_CONSTANT = 2**31


def reaching_out(ops: Iterable[str]) -> list[str]:
    """Return those operations that read or write files, call Python, or reach other machines."""
    known = _registered()
    return sorted(
        {
            op
            for op in ops
            if STATELESS.fullmatch(op) or (known.get(op, False) and not STATEFUL.fullmatch(op) and op != "NoOp")
        }
    )


def unknown(ops: Iterable[str], own: Collection[str] = ()) -> list[str]:
    """Return those operations that are no part of TensorFlow, nor functions of the graph itself."""
    known = _registered()
    return sorted({op for op in ops if op not in known and op not in own})


def check_ops(graph: Any, path: Path, trust: Collection[str]) -> None:
    """Refuse a GraphDef that reaches outside itself, or that needs operations which are not here.

    Args:
        graph: The GraphDef, all of which may be run.
        path: The file or folder that it came from.
        trust: Digests of the files that may do so.

    Raises:
        UnsafeModelError: It reads or writes files, or calls Python, and is not trusted.
        ModelFileError: It needs operations that are no part of TensorFlow.
    """
    own = {function.signature.name for function in graph.library.function}
    ops = {node.op for node in graph.node}
    ops |= {node.op for function in graph.library.function for node in function.node_def}
    missing = unknown(ops, own)
    if missing:
        raise ModelFileError(
            f"{path.name} needs operations that are no part of TensorFlow: {', '.join(missing[:5])}.", _WAY_OUT
        )
    found = reaching_out(ops)
    if found:
        demand_trust(path, trust, f"operations that reach outside the network ({', '.join(found[:5])})")


def check_sizes(graph: Any, path: Path) -> None:
    """Refuse a GraphDef whose constants would take far more memory than the file holds."""
    total = 0
    for node in (*graph.node, *(node for function in graph.library.function for node in function.node_def)):
        if node.op != "Const":
            continue
        size = 4
        for dimension in node.attr["value"].tensor.tensor_shape.dim:
            size *= max(0, dimension.size)
        total += size
    if total > _MOST_CONSTANT:
        raise ModelFileError(f"{path.name} declares constants of {total / 2**30:.0f} GiB, far more than it can hold.")


def check_inside(folder: Path) -> None:
    """Refuse a folder of a model in which a link leads to somewhere else."""
    place = folder.resolve()
    for inner in folder.rglob("*"):
        if inner.is_symlink() and not inner.resolve().is_relative_to(place):
            raise ModelFileError(
                f"{inner.relative_to(folder)} in {folder.name} is a link that leads out of the folder.",
                f"Copy the folder with what its links mean: cp -rL {folder.name} copy.",
            )


@cache
def _registered() -> dict[str, bool]:
    """Return all operations that TensorFlow has here, and whether each has a state."""
    from tensorflow.core.framework.op_def_pb2 import OpList
    from tensorflow.python.client import pywrap_tf_session

    listed = OpList.FromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    return {op.name: bool(op.is_stateful) for op in listed.op}
