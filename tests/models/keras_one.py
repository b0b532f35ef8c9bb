"""Files of Keras 1, which no longer installs: written by hand with h5py and json, exactly in its layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

RNG = np.random.default_rng(11)
COMMON: dict[str, Any] = {"trainable": True}
CONV: dict[str, Any] = {
    "init": "glorot_uniform",
    "activation": "linear",
    "border_mode": "valid",
    "subsample": [1, 1],
    "W_regularizer": None,
    "b_regularizer": None,
    "activity_regularizer": None,
    "W_constraint": None,
    "b_constraint": None,
    "bias": True,
}
DENSE = {key: value for key, value in CONV.items() if key not in ("border_mode", "subsample")}


def layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": COMMON | {"name": name} | config}


def convolution(name: str, order: str, filters: int, size: int, **config: Any) -> dict[str, Any]:
    return layer(
        "Convolution2D",
        name,
        **(CONV | {"nb_filter": filters, "nb_row": size, "nb_col": size} | config),
        dim_ordering=order,
    )


def sequential(order: str) -> tuple[dict[str, Any], dict[str, list[tuple[str, np.ndarray]]]]:
    """Return a network of the time as Keras 1.2 declares it, and its weights by layer."""
    shape = [None, 3, 8, 8] if order == "th" else [None, 8, 8, 3]
    axis = 1 if order == "th" else 3
    pool = {"strides": [2, 2], "pool_size": [2, 2], "border_mode": "valid", "dim_ordering": order}
    layers = [
        convolution("convolution2d_1", order, 4, 3, batch_input_shape=shape, input_dtype="float32", border_mode="same"),
        layer("Activation", "activation_1", activation="relu"),
        layer(
            "BatchNormalization",
            "batchnormalization_1",
            mode=0,
            axis=axis,
            epsilon=1e-3,
            momentum=0.99,
            gamma_regularizer=None,
            beta_regularizer=None,
        ),
        layer("MaxPooling2D", "maxpooling2d_1", **pool),
        layer("ZeroPadding2D", "zeropadding2d_1", padding=[1, 1], dim_ordering=order),
        convolution("convolution2d_2", order, 5, 3, subsample=[2, 2], activation="relu"),
        layer("Dropout", "dropout_1", p=0.25),
        layer("Flatten", "flatten_1"),
        layer("Dense", "dense_1", **(DENSE | {"output_dim": 3, "input_dim": None, "activation": "softmax"})),
    ]
    shapes = {"convolution2d_1": (3, 3, 3, 4), "convolution2d_2": (3, 3, 4, 5)}
    saved: dict[str, list[tuple[str, np.ndarray]]] = {one["config"]["name"]: [] for one in layers}
    for name, kernel in shapes.items():
        value = RNG.normal(0, 0.4, kernel)
        value = value.transpose(3, 2, 0, 1) if order == "th" else value
        saved[name] = [(f"{name}_W", value), (f"{name}_b", RNG.normal(0, 0.1, kernel[-1]))]
    words = ("gamma", "beta", "running_mean", "running_std")
    saved["batchnormalization_1"] = [(f"batchnormalization_1_{word}", RNG.uniform(0.5, 1.5, 4)) for word in words]
    saved["dense_1"] = [("dense_1_W", RNG.normal(0, 0.5, (20, 3))), ("dense_1_b", RNG.normal(0, 0.1, 3))]
    return {"class_name": "Sequential", "config": layers}, saved


def graph() -> tuple[dict[str, Any], dict[str, list[tuple[str, np.ndarray]]]]:
    """Return a functional network with the Merge layers of Keras 1."""
    first = layer("InputLayer", "input_1", batch_input_shape=[None, 8, 8, 3], input_dtype="float32", sparse=False)
    merge = {
        "mode_type": "raw",
        "dot_axes": -1,
        "output_shape": None,
        "output_mask": None,
        "arguments": {},
        "layers": [],
    }

    def node(one: dict[str, Any], *names: str) -> dict[str, Any]:
        calls = [[[name, 0, 0] for name in names]] if names else []
        return one | {"name": one["config"]["name"], "inbound_nodes": calls}

    layers = [
        node(first),
        node(convolution("a", "tf", 4, 3, border_mode="same", activation="relu"), "input_1"),
        node(convolution("b", "tf", 4, 1, border_mode="same"), "input_1"),
        node(layer("Merge", "sum", mode="sum", concat_axis=-1, **merge), "a", "b"),
        node(layer("Merge", "both", mode="concat", concat_axis=-1, **merge), "sum", "b"),
        node(
            layer(
                "AtrousConvolution2D",
                "wide",
                **(CONV | {"nb_filter": 2, "nb_row": 3, "nb_col": 3}),
                dim_ordering="tf",
                atrous_rate=[2, 2],
            ),
            "both",
        ),
        node(layer("GlobalAveragePooling2D", "mean", dim_ordering="tf"), "wide"),
    ]
    kernels = {"a": (3, 3, 3, 4), "b": (1, 1, 3, 4), "wide": (3, 3, 8, 2)}
    saved = {one["name"]: [] for one in layers}
    for name, shape in kernels.items():
        saved[name] = [(f"{name}_W", RNG.normal(0, 0.4, shape)), (f"{name}_b", RNG.normal(0, 0.1, shape[-1]))]
    ends = {"input_layers": [["input_1", 0, 0]], "output_layers": [["mean", 0, 0]]}
    return {"class_name": "Model", "config": {"name": "model_1", "layers": layers, **ends}}, saved


def write_weights(group: Any, saved: dict[str, list[tuple[str, np.ndarray]]]) -> None:
    """Write weights as Keras 1 does: bytes in `layer_names` and `weight_names`."""
    group.attrs["layer_names"] = [name.encode() for name in saved]
    for name, weights in saved.items():
        inner = group.create_group(name)
        inner.attrs["weight_names"] = [weight.encode() for weight, _ in weights]
        for weight, value in weights:
            inner.create_dataset(weight, data=value.astype(np.float32))


def write_whole(
    path: Path, config: dict[str, Any], saved: dict[str, Any], twice: bool = False, backend: str = ""
) -> None:
    """Write a whole model, its JSON encoded once or twice."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = b"1.2.1"
        if backend:
            file.attrs["backend"] = backend.encode()
        text = json.dumps(config)
        file.attrs["model_config"] = (json.dumps(text) if twice else text).encode()
        write_weights(file.create_group("model_weights"), saved)


def convolved(
    x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, step: int = 1, rate: int = 1, same: bool = False
) -> Any:
    """Correlate (n, h, w, c) with (rows, columns, c, out), slowly."""
    reach = rate * (kernel.shape[0] - 1)
    if same:
        x = np.pad(x, ((0, 0), (reach // 2, reach - reach // 2), (reach // 2, reach - reach // 2), (0, 0)))
    rows, columns = (x.shape[1] - reach - 1) // step + 1, (x.shape[2] - reach - 1) // step + 1
    out = np.zeros((len(x), rows, columns, kernel.shape[3]))
    for row in range(rows):
        for column in range(columns):
            top, left = row * step, column * step
            window = x[:, top : top + reach + 1 : rate, left : left + reach + 1 : rate]
            out[:, row, column] = np.einsum("nijc,ijco->no", window, kernel) + bias
    return out


def answer(saved: dict[str, list[tuple[str, np.ndarray]]], x: np.ndarray, order: str, theano: bool) -> np.ndarray:
    """Return the logits of `sequential`, slowly; Theano turned its kernels around."""

    def weights(name: str) -> tuple[np.ndarray, np.ndarray]:
        kernel, bias = (value for _, value in saved[name])
        kernel = kernel.transpose(2, 3, 1, 0) if order == "th" else kernel
        return (kernel[::-1, ::-1] if theano else kernel), bias

    x = np.maximum(convolved(x, *weights("convolution2d_1"), same=True), 0)
    gamma, beta, mean, variance = (value for _, value in saved["batchnormalization_1"])
    x = (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    x = x.reshape(len(x), 4, 2, 4, 2, 4).max((2, 4))
    x = np.maximum(convolved(np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), *weights("convolution2d_2"), step=2), 0)
    flat = (x.transpose(0, 3, 1, 2) if order == "th" else x).reshape(len(x), -1)
    kernel, bias = (value for _, value in saved["dense_1"])
    return np.asarray(flat @ kernel + bias)
