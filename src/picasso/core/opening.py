"""load_model: from whatever a person has (a name, a file, a live object, their own class) to a Model."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from picasso.core import registry
from picasso.core.declared import read_declared
from picasso.core.errors import ConfigurationError, LabelsError, ModelFileError, PicassoError
from picasso.core.facts import Task
from picasso.core.guessing import nearest
from picasso.core.hooks import Head, ModelFile, number_labels
from picasso.core.labels.found import beside, imagenet
from picasso.core.labels.reading import read_labels
from picasso.core.model import Model
from picasso.core.names import called, scheme_of
from picasso.core.neighbors import digest_of, neighbors
from picasso.core.pictures.clips import MAX_FRAMES
from picasso.core.preprocessing import Preprocessing
from picasso.core.trust import file_digest, read_trust

_SHOWN = 10
"""So many names of a file are told."""


@dataclass(frozen=True)
class Options:
    """How to open a model; everything left out is found.

    Args:
        name: What to call it.
        factory: Makes the network that a file of bare weights belongs to: a callable, or "my_net.py:make".
        device: "cpu", "cuda", "cuda:1", "mps"; by default the fastest at hand.
        batch_size: Pictures for one forward pass at most.
        weights: A file of weights, for a model that is named ("timm:resnet18").
        input: Name of the input that reads the picture, where there are several.
        output: Name of the output to explain, where there are several; or its place, counted from 0.
        hold: What the other inputs get, by name; zeros where nothing is said.
        trust: SHA-256 digests of the files that may run code that comes with them.
        owned: Whether a live network was made for this model alone: it may be moved and frozen, and does not change.
    """

    name: str = ""
    factory: Callable[[], Any] | str | None = None
    device: str | None = None
    batch_size: int | None = None
    weights: str | None = None
    input: str = ""
    output: str = ""
    hold: Mapping[str, Any] = field(default_factory=dict)
    trust: frozenset[str] = frozenset()
    owned: bool = False


def load_model(
    source: object,
    *,
    labels: str | Path | Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
    head: Head | str | None = None,
    name: str = "",
    factory: Callable[[], Any] | str | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    weights: str | Path | None = None,
    input: str = "",
    output: str = "",
    hold: Mapping[str, Any] | None = None,
    trust: str | Collection[str] | None = None,
    frames: int | None = None,
) -> Model:
    """Open a model.

    Args:
        source: A name ("demo:tank-proxy", "timm:resnet18", "keras:VGG16"); a file (.keras, .h5, .pt, .pth,
            .safetensors, .pt2, .msgpack); a class in a file of your own ("my_model.py:TankDetector"); the address of a
            served model (http://host:port/v2/models/NAME); or a live torch.nn.Module, keras.Model, flax.nnx.Module,
            (JAX function or flax.linen.Module, parameters), or callable.
        labels: One label for each class, or a file that holds them; without, a file of labels beside the model's is
            taken.
        preprocessing: How a picture becomes the network's input. What it leaves open is as the model declares it, else
            the default; without any it is assumed (see `model.facts.notes`).
        head: "softmax", "sigmoid" or "none", where it is not to be found out.
        name: What to call the model.
        factory: For a state dict or safetensors: what makes the network, a callable or "my_net.py:make".
        device: "cpu", "cuda", ...; by default the fastest at hand.
        batch_size: Pictures for one forward pass at most.
        weights: A file of weights, for a model that is named ("timm:resnet18").
        input: Name of the input that reads the picture, where there are several.
        output: Name of the output to explain, where there are several; or its place, counted from 0.
        hold: What the other inputs get, by name; zeros where nothing is said.
        trust: SHA-256 of a file, or several, that may run code that comes with them. The message that refuses such
            a file says its digest.
        frames: For a network of clips, how many frames it reads, where its input does not say.

    Returns:
        The model, ready to predict.

    Raises:
        ModelFileError: The file is no model, or does not fit.
        UnsafeModelError: Opening it would run code that comes with it.
        LabelsError: The labels cannot be read or are of the wrong number.
        MissingExtraError: Its framework is not installed.

    Example:
        >>> model = load_model("demo:tank-proxy")
        >>> model.labels
        ('tank', 'decoy')
    """
    named = [str(text) for text in (source, factory) if isinstance(text, str | Path)]
    code = {Path(text.rpartition(":")[0]).absolute() for text in named if _names_a_class(text)}
    with ExitStack() as stack:
        imported = [stack.enter_context(neighbors(folder)) for folder in {file.parent for file in code}]
        options = Options(
            name=name,
            factory=factory,
            device=device,
            batch_size=batch_size,
            weights=None if weights is None else str(weights),
            input=input,
            output=str(output),
            hold={name: _held(name, value) for name, value in (hold or {}).items()},
            trust=read_trust(trust),
        )
        model = _open(source, labels, preprocessing, head, frames, options)
    code |= set().union(*imported)
    if code:
        model.hooks.source_digest = digest_of(code)
        model.files = tuple(dict.fromkeys((*model.files, *sorted(code))))
    return model


def _open(
    source: object,
    labels: str | Path | Sequence[str] | None,
    preprocessing: Preprocessing | None,
    head: Head | str | None,
    frames: int | None,
    options: Options,
) -> Model:
    hooks = ModelFile()
    files: list[object] = []
    if isinstance(source, str | Path) and _names_a_class(str(source)):
        file, _, attribute = str(source).rpartition(":")
        hooks = _user_class(Path(file), attribute)
        options = replace(options, name=options.name or attribute)
        source = _loaded(hooks, Path(file).parent)
    if isinstance(source, Path):
        source = str(source)
    if labels is not None:
        hooks.labels = labels if isinstance(labels, str) else str(labels) if isinstance(labels, Path) else _read(labels)
    for one in (hooks.preprocessing, preprocessing):
        if not isinstance(one, Preprocessing | None):
            raise ConfigurationError(
                f"preprocessing must be a Preprocessing. Got {type(one).__name__}.",
                "Give picasso.Preprocessing(size=224, ...).",
            )
    if preprocessing is not None:
        hooks.preprocessing = read_declared(preprocessing.model_dump(exclude_unset=True), hooks.preprocessing)
    if head is not None:
        hooks.head = _head(head)
    elif hooks.head is not None:
        hooks.head = _head(hooks.head)
    hooks.frames = hooks.frames if frames is None else frames
    if hooks.frames is not None and (type(hooks.frames) is not int or not 1 <= hooks.frames <= MAX_FRAMES):
        raise ConfigurationError(f"frames must be a whole number, 1 to {MAX_FRAMES}. Got {hooks.frames!r}.")
    files += [source, hooks.labels]
    size = options.batch_size
    if size is not None and (not isinstance(size, int) or size < 1):
        raise ConfigurationError(f"batch_size must be a whole number, at least 1. Got {size!r}.")
    for opener in registry.openers():
        if not (isinstance(source, str) and "\0" in source) and opener.claims(source):
            model: Model = opener.open_model(source, hooks, _named(options, source))
            if hooks.frames is not None and model.facts.frames is None:
                raise ConfigurationError(
                    f"frames={hooks.frames} was given, and this {model.framework} model reads still pictures.",
                    "Leave frames out; clips are read by PyTorch, by Keras and by functions.",
                )
            named = (Path(file).absolute() for file in files if isinstance(file, str) and _exists(Path(file)))
            model.files = tuple(dict.fromkeys((*named, *model.files)))
            if files[1] is None:
                _find_labels(model, source)
            return model
    if isinstance(source, str) and source.endswith(".py") and _exists(Path(source)):
        raise ModelFileError(
            f"{source} is a Python file.", f"Name the class: {source}:CLASS. {_named_in(Path(source))}"
        )
    raise ModelFileError(
        _refusal(source), "Give a .keras, .h5, .pt, .pth, .pt2, .safetensors or .onnx file, or a live model."
    )


def _find_labels(model: Model, source: object) -> None:
    """Name the classes of a model that came without labels: by a file beside it, or for ImageNet's."""
    classes = len(model.labels)
    if tuple(model.labels) != number_labels(classes):
        return
    path = Path(source) if isinstance(source, str) else None
    found = beside(path, classes) if path is not None and _exists(path) else None
    if found is not None:
        model.name_classes(*found[:2])
        model.files = (*model.files, found[2].absolute())
    elif model.facts.task is Task.CLASSIFICATION and model.head is Head.SOFTMAX:
        known = imagenet(classes)
        if known is not None:
            model.name_classes(*known)


def load_factory(factory: Callable[[], Any] | str) -> Callable[[], Any]:
    """Return what makes a network, from a callable or "my_net.py:make".

    Raises:
        ModelFileError: There is no such file or function.
    """
    if callable(factory):
        return factory
    path, _, attribute = factory.rpartition(":")
    if not path.endswith(".py"):
        raise ModelFileError(f"A factory must be 'my_net.py:make'. Got '{factory}'.", _named_in(Path(factory)))
    made = _attribute(Path(path), attribute)
    if not callable(made):
        raise ModelFileError(f"{attribute} in {path} is not callable.")
    return made  # type: ignore[no-any-return]


def _names_a_class(source: str) -> bool:
    return ".py:" in source and source.rpartition(":")[0].endswith(".py")


def _user_class(path: Path, attribute: str) -> ModelFile:
    kind = _attribute(path, attribute)
    if not inspect.isclass(kind):
        makes = (
            f" If it makes the network, give the weights, with --factory {path}:{attribute}." if callable(kind) else ""
        )
        raise ModelFileError(f"{attribute} in {path} must be a class.", f"Give my_model.py:MyClass.{makes}")
    if _is_torch_module(kind) and not hasattr(kind, "load"):
        raise ModelFileError(
            f"{attribute} in {path} is a torch module, and no class that loads one.",
            f"Give its weights, with --factory {path}:{attribute}; or write a class whose load() returns it, as "
            "`picasso new model` does.",
        )
    try:
        made = kind() if issubclass(kind, ModelFile) else type(kind.__name__, (kind, ModelFile), {})()
    except (Exception, SystemExit) as error:
        raise ModelFileError(f"{attribute}() in {path} raised {type(error).__name__}: {error}") from error
    assert isinstance(made, ModelFile)
    made.source_digest = file_digest(path)
    if isinstance(made.labels, str | Path):
        made.labels = str(_beside(made.labels, path.parent))
    elif made.labels is not None:
        made.labels = _read(made.labels)
    return made


def _loaded(hooks: ModelFile, folder: Path) -> object:
    """Call the user's load(); relative paths that it returns are looked up beside its file, too."""
    try:
        source = hooks.load()
    except PicassoError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelFileError(f"{type(hooks).__name__}.load() raised {type(error).__name__}: {error}") from error
    return _beside(source, folder) if isinstance(source, str | Path) else source


def _beside(name: str | Path, folder: Path) -> str | Path:
    """Return a file's path; one that is not found from here is looked up in the folder."""
    return str(folder / name) if not _exists(Path(name)) and _exists(folder / name) else name


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or with a NUL
        return False


def _held(name: str, value: Any) -> Any:
    """Return what an input is held at; text is the path of a .npy file."""
    if not isinstance(value, str | Path):
        return value
    try:
        return np.load(value, allow_pickle=False)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigurationError(f"What '{name}' is held at cannot be read from {value}: {said}.") from None


def _read(labels: Any) -> tuple[str, ...]:
    try:
        return read_labels(labels)
    except TypeError:
        raise LabelsError(
            f"Labels must be a list or a file. Got {type(labels).__name__}.", "Give one label for each class."
        ) from None


def _attribute(path: Path, attribute: str) -> Any:
    if not _exists(path) or not path.is_file():
        raise ModelFileError(f"There is no file {path}.", "Check the path.")
    try:
        module = registry.module_from_file(path, "picasso_models")
    except (Exception, SystemExit) as error:  # a script that reads its arguments ends the program
        raise ModelFileError(f"{path} could not be imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        raise ModelFileError(f"{path} has no '{attribute}'.", _named_in(path, attribute))
    return getattr(module, attribute)


def _is_torch_module(kind: type) -> bool:
    return any(base.__module__ == "torch.nn.modules.module" for base in kind.__mro__)


def _named_in(path: Path, wanted: str = "") -> str:
    """Say which classes and functions a Python file defines, that spelled nearest first. It is read and not run."""
    if path.suffix != ".py" or not _exists(path) or not path.is_file():
        return ""
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return ""
    kinds = {ast.ClassDef: "class", ast.FunctionDef: "function"}
    said = {item.name: kinds[type(item)] for item in body if isinstance(item, ast.ClassDef | ast.FunctionDef)}
    names = [name for name in said if not name.startswith("_")]
    names = list(dict.fromkeys((*nearest(wanted, names), *names)))
    shown = ", ".join(f"{said[name]} {name}" for name in names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"It holds: {shown}." if names else "It holds no class and no function."


def _head(head: Head | str) -> Head:
    try:
        return Head(head)
    except ValueError:
        raise ConfigurationError(f"head must be softmax, sigmoid or none. Got '{head}'.") from None


def _named(options: Options, source: object) -> Options:
    if options.name:
        return options
    if isinstance(source, str):
        return replace(options, name=called(source) if scheme_of(source) else Path(source).stem)
    return replace(options, name=type(source).__name__)


def _refusal(source: object) -> str:
    if isinstance(source, Mapping):
        return "A state dict holds weights without their network: save it, and give the file with factory=."
    if not isinstance(source, str):
        return f"This is no model that can be opened: {type(source).__name__}."
    path = Path(source)
    if not _exists(path):
        return f"There is no model '{source}'."
    if path.is_dir():
        return f"{source} is a folder, not a model file."
    return f"{path.name} is no model file: it is {describe(path)}."


def describe(path: Path) -> str:
    """Say what a file is, from its first bytes."""
    with path.open("rb") as file:
        head = file.read(512)
    signatures = {
        b"\x89HDF": "an HDF5 file",
        b"PK\x03\x04": "a zip archive",
        **{bytes([0x80, protocol]): "a Python pickle" for protocol in range(2, 6)},
        b"\x89PNG": "a PNG picture",
        b"\xff\xd8\xff": "a JPEG picture",
        b"%PDF": "a PDF document",
    }
    if not head:
        return "an empty file"
    for start, what in signatures.items():
        if head.startswith(start):
            return what
    if len(head) > 2 and head[0] == 0x08 and 3 <= head[1] <= 40 and head[2] in b"\x12\x3a":
        return "an ONNX file"
    if head.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS, whose file `git lfs pull` fetches"
    printable = sum(32 <= byte < 127 or byte in b"\r\n\t" for byte in head)
    return "a text file" if printable > 0.95 * len(head) else "an unknown binary format"
