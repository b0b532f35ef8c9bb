"""The ONNX adapter: predictions, heads, layers, gradients, ReLU rules, inputs of all kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, numpy_helper

import picasso
from picasso.core.errors import (
    ConfigurationError,
    MissingExtraError,
    ModelFileError,
    ModelOutputError,
    NotFoundError,
    NotSupportedError,
)
from picasso.core.facts import INPUT, Capability, ReluRule, Rules
from picasso.core.hooks import Head
from picasso.core.model import Model
from picasso.models.onnx import opener as adapter
from picasso.testing import check_model
from tests.models.onnx_files import classifier, graph, node, random

SIZE = picasso.Preprocessing(size=12, scale=1 / 64, mean=(2.0,))
X = np.random.default_rng(1).normal(size=(3, 12, 12, 3)).astype(np.float32) * 2


def opened(model: onnx.ModelProto, **choices: Any) -> Model:
    return picasso.load_model(model, **{"preprocessing": SIZE, **choices})


def weights_of(model: onnx.ModelProto) -> dict[str, torch.Tensor]:
    return {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in model.graph.initializer}


def runtime_answer(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, feeds))


# --- prediction and heads ------------------------------------------------------------------------------------


def test_the_contract_is_kept() -> None:
    check_model(opened(classifier()))


def test_predictions_are_those_of_onnx_runtime_and_the_source_is_left_alone() -> None:
    source = classifier()
    before = source.SerializeToString(deterministic=True)
    model = opened(source)
    (expected,) = runtime_answer(source, {"x": X.transpose(0, 3, 1, 2)})
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-6)
    assert source.SerializeToString(deterministic=True) == before
    assert model.facts.size == sum(weight.numel() for weight in weights_of(source).values())
    assert any("agrees with ONNX Runtime to" in note for note in model.facts.notes)
    assert model.capabilities == frozenset(Capability) - {
        Capability.SEGMENTATION,
        Capability.DETECTION,
        Capability.PARAMETERS,
    }


@pytest.mark.parametrize(
    ("end", "last", "head"),
    [
        ([node("Softmax", ["scores"], ["p"], axis=1)], "p", Head.SOFTMAX),
        ([node("LogSoftmax", ["scores"], ["p"], axis=-1)], "p", Head.SOFTMAX),
        ([node("Sigmoid", ["scores"], ["p"])], "p", Head.SIGMOID),
        ([node("Softmax", ["scores"], ["p"]), node("Identity", ["p"], ["q"])], "q", Head.SOFTMAX),
        ([node("Sigmoid", ["scores"], ["p"]), node("Cast", ["p"], ["q"], to=TensorProto.DOUBLE)], "q", Head.SIGMOID),
    ],
)
def test_what_goes_into_a_head_is_explained(end: list[Any], last: str, head: Head) -> None:
    plain, model = opened(classifier()), opened(classifier(end, last=last))
    assert (model.head, model.facts.units) == (head, "logit")
    np.testing.assert_allclose(model.predict(X), plain.predict(X), rtol=1e-5, atol=1e-6)
    target = plain.target(2)
    found, expected = (one.pullback(X, [target]).gradients[INPUT] for one in (model, plain))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_softmax_of_many_steps_becomes_log_probabilities() -> None:
    end = [
        node("Exp", ["scores"], ["powers"]),
        node("ReduceSum", ["powers", "axis"], ["s"], keepdims=1),
        node("Div", ["powers", "s"], ["p"]),
    ]
    model = opened(classifier(end, last="p", extra={"axis": np.array([1])}))
    assert model.facts.units == "log probability"
    plain = opened(classifier())
    np.testing.assert_allclose(model.predict(X), np.log(plain.probabilities(plain.predict(X))), atol=1e-4)


def test_an_old_softmax_over_four_axes_is_looked_through() -> None:
    end = [
        node("Reshape", ["scores", "shape"], ["r"]),
        node("Softmax", ["r"], ["p"], axis=1),
    ]
    source = classifier(end, last="p", opset=11, extra={"shape": np.array([-1, 5, 1, 1])})
    model = opened(source)
    assert (model.head, model.facts.units, len(model.labels)) == (Head.SOFTMAX, "logit", 5)
    np.testing.assert_allclose(model.predict(X), opened(classifier()).predict(X), rtol=1e-5, atol=1e-6)


# --- layers, gradients, rules --------------------------------------------------------------------------------


def test_every_step_is_a_layer_with_its_channels_last() -> None:
    model = opened(classifier())
    assert [(layer.name, layer.kind, layer.shape) for layer in model.layers()] == [
        ("conv1", "Conv", (12, 12, 6)),
        ("relu1", "Relu", (12, 12, 6)),
        ("conv2", "Conv", (6, 6, 8)),
        ("relu6", "Clip", (6, 6, 8)),
        ("pool", "GlobalAveragePool", (1, 1, 8)),
        ("flatten", "Flatten", (8,)),
        ("fc", "Gemm", (5,)),
    ]
    assert model.default_layer().name == "relu6"  # type: ignore[union-attr]
    with pytest.raises(NotFoundError, match=r"no layer 'conv3'. Did you mean conv"):
        model.activations(X, ["conv3"])


def test_steps_without_names_are_named_by_their_outputs() -> None:
    source = classifier()
    for step in source.graph.node:
        step.name = ""
    assert [layer.name for layer in opened(source).layers()] == ["a", "b", "c", "d", "e", "f", "scores"]


def slow(source: onnx.ModelProto, x: np.ndarray, column: int, rule: ReluRule) -> dict[str, np.ndarray]:
    """Forward and backward of `classifier`, step by step: derivatives at the layers, channels last."""
    w = weights_of(source)
    a = F.conv2d(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()), w["w1"], w["b1"], padding=1)
    b = a.clamp(min=0)
    c = F.conv2d(b, w["w2"], stride=2, padding=1)

    def through(gradient: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        if rule is ReluRule.STANDARD:
            return gradient * inside
        positive = gradient * (gradient > 0)
        return positive * inside if rule is ReluRule.GUIDED else positive

    by_d = (w["w3"][:, column] / 36)[None, :, None, None].expand(c.shape)
    by_c = through(by_d, (c > 0) & (c < 6))
    by_b = torch.nn.grad.conv2d_input(b.shape, w["w2"], by_c, stride=2, padding=1)
    by_a = through(by_b, a > 0)
    by_x = torch.nn.grad.conv2d_input((len(x), 3, 12, 12), w["w1"], by_a, padding=1)
    found = {"relu6": by_d, "conv2": by_c, "relu1": by_b, "conv1": by_a, INPUT: by_x}
    return {name: value.permute(0, 2, 3, 1).numpy() for name, value in found.items()}


@pytest.mark.parametrize("rule", ReluRule)
def test_gradients_and_rules_agree_with_a_backward_pass_by_hand(rule: ReluRule) -> None:
    source = classifier()
    model = opened(source)
    places = ["relu6", "conv2", "relu1", "conv1", INPUT]
    pulled = model.pullback(X, [model.target(1), model.target(4)], places, Rules(relu=rule))
    for row, column in enumerate((1, 4)):
        for name, expected in slow(source, X, column, rule).items():
            found = pulled.gradients[name][row]
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max(), err_msg=name)
    assert pulled.ruled == (0 if rule is ReluRule.STANDARD else 2)


@pytest.mark.parametrize(
    ("step", "ruled"),
    [
        (node("Relu", ["a"], ["b"]), 1),
        (node("Clip", ["a", "low"], ["b"]), 1),
        (node("Max", ["low", "a"], ["b"]), 1),
        (node("ThresholdedRelu", ["a"], ["b"], alpha=0.0), 1),
        (node("LeakyRelu", ["a"], ["b"]), 0),
        (node("Clip", ["a", "w_low"], ["b"]), 0),
        (node("HardSigmoid", ["a"], ["b"]), 0),
    ],
)
def test_the_ways_to_write_a_relu_are_ruled(step: onnx.NodeProto, ruled: int) -> None:
    source = classifier(extra={"w_low": np.float32(-1)})
    source.graph.node[1].CopyFrom(step)
    model = opened(source)
    pulled = model.pullback(X, [model.target(0)], rules=Rules(relu=ReluRule.GUIDED))
    assert pulled.ruled == ruled + 1, "the ReLU6 behind it, too"


def test_backward_stops_at_a_layer_and_goes_through_several() -> None:
    model = opened(classifier())
    target = model.target(0)
    alone = model.pullback(X, [target], ["conv2"]).gradients["conv2"]
    both = model.pullback(X, [target], ["conv2", "relu1", INPUT]).gradients
    np.testing.assert_allclose(both["conv2"], alone, rtol=1e-6)
    last = model.pullback(X, [target], ["fc"]).gradients["fc"]
    np.testing.assert_array_equal(last, np.broadcast_to(np.eye(5, dtype=np.float32)[0], (1, 3, 5)))


def test_tokens_and_what_attention_weighs() -> None:
    weights = {
        "w": random(8, 3, 4, 4) / 4,
        "shape": np.array([0, 8, 9]),
        "q": random(8, 8, seed=2),
        "k": random(8, 8, seed=3),
        "heads": np.array([0, 9, 2, 4]),
        "joined": np.array([0, 9, 8]),
        "g": random(8) ** 2,
        "axis": np.array([1]),
        "end": random(8, 3, seed=4),
    }
    nodes = [
        node("Conv", ["x", "w"], ["map"], strides=[4, 4]),
        node("Reshape", ["map", "shape"], ["flat"]),
        node("Transpose", ["flat"], ["tokens"], perm=[0, 2, 1]),
        node("MatMul", ["tokens", "q"], ["qs"]),
        node("Reshape", ["qs", "heads"], ["qh"]),
        node("Transpose", ["qh"], ["qt"], perm=[0, 2, 1, 3]),
        node("MatMul", ["tokens", "k"], ["ks"]),
        node("Reshape", ["ks", "heads"], ["kh"]),
        node("Transpose", ["kh"], ["kt"], perm=[0, 2, 3, 1]),
        node("MatMul", ["qt", "kt"], ["weighed"]),
        node("Softmax", ["weighed"], ["attention"], axis=-1),
        node("MatMul", ["attention", "qt"], ["mixed"]),
        node("Transpose", ["mixed"], ["back"], perm=[0, 2, 1, 3]),
        node("Reshape", ["back", "joined"], ["out"]),
        node("LayerNormalization", ["out", "g"], ["normal"]),
        node("ReduceMean", ["normal"], ["mean"], axes=[1], keepdims=0),
        node("MatMul", ["mean", "end"], ["scores"]),
    ]
    source = graph(nodes, {"x": ["n", 3, 12, 12]}, ["scores"], weights)
    model = opened(source)
    layers = {layer.name: layer for layer in model.layers()}
    assert layers["map"].shape == (3, 3, 8)
    assert layers["flat"].shape == layers["tokens"].shape == layers["normal"].shape == (9, 8)
    assert layers["tokens"].grid == (3, 3)
    assert not any(layers[name].spatial for name in ("qh", "qt", "kt", "weighed", "attention", "mixed", "back"))
    assert model.default_layer().name == "normal"  # type: ignore[union-attr]
    check_model(model)


# --- inputs --------------------------------------------------------------------------------------------------


def with_input(source: onnx.ModelProto, dims: list[int | str | None], kind: int = TensorProto.FLOAT) -> Any:
    source.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("x", kind, dims))
    return source


def before(nodes: list[onnx.NodeProto], dims: list[int | str | None], kind: int, **extra: Any) -> onnx.ModelProto:
    """The small network behind some steps that make its input `y` from `x`."""
    source = classifier(extra=extra)
    source.graph.node[0].input[0] = "y"
    for step in reversed(nodes):
        source.graph.node.insert(0, step)
    return with_input(source, dims, kind)  # type: ignore[no-any-return]


TURN = node("Transpose", ["x"], ["y"], "turn", perm=[0, 3, 1, 2])


def test_channels_last_is_seen_from_the_graph_even_where_the_sizes_do_not_tell() -> None:
    plain = opened(classifier())
    for dims in (["n", 12, 12, 3], ["n", None, None, None], [None] * 4):
        model = opened(before([TURN], dims, TensorProto.FLOAT))
        np.testing.assert_allclose(model.predict(X), plain.predict(X), rtol=1e-5, atol=1e-6)
        assert {layer.name: layer.shape for layer in model.layers()}["turn"] == (12, 12, 3)
        check_model(model)


def test_a_fixed_batch_is_filled_up() -> None:
    model = opened(classifier(batch=4))
    assert model.facts.fixed_batch == 4
    np.testing.assert_allclose(model.predict(X), opened(classifier()).predict(X), rtol=1e-5, atol=1e-6)
    check_model(model)


def test_a_batch_of_one_that_is_written_into_the_graph_is_found_out() -> None:
    source = classifier(extra={"one": np.array([1, 8])})
    source.graph.node[5].CopyFrom(node("Reshape", ["e", "one"], ["f"], "flatten"))
    model = opened(source)
    assert model.facts.fixed_batch == 1
    assert any("one picture at a time" in note for note in model.facts.notes)
    np.testing.assert_allclose(model.predict(X), opened(classifier()).predict(X), rtol=1e-5, atol=1e-6)


def test_an_open_size_is_declared_or_tried() -> None:
    source = with_input(classifier(), ["n", 3, "h", "w"])
    assert opened(source).input_shape == (12, 12, 3)
    tried = picasso.load_model(source)
    assert tried.input_shape == (224, 224, 3)
    assert any("found by trying: 224 x 224" in note for note in tried.facts.notes)
    source = with_input(classifier(channels=1), [None, None, None, None])
    assert picasso.load_model(source).input_shape == (224, 224, 1), "the channels are those of the first convolution"


def test_a_declared_size_that_the_network_does_not_take() -> None:
    with pytest.raises(ConfigurationError, match=r"makes 16 x 16 x 3 .* takes 12 x 12 x 3"):
        opened(classifier(), preprocessing=picasso.Preprocessing(size=16))
    with pytest.raises(ConfigurationError, match=r"makes 12 x 12 x 1 .* takes 12 x 12 x 3"):
        opened(classifier(), preprocessing=picasso.Preprocessing(size=12, color="grey"))


def test_a_size_alone_leaves_colors_and_scale_to_the_network() -> None:
    size = picasso.Preprocessing(size=12)
    grey = before([node("Concat", ["x", "x", "x"], ["y"], axis=1)], ["n", 1, 12, 12], TensorProto.FLOAT)
    model = picasso.load_model(grey, preprocessing=size)
    assert (model.input_shape, model.preprocessing.color) == ((12, 12, 1), "grey")
    source = before([node("Cast", ["x"], ["y"], to=1)], ["n", 3, 12, 12], TensorProto.UINT8)
    assert picasso.load_model(source, preprocessing=size).preprocessing.scale == 1
    said = picasso.Preprocessing(size=12, scale=0.5)
    assert picasso.load_model(source, preprocessing=said).preprocessing.scale == 0.5


@pytest.mark.parametrize(
    ("kind", "tolerance"), [(TensorProto.UINT8, 1e-5), (TensorProto.FLOAT16, 2e-3), (TensorProto.DOUBLE, 1e-5)]
)
def test_inputs_of_other_types(kind: int, tolerance: float) -> None:
    source = before([node("Cast", ["x"], ["y"], to=1)], ["n", 3, 12, 12], kind)
    model = picasso.load_model(source)
    bytes_in = kind == TensorProto.UINT8
    assert model.preprocessing.scale == (1 if bytes_in else 1 / 255)
    assert any("reads bytes" in note for note in model.facts.notes) == bytes_in
    x = np.minimum(np.abs(X) * 40, 255) if bytes_in else X
    dtype = {TensorProto.UINT8: np.uint8, TensorProto.FLOAT16: np.float16, TensorProto.DOUBLE: np.float64}[kind]
    fed = (np.round(x) if bytes_in else x).astype(dtype)
    (expected,) = runtime_answer(source, {"x": fed.transpose(0, 3, 1, 2)})
    scale = np.abs(expected).max()
    np.testing.assert_allclose(model.predict(x), expected, atol=tolerance * scale)
    pulled = model.pullback(x, [model.target(0)])
    np.testing.assert_allclose(pulled.outputs["scores"], expected, atol=tolerance * scale)
    reference = opened(classifier()).pullback(np.round(x) if bytes_in else x, [model.target(0)])
    np.testing.assert_allclose(pulled.gradients[INPUT], reference.gradients[INPUT], atol=2e-3)


def test_half_precision_throughout() -> None:
    source = classifier()
    for one in source.graph.initializer:
        one.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(one).astype(np.float16), one.name))
    model = opened(with_input(source, ["n", 3, 12, 12], TensorProto.FLOAT16))
    plain = opened(classifier())
    np.testing.assert_allclose(model.predict(X), plain.predict(X), atol=2e-2)
    found, expected = (one.pullback(X, [one.target(0)]).gradients[INPUT] for one in (model, plain))
    np.testing.assert_allclose(found, expected, atol=1e-2 * np.abs(expected).max())


def test_grey_without_an_axis_of_channels_and_in_one_row() -> None:
    source = classifier(channels=1, extra={"axis": np.array([1]), "shape": np.array([-1, 1, 12, 12])})
    source.graph.node[0].input[0] = "y"
    source.graph.node.insert(0, node("Unsqueeze", ["x", "axis"], ["y"]))
    x = X[..., :1]
    expected = picasso.load_model(classifier(channels=1)).predict(x)
    model = picasso.load_model(with_input(source, ["n", 12, 12]))
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-5, atol=1e-6)
    check_model(model)
    source.graph.node[0].CopyFrom(node("Reshape", ["x", "shape"], ["y"]))
    model = picasso.load_model(with_input(source, ["n", 144]))
    assert model.input_shape == (12, 12, 1)
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-5, atol=1e-6)
    check_model(model)


def two_inputs(dims: list[int | str]) -> onnx.ModelProto:
    end = [node("Add", ["scores", "age"], ["sum"])]
    source = classifier(end, last="sum")
    source.graph.input.append(onnx.helper.make_tensor_value_info("age", TensorProto.FLOAT, dims))
    return source


@pytest.mark.parametrize("dims", [["n", 5], [5], [1, 5]])
def test_other_inputs_are_held(dims: list[int | str]) -> None:
    plain = opened(classifier()).predict(X)
    model = opened(two_inputs(dims))
    assert any(note == "The input 'age' gets zeros." for note in model.facts.notes)
    np.testing.assert_allclose(model.predict(X), plain, rtol=1e-5, atol=1e-6)
    age = np.arange(5, dtype=np.float32)
    held = opened(two_inputs(dims), hold={"age": age if dims == [5] else age[None]})
    np.testing.assert_allclose(held.predict(X), plain + age, rtol=1e-5, atol=1e-6)
    assert held.digest != model.digest
    check_model(held)
    np.testing.assert_allclose(opened(two_inputs(dims), hold={"age": 2}).predict(X), plain + 2, rtol=1e-5, atol=1e-6)
    with pytest.raises(ConfigurationError, match=r"'age' takes .*5\]. Got \[4\]"):
        opened(two_inputs(dims), hold={"age": np.zeros(4)})
    with pytest.raises(ConfigurationError, match=r"no input 'sex' to hold. The network has age"):
        opened(two_inputs(dims), hold={"sex": 1})


def test_the_picture_s_input_is_asked_for_where_several_fit() -> None:
    def source(first: str) -> onnx.ModelProto:
        made = classifier([node("Add", ["scores", "mean"], ["sum"])], last="sum")
        made.graph.input.append(onnx.helper.make_tensor_value_info("other", TensorProto.FLOAT, ["n", 3, 12, 12]))
        made.graph.node.insert(7, node("ReduceMean", ["other"], ["m"], axes=[1, 2, 3], keepdims=0))
        made.graph.node.insert(8, node("Unsqueeze", ["m", "axis"], ["mean"]))
        made.graph.initializer.append(numpy_helper.from_array(np.array([1]), "axis"))
        for place in (made.graph.input[0], made.graph.node[0]):
            if isinstance(place, onnx.NodeProto):
                place.input[0] = first
            else:
                place.name = first
        return made

    with pytest.raises(ConfigurationError, match=r"Several inputs could read the picture: frame .* --input frame"):
        opened(source("frame"))
    opened(source("frame"), input="frame")
    assert opened(source("image")).facts.columns == 5, "the one of a usual name"
    with pytest.raises(ConfigurationError, match=r"no input 'film'. It has frame"):
        opened(source("frame"), input="film")


def test_weights_that_are_listed_among_the_inputs_are_no_inputs() -> None:
    source = classifier(opset=8, extra={})
    source.graph.node[3].CopyFrom(node("Clip", ["c"], ["d"], "relu6", min=0.0, max=6.0))
    for one in source.graph.initializer:
        source.graph.input.append(onnx.helper.make_tensor_value_info(one.name, one.data_type, one.dims))
    source.ir_version = 3
    model = opened(source)
    assert not any("zeros" in note for note in model.facts.notes)
    np.testing.assert_allclose(model.predict(X), opened(classifier()).predict(X), rtol=1e-5, atol=1e-6)


def test_inputs_that_are_no_pictures() -> None:
    source = graph([node("Relu", ["x"], ["y"])], {"x": [1, 2, 3, 4, 5]}, ["y"])
    with pytest.raises(ModelFileError, match=r"No input of the network takes pictures: x \[1, 2, 3, 4, 5\]"):
        picasso.load_model(source)


# --- outputs -------------------------------------------------------------------------------------------------


def test_one_of_several_outputs_is_chosen() -> None:
    source = classifier([node("Neg", ["scores"], ["negative"]), node("ArgMax", ["scores"], ["best"], axis=1)])
    source.graph.output.extend([onnx.ValueInfoProto(name="negative"), onnx.ValueInfoProto(name="best")])
    chosen = opened(source, output="negative")
    np.testing.assert_allclose(chosen.predict(X), -opened(classifier()).predict(X), rtol=1e-5, atol=1e-6)
    assert opened(source).digest != chosen.digest
    with pytest.raises(ConfigurationError, match="no output 'best'"):
        opened(source, output="best")


def test_a_segmenter() -> None:
    nodes = [node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]), node("Softmax", ["a"], ["p"], axis=1)]
    source = graph(nodes, {"x": ["n", 3, 12, 12]}, ["p"], {"w": random(4, 3, 3, 3)})
    model = opened(source)
    assert (model.facts.task, model.facts.columns, model.facts.units) == ("segmentation", 4, "logit")
    assert model.outputs(X)["masks"].shape == (3, 12, 12, 4)


# --- what cannot be differentiated ---------------------------------------------------------------------------


def quantized() -> onnx.ModelProto:
    extra = {"scale": np.float32(0.05), "zero": np.uint8(100)}
    source = classifier(extra=extra)
    source.graph.node[1].output[0] = "r0"
    source.graph.node.insert(2, node("QuantizeLinear", ["r0", "scale", "zero"], ["r1"], "quantize"))
    source.graph.node.insert(3, node("DequantizeLinear", ["r1", "scale", "zero"], ["b"], "dequantize"))
    return source


def test_operators_without_derivatives_leave_prediction_and_layers() -> None:
    model = opened(quantized())
    assert model.capabilities == {Capability.PREDICT, Capability.ACTIVATIONS}
    assert "these operators have no derivative here: QuantizeLinear" in model.facts.notes[-1]
    (expected,) = runtime_answer(quantized(), {"x": X.transpose(0, 3, 1, 2)})
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-6)
    shapes = {layer.name: layer.shape for layer in model.layers()}
    assert shapes["conv2"] == (6, 6, 8)
    assert "quantize" not in shapes, "whole numbers are no layer"
    plain = opened(classifier())
    found, exact = (one.activations(X, ["relu1"])["relu1"] for one in (model, plain))
    np.testing.assert_allclose(found, exact, atol=1e-5)
    with pytest.raises(NotSupportedError, match="gives no gradients: No gradients, since these operators"):
        model.pullback(X, [model.target(0)])
    check_model(model)


def test_layers_behind_a_convolution_of_whole_numbers_have_their_channels_last(tmp_path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    onnx.save(classifier(), tmp_path / "net.onnx")
    quantize_dynamic(tmp_path / "net.onnx", tmp_path / "small.onnx", weight_type=QuantType.QUInt8)
    source = onnx.load(tmp_path / "small.onnx")
    assert "ConvInteger" in {step.op_type for step in source.graph.node}
    shapes = {layer.name: layer.shape for layer in opened(source).layers()}
    assert (shapes["relu1"], shapes["relu6"], shapes["flatten"]) == ((12, 12, 6), (6, 6, 8), (8,))


def test_a_difference_from_onnx_runtime_leaves_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    from picasso.models.onnx import graph as onnx_graph
    from picasso.models.onnx.operators import Operator

    wrong = {**onnx_graph.OPERATORS, "Relu": Operator(lambda call, x: x.clamp(min=0) * 1.01)}
    monkeypatch.setattr(onnx_graph, "OPERATORS", wrong)
    model = opened(classifier())
    assert Capability.GRADIENTS not in model.capabilities
    assert "'scores' differs from ONNX Runtime's by" in model.facts.notes[-1]
    (expected,) = runtime_answer(classifier(), {"x": X.transpose(0, 3, 1, 2)})
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fixed", [True, False])
def test_a_choice_within_the_graph(fixed: bool) -> None:
    """An If, its condition constant or not."""
    then = onnx.helper.make_graph([node("Mul", ["f", "two"], ["t"])], "then", [], [onnx.ValueInfoProto(name="t")])
    other = onnx.helper.make_graph([node("Neg", ["f"], ["o"])], "else", [], [onnx.ValueInfoProto(name="o")])
    source = classifier(extra={"two": np.float32(2), "yes": np.array(True), "three": np.array([3])})
    source.graph.node[6].input[0] = "g"
    condition = "yes"
    if not fixed:
        source.graph.node.insert(6, node("Shape", ["f"], ["rows"], end=1))
        source.graph.node.insert(7, node("Equal", ["rows", "three"], ["condition"]))
        condition = "condition"
    at = 6 if fixed else 8
    source.graph.node.insert(at, node("If", [condition], ["g"], "if", then_branch=then, else_branch=other))
    # The batch decides: that of three pictures is doubled, all others are negated.
    model = opened(with_input(source, [3 if not fixed else "n", 3, 12, 12]))
    assert Capability.GRADIENTS in model.capabilities
    (expected,) = runtime_answer(source, {"x": X.transpose(0, 3, 1, 2)})
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-6)
    pulled = model.pullback(X, [model.target(0)], ["flatten", "relu1"])
    weight = weights_of(source)["w3"].numpy()[:, 0]
    np.testing.assert_allclose(pulled.gradients["flatten"][0], np.tile(2 * weight, (3, 1)), rtol=1e-5)


def test_functions_of_the_file_s_own_are_written_out() -> None:
    function = onnx.helper.make_function(
        "own", "Double", ["a"], ["b"], [node("Add", ["a", "a"], ["b"])], [onnx.helper.make_opsetid("", 17)]
    )
    source = classifier([node("Double", ["scores"], ["twice"], domain="own")], last="twice")
    source.functions.append(function)
    source.opset_import.append(onnx.helper.make_opsetid("own", 1))
    model = opened(source)
    np.testing.assert_allclose(model.predict(X), 2 * opened(classifier()).predict(X), rtol=1e-5, atol=1e-6)
    assert "Add" in [layer.kind for layer in model.layers()]


# --- sources -------------------------------------------------------------------------------------------------


def test_a_file_is_known_by_its_name_or_its_content(tmp_path: Path) -> None:
    path, other = tmp_path / "net.onnx", tmp_path / "net.bin"
    onnx.save(classifier(), path)
    other.write_bytes(path.read_bytes())
    plain = tmp_path / "notes.txt"
    plain.write_text("Nothing here.", "utf-8")
    assert [adapter.claims(str(name)) for name in (path, other, plain, tmp_path)] == [True, True, False, False]
    assert adapter.claims(classifier())
    assert not adapter.claims(3)
    assert not adapter.claims("x" * 5000)
    assert picasso.load_model(other, preprocessing=SIZE).predict(X).shape == (3, 5)


def test_the_digest_is_that_of_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(classifier(), path)
    digest = picasso.load_model(path).digest
    assert digest == picasso.load_model(path).digest
    changed = classifier(extra={"b3": np.zeros(5, np.float32)})
    assert opened(classifier()).digest == opened(classifier()).digest != opened(changed).digest


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "torch"])
def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == package else find(name, *rest))
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed.*pip install 'picasso\[onnx\]'"):
        opened(classifier())


def test_numbers_beyond_all_bounds_are_refused_without_a_warning() -> None:
    huge = {"huge": np.float64(1e200)}
    end = [node("Cast", ["scores"], ["wide"], to=TensorProto.DOUBLE), node("Mul", ["wide", "huge"], ["s"])]
    with pytest.raises(ModelOutputError, match="returned NaN or infinite scores on every probe"):
        opened(classifier(end, last="s", extra=huge))


def test_pytorch_predicts_where_it_has_a_device_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(classifier([node("Softmax", ["scores"], ["p"])], last="p"))
    expected = model.predict(X)
    monkeypatch.setattr(type(model), "_on_device", property(lambda self: True))
    monkeypatch.setattr(model._network, "forward", None)  # type: ignore[attr-defined]
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-6)


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match="device 'warp' cannot be used"):
        opened(classifier(), device="warp")
