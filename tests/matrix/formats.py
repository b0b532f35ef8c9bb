"""A small network in every format, written by the framework that the format comes from."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

import picasso
from picasso.models.keras.loading import quiet
from tests.models import keras_two
from tests.models.torchvision_operators import declare

declare()
SIDE = 32
PREPROCESSING = picasso.Preprocessing(size=SIDE, mean=0.5, std=0.25)
FACTORY = "matrix_net.py:make"
NET = """
import torch


def make():
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(6, 5, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(5, 3),
    ).eval()
"""


@dataclass(frozen=True)
class Case:
    """Something to open.

    Args:
        source: What is given to `load_model`.
        options: Its other arguments.
        close: Called afterwards.
    """

    source: Any
    options: dict[str, Any] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None


FORMATS: dict[str, Callable[[Path], Case]] = {}
"""What makes a case in a folder, by the format's name, in the order of the page."""


def named(name: str) -> Callable[[Callable[[Path], Case]], Callable[[Path], Case]]:
    def keep(make: Callable[[Path], Case]) -> Callable[[Path], Case]:
        FORMATS[name] = make
        return make

    return keep


def _keras_network() -> Any:
    import keras

    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.layers.Input((SIDE, SIDE, 3)),
            keras.layers.Conv2D(6, 3, activation="relu", padding="same"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(5, 3),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def _torch_network(folder: Path) -> Any:
    (folder / "matrix_net.py").write_text(NET, "utf-8")
    space: dict[str, Any] = {}
    exec(NET, space)
    return space["make"]()


@named("Keras 3, `.keras`")
def keras_archive(folder: Path) -> Case:
    _keras_network().save(folder / "net.keras")
    return Case(folder / "net.keras")


@named("Keras 3, `.h5`")
def keras_hdf5(folder: Path) -> Case:
    with warnings.catch_warnings(), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        _keras_network().save(folder / "net.h5")
    return Case(folder / "net.h5")


@named("Keras 2, `.h5`")
def keras_2(folder: Path) -> Case:
    keras = keras_two.import_two()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    network = keras.Sequential([
        layers.InputLayer((SIDE, SIDE, 3)), layers.Conv2D(6, 3, activation="relu"), layers.MaxPooling2D(),
        layers.Conv2D(5, 3), layers.ReLU(), layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    with quiet():
        network.save(folder / "net.h5")
    return Case(folder / "net.h5")


@named("Keras 1, `.h5` (its layout, written by hand)")
def keras_1(folder: Path) -> Case:
    import h5py

    random = np.random.default_rng(0)
    layers = [
        ("convolution2d_1", "Convolution2D", {
            "nb_filter": 6, "nb_row": 3, "nb_col": 3, "border_mode": "same", "subsample": [1, 1], "dim_ordering": "tf",
            "activation": "relu", "bias": True, "batch_input_shape": [None, SIDE, SIDE, 3], "input_dtype": "float32",
        }, [("W", (3, 3, 3, 6)), ("b", (6,))]),
        ("maxpooling2d_1", "MaxPooling2D", {
            "pool_size": [2, 2], "strides": [2, 2], "border_mode": "valid", "dim_ordering": "tf",
        }, []),
        ("flatten_1", "Flatten", {}, []),
        ("dense_1", "Dense", {
            "output_dim": 3, "input_dim": 6 * (SIDE // 2) ** 2, "activation": "softmax", "bias": True,
        }, [("W", (6 * (SIDE // 2) ** 2, 3)), ("b", (3,))]),
    ]  # fmt: skip
    config = [{"class_name": kind, "config": {"name": name} | said} for name, kind, said, _ in layers]
    with h5py.File(folder / "net.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": config}).encode()
        file.attrs["keras_version"] = b"1.2.2"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name, *_ in layers]
        for name, _, _, weights in layers:
            inner = group.create_group(name)
            inner.attrs["weight_names"] = [f"{name}_{letter}:0".encode() for letter, _ in weights]
            for letter, shape in weights:
                inner[f"{name}_{letter}:0"] = random.normal(0, 0.1, shape).astype(np.float32)
    return Case(folder / "net.h5")


@named("Keras, architecture JSON + weights HDF5")
def keras_halves(folder: Path) -> Case:
    network = _keras_network()
    (folder / "net.json").write_text(network.to_json(), "utf-8")
    network.save_weights(folder / "net.weights.h5")
    return Case(folder / "net.json")


@named("Keras, a live model")
def keras_live(folder: Path) -> Case:
    return Case(_keras_network())


@named("TensorFlow SavedModel")
def saved_model(folder: Path) -> Case:
    with redirect_stdout(StringIO()):
        _keras_network().export(folder / "saved", verbose=False)
    return Case(folder / "saved")


def _session_network(tf: Any) -> tuple[Any, Any]:
    v1, random = tf.compat.v1, np.random.default_rng(0)

    def variable(name: str, *shape: int) -> Any:
        return v1.get_variable(name, initializer=random.normal(0, 0.2, shape).astype(np.float32))

    x = v1.placeholder(tf.float32, (None, SIDE, SIDE, 3), name="pictures")
    y = tf.nn.relu(tf.nn.conv2d(x, variable("w1", 3, 3, 3, 6), 1, "SAME") + variable("b1", 6))
    y = tf.nn.max_pool2d(y, 2, 2, "SAME")
    y = tf.nn.relu(tf.nn.conv2d(y, variable("w2", 3, 3, 6, 5), 1, "SAME") + variable("b2", 5))
    logits = tf.matmul(tf.reduce_mean(y, (1, 2)), variable("w3", 5, 3))
    return x, tf.nn.softmax(logits, name="probabilities")


@named("TensorFlow 1 checkpoint + meta graph")
def meta_graph(folder: Path) -> Case:
    import tensorflow as tf

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        _session_network(tf)
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(folder / "net.ckpt"), global_step=7)
    return Case(folder / "net.ckpt-7.meta")


@named("TensorFlow frozen graph, `.pb`")
def frozen(folder: Path) -> Case:
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # it says that the function is deprecated, which old files come from
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        _session_network(tf)
        session.run(tf.compat.v1.global_variables_initializer())
        done = tf.compat.v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["probabilities"])
    (folder / "net.pb").write_bytes(done.SerializeToString())
    return Case(folder / "net.pb")


@named("PyTorch, a live module")
def torch_live(folder: Path) -> Case:
    return Case(_torch_network(folder))


@named("PyTorch state dict + factory")
def state_dict(folder: Path) -> Case:
    import torch

    torch.save(_torch_network(folder).state_dict(), folder / "net.pth")
    return Case(folder / "net.pth", {"factory": str(folder / FACTORY)})


@named("safetensors + factory")
def safe_tensors(folder: Path) -> Case:
    from safetensors.torch import save_file

    save_file(_torch_network(folder).state_dict(), folder / "net.safetensors")
    return Case(folder / "net.safetensors", {"factory": str(folder / FACTORY)})


@named("PyTorch, a whole pickled module")
def pickled(folder: Path) -> Case:
    import torch

    torch.save(_torch_network(folder), folder / "net.pt")
    return Case(folder / "net.pt")


@named("PyTorch exported program, `.pt2`")
def exported(folder: Path) -> Case:
    import torch

    example, batch = (torch.zeros(2, 3, SIDE, SIDE),), torch.export.Dim("batch")
    torch.export.save(
        torch.export.export(_torch_network(folder), example, dynamic_shapes=({0: batch},)), folder / "net.pt2"
    )
    return Case(folder / "net.pt2")


@named("TorchScript")
def torch_script(folder: Path) -> Case:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(_torch_network(folder), torch.zeros(1, 3, SIDE, SIDE)).save(str(folder / "net.pt"))
    return Case(folder / "net.pt")


def _onnx(folder: Path) -> Path:
    import torch

    example = torch.zeros(2, 3, SIDE, SIDE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _torch_network(folder), (example,), str(folder / "net.onnx"), dynamo=False,
            input_names=["pictures"], output_names=["scores"], dynamic_axes={"pictures": {0: "batch"}},
        )  # fmt: skip
    return folder / "net.onnx"


@named("ONNX")
def onnx(folder: Path) -> Case:
    return Case(_onnx(folder))


@named("ONNX, with an operator that Picasso lacks")
def onnx_beyond(folder: Path) -> Case:
    import onnx as library

    path = _onnx(folder)
    graph = library.load(path)
    # Counting the different numbers of a picture: no operator of a network, and without a derivative.
    graph.graph.node.insert(0, library.helper.make_node("Unique", ["pictures"], ["different"]))
    graph.graph.output.append(library.helper.make_tensor_value_info("different", library.TensorProto.FLOAT, [None]))
    library.save(graph, path)
    return Case(path, {"output": "scores"})


def _jax_scores(params: Any, x: Any) -> Any:
    import jax

    y = jax.lax.conv_general_dilated(
        x, params["w1"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )  # fmt: skip
    y = jax.nn.relu(y)
    return jax.nn.relu(y @ params["w2"]).mean((1, 2)) @ params["w3"]


@named("JAX, a function + parameters")
def jax_function(folder: Path) -> Case:
    random = np.random.default_rng(0)
    shapes = {"w1": (3, 3, 3, 6), "w2": (6, 5), "w3": (5, 3)}
    params = {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    return Case((_jax_scores, params))


@named("Flax linen")
def flax_linen(folder: Path) -> Case:
    import jax

    from tests.models.jax_networks import Net

    network = Net()
    return Case((network, network.init(jax.random.key(0), np.zeros((1, SIDE, SIDE, 3), np.float32), train=False)))


@named("Flax nnx")
def flax_nnx(folder: Path) -> Case:
    from flax import nnx

    from tests.models.jax_networks import Nnx

    return Case(Nnx(nnx.Rngs(0)))


@named("`timm:resnet18`")
def timm(folder: Path) -> Case:
    return Case("timm:resnet18", {"weights": "random", "preprocessing": picasso.Preprocessing(size=64)})


@named("`torchvision:resnet18`")
def torchvision(folder: Path) -> Case:
    return Case("torchvision:resnet18", {"weights": "random", "preprocessing": picasso.Preprocessing(size=64)})


@named("`keras:MobileNet`")
def keras_name(folder: Path) -> Case:
    return Case("keras:MobileNet", {"weights": "random", "preprocessing": None})


@named("`hf:` a folder of Hugging Face")
def hugging_face(folder: Path) -> Case:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, image_size=SIDE, patch_size=8
    )
    ViTForImageClassification(config).save_pretrained(folder / "vit")
    return Case(f"hf:{folder / 'vit'}", {"preprocessing": None})


@named("any Python function")
def function(folder: Path) -> Case:
    return Case(lambda x: np.stack([x.mean((1, 2, 3)), x[..., 0].mean((1, 2))], axis=1))


@named("HTTP endpoint, KServe v2")
def endpoint(folder: Path) -> Case:
    from tests.models.endpoint_server import Served, serving

    context = serving(Served())
    served = context.__enter__()
    return Case(served.url, {"preprocessing": None}, close=lambda: context.__exit__(None, None, None))


@named("a folder of the original Picasso")
def original(folder: Path) -> Case:
    _keras_network()
    network = _keras_network()
    (folder / "data").mkdir()
    (folder / "data" / "model.json").write_text(network.to_json(), "utf-8")
    network.save_weights(folder / "data" / "model.weights.h5")
    (folder / "config.py").write_text(
        "class Default:\n    MODEL_CLS_PATH = 'model.py'\n    MODEL_CLS_NAME = 'Net'\n"
        "    MODEL_LOAD_ARGS = {'data_dir': './data'}\n",
        "utf-8",
    )
    (folder / "model.py").write_text(
        "import numpy as np\nfrom PIL import Image\nfrom picasso.models.keras import KerasModel\n\n\n"
        "class Net(KerasModel):\n"
        "    def preprocess(self, raw_inputs):\n"
        f"        pictures = [im.convert('RGB').resize(({SIDE}, {SIDE}), Image.ANTIALIAS) for im in raw_inputs]\n"
        "        return np.stack([np.asarray(im, np.float32) / 255 for im in pictures])\n",
        "utf-8",
    )
    return Case(folder, {"preprocessing": None})
