"""Findings made by hand, small enough to check by eye."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from picasso.auditing import thresholds
from picasso.auditing.findings import (
    Clue,
    Effect,
    Findings,
    Interval,
    Outcome,
    Pair,
    PictureFinding,
    Untested,
    Verdict,
)
from picasso.core.interventions.intervention import Property, Role

SKY = Property("region-0", "Sky", "the sky", region=0)
CORNER = Property("cell-r0c0", "Top left corner", "what lies in the top left corner", (0.0, 0.0, 0.25, 0.5))
OBJECT = Property("object-swap", "The object, swapped", "the object")
ERASED = Property("object-erasure", "The object, erased", "the object being there")
BLUR = Property("blur", "Blur", "how sharp the picture is")
NOISE = Property("noise", "Noise", "fine noise")


def effect(what: Property, value: float, half: float = 0.03, **other: Any) -> Effect:
    """An effect with an interval of this half width."""
    drop = Interval(value, value - half, value + half)
    known = Effect(
        what=what,
        intervention="by-hand",
        role=Role.PROPERTY,
        pictures=100,
        left_out=3,
        drop=drop,
        by_class=(value + 0.01, value - 0.01),
        toward=(0.0, max(value, 0.0)),
        margin=Interval(value * 5, (value - half) * 5, (value + half) * 5),
        sham=0.97,
        p=0.0001,
        holm=0.004,
        change=0.2,
        screened=False,
        suspect=False,
    )
    return replace(known, **other)


def pair(what: Property, number: int, label: int = 0, name: str = "tank/{:04d}.png") -> Pair:
    """A pair in which the upper half of the picture changes, and the answer with it."""
    rng = np.random.default_rng(number)
    before = rng.integers(0, 256, (24, 32, 3), np.uint8)
    after = before.copy()
    after[:12] = 255 - after[:12]
    shares = ((0.97, 0.03), (0.1, 0.9)) if label == 0 else ((0.03, 0.97), (0.9, 0.1))
    return Pair(name.format(number), f"decoy/{number:04d}.png", label, what.name, before, after, shares)


def findings(outcome: Outcome = Outcome.WRONG_REASON, **other: Any) -> Findings:
    """Findings with this outcome in which the model relies on the sky, or on nothing."""
    relies = outcome in (Outcome.WRONG_REASON, Outcome.BOTH, Outcome.RELIES_ON)
    needs = outcome in (Outcome.RIGHT_REASON, Outcome.BOTH)
    sky = effect(SKY, 0.41, 0.08, suspect=True) if relies else effect(SKY, 0.01)
    corner = effect(CORNER, 0.2, 0.05, suspect=True) if relies else effect(CORNER, 0.0)
    object = effect(OBJECT, 0.4 if needs else 0.02, 0.07, suspect=needs, role=Role.OBJECT)
    known = Findings(
        verdict=Verdict(
            outcome=outcome,
            headline={Outcome.WRONG_REASON: "WRONG REASON: the sky"}.get(
                outcome, outcome.value.replace("-", " ").upper()
            ),
            sentence="One plain sentence.",
            reliance=sky.drop if relies else None,
            named=SKY if relies else None,
            smallest=0.04,
            reasons=("Because of this.",),
        ),
        classes=("tank", "decoy"),
        accuracy=Interval(0.96, 0.91, 0.99),
        chance=0.5,
        counts=(50, 50),
        confusion=((48, 2), (2, 48)),
        effects=(
            sky,
            corner,
            object,
            effect(BLUR, 0.06, 0.04),
            effect(NOISE, 0.004),
            effect(ERASED, -0.02, 0.01, role=Role.ERASURE),
        ),
        clues=(Clue("file-size", "Size of the file", 0.81, 0.74, 0.88, True, "Files of tanks are larger."),),
        pairs=(pair(SKY, 0), pair(SKY, 1, 1), pair(CORNER, 0), pair(OBJECT, 3)) if relies else (),
        by_picture=(
            PictureFinding("tank/0000.png", 0, 0, 3.25, True),
            PictureFinding("decoy/0001.png", 1, 1, 2.5, True),
            PictureFinding("tank/0002.png", 0, 1, 1.0, False),
            PictureFinding("tank/0003.png", 0, 0, None, False),
        )
        if relies
        else (),
        untested=(Untested("Scanner", "The data set has no such column."),),
        notes=("Two pictures could not be read.",),
        extras={
            "evidence": {"sentence": "Most lies in the background.", "by_class": [{"class": "tank", "share": 0.71}]}
        },
        record={
            "model": {"name": "my-model"},
            "dataset": {"name": "my-pictures", "digest": "d1", "contents": "c1"},
            "seed": 7,
            "thresholds": {name: getattr(thresholds, name) for name in sorted(vars(thresholds)) if name.isupper()},
            "versions": {"picasso": "1.0"},
        },
    )
    return replace(known, **other)
