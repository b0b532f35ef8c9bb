"""Every registered visualization keeps the contract, on a live network and, where it fits, on a plain function."""

import sys

import numpy as np
import pytest

from picasso.core import registry
from picasso.core.errors import NotSupportedError
from picasso.core.fitting import missing
from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.preprocessing import Array, Preprocessing
from picasso.core.visualization import AttributionMethod
from picasso.testing import check_visualization, small_model, small_transformer

NAMES = [name for name, entry in registry.visualizations([]).items() if entry.origin == "built-in"]


def brightness(x: Array) -> Array:
    """Scores of a model that is no network: the brightness of three stripes."""
    return np.stack([part.mean(axis=(1, 2, 3)) for part in np.array_split(x, 3, axis=2)], axis=1) * 5


def function_model() -> Model:
    return load_model(brightness, preprocessing=Preprocessing(size=(16, 20)), labels=("a", "b", "c"))


def by_pixel(x: Array) -> Array:
    """Scores of each pixel: a segmenter of two classes."""
    return np.stack([x.mean(axis=3), 0.5 - x[..., 0]], axis=1) * 5


def boxed(x: Array) -> dict[str, Array]:
    """Four boxes, surer the brighter they are: a detector of two classes."""
    corners = [(0, 0, 10, 8), (10, 0, 20, 8), (0, 8, 10, 16), (10, 8, 20, 16)]
    light = [x[:, top:bottom, left:right].mean(axis=(1, 2)) for left, top, right, bottom in corners]
    boxes = np.broadcast_to(np.array(corners, np.float32), (len(x), 4, 4))
    return {"boxes": boxes, "scores": np.stack(light, axis=1)[..., :2] * 6 - 2}


def answering(task: str) -> Model:
    function = {"segmentation": by_pixel, "detection": boxed}[task]
    return load_model(function, preprocessing=Preprocessing(size=(16, 20)), labels=("a", "b"))


def test_there_are_visualizations() -> None:
    assert {"partial-occlusion", "saliency-map", "grad-cam", "class-probabilities"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_method_says_its_formula_its_paper_and_how_it_is_misread(name: str) -> None:
    kind = registry.visualization(name, []).load()
    if issubclass(kind, AttributionMethod):
        assert kind.formula
        assert kind.pitfalls
        assert kind.references


def pooled() -> Model:
    """A network that ends with global average pooling and one linear layer."""
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3, padding=1),
        torch.nn.ReLU(inplace=True),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(6, 3),
    )
    return load_model(network, preprocessing=Preprocessing(size=(16, 20)), labels=("a", "b", "c"))


BUILT_OTHERWISE = {
    "attention-map": (small_transformer, "has no attention"),
    "attention-rollout": (small_transformer, "has no attention"),
    "cam": (pooled, "linear layer"),
    "gradient-weighted-attention": (small_transformer, "has no attention"),
    "legrad": (small_transformer, "has no attention"),
    "token-occlusion": (small_transformer, "has tokens"),
}
"""Networks for visualizations that need a certain kind, and how the small one is refused, which is none of it."""

LATE = {"embedding": ("umap",)}
"""Packages that compile themselves for half a minute: here they are missing, what they do is seen elsewhere."""

OF_CLASSIFIERS = {"errors"}
"""Visualizations that ask of a picture which class it is, and not of its pixels or boxes."""


@pytest.mark.parametrize("name", NAMES)
def test_on_a_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in LATE.get(name, ()):
        monkeypatch.setitem(sys.modules, module, None)
    needs = registry.visualization(name, []).load().needs
    task = next((task for task in ("segmentation", "detection") if task in needs), "")
    check_visualization(name, answering(task) if task else BUILT_OTHERWISE.get(name, (small_model,))[0]())


@pytest.mark.parametrize("name", BUILT_OTHERWISE)
def test_a_network_that_is_built_otherwise_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(NotSupportedError, match=BUILT_OTHERWISE[name][1]):
        check_visualization(name, small_model())


@pytest.mark.parametrize("name", NAMES)
def test_on_a_function_where_it_fits(name: str) -> None:
    model, entry = function_model(), registry.visualization(name, [])
    if reason := missing(model, entry):
        assert entry.load().title in reason
    else:
        check_visualization(name, model)


@pytest.mark.parametrize("task", ["segmentation", "detection"])
@pytest.mark.parametrize("name", NAMES)
def test_on_pixels_and_boxes_where_it_fits(name: str, task: str) -> None:
    model, entry = answering(task), registry.visualization(name, [])
    if name in OF_CLASSIFIERS:
        with pytest.raises(NotSupportedError, match="classifiers"):
            check_visualization(name, model)
    elif not missing(model, entry):
        check_visualization(name, model)
