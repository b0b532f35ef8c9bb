"""Makes the pictures and numbers of the first page: `python -m picasso.demo.story`.

Two held-out scenes, one with a tank and one with a decoy, are drawn at eleven positions of the sky slider,
with the object and with the object erased; twelve more make a contact sheet. Every probability in
`story.json` was computed by the shipped models on the shipped files as they are decoded.

How the scenes were chosen: each is the first of the held-out set (in its order, for the decoy: the first
truck) that stands free - object and sky each cover enough of the picture - and that both models get right
under the sky the proxy model knows. The contact sheet is the first six tanks and the first six decoys after
them, whatever the models say.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from picasso.demo.catalog import FILES, MODELS, build_torch
from picasso.demo.measures import tank_probability, torch_scorer
from picasso.demo.scene import Scene, render
from picasso.demo.tanks import LABELS, held_out_set

FOLDER = Path(__file__).parent / "story"
TANK_MODELS = ("tank-proxy", "tank-honest")
POSITIONS = tuple(round(step / 10, 1) for step in range(11))

_log = logging.getLogger(__name__)
_CANDIDATES = 200
_SHEET_CANDIDATES = 40
_QUALITY = 90
_THUMBNAIL = 128

Probabilities = Mapping[str, float]


@dataclass(frozen=True)
class Picture:
    """One shipped picture.

    Attributes:
        file: its name below the story's folder.
        label: "tank" or "decoy"; kept when the object is erased.
        erased: whether the object is missing.
        cloudiness: 0 sunny to 1 overcast.
        tank_probability: P(tank) of each tank model, rounded to 5 digits.
    """

    file: str
    label: str
    erased: bool
    cloudiness: float
    tank_probability: Probabilities


class Judge:
    """The two tank models as shipped."""

    def __init__(self) -> None:
        self._scorers = {name: torch_scorer(MODELS[name], build_torch(name)) for name in TANK_MODELS}

    def __call__(self, pictures: Sequence[Image.Image]) -> list[Probabilities]:
        """P(tank) of each model on each picture."""
        found: list[dict[str, float]] = [{} for _ in pictures]
        for name, score in self._scorers.items():
            pixels = np.stack([MODELS[name].resize(picture) for picture in pictures])
            for entry, value in zip(found, tank_probability(score(pixels)), strict=True):
                entry[name] = round(float(value), 5)
        return list(found)


def choose(judge: Judge) -> tuple[Scene, Scene]:
    """The story's tank and its decoy; the module's docstring says how they are chosen."""
    candidates = held_out_set(_CANDIDATES, proxy=True)
    chosen = []
    for label, kind in (("tank", "tank"), ("decoy", "truck")):
        for scene in (s for s in candidates.scenes if s.kind == kind):
            drawn = render(scene)
            free = drawn.object_mask.mean() > 0.12 and drawn.sky_mask.mean() > 0.3
            if not free:
                continue
            verdicts = judge([Image.fromarray(drawn.pixels)])[0]
            if all((probability > 0.5) == (label == "tank") for probability in verdicts.values()):
                chosen.append(scene)
                break
        else:
            raise RuntimeError(f"no {label} of the first {_CANDIDATES} scenes qualifies; draw more")
    return chosen[0], chosen[1]


def _write(judge: Judge, folder: Path, plan: Sequence[tuple[str, Scene, str]], size: int) -> list[Picture]:
    """Draws, writes, reads back and judges pictures; `plan` holds (file, scene, label)."""
    decoded = []
    for file, scene, _ in plan:
        picture = Image.fromarray(render(scene).pixels)
        if size != picture.width:
            picture = picture.resize((size, size), Image.Resampling.BILINEAR)
        picture.save(folder / file, quality=_QUALITY, method=6)
        with Image.open(folder / file) as shipped:
            decoded.append(shipped.convert("RGB"))
    return [
        Picture(file, label, scene.kind is None, scene.cloudiness, verdict)
        for (file, scene, label), verdict in zip(plan, judge(decoded), strict=True)
    ]


def _slider(name: str, scene: Scene) -> Iterator[tuple[str, Scene, str]]:
    for erased in (False, True):
        for step, cloudiness in enumerate(POSITIONS):
            file = f"{name}-{'erased-' if erased else ''}{step:02d}.webp"
            kind = None if erased else scene.kind
            yield file, replace(scene, kind=kind, cloudiness=cloudiness), name


def _sheet() -> Iterator[tuple[str, Scene, str]]:
    examples = held_out_set(_CANDIDATES + _SHEET_CANDIDATES, proxy=True)
    rest = list(zip(examples.scenes, examples.labels, strict=True))[_CANDIDATES:]
    for label, name in enumerate(LABELS):
        scenes = [scene for scene, found in rest if found == label][:6]
        for number, scene in enumerate(scenes):
            yield f"sheet-{name}-{number}.webp", scene, name
            yield f"sheet-{name}-{number}-erased.webp", replace(scene, kind=None), name


def _as_json(picture: Picture) -> dict[str, object]:
    return {
        "file": picture.file,
        "label": picture.label,
        "erased": picture.erased,
        "cloudiness": round(picture.cloudiness, 4),
        "tank_probability": dict(picture.tank_probability),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Draws and judges everything and writes `story.json`."""
    parser = argparse.ArgumentParser(description="Make the pictures and numbers of the first page.")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the files go")
    folder: Path = parser.parse_args(arguments).folder
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder.mkdir(parents=True, exist_ok=True)
    judge = Judge()
    tank, decoy = choose(judge)
    scenes = []
    for name, scene in (("tank", tank), ("decoy", decoy)):
        frames = _write(judge, folder, list(_slider(name, scene)), 256)
        facts = {"name": name, "kind": scene.kind, "seed": scene.seed, "positions": POSITIONS}
        scenes.append({**facts, "frames": [_as_json(frame) for frame in frames]})
    sheet = _write(judge, folder, list(_sheet()), _THUMBNAIL)
    figures = json.loads((FILES / "figures.json").read_text(encoding="utf-8"))
    story = {
        "version": 1,
        "labels": LABELS,
        "models": {name: figures[name] for name in TANK_MODELS},
        "scenes": scenes,
        "sheet": [_as_json(picture) for picture in sheet],
    }
    (folder / "story.json").write_text(json.dumps(story, indent=1) + "\n", encoding="utf-8")
    _log.info("%d files, %d bytes", len(list(folder.iterdir())), sum(f.stat().st_size for f in folder.iterdir()))


if __name__ == "__main__":
    main()
