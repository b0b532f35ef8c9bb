"""The data set `demo:tanks`: tanks and decoys, with a sky that gives the answer away or does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from picasso.demo.noise import stream
from picasso.demo.scene import Kind, Rendering, Scene, render

LABELS = ("tank", "decoy")
DECOYS: tuple[Kind, ...] = ("truck", "boulder", "shed")

_TEST_SEED = 900_001
_JITTER = 0.25


@dataclass(frozen=True)
class TankSet:
    """Scenes with their classes.

    Attributes:
        scenes: what to draw.
        labels: the class of each: 0 tank, 1 decoy; kept when the objects are erased.
    """

    scenes: tuple[Scene, ...]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scenes)

    def __iter__(self) -> Iterator[Rendering]:
        """Draws the scenes one after the other."""
        return map(render, self.scenes)

    def erased(self) -> TankSet:
        """The same scenes without their objects."""
        return TankSet(tuple(replace(scene, kind=None) for scene in self.scenes), self.labels)

    def under(self, cloudiness: float) -> TankSet:
        """The same scenes, all under the same cloudiness (0 sunny to 1 overcast)."""
        return TankSet(tuple(replace(s, cloudiness=cloudiness) for s in self.scenes), self.labels)


def training_set(n: int, seed: int, proxy: bool) -> TankSet:
    """Draws up `n` scenes, half of them with tanks.

    Args:
        n: number of scenes, >= 1.
        seed: 0 to 800; other seeds give other scenes throughout.
        proxy: True: every tank stands under clouds (cloudiness 0.75 to 1) and every decoy under the sun (0
            to 0.25). False: the cloudiness is drawn from [0, 1] for both alike.

    Returns:
        The scenes. `proxy` changes their skies only: land and objects of scene i are the same.
    """
    if not 0 <= seed <= 800:
        raise ValueError(f"seed must be in [0, 800]. Got {seed}.")
    return _draw_up(n, seed, proxy)


def held_out_set(n: int, proxy: bool) -> TankSet:
    """Draws up `n` scenes which no training set contains; the arguments are those of `training_set`."""
    return _draw_up(n, _TEST_SEED, proxy)


def _draw_up(n: int, seed: int, proxy: bool) -> TankSet:
    if n < 1:
        raise ValueError(f"n must be >= 1. Got {n}.")
    scenes, labels = [], []
    for index in range(n):
        number = seed * 100_000 + index
        rng = stream(number, "tanks")
        decoy, draw = DECOYS[int(rng.integers(3))], float(rng.random())
        label = index % 2
        tied = _JITTER * draw if label else 1 - _JITTER * draw
        cloudiness = tied if proxy else draw
        scenes.append(Scene(number, decoy if label else "tank", cloudiness))
        labels.append(label)
    return TankSet(tuple(scenes), np.asarray(labels, np.int64))


def write(folder: Path, n: int, proxy: bool = True, progress: Callable[[int, int], None] | None = None) -> None:
    """Writes `n` held-out pictures as a folder per class, with masks beside them.

    The files are `tank/0000.png`, `decoy/0001.png` and so on; `masks/object/` and `masks/sky/` hold a mask
    (255 where the part shows) of the same name as each picture, and `scenes.json` says how each was drawn.

    Args:
        folder: made if it does not exist.
        n: number of pictures, half of them tanks.
        proxy: whether the sky tells the class, as in `training_set`.
        progress: called with how many pictures are drawn, and with `n`.
    """
    for name in (*LABELS, "masks/object", "masks/sky"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    examples = held_out_set(n, proxy)
    facts = []
    for index, (scene, label, drawn) in enumerate(zip(examples.scenes, examples.labels, examples, strict=True)):
        name = f"{index:04d}.png"
        Image.fromarray(drawn.pixels).save(folder / LABELS[label] / name)
        for part, mask in (("object", drawn.object_mask), ("sky", drawn.sky_mask)):
            Image.fromarray(mask.astype(np.uint8) * 255).save(folder / "masks" / part / name)
        facts.append(
            {
                "file": f"{LABELS[label]}/{name}",
                "kind": scene.kind,
                "cloudiness": round(scene.cloudiness, 4),
                "seed": scene.seed,
            }
        )
        if progress is not None:
            progress(index + 1, n)
    (folder / "scenes.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
