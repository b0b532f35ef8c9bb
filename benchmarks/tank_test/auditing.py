"""Runs Picasso's audit on one model of the benchmark."""

from __future__ import annotations

import ast
import hashlib
import os
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import nn

import picasso
from benchmarks.tank_test.naming import FITS
from picasso.auditing import running, thresholds
from picasso.auditing.choices import Choices
from picasso.auditing.effects import cleared
from picasso.auditing.findings import Effect, Findings
from picasso.auditing.measuring import Measuring
from picasso.auditing.regions import confirming
from picasso.auditing.shelf import Shelf
from picasso.core import interventions
from picasso.core.dataset.dataset import Dataset
from picasso.core.dataset.example import Example
from picasso.core.dataset.sources import File, file_at
from picasso.core.interventions.intervention import Role
from picasso.core.model import Model
from picasso.demo.planted.scenes import Scenes

PICTURES = 200
WRITTEN_DOWN = {
    "ALPHA": 0.01,
    "DROP": 0.05,
    "SURE": 0.02,
    "TWO_CLASSES": 0.03,
    "CLEAR": 0.05,
    "WEAK": 0.10,
    "NAMING": 0.75,
}
"""The thresholds that decide verdicts, as they stood before the second half of the kinds was written."""
ADDED = ("SURFACE", "SIZE", "PARTS")
"""Those that came later."""


class Mode(StrEnum):
    """What is known of the objects: their outlines, boxes around them, what a person says of regions, or nothing.

    In the third mode nothing is given away; then a person is asked which of the regions that were found is the object.
    """

    MASKS = "masks"
    BOXES = "boxes"
    CONFIRMED = "confirmed"
    NONE = "none"

    @property
    def judges(self) -> bool:
        """Whether the audit knows the object, so that it can be false: it names regions otherwise."""
        return self is not Mode.NONE

    @property
    def looks(self) -> bool:
        """Whether regions are found."""
        return self in (Mode.CONFIRMED, Mode.NONE)


@dataclass(frozen=True)
class Audited:
    """What an audit said, as far as the benchmark asks.

    Attributes:
        outcome: of six.
        flagged: whether it says that the model relies on something wrong.
        named: the property that is named, or None.
        ranked: names of the suspects, those that the headline has first, then the others in the order of the findings.
        drops: by the name of a property, or of the object's texture or size where that is accused: drop, the ends of
            its interval, p after Holm's correction, and how much of the picture changes.
        uncleared: names of those whose drop may still be large, though they are no suspects; the widest first.
        iou: by the name of a suspect, by the name of a kind: how well the pixels that the suspect changes fit the
            kind's footprint, mean over the pairs of pictures that the audit shows.
        clue: the largest area under the curve of what the files give away.
    """

    outcome: str
    flagged: bool
    named: str | None
    ranked: tuple[str, ...]
    drops: dict[str, tuple[float, float, float, float, float]]
    uncleared: tuple[str, ...]
    iou: dict[str, dict[str, float]]
    clue: float | None


def audited(
    network: nn.Module, drawn: Scenes, mode: Mode, interventions: tuple[str, ...] = (), kept: Path | None = None
) -> Audited:
    """Audits a model.

    Args:
        network: reads (n, 3, 64, 64) in [-1, 1].
        drawn: the pictures.
        mode: what is said of the objects.
        interventions: names of those that are tried; empty: all.
        kept: folder for what was measured, which is not measured again when only what is made of it changes.
    """
    preprocessing = picasso.Preprocessing(size=drawn.pixels.shape[1], mean=(0.5,), std=(0.5,))
    model = picasso.load_model(network, preprocessing=preprocessing, labels=drawn.classes)
    with tempfile.TemporaryDirectory() as folder:
        data = dataset(drawn, mode, Path(folder))
        said = said_of_regions(model, data, drawn) if mode is Mode.CONFIRMED else {}
        found = running.audit(model, data, interventions=interventions, maps=False, confirmed=said, kept=kept)
        return _summary(found, drawn)


def said_of_regions(model: Model, data: Dataset, drawn: Scenes) -> dict[str, bool]:
    """What a person says who looks at the regions that an audit finds: which one is the object, or nothing."""
    choices = Choices(interventions=("luminance",), maps=False)
    gallery = Measuring(model, ("", {}), data, choices, Shelf(None), running.ignore).run().experiment.gallery
    assert gallery.parts is not None
    count = len(gallery.parts.kinds.names)
    common, either = np.zeros(count), np.zeros(count)
    for number, example in enumerate(gallery.examples):
        regions, mask = gallery.seen(number).regions, drawn.masks[int(Path(example.name).stem)]
        for kind in range(count):
            common[kind] += (mask & (regions == kind)).sum()
            either[kind] += (mask | (regions == kind)).sum()
    fit = common / np.maximum(either, 1)
    return {confirming.region_name(int(fit.argmax())): True} if fit.max() >= FITS else {}


def dataset(drawn: Scenes, mode: Mode, folder: Path) -> Dataset:
    """Writes pictures, and masks where they are given away, and lists them as a data set."""
    examples = []
    for i, pixels in enumerate(drawn.pixels):
        label = drawn.classes[drawn.labels[i]]
        mask, boxes = None, ()
        if mode is Mode.MASKS:
            mask = _written(folder / "masks" / f"{i:04}.png", drawn.masks[i].astype(np.uint8) * 255)
        elif mode is Mode.BOXES:
            boxes = (box_around(drawn.masks[i]),)
        source = _written(folder / "pictures" / f"{i:04}.png", pixels)
        examples.append(Example(f"{label}/{i:04}.png", label, source, mask, boxes))
    return Dataset("planted scenes", drawn.classes, tuple(examples))


def box_around(mask: npt.NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """The smallest box around a mask, (left, top, width, height) in pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (
        float(columns[0]),
        float(rows[0]),
        float(columns[-1] - columns[0] + 1),
        float(rows[-1] - rows[0] + 1),
    )


def version(mode: Mode) -> str:
    """A digest of the code that runs in a mode: other versions are run again.

    Maps, reports and what is written for people are left out, and where the objects are known the search for regions.
    """
    rooms = Path(running.__file__).parent, Path(interventions.__file__).parent
    idle = {"maps", "report"} if mode.looks else {"maps", "report", "regions"}
    own = [file for file in sorted(rooms[0].rglob("*.py")) if file.relative_to(rooms[0]).parts[0] not in idle]
    own += [Path(confirming.__file__)] if "regions" in idle else []
    return _digest([*own, *sorted(rooms[1].glob("*.py")), Path(__file__)])


def measured_by() -> str:
    """A digest of the code that measures, beside the interventions, which an audit keeps an eye on itself."""
    rooms = Path(running.__file__).parent, Path(interventions.__file__).parent
    files = [rooms[0] / f"{name}.py" for name in ("eye", "donors", "experiment", "gallery")]
    files += [*sorted((rooms[0] / "regions").rglob("*.py")), *sorted(rooms[1].glob("*.py"))]
    return _digest(files)


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256(str(PICTURES).encode())
    for file in files:
        digest.update(_bare(file.read_text("utf-8")).encode())
    return digest.hexdigest()[:12]


def _bare(source: str) -> str:
    """Return a source file without comments, docstrings, layout, and where what it uses comes from."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not _is_idle(one)] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def _is_idle(one: ast.AST) -> bool:
    """Say whether a statement is a docstring or an import."""
    return isinstance(one, ast.Import | ast.ImportFrom) or (
        isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
    )


def changed_thresholds() -> list[str]:
    """The thresholds that decide verdicts and are no longer what they were, "DROP: 0.05, now 0.04"."""
    now = {name: getattr(thresholds, name, None) for name in WRITTEN_DOWN}
    return [f"{name}: {was:g}, now {now[name]}" for name, was in WRITTEN_DOWN.items() if now[name] != was]


def _written(path: Path, pixels: npt.NDArray[Any]) -> File:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    os.utime(path, (0, 0))  # a mask that is written again is the same to an audit
    found = file_at(path)
    assert found is not None
    return found


def _summary(findings: Findings, drawn: Scenes) -> Audited:
    verdict = findings.verdict
    properties = [
        effect for effect in findings.effects if effect.pictures and (effect.role is Role.PROPERTY or effect.accused)
    ]
    named = verdict.named.name if verdict.named is not None and findings.suspects else None
    suspects = findings.suspects
    uncleared = [effect for effect in properties if not effect.suspect and not cleared(effect)]
    clues = [clue.auc for clue in findings.clues]
    return Audited(
        outcome=str(verdict.outcome),
        flagged=verdict.outcome in ("wrong-reason", "both", "relies-on"),
        named=named,
        ranked=tuple(effect.what.name for effect in suspects),
        drops={effect.what.name: _drop(effect) for effect in properties},
        uncleared=tuple(effect.what.name for effect in sorted(uncleared, key=lambda effect: -effect.drop.high)),
        iou={effect.what.name: _overlap(findings, drawn, effect.what.name) for effect in suspects},
        clue=max(clues) if clues else None,
    )


def _drop(effect: Effect) -> tuple[float, float, float, float, float]:
    drop = effect.drop
    return (
        round(drop.value, 4),
        round(drop.low, 4),
        round(drop.high, 4),
        float(f"{effect.holm:.3g}"),
        round(effect.change, 4),
    )


def _overlap(findings: Findings, drawn: Scenes, name: str) -> dict[str, float]:
    """How well the pixels that change in the pairs of a property fit each kind's footprint."""
    pairs = [pair for pair in findings.pairs if pair.property == name]
    at = [int(Path(pair.name).stem) for pair in pairs]
    changed = [(np.abs(pair.before.astype(int) - pair.after) > 8).any(-1) for pair in pairs]
    found = {}
    for kind in drawn.values if pairs else ():
        footprint = drawn.footprint(kind)
        shares = [(c & footprint[i]).sum() / max((c | footprint[i]).sum(), 1) for c, i in zip(changed, at, strict=True)]
        found[kind] = round(float(np.mean(shares)), 4)
    return found
