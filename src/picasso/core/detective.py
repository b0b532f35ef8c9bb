"""The preprocessing detective: which of the usual conventions a model's inputs seem to follow.

A network that is fed in another scale than it was trained in still answers, and nothing but its answers gives it away.
With labels, the accuracy tells. Without, how well the answers tell one picture from the other: the mutual information
of picture and class, which is low where the network is unsure of all of them and where it says the same of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.dataset.matching import plain
from picasso.core.errors import NotSupportedError, PictureError
from picasso.core.facts import Task
from picasso.core.hooks import Head, ModelFile
from picasso.core.inputs import read_inputs
from picasso.core.model import Model
from picasso.core.pictures.images import Picture
from picasso.core.preprocessing import Array, Preprocessing

CONFIDENT = 0.9
"""From this probability on, an answer is called confident."""
FEWEST = 5
"""With fewer pictures nothing is concluded."""
_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_CAFFE = {"color": "bgr", "scale": 1.0, "mean": (103.939, 116.779, 123.68)}
_PLUS_MINUS = {"scale": 1 / 127.5, "mean": (1.0,)}
_COLORS: dict[str, dict[str, Any]] = {
    "0..1": {},
    "0..255": {"scale": 1.0},
    "-1..1": _PLUS_MINUS,
    "ImageNet mean and std": _IMAGENET,
    "0..255, BGR": {"color": "bgr", "scale": 1.0},
    "Caffe: BGR minus means": _CAFFE,
}
_GREYS: dict[str, dict[str, Any]] = {
    "0..1": {},
    "0..255": {"scale": 1.0},
    "-1..1": _PLUS_MINUS,
    "MNIST mean and std": {"mean": (0.1307,), "std": (0.3081,)},
}
_VALUES: dict[str, dict[str, Any]] = {
    "as they are": {},
    "8 bits to 0..1": {"scale": 1 / 255},
    "16 bits to 0..1": {"scale": 1 / 65535},
}
_EXTREME = 100.0
"""Logits beyond are hardly ever seen in the scale in which a network was trained."""
_NEAR = 0.9
"""Share of the best information, or of the pictures that are right, from which on a convention fits about as well."""


@dataclass(frozen=True)
class Trial:
    """What a model answers under one convention.

    Args:
        name: The convention.
        preprocessing: It, for this model.
        confidence: Mean probability of the best class, 0..1.
        confident: Share of the pictures whose best class has at least 0.9.
        classes: How many different classes are best for some picture.
        commonest: Share of the pictures whose best class is the commonest one.
        information: Bits by which the answers tell the pictures apart.
        largest: Largest size of a score.
        accuracy: Share of the labelled pictures that are right; None without labels.
    """

    name: str
    preprocessing: Preprocessing
    confidence: float
    confident: float
    classes: int
    commonest: float
    information: float
    largest: float
    accuracy: float | None = None


@dataclass(frozen=True)
class Findings:
    """What the detective found.

    Args:
        trials: One for each convention, the one in use first.
        used: Name of the convention in use.
        best: Name of the convention that fits best; "" where nothing can be concluded.
        pictures: How many pictures were tried.
        labelled: How many of them have a label of the model.
        verdict: One sentence: which fits.
        warning: One sentence where the convention in use looks wrong, or is; else "".
    """

    trials: tuple[Trial, ...]
    used: str
    best: str
    pictures: int
    labelled: int
    verdict: str
    warning: str = ""


def try_conventions(model: Model, pictures: object, labels: Sequence[int | str | None] | None = None) -> Findings:
    """Try the usual conventions of preprocessing on sample pictures; the model is left as it is.

    Args:
        model: A classifier with a declared or assumed preprocessing; its size and way to resize are kept.
        pictures: Pictures as `explain` takes them.
        labels: The right class of each, by index or label; None for one that is not known.

    Returns:
        How the model answers under each, which convention fits best, and a warning where that in use looks wrong.

    Raises:
        NotSupportedError: The model is no classifier with probabilities, or a hook of the user's own preprocesses.
        PictureError: There are no pictures, or not as many as labels.

    Example:
        >>> findings = try_conventions(load_model("demo:tank-honest"), ["photo.jpg"])
        >>> findings.verdict
        'Nothing is concluded from fewer than 5 pictures.'
    """
    if model.facts.task is not Task.CLASSIFICATION or model.head is Head.NONE:
        raise NotSupportedError("The detective needs a classifier with probabilities.")
    if model.facts.frames is not None:
        raise NotSupportedError("The detective tries still pictures; this model reads clips.")
    if type(model.hooks).preprocess is not ModelFile.preprocess:
        raise NotSupportedError("The detective tries declared preprocessings; this model has a preprocess hook.")
    used = model.preprocessing
    # All have one size: what is kept of a picture is what the model sees of it.
    seen = [_seen(used, picture) for picture in read_inputs(model, pictures)[0]]
    if not seen:
        raise PictureError("There are no pictures to try.", "Give a few sample pictures.")
    right = _indices(model, labels, len(seen))
    results = [_try(model, name, chosen, seen, right) for name, chosen in conventions(used).items()]
    return _conclude(model, [trial for trial, _ in results], [hits for _, hits in results], len(seen))


def class_of(labels: Sequence[str], name: str) -> int | None:
    """Return the class that a folder's name means: its label in any case and spacing, or its number."""
    wanted = plain(name)
    for index, label in enumerate(labels):
        if wanted in (plain(label), *(plain(part) for part in label.split(","))):
            return index
    numbered = wanted.isdecimal() and f"class {int(wanted)}" in labels
    return labels.index(f"class {int(wanted)}") if numbered else None


def conventions(used: Preprocessing) -> dict[str, Preprocessing]:
    """Return the conventions to try, the one in use first; each keeps its size and way to resize."""
    kept = used.model_dump(include={"size", "resize", "short_side", "interpolation"})
    color = {"grey": "grey", "values": "values"}.get(used.color, "rgb")
    known = {"grey": _GREYS, "values": _VALUES}.get(color, _COLORS)
    bands = {"bands": used.channels} if color == "values" else {}
    found = {
        name: Preprocessing.model_validate({"color": color, **bands, **kept, **rest}) for name, rest in known.items()
    }
    same = next((name for name, other in found.items() if _equal(used, other)), "the one in use")
    return {same: used} | {name: other for name, other in found.items() if name != same}


def _equal(one: Preprocessing, other: Preprocessing) -> bool:
    """Say whether two preprocessings make the same numbers of every pixel, to a hundredth of their range."""
    if "values" in (one.color, other.color):
        return one.color == other.color and all(
            np.allclose(getattr(one, name), getattr(other, name)) for name in ("scale", "mean", "std")
        )
    ramp = np.stack([np.arange(256), np.arange(255, -1, -1), np.full(256, 90)], axis=1).astype(np.uint8)
    first, second = one.normalize(ramp), other.normalize(ramp)
    return first.shape == second.shape and np.allclose(first, second, rtol=0, atol=0.01 * float(np.ptp(first)))


def _seen(used: Preprocessing, picture: Picture) -> NDArray[Any]:
    """Return what the model sees of a picture, before it is scaled: pixels, or the file's own values."""
    if picture.x is not None:
        raise PictureError("The detective needs pictures that are not preprocessed yet.", "Give a few sample pictures.")
    if used.color != "values":
        return used.view(picture.pixels)[0]
    plain = {"scale": 1.0, "mean": (0.0,), "std": (1.0,), "bands": used.channels}
    return used.model_copy(update=plain).read(picture)[0]


def _indices(model: Model, labels: Sequence[int | str | None] | None, count: int) -> list[int | None]:
    if labels is None:
        return [None] * count
    if len(labels) != count:
        raise PictureError(f"There are {len(labels)} labels for {count} pictures.", "Give one for each, or None.")
    return [class_of(model.labels, label) if isinstance(label, str) else label for label in labels]


def _try(
    model: Model, name: str, chosen: Preprocessing, seen: Sequence[NDArray[Any]], right: Sequence[int | None]
) -> tuple[Trial, NDArray[np.bool_]]:
    """Return what the model answers, and for each labelled picture whether that is right."""
    scores = np.concatenate([model.predict(x) for x in _batches(chosen, seen, model.batch_size)])
    shares = _shares(model, scores)
    best = scores.argmax(axis=1)
    hits = np.array([best[row] == index for row, index in enumerate(right) if index is not None], dtype=np.bool_)
    top = model.probabilities(scores).max(axis=1)
    trial = Trial(
        name=name,
        preprocessing=chosen,
        confidence=float(top.mean()),
        confident=float((top >= CONFIDENT).mean()),
        classes=len(set(best.tolist())),
        commonest=float(np.bincount(best).max() / len(best)),
        information=max(0.0, float(_bits(shares.mean(axis=0)) - _bits(shares).mean())),
        largest=float(np.abs(scores).max()),
        accuracy=float(hits.mean()) if hits.size else None,
    )
    return trial, hits


def _batches(chosen: Preprocessing, seen: Sequence[NDArray[Any]], size: int) -> Iterable[Array]:
    for start in range(0, len(seen), size):
        batch = np.stack(seen[start : start + size])
        yield chosen.scaled(batch) if chosen.color == "values" else chosen.normalize(batch)


def _shares(model: Model, scores: Array) -> NDArray[np.float64]:
    """Return probabilities that sum to 1, also of a head that gives each class its own."""
    shares: NDArray[np.float64] = model.probabilities(scores).astype(np.float64)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
    return shares


def _bits(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    entropy: NDArray[np.float64] = -(shares * np.log2(np.maximum(shares, 1e-12))).sum(axis=-1)
    return entropy


def _conclude(model: Model, trials: Sequence[Trial], hits: Sequence[NDArray[np.bool_]], pictures: int) -> Findings:
    used, labelled = trials[0], int(hits[0].size)
    verdict, warning, best = "", "", ""
    assumed = any("was not declared" in note for note in model.facts.notes)
    word = "assumed" if assumed else "declared"
    if labelled >= FEWEST:
        winner = max(range(len(trials)), key=lambda i: (int(hits[i].sum()), i == 0, trials[i].information))
        best = trials[winner].name
        verdict = f"{best} fits best: {trials[winner].accuracy:.0%} of {labelled} labelled pictures are right"
        verdict += _rivals(winner, trials, hits)
        if _surely_better(hits[winner], hits[0]):
            warning = (
                f"The {word} preprocessing ({used.name}) is wrong: {used.accuracy:.0%} right, "
                f"and {trials[winner].accuracy:.0%} under {best}."
            )
    elif pictures < FEWEST:
        verdict = f"Nothing is concluded from fewer than {FEWEST} pictures."
    else:
        best, verdict, warning = _by_answers(trials, word, model.facts.units)
    return Findings(tuple(trials), used.name, best, pictures, labelled, verdict, warning)


def _rivals(winner: int, trials: Sequence[Trial], hits: Sequence[NDArray[np.bool_]]) -> str:
    """Say which conventions are not surely worse than the one that fits best, and end the sentence."""
    right = int(hits[winner].sum())
    level: list[str] = []
    near: list[str] = []
    open_ones: list[str] = []
    for trial, other in zip(trials, hits, strict=True):
        if trial is trials[winner] or _surely_better(hits[winner], other):
            continue
        share = int(other.sum()) / max(right, 1)
        (level if share == 1 else near if share >= _NEAR else open_ones).append(trial.name)
    said = f"{_as_well(level, 'as')}{_as_well(near, 'about as')}."
    if open_ones:
        said += f" {hits[winner].size} pictures are too few to rule out {' and '.join(open_ones)}."
    return said


def _surely_better(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    """Say whether one is right more often than the other by more than chance between the two (McNemar's test)."""
    gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
    return bool(gained - lost > 2 * np.sqrt(gained + lost))


def _as_well(names: Sequence[str], how: str) -> str:
    """Return "; A and B fit as well", or "" of no names; names may hold commas."""
    return f"; {' and '.join(names)} {'fits' if len(names) == 1 else 'fit'} {how} well" if names else ""


def _by_answers(trials: Sequence[Trial], word: str, units: str) -> tuple[str, str, str]:
    """Conclude from the answers alone; return the best convention, the verdict and a warning or ""."""
    used = trials[0]
    usual = [trial for trial in trials if units != "logit" or trial.largest <= _EXTREME] or list(trials)
    top = max(trial.information for trial in usual)
    near = [trial for trial in usual if trial.information >= _NEAR * top]
    best = near[0]  # that in use, or else the most usual: these answers tell no more
    alike = _as_well([trial.name for trial in near if trial is not best], "about as")
    verdict = f"{best.name} looks best by how the answers tell the pictures apart{alike}. Labelled pictures would tell."
    warning = ""
    if used.information < top / 4 and used.commonest - best.commonest >= 0.3:
        warning = (
            f"The {word} preprocessing ({used.name}) looks wrong: {used.commonest:.0%} of the pictures get the same "
            f"class, and {best.commonest:.0%} under {best.name}."
        )
    elif used not in usual and used.information <= top / _NEAR:
        warning = (
            f"The {word} preprocessing ({used.name}) looks too large: scores reach {used.largest:.0f}, and "
            f"{best.largest:.0f} under {best.name}, which tells the pictures apart as well."
        )
    return best.name, verdict, warning
