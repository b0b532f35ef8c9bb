"""How PyTorch networks are called: several inputs, odd batches, other layouts; and networks that cannot run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import picasso
from picasso.core.errors import ConfigurationError, ModelFailedError, ModelFileError
from picasso.core.facts import INPUT, Capability
from picasso.core.model import Model
from picasso.testing import check_model
from tests.models.networks import Plain, seeded

SIZE = picasso.Preprocessing(size=12)
X = np.random.default_rng(1).normal(size=(3, 12, 12, 3)).astype(np.float32) * 2


class Around(nn.Module):
    """The plain network, with something around it."""

    def __init__(self, run: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.body, self.run = seeded(Plain), run

    def forward(self, x: Any) -> Any:
        return self.run(self.body, x)


def opened(network: nn.Module, **choices: Any) -> Model:
    return picasso.load_model(network, preprocessing=SIZE, **choices)


@pytest.mark.parametrize(("channels", "color"), [(1, "grey"), (5, "values")])
def test_a_size_alone_leaves_the_colors_to_the_network(channels: int, color: str) -> None:
    network = nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = opened(network)
    assert (model.input_shape, model.preprocessing.color) == ((12, 12, channels), color)
    for declared in ({"color": "rgb"}, {"mean": (0.5, 0.4, 0.3)}):
        with pytest.raises(ModelFailedError, match=r"to have . channels?, but got 3"):
            picasso.load_model(network, preprocessing=picasso.Preprocessing(size=12, **declared))
    program = torch.export.export(network.eval(), (torch.zeros(2, channels, 12, 12),))
    assert picasso.load_model(program, preprocessing=SIZE).input_shape == (12, 12, channels)


@pytest.mark.parametrize(
    ("run", "batch", "said"),
    [
        (lambda body, x: body(x.permute(0, 3, 1, 2)), None, "channels last"),
        (lambda body, x: body(torch.stack([*x])) if isinstance(x, list) else x.no, None, "list of pictures"),
        (lambda body, x: body(x).reshape(1, -1), 1, "one at a time"),
        (lambda body, x: body(x).view(1, 5), 1, "one at a time"),
        (lambda body, x: body(x) + body(x).mean(0) - body(x).mean(), 1, "one at a time"),
        (lambda body, x: body(x).squeeze(), 2, "two at a time"),
    ],
)
def test_whatever_a_network_takes_it_agrees_with_itself(run: Any, batch: int | None, said: str) -> None:
    model = opened(Around(run))
    assert model.facts.fixed_batch == batch
    assert said in " ".join(model.facts.notes)
    check_model(model)
    if batch != 1:
        plain = opened(seeded(Plain))
        np.testing.assert_allclose(model.predict(X), plain.predict(X), atol=1e-5)
        expected = plain.pullback(X, [plain.target(1)], [INPUT, "conv2"])
        found = model.pullback(X, [model.target(1)], [INPUT, "body.conv2"])
        np.testing.assert_allclose(found.gradients[INPUT], expected.gradients[INPUT], atol=1e-6)
        np.testing.assert_allclose(found.gradients["body.conv2"], expected.gradients["conv2"], atol=1e-6)


def test_a_random_network_is_told_from_one_that_mixes_its_batch() -> None:
    model = opened(Around(lambda body, x: body(x) + torch.randn(len(x), 1)))
    assert model.facts.fixed_batch is None
    assert "random" in " ".join(model.facts.notes)
    assert model.digest == model.digest


class Two(nn.Module):
    """A network that reads numbers beside the picture, and before it."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.fc = seeded(Plain), nn.Linear(2, 5)

    def forward(self, meta: torch.Tensor, image: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        return (self.body(image) + self.fc(meta)) * scale


def test_other_inputs_are_held() -> None:
    network = Two().eval()
    model = opened(network, hold={"meta": np.array([[1.0, 2.0]]), "scale": 3.0})
    check_model(model)
    with torch.no_grad():
        expected = network(torch.tensor([[1.0, 2.0]] * 3), torch.from_numpy(X.transpose(0, 3, 1, 2).copy()), 3.0)
    np.testing.assert_allclose(model.predict(X), expected.numpy(), atol=1e-5)
    same = opened(network, input="image", hold={"meta": torch.tensor([[1.0, 2.0]]), "scale": 3.0})
    np.testing.assert_array_equal(same.predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({}, "needs 'meta'.*hold={'meta': array}"),
        ({"hold": {"metta": 1}}, "no input 'metta'. It has meta, image, scale"),
        ({"input": "picture", "hold": {"meta": 1}}, "no input 'picture'"),
    ],
)
def test_inputs_that_are_not_said_are_asked_for(choices: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        opened(Two(), **choices)


def test_an_exported_program_with_several_inputs() -> None:
    network, batch = Two().eval(), torch.export.Dim.DYNAMIC
    program = torch.export.export(
        network, (torch.zeros(2, 2), torch.zeros(2, 3, 12, 12)), dynamic_shapes=({0: batch}, {0: batch})
    )
    model = picasso.load_model(program, preprocessing=SIZE)
    assert "Other inputs get zeros: meta." in model.facts.notes
    assert model.input_shape == (12, 12, 3)
    live = opened(network, hold={"meta": np.zeros((1, 2))})
    np.testing.assert_allclose(model.predict(X), live.predict(X), atol=1e-6)
    held = picasso.load_model(program, preprocessing=SIZE, hold={"meta": np.ones((1, 2))})
    filled = picasso.load_model(program, preprocessing=SIZE, hold={"meta": 1.0})
    np.testing.assert_array_equal(filled.predict(X), held.predict(X))
    live = opened(network, hold={"meta": np.ones((1, 2))})
    np.testing.assert_allclose(held.predict(X), live.predict(X), atol=1e-6)


def test_the_size_that_a_network_says_of_itself_is_tried_first() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 18 * 26, 3))
    network.image_size = (20, 28)
    model = picasso.load_model(network)
    assert model.input_shape == (20, 28, 1)


def test_networks_without_weights_are_refused() -> None:
    with pytest.raises(ModelFileError, match=r"lazy parameters that have no shape yet: 0\.weight"):
        opened(nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(3)))
    with torch.device("meta"):
        network = Plain()
    with pytest.raises(ModelFileError, match="meta device"):
        opened(network)


def test_half_precision_that_the_device_lacks_runs_in_a_copy() -> None:
    class Lacking(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.dtype is torch.float16:
                raise RuntimeError("\"conv2d\" not implemented for 'Half'")
            return super().forward(x)

    network = Lacking()
    network.load_state_dict(seeded(Plain).state_dict())
    model = opened(network.half())
    assert "float32" in " ".join(model.facts.notes)
    assert network.fc.weight.dtype is torch.float16
    np.testing.assert_allclose(model.predict(X), opened(seeded(Plain)).predict(X), atol=0.05)


def test_half_precision_runs() -> None:
    model = opened(seeded(Plain).half())
    np.testing.assert_allclose(model.predict(X), opened(seeded(Plain)).predict(X), atol=0.05)
    assert model.pullback(X, [model.target(0)], ["conv2"]).gradients["conv2"].dtype == np.float32


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_quantized_networks_give_no_gradients_and_say_so() -> None:
    network = torch.ao.quantization.quantize_dynamic(seeded(Plain), {nn.Linear})
    model = opened(network)
    assert model.capabilities == {Capability.PREDICT, Capability.ACTIVATIONS}
    assert "quantized" in " ".join(model.facts.notes)
    np.testing.assert_allclose(model.predict(X), opened(seeded(Plain)).predict(X), atol=0.1)
    assert model.activations(X, ["conv2"])["conv2"].shape == (3, 6, 6, 8)


def test_the_digest_follows_attributes_and_hooks() -> None:
    class Scaled(Plain):
        factor = 1.0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * self.factor

    network = Scaled()
    model = opened(network)
    plain = model.digest
    network.factor = 2.0
    scaled = model.digest
    network.factor = 1.0
    handle = network.conv2.register_forward_hook(lambda part, given, made: made * 0.5)
    hooked = model.digest
    handle.remove()
    assert len({plain, scaled, hooked}) == 3
    assert model.digest == plain


def test_a_network_that_grows_shows_its_new_layers() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = opened(network)
    assert [layer.name for layer in model.layers()] == ["0", "1", "2"]
    network.insert(1, nn.ReLU())
    assert [layer.name for layer in model.layers()] == ["0", "1", "2", "3"]


def test_a_network_on_another_device_is_a_copy_and_says_so() -> None:
    network = seeded(Plain)
    model = opened(network, device="cpu:0")  # another name, and so a copy, for a machine with one device
    assert "A copy of the network, as it was when it was opened, is on cpu:0." in model.facts.notes
    before = model.predict(X)
    with torch.no_grad():
        network.fc.bias += 1
    np.testing.assert_array_equal(model.predict(X), before)
