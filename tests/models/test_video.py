"""Networks of clips: each framework's own order of axes, maps per frame, agreement with the framework itself."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from picasso import Preprocessing, explain, load_model
from picasso.core.errors import ModelOutputError, NotSupportedError, PictureError, SettingsError
from picasso.core.facts import INPUT
from picasso.core.model import Model
from picasso.core.opening import Options
from picasso.core.pictures.images import Picture
from picasso.models.torch import opener as adapter
from picasso.plugin import ModelFile
from picasso.testing import check_model
from tests.models.test_keras import folder as folder

PLAIN = Preprocessing(size=(12, 16), scale=1.0)
FRAME, CORNER = 5, np.s_[:4, -4:]
"""What the network of `corner` looks at, and nothing else."""
CLIP = np.random.default_rng(0).integers(0, 60, (8, 12, 16, 3), dtype=np.uint8)
CLIP[FRAME][CORNER] += 150


class Corner(nn.Module):
    """One class for each color; a class's score is its mean in one corner of one frame."""

    def __init__(self) -> None:
        super().__init__()
        self.color = nn.Conv3d(3, 3, 1, bias=False)
        self.color.weight.data = torch.tensor([[1.0, 0, 0], [0, 2.0, 0], [0, 0, -1.0]]).reshape(3, 3, 1, 1, 1)

    def forward(self, x: Any) -> Any:
        return self.color(x)[:, :, FRAME][(slice(None), slice(None), *CORNER)].mean((2, 3))


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(3, 4, 3, padding=1),
        nn.BatchNorm3d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool3d((2, 2, 2)),
        nn.Conv3d(4, 6, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d((2, 2, 2)),
        nn.Flatten(),
        nn.Linear(48, 3),
    )


class PerFrame(nn.Module):
    """A convolutional network on each frame, a recurrent one over them: (n, frames, c, h, w), as people write it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.eye = nn.Sequential(
            nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 6, 3), nn.ReLU()
        )
        self.memory = nn.LSTM(6, 7, batch_first=True)
        self.head = nn.Linear(7, 3)

    def forward(self, x: Any) -> Any:
        n, frames, c, h, w = x.shape
        seen = self.eye(x.reshape(n * frames, c, h, w)).mean((2, 3))
        told, _ = self.memory(seen.reshape(n, frames, -1))
        return self.head(told[:, -1])


class LastAxis(nn.Module):
    """Reads (n, frames, h, w, c)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.network = small()

    def forward(self, x: Any) -> Any:
        if x.shape[-1] != 3:
            raise ValueError("channels last")
        return self.network(x.movedim(-1, 1))


@pytest.fixture
def corner() -> Model:
    return load_model(Corner(), preprocessing=PLAIN, labels=["red", "green", "blue"], frames=8)


def peak(values: NDArray[Any]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(np.nan_to_num(np.abs(values)).argmax(), values.shape))


def inside(values: NDArray[Any]) -> NDArray[Any]:
    """Whether each value lies where the network looks."""
    mask = np.zeros(values.shape, bool)
    mask[FRAME][CORNER] = True
    return mask


def test_the_gradient_has_its_closed_form(corner: Model) -> None:
    result = explain(corner, CLIP, "saliency-map", reduction="sum", top=3)
    for attribution in result.attributions:
        slope = {"red": 1.0, "green": 2.0, "blue": -1.0}[attribution.target.label]
        np.testing.assert_allclose(attribution.values, np.where(inside(attribution.values), slope / 16, 0), atol=1e-7)
        assert attribution.in_frames


def test_occlusion_has_its_closed_form(corner: Model) -> None:
    choices: dict[str, Any] = {"window": 4, "stride": 4, "frames": 1, "fill": "black"}
    result = explain(corner, CLIP, target="green", **choices)
    attribution = result.attributions[0]
    expected = np.where(inside(attribution.values), 2 * CLIP[FRAME][CORNER][..., 1].mean(), 0)
    np.testing.assert_allclose(attribution.values, expected, rtol=1e-5)
    assert attribution.native is not None
    assert attribution.native.shape == (8, 3, 4)
    assert result.arrays["scores"].shape == (8, 3, 4, 3)


def test_by_default_a_window_covers_a_quarter_of_the_frames(corner: Model) -> None:
    values = explain(corner, CLIP, target="green").attributions[0].values
    assert values.shape == (8, 12, 16)
    np.testing.assert_array_equal(values[4], values[5])  # two frames of eight
    assert values[:4].any() == values[6:].any() == False  # noqa: E712
    assert peak(values)[0] in (4, 5)


@pytest.mark.parametrize("fill", ["mean", "blur", "white", "grey"])
def test_every_fill_points_there(corner: Model, fill: str) -> None:
    values = explain(corner, CLIP, target="green", window=4, stride=4, frames=3, fill=fill).attributions[0].values
    assert not values[:3].any()
    found = peak(values)
    assert found[0] in (3, 4, 5)
    assert found[1] < 4
    assert found[2] >= 12


def test_class_activation_maps_follow_the_formula(corner: Model) -> None:
    result = explain(corner, CLIP, "grad-cam", target="green", layer="color")
    values = result.attributions[0].values
    # The mean gradient of the class's own channel alone is not zero.
    expected = 2.0 * CLIP[..., 1] * (1 / (8 * 12 * 16))
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    assert peak(values)[0] == FRAME
    panel = result.panels[0]
    assert panel.notes[0].startswith("Frame 6 of 8, which holds the most of the map:")


def test_maps_of_fewer_frames_are_laid_over_those_nearest() -> None:
    network = small()
    model = load_model(network, preprocessing=PLAIN, frames=8)
    result = explain(model, CLIP, "grad-cam", layer="4", top=1)
    attribution = result.attributions[0]
    assert attribution.native is not None
    assert attribution.native.shape == (4, 6, 8)
    assert attribution.values.shape == (8, 12, 16)
    np.testing.assert_array_equal(attribution.values[0], attribution.values[1])
    # By hand, with PyTorch alone.
    network.eval()
    x = torch.from_numpy(np.moveaxis(CLIP.astype(np.float32), -1, 0)[None])
    features = network[:5](x).detach().requires_grad_()
    network[5:](features.clone())[0, attribution.target.index].backward()
    weights = features.grad.mean((2, 3, 4), keepdim=True)
    expected = (weights * features).sum(1)[0].clamp(min=0).detach().numpy()
    np.testing.assert_allclose(attribution.native, expected, rtol=1e-3, atol=1e-3 * expected.max())
    assert model.default_layer() is not None


@pytest.mark.parametrize("make", [small, PerFrame, LastAxis])
def test_each_order_agrees_with_autograd(make: Any) -> None:
    network = make().eval()
    model = load_model(network, preprocessing=PLAIN, frames=6)
    random = np.random.default_rng(1)
    x = random.normal(size=(3, 6, 12, 16, 3)).astype(np.float32)
    order = {small: (0, 4, 1, 2, 3), PerFrame: (0, 1, 4, 2, 3), LastAxis: (0, 1, 2, 3, 4)}[make]
    leaf = torch.from_numpy(np.ascontiguousarray(x.transpose(order))).requires_grad_()
    scores = network(leaf)
    np.testing.assert_allclose(model.predict(x), scores.detach().numpy(), rtol=1e-5, atol=1e-5)
    scores[:, 1].sum().backward()
    assert leaf.grad is not None
    expected = leaf.grad.numpy().transpose(np.argsort(order))
    found = model.pullback(x, [model.target(1)]).gradients[INPUT][0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("make", [Corner, small, PerFrame, LastAxis])
def test_the_contract_is_kept(make: Any) -> None:
    check_model(load_model(make(), preprocessing=PLAIN, frames=8))


def test_the_frames_of_all_clips_on_one_axis_are_taken_apart() -> None:
    model = load_model(PerFrame(), preprocessing=PLAIN, frames=6)
    layers = {layer.name: layer for layer in model.layers()}
    assert layers["eye.3"].shape == (6, 4, 6, 6)
    assert layers["eye.3"].spatial
    assert not layers["head"].spatial
    x = np.random.default_rng(2).normal(size=(2, 6, 12, 16, 3)).astype(np.float32)
    found = model.activations(x, ["eye.0"])["eye.0"]
    first = model.module.eye[0](torch.from_numpy(x[1, 2].transpose(2, 0, 1)[None]))
    np.testing.assert_allclose(found[1, 2], first[0].detach().numpy().transpose(1, 2, 0), atol=1e-5)
    values = explain(model, CLIP, "grad-cam", top=1).attributions[0].values
    assert values.shape == (6, 12, 16)


def test_frames_and_sides_are_found_by_trying() -> None:
    network = nn.Sequential(nn.Conv3d(1, 2, 3, stride=4), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    model = load_model(network)
    assert (model.facts.frames, model.input_shape) == (16, (112, 112, 1))
    assert any("reads clips" in note for note in model.facts.notes)
    four = nn.Sequential(nn.Conv3d(3, 2, 1), nn.Flatten(), nn.Linear(2 * 4 * 12 * 16, 2))
    assert load_model(four, preprocessing=PLAIN).facts.frames == 4
    assert load_model(PerFrame(), preprocessing=PLAIN).facts.frames == 16


def test_a_network_that_flattens_anything_is_not_taken_for_one_of_clips() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 128, 2))  # as many numbers as 8 frames of 32 x 32
    with pytest.raises(ModelOutputError, match="size is not known"):
        load_model(flat)
    assert load_model(flat, frames=8, preprocessing=Preprocessing(size=32)).x_shape == (8, 32, 32, 3)


def test_an_exported_program_says_its_frames(tmp_path: Any) -> None:
    network = small().eval()
    x = np.random.default_rng(3).normal(size=(2, 8, 12, 16, 3)).astype(np.float32)
    torch.export.save(torch.export.export(network, (torch.zeros(1, 3, 8, 12, 16),)), tmp_path / "clips.pt2")
    model = load_model(tmp_path / "clips.pt2")
    assert model.x_shape == (8, 12, 16, 3)
    expected = network(torch.from_numpy(np.moveaxis(x, -1, 1))).detach().numpy()
    np.testing.assert_allclose(model.predict(x), expected, atol=1e-5)


def test_a_network_of_pictures_still_reads_pictures() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert load_model(network, preprocessing=PLAIN).facts.frames is None


def test_panels_show_the_strongest_frame_and_all_of_them(corner: Model) -> None:
    result = explain(corner, CLIP, "saliency-map", target=["green", "red"])
    kinds = [(panel.kind, panel.id) for panel in result.panels]
    assert kinds == [("heatmap", "map-0"), ("heatmap", "map-1"), ("images", "frames-0"), ("images", "frames-1")]
    heatmap, strip = result.panels[0], result.panels[2]
    np.testing.assert_array_equal(heatmap.picture, CLIP[FRAME])
    assert strip.captions[FRAME] == "frame 6"
    assert len(strip.pictures) == 8
    assert {picture.shape for picture in strip.pictures} == {(96, 128, 3)}
    assert "frame 6" in strip.html()
    np.testing.assert_array_equal(np.load(io.BytesIO(result.npz()))["values_0"], result.attributions[0].values)
    assert result.record["model"]["frames"] == 8
    np.testing.assert_array_equal(result.view, CLIP[4])


def test_channels_of_a_clip_are_kept(corner: Model) -> None:
    result = explain(corner, CLIP, "saliency-map", target="green", reduction="none")
    assert result.attributions[0].values.shape == (8, 12, 16, 3)
    assert result.attributions[0].flat().shape == (8, 12, 16)
    assert result.panels[0].values.max() == pytest.approx(2 / 16)


def test_a_part_of_a_clip_is_replaced(corner: Model) -> None:
    x = corner.prepare(_picture(CLIP)).x
    nothing = np.zeros_like(x[0])
    tube, hit, miss = np.array([[0, 12, 4, 4]]), np.array([[5, 1, 0, 12, 4, 4]]), np.array([[6, 2, 0, 12, 4, 4]])
    whole = corner.predict(x)
    np.testing.assert_array_equal(corner.predict_patched(x, tube, nothing), np.zeros((1, 3)))
    np.testing.assert_array_equal(corner.predict_patched(x, hit, nothing), np.zeros((1, 3)))
    np.testing.assert_array_equal(corner.predict_patched(x, miss, nothing), whole)


def _picture(clip: NDArray[np.uint8]) -> Picture:
    return Picture(clip[0], "digest", clip=clip)


def test_what_cannot_take_clips_says_so(corner: Model) -> None:
    for network, name in ((corner, "segmentation-mask"), (corner, "detected-boxes")):
        with pytest.raises(NotSupportedError):
            explain(network, CLIP, name)
    with pytest.raises(SettingsError, match="space must be input"):
        explain(corner, CLIP, space="image")
    with pytest.raises(SettingsError, match=r"frames must be at most the clip's 8\. Got 9\."):
        explain(corner, CLIP, frames=9)


def test_what_fits_no_clip_is_refused(corner: Model) -> None:
    with pytest.raises(PictureError, match=r"reads clips of 8 x 12 x 16 x 3 .*Got \(7, 12, 16, 3\)"):
        explain(corner, np.zeros((7, 12, 16, 3), np.float32))
    with pytest.raises(PictureError, match="A clip must be uint8"):
        explain(corner, np.zeros((8, 12, 16, 3), np.int64))
    with pytest.raises(ModelOutputError, match=r"must be \(1, 8, height, width, channels\)"):
        corner.check_input(np.zeros((1, 12, 16, 3), np.float32), 1)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 0, 1, 2), (0, 3, 1, 2)])
def test_the_networks_own_input_is_taken_in_any_order(corner: Model, order: tuple[int, ...]) -> None:
    x = np.ascontiguousarray(CLIP.astype(np.float32).transpose(order))
    given = explain(corner, torch.from_numpy(x), "saliency-map", target="green")
    same = explain(corner, CLIP, "saliency-map", target="green")
    np.testing.assert_array_equal(given.attributions[0].values, same.attributions[0].values)
    batch = explain(corner, x[None], "class-probabilities")
    assert len(batch) == 1


def test_a_hook_of_the_users_own_gets_the_frames_one_by_one() -> None:
    class Mine(ModelFile):
        frames = 8

        def preprocess(self, pictures: Any) -> Any:
            return np.stack([picture[:12, :16].astype(np.float32) for picture in pictures])

        def load(self) -> Any:
            return Corner()

    model = adapter.open_model(Corner(), Mine(), Options(name="mine"))
    assert model.x_shape == (8, 12, 16, 3)
    wide = np.pad(CLIP, ((0, 0), (0, 9), (0, 5), (0, 0)))
    values = explain(model, wide, "saliency-map", target=1).attributions[0].values
    np.testing.assert_allclose(values, np.where(inside(values), 2 / 16, 0), atol=1e-7)


def test_functions_read_clips() -> None:
    def brightness(x: NDArray[np.float32]) -> NDArray[np.float32]:
        assert x.shape[1:] == (8, 12, 16, 3)
        bright = x[:, FRAME][(slice(None), *CORNER)].mean((1, 2, 3)) - 100
        return np.stack([bright, -bright], axis=1)

    model = load_model(brightness, preprocessing=PLAIN, frames=8)
    check_model(model)
    values = explain(model, CLIP, window=4, stride=4, frames=1, fill="black", target=0).attributions[0].values
    assert set(np.argwhere(values)[:, 0]) == {FRAME}


def test_keras_models_read_clips(folder: Path) -> None:
    said = json.loads((folder / "torch.json").read_text())["clips"]
    for name in ("volumes", "each", "one"):
        assert said[name]["error"] < 1e-5
        assert said[name]["shown"] == [8, 12, 16]
    assert said["volumes"]["layers"] == {"first": [8, 12, 16, 4], "max_pooling3d": [4, 6, 8, 4], "last": [4, 6, 8, 5]}
    assert said["volumes"]["native"] == [4, 6, 8]
    assert said["each"]["layers"] == {"last": [8, 10, 14, 4]}
    assert said["each"]["native"] == [8, 10, 14]
    assert said["one"]["first place"] == [5, 0, 12]
    assert said["free"] == 16
    assert said["other"].startswith("The model reads clips of 8 frames; 9 were declared.")
    assert "a clip is (batch, frames, height, width, channels)" in said["still"]
    assert "a clip is (batch, frames, height, width, channels)" in said["first"]
