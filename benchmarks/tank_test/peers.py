"""What others do to find a wrong reason, run for real on the same models and pictures; each gives one score."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from benchmarks.tank_test import spray
from benchmarks.tank_test.networks import TinyViT
from benchmarks.tank_test.training import answers, tensor
from picasso.demo.planted.scenes import Scenes

VERSION = 3
TITLES = {
    "grad-cam": "Grad-CAM, mass outside the object",
    "gradient-input": "Gradient x input, mass outside the object",
    "spray": "SpRAy (zennit and CoRelAy), largest eigengap",
    "probe": "Data-only probe of the background",
    "erased": "Erasing the object: what is left above chance",
    "context": "Context swap without sham",
    "errors": "Share of wrong answers",
}


def compared(network: nn.Module, drawn: Scenes) -> dict[str, float]:
    """Scores of all peers; the higher, the more suspect.

    Args:
        network: the model.
        drawn: the pictures of the audit; peers that need masks get the true ones.
    """
    base = answers(network, drawn.pixels)
    accuracy = float((base == drawn.labels).mean())
    erased = float((answers(network, without_objects(drawn)) == drawn.labels).mean())
    swapped = float((answers(network, in_other_contexts(drawn)) == drawn.labels).mean())
    cam, raw = heat(network, drawn.pixels, base)
    relevant = spray.relevance(network, drawn.pixels, base)
    return {
        "grad-cam": _outside(cam, drawn.masks),
        "gradient-input": _outside(np.abs(raw), drawn.masks),
        "spray": max(spray.eigengap(relevant[base == answer]) for answer in np.unique(base)),
        "probe": probe(drawn),
        "erased": erased - 1 / len(drawn.classes),
        "context": accuracy - swapped,
        "errors": 1 - accuracy,
    }


def heat(
    network: nn.Module, pixels: npt.NDArray[np.uint8], targets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Grad-CAM and gradient times input of the class that is answered, (n, 64, 64) each."""
    tokens = isinstance(network, TinyViT)
    if isinstance(network, TinyViT):
        layer: nn.Module = network.blocks[-1]
    else:
        pool = next(i for i, part in enumerate(network.children()) if isinstance(part, nn.AdaptiveAvgPool2d))
        layer = list(network.children())[pool - 1]
    kept: list[torch.Tensor] = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(output))
    cams, raws = [], []
    try:
        for start in range(0, len(pixels), 50):
            kept.clear()
            x = tensor(pixels[start : start + 50]).requires_grad_()
            scores = network(x)
            chosen = torch.from_numpy(targets[start : start + 50])
            total = scores.gather(1, chosen[:, None]).sum()
            # What a token of the last block holds reaches the score only through the mean: equal derivatives.
            slope, back = torch.autograd.grad(total, [kept[0], x])
            values = kept[0].detach()
            if tokens:
                n, _, width = values.shape
                values = values.transpose(1, 2).reshape(n, width, 8, 8)
                slope = slope.transpose(1, 2).reshape(n, width, 8, 8)
            cam = (values * slope.mean((2, 3), keepdim=True)).sum(1, keepdim=True).relu()
            cams.append(nn.functional.interpolate(cam, size=x.shape[-2:], mode="bilinear")[:, 0].numpy())
            raws.append((back * x.detach()).sum(1).numpy())
    finally:
        handle.remove()
    return np.concatenate(cams), np.concatenate(raws)


def probe(drawn: Scenes) -> float:
    """How well the background alone tells the classes, without any model: a linear probe's cross-validated AUC.

    It sees color and contrast of what of each cell of a grid is background, the frame, and the finest detail. A filled
    hole would show the object's outline, so that every background would tell the class.
    """
    pixels = drawn.pixels.astype(np.float32)
    n, side = len(pixels), pixels.shape[1]
    seen = ~np.stack([ndimage.binary_dilation(mask, iterations=3) for mask in drawn.masks])
    fine = np.abs(pixels - ndimage.gaussian_filter(pixels, (0, 1, 1, 0))).mean(-1)
    frame = np.zeros((side, side), np.bool_)
    frame[:2], frame[-2:], frame[:, :2], frame[:, -2:] = True, True, True, True
    features = np.array([_background(*one, frame) for one in zip(pixels, seen, fine, strict=True)]).reshape(n, -1)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = cross_val_predict(model, features, drawn.labels, cv=folds, method="predict_proba")
    if len(drawn.classes) == 2:
        return float(roc_auc_score(drawn.labels, found[:, 1]))
    return float(roc_auc_score(drawn.labels, found, multi_class="ovr"))


def _background(
    picture: npt.NDArray[np.float32],
    seen: npt.NDArray[np.bool_],
    fine: npt.NDArray[np.float32],
    frame: npt.NDArray[np.bool_],
    cells: int = 4,
) -> list[float]:
    """What the probe sees of one picture; a cell without background is as the whole background."""
    whole = picture[seen]
    found = [*picture[frame & seen].mean(0), fine[seen].mean()]
    step = len(picture) // cells
    for top in range(0, len(picture), step):
        for left in range(0, len(picture), step):
            at = (slice(top, top + step), slice(left, left + step))
            part = picture[at][seen[at]]
            part = part if len(part) > step else whole
            found += [*part.mean(0), part.std(0).mean()]
    return found


def without_objects(drawn: Scenes) -> npt.NDArray[np.uint8]:
    """The pictures with their objects smeared over by what surrounds them."""
    erased = drawn.pixels.copy()
    for picture, mask in zip(erased, drawn.masks, strict=True):
        hidden = ndimage.binary_dilation(mask, iterations=2)
        nearest = ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
        picture[:] = picture[nearest[0], nearest[1]]
    return erased


def in_other_contexts(drawn: Scenes, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Every object on the emptied background of a picture of another class."""
    rng = np.random.default_rng(seed)
    behind = without_objects(drawn)
    swapped = np.empty_like(behind)
    for i, (label, mask) in enumerate(zip(drawn.labels, drawn.masks, strict=True)):
        other = rng.choice(np.flatnonzero(drawn.labels != label))
        swapped[i] = np.where(mask[..., None], drawn.pixels[i], behind[other])
    return swapped


def _outside(maps: npt.NDArray[np.float32], masks: npt.NDArray[np.bool_]) -> float:
    total = maps.sum((1, 2))
    some = total > 1e-12
    return float(((maps * ~masks).sum((1, 2))[some] / total[some]).mean()) if some.any() else 0.0
