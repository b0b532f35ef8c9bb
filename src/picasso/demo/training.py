"""Trains the demo's models from nothing: `python -m picasso.demo.training`.

Draws the scenes, trains the two tank models and the digit model with fixed seeds, writes each for PyTorch and
for Keras, and measures them into `files/figures.json`. The tank models share the network, the recipe and the
land and objects of their scenes; only the skies of their training pictures differ.
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
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from picasso.demo.catalog import FILES, MODELS, DemoModel
from picasso.demo.digits import Split, split, write_samples
from picasso.demo.measures import (
    Bytes,
    Scorer,
    accuracy,
    occlusion_mass,
    tank_probability,
    torch_scorer,
)
from picasso.demo.networks import build_keras, build_torch
from picasso.demo.scene import Scene, render
from picasso.demo.tanks import TankSet, held_out_set, training_set

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """How a model is trained.

    Attributes:
        epochs: passes over the pictures.
        rate: peak learning rate.
        decay: weight decay of AdamW.
        patches: most gray squares laid over a picture, so that gray windows surprise no model later.
        shift: most pixels a picture is moved.
        mirror: whether half of the pictures are mirrored.
        batch: pictures per step.
        seed: of weights, order and augmentation.
    """

    epochs: int
    rate: float = 4e-3
    decay: float = 5e-3
    patches: int = 3
    shift: int = 6
    mirror: bool = True
    batch: int = 50
    seed: int = 1


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


def small_pixels(scene: Scene) -> Bytes:
    """A scene as the tank models see it, before normalization."""
    return MODELS["tank-proxy"].resize(Image.fromarray(render(scene).pixels))


def draw_all(examples: TankSet, pool: ProcessPoolExecutor) -> Bytes:
    """Draws a set with several processes."""
    return np.stack(list(pool.map(small_pixels, examples.scenes, chunksize=16)))


def train(model: DemoModel, pixels: Bytes, labels: npt.NDArray[np.int64], recipe: Recipe) -> torch.nn.Module:
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

    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    network = build_torch(model.architecture)
    optimizer = torch.optim.AdamW(network.parameters(), recipe.rate, weight_decay=recipe.decay)
    steps = len(pixels) // recipe.batch
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps * recipe.epochs)
    targets = torch.from_numpy(labels)
    for epoch in range(recipe.epochs):
        order = rng.permutation(len(pixels))
        total = 0.0
        for step in range(steps):
            chosen = order[step * recipe.batch : (step + 1) * recipe.batch]
            batch = model.normalize(augmented(pixels[chosen], recipe, rng)).transpose(0, 3, 1, 2)
            inputs = torch.from_numpy(np.ascontiguousarray(batch))
            loss = torch.nn.functional.cross_entropy(network(inputs), targets[torch.from_numpy(chosen)])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            plan.step()
            total += loss.item()
        _log.info("%s: epoch %d of %d, loss %.4f", model.name, epoch + 1, recipe.epochs, total / steps)
    return network.eval()


def augmented(pixels: Bytes, recipe: Recipe, rng: np.random.Generator) -> Bytes:
    """A changed copy of a batch: shifted, perhaps mirrored, a little lighter or darker, partly covered."""
    size = pixels.shape[1]
    gain = rng.uniform(0.9, 1.1, (len(pixels), 1, 1, 1)).astype(np.float32)
    changed: Bytes = np.clip(pixels * gain, 0, 255).astype(np.uint8)
    for picture in changed:
        if recipe.mirror and rng.random() < 0.5:
            picture[:] = picture[:, ::-1].copy()
        down, right = rng.integers(-recipe.shift, recipe.shift + 1, 2)
        rows = np.clip(np.arange(size) + down, 0, size - 1)
        columns = np.clip(np.arange(size) + right, 0, size - 1)
        picture[:] = picture[rows[:, None], columns[None]]
        for _ in range(int(rng.integers(0, recipe.patches + 1))):
            side = int(rng.integers(size // 10, size // 3))
            top, left = rng.integers(-side // 2, size - side // 2, 2)
            picture[max(top, 0) : top + side, max(left, 0) : left + side] = 128
    return changed


def measure_tanks(model: DemoModel, score: Scorer, proxy: bool, pool: ProcessPoolExecutor) -> TankFigures:
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


def save(model: DemoModel, network: torch.nn.Module, folder: Path) -> None:
    """Writes the weights as safetensors and the whole network as a Keras file."""
    from safetensors.torch import save_file

    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(state, folder / model.torch_file.name)
    weights = {name: value.numpy() for name, value in state.items()}
    build_keras(model.architecture, weights).save(folder / model.keras_file.name)


def _train_digits(folder: Path) -> dict[str, float | int]:
    """Trains the digit model; returns its figures."""
    model = MODELS["digits"]
    data: Split = split(model)
    network = train(model, data.train_pixels, data.train_labels, DIGIT_RECIPE)
    save(model, network, folder)
    score = torch_scorer(model, network)
    return {"accuracy": accuracy(score(data.test_pixels), data.test_labels), "pictures": len(data.test_labels)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, writes and measures all three models."""
    import torch

    parser = argparse.ArgumentParser(description="Train the demo's models from nothing.")
    parser.add_argument("--folder", type=Path, default=FILES, help="where the files go")
    parser.add_argument("--workers", type=int, default=2, help="processes that draw, threads that train")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.workers)
    options.folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    figures: dict[str, object] = {}
    with ProcessPoolExecutor(options.workers) as pool:
        for name, proxy in (("tank-proxy", True), ("tank-honest", False)):
            examples = training_set(TRAINING_PICTURES, seed=1, proxy=proxy)
            pixels = draw_all(examples, pool)
            _log.info("%s: drew %d pictures, %.0f s", name, len(pixels), time.perf_counter() - started)
            network = train(MODELS[name], pixels, examples.labels, TANK_RECIPE)
            save(MODELS[name], network, options.folder)
            found = measure_tanks(MODELS[name], torch_scorer(MODELS[name], network), proxy, pool)
            figures[name] = {key: round(value, 4) for key, value in asdict(found).items()}
            _log.info("%s: %s", name, figures[name])
    figures["digits"] = {key: round(value, 4) for key, value in _train_digits(options.folder).items()}
    write_samples(options.folder / "digits")
    text = json.dumps(figures, indent=1) + "\n"
    (options.folder / "figures.json").write_text(text, encoding="utf-8")
    _log.info("digits: %s; %.0f s in all", figures["digits"], time.perf_counter() - started)


if __name__ == "__main__":
    main()
