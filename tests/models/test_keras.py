"""The Keras adapter on all three backends, beside a slow re-implementation, the backends' own autograd, and PyTorch.

A process has one Keras backend, so that tests/models/keras_runs.py runs once for each, in processes of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import picasso
from picasso.core.facts import INPUT, ReluRule, Rules
from picasso.core.trust import file_digest
from tests.models.keras_runs import BOTH_POLICIES, COLUMNS, FEW_HEADS, FEW_KINDS, POLICIES, SIZE, X
from tests.models.keras_slow import Slow
from tests.models.networks import Plain, seeded

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = ("tensorflow", "torch", "jax")
WAIT_S = 600


def keras_weights(network: Plain) -> list[np.ndarray]:
    """The weights of the PyTorch network in Keras's order and layout."""

    def kernel(weight: torch.Tensor) -> np.ndarray:
        return np.ascontiguousarray(weight.detach().numpy().transpose(2, 3, 1, 0))

    vectors = (network.bn.weight, network.bn.bias, network.bn.running_mean, network.bn.running_var)
    return [
        kernel(network.conv1.weight),
        network.conv1.bias.detach().numpy(),
        *(vector.detach().numpy() for vector in vectors),
        kernel(network.conv2.weight),
        network.conv2.bias.detach().numpy(),
        network.fc.weight.detach().numpy().T.copy(),
        network.fc.bias.detach().numpy(),
    ]


class Answers:
    """What one backend answered."""

    def __init__(self, folder: Path, backend: str) -> None:
        self.folder = folder
        self.backend = backend
        self.said: dict[str, Any] = json.loads((folder / f"{backend}.json").read_text())
        with np.load(folder / f"{backend}.npz") as file:
            self.arrays = {name: file[name] for name in file.files}

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]


def run_all(folder: Path) -> None:
    """Run every backend, two at a time."""
    np.savez(folder / "weights.npz", **{str(i): value for i, value in enumerate(keras_weights(seeded(Plain)))})
    waiting, running = ["jax", "tensorflow", "torch"], {}
    while waiting or running:
        while waiting and len(running) < 2:
            backend = waiting.pop(0)
            choices = {"KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"}
            with (folder / f"{backend}.log").open("w") as log:
                running[backend] = subprocess.Popen(
                    [sys.executable, "-m", "tests.models.keras_runs", str(folder)],
                    cwd=ROOT,
                    env=os.environ | choices,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        time.sleep(0.1)
        running = {backend: process for backend, process in running.items() if process.poll() is None}
    (folder / "done").touch()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all answers, made once, also where several processes run the tests."""
    base = tmp_path_factory.getbasetemp()
    whole = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "keras-runs"
    try:
        whole.mkdir()
    except FileExistsError:
        end = time.monotonic() + WAIT_S
        while not (whole / "done").exists() and time.monotonic() < end:
            time.sleep(0.2)
    else:
        run_all(whole)
    return whole


@pytest.fixture(scope="module", params=BACKENDS)
def answers(request: pytest.FixtureRequest, folder: Path) -> Answers:
    assert (folder / f"{request.param}.json").exists(), (folder / f"{request.param}.log").read_text()
    return Answers(folder, request.param)


def close(mine: np.ndarray, expected: np.ndarray, tolerance: float = 1e-5) -> None:
    """Hold the largest difference to a fraction of the largest value."""
    assert mine.shape == expected.shape
    assert mine.dtype == np.float32
    scale = float(np.abs(expected).max())
    assert scale > 0
    assert float(np.abs(mine - expected).max()) <= tolerance * scale


def names(backend: str, few: Mapping[str, tuple[str, ...]], every: tuple[str, ...]) -> tuple[str, ...]:
    """What was tried on a backend: everything on PyTorch, which compiles nothing."""
    return few.get(backend, every)


KINDS = ("layer", "activation", "fused", "shared", "op", "function", "layer6", "fused6", "shared6", "op6", "function6")
HEADS = {
    "logits": ("softmax", "logit"),
    "activation": ("softmax", "logit"),
    "layer": ("softmax", "logit"),
    "op": ("softmax", "logit"),
    "function": ("softmax", "logit"),
    "log": ("softmax", "logit"),
    "reshaped": ("softmax", "logit"),
    "sigmoid": ("sigmoid", "logit"),
    "float": ("softmax", "logit"),
    "own": ("softmax", "log probability"),
    "one": ("sigmoid", "logit"),
    "many": ("sigmoid", "logit"),
    "dense": ("softmax", "logit"),
    "excited": ("softmax", "logit"),
}


def cap_of(kind: str) -> float | None:
    return 6.0 if kind.endswith("6") else None


def test_every_case_ran_without_a_warning(answers: Answers) -> None:
    failed = {name: text for name, text in answers.said.items() if name.endswith("/failed")}
    assert not failed, "\n".join(failed.values())
    assert answers.said["backend"] == answers.backend
    assert (answers.folder / f"{answers.backend}.log").read_text() == ""


# --- prediction ----------------------------------------------------------------------------------------------


def test_predictions_agree_with_keras_and_with_the_slow_network(answers: Answers) -> None:
    for kind in names(answers.backend, FEW_KINDS, KINDS):
        close(answers[f"{kind}/scores"], answers[f"{kind}/raw"])
        if kind != "slope":
            expected, _ = Slow(keras_weights(seeded(Plain)), cap_of(kind)).forward(X.astype(np.float64))
            close(answers[f"{kind}/scores"], expected)


def test_heads_are_found_and_their_input_is_explained(answers: Answers) -> None:
    for name in names(answers.backend, FEW_HEADS, tuple(HEADS)):
        assert (answers.said[f"head/{name}/head"], answers.said[f"head/{name}/units"]) == HEADS[name], name
        raw = answers[f"head/{name}/raw"].reshape(len(X), -1)
        if name in ("logits", "excited"):
            close(answers[f"head/{name}/scores"], raw)
        else:
            np.testing.assert_allclose(
                answers[f"head/{name}/probabilities"], np.exp(raw) if name == "log" else raw, atol=1e-6
            )
    assert answers.said["head/one/labels"] == 2


def test_what_ends_differently_has_the_same_logits(answers: Answers) -> None:
    ends = ("activation", "layer", "op", "function", "log", "sigmoid", "float")
    for name in ends if answers.backend == "torch" else ("layer",):
        close(answers[f"head/{name}/scores"], answers["head/logits/scores"])


def test_saved_files_answer_as_the_live_model(answers: Answers) -> None:
    for suffix in ("keras", "h5"):
        close(answers[f"file/{suffix}"], answers["file/live"])
        assert answers.said[f"file/{suffix}"] == file_digest(answers.folder / f"{answers.backend}.{suffix}")


def test_batches_of_any_size_answer_alike(answers: Answers) -> None:
    close(answers["batches"], answers["whole"])
    close(answers["batches/gradient"], answers["whole/gradient"])
    assert answers["batches"].shape == (7, 5)


# --- layers --------------------------------------------------------------------------------------------------


def test_layers_come_in_order_of_execution_and_count_calls(answers: Answers) -> None:
    listed = [tuple(layer[:2]) for layer in answers.said["shared/layers"]]
    assert listed == [
        ("conv1", "Conv2D"),
        ("bn", "BatchNormalization"),
        ("one", "ReLU"),
        ("pad", "ZeroPadding2D"),
        ("conv2", "Conv2D"),
        ("one:2", "ReLU"),
        ("mean", "GlobalAveragePooling2D"),
        ("fc", "Dense"),
    ]
    shapes = {layer[0]: layer[2] for layer in answers.said["shared/layers"]}
    assert shapes["one"] == [12, 12, 6]
    assert shapes["one:2"] == [6, 6, 8]
    if "op" in names(answers.backend, FEW_KINDS, KINDS):
        assert [layer[1] for layer in answers.said["op/layers"]].count("Relu") == 2


def test_layers_inside_models_inside_a_model(answers: Answers) -> None:
    assert [layer[0] for layer in answers.said["nested/layers"]] == [
        "base/stem",
        "base/pool",
        "base/last",
        "base",
        "block/conv",
        "block/relu",
        "block",
        "head/mean",
        "head/fc",
        "head",
    ]
    close(answers["nested/last"], answers["nested/own"])
    close(answers["nested/base"], answers["nested/own"])
    close(answers["nested/relu"], answers["nested/relu own"])
    assert answers.said["nested/left alone"]


def test_a_layer_that_returns_its_input_has_a_place_of_its_own(answers: Answers) -> None:
    close(answers["through/before"], 2 * answers["through/after"])


def test_channels_first_is_turned(answers: Answers) -> None:
    layers = dict(answers.said["first/layers"])
    assert layers["conv"] == [12, 12, 6]
    assert layers["pool"] == layers["bn"] == [6, 6, 6]
    close(answers["first/scores"], answers["first/raw"])
    close(answers["first/input"], answers["first/own"].transpose(0, 2, 3, 1))
    assert answers["first/pool"].shape == (3, 6, 6, 6)


# --- gradients -----------------------------------------------------------------------------------------------


def test_gradients_agree_with_the_backends_own(answers: Answers) -> None:
    for place in ("input", "conv1", "mean", "log"):
        close(answers[f"picasso/{place}"], answers[f"own/{place}"])
    for place in ("conv1", "mean"):
        close(answers[f"picasso/{place}/value"], answers[f"own/{place}/value"])
        close(answers[f"picasso/{place}/activation"], answers[f"own/{place}/value"])


def test_differences_and_both_classes_of_one_output(answers: Answers) -> None:
    close(answers["difference"], answers["parts"])
    close(answers["class 0"], -answers["class 1"])


def test_gradients_agree_with_finite_differences() -> None:
    slow = Slow(keras_weights(seeded(Plain)))
    x, step = X.astype(np.float64), 1e-6
    found = slow.pullback(x, 2, "standard")["input"]
    rng = np.random.default_rng(0)
    for _ in range(5):
        direction = rng.normal(size=x.shape)
        numeric = slow.forward(x + step * direction)[0][:, 2] - slow.forward(x - step * direction)[0][:, 2]
        exact = (found * direction).sum((1, 2, 3))
        np.testing.assert_allclose(numeric / (2 * step), exact, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("rule", [str(rule) for rule in ReluRule])
def test_rules_agree_with_the_slow_network(answers: Answers, rule: str) -> None:
    weights = keras_weights(seeded(Plain))
    for cap in (None, 6.0):
        slow = [Slow(weights, cap).pullback(X.astype(np.float64), column, rule) for column in COLUMNS]
        for kind in names(answers.backend, FEW_KINDS, KINDS):
            if cap_of(kind) != cap or kind == "slope":
                continue
            for place in ("input", "conv1"):
                close(answers[f"{kind}/{rule}/{place}"], np.stack([one[place] for one in slow]))
            close(answers[f"{kind}/{rule}/scores"], answers[f"{kind}/scores"])


@pytest.mark.parametrize("cap", [False, True])
@pytest.mark.parametrize("rule", ReluRule)
def test_rules_agree_with_the_pytorch_adapter(answers: Answers, rule: ReluRule, cap: bool) -> None:
    network = seeded(Plain, cap=cap)
    network.load_state_dict(seeded(Plain).state_dict())
    model = picasso.load_model(network, preprocessing=SIZE)
    expected = model.pullback(X, [model.target(column) for column in COLUMNS], (INPUT, "conv1"), Rules(rule))
    kind = "fused6" if cap else "shared"
    for place in (INPUT, "conv1"):
        close(answers[f"{kind}/{rule}/{place}"], expected.gradients[place], 1e-4)


def test_caps_matter_in_these_tests() -> None:
    free = Slow(keras_weights(seeded(Plain))).pullback(X.astype(np.float64), 2, "guided")["input"]
    capped = Slow(keras_weights(seeded(Plain)), 6.0).pullback(X.astype(np.float64), 2, "guided")["input"]
    assert float(np.abs(free - capped).max()) > 0.01 * float(np.abs(free).max())


@pytest.mark.parametrize("answers", ["tensorflow", "torch"], indirect=True)
def test_a_relu_with_a_slope_is_not_ruled_and_that_is_said(answers: Answers) -> None:
    for rule in ("guided", "deconvnet"):
        np.testing.assert_array_equal(answers[f"slope/{rule}/input"], answers["slope/standard/input"])
    assert any("relu1, relu2" in note and "standard rule" in note for note in answers.said["slope/notes"])


# --- kinds of models -----------------------------------------------------------------------------------------


def test_16_bit_models_give_32_bit_answers(answers: Answers) -> None:
    for policy in names(answers.backend, POLICIES, BOTH_POLICIES):
        close(answers[f"{policy}/scores"], answers["head/logits/scores"], 2e-2)
        # A rounded value near 0 flips a ReLU here and there, so the maps are alike as a whole.
        mine, expected = answers[f"{policy}/input"].ravel(), answers["own/input"].ravel()
        assert mine @ expected > 0.99 * np.linalg.norm(mine) * np.linalg.norm(expected)
        assert answers[f"{policy}/conv2"].dtype == np.float32
        assert answers.said[f"{policy}/units"] == "logit"


def test_whole_numbers_as_input(answers: Answers) -> None:
    assert answers.said["whole/scale"] == 1.0
    assert "no gradient reaches its input" in answers.said["whole/refused"]
    assert answers.said["whole/layer"]


def test_a_fixed_batch_is_filled_up(answers: Answers) -> None:
    assert answers.said["fixed"] == 4
    assert answers.said["fixed/shapes"] == [[6, 3], [1, 3, 12, 12, 3]]


def test_free_sides_and_structured_inputs(answers: Answers) -> None:
    assert answers.said["free"] == [[224, 224, 3], [1, 3]]
    assert answers.said["dict"] == [3, 3]
    assert len(answers.said["dict/layers"]) == 2


def test_a_model_that_cannot_be_compiled_still_predicts(answers: Answers) -> None:
    close(answers["branching/scores"], answers["branching/raw"])


# --- live models ---------------------------------------------------------------------------------------------


def test_a_live_model_is_left_alone_also_after_an_error(answers: Answers) -> None:
    assert answers.said["left alone"]
    assert answers.said["left alone after an error"]
    assert answers.said["error"].startswith("The model raised RuntimeError: the lamp is out")
    assert answers.said["error/predict"].startswith("The model raised RuntimeError: the lamp is out")
    np.testing.assert_array_equal(answers["life/first"], answers["life/again"])


def test_a_live_model_may_learn_and_its_digest_says_so(answers: Answers) -> None:
    assert answers.said["digest/same"]
    assert answers.said["digest/changed"]
    np.testing.assert_allclose(answers["life/changed"], answers["life/changed raw"], atol=1e-6)


def test_errors_name_what_was_asked(answers: Answers) -> None:
    assert answers.said["shape"].startswith("The model reads pictures of 12 x 12 x 3. Got 5 x 12 x 3.")
    assert "conv1" in answers.said["unknown"]
    assert "relu1" in answers.said["unknown wrt"]


def test_two_threads_do_not_see_each_others_rules(answers: Answers) -> None:
    assert answers.said["threads"] == []


def test_the_network_of_these_tests_is_the_pytorch_one() -> None:
    network: nn.Module = seeded(Plain).eval()
    with torch.no_grad():
        expected = network(torch.from_numpy(X.transpose(0, 3, 1, 2).copy())).numpy()
    scores, _ = Slow(keras_weights(seeded(Plain))).forward(X.astype(np.float64))
    close(expected, scores)
