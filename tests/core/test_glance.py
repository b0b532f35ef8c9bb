"""A glance holds the numbers that picasso.explain gives for the same picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import picasso
from picasso.core import registry
from picasso.core.errors import NotSupportedError, SettingsError, TargetError
from picasso.core.glance import Glance, glance
from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.pictures.images import Picture, read_picture
from picasso.core.preprocessing import Preprocessing
from picasso.demo.scene import Scene, render

PICTURE = read_picture(render(Scene(seed=3, kind="tank", cloudiness=0.6)).pixels)


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("demo:tank-honest")


def look(model: Model, name: str, picture: Picture = PICTURE, **more: Any) -> Glance:
    entry = registry.visualization(name, [])
    return glance(model, picture, entry, entry.load().settings_type.read(more.pop("settings", {})), **more)


@pytest.mark.parametrize("name", ["grad-cam", "saliency-map", "gradient-times-input", "partial-occlusion"])
@pytest.mark.parametrize("target", [None, "decoy", "tank - decoy"])
def test_the_map_is_that_of_explain_exactly(model: Model, name: str, target: str | None) -> None:
    settings: dict[str, Any] = {"window": 32, "stride": 32} if name == "partial-occlusion" else {}
    found = look(model, name, target=target, settings=settings)
    result = picasso.explain(model, PICTURE, name, target=target, top=1, cache=False, **settings)
    assert isinstance(result, picasso.Result)
    np.testing.assert_array_equal(found.values, result.attributions[0].flat())
    assert found.score == result.attributions[0].score
    assert (found.subject, found.units, found.sign) == (
        result.targets[0].label, result.attributions[0].units, result.attributions[0].sign,
    )  # fmt: skip
    assert found.classes == result.predictions[:5]
    assert found.explained == (None if target == "tank - decoy" else result.targets[0].index)
    assert found.frame == result.panels[0].frame  # type: ignore[attr-defined]
    assert found.size == model.input_shape[:2]


def test_a_layer_is_one_channel_or_the_mean_size_of_all(model: Model) -> None:
    maps = model.activations(model.prepare(PICTURE).x, ["relu4"])["relu4"][0]
    one = look(model, "activations", settings={"layer": "relu4"}, channel=5)
    np.testing.assert_allclose(one.values, maps[..., 5], rtol=1e-5, atol=1e-6)
    assert (one.subject, one.units, one.explained) == ("relu4, channel 5", "activation", None)
    mean = look(model, "activations", settings={"layer": "relu4"})
    np.testing.assert_allclose(mean.values, np.abs(maps).mean(axis=-1), rtol=1e-5, atol=1e-6)
    assert (mean.subject, mean.sign) == ("relu4", "unsigned")
    assert mean.limits == pytest.approx((0, mean.values.max()))


def test_a_layer_of_both_signs_keeps_its_scale_around_zero(model: Model) -> None:
    found = look(model, "activations", settings={"layer": "conv2"}, channel=0)
    assert found.sign == "signed"
    assert found.limits[0] == -found.limits[1]


def test_an_explained_class_is_told_though_it_is_not_among_the_best(model: Model) -> None:
    best, other = look(model, "grad-cam").classes
    assert look(model, "grad-cam", top=1).classes == (best,)
    assert look(model, "grad-cam", top=1, target=other.index).classes == (best, other)


def test_a_glance_counts_nothing_in_other_layers(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    original = type(model).activations

    def watched(self: Model, x: Any, layers: Any) -> Any:
        asked.extend(layers)
        return original(self, x, layers)

    monkeypatch.setattr(type(model), "activations", watched)
    look(model, "activations", settings={"layer": "relu4", "depth": True, "zeroed": 8})
    assert set(asked) <= {"relu4"}


def test_it_can_be_stopped(model: Model) -> None:
    def stop(done: int, total: int, message: str) -> None:
        raise NotSupportedError("Enough.")

    with pytest.raises(NotSupportedError, match="Enough"):
        look(model, "score-cam", report=stop)


def test_what_gives_no_map_of_a_picture_is_refused(model: Model) -> None:
    with pytest.raises(NotSupportedError, match="gives no map"):
        look(model, "class-probabilities")
    with pytest.raises(SettingsError, match=r"channel must be in 0\.\.\d+ for relu4. Got 9999"):
        look(model, "activations", settings={"layer": "relu4"}, channel=9999)
    with pytest.raises(SettingsError, match="no channels"):
        look(model, "grad-cam", channel=1)
    with pytest.raises(TargetError, match="no class"):
        look(model, "grad-cam", target="aircraft")


def test_a_model_of_clips_is_refused() -> None:
    def flash(x: Any) -> Any:
        return x.mean(axis=(2, 3, 4)) @ np.ones((4, 2), np.float32)

    clips = load_model(flash, frames=4, preprocessing=Preprocessing(size=8))
    with pytest.raises(NotSupportedError, match="clips of 4 frames"):
        look(clips, "partial-occlusion")


@pytest.mark.parametrize("name", ["demo:segmenter", "demo:detector"])
def test_segmenters_and_detectors_are_looked_at_as_a_whole(name: str) -> None:
    model = load_model(name)
    found = look(model, "grad-cam")
    result = picasso.explain(model, PICTURE, "grad-cam", top=1, cache=False)
    assert isinstance(result, picasso.Result)
    np.testing.assert_array_equal(found.values, result.attributions[0].flat())
    assert found.certainty == result.record["certainty"]
