"""Saliency map and gradient x input against autograd and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import picasso
from tests.models.networks import Plain, seeded
from tests.visualizations.gradient_networks import PICTURE, SIZE, Flat, Line, X, explained, gradient, last


def test_saliency_is_the_largest_gradient_over_the_channels() -> None:
    attribution = explained(seeded(Plain), "saliency-map")
    np.testing.assert_allclose(attribution.values, np.abs(gradient(1)).max(2), atol=1e-7)
    assert attribution.sign == "unsigned"
    assert attribution.units == "|change in logit per unit of input|"


def test_saliency_summed_or_by_channel_keeps_the_sign() -> None:
    summed = explained(seeded(Plain), "saliency-map", reduction="sum")
    np.testing.assert_allclose(summed.values, gradient(1).sum(2), atol=1e-7)
    each = explained(seeded(Plain), "saliency-map", reduction="none")
    np.testing.assert_allclose(each.values, gradient(1), atol=1e-7)
    assert each.sign == summed.sign == "signed"


def test_of_a_linear_model() -> None:
    line = Line()
    np.testing.assert_allclose(explained(line, "saliency-map", reduction="none").values, line.weights(1), atol=1e-7)
    product = explained(line, "gradient-times-input").values
    np.testing.assert_allclose(product, (line.weights(1) * last(X[0])).sum(2), atol=1e-6)


def test_gradient_times_input() -> None:
    product = explained(seeded(Plain), "gradient-times-input", reduction="none")
    np.testing.assert_allclose(product.values, gradient(1) * last(X[0]), atol=1e-6)
    assert product.units == "logit by the linear term"


def test_gradient_times_input_of_a_network_without_biases_adds_up_to_the_score() -> None:
    network = seeded(Plain)
    for name, weight in network.named_parameters():
        if name.endswith("bias"):
            weight.data.zero_()
    network.bn.running_mean.zero_()
    attribution = explained(network, "gradient-times-input")
    assert attribution.values.sum() == pytest.approx(attribution.score, rel=1e-4)


@pytest.mark.parametrize("name", ["saliency-map", "gradient-times-input", "smooth-grad", "integrated-gradients"])
def test_a_saturated_score_is_said_to_be_saturated(name: str) -> None:
    attribution = explained(Flat(), name, target=0)
    assert not attribution.values.any()
    assert "saturation" in attribution.notes[0]


def test_an_input_of_zeros_is_said_to_be_no_saturation() -> None:
    plain = picasso.load_model(seeded(Plain), preprocessing=picasso.Preprocessing(size=24))
    result = picasso.explain(plain, np.zeros_like(PICTURE), "gradient-times-input", target=1)
    assert isinstance(result, picasso.Result)
    assert result.attributions[0].notes == ("The network's input is zero wherever the gradient is not.",)


def test_the_settings_that_moved_out_are_gone() -> None:
    for name in ("times_input", "relu"):
        with pytest.raises(picasso.PicassoError, match=f"no setting '{name}'"):
            picasso.explain(picasso.load_model(Line(), preprocessing=SIZE), PICTURE, "saliency-map", **{name: True})
