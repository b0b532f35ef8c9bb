"""Grad-CAM against closed forms, plain autograd, and Captum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

import picasso
from picasso.core.attribution import enlarge
from picasso.core.errors import NotFoundError, NotSupportedError
from picasso.core.model import Model
from tests.models.networks import InPlace, Plain, seeded

PICTURE = np.random.default_rng(2).integers(0, 256, (40, 40, 3)).astype(np.uint8)
SIZE = picasso.Preprocessing(size=24, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
X = torch.from_numpy(SIZE.apply(PICTURE).transpose(2, 0, 1).copy())[None]


def opened(network: nn.Module) -> Model:
    return picasso.load_model(network, preprocessing=SIZE)


def explained(network: nn.Module, name: str, **choices: Any) -> picasso.Result:
    result = picasso.explain(opened(network), PICTURE, name, **choices)
    assert isinstance(result, picasso.Result)
    return result


@pytest.mark.parametrize("kind", [Plain, InPlace])
@pytest.mark.parametrize("layer", ["conv1", "bn", "conv2"])
def test_grad_cam_agrees_with_captum(kind: type[Plain], layer: str) -> None:
    network = seeded(Plain).eval()
    oracle = LayerGradCam(network, getattr(network, layer)).attribute(X, target=2, relu_attributions=True)
    attribution = explained(seeded(kind), "grad-cam", target=2, layer=layer).attributions[0]
    expected = oracle[0, 0].detach().numpy()
    assert attribution.native is not None
    np.testing.assert_allclose(attribution.native, expected, atol=1e-5 * max(1, expected.max()))
    np.testing.assert_allclose(attribution.values, enlarge(attribution.native, 24, 24))


def test_grad_cam_of_a_linear_head_is_the_class_activation_map() -> None:
    class Head(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(1)
            self.conv = nn.Conv2d(3, 7, 3, stride=2)
            self.fc = nn.Linear(7, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.conv(x).mean((2, 3)))

    network = Head().eval()
    attribution = explained(network, "grad-cam", target=3, keep_negative=True).attributions[0]
    with torch.no_grad():
        features = network.conv(X)[0]
        places = features.shape[1] * features.shape[2]
        expected = torch.einsum("c,chw->hw", network.fc.weight[3], features).numpy() / places
    assert attribution.native is not None
    np.testing.assert_allclose(attribution.native, expected, atol=1e-7)


def test_grad_cam_says_when_everything_speaks_against_the_class() -> None:
    class Against(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return -torch.relu(self.conv(x)).mean((2, 3)) * 5 + torch.tensor([1.0, 2.0])

    network = Against()
    with torch.no_grad():
        network.conv.weight.abs_()
        network.conv.bias.fill_(50)
    attribution = explained(network, "grad-cam", target=0).attributions[0]
    assert not attribution.values.any()
    assert "negative" in attribution.notes[0]


def test_grad_cam_default_layer_is_the_last_with_space() -> None:
    assert opened(seeded(Plain)).default_layer().name == "relu2"  # type: ignore[union-attr]


def test_grad_cam_refuses_layers_that_do_not_serve() -> None:
    with pytest.raises(NotFoundError, match="conv2"):
        explained(seeded(Plain), "grad-cam", layer="conv3")
    with pytest.raises(picasso.PicassoError, match="needs"):
        explained(seeded(Plain), "grad-cam", layer="fc")
    flat = nn.Sequential(nn.Flatten(), nn.Linear(24 * 24 * 3, 4))
    with pytest.raises(NotSupportedError, match="No layer of this network has space"):
        explained(flat, "grad-cam")


def test_enlarge_agrees_with_torch() -> None:
    native = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    for height, width in ((24, 31), (7, 5), (5, 3), (224, 224)):
        oracle = torch.nn.functional.interpolate(
            torch.from_numpy(native)[None, None], (height, width), mode="bilinear", align_corners=False
        )[0, 0].numpy()
        np.testing.assert_allclose(enlarge(native, height, width), oracle, atol=1e-5)
