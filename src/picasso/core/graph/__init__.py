"""The op graph: a network as a list of small operations that know their inputs, weights, shapes and layers.

A reader in each folder of `models/` fills it, whatever framework the network comes from. What runs on it, the engine
and everything else that needs to know how a network is built, sees one language.

A value has no batch axis in its shape, and channels come first: (channels, height, width) for a map, (features,) for a
vector, whatever the network has for the rest. A network whose maps lie channels last is turned by its reader, which
writes a `Transpose` before what looks at the order of all numbers (flattening, reshaping).
"""

from picasso.core.graph.maps import (
    Activation,
    Affine,
    Concat,
    Constant,
    Conv,
    ConvTranspose,
    Elementwise,
    Function,
    GlobalPool,
    Input,
    Linear,
    Pad,
    Pool,
    Resize,
)
from picasso.core.graph.network import AnyOp, Builder, Graph
from picasso.core.graph.operation import NO_PADDING, GraphError, Op, Padding, Pair, Shape
from picasso.core.graph.places import average_counts, interpolation, padded_to
from picasso.core.graph.values import (
    Attention,
    GroupNorm,
    LayerNorm,
    LocalResponseNorm,
    MatMul,
    Reduce,
    Reorder,
    Reshape,
    Slice,
    Softmax,
    Transpose,
)

__all__ = [
    "NO_PADDING",
    "Activation",
    "Affine",
    "AnyOp",
    "Attention",
    "Builder",
    "Concat",
    "Constant",
    "Conv",
    "ConvTranspose",
    "Elementwise",
    "Function",
    "GlobalPool",
    "Graph",
    "GraphError",
    "GroupNorm",
    "Input",
    "LayerNorm",
    "Linear",
    "LocalResponseNorm",
    "MatMul",
    "Op",
    "Pad",
    "Padding",
    "Pair",
    "Pool",
    "Reduce",
    "Reorder",
    "Reshape",
    "Resize",
    "Shape",
    "Slice",
    "Softmax",
    "Transpose",
    "average_counts",
    "interpolation",
    "padded_to",
]
