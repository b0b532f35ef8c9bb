"""Networks of timm, torchvision and Hugging Face, with random weights: opened and explained without user code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import picasso
from picasso.core.errors import NotSupportedError
from picasso.core.facts import INPUT
from picasso.core.targets import BOXES, MASKS
from tests.models import torchvision_operators
from tests.models.networks import grad_cam_by_hand

torchvision_operators.declare()

import timm  # noqa: E402
import torchvision  # noqa: E402
import transformers  # noqa: E402

_VIT: dict[str, Any] = {"img_size": 32, "patch_size": 8, "depth": 3, "embed_dim": 24, "num_heads": 2, "num_classes": 5}
_HF: dict[str, Any] = {
    "image_size": 32, "patch_size": 8, "num_hidden_layers": 2, "hidden_size": 24, "num_attention_heads": 2,
    "intermediate_size": 32, "num_labels": 5,
}  # fmt: skip
_SWIN: dict[str, Any] = {"embed_dim": 8, "depths": [1, 2], "num_heads": [2, 2], "window_size": 4}


def face(name: str, **config: Any) -> Any:
    return getattr(transformers, f"{name}ForImageClassification")(getattr(transformers, f"{name}Config")(**config))


def patches(extra: int, side: int = 4) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda tensor: tensor[:, extra:].reshape(len(tensor), side, side, -1)


def last(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def first(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.movedim(1, -1)


NETWORKS: dict[str, tuple[Callable[[], Any], str, Callable[[torch.Tensor], torch.Tensor]]] = {
    "timm ViT": (lambda: timm.models.VisionTransformer(**_VIT), "blocks.2.norm1", patches(1)),
    "timm distilled DeiT": (lambda: timm.models.VisionTransformerDistilled(**_VIT), "blocks.2.norm1", patches(2)),
    "timm ViT with registers": (
        lambda: timm.models.VisionTransformer(**_VIT, reg_tokens=4),
        "blocks.2.norm1",
        patches(5),
    ),
    "timm BEiT": (lambda: timm.models.Beit(**_VIT), "blocks.2", patches(1)),
    "timm CaiT": (lambda: timm.models.Cait(**_VIT, init_values=0.5), "blocks_token_only.1.norm1", patches(1)),
    "timm Swin": (
        lambda: timm.models.SwinTransformer(img_size=32, patch_size=4, num_classes=5, **_SWIN), "norm", last
    ),
    "timm ConvNeXt": (
        lambda: timm.models.ConvNeXt(depths=(1,) * 4, dims=(8,) * 4, patch_size=1, num_classes=5), "norm_pre", first
    ),
    "timm MLP-Mixer": (
        lambda: timm.models.MlpMixer(img_size=32, patch_size=8, num_blocks=2, embed_dim=16, num_classes=5),
        "norm",
        patches(0),
    ),
    "torchvision ViT": (
        lambda: torchvision.models.VisionTransformer(32, 8, 2, 2, 24, 48, num_classes=5),
        "encoder.layers.encoder_layer_1.ln_1",
        patches(1),
    ),
    "torchvision Swin": (
        lambda: torchvision.models.SwinTransformer([4, 4], 8, [1, 2], [2, 2], [4, 4], num_classes=5), "permute", first
    ),
    "torchvision MaxViT": (
        lambda: torchvision.models.MaxVit((32, 32), 8, 4, [8], [1], 8, 0.0, num_classes=5), "blocks.0", first
    ),
    "Hugging Face ViT": (lambda: face("ViT", **_HF), "vit.layers.1.layernorm_before", patches(1)),
    "Hugging Face DeiT": (lambda: face("DeiT", **_HF), "deit.layers.1.layernorm_before", patches(2)),
    "Hugging Face DINOv2": (
        lambda: face("Dinov2WithRegisters", num_register_tokens=4, **_HF),
        "dinov2_with_registers.layernorm",
        patches(5),
    ),
    "Hugging Face Swin": (
        lambda: face("Swin", image_size=32, patch_size=4, num_labels=5, **_SWIN), "swin.layernorm", patches(0)
    ),
    "Hugging Face ConvNeXt": (
        lambda: face("ConvNext", depths=[1, 1], hidden_sizes=[8, 12], num_stages=2, num_labels=5), "convnext", first
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_grad_cam_without_user_code_is_that_by_hand(name: str) -> None:
    make, layer, lay = NETWORKS[name]
    torch.manual_seed(4)
    network = make().eval()
    with torch.no_grad():
        for parameter in network.parameters():  # some begin with zeros, which hide what is behind them
            parameter.add_(torch.randn(parameter.shape) * 0.1)
    model = picasso.load_model(network, preprocessing=picasso.Preprocessing(size=32))
    default = model.default_layer()
    assert default is not None
    assert default.name == layer
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    tensor = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        answer = network(tensor)
    scores = answer if torch.is_tensor(answer) else answer.logits
    np.testing.assert_allclose(model.predict(x), scores.numpy(), rtol=1e-5, atol=1e-5)
    pulled = model.pullback(x, [model.target(3)], [INPUT, layer])
    values, slopes = (model.postprocess(part) for part in (pulled.values[layer], pulled.gradients[layer][0]))
    found = np.maximum((values * slopes.mean((1, 2), keepdims=True)).sum(3), 0)
    expected = grad_cam_by_hand(network, layer, tensor, 3, lay).numpy()
    assert expected.shape == found.shape
    assert expected.max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.max())
    leaf = tensor.clone().requires_grad_()
    answer = network(leaf)
    scores = answer if torch.is_tensor(answer) else answer.logits
    gradient = torch.autograd.grad(scores[:, 3].sum(), leaf)[0].movedim(1, -1).numpy()
    np.testing.assert_allclose(pulled.gradients[INPUT][0], gradient, rtol=1e-4, atol=1e-4 * np.abs(gradient).max())
    shapes = {layer.name: layer.shape for layer in model.layers()}
    for inner, activation in model.activations(x, list(shapes)).items():
        assert activation.shape == (2, *shapes[inner]), inner


def test_a_segmenter_of_hugging_face() -> None:
    config = transformers.SegformerConfig(
        hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], decoder_hidden_size=8, num_labels=5
    )
    network = transformers.SegformerForSemanticSegmentation(config).eval()
    model = picasso.load_model(network, preprocessing=picasso.Preprocessing(size=32))
    assert model.outputs(np.zeros((2, 32, 32, 3), np.float32))[MASKS].shape == (2, 8, 8, 5)


def test_the_labels_that_a_network_says_itself_are_taken() -> None:
    network = face("ViT", **{**_HF, "num_labels": 2}, id2label={0: "tank", 1: "sky"})
    size = picasso.Preprocessing(size=32)
    assert picasso.load_model(network, preprocessing=size).labels == ("tank", "sky")
    assert picasso.load_model(network, preprocessing=size, labels=["a", "b"]).labels == ("a", "b")
    plain = face("ViT", **_HF)
    assert picasso.load_model(plain, preprocessing=size).labels[0] == "class 0"


def test_a_detector_of_hugging_face() -> None:
    backbone = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic", out_features=["stage2"]
    )
    config = transformers.DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone, d_model=16,
        encoder_layers=1, decoder_layers=1, encoder_ffn_dim=16, decoder_ffn_dim=16, encoder_attention_heads=2,
        decoder_attention_heads=2, num_queries=9, id2label=dict(enumerate(("tank", "sky", "tree"))),
    )  # fmt: skip
    network = transformers.DetrForObjectDetection(config).eval()
    model = picasso.load_model(network, preprocessing=picasso.Preprocessing(size=64))
    assert model.labels == ("tank", "sky", "tree", "no object")
    x = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype(np.float32)
    boxes = model.outputs(x)[BOXES]
    with torch.no_grad():
        found = network(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).pred_boxes.numpy()
    middle, size = found[..., :2], found[..., 2:]
    np.testing.assert_allclose(boxes[..., :2], (middle - size / 2) * 64, atol=1e-3)
    np.testing.assert_allclose(boxes[..., 2:], (middle + size / 2) * 64, atol=1e-3)
    default = model.default_layer()
    assert default is not None
    assert default.grid == (8, 8), "the queries of the decoder lie nowhere"


@pytest.mark.parametrize("name", ["Timesformer", "VideoMAE", "Vivit"])
def test_transformers_of_clips(name: str) -> None:
    tubes = {"VideoMAE": {"tubelet_size": 2}, "Vivit": {"tubelet_size": [2, 8, 8]}}.get(name, {})
    config = getattr(transformers, f"{name}Config")(
        image_size=32, patch_size=8, num_frames=4, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, num_labels=3, **tubes,
    )  # fmt: skip
    torch.manual_seed(0)
    network = getattr(transformers, f"{name}ForVideoClassification")(config).eval()
    model = picasso.load_model(network)
    assert model.x_shape == (4, 32, 32, 3)
    x = np.random.default_rng(0).normal(size=(2, 4, 32, 32, 3)).astype(np.float32)
    leaf = torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 2))).requires_grad_()
    scores = network(pixel_values=leaf).logits
    np.testing.assert_allclose(model.predict(x), scores.detach().numpy(), atol=1e-5)
    scores[:, 1].sum().backward()
    assert leaf.grad is not None
    found = model.pullback(x, [model.target(1)]).gradients[INPUT][0]
    expected = np.moveaxis(leaf.grad.numpy(), 2, -1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_a_convolutional_network_of_clips() -> None:
    torch.manual_seed(0)
    network = torchvision.models.video.r3d_18(weights=None, num_classes=3).eval()
    model = picasso.load_model(network, preprocessing=picasso.Preprocessing(size=32), frames=8)
    default = model.default_layer()
    assert default is not None
    assert (default.name, default.shape) == ("layer4", (1, 2, 2, 512))
    x = np.random.default_rng(0).normal(size=(1, 8, 32, 32, 3)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(np.moveaxis(x, -1, 1).copy())).numpy()
    np.testing.assert_allclose(model.predict(x), expected, atol=1e-5)


def seen_in_timm(network: Any, x: torch.Tensor) -> list[torch.Tensor]:
    """What goes into the dropout of each block's attention, where that is written out."""
    kept: list[torch.Tensor] = []
    for block in network.blocks:
        block.attn.fused_attn = False
    hooks = [b.attn.attn_drop.register_forward_hook(lambda *parts: kept.append(parts[-1])) for b in network.blocks]
    network(x)
    for block, hook in zip(network.blocks, hooks, strict=True):
        block.attn.fused_attn = True
        hook.remove()
    return kept


def seen_in_torchvision(network: Any, x: torch.Tensor) -> list[torch.Tensor]:
    """What PyTorch's own attention returns beside what it mixes."""
    kept: list[torch.Tensor] = []
    parts = [layer.self_attention for layer in network.encoder.layers]
    hooks = [part.register_forward_pre_hook(lambda part, given: kept.append(given[0])) for part in parts]
    network(x)
    for hook in hooks:
        hook.remove()
    return [
        part(y, y, y, need_weights=True, average_attn_weights=False)[1] for part, y in zip(parts, kept, strict=True)
    ]


def seen_in_transformers(network: Any, x: torch.Tensor) -> list[torch.Tensor]:
    network.set_attn_implementation("eager")
    weights = list(network(pixel_values=x, output_attentions=True).attentions)
    network.set_attn_implementation("sdpa")
    return weights


ATTENDING: dict[str, tuple[Callable[..., list[torch.Tensor]], int]] = {
    "timm ViT": (seen_in_timm, 1),
    "timm ViT with registers": (seen_in_timm, 5),
    "timm distilled DeiT": (seen_in_timm, 2),
    "torchvision ViT": (seen_in_torchvision, 1),
    "Hugging Face ViT": (seen_in_transformers, 1),
    "Hugging Face DINOv2": (seen_in_transformers, 5),
}


def lively(name: str) -> Any:
    torch.manual_seed(4)
    network = NETWORKS[name][0]().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.1)
    return network


@pytest.mark.parametrize("name", ATTENDING)
def test_attention_is_what_the_library_itself_shows(name: str) -> None:
    see, extra = ATTENDING[name]
    network = lively(name)
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    with torch.no_grad():
        expected = see(network, torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
    model = picasso.load_model(network, preprocessing=picasso.Preprocessing(size=32))
    for early in (False, True):
        found = model.attention(x, [model.target(3)], early)
        assert (found.grid, found.extra) == ((4, 4), extra)
        assert found.read[0]
        assert len(found.layers) == len(expected)
        for layer, weights in zip(found.layers, expected, strict=True):
            np.testing.assert_allclose(layer.weights, weights.numpy(), atol=1e-5)
            assert layer.gradients.any()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("timm Swin", "stays within windows"),
        ("torchvision Swin", "stays within windows"),
        ("Hugging Face Swin", "stays within windows"),
        ("torchvision MaxViT", "is over 16 positions, which are not the patches"),
        ("timm CaiT", "are mixed among heads"),
        ("timm MLP-Mixer", "has no attention"),
        ("timm ConvNeXt", "has no attention"),
    ],
)
def test_attention_that_is_none_among_all_patches_is_refused(name: str, sentence: str) -> None:
    model = picasso.load_model(lively(name), preprocessing=picasso.Preprocessing(size=32))
    with pytest.raises(NotSupportedError, match=sentence):
        model.attention(np.zeros((1, 32, 32, 3), np.float32), [model.target(0)])
