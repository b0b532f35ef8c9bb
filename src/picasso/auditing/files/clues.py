"""Clues: what the files of a data set give away of the classes, before any model looks at a picture.

A model that is trained on files of which those of one class were saved otherwise can learn just that. What is found
here says what there is to be learned, not that a model has learned it; that is for the interventions to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from picasso.auditing import thresholds
from picasso.auditing.files.facts import FileFacts
from picasso.auditing.files.listed import Fact, NumberFact, WordFact, listed_facts
from picasso.auditing.files.probes import Labels, Numbers, areas, folds, joint_probe
from picasso.auditing.findings import Clue

JOINT = "all-facts"
"""Name of the clue of all facts together."""


def find_clues(
    facts: Sequence[FileFacts],
    labels: Sequence[int],
    classes: Sequence[str],
    columns: Sequence[Mapping[str, str]] = (),
    seed: int = 0,
) -> tuple[Clue, ...]:
    """Find what the files of a data set give away of the classes.

    Of every fact a probe that knows nothing else is learned from some pictures and tried on the others; so are all
    facts together. A clue is telling where its area under the ROC curve is at least `thresholds.CLUE` and lies above
    chance by an interval that is widened for the number of facts that are looked at (Bonferroni).

    Args:
        facts: Of every picture, from `file_facts`.
        labels: Its class, a number from 0.
        classes: Their names.
        columns: Of every picture what else is written of it, by name: site, scanner, date; empty where nothing is.
        seed: Draws which pictures are learned from.

    Returns:
        One clue for each fact, and one for all together, the most telling first; none where fewer than two classes
        have two pictures.

    References:
        Torralba and Efros 2011, doi:10.1109/CVPR.2011.5995347: data sets are told apart by what they were not meant to
        show.
    """
    known = np.asarray(labels, np.int64)
    if (np.bincount(known, minlength=len(classes)) >= 2).sum() < 2:
        return ()
    fold, listed = folds(known, seed), listed_facts(facts, columns)
    level = 1 - 0.05 / (len(listed) + 1)
    clues = [_one(fact, known, classes, fold, level) for fact in listed]
    clues.append(_all(listed, known, classes, fold, level))
    return tuple(sorted(clues, key=lambda clue: -clue.auc))


def _one(fact: Fact, labels: Labels, classes: Sequence[str], fold: Labels, level: float) -> Clue:
    """Look at one fact."""
    scores = fact.probe(labels, len(classes), fold)
    found, telling = areas(scores, labels), _telling(scores, labels, level)
    sentence = "It is the same in all pictures." if fact.same else "It does not tell the classes apart."
    if telling:
        label = int(np.argmax(found.by_class))
        rest = [name for number, name in enumerate(classes) if number != label and (labels == number).any()]
        others = f'"{rest[0]}"' if len(rest) == 1 else "the others"
        sentence = fact.sentence(labels == label, f'"{classes[label]}"', others)
    return Clue(fact.name, fact.title, found.value, found.low, found.high, telling, sentence)


def _all(listed: Sequence[Fact], labels: Labels, classes: Sequence[str], fold: Labels, level: float) -> Clue:
    """Look at all facts together."""
    numbers = [fact.values for fact in listed if isinstance(fact, NumberFact)]
    words = [fact.values for fact in listed if isinstance(fact, WordFact)]
    scores = joint_probe(numbers, words, labels, len(classes), fold)
    found, telling = areas(scores, labels), _telling(scores, labels, level)
    sentence = "Together they do not tell the classes apart."
    if telling:
        sentence = (
            "What the files say tells the classes apart, without a look at what the pictures show: of two pictures, "
            f"one of a class and one of another, it points out the right one in {found.value:.0%} of cases."
        )
    return Clue(JOINT, "All facts together", found.value, found.low, found.high, telling, sentence)


def _telling(scores: Numbers, labels: Labels, level: float) -> bool:
    wide = areas(scores, labels, level)
    return wide.value >= thresholds.CLUE and wide.low > 0.5
