"""Maps of networks in PyTorch against Xplique's and tf-keras-vis's of the same weights in Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import zoom

import picasso
from tests.oracle import arrays
from tests.oracle.scene import PHOTO, network
from tests.visualizations.test_activation_maps import INPUT, native, opened, parts

PIXELS = torch.from_numpy(PHOTO.transpose(2, 0, 1) / np.float32(255))[None]
XPLIQUE, TF_KERAS_VIS = arrays("xplique"), arrays("tf_keras_vis")


def keys(theirs: dict[str, np.ndarray], *methods: str) -> list[str]:
    return [key for key in theirs if key.split("/")[0] in methods and not key.endswith("masks")]


def agree(found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-4) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def ours(key: str, given: Any = INPUT[0], **choices: Any) -> np.ndarray:
    """Return Picasso's map of the network and class that a key names."""
    method, name, target = key.split("/")
    result = picasso.explain(opened(network(name)), given, method, target=int(target), cache=False, **choices)
    assert isinstance(result, picasso.Result)
    return result.attributions[0].values


def of_layer(key: str) -> np.ndarray:
    method, place, target = key.split("/")
    name, _, layer = place.partition(".")
    return native(network(name), method, layer=layer, target=int(target))


def asked_parts(key: str) -> tuple[np.ndarray, np.ndarray]:
    _, place, target = key.split("/")
    name, _, layer = place.partition(".")
    return parts(network(name), layer, int(target))


def divided(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return the quotient, and 0 where nothing is divided."""
    return np.divide(above, below, out=np.zeros_like(above), where=above != 0)


def test_all_were_asked() -> None:
    assert len(XPLIQUE) == 2 * 2 * (6 + 2 * 2) + 2
    assert len(TF_KERAS_VIS) == 2 * 2 * (1 + 4 * 2)


@pytest.mark.parametrize("key", keys(XPLIQUE, "saliency-map"))
def test_saliency_is_xpliques(key: str) -> None:
    agree(ours(key), XPLIQUE[key][..., 0])


@pytest.mark.parametrize("key", keys(TF_KERAS_VIS, "saliency-map"))
def test_saliency_is_that_of_tf_keras_vis(key: str) -> None:
    agree(ours(key), TF_KERAS_VIS[key].max(axis=2))


@pytest.mark.parametrize("key", keys(XPLIQUE, "gradient-times-input", "guided-backpropagation", "deconvnet"))
def test_gradients_are_xpliques(key: str) -> None:
    agree(ours(key, reduction="none"), XPLIQUE[key])


@pytest.mark.parametrize("key", keys(XPLIQUE, "integrated-gradients"))
def test_the_integral_is_xpliques(key: str) -> None:
    """Its 50 points are those of the trapezoid rule, both ends among them."""
    found = ours(key, PHOTO, reduction="none", baselines="black", rule="trapezoid", steps=50, max_steps=50)
    agree(found, XPLIQUE[key])


@pytest.mark.parametrize("key", keys(XPLIQUE, "partial-occlusion"))
def test_occlusion_differs_by_the_number_of_windows(key: str) -> None:
    """Theirs adds the windows over a pixel up, so that the middle outweighs the rim; ours is their mean."""
    once = np.array([sum(start <= place < start + 8 for start in range(0, 25, 4)) for place in range(32)])
    found = ours(key, PHOTO, window=8, stride=4, fill="black")
    agree(found * np.outer(once, once), XPLIQUE[key][..., 0])


def test_rise_differs_by_what_the_sum_is_divided_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """Theirs divides by how much each pixel was seen, the paper by how much it is expected to be."""
    from picasso.visualizations import rise

    key = "rise/plain/1"
    masks = XPLIQUE[f"{key}/masks"]
    monkeypatch.setattr(rise, "draw_masks", lambda *_: iter([masks]))
    choices = {"masks": len(masks), "kept": 0.4, "fill": "black", "score": "logit"}
    paper = ours(key, PHOTO, debiased=False, **choices)
    agree(paper * len(masks) * 0.4 / masks.sum(axis=0), XPLIQUE[key][..., 0])
    scores = network("plain")(PIXELS * torch.from_numpy(masks)[:, None])[:, 1].double().numpy()
    hidden = np.tensordot(scores, 1 - masks, 1) / (1 - masks).sum(axis=0)
    agree(ours(key, PHOTO, **choices) + hidden, XPLIQUE[key][..., 0])


@pytest.mark.parametrize("key", keys(XPLIQUE, "grad-cam"))
def test_grad_cam_is_xpliques(key: str) -> None:
    agree(of_layer(key).clip(min=0), XPLIQUE[key])


@pytest.mark.parametrize("key", keys(TF_KERAS_VIS, "grad-cam", "layer-cam"))
def test_grad_cam_and_layer_cam_are_those_of_tf_keras_vis(key: str) -> None:
    agree(of_layer(key).clip(min=0), TF_KERAS_VIS[key])


@pytest.mark.parametrize("key", keys(XPLIQUE, "grad-cam-plus-plus"))
def test_grad_cam_plus_plus_of_xplique_has_a_mean_where_the_paper_has_a_sum(key: str) -> None:
    features, gradient = asked_parts(key)
    maps = []
    for over_places in (features.mean(axis=(1, 2), keepdims=True), features.sum(axis=(1, 2), keepdims=True)):
        alpha = divided(gradient**2, 2 * gradient**2 + over_places * gradient**3)
        weighted = alpha * gradient.clip(min=0)
        maps.append(np.einsum("k,khw->hw", weighted.sum(axis=(1, 2)), features))
    agree(XPLIQUE[key] * features[0].size, maps[0].clip(min=0))  # and the mean of what is weighted
    agree(of_layer(key), maps[1])


@pytest.mark.parametrize("key", keys(TF_KERAS_VIS, "grad-cam-plus-plus"))
def test_grad_cam_plus_plus_of_tf_keras_vis_scales_each_channel(key: str) -> None:
    """Theirs makes each channel's alphas add up to one, and multiplies by the exponential of the score."""
    features, gradient = asked_parts(key)
    name, target = key.split("/")[1].partition(".")[0], int(key.split("/")[2])
    score = float(network(name)(INPUT)[0, target])
    alpha = divided(gradient**2, 2 * gradient**2 + features.sum(axis=(1, 2), keepdims=True) * gradient**3)
    rising = (alpha * gradient.clip(min=0)).sum(axis=(1, 2))
    scaled = divided(rising, alpha.sum(axis=(1, 2))) * np.exp(score)
    agree(TF_KERAS_VIS[key], np.einsum("k,khw->hw", scaled, features).clip(min=0))
    agree(of_layer(key), np.einsum("k,khw->hw", rising, features))


@pytest.mark.parametrize("key", keys(TF_KERAS_VIS, "score-cam"))
def test_score_cam_of_tf_keras_vis_weighs_by_probabilities(key: str) -> None:
    """Theirs weighs by the probability of the class; ours, as the paper, by the softmax of the scores over channels."""
    features, _ = asked_parts(key)
    name, target = key.split("/")[1].partition(".")[0], int(key.split("/")[2])
    scale = INPUT.shape[-1] // features.shape[-1]
    large = np.stack([zoom(one.astype(np.float32), scale, order=1, mode="nearest") for one in features])
    low, high = large.min(axis=(1, 2), keepdims=True), large.max(axis=(1, 2), keepdims=True)
    masks = (large - low) / (high - low + 1e-7)
    with torch.no_grad():
        scores = network(name)(INPUT * torch.from_numpy(masks)[:, None]).double()
    agree(TF_KERAS_VIS[key], np.einsum("k,khw->hw", scores.softmax(1)[:, target], features).clip(min=0))
    if scale == 1:  # otherwise ours is enlarged about the centers of the cells
        agree(of_layer(key), np.einsum("k,khw->hw", scores[:, target].softmax(0), features))
