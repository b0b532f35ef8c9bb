"""Writes files to begin with: a visualization, a model, a configuration."""

from __future__ import annotations

import keyword
import re
from importlib import resources
from pathlib import Path

from picasso.core import registry
from picasso.core.errors import ConfigurationError


def new_visualization(name: str, *, template: bool, force: bool) -> list[Path]:
    """Write a visualization, and its template where one is wanted, into the user's plug-in folder.

    Args:
        name: Its name: fun-viz, fun_viz or FunViz.
        template: Whether it lays its page out itself.
        force: Whether files of the same name are replaced.

    Returns:
        The files.

    Raises:
        ConfigurationError: The name is no name, is taken, or the files are there already.
    """
    stem = _stem(name)
    folder = registry.plugin_folder()
    kebab = registry.kebab(stem)
    taken = registry.visualizations().get(kebab)
    if taken is not None and taken.origin != "folder":
        raise ConfigurationError(f"The name '{kebab}' is taken by a visualization that is {taken.origin}.")
    source = "visualization_with_template" if template else "visualization"
    texts = {folder / f"{stem}.py": _filled(f"{source}.py", "MyVisualization", stem)}
    if template:
        texts[folder / f"{stem}.html"] = _filled(f"{source}.html", "MyVisualization", stem)
    return _write(texts, force)


def new_model(name: str, folder: Path, *, force: bool) -> Path:
    """Write a model file.

    Raises:
        ConfigurationError: The name is no name, or the file is there already.
    """
    stem = _stem(name)
    return _write({folder / f"{stem}.py": _filled("model.py", "MyModel", stem)}, force)[0]


def new_configuration(folder: Path, *, force: bool) -> Path:
    """Write a picasso.toml with comments.

    Raises:
        ConfigurationError: There is one already.
    """
    return _write({folder / "picasso.toml": _read("picasso.toml")}, force)[0]


def _stem(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.removesuffix(".py"))
    stem = re.sub(r"[-\s]+", "_", words).lower()
    if not re.fullmatch(r"[a-z][a-z0-9_]*", stem) or stem.endswith("_") or keyword.iskeyword(stem):
        raise ConfigurationError(
            f"A name must begin with a letter and hold letters, digits and hyphens only. Got '{name}'.",
            "For example: fun-viz",
        )
    return stem


def _filled(file: str, example: str, stem: str) -> str:
    """Return a scaffold with its example's name replaced in every spelling."""
    old = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", example).lower()
    text = _read(file)
    for spelling in (_camel, _kebab, _title, str):
        text = text.replace(spelling(old), spelling(stem))
    return text


def _camel(stem: str) -> str:
    return "".join(word.capitalize() for word in stem.split("_"))


def _kebab(stem: str) -> str:
    return registry.kebab(stem)


def _title(stem: str) -> str:
    return stem.replace("_", " ").capitalize()


def _read(file: str) -> str:
    return (resources.files("picasso") / "scaffold" / file).read_text("utf-8")


def _write(texts: dict[Path, str], force: bool) -> list[Path]:
    for path in texts:
        if path.exists() and not force:
            raise ConfigurationError(f"{path} exists already.", "Choose another name, or replace it with --force.")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return list(texts)
