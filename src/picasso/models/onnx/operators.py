"""ONNX's arithmetic, activations and reductions on PyTorch's operations.

Imports PyTorch, so it is imported itself only where a graph is opened.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from picasso.core.errors import ModelFileError

_MOST_NUMBERS = 2**31
"""Numbers of one value: what asks for more is a damaged or hostile file."""
# Half precision is computed in single: few processors have it, and gradients fare better.
TYPES = {1: torch.float32, 2: torch.uint8, 3: torch.int8, 4: torch.int32, 5: torch.int16, 6: torch.int32}
TYPES |= {7: torch.int64, 9: torch.bool, 10: torch.float32, 11: torch.float64, 12: torch.int64, 13: torch.int64}
TYPES |= {16: torch.float32}
"""PyTorch's types by the format's codes."""


@dataclass(frozen=True)
class Call:
    """A node, as its operator sees it.

    Args:
        attributes: By name; text as str, tensors as PyTorch's.
        opset: Version of the operators.
        outputs: How many outputs are asked for.
        device: Where new tensors of numbers go; those of sizes stay with the CPU.
    """

    attributes: Mapping[str, Any]
    opset: int
    outputs: int
    device: Any

    def get(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)


@dataclass(frozen=True)
class Operator:
    """How an operator runs.

    Args:
        run: Gets the call and the inputs, None for those left out; returns the output, or a tuple of them.
        numbers: Places of the inputs that it gets as lists of Python numbers: sizes, axes, limits.
    """

    run: Callable[..., Any]
    numbers: frozenset[int] = frozenset()


def reading(*numbers: int) -> Callable[[Callable[..., Any]], Operator]:
    """Return what makes an operator that reads some of its inputs as numbers."""
    return lambda run: Operator(run, frozenset(numbers))


def make_room(shape: Sequence[int]) -> None:
    """Refuse a value that is too large before it is made.

    Raises:
        ModelFileError: It has more than 2 ** 31 numbers.
    """
    if math.prod(shape) > _MOST_NUMBERS:
        raise ModelFileError(
            f"The network makes a value of shape {list(shape)[:8]}, which is too large.", "Give another file."
        )


def _plain(function: Callable[..., Any]) -> Operator:
    return Operator(lambda call, *inputs: function(*inputs))


def _pairwise(function: Callable[[Any, Any], Any]) -> Operator:
    def run(call: Call, first: Any, *others: Any) -> Any:
        for other in others:
            first = function(first, other)
        return first

    return Operator(run)


def _divide(call: Call, x: Any, y: Any) -> Any:
    return torch.div(x, y) if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


def _modulo(call: Call, x: Any, y: Any) -> Any:
    return torch.fmod(x, y) if call.get("fmod", 0) else torch.remainder(x, y)


def _maximum(x: Any, y: Any) -> Any:
    # What is a ReLU is told by its second argument.
    return torch.maximum(y, x) if x.ndim < y.ndim or (x.numel() == 1 and y.numel() > 1) else torch.maximum(x, y)


def _mean(call: Call, *inputs: Any) -> Any:
    return sum(inputs[1:], inputs[0]) / len(inputs)


def _is_infinite(call: Call, x: Any) -> Any:
    positive, negative = call.get("detect_positive", 1), call.get("detect_negative", 1)
    return torch.isinf(x) & (((x > 0) & bool(positive)) | ((x < 0) & bool(negative)))


# --- activations ---------------------------------------------------------------------------------------------


@reading(1, 2)
def _clip(call: Call, x: Any, low: Any = None, high: Any = None) -> Any:
    least = low[0] if low else call.get("min")
    most = high[0] if high else call.get("max")
    least = None if least is not None and least <= -3.4e38 else least
    most = None if most is not None and most >= 3.4e38 else most
    return x if least is None and most is None else torch.clamp(x, min=least, max=most)


def _hard_sigmoid(call: Call, x: Any) -> Any:
    return torch.clamp(call.get("alpha", 0.2) * x + call.get("beta", 0.5), 0, 1)


def _selu(call: Call, x: Any) -> Any:
    alpha, gamma = call.get("alpha", 1.6732632423543772), call.get("gamma", 1.0507009873554805)
    return gamma * torch.where(x > 0, x, alpha * torch.expm1(torch.minimum(x, torch.zeros_like(x))))


def _shrink(call: Call, x: Any) -> Any:
    edge, bias = call.get("lambd", 0.5), call.get("bias", 0.0)
    return torch.where(x < -edge, x + bias, torch.where(x > edge, x - bias, torch.zeros_like(x)))


def _softmax(function: Callable[..., Any]) -> Operator:
    def run(call: Call, x: Any) -> Any:
        if call.opset >= 13:
            return function(x, call.get("axis", -1))
        axis = call.get("axis", 1) % max(x.ndim, 1)  # all axes from there on are one
        return function(x.flatten(axis) if axis < x.ndim else x[..., None], axis).reshape(x.shape)

    return Operator(run)


def _dropout(call: Call, x: Any, *rest: Any) -> Any:
    return (x, torch.ones_like(x, dtype=torch.bool)) if call.outputs > 1 else x


# --- matrices ------------------------------------------------------------------------------------------------


def _gemm(call: Call, a: Any, b: Any, c: Any = None) -> Any:
    product = (a.T if call.get("transA") else a) @ (b.T if call.get("transB") else b)
    alpha, beta = call.get("alpha", 1.0), call.get("beta", 1.0)
    product = product if alpha == 1 else alpha * product
    return product if c is None else product + (c if beta == 1 else beta * c)


def _trilu(call: Call, x: Any, k: Any = None) -> Any:
    return torch.triu(x, k[0] if k else 0) if call.get("upper", 1) else torch.tril(x, k[0] if k else 0)


def _dequantize(call: Call, x: Any, scale: Any, zero: Any = None) -> Any:
    if call.get("block_size"):
        raise NotImplementedError("DequantizeLinear in blocks")
    if scale.numel() > 1:
        shape = [1] * x.ndim
        shape[call.get("axis", 1)] = -1
        scale = scale.reshape(shape)
        zero = None if zero is None else zero.reshape(shape)
    wide = x.to(scale.dtype)
    return (wide if zero is None else wide - zero.to(scale.dtype)) * scale


# --- reductions ----------------------------------------------------------------------------------------------


def _reduction(function: Callable[[Any, list[int], bool], Any]) -> Operator:
    def run(call: Call, x: Any, axes: list[int] | None = None) -> Any:
        axes = axes or call.get("axes")
        if not axes and call.get("noop_with_empty_axes", 0):
            return x
        return function(x, list(axes or range(x.ndim)), bool(call.get("keepdims", 1))) if x.ndim else x

    return Operator(run, frozenset({1}))


def _product(x: Any, axes: list[int], keep: bool) -> Any:
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = x.prod(axis, keep)
    return x


def _mean_over(x: Any, axes: list[int], keep: bool) -> Any:
    return x.mean(axes, keep) if x.is_floating_point() else x.double().mean(axes, keep).to(x.dtype)


def _norm(x: Any, axes: list[int], keep: bool) -> Any:
    return torch.linalg.vector_norm(x, 2, axes, keep)


def _best(function: Callable[..., Any]) -> Operator:
    def run(call: Call, x: Any) -> Any:
        if call.get("select_last_index", 0):
            raise NotImplementedError("ArgMax with select_last_index")
        return function(x, call.get("axis", 0), bool(call.get("keepdims", 1)))

    return Operator(run)


@reading(1)
def _top_k(call: Call, x: Any, k: list[int] | None = None) -> Any:
    found = torch.topk(x, k[0] if k else call.get("k"), call.get("axis", -1), bool(call.get("largest", 1)), True)
    return found.values, found.indices


@reading(1)
def _running_sum(call: Call, x: Any, axis: list[int]) -> Any:
    x = x.flip(axis[0]) if call.get("reverse", 0) else x
    total = x.cumsum(axis[0], dtype=x.dtype)
    total = total - x if call.get("exclusive", 0) else total
    return total.flip(axis[0]) if call.get("reverse", 0) else total


_UNARY: dict[str, Callable[..., Any]] = {
    "Abs": torch.abs, "Acos": torch.acos, "Acosh": torch.acosh, "Asin": torch.asin, "Asinh": torch.asinh,
    "Atan": torch.atan, "Atanh": torch.atanh, "BitwiseNot": torch.bitwise_not, "Ceil": torch.ceil, "Cos": torch.cos,
    "Cosh": torch.cosh, "Erf": torch.erf, "Exp": torch.exp, "Floor": torch.floor, "IsNaN": torch.isnan,
    "Log": torch.log, "Neg": torch.neg, "Not": torch.logical_not, "Reciprocal": torch.reciprocal,
    "Round": torch.round, "Sigmoid": torch.sigmoid, "Sign": torch.sign, "Sin": torch.sin, "Sinh": torch.sinh,
    "Sqrt": torch.sqrt, "Tan": torch.tan, "Tanh": torch.tanh, "Relu": F.relu, "Softsign": F.softsign,
    "Mish": F.mish, "HardSwish": F.hardswish, "Det": torch.det,
}  # fmt: skip
_BINARY: dict[str, Callable[..., Any]] = {
    "And": torch.logical_and, "BitwiseAnd": torch.bitwise_and, "BitwiseOr": torch.bitwise_or,
    "BitwiseXor": torch.bitwise_xor, "Equal": torch.eq, "Greater": torch.gt, "GreaterOrEqual": torch.ge,
    "Less": torch.lt, "LessOrEqual": torch.le, "MatMul": torch.matmul, "Mul": torch.mul, "Or": torch.logical_or,
    "Sub": torch.sub, "Xor": torch.logical_xor,
}  # fmt: skip
OPERATORS: dict[str, Operator] = {
    **{name: _plain(function) for name, function in (_UNARY | _BINARY).items()},
    "Add": _pairwise(torch.add),
    "Sum": _pairwise(torch.add),
    "Max": _pairwise(_maximum),
    "Min": _pairwise(torch.minimum),
    "Mean": Operator(_mean),
    "Div": Operator(_divide),
    "Mod": Operator(_modulo),
    "Pow": Operator(lambda call, x, y: torch.pow(x, y).to(x.dtype)),
    "IsInf": Operator(_is_infinite),
    "Clip": _clip,
    "LeakyRelu": Operator(lambda call, x: F.leaky_relu(x, call.get("alpha", 0.01))),
    "PRelu": Operator(lambda call, x, slope: torch.where(x >= 0, x, slope * x)),
    "ThresholdedRelu": Operator(lambda call, x: F.threshold(x, call.get("alpha", 1.0), 0)),
    "Elu": Operator(lambda call, x: F.elu(x, call.get("alpha", 1.0))),
    "Celu": Operator(lambda call, x: F.celu(x, call.get("alpha", 1.0))),
    "Selu": Operator(_selu),
    "Shrink": Operator(_shrink),
    "Gelu": Operator(lambda call, x: F.gelu(x, approximate=call.get("approximate", "none"))),
    "HardSigmoid": Operator(_hard_sigmoid),
    # Exact for large inputs, too: PyTorch's own goes over to a straight line.
    "Softplus": Operator(lambda call, x: torch.logaddexp(x, torch.zeros_like(x))),
    "Swish": Operator(lambda call, x: x * torch.sigmoid(call.get("alpha", 1.0) * x)),
    "QuickGelu": Operator(lambda call, x: x * torch.sigmoid(call.get("alpha", 1.702) * x)),
    "Softmax": _softmax(F.softmax),
    "LogSoftmax": _softmax(F.log_softmax),
    "Dropout": Operator(_dropout),
    "Identity": Operator(lambda call, x: x),
    "Gemm": Operator(_gemm),
    "Einsum": Operator(lambda call, *inputs: torch.einsum(call.get("equation").replace(" ", ""), *inputs)),
    "Trilu": Operator(_trilu, frozenset({1})),
    "DequantizeLinear": Operator(_dequantize),
    "Cast": Operator(lambda call, x, *rest: x.to(TYPES[call.get("to")])),
    "CastLike": Operator(lambda call, x, other: x.to(other.dtype)),
    "ReduceSum": _reduction(lambda x, axes, keep: x.sum(axes, keep, dtype=x.dtype)),
    "ReduceMean": _reduction(_mean_over),
    "ReduceMax": _reduction(lambda x, axes, keep: x.amax(axes, keep)),
    "ReduceMin": _reduction(lambda x, axes, keep: x.amin(axes, keep)),
    "ReduceProd": _reduction(_product),
    "ReduceL1": _reduction(lambda x, axes, keep: x.abs().sum(axes, keep)),
    "ReduceL2": _reduction(_norm),
    "ReduceSumSquare": _reduction(lambda x, axes, keep: (x * x).sum(axes, keep)),
    "ReduceLogSum": _reduction(lambda x, axes, keep: x.sum(axes, keep).log()),
    "ReduceLogSumExp": _reduction(lambda x, axes, keep: torch.logsumexp(x, axes, keep)),
    "ArgMax": _best(torch.argmax),
    "ArgMin": _best(torch.argmin),
    "TopK": _top_k,
    "CumSum": _running_sum,
}
"""Every operator of this file by its name in the format."""
