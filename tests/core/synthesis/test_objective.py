"""What a picture is made for: what is written is what is meant, and every target's derivative is that of autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import picasso
from picasso.core.errors import NotFoundError, NotSupportedError, PicassoError, SettingsError, TargetError
from picasso.core.facts import INPUT
from picasso.core.hooks import Head
from picasso.core.model import Model
from picasso.core.synthesis.diversity import Alike, gram
from picasso.core.synthesis.dreaming import GreyCanvas
from picasso.core.synthesis.objective import LayerSquare, LogProbability, Objective, read_objectives
from picasso.core.targets import LAYER, SCORES
from picasso.testing import small_transformer
from tests.models import channel_twins as twins

LABELS = ("cat", "dog, hound", "two - one")


@pytest.fixture(scope="module")
def model() -> Model:
    return picasso.load_model(twins.torch_network(), preprocessing=twins.PREPROCESSING, labels=LABELS)


def read(model: Model, text: str, between: int = 5) -> list[Objective]:
    return read_objectives(model, GreyCanvas(model).sample, text, between)


def values(model: Model, text: str, between: int = 5) -> list[float]:
    """Return what objectives are of one picture."""
    picture = np.random.default_rng(0).random((*model.input_shape[:2], 3))
    canvas = GreyCanvas(model)
    return [canvas.value(one, picture) for one in read(model, text, between)]


def slow(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Return that picture's scores and values of conv2, by PyTorch."""
    picture = np.random.default_rng(0).random((twins.SIDE, twins.SIDE, 3))
    x = torch.from_numpy(GreyCanvas(model).read(picture).transpose(0, 3, 1, 2).copy())
    network = twins.torch_network()
    with torch.no_grad():
        maps = network.conv2(torch.relu(network.conv1(x)))
        return network(x)[0].numpy(), maps[0].numpy().transpose(1, 2, 0)


def test_what_is_written_is_what_is_meant(model: Model) -> None:
    scores, maps = slow(model)
    chance = np.exp(scores) / np.exp(scores).sum()
    middle = maps[maps.shape[0] // 2, maps.shape[1] // 2]
    cases: dict[str, float | list[float]] = {
        "cat": scores[0],
        "CLASS".lower() + ":cat": scores[0],
        "class:1": scores[1],
        "1": scores[1],
        "hound": scores[1],
        "two - one": scores[2],
        "probability:cat": np.log(chance[0]),
        "conv2:3": maps[..., 3].mean(),
        "conv2:3@1,2": maps[1, 2, 3],
        "conv2:3@center": middle[3],
        "conv2": (maps**2).mean(),
        "cat + 0.5 conv2:3": scores[0] + 0.5 * maps[..., 3].mean(),
        "2 * cat - conv2": 2 * scores[0] - (maps**2).mean(),
        "-cat": -scores[0],
        "- 3*cat + .5 class:1": -3 * scores[0] + 0.5 * scores[1],
        "cat; conv2:0": [scores[0], maps[..., 0].mean()],
        "conv2:1..3": [maps[..., channel].mean() for channel in (1, 2, 3)],
    }
    for text, meant in cases.items():
        np.testing.assert_allclose(values(model, text), np.atleast_1d(meant), rtol=1e-4, atol=1e-5, err_msg=text)
    cat, other = scores[0], maps[..., 3].mean()
    np.testing.assert_allclose(
        values(model, "cat -> conv2:3 -> cat", 3), [cat, (cat + other) / 2, other, (cat + other) / 2, cat], rtol=1e-4
    )


def test_a_class_alone_is_known_as_one_and_named_by_its_label(model: Model) -> None:
    (one,) = read(model, "class:1")
    assert (one.index, one.text) == (1, "dog, hound")
    assert read(model, "conv2:1")[0].index is None
    assert read(model, "cat + class:1")[0].index is None
    (turned,) = [one.negative() for one in read(model, "cat")]
    assert turned.text == "less cat"
    assert turned.parts[0][0] == -1


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", SettingsError, "must name what a picture is made for"),
        (" ; ", SettingsError, "must name what a picture is made for"),
        ("lion", NotFoundError, "no layer and no class 'lion'"),
        ("nowhere:3", NotFoundError, "no layer 'nowhere'"),
        ("conv2:5", TargetError, r"channels of 'conv2' are 0\.\.4"),
        ("conv2:3..9", TargetError, r"channels of 'conv2' are 0\.\.4"),
        ("conv2:9..3", SettingsError, "1 to 64 channels"),
        ("conv2:3@9,9", TargetError, "row|place"),
        ("fc:1@0,0", NotSupportedError, "no rows and columns"),
        ("fc:1@center", NotSupportedError, "no rows and columns"),
        ("class:7", TargetError, r"0\.\.2"),
        ("cat + ", PicassoError, "."),
        ("cat ->  -> cat", PicassoError, "both sides"),
        ("; ".join(["cat"] * 65), SettingsError, "at most 64"),
    ],
)
def test_what_is_written_wrong_is_refused_with_the_reason(
    model: Model, text: str, error: type[PicassoError], words: str
) -> None:
    with pytest.raises(error, match=words):
        read(model, text)


def test_models_without_classes_or_gradients_at_layers_are_refused() -> None:
    with pytest.raises(NotSupportedError, match="A detector has classes only of boxes"):
        read(picasso.load_model("demo:detector"), "class:0")
    segmenter = picasso.load_model("demo:segmenter")
    with pytest.raises(NotSupportedError, match="probabilities only of pixels"):
        read(segmenter, "probability:0")
    picture = np.full((128, 128, 3), 0.3)
    canvas = GreyCanvas(segmenter)
    masks = segmenter.outputs(canvas.read(picture))["masks"]
    found = canvas.value(read(segmenter, "class:1")[0], picture)
    assert found == pytest.approx(float(masks[0, ..., 1].mean()), rel=1e-4)
    plain = picasso.load_model(twins.torch_network(), preprocessing=twins.PREPROCESSING, head="none")
    with pytest.raises(NotSupportedError, match="scores and no probabilities"):
        read(plain, "probability:0")


def test_a_layer_that_is_named_like_a_channel_goes_before_it_but_not_before_a_range() -> None:
    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix = torch.nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.mix(self.mix(x)).mean((2, 3))

    model = picasso.load_model(Twice(), preprocessing=twins.PREPROCESSING)
    assert [layer.name for layer in model.layers()] == ["mix", "mix:2"]
    assert [target.layer for (one,) in (read(model, "mix:2"), read(model, "mix:2..2")) for _, target in one.parts] == [
        "mix:2",
        "mix",
    ]


def test_tokens_have_a_middle() -> None:
    model = small_transformer()
    layer = next(layer for layer in model.layers() if layer.grid)
    assert layer.grid is not None
    rows, columns = layer.grid
    picture = np.random.default_rng(0).random((*model.input_shape[:2], 3))
    canvas = GreyCanvas(model)
    tokens = model.activations(canvas.read(picture), [layer.name])[layer.name][0]
    skipped = len(tokens) - rows * columns
    meant = tokens[skipped + rows // 2 * columns + columns // 2, 1]
    assert canvas.value(read(model, f"{layer.name}:1@center")[0], picture) == pytest.approx(float(meant), rel=1e-4)


def test_sums_are_pulled_back_as_autograd_does(model: Model) -> None:
    text = "cat + 0.5 probability:1 - 2 conv2:3@1,2 + 0.1 conv2"
    x = np.random.default_rng(0).random((1, twins.SIDE, twins.SIDE, 3)).astype(np.float32)
    (objective,) = read(model, text)
    joined = objective.joined()
    assert len(joined) == 2  # the outputs, and conv2
    found = sum(model.pullback(x, [target], (INPUT,)).gradients[INPUT][0, 0] for target in joined)
    network, tensor = twins.torch_network(), torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_()
    maps = network.conv2(torch.relu(network.conv1(tensor)))
    scores = network(tensor)
    sum_ = scores[0, 0] + 0.5 * torch.log_softmax(scores, 1)[0, 1] - 2 * maps[0, 3, 1, 2] + 0.1 * (maps**2).mean()
    sum_.backward()
    assert tensor.grad is not None
    np.testing.assert_allclose(found, tensor.grad[0].numpy().transpose(1, 2, 0), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("head", [Head.SOFTMAX, Head.SIGMOID])
def test_the_slopes_of_a_log_probability_are_finite_differences(head: Head) -> None:
    scores = np.array([[0.3, -2.0, 1.0], [60.0, 0.0, -60.0]], np.float32)
    for column in range(3):
        target = LogProbability(column, "", ((column, 1.0),), head=head)
        slopes = target.cotangents({SCORES: scores})[SCORES]
        for other in range(3):
            step = np.zeros((1, 3), np.float32)
            step[0, other] = 0.01
            high, low = (target({SCORES: scores + sign * step}).astype(float) for sign in (1, -1))
            np.testing.assert_allclose(slopes[:, other], (high - low) / 0.02, atol=2e-3)


def differences(target: Any, values: np.ndarray, places: list[tuple[int, ...]]) -> list[float]:
    made = []
    for place in places:
        step = np.zeros_like(values)
        step[(0, *place)] = 1e-2
        high, low = (float(target({LAYER: values + sign * step})[0]) for sign in (1, -1))
        made.append((high - low) / 2e-2)
    return made


def test_the_slopes_of_a_layer_and_of_likeness_are_finite_differences() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(1, 3, 4, 5)).astype(np.float32)
    others = np.stack([gram(random.normal(size=(3, 4, 5)).astype(np.float32)) for _ in range(2)])
    places = [(0, 0, 0), (1, 2, 3), (2, 3, 4)]
    for target in (LayerSquare(place="any"), Alike(place="any", others=others)):
        slopes = target.cotangents({LAYER: values})[LAYER]
        np.testing.assert_allclose([slopes[(0, *p)] for p in places], differences(target, values, places), atol=1e-4)


def test_a_picture_is_alike_to_itself_wherever_its_textures_lie() -> None:
    values = np.random.default_rng(0).normal(size=(1, 3, 4, 5)).astype(np.float32)
    turned = values[:, ::-1, :, :] * 7  # stronger, and elsewhere
    target = Alike(place="any", others=gram(values[0])[None])
    np.testing.assert_allclose(target({LAYER: np.concatenate([values, turned])}), 1, rtol=1e-6)
    apart = np.zeros((1, 3, 4, 5), np.float32)
    apart[..., 0] = 1
    far = Alike(place="any", others=gram(np.roll(apart, 1, -1)[0])[None])
    assert far({LAYER: apart})[0] == 0
    assert not Alike(place="any").cotangents({LAYER: values})[LAYER].any()
