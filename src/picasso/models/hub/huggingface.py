"""Hugging Face's vision models, by their name on the Hub or from a folder that save_pretrained wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from picasso.core.errors import ModelFileError, NotSupportedError, PicassoError, UnsafeModelError
from picasso.core.facts import Task
from picasso.core.hooks import Head
from picasso.core.preprocessing import Preprocessing
from picasso.models.hub import timm as hub_timm
from picasso.models.hub import weights as hub_weights
from picasso.models.hub.fetching import LOCAL, not_fetched, snapshot
from picasso.models.hub.made import RANDOM, Made, hushed, imported
from picasso.models.hub.processor import read_processor
from picasso.models.torch import files as torch_files
from picasso.models.torch.archive import weights_only

_DESCRIPTIONS = ("config.json", "preprocessor_config.json", "processor_config.json")
_SAFETENSORS = ("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors")
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin")
_TASKS = {
    "ForImageClassification": (Task.CLASSIFICATION, "AutoModelForImageClassification"),
    "ForImageClassificationWithTeacher": (Task.CLASSIFICATION, "AutoModelForImageClassification"),
    "ForSemanticSegmentation": (Task.SEGMENTATION, "AutoModelForSemanticSegmentation"),
    "ForObjectDetection": (Task.DETECTION, "AutoModelForObjectDetection"),
}
_NO_OBJECT = ("detr", "yolos", "table-transformer")
"""Detectors whose scores have one column more than classes: that of no object."""
_MOST_JSON = 2**24
_ROOM = 2**26
"""Parameters that a network may have beyond those in its file: buffers and the like."""


def is_checkpoint(source: object) -> bool:
    """Say whether a source is a folder that save_pretrained wrote."""
    if not isinstance(source, str) or "\0" in source:
        return False
    try:
        path = Path(source) / "config.json"
        if not path.is_file() or path.stat().st_size > _MOST_JSON:
            return False
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and ("architectures" in config or "pretrained_cfg" in config)


def make(source: str, weights: str | None) -> Made:
    """Make a network of transformers.

    Args:
        source: "hf:google/vit-base-patch16-224" or a folder, with or without "hf:" before it.
        weights: A file, "random", or None for those of the folder or the Hub.

    Raises:
        ModelFileError: There is no such model, its files are damaged, or they are not at hand.
        NotSupportedError: It is no classifier, segmenter or detector.
        UnsafeModelError: It brings code of its own.
    """
    name = source.removeprefix("hf:")
    transformers = imported("transformers")
    local = Path(name).expanduser().is_dir()
    if local:
        folder = Path(name).expanduser()
    else:
        if name.startswith((".", "/", "~")):
            raise ModelFileError(f"There is no folder {name}.", "Check the path.")
        folder = snapshot(name, _DESCRIPTIONS, f"The files of {source}", LOCAL)
    raw = _json(folder / "config.json", name)
    if "pretrained_cfg" in raw and "architecture" in raw:
        timm_source = source if local else f"timm:hf-hub:{name}"
        return hub_timm.make_from(folder, source, weights) if local else hub_timm.make(timm_source, weights)
    task, auto = _task(raw, name)
    with _reading(name), _silent(transformers):
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if hasattr(config, "use_pretrained_backbone"):
        config.use_pretrained_backbone = False  # its weights come with the model's own
    builder = getattr(transformers, auto)
    files: tuple[Path, ...] = (folder,) if local else ()
    notes: tuple[str, ...] = ()
    if weights == RANDOM:
        with _reading(name), _silent(transformers), hub_weights.seeded():
            network = builder.from_config(config, trust_remote_code=False, attn_implementation="eager")
        notes = (hub_weights.UNTRAINED,)
    elif weights is not None:
        files = (*files, Path(weights))
        network, config = _from_file(transformers, builder, config, Path(weights), source)
    else:
        folder = folder if local else _with_weights(name, source)
        network = _from_folder(transformers, builder, config, folder, name)
    preprocessing, differing = _preprocessing(transformers, folder, config, task, name)
    said = f"Preprocessing and labels are those of {name}."
    return Made(network, preprocessing, _labels(config, task), _head(config, task), (said, *notes, *differing), files)


def _json(path: Path, name: str) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_JSON:
            raise ValueError("it is too large")
        value = json.loads(path.read_text("utf-8"))
        if not isinstance(value, dict):
            raise ValueError("it holds no object")
    except (OSError, ValueError, RecursionError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ModelFileError(f"The config.json of {name} cannot be read: {said}.", "Copy or save it again.") from None
    return value


def _task(raw: Mapping[str, Any], name: str) -> tuple[Task, str]:
    """Return what a network does and the class that makes it, from the architecture that its config.json names."""
    named = raw.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else ""
    from transformers import CONFIG_MAPPING

    if "auto_map" in raw and raw.get("model_type") not in CONFIG_MAPPING:
        raise UnsafeModelError(
            f"{name} brings Python code of its own, which Picasso does not run.",
            "Load it in a model file of your own: my_model.py:MyModel whose load() returns the network.",
        )
    if raw.get("quantization_config"):
        raise NotSupportedError(f"{name} is quantized: no derivative goes through it.", "Open the original weights.")
    for ending, found in _TASKS.items():
        if architecture.endswith(ending):
            return found
    what = f"is a {architecture}" if architecture else "does not say what it is"
    raise NotSupportedError(
        f"{name} {what}; Picasso opens {', '.join(kind for kind in _TASKS if 'Teacher' not in kind)} models.",
        "Features alone have no class to explain.",
    )


def _with_weights(name: str, source: str) -> Path:
    """Return the folder of a model on the Hub with its weights: safetensors where it has them."""
    what = f"The weights of {source}"
    for files in (_SAFETENSORS, _PICKLED):
        folder = snapshot(name, (*_DESCRIPTIONS, *files), what)
        if any(any(folder.glob(pattern)) for pattern in files):
            return folder
    raise not_fetched(what, f"huggingface.co/{name}", folder, "it holds neither safetensors nor pytorch_model.bin")


def _from_folder(transformers: Any, builder: Any, config: Any, folder: Path, name: str) -> Any:
    stored = [path for pattern in (*_SAFETENSORS, *_PICKLED) for path in folder.glob(pattern) if path.suffix != ".json"]
    if not stored:
        raise ModelFileError(
            f"{name} holds no weights: model.safetensors or pytorch_model.bin.", "Give them with --weights FILE."
        )
    with _reading(name), _silent(transformers), weights_only():
        _check_size(builder, config, sum(path.stat().st_size for path in stored), name)
        network, report = builder.from_pretrained(
            folder,
            config=config,
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=any(path.suffix == ".safetensors" for path in stored),
            attn_implementation="eager",
            output_loading_info=True,
        )
    _check_report(report, name)
    return network.float()


def _from_file(transformers: Any, builder: Any, config: Any, path: Path, source: str) -> tuple[Any, Any]:
    """Make the network for weights in a file, with as many classes as they have."""
    with weights_only():
        weights = torch_files.read_weights(path)
    with _reading(path.name), _silent(transformers), hub_weights.seeded():
        network = builder.from_config(config, trust_remote_code=False, attn_implementation="eager")
        classes = hub_weights.classes_of(weights, network.state_dict(), config.num_labels)
        if classes != config.num_labels:
            config.num_labels = classes
        network, report = type(network).from_pretrained(
            None, config=config, state_dict=weights, attn_implementation="eager", output_loading_info=True
        )
    _check_report(report, path.name)
    return network.float(), config


def _check_size(builder: Any, config: Any, stored: int, name: str) -> None:
    """Refuse a config.json that describes a network much larger than the weights beside it, before it is built."""
    import torch

    with torch.device("meta"):
        empty = builder.from_config(config, trust_remote_code=False, attn_implementation="eager")
    count = sum(parameter.numel() for parameter in empty.parameters())
    if count > stored + _ROOM:
        raise ModelFileError(
            f"The config.json of {name} describes {count} parameters, but its weights are {stored} bytes."
        )


def _check_report(report: Mapping[str, Any], name: str) -> None:
    missing = sorted(str(key) for key in report.get("missing_keys", ()))
    shaped = sorted(str(key[0] if isinstance(key, tuple) else key) for key in report.get("mismatched_keys", ()))
    for keys, what in ((missing, "lack"), (shaped, "have in another shape")):
        if keys:
            listed = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
            raise ModelFileError(
                f"The weights of {name} {what} {len(keys)} tensors that the network needs ({listed}).",
                "They may be those of another network, or of its features alone.",
            )


def _preprocessing(
    transformers: Any, folder: Path, config: Any, task: Task, name: str
) -> tuple[Preprocessing, tuple[str, ...]]:
    if not any((folder / file).is_file() for file in _DESCRIPTIONS[1:]):
        side = getattr(config, "image_size", None)
        side = side if isinstance(side, int) else 224
        assumed = Preprocessing(size=side, mean=0.5, std=0.5)
        return assumed, (f"{name} has no preprocessor_config.json; assumed: stretched to {side}, scaled to -1..1.",)
    with _reading(name), _silent(transformers):
        processor = transformers.AutoImageProcessor.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
        fields = processor.to_dict()
    return read_processor(fields, task)


def _labels(config: Any, task: Task) -> tuple[str, ...]:
    by_index = {int(index): str(label) for index, label in (config.id2label or {}).items()}
    labels = tuple(by_index.get(index, str(index)) for index in range(config.num_labels))
    return (*labels, "no object") if task is Task.DETECTION and config.model_type in _NO_OBJECT else labels


def _head(config: Any, task: Task) -> Head | None:
    kind = getattr(config, "problem_type", None)
    if kind == "regression":
        return Head.NONE
    if kind == "multi_label_classification" or (task is Task.DETECTION and config.model_type not in _NO_OBJECT):
        return Head.SIGMOID
    return Head.SOFTMAX if config.num_labels > 1 else None


@contextmanager
def _silent(transformers: Any) -> Iterator[None]:
    """Keep the advice and progress bars of transformers off the screen, and leave its settings as they were."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with hushed():
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn what transformers raises over a model's files into one sentence."""
    try:
        yield
    except PicassoError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        said = lines[0].rstrip(".")[:300] if lines else "no message"
        raise ModelFileError(f"{name} could not be opened: {type(error).__name__}: {said}.") from error
