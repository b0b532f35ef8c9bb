"""How well numbers of pictures tell their classes apart, without any model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FOLDS = 5
_RIDGE = 1.0


def auc_of(features: NDArray[np.float64], labels: NDArray[np.int64], seed: int = 0) -> float:
    """Return the area under the ROC curve of a cross-validated linear probe, mean over the classes; 0.5 is chance.

    Args:
        features: (pictures, numbers).
        labels: Class of each picture, from 0, (pictures,).
        seed: Of the folds.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    # Dealing each class out in turn gives every fold its share of every class.
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    fold[order] = np.arange(len(labels)) % _FOLDS
    classes = [number for number in np.unique(labels) if _FOLDS <= (labels == number).sum() < len(labels)]
    wanted = (labels[:, None] == np.asarray(classes)).astype(np.float64)
    if not classes:
        return 0.5
    scores = np.zeros_like(wanted)
    for number in range(_FOLDS):
        held = fold == number
        scores[held] = _probe(features[~held], wanted[~held], features[held])
    return float(np.mean([_auc(scores[:, i], wanted[:, i] > 0) for i in range(len(classes))]))


def _probe(
    features: NDArray[np.float64], wanted: NDArray[np.float64], held: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Fit a ridge regression on numbers and their squares, and return what it says of the pictures held out."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    x, y = ((part - mean) / spread for part in (features, np.clip(held, mean - 5 * spread, mean + 5 * spread)))
    x, y = (np.column_stack([part, part**2 - 1]) for part in (x, y))
    weights = np.linalg.solve(x.T @ x + _RIDGE * np.eye(x.shape[1]), x.T @ (wanted - wanted.mean(axis=0)))
    said: NDArray[np.float64] = y @ weights
    return said


def _auc(scores: NDArray[np.float64], is_class: NDArray[np.bool_]) -> float:
    """Return the chance that a picture of the class has the higher score; ties count half."""
    from scipy.stats import rankdata

    ranks = rankdata(scores)
    ours = int(is_class.sum())
    return float((ranks[is_class].sum() - ours * (ours + 1) / 2) / (ours * (len(scores) - ours)))
