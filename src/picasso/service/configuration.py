"""What the server is told at its start: picasso.toml, environment, options."""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from picasso.core import registry
from picasso.core.errors import ConfigurationError
from picasso.core.guessing import did_you_mean
from picasso.core.names import called, path_parts, scheme_of
from picasso.core.preprocessing import Preprocessing

STORY_MODELS = ("demo:tank-proxy", "demo:tank-honest")
"""The two detectors of the demo's first page."""
DEMO_MODELS = (*STORY_MODELS, "demo:segmenter", "demo:detector", "demo:digits")
"""Models that the demo adds. They are names only: a worker opens them, and finds their files."""
DEMO_DATASETS = ("demo:tanks", "demo:tanks-honest")
"""Data sets that the demo adds: names only, as its models."""
ModelName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^/\\?#%\x00-\x1f\x7f]+$")]
"""What a model may be called: it stands in an address, as one part of it."""


class ModelSpecification(BaseModel):
    """One model: where it is and how it is opened. What is left out is found.

    Relative paths are those of the folder that holds picasso.toml.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(min_length=1, description='A name, a file, or a class in a file: "my_model.py:TankDetector".')
    name: ModelName | None = Field(None, description="What to call it; by default the file's or the class's name.")
    labels: str | tuple[str, ...] | None = Field(None, description="A file of labels, or one label for each class.")
    preprocessing: Preprocessing | None = None
    head: Literal["softmax", "sigmoid", "none"] | None = None
    factory: str | None = Field(None, description='For bare weights: "my_net.py:make".')
    device: str | None = None
    batch_size: int | None = Field(None, ge=1)
    weights: str | None = Field(None, description='A file of weights, for a named model ("timm:resnet18").')
    input: str | None = Field(None, description="Name of the input that reads the picture, where there are several.")
    output: str | None = Field(None, description="Name or place of the output to explain, where there are several.")
    hold: dict[str, float | str | list[Any]] = Field(
        {}, description="What the other inputs get, by name: a number, a list, or the path of a .npy file."
    )
    trust: tuple[str, ...] = Field(
        (), description="SHA-256 of the files that may run code that comes with them; the refusal of a file says it."
    )

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `load_model` that say how to open it, besides its source."""
        said = {name: getattr(self, name) for name in type(self).model_fields if name != "source"}
        return {name: value for name, value in said.items() if value not in (None, {}, ())} | {"name": self.known_as()}

    def known_as(self) -> str:
        """Return its name: the given one, else that of the class, the file or the source."""
        if self.name:
            return self.name
        if scheme_of(self.source):
            return called(self.source)
        file, _, attribute = self.source.rpartition(":")
        return attribute if file.endswith(".py") else Path(self.source).stem or self.source

    def beside(self, folder: Path) -> ModelSpecification:
        """Return it with the paths that exist in `folder` made absolute."""
        changes: dict[str, Any] = {"source": _absolute(self.source, folder)}
        if isinstance(self.labels, str):
            changes["labels"] = _absolute(self.labels, folder)
        for name in ("factory", "weights"):
            if said := getattr(self, name):
                changes[name] = _absolute(said, folder)
        if self.hold:
            changes["hold"] = {
                name: _absolute(value, folder) if isinstance(value, str) else value for name, value in self.hold.items()
            }
        return self.model_copy(update=changes)


class DatasetSpecification(BaseModel):
    """Pictures by class, on which models are audited.

    A relative path is that of the folder that holds picasso.toml.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(
        min_length=1, description='A folder with one folder for each class, a CSV or COCO file, a zip, or "demo:tanks".'
    )
    name: ModelName | None = Field(None, description="What to call it; by default the folder's or the file's name.")

    def known_as(self) -> str:
        """Return its name: the given one, else that of the folder, the file or the source."""
        return self.name or (self.path if scheme_of(self.path) else Path(self.path).stem) or self.path

    def beside(self, folder: Path) -> DatasetSpecification:
        """Return it with a path that exists in `folder` made absolute."""
        return self.model_copy(update={"path": _absolute(self.path, folder)})


class CheckpointFolder(BaseModel):
    """A folder of what was saved during a training, which a page may name.

    A relative path is that of the folder that holds picasso.toml.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(min_length=1, description="The folder.")
    name: ModelName | None = Field(None, description="What to call it; by default the folder's name.")

    def known_as(self) -> str:
        """Return its name: the given one, else the folder's."""
        return self.name or Path(self.path).name or self.path

    def beside(self, folder: Path) -> CheckpointFolder:
        """Return it with a path that exists in `folder` made absolute."""
        return self.model_copy(update={"path": _absolute(self.path, folder)})


class SampleFolder(BaseModel):
    """Pictures that are offered for a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    folder: Path


class Configuration(BaseModel):
    """Everything that the server is told at its start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[ModelSpecification, ...] = Field((), description="In picasso.toml one [[model]] each.")
    data: Path = Field(default_factory=lambda: registry.home() / "data", description="Where everything is kept.")
    database: str | None = Field(None, description="An SQLAlchemy URL; by default SQLite in the data folder.")
    plugins: tuple[Path, ...] = Field(
        default_factory=lambda: (registry.plugin_folder(),), description="Folders of the user's own visualizations."
    )
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535, description="Where it is taken, the next free one; 0: any.")
    hosts: tuple[str, ...] = Field((), description="Names under which browsers may ask for the server, besides `host`.")
    token: str | None = Field(None, min_length=8, description="Secret that every request must carry.")
    warm: int = Field(2, ge=1, le=64, description="How many models are kept in memory, each in a process of its own.")
    memory: float | None = Field(
        None,
        gt=0,
        description="Gigabytes that a model's process may take, or one that reads plug-ins or data sets; by default "
        "80 % of the computer's.",
    )
    opening_seconds: float = Field(600, gt=0, description="How long opening a model may take.")
    allow_add: bool = Field(False, description="Whether a page may add and remove models and data sets.")
    demo: bool = Field(False, description="Whether the demo's models and pictures are offered.")
    samples: tuple[SampleFolder, ...] = ()
    datasets: tuple[DatasetSpecification, ...] = Field((), description="In picasso.toml one [[datasets]] each.")
    checkpoints: tuple[CheckpointFolder, ...] = Field((), description="In picasso.toml one [[checkpoints]] each.")

    @field_validator("plugins", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return (value,) if isinstance(value, str | Path) else value

    def all_models(self) -> tuple[ModelSpecification, ...]:
        """Return the configured models and, where it is on, the demo's.

        Raises:
            ConfigurationError: Two models have one name.
        """
        listed = list(self.models)
        names = [model.known_as() for model in listed]
        for name in names:
            if names.count(name) > 1:
                raise ConfigurationError(f"Two models are called '{name}'.", "Give each [[model]] a name of its own.")
        if self.demo:
            listed += [ModelSpecification(source=name) for name in DEMO_MODELS if name not in names]
        return tuple(listed)

    def all_datasets(self) -> tuple[DatasetSpecification, ...]:
        """Return the configured data sets and, where it is on, the demo's.

        Raises:
            ConfigurationError: Two data sets have one name.
        """
        listed = list(self.datasets)
        names = [one.known_as() for one in listed]
        for name in names:
            if names.count(name) > 1:
                raise ConfigurationError(
                    f"Two data sets are called '{name}'.", "Give each of [[datasets]] a name of its own."
                )
        if self.demo:
            listed += [DatasetSpecification(path=name) for name in DEMO_DATASETS if name not in names]
        return tuple(listed)

    def checkpoint_folders(self) -> dict[str, str]:
        """Return the paths of the folders of checkpoints by name.

        Raises:
            ConfigurationError: Two folders have one name.
        """
        found: dict[str, str] = {}
        for folder in self.checkpoints:
            if folder.known_as() in found:
                raise ConfigurationError(
                    f"Two folders of checkpoints are called '{folder.known_as()}'.",
                    "Give each of [[checkpoints]] a name of its own.",
                )
            found[folder.known_as()] = folder.path
        return found

    def check(self) -> None:
        """Refuse what would open the server to others without a secret.

        Raises:
            ConfigurationError: The address is not this computer's own and there is no token.
        """
        self.all_models()
        self.all_datasets()
        self.checkpoint_folders()
        if not is_loopback(self.host) and not self.token:
            raise ConfigurationError(
                f"Listening on {self.host} would open Picasso to everyone who reaches this computer.",
                "Set a token, or listen on 127.0.0.1.",
            )


def is_loopback(host: str) -> bool:
    """Say whether only this computer can reach an address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_configuration(path: str | Path | None = None, **overrides: Any) -> Configuration:
    """Read picasso.toml.

    Args:
        path: The file, or None for the defaults.
        overrides: Fields that replace those of the file; None is no override. `models` and `datasets` are added to the
            file's.

    Raises:
        ConfigurationError: The file cannot be read, or a value is not allowed.
    """
    values: dict[str, Any] = {}
    folder = Path.cwd()
    if path is not None:
        file = Path(path)
        folder = file.absolute().parent
        values = _read_toml(file)
        if "models" in values:
            raise ConfigurationError(f"{file.name}: there is no option 'models'.", "Write [[model]] for each model.")
        values["models"] = values.pop("model", [])
    added = ("models", "datasets")
    values |= {key: value for key, value in overrides.items() if value is not None and key not in added}
    configuration = build(values, str(path) if path is not None else "The configuration")
    models, datasets = (tuple(overrides.get(key) or ()) for key in added)
    return configuration.model_copy(
        update={
            "models": tuple(model.beside(folder) for model in configuration.models)
            + tuple(model.beside(Path.cwd()) for model in models),
            "datasets": tuple(one.beside(folder) for one in configuration.datasets)
            + tuple(one.beside(Path.cwd()) for one in datasets),
            "checkpoints": tuple(one.beside(folder) for one in configuration.checkpoints),
            "data": folder / configuration.data.expanduser(),
            "plugins": tuple(folder / plugins.expanduser() for plugins in configuration.plugins),
            "samples": tuple(
                sample.model_copy(update={"folder": folder / sample.folder.expanduser()})
                for sample in configuration.samples
            ),
        }
    )


def build(values: Mapping[str, Any], where: str) -> Configuration:
    """Validate values.

    Raises:
        ConfigurationError: One is not allowed.
    """
    try:
        return Configuration.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigurationError(f"{where}: {first_problem(error)}", _hint(error)) from None


def first_problem(error: ValidationError) -> str:
    """Write the first problem that pydantic found as one sentence."""
    item = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"there is no option '{place}'."
    said = item["msg"].removeprefix("Value error, ").replace("Input should be", "must be").rstrip(".")
    secret = "token" in item["loc"]
    got = "" if item["type"] == "missing" or secret else f" Got {_shortened(item['input'])}."
    return f"{place} {said}.{got}" if place else f"{said}.{got}"


def _hint(error: ValidationError) -> str:
    """Say what to do about the first problem: where an option is not known, which one is spelled nearly so."""
    item = error.errors(include_url=False)[0]
    tables = (Configuration, ModelSpecification, DatasetSpecification, CheckpointFolder, SampleFolder, Preprocessing)
    known = ["model", *(name for table in tables for name in table.model_fields)]
    guess = did_you_mean(str(item["loc"][-1]), known, most=1) if item["type"] == "extra_forbidden" else ""
    return guess or "Correct it and start again."


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.", "Check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not valid TOML: {error}.", "Correct it and start again.") from None


def _absolute(source: str, folder: Path) -> str:
    """Make the path in "path", "path.py:Name" or "hf:path" absolute where such a file exists in the folder."""
    before, file, after = path_parts(source)
    place = folder / Path(file).expanduser()
    return f"{before}{place}{after}" if file and place.exists() else source
