"""What the server is told by `picasso serve` and `picasso demo`."""

from __future__ import annotations

import contextlib
import glob
import importlib.util
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

import typer

from picasso.core import registry
from picasso.core.errors import ConfigurationError, MissingExtraError
from picasso.core.names import path_parts, scheme_of
from picasso.service.configuration import (
    DEMO_MODELS,
    Configuration,
    DatasetSpecification,
    ModelSpecification,
    SampleFolder,
    build,
    read_configuration,
)
from picasso.shell.project import CONFIGURATION

_SAMPLES = {
    "demo:tank-proxy": "demo/story",
    "demo:tank-honest": "demo/story",
    "demo:segmenter": "demo/files/segmenter",
    "demo:detector": "demo/files/detector",
    "demo:digits": "demo/files/digits",
}


def project(file: Path | None, models: Iterable[str], datasets: Iterable[str] = (), **overrides: Any) -> Configuration:
    """Return the configuration of a project: picasso.toml and what the command line adds.

    Args:
        file: The configuration file; by default picasso.toml of the current folder, where there is one.
        models: "SOURCE" or "NAME=SOURCE" each.
        datasets: "PATH" or "NAME=PATH" each.
        overrides: Options; None where nothing was said.

    Raises:
        ConfigurationError: A value is not allowed.
    """
    if file is None and CONFIGURATION.is_file():
        file = CONFIGURATION
    offered = [specification(word) for word in models]
    for one in offered:
        _check_there(one.source)
    return read_configuration(
        file,
        models=offered,
        datasets=[dataset_specification(word) for word in datasets],
        **overrides,
    )


def _check_there(source: str) -> None:
    """Refuse a file that is absent before the server starts; what is no file is said once it is opened."""
    _, file, _ = path_parts(source)
    path = Path(file)
    looks_so = path.suffix or len(path.parts) > 1
    if scheme_of(source) or not looks_so or ":" in path.relative_to(path.anchor).as_posix() or path.exists():
        return
    if not any(path.parent.glob(f"{glob.escape(path.name)}.*")):  # a checkpoint is named without its endings
        raise ConfigurationError(f"There is no file {file}.", "Check the path after --model.")


def specification(word: str) -> ModelSpecification:
    """Read "SOURCE" or "NAME=SOURCE".

    Raises:
        ConfigurationError: The name cannot be used.
    """
    return build({"models": [_named(word, "source", "--model")]}, "--model").models[0]


def dataset_specification(word: str) -> DatasetSpecification:
    """Read "PATH" or "NAME=PATH".

    Raises:
        ConfigurationError: The name cannot be used.
    """
    return build({"datasets": [_named(word, "path", "--dataset")]}, "--dataset").datasets[0]


def _named(word: str, what: str, option: str) -> dict[str, str]:
    """Return the parts of "SOURCE" or "NAME=SOURCE" as values of a specification."""
    name, equals, source = word.partition("=")
    if not equals or Path(word).exists() or any(sign in name for sign in "/\\:"):
        name, source = "", word
    if not source:
        said = what.upper()
        raise ConfigurationError(f"{option} takes {said} or NAME={said}. Got '{word}'.", "Give a file or a name.")
    return {what: source} | ({"name": name} if name else {})


def demonstration(port: int) -> Configuration:
    """Return the configuration of the demo: its models, and pictures for them.

    Raises:
        MissingExtraError: PyTorch, in which the demo's models are, is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("The demo's models need PyTorch.", "Install it with: pip install 'picasso[torch]'")
    package = Path(str(resources.files("picasso")))
    samples = tuple(SampleFolder(model=name, folder=package / _SAMPLES[name]) for name in DEMO_MODELS)
    # A folder of its own, so that the demo runs beside the server of a project.
    values = {"demo": True, "port": port, "samples": samples, "data": registry.home() / "demo"}
    return build(values, "The demo")


def run(configuration: Configuration, open_browser: bool) -> None:
    """Serve until Ctrl-C, which is how a server is ended and no failure.

    Raises:
        ConfigurationError: The configuration cannot be used, or no port is free.
    """
    from picasso.web.serve import serve

    with contextlib.suppress(KeyboardInterrupt):
        serve(configuration, open_browser, ready=announce)


def announce(address: str) -> None:
    """Say where the server is."""
    typer.echo(f"Picasso is at {address}")
    typer.echo("Ctrl-C ends it.")
