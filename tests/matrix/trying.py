"""Opens a case and tries what a model can do; the words of a cell come from what happened."""

from __future__ import annotations

from typing import Any

import numpy as np

import picasso
from picasso.core.errors import PicassoError, UnsafeModelError
from picasso.core.facts import INPUT, Capability, ReluRule, Rules
from picasso.core.model import Model
from picasso.core.trust import source_digest
from picasso.testing import check_model
from tests.matrix.formats import Case

WORKS, LACKS = "works", "not offered"
COLUMNS = ("opens", "prediction", "layers and activations", "gradients", "ReLU rules", "contract")


def try_format(case: Case, preprocessing: picasso.Preprocessing | None) -> dict[str, str]:
    """Open a case, with trust where it is asked for, and try everything.

    Returns:
        A word for each of `COLUMNS`: "works", "not offered", "with trust", or the code of the error.
    """
    cells = dict.fromkeys(COLUMNS, "")
    options = {"preprocessing": preprocessing} | case.options
    try:
        try:
            model = picasso.load_model(case.source, **options)
            cells["opens"] = WORKS
        except UnsafeModelError:
            model = picasso.load_model(case.source, trust=source_digest(case.source), **options)
            cells["opens"] = "with trust"
    except PicassoError as error:
        return cells | {"opens": error.code}
    x = np.random.default_rng(0).normal(0, 1, (2, *model.input_shape)).astype(np.float32)
    cells["prediction"] = _word(lambda: np.isfinite(model.predict(x)).all())
    can = model.capabilities
    cells["layers and activations"] = _word(lambda: _shows_layers(model, x)) if Capability.ACTIVATIONS in can else LACKS
    cells["gradients"] = _word(lambda: _has_gradients(model, x)) if Capability.GRADIENTS in can else LACKS
    cells["ReLU rules"] = _word(lambda: _has_rules(model, x)) if Capability.RELU_RULES in can else LACKS
    cells["contract"] = _word(lambda: check_model(model) is None)
    model.close()
    return cells


def try_architecture(model: Model) -> str:
    """Return "works" where layers, a Grad-CAM at the default one and a saliency map come out; else what does not."""
    x = np.random.default_rng(0).normal(0, 1, (1, *model.input_shape)).astype(np.float32)
    failed = []
    layer = model.default_layer()
    if layer is None:
        failed.append("default layer")
    else:
        target = model.target(0)
        pulled = model.pullback(x, [target], [layer.name])
        features = model.postprocess(pulled.values[layer.name])
        if features.ndim != 4 or min(features.shape[1:3]) < 2 or not np.abs(pulled.gradients[layer.name]).max() > 0:
            failed.append("Grad-CAM")
    if not _has_gradients(model, x):
        failed.append("saliency")
    if len(model.layers()) < 3:
        failed.append("layers")
    return WORKS if not failed else f"no {', no '.join(failed)}"


def _word(happens: Any) -> str:
    try:
        return WORKS if happens() else "wrong"
    except (PicassoError, AssertionError) as error:
        return getattr(error, "code", "broken")


def _shows_layers(model: Model, x: Any) -> bool:
    names = [layer.name for layer in model.layers() if len(layer.shape) == 3]
    values = model.activations(x, names[:1] + names[-1:])
    return bool(names) and all(np.isfinite(value).all() for value in values.values())


def _has_gradients(model: Model, x: Any) -> bool:
    gradient = model.pullback(x, [model.target(0)]).gradients[INPUT]
    return bool(np.isfinite(gradient).all() and np.abs(gradient).max() > 0)


def _has_rules(model: Model, x: Any) -> bool:
    def gradient(rule: ReluRule) -> Any:
        return model.pullback(x, [model.target(0)], rules=Rules(rule)).gradients[INPUT]

    if model.pullback(x, [model.target(0)], rules=Rules(ReluRule.GUIDED)).ruled == 0:
        return True  # a network without ReLUs, as most transformers are
    plain, guided, deconvnet = (gradient(rule) for rule in (ReluRule.STANDARD, ReluRule.GUIDED, ReluRule.DECONVNET))
    return _differ(plain, guided) and _differ(guided, deconvnet)


def _differ(a: Any, b: Any) -> bool:
    return bool(np.abs(a - b).max() > 1e-3 * np.abs(a).max())
