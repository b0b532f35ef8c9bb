"""Fooling against closed forms, a slow search with autograd, and the same network in several frameworks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import nn

import picasso
from picasso.core import registry, runner
from picasso.core.asking import focused, read_place
from picasso.core.errors import CanceledError, NotSupportedError, SettingsError
from picasso.core.fitting import read_settings
from picasso.core.hooks import ModelFile
from picasso.core.model import Model
from picasso.core.panels import Bars, Heatmap, Images, Text
from picasso.core.pictures.images import read_picture
from picasso.core.synthesis.eight_bit import eight_bit
from picasso.core.synthesis.smallest_change import HALVINGS, NEAR_ENOUGH, STRIDE
from picasso.demo.tanks import held_out_set
from picasso.models.keras.loading import import_keras
from tests.models.networks import Plain, seeded
from tests.models.onnx_files import graph, node

SIDE = 12
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
READ = picasso.Preprocessing(size=SIDE, mean=MEAN, std=STD)
PICTURE = np.random.default_rng(0).integers(60, 196, (SIDE, SIDE, 3)).astype(np.uint8)
"""Far from black and white, so that small changes never meet the bounds."""
LEVEL = np.float64(1 / 255) / np.array(STD)
"""What one level of 255 is in the network's numbers, for each channel."""
FAST = {"starts": 0, "steps": 10}


class Linear(nn.Module):
    """Two classes, or more, each a weighted sum of all numbers; the lead of the first is chosen."""

    def __init__(self, lead: float = 0.5, classes: int = 2) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.fc = nn.Linear(SIDE * SIDE * 3, classes)
        with torch.no_grad():
            scores = self(torch.from_numpy(READ.apply(PICTURE).transpose(2, 0, 1).copy())[None])[0]
            self.fc.bias -= scores
            self.fc.bias[0] += lead

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x.flatten(1))

    def slope(self, to: int = 1) -> np.ndarray:
        """Return how the lead over a class moves with each level of the picture, (h, w, c)."""
        rows = self.fc.weight.detach().double().reshape(-1, 3, SIDE, SIDE).permute(0, 2, 3, 1).numpy()
        return (rows[0] - rows[to]) * LEVEL


def fooled(network: Any, picture: Any = PICTURE, **choices: Any) -> picasso.Result:
    model = network if isinstance(network, Model) else picasso.load_model(network, preprocessing=READ)
    result = picasso.explain(model, picture, "fooling", cache=False, **choices)
    assert isinstance(result, picasso.Result)
    return result


def said(result: picasso.Result) -> str:
    return next(panel.text for panel in result.panels if isinstance(panel, Text))


def closed_form(slope: np.ndarray, lead: float, norm: str) -> float:
    if norm == "linf":
        return float(lead / np.abs(slope).sum())
    return float(lead / np.sqrt((slope**2).sum()) / np.sqrt(slope.size))


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("objective", ["margin", "cross-entropy"])
def test_of_a_linear_model_the_smallest_radius_is_its_closed_form(method: str, norm: str, objective: str) -> None:
    network = Linear()
    exact = closed_form(network.slope(), 0.5, norm)
    result = fooled(network, method=method, norm=norm, objective=objective, largest=8)
    found = float(result.arrays["radius"])
    assert exact * (1 - 1e-4) <= found <= exact * (1 + NEAR_ENOUGH) + 8 / 2**HALVINGS
    change = result.arrays["change"]
    size = np.abs(change).max() if norm == "linf" else np.sqrt((change**2).mean())
    assert size == pytest.approx(found)
    assert result.arrays["fooled"]


def test_one_step_is_optimal_for_a_linear_model() -> None:
    """The change is the closed form's: every number by the same, against the sign of its weight."""
    network = Linear()
    change = fooled(network, method="fgsm").arrays["change"]
    np.testing.assert_allclose(change, -np.sign(network.slope()) * np.abs(change).max(), atol=1e-9)


def test_toward_a_class_and_along_a_difference_it_goes_to_that_class() -> None:
    network = Linear(lead=0.5, classes=4)
    model = picasso.load_model(network, preprocessing=READ, labels=["tank", "truck", "shed", "tree"])
    for choices in ({"toward": "shed"}, {"target": "tank - shed"}):
        result = fooled(model, **choices)
        after = model.predict(result.arrays["changed"][None])[0]
        assert after.argmax() == 2 if "toward" in choices else after[2] > after[0]
        assert float(result.arrays["radius"]) >= closed_form(network.slope(2), 0.5, "linf") * (1 - 1e-4)
    free = fooled(model)
    nearest = min(closed_form(network.slope(to), 0.5, "linf") for to in (1, 2, 3))
    assert nearest * (1 - 1e-4) <= float(free.arrays["radius"]) <= 1.2 * nearest
    label = model.labels[int(model.predict(free.arrays["changed"][None])[0].argmax())]
    assert said(free).startswith(
        f"A change of at most {float(free.arrays['radius']):.2g} of 255 per pixel turns 'tank'"
    )
    assert f"into '{label}'" in said(free)


# --- against autograd alone --------------------------------------------------------------------------------------


def slow_attack(
    network: nn.Module, radius: float, steps: int, norm: str, start: np.ndarray | None
) -> tuple[bool, np.ndarray]:
    """Attack one picture with PyTorch alone, channels first, in levels of 255."""
    mean, std = (torch.tensor(values, dtype=torch.float64).reshape(3, 1, 1) for values in (MEAN, STD))
    picture = torch.from_numpy(PICTURE.transpose(2, 0, 1).astype(np.float64))
    levels = picture.clone()
    if start is not None:
        levels = bounded(torch.from_numpy(start.transpose(2, 0, 1)), picture, radius, norm)
    network = network.double()
    for step in range(steps + 1):
        levels.requires_grad_()
        scores = network(((levels / 255 - mean) / std)[None])[0]
        lead = scores[CLASS] - torch.cat([scores[:CLASS], scores[CLASS + 1 :]]).max()
        if lead < 0 or step == steps:
            return bool(lead < 0), levels.detach().numpy().transpose(1, 2, 0)
        (slope,) = torch.autograd.grad(lead, levels)
        if norm == "linf":
            moved = levels - STRIDE * radius / steps * slope.sign()
        else:
            moved = levels - STRIDE * radius / steps * slope / (slope**2).mean().sqrt()
        levels = bounded(moved.detach(), picture, radius, norm)
    raise AssertionError


def bounded(levels: torch.Tensor, picture: torch.Tensor, radius: float, norm: str) -> torch.Tensor:
    change = levels - picture
    if norm == "linf":
        change = torch.minimum(torch.maximum(change, torch.tensor(-radius)), torch.tensor(radius))
    elif (size := float((change**2).mean().sqrt())) > radius:
        change = change * radius / size
    return (picture + change).clamp(0, 255)


def curved() -> nn.Module:
    return seeded(Plain).eval()


CLASS = int(curved()(torch.from_numpy(READ.apply(PICTURE).transpose(2, 0, 1).copy())[None])[0].argmax())


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_it_finds_what_a_slow_search_with_autograd_finds(norm: str) -> None:
    low, high, known, tries = 0.0, 64.0, None, 0
    while tries == 0 or (high - low > NEAR_ENOUGH * high and tries <= HALVINGS):
        radius = (low + high) / 2 if tries else high
        # With what was found before as a second start, as the search does; the first that succeeds is taken.
        attempts = [
            slow_attack(curved(), radius, 10, norm, start) for start in (None, known)[: 1 + (known is not None)]
        ]
        tries += 1
        won = [levels for success, levels in attempts if success]
        if won:
            sizes = [np.abs(w - PICTURE).max() if norm == "linf" else np.sqrt(((w - PICTURE) ** 2).mean()) for w in won]
            known, high = won[int(np.argmin(sizes))], float(min(sizes))
        else:
            assert tries > 1, "the slow search finds nothing at all"
            low = radius
    result = fooled(curved(), norm=norm, largest=64, **FAST)
    assert float(result.arrays["radius"]) == pytest.approx(high, rel=0.05)


def test_one_attack_is_that_of_autograd_to_the_number() -> None:
    """At a radius where nothing succeeds both end at the same picture."""
    success, expected = slow_attack(curved(), 0.25, 10, "linf", None)
    assert not success
    result = fooled(curved(), largest=0.25, objective="margin", **FAST)
    assert not result.arrays["fooled"]
    found = PICTURE + result.arrays["change"]
    # A slope so near to zero that its sign is a matter of precision is rare.
    assert np.mean(np.abs(found - expected) > 1e-6) < 0.01
    assert said(result).startswith("Not found up to 0.25 of 255 per pixel")


# --- what must always hold -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_the_bounds_of_a_picture_are_never_left(method: str, norm: str) -> None:
    edge = np.where(np.random.default_rng(1).random((SIDE, SIDE, 3)) < 0.5, 0, 255).astype(np.uint8)
    model = picasso.load_model(curved(), preprocessing=READ)
    result = fooled(model, edge, method=method, norm=norm, largest=200, starts=2, steps=5)
    black, white = READ.apply(np.zeros_like(edge)), READ.apply(np.full_like(edge, 255))
    changed = result.arrays["changed"]
    assert (changed >= black).all()
    assert (changed <= white).all()
    assert np.abs(result.arrays["change"]).max() > 0


def test_one_step_that_goes_too_far_is_halved() -> None:
    class Band(nn.Module):
        """Turned only where the picture is 1.6 to 3.6 levels brighter."""

        def __init__(self) -> None:
            super().__init__()
            self.mean = nn.Parameter(torch.tensor(float(PICTURE.mean()) + 2.6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            lead = (255 * x.mean((1, 2, 3)) - self.mean) ** 2 - 1
            return torch.stack([lead, torch.zeros_like(lead)], 1)

    model = picasso.load_model(Band(), preprocessing=picasso.Preprocessing(size=SIDE))
    result = fooled(model, method="fgsm")
    assert list(result.arrays["tried"][:3, 1]) == [0, 0, 0]  # 16, 8 and 4 levels go beyond the band
    assert result.arrays["fooled"]
    assert float(result.arrays["radius"]) == pytest.approx(1.6, rel=0.03)


def test_the_seed_decides_the_random_starts() -> None:
    one, again, other = (
        fooled(curved(), seed=seed, starts=2, steps=3, largest=64).arrays["change"] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_what_rounding_to_whole_levels_does_is_said_as_it_is() -> None:
    fine = Linear(lead=0.05)
    small = fooled(fine)
    assert float(small.arrays["radius"]) < 0.5  # so that rounding takes all of it away
    assert not small.arrays["fooled_rounded"]
    assert "it does no longer" in said(small)
    coarse = Linear(lead=0.05 * 2.6 / float(small.arrays["radius"]))
    large = fooled(coarse)
    rounded = np.round(PICTURE + large.arrays["change"]).astype(np.uint8)
    model = picasso.load_model(coarse, preprocessing=READ)
    again = model.predict(model.prepare(read_picture(rounded)).x)[0].argmax() != 0
    assert bool(large.arrays["fooled_rounded"]) == again
    assert ("it still does" in said(large)) == again


def test_the_panels_are_the_pictures_the_probabilities_and_the_maps() -> None:
    model = picasso.load_model(curved(), preprocessing=READ)
    result = fooled(model, largest=64, **FAST)
    pictures = next(panel for panel in result.panels if isinstance(panel, Images))
    np.testing.assert_array_equal(pictures.pictures[0], PICTURE)
    change = result.arrays["change"]
    np.testing.assert_array_equal(pictures.pictures[1], np.round(PICTURE + change).astype(np.uint8))
    factor = float(pictures.captions[2].split(", ")[1].split(" times")[0])
    assert factor * np.abs(change).max() <= 127
    assert 5 * factor * np.abs(change).max() > 127
    np.testing.assert_array_equal(pictures.pictures[2], np.round(128 + factor * change).astype(np.uint8))
    before, after = (panel for panel in result.panels if isinstance(panel, Bars))
    assert before.labels == after.labels
    chances = model.probabilities(model.predict(result.arrays["changed"][None])[0])
    assert after.values[after.labels.index(model.labels[int(chances.argmax())])] == pytest.approx(chances.max())
    maps = [panel for panel in result.panels if isinstance(panel, Heatmap)]
    saliency = picasso.explain(model, PICTURE, "saliency-map", target=CLASS)
    assert isinstance(saliency, picasso.Result)
    np.testing.assert_allclose(maps[0].values, saliency.attributions[0].values, rtol=1e-5, atol=1e-7)
    assert maps[0].limits == maps[1].limits
    assert not np.allclose(maps[0].values, maps[1].values)


def test_the_changed_picture_and_both_maps_are_saved(tmp_path: Path) -> None:
    result = fooled(curved(), largest=64, **FAST)
    files = {path.name: path for path in result.save(tmp_path)}
    changed = np.asarray(Image.open(next(path for name, path in files.items() if name.endswith(".pictures-2.png"))))
    np.testing.assert_array_equal(changed, np.round(PICTURE + result.arrays["change"]).astype(np.uint8))
    assert sum(name.endswith((f".class-{CLASS}-before.png", f".class-{CLASS}-after.png")) for name in files) == 2


def test_what_is_not_the_answer_needs_no_change() -> None:
    result = fooled(Linear(), target=1)
    assert float(result.arrays["radius"]) == 0
    assert not result.arrays["change"].any()
    assert said(result) == "Nothing has to change: the model takes the picture for 'class 0' as it is."


def test_padding_is_not_changed() -> None:
    padded = picasso.Preprocessing(size=SIDE, resize="pad", mean=MEAN, std=STD)
    model = picasso.load_model(Linear(), preprocessing=padded)
    change = fooled(model, PICTURE[:6], largest=200, norm="l2", starts=2).arrays["change"]
    assert not change[:3].any()
    assert not change[9:].any()
    assert change[3:9].any()


def test_channels_in_the_other_order_and_grey_ones_are_shown_as_colors() -> None:
    for color in ("bgr", "grey"):
        read = picasso.Preprocessing(size=SIDE, color=color)
        flat = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE * read.channels, 2))
        result = fooled(picasso.load_model(flat, preprocessing=read), largest=64)
        pictures = next(panel for panel in result.panels if isinstance(panel, Images)).pictures
        np.testing.assert_array_equal(pictures[0], read.view(PICTURE)[0])
        order = slice(None, None, -1) if color == "bgr" else slice(None)
        expected = np.round(np.broadcast_to(pictures[0] + result.arrays["change"][..., order], pictures[0].shape))
        np.testing.assert_array_equal(pictures[1], expected.clip(0, 255).astype(np.uint8))


def test_where_there_are_no_colors_it_says_what_255_stands_for() -> None:
    values = np.random.default_rng(0).normal(2, 0.4, (SIDE, SIDE, 5)).astype(np.float32)
    torch.manual_seed(0)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE * 5, 2))
    model = picasso.load_model(flat, preprocessing=picasso.Preprocessing(size=SIDE, color="values", bands=5))
    result = fooled(model, values, largest=200)
    low, high = values.min(axis=(0, 1)), values.max(axis=(0, 1))
    changed = result.arrays["changed"]
    assert ((changed >= low) & (changed <= high)).all()
    np.testing.assert_allclose(changed, values + result.arrays["change"] * (high - low) / 255, atol=1e-5)
    assert "The network reads no colors" in said(result)
    assert "not rounded to 8 bits" in said(result)


# --- what is refused ------------------------------------------------------------------------------------------------


def test_a_model_without_gradients_is_refused_by_its_needs() -> None:
    model = picasso.load_model(lambda x: np.stack([x.mean((1, 2, 3)), 1 - x.mean((1, 2, 3))], 1), preprocessing=READ)
    with pytest.raises(NotSupportedError, match=r"Fooling needs gradients, which this .* model lacks"):
        fooled(model)


def test_what_cannot_be_asked_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="toward must be a class"):
        fooled(Linear(), toward="0 - 1")
    with pytest.raises(NotSupportedError, match="one class into another"):
        fooled(picasso.load_model(Linear(classes=1), preprocessing=READ, labels=["only"]), target=0)
    with pytest.raises(NotSupportedError, match="the boxes of a detector are no classes"):
        fooled(picasso.load_model("demo:detector"), tank())
    with pytest.raises(NotSupportedError, match="every class was found elsewhere"):
        fooled(picasso.load_model("demo:segmenter"), tank())
    hooked = tmp_path / "hooked.py"
    hooked.write_text(
        "import numpy as np, torch\n"
        "from picasso.plugin import ModelFile\n"
        "class Own(ModelFile):\n"
        "    def load(self): return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(432, 2))\n"
        "    def preprocess(self, pictures):\n"
        "        x = np.stack([p[:12, :12] for p in pictures]).astype(np.float32)\n"
        "        return x - x.mean((1, 2, 3), keepdims=True)\n"
    )
    with pytest.raises(NotSupportedError, match="same of a black and of a white picture"):
        fooled(picasso.load_model(f"{hooked}:Own"))


def test_a_place_of_a_segmentation_can_be_turned() -> None:
    model = picasso.load_model("demo:segmenter")
    result = fooled(model, tank(), at=(60, 60), starts=0)
    before, after = (
        model.outputs(x)["masks"] for x in (model.prepare(read_picture(tank())).x, result.arrays["changed"][None])
    )
    assert result.arrays["fooled"]
    focus = focused(model, model.prepare(read_picture(tank())), read_place((60, 60))).focus
    assert focus is not None
    classes = [masks[0][focus.outline].mean(axis=0).argmax() for masks in (before, after)]
    assert [model.labels[index] for index in classes] == ["land", "sky"]
    assert said(result).startswith("A change of at most ")


def tank() -> np.ndarray:
    return next(iter(held_out_set(1, proxy=True))).pixels


def test_a_cancel_takes_effect_between_two_steps() -> None:
    model = picasso.load_model(curved(), preprocessing=READ)
    reports: list[int] = []

    def report(done: int, total: int, message: str) -> None:
        reports.append(done)
        if len(reports) == 4:
            raise CanceledError("enough")

    with pytest.raises(CanceledError):
        fooled(model, largest=0.2, progress=report)
    assert len(reports) == 4


def test_who_watches_sees_each_smaller_change() -> None:
    entry, shown = registry.visualization("fooling"), []
    model = picasso.load_model(Linear(), preprocessing=READ)
    runner.run(model, read_picture(PICTURE), entry, read_settings(entry, {}), show=shown.append)
    assert sum(panel.id == "pictures" for panel in shown) > 2


# --- the same in every framework -------------------------------------------------------------------------------------

RANDOM = np.random.default_rng(3)
FIRST, SECOND = (RANDOM.normal(size=shape).astype(np.float32) * 0.1 for shape in ((SIDE * SIDE * 3, 16), (16, 3)))
"""Two matrices of a network whose numbers lie channels last."""


def in_torch() -> Model:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Parameter(torch.from_numpy(FIRST)), nn.Parameter(torch.from_numpy(SECOND))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x.permute(0, 2, 3, 1).flatten(1) @ self.first) @ self.second

    return picasso.load_model(Net(), preprocessing=READ)


def in_onnx(folder: Path) -> Model:
    nodes = [
        node("Transpose", ["x"], ["last"], perm=[0, 2, 3, 1]),
        node("Flatten", ["last"], ["flat"]),
        node("MatMul", ["flat", "first"], ["a"]),
        node("Relu", ["a"], ["b"]),
        node("MatMul", ["b", "second"], ["scores"]),
    ]
    made = graph(nodes, {"x": ("n", 3, SIDE, SIDE)}, ["scores"], {"first": FIRST, "second": SECOND})
    onnx.save(made, folder / "twin.onnx")
    return picasso.load_model(folder / "twin.onnx", preprocessing=READ)


def in_keras() -> Model:
    """The same network in Keras."""
    keras = import_keras()
    start = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Dense(16, use_bias=False, activation="relu")(keras.layers.Flatten()(start))
    network = keras.Model(start, keras.layers.Dense(3, use_bias=False)(x))
    network.set_weights([FIRST, SECOND])
    return picasso.load_model(network, preprocessing=READ)


@pytest.mark.parametrize("kind", ["onnx", "keras"])
def test_frameworks_agree(kind: str, tmp_path: Path) -> None:
    expected = fooled(in_torch(), largest=64).arrays
    found = fooled(in_onnx(tmp_path) if kind == "onnx" else in_keras(), largest=64).arrays
    assert float(found["radius"]) == pytest.approx(float(expected["radius"]), rel=0.02)
    # The sign of a slope near zero may differ, and what follows from it.
    assert np.mean(np.abs(found["change"] - expected["change"]) < 0.05 * float(expected["radius"])) > 0.95


def test_classes_that_do_not_exclude_each_other_cannot_turn() -> None:
    model = picasso.load_model(Linear(classes=3), preprocessing=READ, head="sigmoid")
    with pytest.raises(NotSupportedError, match="a sigmoid for each"):
        fooled(model)


@pytest.mark.parametrize("turned", [False, True])
def test_the_colors_of_a_hook_are_found(turned: bool) -> None:
    class Own(ModelFile):
        def preprocess(self, pictures: Any) -> Any:
            read = READ.apply_all(pictures)
            return np.ascontiguousarray(read[..., ::-1]) if turned else read

    model = picasso.load_model(Linear(), preprocessing=READ)
    model.hooks.__class__ = Own
    found = eight_bit(model, model.prepare(read_picture(PICTURE)))
    assert found.reverse is turned
    np.testing.assert_array_equal(found.shown(found.levels), PICTURE)
