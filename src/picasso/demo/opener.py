"""Opens the demo's models by name: demo:tank-proxy, demo:tank-honest, demo:digits, each also with @keras."""

from __future__ import annotations

from dataclasses import replace

from picasso.core import registry
from picasso.core.errors import ModelFileError
from picasso.core.hooks import ModelFile
from picasso.core.model import Model
from picasso.core.opening import Options
from picasso.core.preprocessing import Preprocessing
from picasso.demo import catalog

PREFIX = "demo:"


def claims(source: object) -> bool:
    """Say whether the source names one of the demo's models."""
    return isinstance(source, str) and source.startswith(PREFIX)


def open_model(source: str, hooks: ModelFile, options: Options) -> Model:
    """Open a model of the demo: PyTorch, or the Keras file of the same weights where the name ends in @keras."""
    name, _, framework = source.removeprefix(PREFIX).partition("@")
    known = catalog.MODELS
    if name not in known or framework not in ("", "torch", "keras"):
        names = ", ".join(PREFIX + key for key in known)
        raise ModelFileError(f"There is no demo model '{source}'.", f"Known: {names}; add @keras for the Keras file.")
    facts = known[name]
    hooks.labels = hooks.labels or facts.labels
    hooks.preprocessing = hooks.preprocessing or Preprocessing.model_validate(
        {"size": facts.size, "color": facts.color, "scale": facts.scale, "mean": facts.mean, "std": facts.std}
    )
    network: object = str(facts.keras_file) if framework == "keras" else catalog.build_torch(name)
    opener = next(module for module in registry.openers() if module.claims(network))
    model: Model = opener.open_model(network, hooks, replace(options, name=options.name or source))
    return model
