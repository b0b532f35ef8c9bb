"""TorchScript: opened with trust, explained by the gradient of its input, and honest about the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import picasso
from picasso.core.errors import ModelFileError, NotFoundError, NotSupportedError, UnsafeModelError
from picasso.core.facts import INPUT, Capability, ReluRule, Rules
from picasso.core.hooks import Head
from picasso.core.trust import file_digest
from picasso.testing import check_model
from tests.models.networks import Functional, Plain, seeded

SIZE = picasso.Preprocessing(size=12)
X = np.random.default_rng(1).normal(size=(3, 12, 12, 3)).astype(np.float32) * 2


def scripted(kind: str) -> torch.jit.ScriptModule:
    network = seeded(Functional).eval()
    if kind == "traced":
        return torch.jit.trace(network, torch.zeros(2, 3, 12, 12))
    return torch.jit.freeze(torch.jit.script(network)) if kind == "frozen" else torch.jit.script(network)


def test_a_file_needs_trust(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    scripted("traced").save(path)
    with pytest.raises(UnsafeModelError, match=f"a TorchScript program.*--trust {file_digest(path)}"):
        picasso.load_model(path, preprocessing=SIZE)
    with pytest.raises(UnsafeModelError):
        picasso.load_model(path, preprocessing=SIZE, trust="0" * 64)


@pytest.mark.parametrize("kind", ["traced", "scripted", "frozen"])
def test_a_trusted_file_agrees_with_the_network(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "net.pt"
    scripted(kind).save(path)
    model = picasso.load_model(path, preprocessing=SIZE, trust=file_digest(path))
    live = picasso.load_model(seeded(Plain), preprocessing=SIZE)
    check_model(model)
    assert model.facts.origin == file_digest(path)
    np.testing.assert_allclose(model.predict(X), live.predict(X), atol=1e-5)
    expected = live.pullback(X, [live.target(1), live.target(2)]).gradients[INPUT]
    runs = [model.pullback(X, [model.target(1), model.target(2)]).gradients[INPUT] for _ in range(4)]
    np.testing.assert_allclose(runs[0], expected, atol=1e-6)
    assert all(np.array_equal(run, runs[0]) for run in runs), "no compiler gives other roundings later"


def test_a_live_script_module_says_what_it_lacks() -> None:
    module = scripted("scripted")
    module.train()
    model = picasso.load_model(module, preprocessing=SIZE)
    check_model(model)
    assert module.training
    assert model.capabilities == {Capability.PREDICT, Capability.GRADIENTS}
    assert model.layers() == ()
    picture = np.zeros((20, 20, 3), np.uint8)
    assert picasso.explain(model, picture, "saliency-map").attributions
    with pytest.raises(NotSupportedError, match="Grad-CAM needs activations, which this TorchScript model lacks"):
        picasso.explain(model, picture, "grad-cam")
    with pytest.raises(NotSupportedError, match="Guided backpropagation needs relu-rules, which this TorchScript"):
        picasso.explain(model, picture, "guided-backpropagation")
    with pytest.raises(NotFoundError, match=r"TorchScript shows none.*torch\.export"):
        model.pullback(X, [model.target(0)], ["conv1"])
    with pytest.raises(NotFoundError, match="TorchScript shows none"):
        model.activations(X, ["conv1"])
    with pytest.raises(NotSupportedError, match="deconvnet"):
        model.pullback(X, [model.target(0)], rules=Rules(ReluRule.DECONVNET))


def test_log_probabilities_are_called_so() -> None:
    network = torch.jit.script(torch.nn.Sequential(seeded(Plain).eval(), torch.nn.LogSoftmax(1)))
    model = picasso.load_model(network, preprocessing=SIZE)
    assert (model.head, model.facts.units) == (Head.SOFTMAX, "log probability")
    assert model.facts.notes[-1] == "The network returns log probabilities (log softmax)."
    plain = picasso.load_model(seeded(Plain), preprocessing=SIZE)
    expected = plain.probabilities(plain.predict(X))
    np.testing.assert_allclose(model.probabilities(model.predict(X)), expected, atol=1e-6)


def test_the_input_is_found_by_trying() -> None:
    model = picasso.load_model(scripted("scripted"))
    assert model.input_shape == (224, 224, 3)


def test_several_inputs() -> None:
    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = seeded(Plain)

        def forward(self, x: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
            return self.body(x) + shift

    module = torch.jit.script(Two())
    with pytest.raises(picasso.PicassoError, match="needs 'shift'"):
        picasso.load_model(module, preprocessing=SIZE)
    model = picasso.load_model(module, preprocessing=SIZE, hold={"shift": np.ones((1, 5))})
    live = picasso.load_model(seeded(Plain), preprocessing=SIZE)
    np.testing.assert_allclose(model.predict(X), live.predict(X) + 1, atol=1e-5)


def test_a_trace_of_a_fixed_number_of_pictures() -> None:
    class Counted(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = seeded(Plain)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(x).reshape(4, 5)

    model = picasso.load_model(torch.jit.trace(Counted().eval(), torch.zeros(4, 3, 12, 12)), preprocessing=SIZE)
    assert model.facts.fixed_batch == 4
    live = picasso.load_model(seeded(Plain), preprocessing=SIZE)
    np.testing.assert_allclose(model.predict(X), live.predict(X), atol=1e-5)


def test_a_part_in_torchscript_shows_the_layers_around_it() -> None:
    body = seeded(Plain).eval()
    network = torch.nn.Sequential(
        torch.jit.script(torch.nn.Sequential(body.conv1, body.bn)), body.relu1, body.conv2, torch.nn.Flatten()
    )
    model = picasso.load_model(network, preprocessing=SIZE)
    assert [layer.name for layer in model.layers()] == ["1", "2", "3"]
    check_model(model)


def test_a_damaged_program_is_one_sentence(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "net.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/constants.pkl", b"nothing")
        archive.writestr("net/code/__torch__.py", b"nothing")
    with pytest.raises(ModelFileError, match=r"net\.pt could not be opened as TorchScript"):
        picasso.load_model(path, trust=file_digest(path))
