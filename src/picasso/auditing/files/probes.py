"""Cross-validated probes: how well one fact, or all together, tells classes apart, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

Numbers = NDArray[np.float64]
Labels = NDArray[np.int64]

FOLDS = 5
"""Each picture is scored by a probe that has learned from four fifths of the others."""
BINS = 10
"""Of a number, equally filled: fine enough for any relation, coarse enough to be learned from fifty pictures."""
PRIOR = 2.0
"""Pictures of each class that are taken to lie as all pictures do, before any is seen."""
PENALTY = 1.0
"""On the squares of the joint probe's weights, beside the sum of the log-losses."""
COMMON = 0.02
"""Share of the pictures from which on a word has a weight of its own in the joint probe."""
_TINY = 1e-9


@dataclass(frozen=True)
class Area:
    """Area under the ROC curve, mean over the classes, each against the others.

    Args:
        value: 0..1; 0.5 is chance.
        low, high: Ends of its interval.
        by_class: Of each class.
    """

    value: float
    low: float
    high: float
    by_class: tuple[float, ...]


def folds(labels: Labels, seed: int, count: int = FOLDS) -> Labels:
    """Return the fold of each picture, 0..count - 1, so that each has as many of every class.

    Args:
        labels: (n,).
        seed: Draws who comes into which.
        count: How many.
    """
    random = np.random.default_rng(seed)
    drawn = random.permutation(len(labels))
    fold = np.empty(len(labels), np.int64)
    place = 0
    for label in np.unique(labels):
        members = drawn[labels[drawn] == label]
        fold[members] = (place + np.arange(len(members))) % count
        place += len(members)
    return fold


def area(scores: Numbers, positive: NDArray[np.bool_]) -> float:
    """Return the share of pairs (positive, other) in which the positive has the larger score; ties count half.

    Args:
        scores: (n,).
        positive: (n,), both kinds among them.
    """
    ranks = stats.rankdata(scores)
    many, others = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * others))


def area_interval(value: float, many: int, others: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of an area under the ROC curve.

    Its ends are the areas from which the one that was found is just so far away as chance allows, with the variance
    that they would have themselves; so it has a width at 1, too, where DeLong's has none.

    Args:
        value: The area, 0..1.
        many, others: On how many pictures of the class and of others.
        level: Of the two-sided interval.

    References:
        Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747; Newcombe 2006, doi:10.1002/sim.2324, method 5.
    """
    z = float(stats.norm.ppf((1 + level) / 2))
    more = (many + others) / 2 - 1

    def beyond(end: float) -> float:
        variance = end * (1 - end) / (many * others) * (1 + more * ((1 - end) / (2 - end) + end / (1 + end)))
        return float((value - end) ** 2 - z * z * variance)

    # At the area itself the distance is below its variance, or both are zero: there a bracket begins just beside it.
    low = optimize.brentq(beyond, 0, value - _TINY) if value > 2 * _TINY else 0.0
    high = optimize.brentq(beyond, value + _TINY, 1) if value < 1 - 2 * _TINY else 1.0
    return float(low), float(high)


def areas(scores: Numbers, labels: Labels, level: float = 0.95) -> Area:
    """Return how well scores tell each class from the others.

    Args:
        scores: (n, classes).
        labels: (n,), of two classes at least.
        level: Of the interval. That of the mean is the mean of the classes' own: they rest on the same pictures.
    """
    present = np.unique(labels)
    asked = present[1:] if len(present) == 2 else present  # with two classes both areas are one
    found, lows, highs = [], [], []
    for label in asked:
        positive = labels == label
        found.append(area(scores[:, label], positive))
        low, high = area_interval(found[-1], int(positive.sum()), int((~positive).sum()), level)
        lows.append(low)
        highs.append(high)
    by_class = np.full(scores.shape[1], 0.5)
    by_class[present] = found[0] if len(present) == 2 else found
    return Area(float(np.mean(found)), float(np.mean(lows)), float(np.mean(highs)), tuple(by_class.tolist()))


def number_probe(values: Numbers, labels: Labels, classes: int, fold: Labels) -> Numbers:
    """Score each picture by how often each class has such a number, as learned from the other folds.

    The numbers fall into equally filled bins, so that any relation counts, a monotone one or not.

    Args:
        values: (n,); NaN where there is none, which is a bin of its own.
        labels: (n,).
        classes: How many there are.
        fold: (n,), from `folds`.

    Returns:
        (n, classes): logarithm of how much likelier such a number is in the class than in the others.
    """
    scores = np.zeros((len(values), classes))
    for train, test in _splits(fold):
        known = values[train][np.isfinite(values[train])]
        distinct = np.unique(known)
        # A number that hardly any other has would lie alone in a bin: with few of them each has its own.
        edges = distinct if len(distinct) <= BINS else np.unique(np.quantile(known, np.arange(1, BINS) / BINS))
        edges = edges if len(edges) else np.zeros(1)
        bins = np.where(np.isfinite(values), np.searchsorted(edges, values, "right"), len(edges) + 1)
        scores[test] = _likelier(bins, labels, classes, train, test)
    return scores


def word_probe(words: Sequence[str], labels: Labels, classes: int, fold: Labels) -> Numbers:
    """Score each picture by how often each class has its word, as learned from the other folds. See `number_probe`."""
    _, codes = np.unique(np.asarray(words, dtype=object).astype(str), return_inverse=True)
    scores = np.zeros((len(words), classes))
    for train, test in _splits(fold):
        scores[test] = _likelier(codes, labels, classes, train, test)
    return scores


def joint_probe(
    numbers: Sequence[Numbers], words: Sequence[Sequence[str]], labels: Labels, classes: int, fold: Labels
) -> Numbers:
    """Score each picture by all facts together: logistic regression, learned from the other folds.

    Args:
        numbers: Facts that are numbers, (n,) each; NaN where there is none.
        words: Facts that are words, n each.
        labels: (n,).
        classes: How many there are.
        fold: (n,), from `folds`.

    Returns:
        (n, classes): logarithm of each class's probability.
    """
    features = _features(numbers, words, len(labels))
    scores = np.zeros((len(labels), classes))
    for train, test in _splits(fold):
        mean, spread = features[train].mean(axis=0), features[train].std(axis=0)
        scaled = np.clip((features - mean) / np.where(spread > 0, spread, 1), -4, 4)
        weights = logistic(scaled[train], labels[train], classes)
        scores[test] = special.log_softmax(_with_one(scaled[test]) @ weights, axis=1)
    return scores


def logistic(features: Numbers, labels: Labels, classes: int, penalty: float = PENALTY) -> Numbers:
    """Fit a logistic regression of many classes with a penalty of penalty / 2 on each square of a weight.

    Args:
        features: (n, f), each of about unit spread.
        labels: (n,).
        classes: How many there are.
        penalty: Beside the sum of the log-losses. The intercepts have none.

    Returns:
        (f + 1, classes), the intercepts last.
    """
    inputs, wanted = _with_one(features), np.eye(classes)[labels]
    shape = (inputs.shape[1], classes)

    def loss(flat: Numbers) -> tuple[float, Numbers]:
        weights = flat.reshape(shape)
        logs = special.log_softmax(inputs @ weights, axis=1)
        gradient = inputs.T @ (np.exp(logs) - wanted)
        gradient[:-1] += penalty * weights[:-1]
        value = -(logs * wanted).sum() + penalty / 2 * (weights[:-1] ** 2).sum()
        return float(value), gradient.reshape(-1)

    found = optimize.minimize(loss, np.zeros(shape).reshape(-1), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    fitted: Numbers = np.asarray(found.x, np.float64).reshape(shape)
    return fitted


def _splits(fold: Labels) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    for number in np.unique(fold):
        yield fold != number, fold == number


def _likelier(
    codes: Labels, labels: Labels, classes: int, train: NDArray[np.bool_], test: NDArray[np.bool_]
) -> Numbers:
    """Return log P(code | class) - log P(code | other classes) of the tested pictures, (tested, classes)."""
    counts = np.zeros((classes, int(codes.max()) + 1))
    np.add.at(counts, (labels[train], codes[train]), 1)
    total, of_class = counts.sum(axis=0), counts.sum(axis=1, keepdims=True)
    usual = total / total.sum()
    own = (counts + PRIOR * usual) / (of_class + PRIOR)
    rest = (total - counts + PRIOR * usual) / (total.sum() - of_class + PRIOR)
    ratio = np.divide(own, rest, out=np.ones_like(own), where=total > 0)  # what was never seen speaks for none
    found: Numbers = np.log(ratio)[:, codes[test]].T
    return found


def _features(numbers: Sequence[Numbers], words: Sequence[Sequence[str]], count: int) -> Numbers:
    """Lay all facts side by side, (n, f): ranks of numbers, whether there is one, whether a picture has a word."""
    columns = []
    for values in numbers:
        known = np.isfinite(values)
        ranks = np.full(count, 0.5)
        ranks[known] = stats.rankdata(values[known]) / max(int(known.sum()), 1)
        columns.append(ranks)
        if not known.all():
            columns.append(known.astype(np.float64))
    for fact in words:
        texts = np.asarray(fact, dtype=object).astype(str)
        found, counts = np.unique(texts, return_counts=True)
        columns += [(texts == word).astype(np.float64) for word in found[counts >= max(2, COMMON * count)]]
    return np.stack(columns, axis=1) if columns else np.zeros((count, 0))


def _with_one(features: Numbers) -> Numbers:
    return np.concatenate([features, np.ones((len(features), 1))], axis=1)
