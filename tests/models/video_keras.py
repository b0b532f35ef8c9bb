"""Opens Keras models of clips and returns what Picasso answers, beside what Keras itself answers."""

from __future__ import annotations

from typing import Any

import numpy as np

import picasso
from picasso.core.errors import PicassoError
from picasso.core.facts import INPUT
from picasso.models.keras.loading import import_keras
from picasso.testing import check_model

SHAPE = (8, 12, 16, 3)
CLIP = np.random.default_rng(0).integers(0, 255, (20, 24, 32, 3), dtype=np.uint8)


def networks(keras: Any) -> dict[str, Any]:
    layers = keras.layers
    keras.utils.set_random_seed(0)
    return {
        "volumes": keras.Sequential(
            [
                keras.Input(SHAPE),
                layers.Conv3D(4, 3, padding="same", activation="relu", name="first"),
                layers.MaxPooling3D(2),
                layers.Conv3D(5, 3, padding="same", activation="relu", name="last"),
                layers.GlobalAveragePooling3D(),
                layers.Dense(3, activation="softmax"),
            ]
        ),
        "each": keras.Sequential(
            [
                keras.Input((None, *SHAPE[1:])),
                layers.TimeDistributed(layers.Conv2D(4, 3, activation="relu"), name="last"),
                layers.TimeDistributed(layers.GlobalAveragePooling2D()),
                layers.LSTM(6),
                layers.Dense(3),
            ]
        ),
        "one": keras.Sequential(
            [keras.Input(SHAPE), layers.Lambda(lambda x: x[:, 5, :4, 12:]), layers.GlobalAveragePooling2D()]
        ),
    }


def said(kind: type[Exception], call: Any) -> str:
    try:
        call()
    except kind as error:
        return str(error)
    return ""


def answers() -> dict[str, Any]:
    """Return what Picasso says of each network, JSON."""
    found: dict[str, Any] = {}
    keras = import_keras()
    for name, network in networks(keras).items():
        model = picasso.load_model(network, preprocessing=picasso.Preprocessing(size=SHAPE[1:3]), frames=8)
        check_model(model)
        x = np.random.default_rng(1).normal(size=(2, *SHAPE)).astype(np.float32)
        own = np.asarray(keras.ops.convert_to_numpy(network(x, training=False)))
        pulled = model.pullback(x, [model.target(1)])
        values = picasso.explain(model, CLIP, "saliency-map", target=1).attributions[0].values
        answer = model.predict(x) if name != "volumes" else model.probabilities(model.predict(x))
        found[name] = {
            "error": float(np.abs(answer - own).max()),
            "layers": {layer.name: list(layer.shape) for layer in model.layers() if layer.spatial},
            "shown": list(values.shape),
            "first place": np.argwhere(pulled.gradients[INPUT][0, 0].any(axis=-1)).min(axis=0).tolist(),
        }
        if name != "one":
            native = picasso.explain(model, CLIP, "grad-cam", layer="last", top=1).attributions[0].native
            found[name]["native"] = list(native.shape)
    made = networks(keras)
    found["free"] = picasso.load_model(made["each"]).facts.frames
    found["other"] = said(PicassoError, lambda: picasso.load_model(made["volumes"], frames=9))
    flat = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()])
    found["still"] = said(PicassoError, lambda: picasso.load_model(flat, frames=9))
    first = keras.Sequential([keras.Input((3, 8, 12, 16)), keras.layers.Flatten(), keras.layers.Dense(2)])
    found["first"] = said(PicassoError, lambda: picasso.load_model(first))
    return found
