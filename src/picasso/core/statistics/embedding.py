"""Codes of many pictures laid out in a plane, and which of them are nearest to each other."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import NotSupportedError
from picasso.core.preprocessing import Array

_ROWS = 512
"""Pictures that are compared with all others at a time."""
_EVERY = 25
"""Steps of t-SNE from one report to the next."""
_EARLY, _LATE = 250, 500
"""Steps of t-SNE: exaggerated ones, in which groups find each other, and plain ones."""

Report = Callable[[int, int], None]
Sketch = Callable[[Array], None]


def principal_axes(codes: Array, count: int = 2) -> tuple[Array, NDArray[np.float64]]:
    """Lay codes out along the directions in which they differ most.

    Args:
        codes: float32 (n, numbers).
        count: How many directions.

    Returns:
        float32 (n, count), and the share of the variance along each direction, (count,). Each direction's sign is such
        that its largest weight is positive, since the sign is arbitrary.

    References:
        Pearson 1901, On lines and planes of closest fit, doi:10.1080/14786440109462720.
    """
    from scipy.linalg import eigh

    centered = codes.astype(np.float64) - codes.mean(axis=0, dtype=np.float64)
    wide = centered.shape[1] > len(centered)
    # The smaller of two matrices that have the same eigenvalues: a flattened layer has tens of thousands of numbers.
    square = centered @ centered.T if wide else centered.T @ centered
    values, vectors = eigh(square, subset_by_index=(max(len(square) - count, 0), len(square) - 1), overwrite_a=True)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    axes = centered.T @ vectors if wide else vectors
    turned = np.where(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])] < 0, -1, 1)
    along = vectors * np.sqrt(values) if wide else centered @ vectors
    found, shares = np.zeros((len(codes), count), np.float32), np.zeros(count)
    found[:, : len(values)] = along * turned
    shares[: len(values)] = values / (np.square(centered).sum() or 1.0)
    return found, shares


def tsne(codes: Array, perplexity: float, seed: int, report: Report, sketch: Sketch) -> Array:
    """Lay codes out so that neighbors stay neighbors, float32 (n, 2).

    Args:
        codes: float32 (n, numbers).
        perplexity: About how many neighbors each has; less where there are few pictures.
        seed: Of everything random.
        report: Called with steps done and their number; it may raise CanceledError.
        sketch: Called with the layout so far.

    Raises:
        NotSupportedError: openTSNE is not installed, or there is no angle between any two codes.

    References:
        van der Maaten and Hinton 2008; Kobak and Berens 2019, doi:10.1038/s41467-019-13056-x (start and exaggeration).
    """
    try:
        from openTSNE import TSNE
    except ImportError:
        raise _lacking("t-SNE", "openTSNE") from None
    unit = _unit(codes)
    if (unit == unit[0]).all():
        raise NotSupportedError("t-SNE has nothing to lay out: all codes point the same way.", "Choose another layer.")
    done = 0

    def step(iteration: int, error: float, embedding: Any) -> None:
        nonlocal done
        done += _EVERY
        sketch(np.asarray(embedding, np.float32))
        report(done, _EARLY + _LATE)

    search = TSNE(
        perplexity=min(perplexity, (len(codes) - 1) / 3),
        metric="euclidean",
        initialization="pca",
        early_exaggeration_iter=_EARLY,
        n_iter=_LATE,
        random_state=seed,
        callbacks=step,
        callbacks_every_iters=_EVERY,
        n_jobs=1,  # more threads add up in another order each time
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies
        return np.asarray(search.fit(unit), np.float32)


def umap(codes: Array, neighbors: int, seed: int) -> Array:
    """Lay codes out so that neighbors stay neighbors and groups keep something of their distances, float32 (n, 2).

    Args:
        codes: float32 (n, numbers).
        neighbors: How many neighbors each has; less where there are few pictures.
        seed: Of everything random.

    Raises:
        NotSupportedError: umap-learn is not installed.

    References:
        McInnes, Healy and Melville 2018, arXiv:1802.03426.
    """
    with _without_tensorflow():
        try:
            from umap import UMAP
        except ImportError:
            raise _lacking("UMAP", "umap-learn") from None
        search = UMAP(n_neighbors=min(neighbors, len(codes) - 1), metric="cosine", random_state=seed, n_jobs=1)
        return np.asarray(search.fit_transform(codes), np.float32)


@contextmanager
def _without_tensorflow() -> Iterator[None]:
    """Keep umap-learn from loading TensorFlow for a variant of its own that is not used here."""
    name = "umap.parametric_umap"
    known = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]  # what Python documents for a module that must not be found
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        del sys.modules[name]
        if known is not None:
            sys.modules[name] = known


def _lacking(what: str, package: str) -> NotSupportedError:
    return NotSupportedError(f"{what} needs {package}.", "pip install 'picasso[embedding]'")


def nearest_neighbors(codes: Array, count: int) -> tuple[NDArray[np.int32], Array]:
    """Find the nearest other codes of each, by the cosine of their angle; exact.

    Args:
        codes: float32 (n, numbers).
        count: How many; fewer where there are fewer others.

    Returns:
        int32 (n, count), the nearest first, equal ones by number; and their cosines, float32 (n, count). A code of
        zeros has cosine 0 with every other.
    """
    count = min(count, len(codes) - 1)
    unit = _unit(codes)
    places = np.zeros((len(codes), count), np.int32)
    cosines = np.zeros((len(codes), count), np.float32)
    for start in range(0, len(codes), _ROWS):
        alike = unit[start : start + _ROWS] @ unit.T
        rows = np.arange(len(alike))
        alike[rows, start + rows] = -np.inf  # not itself
        order = np.argsort(-alike, axis=1, kind="stable")[:, :count]
        places[start : start + len(alike)] = order
        cosines[start : start + len(alike)] = np.take_along_axis(alike, order, axis=1)
    return places, cosines


def _unit(codes: Array) -> Array:
    """Return codes of length 1, so that distances are those of angles; codes of zeros stay so."""
    lengths = np.linalg.norm(codes.astype(np.float64), axis=1, keepdims=True)
    unit: Array = np.divide(codes, lengths, out=np.zeros(codes.shape), where=lengths > 0).astype(np.float32)
    return unit
