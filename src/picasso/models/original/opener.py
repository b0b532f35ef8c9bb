"""Folders of the original Picasso of 2017: config.py and model.py, with KerasModel or TFModel.

They open as they are. Naming such a folder runs the Python code in it, as naming my_model.py:MyModel does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from picasso.core.errors import ModelFileError
from picasso.core.facts import Task
from picasso.core.hooks import Head, ModelFile, Prediction, to_probabilities
from picasso.core.model import Model
from picasso.core.neighbors import digest_of, neighbors
from picasso.core.opening import Options
from picasso.core.preprocessing import Array
from picasso.models.original import shims
from picasso.models.original.settings import OldModel, find_config, open_old

_ROUNDING = 6e-4
"""The original's probabilities are text with three places."""


def claims(source: object) -> bool:
    """Say whether this adapter opens the source: settings of the original Picasso, or a folder with them."""
    return find_config(source) is not None


def open_model(source: str, hooks: ModelFile, options: Options) -> Model:
    """Open a folder of the original Picasso; this runs the code in it.

    Args:
        source: The folder, or its config.py.
        hooks: The user's own choices, which count more than what the folder says.
        options: As for the network's own framework.

    Raises:
        ModelFileError: The settings, the class or the checkpoint are missing, or raised an error.
        MissingExtraError: The network's framework is not installed.
    """
    config = find_config(source)
    assert config is not None, "claimed before"
    name = options.name
    if not name or name == Path(source).stem:
        name = config.absolute().parent.name
    with neighbors(config.absolute().parent) as imported:
        old = open_old(config)
        own = own_hooks(old.user, hooks)
        model = _open_network(old, own, replace(options, name=name))
    if not hooks.labels and model.facts.task is Task.CLASSIFICATION:
        _name_classes(model, own, old.user)
    code = {*old.files, *imported}
    own.source_digest = digest_of(code)
    model.files = tuple(dict.fromkeys((*model.files, *sorted(code))))
    return model


def own_hooks(user: Any, hooks: ModelFile) -> ModelFile:
    """Return today's hooks that call those of the original which a user's object overrides."""
    kind = type(user)
    methods: dict[str, Any] = {}
    if hooks.preprocessing is None and kind.preprocess is not shims.BaseModel.preprocess:
        methods["preprocess"] = _Hooks.preprocess
    if callable(getattr(user, "postprocess", None)):
        methods["postprocess"] = _Hooks.postprocess
    if kind.decode_prob is not shims.BaseModel.decode_prob:
        methods["decode_prob"] = _Hooks.decode_prob
    made: Any = type(kind.__name__, (_User, ModelFile), methods)()
    made.user = user
    for name in ("labels", "preprocessing", "head", "boxes", "frames"):
        setattr(made, name, getattr(hooks, name))
    found: ModelFile = made
    return found


class _User:
    """Holds the user's object."""

    user: Any
    labels: Any
    head: Any


class _Hooks(_User):
    """The hooks of the original Picasso as today's; those are taken whose own was overridden."""

    def preprocess(self, pictures: Sequence[NDArray[np.uint8]]) -> Array:
        with shims.libraries():
            answer = self.user.preprocess([Image.fromarray(pixels) for pixels in pictures])
        return as_pictures(np.asarray(answer, dtype=np.float32))

    def postprocess(self, activation: Array) -> Array:
        # Written for rows of numbers; what is laid out already stays as it is.
        if activation.ndim == 4:
            return activation
        with shims.libraries():
            images = np.asarray(self.user.postprocess(activation), dtype=np.float32)
        return images[..., None] if images.ndim == 3 else images

    def decode_prob(self, scores: Array) -> list[list[Prediction]]:
        probabilities = to_probabilities(scores, Head(self.head or Head.SOFTMAX))
        with shims.libraries():
            decoded = self.user.decode_prob(probabilities)
        return [
            sorted((_prediction(entry, row) for entry in entries), key=lambda one: -one.probability)
            for entries, row in zip(decoded, probabilities, strict=True)
        ]


def _prediction(entry: dict[str, Any], row: Array) -> Prediction:
    """Return an entry of the original's decoder; where it only rounded the probability, with all its digits."""
    index, said = int(entry["index"]), float(entry["prob"])
    exact = float(row[index])
    return Prediction(index, str(entry["name"]), exact if abs(exact - said) <= _ROUNDING else said)


def as_pictures(x: Array) -> Array:
    """Return what a user's preprocess gave as pictures, (n, h, w, c), whatever the network reads.

    Args:
        x: (n, h, w, c), (n, c, h, w), (n, h, w), or square pictures as rows of numbers.
    """
    from picasso.models.tensorflow.finding import unfold

    if x.ndim == 2:
        size = unfold(x.shape[1])
        return x if size is None else x.reshape(-1, *size)
    if x.ndim == 3:
        return x[..., None]
    if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] not in (1, 3):
        return np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    return x


def _open_network(old: OldModel, hooks: ModelFile, options: Options) -> Model:
    """Open the network of a user's object with the adapter of its framework."""
    saved = old.saved
    if saved is None:
        return _open_live(old.user, hooks, options)
    folder = Path(saved.folder)
    if saved.framework == "keras":
        return _open_keras(folder, hooks, options)
    from picasso.models.tensorflow import files as tensorflow_files
    from picasso.models.tensorflow import opener as tensorflow

    options = replace(options, input=options.input or saved.input, output=options.output or saved.output)
    return tensorflow.open_place(tensorflow_files.newest_checkpoint(folder), hooks, options)


def _open_keras(folder: Path, hooks: ModelFile, options: Options) -> Model:
    """Open the newest weights of a folder, with the newest architecture where there is one."""
    from picasso.models.keras import opener as keras

    weights = sorted(folder.glob("*.h*5"), key=_age)
    if not weights:
        raise ModelFileError(f"There is no checkpoint of Keras (.hdf5 or .h5) in {folder}.", "Check data_dir.")
    plans = sorted(folder.glob("*.json"), key=_age)
    if plans:
        model = keras.open_model(str(plans[-1]), hooks, replace(options, weights=str(weights[-1])))
    else:
        model = keras.open_model(str(weights[-1]), hooks, options)
    model.files = tuple(dict.fromkeys((*model.files, *plans[-1:], weights[-1])))
    return model


def _age(file: Path) -> tuple[float, str]:
    return file.stat().st_mtime, file.name


def _open_live(user: Any, hooks: ModelFile, options: Options) -> Model:
    """Open what a load() of the user's own left behind: a session with two tensors, or a Keras model."""
    session, given, answer = user.sess, user.tf_input_var, user.tf_predict_var
    if session is not None and given is not None and answer is not None:
        from picasso.models.tensorflow import opener as tensorflow

        return tensorflow.open_session(session, given.name, answer.name, hooks, options)
    network = getattr(user, "_model", None) or getattr(user, "model", None)
    if network is not None:
        from picasso.models.keras import opener as keras

        return keras.open_model(network, hooks, options)
    raise ModelFileError(
        f"{type(user).__name__}.load() left no network behind.", "It must set _sess, _tf_input_var and _tf_predict_var."
    )


def _name_classes(model: Model, hooks: ModelFile, user: Any) -> None:
    """Take over the names that the user's decoder gives to the classes."""
    columns = model.facts.columns
    if columns < 2:
        return
    if "decode_prob" not in vars(type(hooks)):
        model.labels = hooks.labels = tuple(str(index) for index in range(columns))
        return
    shown = getattr(user, "top_probs", None)
    names: dict[int, str] = {}
    try:
        user.top_probs = columns
        with shims.libraries():
            # A class that is certain comes first.
            for entries in user.decode_prob(np.eye(columns, dtype=np.float32)):
                names |= {int(entry["index"]): str(entry["name"]) for entry in entries}
    except Exception:  # a decoder that downloads its names, without a network
        return
    finally:
        if shown is not None:
            user.top_probs = shown
    if sorted(names) == list(range(columns)):
        model.labels = hooks.labels = tuple(names[index] for index in range(columns))
