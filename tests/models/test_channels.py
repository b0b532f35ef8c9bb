"""A channel of a layer as the target: by hand in PyTorch, by brute force, and the same in every framework."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import picasso
from picasso.core.errors import NotFoundError, NotSupportedError, TargetError
from picasso.core.model import Model
from tests.models import channel_twins as twins
from tests.models.networks import Vit
from tests.models.test_keras import folder as folder

IN_OTHER_PROCESSES = ("keras-channels-first", "keras-jax", "keras-tensorflow", "keras-torch", "tensorflow")
Answers = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def model() -> Model:
    return picasso.load_model(twins.torch_network(), preprocessing=twins.PREPROCESSING)


@pytest.fixture(scope="module")
def expected(model: Model) -> Answers:
    return twins.answers(model)


def activation(x: torch.Tensor) -> torch.Tensor:
    """The second convolution's output, (n, 5, rows, columns)."""
    network = twins.torch_network()
    return network.conv2(torch.relu(network.conv1(x)))  # type: ignore[no-any-return]


def by_hand(place: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the channel's score (n,) and its gradient by the input (n, h, w, c), by autograd alone."""
    tensor = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_()
    channel = activation(tensor)[:, twins.CHANNEL]
    score = channel[:, 1, 2] if place else channel.mean((1, 2))
    (gradient,) = torch.autograd.grad(score.sum(), tensor)
    return score.detach().numpy(), gradient.numpy().transpose(0, 2, 3, 1)


def inputs() -> np.ndarray:
    return (twins.PICTURE / np.float32(255)).astype(np.float32)[None]


@pytest.mark.parametrize("place", twins.PLACES)
def test_gradients_are_those_of_autograd_by_hand(expected: Answers, place: str) -> None:
    x = inputs()
    score, gradient = by_hand(place, np.concatenate([x, -x, x]))
    assert np.abs(expected[f"score{place}"][:, 0] - score).max() < 1e-5
    for row in expected[f"input{place}"]:
        assert np.abs(row - gradient).max() < 1e-5 * np.abs(gradient).max()
    at_layer = expected[f"second{place}"][0]
    assert not np.delete(at_layer, twins.CHANNEL, axis=-1).any()
    assert at_layer[..., twins.CHANNEL].sum() == pytest.approx(len(at_layer), rel=1e-5)


@pytest.mark.parametrize("place", twins.PLACES)
def test_occlusion_is_brute_force(expected: Answers, place: str) -> None:
    x, slow = inputs(), np.zeros((twins.SIDE, twins.SIDE), np.float32)
    (score,), _ = by_hand(place, x)
    for top in range(0, twins.SIDE, 4):
        for left in range(0, twins.SIDE, 4):
            covered = x.copy()
            covered[0, top : top + 4, left : left + 4] = 0
            slow[top : top + 4, left : left + 4] = score - by_hand(place, covered)[0][0]
    assert np.abs(expected[f"partial-occlusion{place}"] - slow).max() < 1e-5
    assert np.abs(slow).max() > 0.01


def test_many_windows_run_whole_pictures_and_say_why(model: Model) -> None:
    result = picasso.explain(model, twins.PICTURE, channel="conv2:3", window=2, stride=1, fill="black")
    assert isinstance(result, picasso.Result)
    assert result.record["patching"] == (
        "Whole pictures were run, one for each window. "
        "The engine follows windows to the network's outputs, not to a channel of a layer."
    )
    attribution = result.attributions[0]
    assert attribution.score == pytest.approx(by_hand("", inputs())[0][0], rel=1e-5)
    assert attribution.units == "change in activation"
    covered = inputs()
    covered[0, 5:7, 3:5] = 0
    assert result.arrays["scores"][5, 3, 0] == pytest.approx(by_hand("", covered)[0][0], rel=1e-4)


def compare(found: Answers, expected: Answers) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].shape == values.shape, name
        assert np.abs(found[name] - values).max() <= 2e-5 * max(1.0, np.abs(values).max()), name


@pytest.mark.parametrize("kind", IN_OTHER_PROCESSES)
def test_keras_and_tensorflow_say_the_same(folder: Path, expected: Answers, kind: str) -> None:
    with np.load(folder / f"channels-{kind}.npz") as file:
        compare(dict(file), expected)


def test_onnx_says_the_same(tmp_path: Path, expected: Answers) -> None:
    compare(twins.answers(picasso.load_model(twins.onnx_file(tmp_path), preprocessing=twins.PREPROCESSING)), expected)


def test_flax_says_the_same(expected: Answers) -> None:
    compare(twins.answers(picasso.load_model(twins.flax_network(), preprocessing=twins.PREPROCESSING)), expected)


@pytest.mark.parametrize(
    ("channel", "kind", "words"),
    [
        ("conv2:5", TargetError, "The channels of 'conv2' are 0..4. Got 5."),
        ("conv2:1@5,0", TargetError, "The map of 'conv2' has 5 rows and 5 columns, from 0. Got 5, 0."),
        ("conv3:1", NotFoundError, "There is no layer 'conv3'. Did you mean conv2, conv1"),
        ("fc:1@0,0", NotSupportedError, "The output of 'fc', .'channels',., has no rows and columns."),
        ("conv2", TargetError, "The channel to explain was not understood: 'conv2'."),
        ("conv2:-1", TargetError, "The channel to explain was not understood: 'conv2:-1'."),
    ],
)
def test_what_is_not_there_is_said(model: Model, channel: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        picasso.explain(model, twins.PICTURE, channel=channel)


@pytest.mark.parametrize("method", ["ablation-cam", "class-probabilities", "deeplift", "lrp"])
def test_what_explains_only_classes_refuses(model: Model, method: str) -> None:
    with pytest.raises(NotSupportedError, match=r"(cannot explain a channel|explains no channel) of a layer"):
        picasso.explain(model, twins.PICTURE, method, channel="conv2:3")


def test_a_class_or_a_place_does_not_go_with_a_channel(model: Model) -> None:
    with pytest.raises(TargetError, match="A channel of a layer is explained, or a class"):
        picasso.explain(model, twins.PICTURE, channel="conv2:3", target=1)
    with pytest.raises(TargetError, match="A channel is explained, or a place in the picture"):
        picasso.explain(model, twins.PICTURE, channel="conv2:3", at=(1, 2))


def test_a_model_without_layers_refuses() -> None:
    plain = picasso.load_model(lambda x: x.mean((1, 2)), preprocessing=twins.PREPROCESSING)
    with pytest.raises(NotSupportedError, match="does not show its layers"):
        picasso.explain(plain, twins.PICTURE, channel="conv2:3")


def test_cam_is_the_channel_itself_or_refuses(model: Model) -> None:
    channel = activation(torch.from_numpy(inputs().transpose(0, 3, 1, 2).copy()))[0, twins.CHANNEL].detach().numpy()
    result = picasso.explain(model, twins.PICTURE, "cam", channel="conv2:3", layer="conv2", keep_negative=True)
    assert isinstance(result, picasso.Result)
    native = result.attributions[0].native
    assert native is not None
    assert np.abs(native - channel).max() < 1e-5  # whose mean is the score
    with pytest.raises(NotSupportedError, match="CAM needs global average pooling"):
        picasso.explain(model, twins.PICTURE, "cam", channel="conv2:3", layer="conv1")


def test_no_map_is_made_of_a_layer_behind_the_channel(model: Model) -> None:
    with pytest.raises(NotSupportedError, match="does not depend on what was asked for"):
        picasso.explain(model, twins.PICTURE, "grad-cam", channel="conv1:2", layer="conv2")


def test_the_default_layer_lies_before_the_channel(model: Model) -> None:
    result = picasso.explain(model, twins.PICTURE, "grad-cam", channel="conv1:2")
    assert isinstance(result, picasso.Result)
    assert "conv1" in result.attributions[0].laid
    assert model.default_layer() is not None
    assert model.default_layer().name == "relu2"  # type: ignore[union-attr]


def test_a_unit_of_a_layer_without_space_is_a_channel(model: Model) -> None:
    channel = picasso.explain(model, twins.PICTURE, "saliency-map", channel="fc:1", cache=False)
    scores = picasso.explain(model, twins.PICTURE, "saliency-map", target=1, cache=False)
    assert isinstance(channel, picasso.Result)
    assert isinstance(scores, picasso.Result)
    assert np.abs(channel.attributions[0].values - scores.attributions[0].values).max() < 1e-6
    assert channel.attributions[0].score == pytest.approx(scores.attributions[0].score)


def test_results_are_kept_apart_and_say_what_was_asked(model: Model) -> None:
    results = [
        picasso.explain(model, twins.PICTURE, "saliency-map", **choice)
        for choice in ({"channel": "conv2:3"}, {"channel": "conv2:4"}, {"channel": "conv2:3@1,2"}, {})
    ]
    assert len({r.attributions[0].values.tobytes() for r in results if isinstance(r, picasso.Result)}) == 4
    first = results[0]
    assert isinstance(first, picasso.Result)
    assert first.record["asked"] == "channel 3 of conv2, its mean"
    assert first.record["at"] == "channel=conv2:3"
    assert first.record["model"]["score_units"] == "activation"
    assert first.record["model"]["digest"] == model.digest
    assert first.attributions[0].target.label == "conv2:3"
    again = picasso.explain(model, twins.PICTURE, "saliency-map", at=first.record["at"])
    assert again is first
    assert isinstance(results[3], picasso.Result)
    assert results[3].record["certainty"] == "probability"


def test_tokens_are_counted_by_the_grid_of_patches() -> None:
    network = Vit(extra=2).eval()
    vit = picasso.load_model(network, preprocessing=picasso.Preprocessing(size=12))
    picture = np.random.default_rng(1).integers(0, 256, (12, 12, 3)).astype(np.uint8)
    seen: dict[str, Any] = {}
    network.blocks[1].mlp.register_forward_hook(lambda part, given, made: seen.update(made=made))
    x = torch.from_numpy((picture / np.float32(255)).transpose(2, 0, 1)[None].astype(np.float32)).requires_grad_()
    network(x)
    for where, score in (("", seen["made"][0, :, 5].mean()), ("@2,1", seen["made"][0, 2 + 2 * 4 + 1, 5])):
        (gradient,) = torch.autograd.grad(score, x, retain_graph=True)
        result = picasso.explain(vit, picture, "gradient-times-input", channel=f"blocks.1.mlp:5{where}")
        assert isinstance(result, picasso.Result)
        expected = (gradient * x)[0].sum(0).detach().numpy()
        assert result.attributions[0].score == pytest.approx(float(score.detach()), rel=1e-4)
        assert np.abs(result.attributions[0].flat() - expected).max() < 1e-4 * np.abs(expected).max() + 1e-6
