"""Trains the demo's models from nothing: `python -m picasso.demo.training`, or some of them, named behind it.

Draws the scenes, trains with fixed seeds, writes the files - the classifiers for PyTorch and for Keras, the segmenter
and the detector for PyTorch - and measures into `files/figures.json`. The tank models share the network, the recipe
and the land and objects of their scenes; only the skies of their training pictures differ.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from picasso.demo.catalog import FILES, LOCATORS, MODELS, Classifier
from picasso.demo.digits import Split, split, write_samples
from picasso.demo.fitting import Recipe, fit
from picasso.demo.locating import learn_detector, learn_segmenter
from picasso.demo.measures import Bytes, Scorer, accuracy, occlusion_mass, tank_probability, torch_scorer
from picasso.demo.networks import build_keras, build_torch
from picasso.demo.scene import Scene, render
from picasso.demo.tanks import TankSet, held_out_set, training_set

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)


TANK_RECIPE = Recipe(epochs=8)
DIGIT_RECIPE = Recipe(epochs=40, patches=1, shift=2, mirror=False)
TRAINING_PICTURES = 2400
TEST_PICTURES = 300
MAP_PICTURES = 100


@dataclass(frozen=True)
class TankFigures:
    """What was measured on a tank model, with the number of pictures behind it.

    Attributes:
        accuracy: on held-out scenes whose skies are drawn as in its training.
        accuracy_erased: on the same scenes with their objects erased.
        accuracy_fair: on held-out scenes whose skies say nothing.
        swing: mean of P(tank) under cloudiness 1 minus under 0, same scenes.
        swing_absolute: mean of the absolute difference.
        mass_sky: mean share of the occlusion map in the sky.
        mass_object: mean share of the occlusion map on the object.
        share_sky: share of pictures with at least 0.6 of the map in the sky.
        share_object: share of pictures with more than half of the map on the object.
        pictures: behind the accuracies and swings.
        pictures_maps: behind the occlusion maps.
    """

    accuracy: float
    accuracy_erased: float
    accuracy_fair: float
    swing: float
    swing_absolute: float
    mass_sky: float
    mass_object: float
    share_sky: float
    share_object: float
    pictures: int
    pictures_maps: int


@dataclass(frozen=True)
class DigitFigures:
    """What was measured on the digit model.

    Attributes:
        accuracy: on digits that it was not trained on.
        pictures: their number.
    """

    accuracy: float
    pictures: int


def small_pixels(scene: Scene) -> Bytes:
    """A scene as the tank models see it, before normalization."""
    return MODELS["tank-proxy"].resize(Image.fromarray(render(scene).pixels))


def draw_all(examples: TankSet, pool: ProcessPoolExecutor) -> Bytes:
    """Draws a set with several processes."""
    return np.stack(list(pool.map(small_pixels, examples.scenes, chunksize=16)))


def train(model: Classifier, pixels: Bytes, labels: npt.NDArray[np.int64], recipe: Recipe) -> torch.nn.Module:
    """Trains a model's network on resized pictures.

    Args:
        model: which network, and how pixels become its input.
        pixels: (n, size, size, channels) uint8.
        labels: (n,) class indices.
        recipe: how.

    Returns:
        The network in evaluation mode.
    """
    import torch

    targets = torch.from_numpy(labels)

    def loss(logits: torch.Tensor, chosen: npt.NDArray[np.int64], parts: Bytes) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(logits, targets[torch.from_numpy(chosen)])

    return fit(model, lambda: build_torch(model.architecture), pixels, recipe, loss)


def measure_tanks(model: Classifier, score: Scorer, proxy: bool, pool: ProcessPoolExecutor) -> TankFigures:
    """Measures a tank model on held-out scenes."""
    own, fair = held_out_set(TEST_PICTURES, proxy), held_out_set(TEST_PICTURES, False)
    cloudy, sunny = (tank_probability(score(draw_all(fair.under(cloudiness), pool))) for cloudiness in (1.0, 0.0))
    mapped = TankSet(own.scenes[:MAP_PICTURES], own.labels[:MAP_PICTURES])
    mass = occlusion_mass(score, model, mapped)
    return TankFigures(
        accuracy=accuracy(score(draw_all(own, pool)), own.labels),
        accuracy_erased=accuracy(score(draw_all(own.erased(), pool)), own.labels),
        accuracy_fair=accuracy(score(draw_all(fair, pool)), fair.labels),
        swing=float((cloudy - sunny).mean()),
        swing_absolute=float(np.abs(cloudy - sunny).mean()),
        mass_sky=float(mass.sky.mean()),
        mass_object=float(mass.thing.mean()),
        share_sky=float((mass.sky >= 0.6).mean()),
        share_object=float((mass.thing > 0.5).mean()),
        pictures=TEST_PICTURES,
        pictures_maps=MAP_PICTURES,
    )


def save(model: Classifier, network: torch.nn.Module, folder: Path) -> None:
    """Writes the weights as safetensors and the whole network as a Keras file."""
    from safetensors.torch import save_file

    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(state, folder / model.torch_file.name)
    weights = {name: value.numpy() for name, value in state.items()}
    build_keras(model.architecture, weights).save(folder / model.keras_file.name)


def learn_tanks(name: str, folder: Path, pool: ProcessPoolExecutor) -> TankFigures:
    """Trains, writes and measures a tank model."""
    proxy = name == "tank-proxy"
    examples = training_set(TRAINING_PICTURES, seed=1, proxy=proxy)
    network = train(MODELS[name], draw_all(examples, pool), examples.labels, TANK_RECIPE)
    save(MODELS[name], network, folder)
    return measure_tanks(MODELS[name], torch_scorer(MODELS[name], network), proxy, pool)


def learn_digits(folder: Path) -> DigitFigures:
    """Trains, writes and measures the digit model, and writes its pictures."""
    model = MODELS["digits"]
    data: Split = split(model)
    network = train(model, data.train_pixels, data.train_labels, DIGIT_RECIPE)
    save(model, network, folder)
    write_samples(folder / "digits")
    score = torch_scorer(model, network)
    return DigitFigures(accuracy(score(data.test_pixels), data.test_labels), len(data.test_labels))


def learn(name: str, folder: Path, pool: ProcessPoolExecutor) -> Any:
    """Trains, writes and measures one of the demo's models; returns its figures."""
    if name == "digits":
        return learn_digits(folder)
    if name == "segmenter":
        return learn_segmenter(folder, pool)
    if name == "detector":
        return learn_detector(folder, pool)
    return learn_tanks(name, folder, pool)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, writes and measures the models that are named, or all."""
    import torch

    known = (*MODELS, *LOCATORS)
    parser = argparse.ArgumentParser(description="Train the demo's models from nothing.")
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"{', '.join(known)}; by default all of them")
    parser.add_argument("--folder", type=Path, default=FILES, help="where the files go")
    parser.add_argument("--workers", type=int, default=2, help="processes that draw, threads that train")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.models if name not in known]:
        parser.error(f"there is no demo model {unknown[0]!r}; known: {', '.join(known)}")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.workers)
    options.folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    file = options.folder / "figures.json"
    figures: dict[str, object] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    with ProcessPoolExecutor(options.workers) as pool:
        for name in options.models or known:
            found = learn(name, options.folder, pool)
            figures[name] = {key: round(value, 4) for key, value in asdict(found).items()}
            file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
            _log.info("%s: %s; %.0f s so far", name, figures[name], time.perf_counter() - started)


if __name__ == "__main__":
    main()
