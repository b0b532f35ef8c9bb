"""Feature visualization: a known unit's picture is its kernel, and every choice does what it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import picasso
from picasso.core import registry, runner
from picasso.core.errors import CanceledError, NotFoundError, NotSupportedError, PictureError, SettingsError
from picasso.core.facts import INPUT
from picasso.core.fitting import read_settings
from picasso.core.model import Model
from picasso.core.panels import Curve, Images, Text
from picasso.core.synthesis.descent import Steepest
from picasso.core.synthesis.dreaming import GreyCanvas, PictureSearch, SearchPlan
from picasso.core.synthesis.objective import read_objectives
from picasso.core.synthesis.parametrization import PixelParameters
from picasso.core.synthesis.phases import falling_magnitudes
from picasso.core.synthesis.priors import total_variation
from picasso.testing import small_model
from tests.models import channel_twins as twins
from tests.models.squeezenet_maps import PREPROCESSING

SIDE = 16
READ = picasso.Preprocessing(size=SIDE, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
KERNEL = np.random.default_rng(0).normal(size=(7, 7, 3)).astype(np.float32)
PLAIN: dict[str, Any] = {"robust": False, "parametrization": "pixels"}


class Filters(nn.Module):
    """One convolution: a known kernel, its negative, nothing at all, and one that is never above zero after a ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.head = nn.Conv2d(3, 4, 7, padding=3), nn.ReLU(), nn.Linear(4, 3)
        kernel = torch.from_numpy(KERNEL.transpose(2, 0, 1).copy())
        torch.manual_seed(0)
        with torch.no_grad():
            self.conv.weight.copy_(torch.stack([kernel, -kernel, 0 * kernel, 0.01 * kernel]))
            self.conv.bias.copy_(torch.tensor([0.0, 0.0, 1.0, -1000.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.relu(self.conv(x)).mean((2, 3)))


def filters() -> Model:
    return picasso.load_model(Filters(), preprocessing=READ, labels=("a", "b", "c"))


def made(model: Model, **choices: Any) -> picasso.Result:
    result = picasso.explain(model, visualization="feature-visualization", cache=False, **{"steps": 20} | choices)
    assert isinstance(result, picasso.Result)
    return result


def pictures(result: picasso.Result) -> Images:
    return next(panel for panel in result.panels if isinstance(panel, Images))


def said(result: picasso.Result) -> str:
    return next(panel.text for panel in result.panels if isinstance(panel, Text))


def alike(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


# --- a unit whose picture is known -----------------------------------------------------------------------------------


def test_one_step_along_the_slopes_is_the_kernel_itself() -> None:
    """The gradient of a unit is its kernel, where it looks; nothing else of the picture moves."""
    result = made(filters(), objective="conv:0@8,8", optimizer="l2", steps=1, noise=0, rate=0.05, **PLAIN)
    patch = result.arrays["made"][0, 5:12, 5:12]
    grey = GreyCanvas(filters()).read(np.full((SIDE, SIDE, 3), 0.5))[0]
    moved = patch - grey[5:12, 5:12]
    # A step in 0..1 is 1 / std in the network's units, by a slope that is kernel / std.
    wanted = KERNEL / np.square(np.array(READ.std))
    assert alike(moved, wanted) > 0.999
    outside = result.arrays["made"][0] - grey
    outside[5:12, 5:12] = 0
    assert np.abs(outside).max() < 1 / 255 / 0.2  # the rounding to 8 bits of 127.5


@pytest.mark.parametrize(("sign", "way"), [("positive", 1), ("negative", -1)])
def test_to_the_end_it_is_black_and_white_by_the_sign_of_the_kernel(sign: str, way: int) -> None:
    result = made(filters(), objective="conv:0@8,8", steps=60, rate=0.05, sign=sign, noise=0, **PLAIN)
    patch = pictures(result).pictures[0][5:12, 5:12].astype(float)
    assert alike(patch, way * np.sign(KERNEL)) > 0.95
    # The largest that any picture gives: white where the kernel is positive, black elsewhere.
    canvas = GreyCanvas(filters())
    (unit,) = read_objectives(canvas.model, canvas.sample, "conv:0@8,8")
    best = np.full((SIDE, SIDE, 3), 0.5)
    best[5:12, 5:12] = way * KERNEL > 0
    assert float(result.arrays["reached"][0]) == pytest.approx(way * canvas.value(unit, best), rel=0.02)


def test_waves_find_the_kernel_too() -> None:
    result = made(filters(), objective="conv:0@8,8", steps=60, robust=False, decay=0, decorrelated=False, rate=0.3)
    assert alike(pictures(result).pictures[0][5:12, 5:12].astype(float), np.sign(KERNEL)) > 0.9


def test_the_values_are_those_of_what_is_shown() -> None:
    model = filters()
    result = made(model, objective="conv:0; a", steps=30)
    assert result.arrays["made"].shape == (2, SIDE, SIDE, 3)
    for place, text in enumerate(("conv:0", "a")):
        shown = pictures(result).pictures[place]
        x = model.prepare(picasso.core.pictures.images.read_picture(shown)).x
        np.testing.assert_allclose(result.arrays["made"][place], x[0], atol=1e-5)
        value = model.activations(x, ["conv"])["conv"][0, ..., 0].mean() if text == "conv:0" else model.predict(x)[0, 0]
        assert float(result.arrays["reached"][place]) == pytest.approx(float(value), rel=1e-4)
        if text == "a":
            sure = float(model.probabilities(model.predict(x))[0, 0])
            assert f"probability {sure:.0%}" in pictures(result).captions[place]
    curve = next(panel for panel in result.panels if isinstance(panel, Curve))
    assert [line.label for line in curve.lines] == ["conv:0", "a"]
    np.testing.assert_allclose(curve.lines[1].values, result.arrays["course"][1])


def test_one_step_is_that_of_autograd_and_pytorchs_adam() -> None:
    """The whole loop, still and by pixels, against PyTorch: scores, priors and all."""
    weight, steps = 3.0, 10
    model, canvas = filters(), GreyCanvas(filters())
    plan = SearchPlan("adam", 0.02, steps, noise=0.05, total_variation=weight)
    (objective,) = read_objectives(canvas.model, canvas.sample, "a - 0.5 conv:1")
    search = PictureSearch(canvas, objective, PixelParameters((SIDE, SIDE, 3)), plan, [0])
    start = search.picture.copy()
    for step in range(steps):
        search.step(step)
    network, tensor = Filters().eval(), torch.from_numpy(start.copy()).requires_grad_()
    mean, std = torch.tensor(READ.mean), torch.tensor(READ.std)
    adam = torch.optim.Adam([tensor], lr=0.02, eps=1e-12)
    for _ in range(steps):
        adam.zero_grad()
        x = ((tensor - mean) / std).permute(2, 0, 1)[None]
        down, across = tensor[1:] - tensor[:-1], tensor[:, 1:] - tensor[:, :-1]
        variation = ((down**2).sum() + (across**2).sum()) / SIDE**2
        loss = -network(x)[0, 0] + 0.5 * network.conv(x)[0, 1].mean() + weight * variation
        loss.backward()
        adam.step()
        with torch.no_grad():
            tensor.clamp_(0, 1)
    np.testing.assert_allclose(search.picture, tensor.detach().numpy(), atol=2e-3)
    assert model.framework == "PyTorch"


# --- frameworks ------------------------------------------------------------------------------------------------------


def test_the_same_weights_give_the_same_picture_in_every_framework(tmp_path: Path) -> None:
    models: dict[str, Callable[[], Model]] = {
        "torch": lambda: picasso.load_model(twins.torch_network(), preprocessing=twins.PREPROCESSING),
        "onnx": lambda: picasso.load_model(twins.onnx_file(tmp_path), preprocessing=twins.PREPROCESSING),
        "keras": lambda: picasso.load_model(twins.keras_network(), preprocessing=twins.PREPROCESSING),
    }
    found = {}
    for name, make in models.items():
        model = make()
        layer = next(one.name for one in model.layers() if one.spatial and one.shape[-1] == 5)
        found[name] = made(model, objective=f"{layer}:3; 1", steps=8)
    for name in ("onnx", "keras"):
        for key in ("made", "course"):
            np.testing.assert_allclose(found[name].arrays[key], found["torch"].arrays[key], atol=0.05, err_msg=name)


def test_segmenters_and_detectors_have_pictures_too() -> None:
    for name in ("demo:segmenter", "demo:detector"):
        result = made(picasso.load_model(name), steps=6)
        assert len(pictures(result).pictures) >= 1
        assert "probability" not in pictures(result).captions[0]


# --- what is chosen --------------------------------------------------------------------------------------------------

CHANGES: list[dict[str, Any]] = [
    {"parametrization": "phases"},
    {"parametrization": "pixels"},
    {"decorrelated": False},
    {"decay": 0.5},
    {"optimizer": "l2"},
    {"optimizer": "linf"},
    {"rate": 0.5},
    {"noise": 0.5},
    {"robust": False},
    {"jitter": 0.3},
    {"scaling": 1.0},
    {"rotation": 90},
    {"total_variation": 100},
    {"high_frequencies": 100},
    {"toward_grey": 100},
    {"blur_every": 2},
    {"seed": 1},
]


def test_every_choice_changes_the_picture_and_the_seed_decides() -> None:
    model = filters()
    base, again = (made(model, objective="a", steps=8).arrays["made"] for _ in range(2))
    np.testing.assert_array_equal(base, again)
    for choice in CHANGES:
        other = made(model, objective="a", **{"steps": 8} | choice).arrays["made"]
        assert np.abs(other - base).max() > 0.02, choice


def test_priors_and_the_blur_make_smooth_pictures_and_the_pull_to_grey_pale_ones() -> None:
    model = filters()
    base = {"objective": "conv:0@8,8", "steps": 40, "noise": 0.2, "rate": 0.05, **PLAIN}

    def picture(**choices: Any) -> np.ndarray:
        return pictures(made(model, **base | choices)).pictures[0] / 255

    plain = picture()
    for choice in ({"total_variation": 1000}, {"high_frequencies": 1000}, {"blur_every": 5}):
        assert total_variation(picture(**choice))[0] < 0.7 * total_variation(plain)[0], choice
    assert np.square(picture(toward_grey=1000) - 0.5).mean() < 0.5 * np.square(plain - 0.5).mean()


def test_phases_keep_the_strength_of_every_wave_exactly(tmp_path: Path) -> None:
    canvas = GreyCanvas(filters())
    result = made(filters(), objective="a", parametrization="phases", decay=1, decorrelated=False, steps=10)
    levels = pictures(result).pictures[0] / 255
    inside = np.clip(levels, 1e-6, 1 - 1e-6)
    waves = np.abs(np.fft.rfft2(np.log(inside / (1 - inside)), axes=(0, 1), norm="ortho"))
    assert alike(waves, falling_magnitudes((SIDE, SIDE, 3), 1.0)) > 0.99  # but for the rounding to 8 bits
    assert canvas.scale.colors
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{number}.png")
    other = made(filters(), objective="a", parametrization="phases", album=str(tmp_path), steps=10)
    assert np.abs(other.arrays["made"] - result.arrays["made"]).max() > 0.05
    with pytest.raises(NotFoundError, match="absent"):
        made(filters(), parametrization="phases", album=str(tmp_path / "absent"))
    with pytest.raises(SettingsError, match="album needs parametrization to be phases or learned"):
        made(filters(), album=str(tmp_path))


def test_codes_of_an_album_make_nothing_but_its_pictures(tmp_path: Path) -> None:
    shown = np.random.default_rng(3).integers(112, 144, (3, SIDE, SIDE, 3)).astype(np.uint8)
    for number, pixels in enumerate(shown):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    choices = {"objective": "a", "parametrization": "learned", "album": str(tmp_path), "robust": False, "steps": 60}
    found = pictures(made(filters(), **choices)).pictures[0].astype(float)
    mean = shown.mean(axis=0)
    # Between the three pictures lies a plane, and on it the search must stay.
    plane = (shown[:2] - mean).reshape(2, -1)
    code, left, *_ = np.linalg.lstsq(plane.T, (found - mean).ravel(), rcond=None)
    assert float(left[0]) / (found - mean).size < 1  # but for the rounding to 8 bits
    assert np.abs(code).max() > 0.1
    with pytest.raises(SettingsError, match="album must name a folder of pictures"):
        made(filters(), parametrization="learned")


def test_a_step_by_the_largest_norm_moves_every_number_by_the_rate() -> None:
    slopes = np.random.default_rng(0).normal(size=(5, 6))
    np.testing.assert_allclose(np.abs(Steepest(0.03, "linf").step(slopes)), 0.03)
    np.testing.assert_array_equal(np.sign(Steepest(0.03, "linf").step(slopes)), -np.sign(slopes))
    step = Steepest(0.03).step(slopes)
    assert float(np.sqrt((step**2).mean())) == pytest.approx(0.03)
    assert alike(step, -slopes) == pytest.approx(1)
    assert not Steepest(0.03).step(np.zeros(3)).any()
    canvas = GreyCanvas(filters())
    (objective,) = read_objectives(canvas.model, canvas.sample, "a")
    search = PictureSearch(
        canvas, objective, PixelParameters((SIDE, SIDE, 3)), SearchPlan("linf", 0.03, 1, noise=0), [0]
    )
    search.step(0)
    np.testing.assert_allclose(np.abs(search.picture - 0.5), 0.03, atol=1e-6)


def test_diversity_makes_pictures_for_the_same_thing_differ() -> None:
    from picasso.core.synthesis.diversity import gram

    model = small_model()
    layer = next(layer.name for layer in model.layers() if layer.spatial)

    def likeness(diversity: float) -> float:
        result = made(model, objective=f"{layer}:0", pictures=3, diversity=diversity, steps=40)
        assert pictures(result).captions[0].startswith(f"{layer}:0")
        found = model.activations(result.arrays["made"], [layer])[layer]
        grams = [gram(one) for one in found]
        return float(np.mean([np.vdot(grams[i], grams[j]) for i in range(3) for j in range(i)]))

    assert likeness(50.0) < likeness(0.0) - 0.02
    assert len(pictures(made(model, objective="0", pictures=2, diversity=1, steps=3)).pictures) >= 1
    with pytest.raises(SettingsError, match="pictures to be at least 2"):
        made(model, diversity=1)


def test_an_interpolation_goes_from_one_to_the_other() -> None:
    result = made(filters(), objective="conv:0@8,8 -> conv:1@8,8", between=4, steps=30, noise=0, **PLAIN)
    patches = [picture[5:12, 5:12].astype(float) for picture in pictures(result).pictures]
    courses = [alike(patch, KERNEL) for patch in patches]
    assert courses[0] > 0.7
    assert courses[-1] < -0.7
    assert courses == sorted(courses, reverse=True)
    assert "67% conv:0@8,8, 33% conv:1@8,8" in pictures(result).captions[1]


def test_both_signs_and_transparency() -> None:
    result = made(filters(), objective="conv:0", sign="both", transparency=True, steps=20, **PLAIN)
    assert [caption.split(":0")[0] for caption in pictures(result).captions] == ["conv", "less conv"]
    assert alike(*(picture.astype(float) for picture in pictures(result).pictures)) < 0
    unit = made(filters(), objective="conv:0@8,8", transparency=True, steps=20, **PLAIN)
    faded = next(panel for panel in unit.panels if panel.id == "transparent")
    assert isinstance(faded, Images)
    assert (faded.pictures[0][0, 0] == 255).all()  # the unit does not look there
    assert (faded.pictures[0][5:12, 5:12].min(axis=(0, 1)) < 128).all()
    assert unit.arrays["importance"].shape == (1, SIDE, SIDE)
    assert not unit.arrays["importance"][0, 0, 0]


# --- what cannot be made ---------------------------------------------------------------------------------------------


def test_a_dead_unit_is_said() -> None:
    for objective in ("relu:3", "conv:2"):
        with pytest.raises(
            NotSupportedError, match=f"Nothing moves '{objective}': its gradient is exactly zero at grey"
        ):
            made(filters(), objective=objective)
    result = made(filters(), objective="relu:3; conv:0")
    assert [caption.split(" ")[0] for caption in pictures(result).captions] == ["conv:0:"]
    assert "Nothing moves 'relu:3'" in said(result)
    assert np.isnan(result.arrays["course"][0]).all()


def test_a_unit_that_is_dead_at_grey_alone_is_found_with_more_noise() -> None:
    class Shy(Filters):
        def __init__(self) -> None:
            super().__init__()
            with torch.no_grad():
                self.conv.bias[0] = -3.0

    model = picasso.load_model(Shy(), preprocessing=picasso.Preprocessing(size=SIDE, mean=0.5, std=0.5))
    result = made(model, objective="relu:0@8,8", steps=40, robust=False, decorrelated=False, noise=0)
    assert float(result.arrays["grey"][0]) == 0
    assert float(result.arrays["reached"][0]) > 1


def test_a_rate_that_is_too_high_is_said_and_no_empty_picture_is_shown() -> None:
    class Peak(nn.Module):
        """Largest near grey: who steps far falls."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            near = -((x - 0.1) ** 2).mean((1, 2, 3))
            return torch.stack([near, -near], 1)

    model = picasso.load_model(Peak(), preprocessing=picasso.Preprocessing(size=SIDE, mean=0.5, std=0.5))
    with pytest.raises(
        SettingsError, match=r"rate must be lower here: no step raised 'class 0' above its value on grey"
    ):
        made(model, objective="0", rate=1000, steps=3)
    with pytest.raises(SettingsError, match=r"toward_grey must be lower, or the rate, here"):
        made(model, objective="0", rate=1000, steps=3, toward_grey=1)
    assert float(made(model, objective="0", rate=0.01, steps=40).arrays["reached"][0]) > -0.01


def test_what_has_no_answer_is_refused_with_the_reason() -> None:
    with pytest.raises(NotFoundError, match="no layer and no class 'nothing'"):
        made(filters(), objective="nothing")
    with pytest.raises(SettingsError, match="more than 64 pictures"):
        made(filters(), objective="conv:0..3; conv:0..3", pictures=16)
    function = picasso.load_model(lambda x: x.mean((1, 2)), preprocessing=READ)
    with pytest.raises(NotSupportedError, match=r"Feature visualization needs gradients, which this .* model lacks"):
        made(function)
    with pytest.raises(PictureError, match="looks at the model alone"):
        picasso.explain(filters(), np.zeros((8, 8, 3), np.uint8), "feature-visualization")


def test_a_cancel_takes_effect_between_two_steps_and_who_watches_sees_the_pictures_come() -> None:
    reports: list[int] = []

    def report(done: int, total: int, message: str) -> None:
        reports.append(done)
        if len(reports) == 70:
            raise CanceledError("enough")

    entry, shown = registry.visualization("feature-visualization"), []
    settings = read_settings(entry, {"objective": "a; b"})
    with pytest.raises(CanceledError):
        runner.run(filters(), None, entry, settings, report=report, show=shown.append)
    assert len(reports) == 70
    assert [panel.id for panel in shown] == ["made"] * 2
    assert not np.array_equal(shown[0].pictures[0], shown[1].pictures[0])


# --- real weights ----------------------------------------------------------------------------------------------------


def squeezenet(shared_data: Path) -> Model:
    return picasso.load_model(
        shared_data / "squeezenet11" / "squeezenet11_state_dict.pt",
        labels=shared_data / "squeezenet11" / "synset_words.txt",
        preprocessing=PREPROCESSING,
        factory=f"{Path(__file__).parents[1] / 'models' / 'squeezenet.py'}:SqueezeNet",
    )


def test_a_real_network_is_sure_of_the_picture_made_for_a_class(shared_data: Path) -> None:
    model = squeezenet(shared_data)
    result = made(model, objective="zebra; fire2:3", steps=40)
    assert re.search(r"probability ([5-9]\d|100)%", pictures(result).captions[0])
    assert float(result.arrays["reached"][0]) > 10 * float(result.arrays["grey"][0])
    pulled = model.pullback(result.arrays["made"][:1], [model.target(340)], (INPUT,))
    assert int(pulled.outputs["scores"][0].argmax()) == 340
    assert float(result.arrays["reached"][1]) > 3 * float(result.arrays["grey"][1])
