"""TensorFlow files that are damaged, misnamed or hostile, and where the newest checkpoint lies."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import picasso
from picasso.core.errors import ModelFileError, UnsafeModelError
from picasso.models.tensorflow import files
from picasso.models.tensorflow import opener as adapter
from picasso.testing import check_model
from tests.models import tensorflow_graphs as graphs
from tests.models.tensorflow_graphs import tf, v1


def _small(x: Any) -> Any:
    kernel = graphs.weights("kernel", (3, 3, 3, 4))
    y = tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(x, kernel, 2, "SAME")), (1, 2))
    return tf.nn.softmax(tf.matmul(y, graphs.weights("dense", (4, 3))), name="answer")


def _placeholder() -> Any:
    return v1.placeholder(tf.float32, (None, 12, 12, 3), name="x")


def _frozen(path: Path, change: Callable[[Any], Any] = lambda y: y) -> Path:
    return graphs.frozen(lambda: change(_small(_placeholder())), path)[0]


def _edited(path: Path, edit: Callable[[Any], None]) -> Path:
    graph = v1.GraphDef.FromString(path.read_bytes())
    edit(graph)
    path.write_bytes(graph.SerializeToString())
    return path


# --- what reaches outside -------------------------------------------------------------------------------------------


def _writes(victim: Path, y: Any) -> Any:
    with tf.control_dependencies([tf.io.write_file(str(victim), "gone")]):
        return tf.identity(y, name="end")


def test_a_frozen_graph_that_writes_a_file_is_refused_and_does_not(tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    path = _frozen(tmp_path / "hostile.pb", lambda y: _writes(victim, y))
    with pytest.raises(UnsafeModelError, match=r"hostile.pb holds operations that reach outside .*WriteFile") as caught:
        picasso.load_model(path)
    assert not victim.exists()
    digest = re.search(r"--trust ([0-9a-f]{64})", caught.value.hint)
    assert digest is not None
    assert picasso.load_model(path, trust=digest[1]).labels == ("class 0", "class 1", "class 2")


def test_a_checkpoint_that_reads_a_file_is_refused(tmp_path: Path) -> None:
    def build() -> Any:
        secret = tf.strings.length(tf.io.read_file("/etc/hostname"))
        return tf.identity(_small(_placeholder()) + 0 * tf.cast(secret, tf.float32), name="end")

    _, session = graphs.in_graph(build)
    prefix = graphs.save_checkpoint(session, tmp_path / "hostile")
    with pytest.raises(UnsafeModelError, match="ReadFile"):
        picasso.load_model(tmp_path / "hostile", input="x", output="end")
    assert picasso.load_model(prefix, input="x", output="answer").facts.columns == 3


def test_python_in_a_graph_is_refused(tmp_path: Path) -> None:
    def called(y: Any) -> Any:
        (end,) = v1.py_func(lambda a: a, [y], [tf.float32])
        return tf.ensure_shape(end, (None, 3), name="end")

    with pytest.raises(UnsafeModelError, match="PyFunc"):
        picasso.load_model(_frozen(tmp_path / "python.pb", called))


class _Hostile(tf.Module):  # type: ignore[misc]
    def __init__(self, victim: Path) -> None:
        super().__init__()
        self.victim = str(victim)
        self.scale = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec((None, 12, 12, 3), tf.float32)])  # type: ignore[untyped-decorator]
    def __call__(self, x: Any) -> Any:
        tf.io.write_file(self.victim, "gone")
        return tf.reduce_mean(x, (1, 2)) * self.scale


def test_a_saved_model_that_writes_a_file_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    with graphs.silent():
        tf.saved_model.save(_Hostile(victim), str(tmp_path / "hostile"))
    with pytest.raises(UnsafeModelError, match=r"hostile holds .*WriteFile"):
        picasso.load_model(tmp_path / "hostile")
    assert not victim.exists()


@pytest.mark.parametrize("caller", ["signature_wrapper", "restore"])
def test_a_saver_that_is_called_by_the_network_is_refused(tmp_path: Path, caller: str) -> None:
    with graphs.silent():
        net = graphs.ColorNet()
        tf.saved_model.save(net, str(tmp_path / "model"), signatures=net.serve)
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    file = tmp_path / "model" / "saved_model.pb"
    saved = SavedModel.FromString(file.read_bytes())
    meta = saved.meta_graphs[0]
    saver = next(f for f in meta.graph_def.library.function if any(n.op == "SaveV2" for n in f.node_def))
    other = next(f for f in meta.graph_def.library.function if caller in f.signature.name)
    other.node_def.add(name="sneaky", op="StatefulPartitionedCall").attr["f"].func.name = saver.signature.name
    file.write_bytes(saved.SerializeToString())
    with pytest.raises(UnsafeModelError, match="SaveV2"):
        picasso.load_model(tmp_path / "model")


class _Tables(tf.Module):  # type: ignore[misc]
    def __init__(self, names: str) -> None:
        super().__init__()
        kind = tf.lookup.TextFileIndex
        source = tf.lookup.TextFileInitializer(names, tf.int64, kind.LINE_NUMBER, tf.string, kind.WHOLE_LINE)
        self.table = tf.lookup.StaticHashTable(source, "unknown")
        self.scale = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec((None, 12, 12, 3), tf.float32)])  # type: ignore[untyped-decorator]
    def serve(self, x: Any) -> dict[str, Any]:
        scores = tf.reduce_mean(x, (1, 2)) * self.scale
        return {"scores": scores, "names": self.table.lookup(tf.argmax(scores, 1))}


def test_tables_are_read_from_the_models_own_assets_alone(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("tank\ntruck\nshed\n")
    module = _Tables(str(names))
    with graphs.silent():
        tf.saved_model.save(module, str(tmp_path / "model"), signatures=module.serve)
    names.unlink()
    assert picasso.load_model(tmp_path / "model").facts.columns == 3
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    file = tmp_path / "model" / "saved_model.pb"
    for name, said in (("../../../etc/hostname", "not in its folder"), ("/etc/hostname", "not in its folder")):
        saved = SavedModel.FromString(file.read_bytes())
        saved.meta_graphs[0].asset_file_def[0].filename = name
        (tmp_path / "hostile").mkdir(exist_ok=True)
        (tmp_path / "hostile" / "saved_model.pb").write_bytes(saved.SerializeToString())
        with pytest.raises(ModelFileError, match=said):
            picasso.load_model(tmp_path / "hostile")


class _Training(tf.Module):  # type: ignore[misc]
    """Counts its calls, and learns from each, as a network in training does."""

    def __init__(self) -> None:
        self.mean = tf.Variable(tf.zeros((3,)))
        self.dense = tf.Variable(tf.ones((3, 2)))

    @tf.function(input_signature=[tf.TensorSpec((None, 16, 16, 3), name="x")])  # type: ignore[untyped-decorator]
    def __call__(self, x: Any) -> Any:
        self.mean.assign(0.9 * self.mean + 0.1 * tf.reduce_mean(x, (0, 1, 2)))
        return tf.nn.softmax(tf.matmul(tf.reduce_mean(x - self.mean, (1, 2)), self.dense))


def test_a_saved_model_in_training_says_so(tmp_path: Path) -> None:
    module = _Training()
    with graphs.silent():
        tf.saved_model.save(module, str(tmp_path / "learning"), signatures=module.__call__)
    with pytest.raises(ModelFileError, match=r"^learning changes its own weights as it answers: it was exported as"):
        picasso.load_model(tmp_path / "learning")


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    net = graphs.ColorNet()
    with graphs.silent():
        tf.saved_model.save(net, str(tmp_path / "model"), signatures=net.serve)
    weights = tmp_path / "model" / "variables" / "variables.data-00000-of-00001"
    weights.rename(tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelFileError, match=r"is a link that leads out of the folder.*cp -rL"):
        picasso.load_model(tmp_path / "model")


# --- what is missing or damaged -------------------------------------------------------------------------------------


def test_operations_of_others_are_named(tmp_path: Path) -> None:
    def edit(graph: Any) -> None:
        next(node for node in graph.node if node.op == "Relu").op = "MyOwnRelu"

    path = _edited(_frozen(tmp_path / "own.pb"), edit)
    with pytest.raises(ModelFileError, match=r"own.pb needs operations that are no part of TensorFlow: MyOwnRelu"):
        picasso.load_model(path)


def test_constants_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    def edit(graph: Any) -> None:
        node = graph.node.add(name="huge", op="Const")
        node.attr["dtype"].type = 1
        node.attr["value"].tensor.dtype = 1
        node.attr["value"].tensor.float_val.append(0)
        for side in (100_000, 100_000):
            node.attr["value"].tensor.tensor_shape.dim.add(size=side)

    with pytest.raises(ModelFileError, match=r"huge.pb declares constants of 37 GiB"):
        picasso.load_model(_edited(_frozen(tmp_path / "huge.pb"), edit))


@pytest.mark.parametrize("name", ["a.pb", "a.pbtxt", "model.ckpt.meta", "saved_model.pb"])
@pytest.mark.parametrize("content", ["empty", "text", "zip", "noise", "picture"])
def test_other_files_are_named_for_what_they_are(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    said = {"empty": "empty file", "text": "text file", "zip": "zip archive", "noise": "unknown", "picture": "PNG"}
    if content == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "nothing")
    else:
        starts = {"empty": b"", "text": b"just some words\n" * 9, "picture": b"\x89PNG\r\n\x1a\n" + bytes(99)}
        path.write_bytes(starts.get(content, bytes(np.random.default_rng(0).integers(128, 256, 300, dtype=np.uint8))))
    with pytest.raises(ModelFileError) as caught:
        picasso.load_model(path)
    assert said[content] in caught.value.message
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    path = _frozen(tmp_path / "cut.pb")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(picasso.PicassoError) as caught:
        picasso.load_model(path)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_in_pieces_is_refused(tmp_path: Path) -> None:
    _, session = graphs.in_graph(lambda: _small(_placeholder()))
    folder = tmp_path / "model"
    prefix = graphs.save_checkpoint(session, folder)
    data = folder / "model.ckpt.data-00000-of-00001"
    content = data.read_bytes()
    data.write_bytes(content[:100])
    with pytest.raises(ModelFileError, match=r"cut short|could not be opened"):
        picasso.load_model(folder)
    data.unlink()
    with pytest.raises(ModelFileError, match=r"weights of model.ckpt are missing"):
        picasso.load_model(folder)
    data.write_bytes(content)
    (folder / "model.ckpt.index").rename(folder / "other.index")
    data.rename(folder / "other.data-00000-of-00001")
    check_model(picasso.load_model(folder))  # the newest weights beside the newest graph
    (folder / "model.ckpt.meta").unlink()
    with pytest.raises(ModelFileError, match=r"no meta graph beside the checkpoint other: it holds weights alone"):
        picasso.load_model(str(folder / "other.index"))
    assert not adapter.claims(str(prefix))


def test_weights_of_another_graph_are_refused(tmp_path: Path) -> None:
    _, session = graphs.in_graph(lambda: _small(_placeholder()))
    prefix = graphs.save_checkpoint(session, tmp_path / "model")
    _, other = graphs.in_graph(lambda: tf.square(graphs.weights("else", (3,))))
    wrong = graphs.save_checkpoint(other, tmp_path / "other")
    for ending in (".index", ".data-00000-of-00001"):
        Path(f"{wrong}{ending}").replace(f"{prefix}{ending}")
    with pytest.raises(ModelFileError, match=r"checkpoint model.ckpt has no '(kernel|dense)': it belongs to another"):
        picasso.load_model(tmp_path / "model")


def test_a_graph_without_its_weights_is_refused(tmp_path: Path) -> None:
    _, session = graphs.in_graph(lambda: _small(_placeholder()))
    (tmp_path / "bare.pb").write_bytes(session.graph.as_graph_def().SerializeToString())
    with pytest.raises(ModelFileError, match=r"bare.pb holds a graph without its weights"):
        picasso.load_model(tmp_path / "bare.pb")


def test_a_saved_models_graph_by_another_name_is_told(tmp_path: Path) -> None:
    net = graphs.ColorNet()
    with graphs.silent():
        tf.saved_model.save(net, str(tmp_path / "model"), signatures=net.serve)
    (tmp_path / "model" / "saved_model.pb").rename(tmp_path / "frozen.pb")
    with pytest.raises(ModelFileError, match=r"frozen.pb is no frozen graph .* the graph of a SavedModel.*variables"):
        picasso.load_model(tmp_path / "frozen.pb")


# --- where it lies --------------------------------------------------------------------------------------------------


def test_the_checkpoint_that_the_folder_names_is_taken(tmp_path: Path) -> None:
    _, session = graphs.in_graph(lambda: _small(_placeholder()))
    folder = tmp_path / "model"
    for step in (1, 2):
        graphs.save_checkpoint(session, folder, step=step)
    place = files.find(str(folder))
    assert place is not None
    assert place.prefix == folder / "model.ckpt-2"
    state = folder / "checkpoint"
    state.write_text('model_checkpoint_path: "/another/machine/model.ckpt-1"\n')
    assert files.find(str(folder)) == files.Place(
        files.Kind.CHECKPOINT, folder / "model.ckpt-1.meta", folder / "model.ckpt-1", among=2
    )
    assert files.find(str(state)) == files.find(str(folder))
    said = "Of 2 checkpoints in the folder model.ckpt-1 is taken."
    assert said in picasso.load_model(folder).facts.notes
    assert said not in picasso.load_model(folder / "model.ckpt-1").facts.notes
    state.unlink()
    for file in folder.glob("model.ckpt-1.*"):
        os.utime(file, (2e9, 2e9))
    assert files.newest_checkpoint(folder).prefix == folder / "model.ckpt-1"


def test_the_first_format_of_checkpoints_is_read(tmp_path: Path) -> None:
    answer, session = graphs.in_graph(lambda: _small(_placeholder()))
    (tmp_path / "old").mkdir()
    with session.graph.as_default(), graphs.silent():
        v1.train.Saver(write_version=v1.train.SaverDef.V1).save(session, str(tmp_path / "old" / "model.ckpt"))
    model = picasso.load_model(tmp_path / "old")
    x = np.random.default_rng(0).uniform(0, 1, (2, 12, 12, 3)).astype(np.float32)
    np.testing.assert_allclose(model.probabilities(model.predict(x)), session.run(answer, {"x:0": x}), atol=1e-5)


def test_weights_are_found_under_the_names_that_the_saver_gave_them(tmp_path: Path) -> None:
    def build() -> Any:
        with v1.variable_scope("net", partitioner=v1.fixed_size_partitioner(2, axis=3)):
            kernel = tf.convert_to_tensor(graphs.weights("kernel", (3, 3, 3, 4)))
        y = tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(_placeholder(), kernel, 2, "SAME")), (1, 2))
        dense = graphs.weights("dense", (4, 3), resource=True)
        parts = v1.global_variables("net")
        saver = v1.train.Saver({"averaged/dense": dense, "net/kernel": parts})
        return tf.nn.softmax(tf.matmul(y, dense), name="answer"), saver

    (answer, saver), session = graphs.in_graph(build)
    (tmp_path / "model").mkdir()
    with session.graph.as_default(), graphs.silent():
        saver.save(session, str(tmp_path / "model" / "model.ckpt"))
    model = picasso.load_model(tmp_path / "model")
    x = np.random.default_rng(0).uniform(0, 1, (2, 12, 12, 3)).astype(np.float32)
    np.testing.assert_allclose(model.probabilities(model.predict(x)), session.run(answer, {"x:0": x}), atol=1e-5)


def test_a_network_behind_a_queue_asks_for_its_input(tmp_path: Path) -> None:
    def build() -> Any:
        queue = v1.FIFOQueue(4, [tf.float32], [(2, 12, 12, 3)])
        return _small(queue.dequeue(name="next"))

    _, session = graphs.in_graph(build)
    graphs.save_checkpoint(session, tmp_path / "model")
    with pytest.raises(picasso.PicassoError, match="no input that takes a picture"):
        picasso.load_model(tmp_path / "model")
    check_model(picasso.load_model(tmp_path / "model", input="next", output="answer"))


def test_a_folder_of_weights_alone_says_what_is_missing(tmp_path: Path) -> None:
    with graphs.silent():
        tf.train.Checkpoint(kernel=tf.Variable(tf.ones((3, 3)))).save(str(tmp_path / "weights" / "ckpt"))
    with pytest.raises(
        ModelFileError, match=r"^There is no meta graph beside the checkpoint ckpt-1: it holds"
    ) as caught:
        picasso.load_model(tmp_path / "weights")
    assert "my_model.py:MyModel" in caught.value.hint
    (tmp_path / "weights" / "notes.txt").write_text("more than weights")
    assert not adapter.claims(str(tmp_path / "weights"))


def test_what_is_not_tensorflows_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "checkpoint").write_text("something")
    for source in (tmp_path / "checkpoint", tmp_path / "nothing.pb", tmp_path / ("x" * 300), "demo:tanks", "\0.pb"):
        assert not adapter.claims(str(source))
    assert not adapter.claims(3)
