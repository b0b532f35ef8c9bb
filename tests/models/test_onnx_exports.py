"""Files written by PyTorch's exporters, and real ones, against the networks that they come from."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import picasso
from picasso.core.facts import INPUT, Capability, ReluRule, Rules
from picasso.core.model import Model
from picasso.core.pictures.images import read_picture
from picasso.testing import check_model
from tests.models import torchvision_operators
from tests.models.networks import Plain, seeded
from tests.models.squeezenet_maps import PREPROCESSING, maps

X = np.random.default_rng(1).normal(size=(2, 64, 64, 3)).astype(np.float32)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Exporters warn of themselves, in every way there is."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def exported(network: nn.Module, path: Path, size: int = 64, new: bool = False, opset: int | None = None) -> Path:
    """Export a network with an open batch, by the old exporter or the new one."""
    x = torch.zeros(2, 3, size, size)
    with quiet():
        if new:
            shapes = ({0: torch.export.Dim("n", min=1, max=64)},)
            torch.onnx.export(
                network, (x,), path, dynamo=True, dynamic_shapes=shapes, opset_version=opset, verbose=False
            )
        else:
            axes = {"picture": {0: "n"}}
            names: dict[str, Any] = {"input_names": ["picture"], "output_names": ["scores"], "dynamic_axes": axes}
            torch.onnx.export(network, (x,), path, dynamo=False, opset_version=opset or 17, **names)
    return path


def alive(network: nn.Module) -> nn.Module:
    """Make a network with random weights answer: batch norms that do nothing hide mistakes."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, std=0.1)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
    return network.eval()


def architecture(name: str) -> nn.Module:
    torchvision_operators.declare()
    torch.manual_seed(0)
    if name.startswith("vit"):
        import timm

        return alive(timm.create_model(name, img_size=64, num_classes=5, depth=3))
    if name.startswith("convnext"):
        import timm

        return alive(timm.create_model(name, num_classes=5, ls_init_value=0.5))
    import torchvision

    return alive(getattr(torchvision.models, name)(num_classes=5))


def agree(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def compare(file: Model, live: Model, x: np.ndarray) -> None:
    """Predictions, saliency under every rule, and activations and gradients at the layer that CAM methods take."""
    assert Capability.RELU_RULES in file.capabilities, file.facts.notes
    agree(file.predict(x), live.predict(x), 1e-5)
    target = live.target(3)
    inner, own = live.default_layer(), file.default_layer()
    assert inner is not None
    assert own is not None
    assert (own.shape, own.grid) == (inner.shape, inner.grid)
    for rule in ReluRule:
        expected = live.pullback(x, [target], [INPUT, inner.name], Rules(relu=rule))
        found = file.pullback(x, [target], [INPUT, own.name], Rules(relu=rule))
        assert found.ruled == expected.ruled
        agree(found.gradients[INPUT], expected.gradients[INPUT], 1e-4)
        agree(found.values[own.name], expected.values[inner.name], 1e-4)
        agree(found.gradients[own.name], expected.gradients[inner.name], 1e-4)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "convnext_atto", "vit_tiny_patch16_224"])
def test_usual_networks_give_the_same_as_in_pytorch(tmp_path: Path, name: str) -> None:
    network = architecture(name)
    preprocessing = picasso.Preprocessing(size=64)
    file = picasso.load_model(exported(network, tmp_path / "net.onnx"), preprocessing=preprocessing)
    live = picasso.load_model(network, preprocessing=preprocessing)
    compare(file, live, X)
    if name == "resnet18":
        picture = read_picture(np.uint8(np.random.default_rng(0).integers(0, 255, (80, 70, 3))), "random")
        for way in ("grad-cam", "saliency-map"):
            found, expected = (picasso.explain(model, picture, way, target=1) for model in (file, live))
            agree(found.attributions[0].values, expected.attributions[0].values, 1e-4)  # type: ignore[union-attr]


class Varied(nn.Module):
    """What vision networks are made of besides convolutions: resizing, normalizations, attention, padding, pooling."""

    def __init__(self, attends: bool) -> None:
        super().__init__()
        self.attends = attends
        self.start = nn.Conv2d(3, 8, 3, stride=2, padding=1, padding_mode="reflect")
        self.groups = nn.GroupNorm(2, 8)
        self.down = nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)
        self.up = nn.ConvTranspose2d(8, 8, 2, 2)
        self.own = nn.InstanceNorm2d(8, affine=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.layer = nn.LayerNorm(8)
        self.end = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu6(self.groups(self.start(x)))
        y = self.own(self.up(self.down(x)))[..., : x.shape[2], : x.shape[3]]
        x = F.gelu(x) + F.interpolate(F.max_pool2d(y, 2, ceil_mode=True), size=(8, 8), mode="bilinear")
        x = F.pixel_shuffle(x.repeat(1, 4, 1, 1), 2)[:, :, ::4, ::4]
        tokens = x.flatten(2).transpose(1, 2)
        mixed = self.attention(tokens, tokens, tokens)[0] if self.attends else tokens
        return self.end(self.layer(tokens + mixed).mean(1)).softmax(-1)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("new", "opset"), [(False, 11), (False, 13), (False, 17), (False, 20), (True, None)])
def test_many_operators_and_versions(tmp_path: Path, new: bool, opset: int | None) -> None:
    torch.manual_seed(1)
    network = Varied(attends=opset != 11).eval()
    size = picasso.Preprocessing(size=16)
    live = picasso.load_model(network, preprocessing=size)
    file = picasso.load_model(exported(network, tmp_path / "net.onnx", 16, new, opset), preprocessing=size)
    assert file.facts.units == live.facts.units == "logit"
    x = X[:, :16, :16]
    agree(file.predict(x), live.predict(x), 1e-5)
    for rule in ReluRule:
        found, expected = (model.pullback(x, [live.target(2)], rules=Rules(relu=rule)) for model in (file, live))
        assert found.ruled == expected.ruled
        agree(found.gradients[INPUT], expected.gradients[INPUT], 1e-4)


@pytest.mark.parametrize("new", [False, True])
def test_both_exporters_write_what_opens_and_keeps_the_contract(tmp_path: Path, new: bool) -> None:
    network = seeded(Plain, cap=True).eval()
    size = picasso.Preprocessing(size=12)
    path = exported(network, tmp_path / "net.onnx", 12, new)
    if new:
        assert (tmp_path / "net.onnx.data").is_file(), "the new exporter keeps the weights beside the file"
    file, live = (picasso.load_model(source, preprocessing=size) for source in (path, network))
    compare(file, live, X[:, :12, :12])
    check_model(file)


# --- real files ----------------------------------------------------------------------------------------------


def test_squeezenet_gives_the_same_maps_as_its_pytorch_weights(shared_data: Path) -> None:
    found, expected = (maps(shared_data, kind) for kind in ("onnx", "pt"))
    assert expected["probability"] > 0.7
    for name, values in expected.items():
        if values.ndim >= 2:
            agree(found[name], values, 1e-4)
    np.testing.assert_allclose(found["probability"], expected["probability"], rtol=1e-5)
    np.testing.assert_array_equal(found["default layer"], expected["default layer"])
    path = shared_data / "squeezenet11" / "squeezenet11_logits.onnx"
    labels = shared_data / "squeezenet11" / "synset_words.txt"
    model = picasso.load_model(path, labels=labels, preprocessing=PREPROCESSING)
    assert model.facts.size == sum(np.prod(weight.dims) for weight in onnx.load(path).graph.initializer)


def test_mobilenet_reads_channels_last_and_has_1001_classes(shared_data: Path) -> None:
    folder = shared_data / "mobilenet_v1"
    preprocessing = picasso.Preprocessing(size=128, scale=1)
    path = folder / "mobilenet_v1_0.25_128.onnx"
    model = picasso.load_model(path, labels=folder / "labels.txt", preprocessing=preprocessing)
    assert (model.input_shape, model.facts.columns, model.facts.units) == ((128, 128, 3), 1001, "logit")
    right = {"cat.jpg": "Egyptian cat", "sunflower.jpg": "daisy", "bird.jpg": "chickadee"}
    for picture, label in right.items():
        result = picasso.explain(model, shared_data / "photos" / picture, "class-probabilities")
        assert result.predictions[0].label == label  # type: ignore[union-attr]
    x = model.prepare(read_picture(shared_data / "photos" / "cat.jpg")).x
    pulled = model.pullback(x, [model.target("Egyptian cat")], rules=Rules(relu=ReluRule.GUIDED))
    assert pulled.ruled == 27


def test_digits_in_a_fixed_batch_of_ten(shared_data: Path) -> None:
    model = picasso.load_model(shared_data / "mnist" / "lenet_fixed_batch10.onnx")
    assert (model.facts.fixed_batch, model.input_shape, model.facts.units) == (10, (28, 28, 1), "logit")
    files = sorted((shared_data / "mnist").glob("*.png"))[:103]
    x = model.preprocess([read_picture(file).pixels for file in files])
    right = model.predict(x).argmax(axis=1) == [int(file.stem[-1]) for file in files]
    assert right.mean() > 0.98
