"""Reading ONNX files: weights beside them, and everything damaged or hostile refused in one sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import picasso
from picasso.core.errors import ModelFileError, PicassoError, UnsafeModelError
from tests.models.onnx_files import classifier, graph, node

SIZE = picasso.Preprocessing(size=12)
X = np.random.default_rng(1).normal(size=(2, 12, 12, 3)).astype(np.float32)
WHOLE = classifier().SerializeToString()


def with_weights_beside(folder: Path, change: Callable[[Any], None] = lambda tensor: None) -> Path:
    """Save the small network with all its weights in another file, after changing where the first is said to lie."""
    source = classifier()
    onnx.save_model(
        source,
        folder / "net.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
        convert_attribute=False,
    )
    written = onnx.load(folder / "net.onnx", load_external_data=False)
    change(written.graph.initializer[0])
    (folder / "net.onnx").write_bytes(written.SerializeToString())
    return folder / "net.onnx"


def says(tensor: Any, **told: str) -> None:
    for entry in [entry for entry in tensor.external_data if entry.key in told]:
        tensor.external_data.remove(entry)
    for key, value in told.items():
        tensor.external_data.add(key=key, value=value)


def test_weights_that_lie_beside_the_file(tmp_path: Path) -> None:
    path = with_weights_beside(tmp_path)
    model = picasso.load_model(path, preprocessing=SIZE)
    plain = picasso.load_model(classifier(), preprocessing=SIZE)
    np.testing.assert_allclose(model.predict(X), plain.predict(X), rtol=1e-6)
    assert model.facts.size == plain.facts.size
    assert set(model.files) == {path, tmp_path / "weights.bin"}
    data = bytearray((tmp_path / "weights.bin").read_bytes())
    data[-1] ^= 1
    (tmp_path / "weights.bin").write_bytes(data)
    assert picasso.load_model(path, preprocessing=SIZE).digest != model.digest


def test_weights_in_a_folder_below(tmp_path: Path) -> None:
    path = with_weights_beside(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "weights.bin").rename(tmp_path / "data" / "w.bin")
    written = onnx.load(path, load_external_data=False)
    for tensor in written.graph.initializer:
        says(tensor, location="data/w.bin")
    path.write_bytes(written.SerializeToString())
    assert picasso.load_model(path, preprocessing=SIZE).predict(X).shape == (2, 5)


@pytest.mark.parametrize(
    "location",
    [
        "../secret.bin",
        "/etc/passwd",
        "a/../../secret.bin",
        "..\\secret.bin",
        "C:\\secret.bin",
        "link.bin",
        "below/s",
        ".",
        "",
    ],
)
def test_files_elsewhere_are_not_read(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(10_000))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "below").symlink_to(tmp_path)
    (tmp_path / "s").write_bytes(bytes(10_000))
    path = with_weights_beside(folder, lambda tensor: says(tensor, location=location))
    with pytest.raises(UnsafeModelError, match=r"net\.onnx wants to read a file that does not lie beside it"):
        picasso.load_model(path)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"location": "none.bin"}, r"keeps its weights in 'none\.bin', which is not beside it"),
        ({"offset": "999999"}, r"weights\.bin is (too short|.*)"),
        ({"offset": "-8"}, "is too short"),
        ({"length": "99999999999999"}, "is too short"),
        ({"length": "8"}, r"'w1' has shape \[6, 3, 3, 3\] and 8 bytes"),
        ({"offset": "many"}, r"'w1' lies nowhere in weights\.bin"),
    ],
)
def test_weights_that_are_not_where_they_should_be(tmp_path: Path, told: dict[str, str], message: str) -> None:
    path = with_weights_beside(tmp_path, lambda tensor: says(tensor, **told))
    with pytest.raises(ModelFileError, match=message):
        picasso.load_model(path)


def test_a_proto_whose_weights_lie_elsewhere_has_no_folder(tmp_path: Path) -> None:
    written = onnx.load(with_weights_beside(tmp_path), load_external_data=False)
    with pytest.raises(ModelFileError, match=r"keeps 'w1' in another file, 'weights\.bin'.*Give the path"):
        picasso.load_model(written)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is an empty file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(600), "it is an HDF5 file"),
        (b"PK\x03\x04" + bytes(600), "it is a zip archive"),
        (b"import torch\n" * 9, "it is a text file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", r"pointer of Git LFS.*git lfs pull"),
        (b"\x24\x00\x00\x00ORTM" + bytes(90), "ONNX Runtime's own format"),
        (WHOLE[: len(WHOLE) // 2], "is a damaged ONNX file"),
        (WHOLE[:-1], "is a damaged ONNX file"),
        (b"\x08\x08\x12\x03abc", "is a damaged ONNX file"),
        (np.random.default_rng(0).bytes(3000), "is no ONNX file"),
    ],
)
def test_what_is_no_onnx_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        picasso.load_model(path)


def test_an_onnx_file_of_another_name_is_named_where_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    path.write_bytes(WHOLE)
    with pytest.raises(ModelFileError, match="it is an ONNX file"):
        picasso.load_model(path)


def test_a_folder_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").mkdir()
    with pytest.raises(ModelFileError, match=r"net\.onnx is a folder"):
        picasso.load_model(tmp_path / "net.onnx")
    with pytest.raises(ModelFileError, match="There is no file"):
        picasso.load_model(tmp_path / "none.onnx")


def broken(change: Callable[[Any], None]) -> onnx.ModelProto:
    source = classifier()
    change(source)
    return source


def claims_more(source: Any) -> None:
    source.graph.initializer[0].dims[:] = [10**6, 10**6]


def claims_less_than_nothing(source: Any) -> None:
    source.graph.initializer[0].dims[:] = [-6, -3, 3, 3]


def lists_too_few(source: Any) -> None:
    source.graph.initializer[0].ClearField("raw_data")
    source.graph.initializer[0].float_data.extend([1.0, 2.0])


def in_a_node(source: Any) -> None:
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "t")
    tensor.dims[:] = [10**9]
    source.graph.node.insert(0, node("Constant", [], ["t"], value=tensor))


def elsewhere_in_a_node(source: Any) -> None:
    tensor = TensorProto(name="t", data_type=1, dims=[3], data_location=TensorProto.EXTERNAL)
    says(tensor, location="/etc/passwd")
    source.graph.node.insert(0, node("Constant", [], ["t"], value=tensor))


def sparse(source: Any) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    places = numpy_helper.from_array(np.zeros(1, np.int64), "places")
    source.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [10**12]))


def undefined(source: Any) -> None:
    source.graph.node[1].input[0] = "nowhere"


def unknown(source: Any) -> None:
    source.graph.node[1].op_type = "Rleu"


def without_outputs(source: Any) -> None:
    del source.graph.output[:]


def wide_input(source: Any) -> None:
    source.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", 1, [1, 3, 10**7, 10**7]))


def many_pictures(source: Any) -> None:
    source.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", 1, [10**9, 3, 12, 12]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (claims_more, r"'w1' has shape \[1000000, 1000000\] and 648 bytes"),
        (claims_less_than_nothing, r"'w1' has shape \[-6"),
        (lists_too_few, r"'w1' has shape \[6, 3, 3, 3\] and 2 numbers"),
        (in_a_node, r"'t' has shape \[1000000000\] and 12 bytes"),
        (sparse, "has sparse weights"),
        (undefined, "ONNX Runtime refuses .*nowhere"),
        (unknown, "ONNX Runtime refuses .*Rleu"),
        (without_outputs, "it has no outputs"),
        (wide_input, "which is no picture"),
        (many_pictures, "which is no picture"),
    ],
)
def test_damaged_graphs_are_refused(change: Callable[[Any], None], message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        picasso.load_model(broken(change))


def test_a_tensor_within_a_node_reads_no_file() -> None:
    with pytest.raises(UnsafeModelError, match="refers from within a node to another file"):
        picasso.load_model(broken(elsewhere_in_a_node))


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        ([node("ConstantOfShape", ["shape"], ["big"])], {"shape": np.array([10**6, 10**6])}),
        ([node("Expand", ["one", "shape"], ["big"])], {"one": np.float32([1]), "shape": np.array([10**6, 10**6])}),
        ([node("Tile", ["one", "shape"], ["big"])], {"one": np.float32([1]), "shape": np.array([10**12])}),
        (
            [node("Range", ["zero", "far", "one"], ["big"])],
            {"zero": np.int64(0), "far": np.int64(10**12), "one": np.int64(1)},
        ),
        (
            [node("Mul", ["a", "b"], ["big"])],
            {"a": np.ones((1, 30_000), np.float32), "b": np.ones((30_000, 1), np.float32)},
        ),
        ([node("Pad", ["one", "shape"], ["big"])], {"one": np.float32([1]), "shape": np.array([0, 10**12])}),
    ],
)
def test_constants_that_would_fill_the_memory_are_refused(nodes: list[Any], weights: dict[str, Any]) -> None:
    nodes = [
        *nodes,
        node("Size", ["big"], ["size"]),
        node("Cast", ["size"], ["f"], to=1),
        node("Mul", ["x", "f"], ["y"]),
    ]
    source = graph(nodes, {"x": ["n", 3, 4, 4]}, ["y"], weights)
    with pytest.raises(ModelFileError, match="which is too large"):
        picasso.load_model(source)


def test_operators_that_come_as_a_library_are_refused() -> None:
    source = classifier([node("Sharpen", ["scores"], ["s"], domain="evil")], last="s")
    source.opset_import.append(helper.make_opsetid("evil", 1))
    with pytest.raises(UnsafeModelError, match=r"come as a library, which would run code: evil\.Sharpen"):
        picasso.load_model(source)
    inner = helper.make_graph([node("EPContext", [], ["s"], domain="com.microsoft")], "g", [], [])
    source = classifier([node("If", ["scores"], ["s"], then_branch=inner, else_branch=inner)], last="s")
    with pytest.raises(UnsafeModelError, match=r"com\.microsoft\.EPContext"):
        picasso.load_model(source)


def function(name: str, calls: list[str]) -> onnx.FunctionProto:
    nodes = [node(inner, ["a"], [f"b{place}"], domain="own") for place, inner in enumerate(calls)]
    end = [node("Identity", [nodes[-1].output[0] if nodes else "a"], ["b"])]
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, ["a"], ["b"], [*nodes, *end], imports)


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ([function("F0", ["F0"])], "functions that call themselves: F0"),
        ([function("F0", ["F1"]), function("F1", ["F0"])], "functions that call themselves"),
        ([function(f"F{i}", [f"F{i + 1}"] * 8) for i in range(20)] + [function("F20", [])], "more than 500000 nodes"),
    ],
)
def test_functions_that_never_end_are_refused(functions: list[onnx.FunctionProto], message: str) -> None:
    source = classifier([node("F0", ["scores"], ["s"], domain="own")], last="s")
    source.functions.extend(functions)
    source.opset_import.append(helper.make_opsetid("own", 1))
    with pytest.raises(ModelFileError, match=message):
        picasso.load_model(source)


def test_a_file_beyond_the_limit_of_the_format(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(WHOLE)
    os.truncate(path, 2**31 + 10)  # sparse: it takes no space
    with pytest.raises(ModelFileError, match=r"has 2\.0 GiB; an ONNX file has at most 2"):
        picasso.load_model(path)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_file_opens_or_is_refused(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE)
    for place, byte in changes:
        data[place] = byte
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    try:
        picasso.load_model(path, preprocessing=SIZE).predict(X)
    except PicassoError as error:
        assert error.message  # noqa: PT017 - either is right


def test_weights_of_unusual_types_are_read(tmp_path: Path) -> None:
    """Listed one by one, in two bytes, and in four bits."""
    source = classifier([node("Cast", ["many"], ["c"], to=1), node("Add", ["scores", "cc"], ["s"])], last="s")
    source.graph.node[7].output[0] = "cc"
    source.graph.initializer.append(helper.make_tensor("many", TensorProto.BFLOAT16, [5], [1.0, 2.0, 3.0, 4.0, 5.0]))
    listed = source.graph.initializer[0]
    listed.CopyFrom(helper.make_tensor("w1", 1, [6, 3, 3, 3], numpy_helper.to_array(listed).reshape(-1).tolist()))
    source.graph.initializer.append(helper.make_tensor("unused", TensorProto.INT4, [3], [1, -2, 3]))
    model = picasso.load_model(source, preprocessing=SIZE)
    plain = picasso.load_model(classifier(), preprocessing=SIZE).predict(X)
    np.testing.assert_allclose(model.predict(X), plain + np.arange(1, 6), rtol=1e-5, atol=1e-5)
