"""How many multiplications the engine leaves out for real architectures: counted, not run."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import numpy as np
import pytest
from torch import nn

import picasso
from picasso.core import graph as g
from picasso.engine.occlusion import Engine
from tests.models import torchvision_operators

SIDE, WINDOW, STRIDE = 224, 32, 16


def vision(name: str, **choices: object) -> nn.Module:
    torchvision_operators.declare()
    return getattr(importlib.import_module("torchvision.models"), name)(num_classes=3, **choices)


def read(name: str, **choices: object) -> g.Graph:
    network = vision(name, **choices).eval()
    return picasso.load_model(network, preprocessing=picasso.Preprocessing(size=SIDE)).graph()


def vgg() -> g.Graph:
    """VGG-16 without the large matrices at its end."""
    build = g.Builder()
    x, channels = build.input((3, SIDE, SIDE)), 3
    for count, width in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(count):
            weight = np.zeros((width, channels, 3, 3), np.float32)
            x = build.add(g.Activation, [build.add(g.Conv, [x], weight=weight, padding=(1, 1, 1, 1))], function="relu")
            channels = width
        x = build.add(g.Pool, [x], function="max", kernel=(2, 2), stride=(2, 2))
    return build.graph({"scores": build.add(g.GlobalPool, [x], function="mean")})


NETWORKS: dict[str, tuple[Callable[[], g.Graph], float]] = {
    "vgg16": (vgg, 6.5),
    "resnet18": (lambda: read("resnet18"), 2.3),
    "resnet50": (lambda: read("resnet50"), 2.1),
    "mobilenet_v2": (lambda: read("mobilenet_v2"), 1.9),
    "squeezenet1_1": (lambda: read("squeezenet1_1"), 2.5),
    "densenet121": (lambda: read("densenet121"), 2.0),
    "inception_v3": (lambda: read("inception_v3", init_weights=False, aux_logits=False), 1.6),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_few_of_the_multiplications_are_done_again(name: str) -> None:
    make, least = NETWORKS[name]
    engine = Engine(make())
    starts = range(0, SIDE - WINDOW + 1, STRIDE)
    boxes = np.array([(top, left, WINDOW, WINDOW) for top in starts for left in starts], np.int64)
    gain = engine.gain(engine.plan(boxes))
    assert gain >= least
    assert gain < 2 * least
