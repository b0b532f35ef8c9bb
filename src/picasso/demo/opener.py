"""Opens the demo's models by name: demo:tank-proxy, demo:segmenter and so on; the classifiers also with @keras."""

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
    classifier, locator = catalog.MODELS.get(name), catalog.LOCATORS.get(name)
    facts = classifier or locator
    # Of the segmenter and the detector there is no Keras file.
    if facts is None or framework not in ("", "torch", "keras") or (framework == "keras" and classifier is None):
        names = ", ".join(PREFIX + key for key in (*catalog.MODELS, *catalog.LOCATORS))
        keras = ", ".join(catalog.MODELS)
        raise ModelFileError(
            f"There is no demo model '{source}'.", f"Known: {names}; add @keras for the Keras file of {keras}."
        )
    hooks.labels = hooks.labels or facts.labels
    hooks.preprocessing = hooks.preprocessing or Preprocessing.model_validate(
        {"size": facts.size, "color": facts.color, "scale": facts.scale, "mean": facts.mean, "std": facts.std}
    )
    if locator is not None:
        hooks.head, hooks.boxes = hooks.head or locator.head, hooks.boxes or "xyxy"
    keras_file = str(classifier.keras_file) if classifier and framework == "keras" else None
    network: object = keras_file or catalog.build_torch(name)
    opener = next(module for module in registry.openers() if module.claims(network))
    model: Model = opener.open_model(network, hooks, replace(options, name=options.name or source))
    return model
