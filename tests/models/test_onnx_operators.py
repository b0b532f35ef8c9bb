"""Every operator of the ONNX adapter, against ONNX Runtime: values, and slopes by finite differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from picasso.models.onnx.graph import OPERATORS, Graph
from picasso.models.onnx.reading import read_onnx
from picasso.models.onnx.runtime import Runtime
from tests.models.onnx_files import graph, node, random


@dataclass
class Case:
    """One node: its float inputs, what else it gets, its attributes.

    Args:
        inputs: Shapes of normal numbers, arrays, or None for one left out. The first is differentiated.
        outputs: How many it has.
        smooth: Whether slopes are compared, too.
        wide: By what the first input is multiplied, and what is added.
    """

    operator: str
    inputs: Sequence[Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    opset: int = 17
    outputs: int = 1
    smooth: bool = True
    wide: tuple[float, float] = (1.0, 0.0)
    kept: Sequence[int] | None = None

    def __str__(self) -> str:
        said = "-".join(f"{key}={value}" for key, value in self.attributes.items())
        return f"{self.operator}-{self.opset}-{said}"[:90].replace(" ", "")


MAP = (2, 4, 7, 9)
INT = np.int64


def ints(*values: int) -> np.ndarray:
    return np.array(values, INT)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


UNARY = "Abs Asinh Atan Ceil Cos Cosh Erf Exp Floor Neg Round Sigmoid Sign Sin Sinh Tan Tanh Relu Softsign Softplus"
CASES = [Case(name, [(3, 4)]) for name in [*UNARY.split(), "Identity", "HardSwish", "Mish", "Selu", "Elu", "Celu"]]
CASES = [Case(c.operator, c.inputs, opset=18 if c.operator == "Mish" else 17) for c in CASES]
CASES += [Case(name, [(3, 4)], wide=(0.2, 0.0)) for name in ("Acos", "Asin", "Atanh")]
CASES += [Case(name, [(3, 4)], wide=(0.2, 3.0)) for name in ("Acosh", "Log", "Sqrt", "Reciprocal")]
CASES += [Case(name, [(3, 4), (4,)]) for name in ("Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean")]
CASES += [Case(name, [(4,), (3, 4), (1, 4)]) for name in ("Max", "Min", "Sum", "Mean")]
CASES += [Case("Max", [floats(0), (3, 4)], smooth=False), Case("Div", [(3, 4), floats(3, 2, -4, 1)])]
CASES += [
    Case("Div", [ints(7, -7, 8), ints(2, 2, -3)], smooth=False),
    Case("Mod", [ints(7, -7, 8), ints(3, 3, -3)], smooth=False),
    Case("Mod", [(3, 4), floats(1.5)], {"fmod": 1}, smooth=False),
    Case("Pow", [(3, 4), floats(3)]),
    Case("Pow", [(3, 4), ints(2)], opset=13),
    Case("Pow", [(3, 4), (3, 4)], wide=(0.2, 2.0)),
    Case("PRelu", [(2, 3, 4, 4), random(3, 1, 1)]),
    Case("LeakyRelu", [(3, 4)], {"alpha": 0.3}),
    Case("Elu", [(3, 4)], {"alpha": 0.7}),
    Case("Celu", [(3, 4)], {"alpha": 0.7}),
    Case("Selu", [(3, 4)], {"alpha": 1.1, "gamma": 1.3}),
    Case("Shrink", [(3, 4)], {"lambd": 0.4, "bias": 0.1}, smooth=False),
    Case("ThresholdedRelu", [(3, 4)], {"alpha": 0.2}, smooth=False),
    Case("HardSigmoid", [(3, 4)]),
    Case("HardSigmoid", [(3, 4)], {"alpha": 1 / 6, "beta": 0.4}),
    Case("Gelu", [(3, 4)], opset=20),
    Case("Gelu", [(3, 4)], {"approximate": "tanh"}, opset=20),
    Case("Clip", [(3, 4)], {"min": -0.5, "max": 0.7}, opset=7),
    Case("Clip", [(3, 4)], {"max": 0.7}, opset=10),
    Case("Clip", [(3, 4), floats(-0.3)[0], floats(0.4)[0]]),
    Case("Clip", [(3, 4), None, floats(0.4)[0]]),
    Case("Clip", [(3, 4)]),
    Case("Softmax", [(2, 3, 4)]),
    Case("Softmax", [(2, 3, 4)], {"axis": 1}),
    Case("Softmax", [(2, 3, 4)], opset=11),
    Case("Softmax", [(2, 3, 4)], {"axis": 2}, opset=9),
    Case("Softmax", [(2, 3, 4)], {"axis": -1}, opset=11),
    Case("LogSoftmax", [(2, 3, 4)], {"axis": 1}),
    Case("LogSoftmax", [(2, 3, 4)], opset=12),
    Case("Dropout", [(3, 4)]),
    Case("Dropout", [(3, 4)], {"ratio": 0.4}, opset=10),
    Case("IsNaN", [floats(1, np.nan, 2)], smooth=False),
    Case("IsInf", [floats(1, np.inf, -np.inf)], {"detect_negative": 0}, smooth=False),
    Case("Not", [np.array([True, False])], smooth=False),
    Case("Where", [np.array([[True], [False]]), (2, 3), (2, 3)], smooth=False),
]
CASES += [Case(name, [(3, 4), (4,)], smooth=False) for name in ["Greater", "Less", "GreaterOrEqual", "LessOrEqual"]]
CASES += [Case("Equal", [ints(1, 2), ints(1, 3)], smooth=False)]
CASES += [Case(n, [np.array([True, False]), np.array([True, True])], smooth=False) for n in ("And", "Or", "Xor")]
CASES += [
    # matrices
    Case("MatMul", [(2, 3, 4), (4, 5)]),
    Case("MatMul", [(4,), (4, 5)]),
    Case("Gemm", [(3, 4), (4, 5), (5,)]),
    Case("Gemm", [(4, 3), (5, 4), (3, 1)], {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}),
    Case("Einsum", [(2, 3, 4), (2, 4, 5)], {"equation": "b i j, b j k -> b i k"}),
    Case("Trilu", [(4, 5), np.array(1, INT)]),
    Case("Trilu", [(4, 5)], {"upper": 0}),
    Case("Det", [(3, 3)]),
    Case("DequantizeLinear", [np.arange(6, dtype=np.uint8), np.float32(0.3), np.uint8(3)], smooth=False),
    Case(
        "DequantizeLinear",
        [np.arange(6, dtype=np.int8).reshape(2, 3), floats(0.3, 0.5), np.array([1, 2], np.int8)],
        {"axis": 0},
        smooth=False,
    ),
    Case("Cast", [(3, 4)], {"to": 7}, smooth=False, wide=(5, 0)),
    Case("Cast", [ints(0, 1, 2)], {"to": 1}, smooth=False),
    Case("CastLike", [ints(0, 1, 2), floats(1)], opset=15, smooth=False),
]
# reductions
for reduction in ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSumExp"):
    CASES += [
        Case(f"Reduce{reduction}", [(2, 3, 4)], {"axes": [1, -1], "keepdims": 0}, opset=11),
        Case(f"Reduce{reduction}", [(2, 3, 4), ints(1)], opset=18),
        Case(f"Reduce{reduction}", [(2, 3, 4)], opset=18),
    ]
CASES += [
    Case("ReduceLogSum", [(2, 3)], {"axes": [1]}, wide=(0.1, 2.0)),
    Case("ReduceMax", [(2, 3)], {"noop_with_empty_axes": 1}, opset=18),
    Case("ReduceMean", [ints(1, 2, 4)], smooth=False),
    Case("ReduceSum", [(2, 3), ints(-1)], {"keepdims": 0}, opset=13),
    Case("ReduceProd", [ints(3, 4)], {"keepdims": 0}, smooth=False),
    Case("ArgMax", [(2, 3, 4)], {"axis": 1, "keepdims": 0}, smooth=False),
    Case("ArgMin", [(2, 3, 4)], smooth=False),
    Case("TopK", [(2, 7), ints(3)], {"axis": 1}, outputs=2),
    Case("TopK", [(2, 7)], {"k": 2, "axis": 1}, opset=9, outputs=2),
    Case("TopK", [(2, 7), ints(3)], {"largest": 0}, outputs=2),
    Case("CumSum", [(2, 5), np.array(1, INT)]),
    Case("CumSum", [(2, 5), np.array(1, INT)], {"exclusive": 1, "reverse": 1}),
    # shapes
    Case("Shape", [(2, 3, 4)], {"start": 1}, smooth=False),
    Case("Shape", [(2, 3, 4)], {"start": -2, "end": -1}, smooth=False),
    Case("Size", [(2, 3, 4)], smooth=False),
    Case("Reshape", [(2, 3, 4), ints(0, -1)]),
    Case("Reshape", [(2, 0, 4), ints(0, 8)], {"allowzero": 1}, smooth=False),
    Case("Flatten", [(2, 3, 4)], {"axis": 2}),
    Case("Flatten", [(2, 3, 4)], {"axis": -1}),
    Case("Flatten", [(2, 3, 4)], {"axis": 0}),
    Case("Squeeze", [(1, 3, 1, 4)], {"axes": [2]}, opset=11),
    Case("Squeeze", [(1, 3, 1, 4), ints(0, -2)]),
    Case("Squeeze", [(1, 3, 1, 4)]),
    Case("Unsqueeze", [(3, 4)], {"axes": [0, 3]}, opset=11),
    Case("Unsqueeze", [(3, 4), ints(-1, 0)]),
    Case("Transpose", [(2, 3, 4)]),
    Case("Transpose", [(2, 3, 4)], {"perm": [1, 0, 2]}),
    Case("Concat", [(2, 3), (2, 4)], {"axis": -1}),
    Case("Split", [(7, 2)], {"num_outputs": 3}, opset=18, outputs=3),
    Case("Split", [(6, 2)], outputs=3),
    Case("Split", [(2, 7), ints(3, 4)], {"axis": 1}, outputs=2),
    Case("Split", [(2, 7)], {"axis": 1, "split": [3, 4]}, opset=11, outputs=2),
    Case("Slice", [(5, 6)], {"starts": [1, -4], "ends": [4, 100], "axes": [0, 1]}, opset=9),
    Case("Slice", [(5, 6), ints(1), ints(-1), ints(1), ints(2)]),
    Case("Slice", [(5, 6), ints(-1), ints(-100), ints(0), ints(-2)]),
    Case("Slice", [(5, 6), ints(100, 3), ints(1, 1)], smooth=False),
    Case("Slice", [(5, 6), ints(2**62), ints(-(2**62)), ints(1), ints(-1)]),
    Case("Gather", [(4, 5), np.array([[0, -1], [2, 2]], INT)], {"axis": 1}),
    Case("Gather", [(4, 5), np.array(-2, INT)]),
    Case("Gather", [(4,), np.array(1, INT)]),
    Case("GatherND", [(4, 5), ints(1, 2)]),
    Case("Reshape", [(1, 1), np.zeros(0, INT)]),
    Case("GatherElements", [(3, 4), np.array([[0, -1], [2, 1], [0, 0]], INT)], {"axis": 1}),
    Case("GatherND", [(3, 4, 2), np.array([[0, 1], [-1, 2]], INT)]),
    Case("GatherND", [(2, 4, 3), np.array([[1], [3]], INT)], {"batch_dims": 1}),
    Case("ScatterElements", [(3, 4), np.array([[0, -1]], INT), random(1, 2)], {"axis": 1}),
    Case("ScatterElements", [(3, 4), np.array([[1, 1]], INT), random(1, 2)], {"axis": 1, "reduction": "add"}, 16),
    Case("ScatterElements", [(3, 4), np.array([[1, 1]], INT), random(1, 2)], {"axis": 1, "reduction": "max"}, 18),
    Case("Scatter", [(3, 4), np.array([[0, 1]], INT), random(1, 2)], {"axis": 1}, opset=10),
    Case("ScatterND", [(4, 3), np.array([[1], [-1]], INT), random(2, 3)]),
    Case("ScatterND", [(4, 3), np.array([[1], [1]], INT), random(2, 3)], {"reduction": "add"}),
    Case("Expand", [(3, 1), ints(2, 1, 4)]),
    Case("Expand", [(3, 4), ints(1)]),
    Case("Tile", [(2, 3), ints(2, 3)]),
    Case("ConstantOfShape", [ints(2, 3)], smooth=False),
    Case("Range", [np.array(1, INT), np.array(9, INT), np.array(3, INT)], smooth=False),
    Case("Range", [np.float32(1), np.float32(-1), np.float32(-0.3)], smooth=False),
    Case("Range", [np.array(5, INT), np.array(1, INT), np.array(3, INT)], smooth=False),
    Case("OneHot", [ints(0, -1, 2), np.array(3, INT), floats(-1, 2)], {"axis": 0}, smooth=False),
    Case("EyeLike", [(3, 4)], {"k": 1, "dtype": 1}, smooth=False),
    Case("NonZero", [np.array([[True, False], [True, True]])], smooth=False),
    Case("Pad", [(2, 3)], {"pads": [0, 1, 2, 0], "value": 1.5}, opset=10),
    Case("Pad", [(3, 4), ints(1, 0, -1, 2), floats(0.5)[0]]),
    Case("Pad", [(3, 4), ints(1, 2, 2, 0)], {"mode": "reflect"}),
    Case("Pad", [(3, 4), ints(1, 2, 2, 0)], {"mode": "edge"}),
    Case("Pad", [(3, 4), ints(1, 2, 2, 0)], {"mode": "wrap"}, opset=19),
    Case("Pad", [(3, 4), ints(2, 1), None, ints(-1)], opset=18),
    Case("DepthToSpace", [(1, 8, 2, 3)], {"blocksize": 2}),
    Case("DepthToSpace", [(1, 8, 2, 3)], {"blocksize": 2, "mode": "CRD"}),
    Case("SpaceToDepth", [(1, 2, 4, 6)], {"blocksize": 2}),
    # windows
    Case("Conv", [MAP, random(6, 2, 3, 3), random(6)], {"group": 2, "strides": [2, 1], "pads": [1, 0, 2, 1]}),
    Case("Conv", [MAP, random(6, 4, 3, 2)], {"dilations": [2, 1]}),
    Case("Conv", [(1, 2, 9), random(3, 2, 4)], {"pads": [2, 1]}),
    Case("Conv", [(1, 2, 4, 5, 3), random(3, 2, 2, 2, 2)]),
    Case("ConvTranspose", [MAP, random(4, 2, 3, 3), random(2)], {"strides": [2, 3], "pads": [1, 0, 0, 1]}),
    Case("ConvTranspose", [MAP, random(4, 2, 3, 3)], {"group": 2, "strides": [2, 2], "output_padding": [1, 1]}),
    Case("ConvTranspose", [MAP, random(4, 2, 3, 3)], {"strides": [2, 2], "dilations": [2, 1]}),
    Case("ConvTranspose", [MAP, random(4, 2, 3, 3)], {"strides": [2, 2], "output_shape": [14, 19]}),
    Case("ConvTranspose", [(1, 4, 5), random(4, 2, 3)], {"strides": [2]}),
    Case("BatchNormalization", [MAP, random(4), random(4), random(4), random(4) ** 2], {"epsilon": 1e-3}),
    Case("BatchNormalization", [MAP, random(4), random(4), random(4), random(4) ** 2], opset=8),
    Case("BatchNormalization", [MAP, random(4), random(4), random(4), random(4) ** 2], {"training_mode": 1}, outputs=3),
    Case("InstanceNormalization", [MAP, random(4), random(4)]),
    Case("GroupNormalization", [MAP, random(2), random(2)], {"num_groups": 2}, opset=18),
    Case("GroupNormalization", [MAP, random(4), random(4)], {"num_groups": 2}, opset=21),
    Case("LayerNormalization", [(2, 3, 5), random(5), random(5)]),
    Case("LayerNormalization", [(2, 3, 5), random(3, 5)], {"axis": 1, "epsilon": 1e-3}),
    Case("LayerNormalization", [(2, 3, 5), random(1)]),
    Case("RMSNormalization", [(2, 3, 5), random(5)], opset=23),
    Case("LpNormalization", [(2, 3, 5)], {"axis": 1, "p": 1}),
    Case("LpNormalization", [(2, 3, 5)]),
    Case("MeanVarianceNormalization", [MAP]),
    Case("LRN", [(1, 6, 3, 3)], {"size": 3, "alpha": 0.1}),
    Case("LRN", [(1, 6, 3, 3)], {"size": 5, "alpha": 0.1, "beta": 0.5, "bias": 2.0}),
    Case("GlobalAveragePool", [MAP]),
    Case("GlobalMaxPool", [MAP]),
    Case("GlobalLpPool", [MAP], {"p": 3}),
    Case("LpPool", [MAP], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 0, 1], "p": 2}),
    Case("AveragePool", [MAP], {"kernel_shape": [2, 3], "dilations": [2, 1], "pads": [1, 0, 1, 0]}, opset=19),
    Case("AveragePool", [(1, 2, 9)], {"kernel_shape": [4], "strides": [3]}),
]
for way in ("SAME_UPPER", "SAME_LOWER", "VALID"):
    CASES += [
        Case("Conv", [MAP, random(6, 4, 3, 2)], {"auto_pad": way, "strides": [2, 3]}),
        Case("MaxPool", [MAP], {"auto_pad": way, "kernel_shape": [3, 2], "strides": [2, 2]}),
        Case("AveragePool", [MAP], {"auto_pad": way, "kernel_shape": [3, 2], "strides": [2, 1]}),
        Case("ConvTranspose", [MAP, random(4, 2, 3, 3)], {"auto_pad": way, "strides": [2, 2]}),
    ]
for pool in ("MaxPool", "AveragePool"):
    for ceil in (0, 1):
        for more in (
            {"kernel_shape": [3, 3], "strides": [2, 2]},
            {"kernel_shape": [3, 2], "strides": [3, 2], "pads": [1, 0, 1, 1]},
            {"kernel_shape": [2, 2], "strides": [3, 4], "pads": [0, 1, 1, 0]},
            {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        ):
            CASES.append(Case(pool, [MAP], {**more, "ceil_mode": ceil}))
            if pool == "AveragePool":
                CASES.append(Case(pool, [MAP], {**more, "ceil_mode": ceil, "count_include_pad": 1}))
CASES.append(Case("MaxPool", [MAP], {"kernel_shape": [2, 3], "dilations": [2, 2], "pads": [1, 1, 1, 1]}))
# resize
UP, DOWN = ints(1, 2, 7, 10), ints(1, 2, 3, 3)
for mode in ("nearest", "linear", "cubic"):
    for coordinates in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"):
        for sizes in (UP, DOWN):
            how = {"mode": mode, "coordinate_transformation_mode": coordinates}
            CASES.append(Case("Resize", [(1, 2, 4, 5), None, None, sizes], how, opset=19))
    if mode != "nearest":
        for outside in (0, 1):
            how = {"mode": mode, "antialias": 1, "exclude_outside": outside}
            CASES.append(Case("Resize", [(1, 2, 7, 9), None, None, DOWN], how, opset=18))
CASES += [
    Case("Resize", [(1, 2, 4, 5), None, None, sizes], {"nearest_mode": nearest, "mode": "nearest"})
    for nearest in ("floor", "ceil", "round_prefer_ceil", "round_prefer_floor")
    for sizes in (UP, DOWN)
]
CASES += [
    Case("Resize", [(1, 2, 4, 5), None, floats(1, 1, 1.6, 0.7)], {"mode": "linear"}),
    Case("Resize", [(1, 2, 4, 5), None, None, UP], {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1}),
    Case("Resize", [(1, 2, 4, 5), None, None, ints(1, 2, 1, 1)], {"mode": "linear"}),
    Case(
        "Resize",
        [(1, 2, 4, 5), floats(0, 0, 0.2, -0.1, 1, 1, 0.8, 1.2), None, UP],
        {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 0.5},
    ),
    Case(
        "Resize",
        [(1, 2, 4, 5), floats(), floats(), UP],
        {"mode": "nearest", "coordinate_transformation_mode": "tf_half_pixel_for_nn"},
        opset=11,
    ),
    Case("Resize", [(1, 2, 4, 5), None, None, ints(9, 7)], {"axes": [2, 3], "mode": "linear"}, opset=18),
    Case(
        "Resize",
        [(1, 2, 4, 5), None, None, ints(9, 7)],
        {"axes": [2, 3], "mode": "linear", "keep_aspect_ratio_policy": "not_larger"},
        opset=18,
    ),
    Case("Resize", [(1, 2, 4, 5), floats(1, 1, 2, 3)], {"mode": "nearest"}, opset=10),
    Case("Resize", [(1, 2, 4, 6), floats(1, 1, 0.5, 0.5)], {"mode": "nearest"}, opset=10),
    Case("Resize", [(1, 2, 4, 5), floats(1, 1, 2, 3)], {"mode": "linear"}, opset=10),
    Case("Upsample", [(1, 2, 4, 5), floats(1, 1, 2, 3)], {"mode": "nearest"}, opset=9),
    Case("Upsample", [(1, 2, 4, 5)], {"mode": "linear", "scales": [1.0, 1.0, 2.0, 2.0]}, opset=7),
]
GRID = np.random.default_rng(3).uniform(-1.2, 1.2, (1, 3, 4, 2)).astype(np.float32)
CASES += [
    Case("GridSample", [(1, 2, 4, 5), GRID], {"mode": mode, "padding_mode": padding, "align_corners": corners}, 16)
    for mode in ("bilinear", "nearest", "bicubic")
    for padding, corners in (("zeros", 0), ("border", 1), ("reflection", 0))
]
CASES.append(Case("GridSample", [(1, 2, 4, 5), GRID], {"mode": "linear"}, opset=20))


def build(case: Case) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """Return a graph of the one node, and numbers for what it is fed."""
    feeds, weights, names = {}, {}, []
    for place, given in enumerate(case.inputs):
        if given is None:
            names.append("")
            continue
        names.append(f"i{place}")
        if isinstance(given, tuple):
            value = random(*given, seed=place + 7)
            feeds[names[-1]] = value * case.wide[0] + case.wide[1] if place == 0 else value
        else:
            weights[names[-1]] = np.asarray(given)
    outputs = [f"o{place}" for place in range(case.outputs)]
    made = node(case.operator, names, outputs, **case.attributes)
    model = graph([made], {name: value.shape for name, value in feeds.items()}, outputs, weights, case.opset)
    return model, feeds


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_operator_agrees_with_onnx_runtime(case: Case) -> None:
    model, feeds = build(case)
    file = read_onnx(model, "one node")
    names = [f"o{place}" for place in range(case.outputs)]
    runtime = Runtime(file, names)
    expected = runtime({name: value.astype(np.float32) for name, value in feeds.items()})
    steps = Graph(file, torch.device("cpu"))
    assert not steps.problem
    with torch.enable_grad():
        tensors = {name: torch.from_numpy(value.copy()) for name, value in feeds.items()}
        first = next(iter(tensors.values()), None)
        if case.smooth and first is not None:
            first.requires_grad_()
        found = steps.run(tensors, names)
    for name in names:
        got = found[name].detach().numpy()
        assert got.shape == expected[name].shape
        assert got.dtype == expected[name].dtype
        np.testing.assert_allclose(got, expected[name], rtol=1e-5, atol=2e-6 * max(1, np.abs(got).max(initial=0)))
    if not case.smooth or first is None:
        return
    name, start = next(iter(feeds.items()))
    weights = random(*expected["o0"].shape, seed=11)
    (gradient,) = torch.autograd.grad((found["o0"] * torch.from_numpy(weights)).sum(), first, allow_unused=True)
    direction = random(*start.shape, seed=12)
    slope = float((gradient.numpy().astype(np.float64) * direction).sum())
    misses = []
    for step in (1e-2, 1e-3, 3e-4):  # a kink spoils a long step, and rounding a short one
        ends = [
            runtime({**feeds, name: (start + sign * step * direction).astype(np.float32)})["o0"] for sign in (1, -1)
        ]
        misses.append(abs(float(((ends[0].astype(np.float64) - ends[1]) * weights).sum()) / (2 * step) - slope))
    assert min(misses) <= 2e-3 * max(1.0, abs(slope), float(gradient.abs().max()))


def test_every_operator_has_a_case() -> None:
    untested = set(OPERATORS) - {case.operator for case in CASES}
    assert untested == {"Constant", "Swish", "QuickGelu", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot"}
