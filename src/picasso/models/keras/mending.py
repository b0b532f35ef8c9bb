"""Architectures as Keras 1 and Keras 2 wrote them, said in the words of Keras 3.

Only what decides the answer is kept: initializers, regularizers and constraints matter in training alone. A setting
that Keras 3 does not know is dropped where it is known to change nothing, and refused otherwise.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

from picasso.core.errors import ModelFileError
from picasso.models.keras import operations
from picasso.models.keras.safety import PARTS

MODELS = frozenset({"Sequential", "Model", "Functional"})
OLD_HARD_SIGMOID = "picasso>hard_sigmoid"
CLASSES: Mapping[str, str] = {
    "Convolution2D": "Conv2D",
    "AtrousConvolution2D": "Conv2D",
    "AtrousConv2D": "Conv2D",
    "SeparableConvolution2D": "SeparableConv2D",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "ThresholdedReLU": "ReLU",
    # At rest outside of training, as all random layers.
    "RandomHeight": "Identity",
    "RandomWidth": "Identity",
}
"""Classes that have another name in Keras 3."""
WORDS: Mapping[str, str] = {
    "nb_filter": "filters",
    "subsample": "strides",
    "border_mode": "padding",
    "dim_ordering": "data_format",
    "bias": "use_bias",
    "atrous_rate": "dilation_rate",
}
"""Settings of Keras 1 under their names in Keras 3."""
WORDS_OF: Mapping[str, Mapping[str, str]] = {
    "Dense": {"output_dim": "units"},
    "Dropout": {"p": "rate"},
    "SpatialDropout2D": {"p": "rate"},
    "GaussianDropout": {"p": "rate"},
    "GaussianNoise": {"sigma": "stddev"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "ThresholdedReLU": {"theta": "threshold"},
}
TRAINING = ("_initializer", "_regularizer", "_constraint")
TRAINING_ONLY = frozenset({"init", "inner_init", "forget_bias_init", "gamma_init", "beta_init", "weights"}) | {
    f"{weight}_{kind}" for weight in ("W", "b", "U", "gamma", "beta") for kind in ("regularizer", "constraint")
}
ANY = object()
HARMLESS: Mapping[str, Mapping[str, Any]] = {
    "": {
        "batch_input_shape": ANY,
        "input_dim": ANY,
        "input_length": ANY,
        "input_dtype": ANY,
        "input_shape": ANY,
        "ragged": (False, None),
        "sparse": (False, None),
        "dynamic": (False,),
        "optional": (False, None),
        "implementation": ANY,
        "autocast": ANY,
        "experimental_autocast": ANY,
        "lr": ANY,
        "rng_type": ANY,
        "time_major": (False,),
        "groups": (1,),
    },
    "BatchNormalization": {
        "virtual_batch_size": ANY,
        "fused": ANY,
        "adjustment": (None,),
        "mode": (0, 2),
        "synchronized": ANY,
    },
    "DepthwiseConv2D": {"filters": ANY},
    "MultiHeadAttention": {
        "query_shape": ANY,
        "key_shape": ANY,
        "value_shape": ANY,
        "softmax_robust_masking": (False,),
    },
    "SpatialDropout2D": {"noise_shape": (None,)},
    "Identity": {"factor": ANY, "interpolation": ANY, "seed": ANY},
    "Dense": {"kernel_quantizer": (None,)},
}
"""Settings that Keras 3 does not know, with the values that change no answer."""
MERGES = {"sum": "Add", "mul": "Multiply", "concat": "Concatenate", "ave": "Average", "max": "Maximum"}
WRAPPED = ("layer", "forward_layer", "backward_layer", "cell")


def decoded(text: Any) -> Any:
    """Return JSON from text in which it may be encoded twice, as Keras 1 did."""
    value = json.loads(text)
    return json.loads(value) if isinstance(value, str) else value


def is_old(config: Any, version: str) -> bool:
    """Say whether an architecture is one of Keras 1 or 2.

    Args:
        config: The architecture.
        version: The version of Keras that the file names, or "".
    """
    major = version.partition(".")[0]
    # tf_keras calls itself by the version of TensorFlow, as do some files: 2.x.
    if major.isdigit() and int(major) < 3:
        return True
    inner = config.get("config") if isinstance(config, dict) else None
    layers = inner.get("layers") if isinstance(inner, dict) else inner
    plain = isinstance(layers, list) and any(isinstance(one, dict) and "module" not in one for one in layers)
    return plain or "'batch_input_shape'" in str(config)


def mended(config: Any, keras: Any, keras_1: bool = False) -> dict[str, Any]:
    """Return the architecture of a model as Keras 3 declares it.

    Args:
        config: {"class_name": "Sequential" or another kind of model, "config": ...}.
        keras: The imported package.
        keras_1: Whether it is known to be one of Keras 1.

    Raises:
        ModelFileError: It is none, or says something that Keras 3 has no counterpart for.
    """
    if not isinstance(config, dict) or config.get("class_name") not in MODELS:
        kind = config.get("class_name") if isinstance(config, dict) else type(config).__name__
        raise ModelFileError(
            f"The architecture is that of a '{kind}', not of a Sequential or functional model.",
            "A subclassed model's code is not in its file: give a model file whose load() builds it.",
        )
    return _model(config, keras, keras_1)


def _model(config: dict[str, Any], keras: Any, keras_1: bool) -> dict[str, Any]:
    inner = config.get("config")
    if config["class_name"] == "Sequential":
        inner = {"name": "sequential", "layers": inner} if isinstance(inner, list) else inner
        made = _sequential(inner, keras, keras_1)
        return {"module": "keras", "class_name": "Sequential", "config": made, "registered_name": None}
    if not isinstance(inner, dict) or not isinstance(inner.get("layers"), list):
        raise ModelFileError("The architecture is damaged: it names no layers.")
    inner = _renumbered(inner)
    names = frozenset(str(layer.get("name")) for layer in inner["layers"])
    made = {
        "name": inner.get("name") or "model",
        "trainable": True,
        "layers": [_node(layer, names, keras, keras_1) for layer in inner["layers"]],
        "input_layers": _ends(inner.get("input_layers")),
        "output_layers": _ends(inner.get("output_layers")),
    }
    return {"module": "keras", "class_name": "Model", "config": made, "registered_name": None}


def _renumbered(inner: dict[str, Any]) -> dict[str, Any]:
    """Count the calls of models inside a graph from 0: in Keras 2 a model's first call was its own making."""
    models = {str(layer.get("name")) for layer in inner["layers"] if layer.get("class_name") in MODELS}
    counted: dict[str, list[int]] = {}

    def walk(value: Any, change: bool) -> Any:
        if isinstance(value, dict):
            return {key: walk(part, change) for key, part in value.items()}
        if not isinstance(value, list):
            return value
        if len(value) >= 3 and isinstance(value[0], str) and value[0] in models and isinstance(value[1], int):
            name, call, *rest = value
            counted.setdefault(name, []).append(call)
            return [name, call - 1 if change and min(counted[name]) > 0 else call, *(walk(one, change) for one in rest)]
        return [walk(part, change) for part in value]

    nodes = [layer.get("inbound_nodes") for layer in inner["layers"]]
    walk([nodes, inner.get("input_layers"), inner.get("output_layers")], False)
    counted = {name: [min(calls)] for name, calls in counted.items()}
    fresh = [layer | {"inbound_nodes": walk(node, True)} for layer, node in zip(inner["layers"], nodes, strict=True)]
    ends = {key: walk(inner.get(key), True) for key in ("input_layers", "output_layers")}
    return inner | ends | {"layers": fresh}


def _ends(tensors: Any) -> Any:
    """Return the inputs or outputs of a graph: Keras 2 wrote a list also where there is one."""
    if isinstance(tensors, list) and len(tensors) == 1 and isinstance(tensors[0], list):
        return tensors[0]
    if not isinstance(tensors, list | dict) or not tensors:
        raise ModelFileError("The architecture is damaged: its inputs or outputs are missing.")
    return tensors


def _sequential(inner: Any, keras: Any, keras_1: bool) -> dict[str, Any]:
    layers = inner.get("layers") if isinstance(inner, dict) else None
    if not isinstance(layers, list) or not layers:
        raise ModelFileError("The architecture is damaged: it names no layers.")
    made = [_layer(layer, keras, keras_1) for layer in layers]
    first = layers[0].get("config")
    shape = first.get("batch_input_shape") if isinstance(first, dict) else None
    shape = shape or inner.get("build_input_shape")
    if layers[0].get("class_name") not in ("InputLayer", *MODELS) and shape is not None:
        dtype = str(first.get("input_dtype") or "float32") if isinstance(first, dict) else "float32"
        made.insert(0, _input({"batch_input_shape": shape, "dtype": dtype, "name": "picasso_input"}))
    return {"name": inner.get("name") or "sequential", "trainable": True, "layers": made}


def _node(layer: dict[str, Any], names: frozenset[str], keras: Any, keras_1: bool) -> dict[str, Any]:
    """Return a layer of a graph, with the calls that feed it."""
    if layer.get("class_name") in operations.KINDS:
        return operations.translated(layer, names)
    nodes = [_call(node, names) for node in layer.get("inbound_nodes") or []]
    return _layer(layer, keras, keras_1) | {"name": layer.get("name"), "inbound_nodes": nodes}


def _call(node: Any, names: frozenset[str]) -> Any:
    """Return a call of a layer as Keras 3 writes it."""
    if not isinstance(node, list):
        return node
    tensors: list[Any] = []
    first, others = operations.arguments(node, names, tensors)
    flat = operations.put(first, tensors)
    flat = flat[0] if isinstance(flat, list) and len(flat) == 1 else flat
    kept = {key: value for key, value in others.items() if value is not None and key != "name"}
    return {"args": [flat], "kwargs": operations.put(kept, tensors)}


def _layer(layer: Any, keras: Any, keras_1: bool) -> dict[str, Any]:
    """Return a layer without its place in a graph."""
    kind, config = (layer.get("class_name"), layer.get("config")) if isinstance(layer, dict) else (None, None)
    if kind in MODELS:
        return _model(layer, keras, keras_1)
    if not isinstance(kind, str) or not isinstance(config, dict):
        raise ModelFileError("The architecture is damaged: a layer has no class or no settings.")
    if kind == "InputLayer":
        return _input(config)
    if kind == "Merge":
        return _merge(config)
    registered = layer.get("registered_name") or kind
    if kind == "Lambda":
        return _lambda(config)
    if keras.saving.get_registered_object(registered) is not None:
        return {"module": None, "class_name": kind, "config": config, "registered_name": registered}
    if registered in PARTS:
        return {"module": PARTS[kind], "class_name": kind, "config": config, "registered_name": None}
    name = CLASSES.get(kind, kind)
    known = getattr(keras.layers, name, None)
    if known is None or ">" in registered:
        return {"module": None, "class_name": kind, "config": config, "registered_name": registered}
    made = _settings(kind, name, dict(config), known, keras, keras_1)
    return {"module": "keras.layers", "class_name": name, "config": made, "registered_name": None}


def _input(config: dict[str, Any]) -> dict[str, Any]:
    shape = config.get("batch_shape", config.get("batch_input_shape"))
    made = {"batch_shape": shape, "dtype": config.get("dtype") or config.get("input_dtype") or "float32"}
    made["name"] = config.get("name")
    return {"module": "keras.layers", "class_name": "InputLayer", "config": made, "registered_name": None}


def _merge(config: dict[str, Any]) -> dict[str, Any]:
    kind = MERGES.get(str(config.get("mode")))
    if kind is None or config.get("layers"):
        raise ModelFileError(f"The Merge layer '{config.get('name')}' of Keras 1 has no counterpart in Keras 3.")
    made = {"name": config.get("name")} | ({"axis": config.get("concat_axis", -1)} if kind == "Concatenate" else {})
    return {"module": "keras.layers", "class_name": kind, "config": made, "registered_name": None}


def _lambda(config: dict[str, Any]) -> dict[str, Any]:
    """Return a Lambda layer, which only a trusted file may hold, with its code where Keras 3 looks for it."""
    function = config.get("function")
    if isinstance(function, list) and len(function) == 3:
        code, defaults, closure = function
        function = {"class_name": "__lambda__", "config": {"code": code, "defaults": defaults, "closure": closure}}
    made = {"name": config.get("name"), "function": function, "arguments": config.get("arguments") or {}}
    return {"module": "keras.layers", "class_name": "Lambda", "config": made, "registered_name": None}


def _settings(kind: str, name: str, config: dict[str, Any], known: Any, keras: Any, keras_1: bool) -> dict[str, Any]:
    """Return the settings of a layer of Keras."""
    words = {**WORDS, **WORDS_OF.get(kind, {})}
    made = {
        words.get(key, key): value
        for key, value in config.items()
        if key not in TRAINING_ONLY and not key.endswith(TRAINING)
    }
    if "nb_row" in made:
        made["kernel_size"] = [made.pop("nb_row"), made.pop("nb_col")]
    order = made.get("data_format")
    if order in ("th", "tf"):
        made["data_format"] = "channels_first" if order == "th" else "channels_last"
    if kind == "ThresholdedReLU":
        made = {"name": made.get("name"), "threshold": made.get("threshold", 1.0)}
    if name == "BatchNormalization":
        # At inference renormalization is plain batch normalization by the moving averages.
        made = {key: value for key, value in made.items() if not key.startswith("renorm")}
        if isinstance(made.get("axis"), list):
            made["axis"] = made["axis"][0]
    if name == "Flatten" and keras_1:
        # Keras 1 flattened in the order of memory, whatever the order of the channels.
        made.pop("data_format", None)
    if isinstance(made.get("dtype"), dict):
        made["dtype"] = (made["dtype"].get("config") or {}).get("name", "float32")
    for key in ("activation", "recurrent_activation"):
        if key in made:
            made[key] = _activation(made[key], keras, keras_1)
    for key in WRAPPED:
        if isinstance(made.get(key), dict):
            made[key] = _layer(made[key], keras, keras_1)
    taken = _parameters(known)
    for key in [key for key in made if key not in taken]:
        harmless = {**HARMLESS[""], **HARMLESS.get(name, {})}
        if key not in harmless or (harmless[key] is not ANY and made[key] not in harmless[key]):
            raise ModelFileError(
                f"The layer '{made.get('name')}' ({kind}) has the setting {key}={made[key]!r}, "
                "which Keras 3 does not know.",
                "Convert the model with the version of Keras that wrote it, or give a model file.",
            )
        del made[key]
    return made


def _activation(value: Any, keras: Any, keras_1: bool) -> Any:
    if isinstance(value, dict):
        name = value.get("config") if value.get("class_name") == "function" else value.get("class_name")
        if isinstance(value.get("config"), dict) and hasattr(keras.layers, str(name)):
            return _layer(value, keras, keras_1)
        value = name if isinstance(name, str) else value
    if value == "hard_sigmoid":  # its slope was 0.2, and is 1/6 in Keras 3
        return {
            "module": "builtins",
            "class_name": "function",
            "config": OLD_HARD_SIGMOID,
            "registered_name": "function",
        }
    return value


def _parameters(kind: Any) -> set[str]:
    """Return the names of all settings that a layer takes."""
    found = {"name", "dtype", "trainable"}
    for base in kind.__mro__:
        if "__init__" in vars(base) and base.__module__.startswith("keras."):
            parameters = inspect.signature(vars(base)["__init__"]).parameters
            found |= set(parameters)
            if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
                break
    return found - {"self", "args", "kwargs", "input_shape"}


def old_hard_sigmoid(x: Any) -> Any:
    """The hard sigmoid of Keras 1 and 2."""
    import keras

    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def scope() -> dict[str, Any]:
    """Return what mended architectures name that is Picasso's own, by name."""
    return {operations.REGISTERED: operations.operation_class(), OLD_HARD_SIGMOID: old_hard_sigmoid}
