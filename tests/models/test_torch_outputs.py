"""What PyTorch networks return: dicts, dataclasses, masks with auxiliary ones, boxes in lists of any length."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import picasso
from picasso.core.errors import ModelOutputError
from picasso.core.facts import INPUT, Task
from picasso.core.hooks import Head
from picasso.core.model import Model
from picasso.core.targets import BOX_SCORES, BOXES, MASKS, Target
from tests.models.networks import Plain, seeded

SIZE = picasso.Preprocessing(size=12)
X = np.random.default_rng(1).normal(size=(3, 12, 12, 3)).astype(np.float32) * 2


def opened(network: nn.Module, **choices: Any) -> Model:
    return picasso.load_model(network.eval(), preprocessing=SIZE, **choices)


def first(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x.transpose(0, 3, 1, 2).copy())


class Detector(nn.Module):
    """Returns a dict for each picture, with as many boxes as score well, as torchvision's detectors do."""

    detections_per_img = 6
    num_classes = 4

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv2d(3, 4, 3, stride=4)
        self.threshold = 0.85

    def forward(self, x: torch.Tensor, targets: Any = None) -> list[dict[str, torch.Tensor]]:
        found = []
        for image in x:
            scores, labels = self.conv(image).flatten(1).sigmoid().max(0)
            keep = scores > self.threshold
            boxes = torch.stack([scores * 3, scores * 2, scores * 3 + 4, scores * 2 + 5], 1)
            found.append({"boxes": boxes[keep], "labels": labels[keep], "scores": scores[keep]})
        return found


@dataclass(frozen=True)
class OneBox(Target):
    """The score of one class of one box, or the left side of it."""

    index: int = 0
    label: str = "box"
    terms: tuple[tuple[int, float], ...] = ()
    box: int = 0
    side: bool = False

    def cotangents(self, outputs: Any) -> dict[str, Any]:
        name = BOXES if self.side else BOX_SCORES
        slopes = np.zeros_like(outputs[name])
        slopes[:, self.box, self.index] = 1
        return {name: slopes}


def test_boxes_of_any_number_become_rows_with_gradients() -> None:
    network = Detector().eval()
    model = opened(network)
    assert model.facts.task is Task.DETECTION
    assert "behind the network's own suppression, at most 6" in " ".join(model.facts.notes)
    outputs = model.outputs(X)
    assert outputs[BOXES].shape == (3, 6, 4)
    assert outputs[BOX_SCORES].shape == (3, 6, 4)
    own = network(first(X))
    counts = [min(6, len(found["scores"])) for found in own]
    assert len(set(counts)) > 1, "the pictures have boxes in different numbers"
    for row, found in enumerate(own):
        count = counts[row]
        np.testing.assert_allclose(outputs[BOXES][row, :count], found["boxes"][:6].detach().numpy(), atol=1e-5)
        probability = 1 / (1 + np.exp(-outputs[BOX_SCORES][row].astype(float)))
        np.testing.assert_allclose(probability[:count].max(1), found["scores"][:6].detach().numpy(), atol=1e-5)
        np.testing.assert_array_equal(probability[:count].argmax(1), found["labels"][:6].numpy())
        assert (probability[count:] < 1e-6).all()
    label = int(own[0]["labels"][0])
    x = first(X[:1]).requires_grad_()
    answer = network(x)[0]
    logit = torch.logit(answer["scores"][0])
    expected = torch.autograd.grad([logit, answer["boxes"][0, 0]], [x], [torch.ones(()), torch.zeros(())])[0]
    x = first(X[:1]).requires_grad_()
    moved = torch.autograd.grad(network(x)[0]["boxes"][0, 0], x)[0]
    found = model.pullback(X[:1], [OneBox(label), OneBox(0, side=True)]).gradients[INPUT]
    np.testing.assert_allclose(found[0], expected.movedim(1, -1).numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[1], moved.movedim(1, -1).numpy(), rtol=1e-4, atol=1e-6)


class Joint(nn.Module):
    """Returns places and probabilities in one array (n, 4 + classes, boxes), as YOLO networks do."""

    def __init__(self, side: float) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv, self.side = nn.Conv2d(3, 7, 3, padding=1), side

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places, scores = self.conv(x).flatten(2).split([4, 3], 1)
        return torch.cat([places.sigmoid() * self.side, scores.sigmoid()], 1)


def test_places_and_probabilities_in_one_array_are_boxes() -> None:
    network = Joint(12)
    model = opened(network)
    assert (model.facts.task, model.facts.columns, model.head) == (Task.DETECTION, 3, Head.SIGMOID)
    assert "Boxes are read as cxcywh, in pixels of the input." in model.facts.notes[-1]
    with torch.no_grad():
        whole = network(first(X)).numpy().transpose(0, 2, 1)
    outputs = model.outputs(X)
    center, size = whole[..., :2], whole[..., 2:4]
    np.testing.assert_allclose(outputs[BOXES], np.concatenate([center - size / 2, center + size / 2], 2), atol=1e-4)
    np.testing.assert_allclose(1 / (1 + np.exp(-outputs[BOX_SCORES])), whole[..., 4:], atol=1e-5)
    with pytest.raises(ModelOutputError, match=r"output \(7, 144\).*boxes = 'cxcywh'"):
        opened(Joint(1))


def test_a_detector_that_finds_nothing() -> None:
    network = Detector()
    network.threshold = 2.0
    outputs = opened(network).outputs(X)
    assert not outputs[BOXES].any()


class Segmenter(nn.Module):
    """Returns masks as torchvision does, an auxiliary one of fewer pixels beside the main one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv, self.aux = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 3, stride=2, padding=1)

    def forward(self, x: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
        return OrderedDict(out=self.conv(x), aux=self.aux(x))


def test_a_segmenter_with_an_auxiliary_mask() -> None:
    network = Segmenter().eval()
    model = opened(network)
    assert model.facts.task is Task.SEGMENTATION
    with torch.no_grad():
        expected = network(first(X))["out"].movedim(1, -1).numpy()
    np.testing.assert_allclose(model.outputs(X)[MASKS], expected, atol=1e-6)
    assert opened(network, output="aux").outputs(X)[MASKS].shape == (3, 6, 6, 4)


@dataclass
class Answer:
    logits: torch.Tensor
    hidden: torch.Tensor | None = None
    count: int = 3


class Nested(nn.Module):
    def __init__(self, wrap: Any) -> None:
        super().__init__()
        self.body, self.wrap = seeded(Plain), wrap

    def forward(self, x: torch.Tensor) -> Any:
        return self.wrap(self.body(x))


@pytest.mark.parametrize(
    "wrap",
    [
        Answer,
        lambda s: {"out": {"logits": s}},
        lambda s: [None, (s,)],
        lambda s: {"labels": s.argmax(1), "logits": s},
        lambda s: torch.return_types.max((s, s.long())),
    ],
)
def test_scores_are_found_however_they_are_wrapped(wrap: Any) -> None:
    plain = opened(seeded(Plain))
    np.testing.assert_allclose(opened(Nested(wrap)).predict(X), plain.predict(X), atol=1e-6)
