"""What looking inside a network costs: pictures for a channel against a plain PyTorch loop, and layers against Captum.

One process, one thread, processor time, by turns.

    python benchmarks/bench_inside.py --steps 128
"""

import argparse
import copy
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Libraries read these when they are imported.
os.environ.update({f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")})
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks.measuring import opened, say, timed
from benchmarks.networks import NETWORKS, Array, Network, picture

EVERY = 8
"""After so many steps it is asked how far each has come; that time does not count."""
RATE = 0.095
"""Of Picasso: a first step that moves the picture as far as one of the plain loop at its rate of 0.05."""
PICASSO, PYTORCH = "Picasso", "PyTorch loop"


@dataclass
class Climb:
    """How the search for a picture went.

    Attributes:
        seconds: CPU seconds of the steps.
        network: Of these the network's own, forward and backward; NaN where they are not known apart.
        course: Pairs of the seconds so far, and the channel's mean for the picture without moves.
    """

    seconds: float = 0.0
    network: float = float("nan")
    course: list[tuple[float, float]] = field(default_factory=list)

    def until(self, level: float) -> float:
        """Return the seconds until the channel's mean was so high; infinite where it never was."""
        return next((seconds for seconds, value in self.course if value >= level), float("inf"))


def climbs(network: Network, layer: str, steps: int) -> dict[str, Climb]:
    """PictureSearch for a channel's picture by Picasso and by a plain loop, a step each by turns.

    Args:
        network: Of PyTorch.
        layer: Whose channel.
        steps: Of each.
    """
    made = network.make(network.side)
    model = opened(made, network)
    # Random weights leave channels that never fire: the strongest is taken.
    channel = int(model.activations(picture(network.side), [layer])[layer].mean(axis=(0, 1, 2)).argmax())
    rivals: dict[str, tuple[Callable[[int], None], Callable[[], Array]]] = {
        PICASSO: _picasso(model, layer, channel, steps),
        PYTORCH: _plain(copy.deepcopy(made), layer, channel, network.side),
    }
    found = {title: Climb() for title in rivals}
    found[PICASSO].network = 0.0
    _count_network(model, found[PICASSO])
    for step in range(steps):
        for title, (go, look) in rivals.items():
            climb = found[title]
            seconds, _ = timed(lambda go=go, step=step: go(step))
            climb.seconds += seconds
            if step % EVERY == EVERY - 1:
                x = look()
                climb.course.append((climb.seconds, float(model.activations(x, [layer])[layer][..., channel].mean())))
    return found


def _picasso(model: Any, layer: str, channel: int, steps: int) -> tuple[Callable[[int], None], Callable[[], Array]]:
    """Return a step of Picasso's search by its defaults but for the rate, and what the network reads of its picture."""
    from picasso.core.synthesis.dreaming import GreyCanvas, PictureSearch
    from picasso.core.synthesis.objective import read_objectives
    from picasso.core.synthesis.parametrization import FourierParameters
    from picasso.visualizations.feature_visualization import FeatureVisualizationSettings, plan

    settings = FeatureVisualizationSettings(steps=steps, rate=RATE)
    canvas = GreyCanvas(model)
    (objective,) = read_objectives(model, canvas.sample, f"{layer}:{channel}")
    parameters = FourierParameters(canvas.scale.x.shape, True, False, settings.decay)  # type: ignore[arg-type]
    search = PictureSearch(canvas, objective, parameters, plan(settings), [0])
    return search.step, lambda: canvas.read(search.picture)


def _plain(network: Any, layer: str, channel: int, side: int) -> tuple[Callable[[int], None], Callable[[], Array]]:
    """Return a step of a loop as people write it: waves, random moves and Adam, all by autograd; and its picture."""
    import torch
    from torch.nn import functional

    from picasso.core.synthesis.parametrization import COLORS

    network.eval()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    kept: dict[str, Any] = {}
    network.get_submodule(layer).register_forward_hook(lambda module, given, out: kept.update(out=out))
    down, across = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    fall = torch.from_numpy(1 / np.maximum(np.hypot(down, across), 1 / side)).float()[None, None, ..., None]
    mix = torch.from_numpy(COLORS).float()
    torch.manual_seed(0)
    waves = (0.01 * torch.randn(1, 3, side, side // 2 + 1, 2)).requires_grad_()
    adam, random = torch.optim.Adam([waves], lr=0.05), np.random.default_rng(0)

    def made() -> Any:
        field = torch.fft.irfft2(torch.view_as_complex(fall * waves), s=(side, side), norm="ortho") / 4
        return torch.sigmoid(torch.einsum("ij,njhw->nihw", mix, field))

    def step(number: int) -> None:
        adam.zero_grad()
        x = functional.pad(made(), (12,) * 4, mode="constant", value=0.5)
        up, left = random.integers(0, 16, 2)
        x = x[..., up : up + side + 8, left : left + side + 8]
        grown, turned = random.uniform(0.9, 1.1), np.deg2rad(random.uniform(-10, 10))
        cosine, sine = np.cos(turned) / grown, np.sin(turned) / grown
        move = torch.tensor([[[cosine, sine, 0], [-sine, cosine, 0]]], dtype=torch.float32)
        grid = functional.affine_grid(move, [1, 3, side + 8, side + 8], align_corners=False)
        x = functional.grid_sample(x, grid, align_corners=False)
        up, left = random.integers(0, 9, 2)
        network(x[..., up : up + side, left : left + side])
        (-kept["out"][0, channel].mean()).backward()
        adam.step()

    def look() -> Array:
        with torch.no_grad():
            return np.ascontiguousarray(np.moveaxis(made().numpy(), 1, -1))

    return step, look


def _count_network(model: Any, climb: Climb) -> None:
    """Count the time of the network's own passes apart."""
    pull = model._swift_pullback

    def counted(*given: Any) -> Any:
        seconds, pulled = timed(lambda: pull(*given))
        climb.network += seconds
        return pulled

    model._swift_pullback = counted


def layers(network: Network, layer: str, turns: int) -> dict[str, float]:
    """Return CPU seconds for a layer's values, the least of several turns, by title."""
    import torch
    from captum.attr import LayerActivation

    made = network.make(network.side)
    model, x = opened(made, network), picture(network.side)
    captum = LayerActivation(made.eval(), made.get_submodule(layer))
    tensor = torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))
    runs: dict[str, Callable[[], Any]] = {
        PICASSO: lambda: model.activations(x, [layer])[layer],
        "Captum": lambda: captum.attribute(tensor).detach().numpy(),
    }
    found: dict[str, float] = {}
    values: dict[str, Array] = {}
    for _ in range(turns):
        for title, run in runs.items():
            seconds, values[title] = timed(run)
            found[title] = min(seconds, found.get(title, np.inf))
    np.testing.assert_allclose(values[PICASSO], np.moveaxis(values["Captum"], 1, -1), atol=1e-4)
    return found


def report(network: Network, layer: str, found: dict[str, Climb], steps: int) -> list[str]:
    """Say what was measured, as lines."""
    ours, theirs = found[PICASSO], found[PYTORCH]
    level = min(ours.course[-1][1], theirs.course[-1][1])
    lines = [f"{network.title}, the strongest channel of {layer}, {steps} steps"]
    for title, climb in found.items():
        own = "" if np.isnan(climb.network) else f", {1 - climb.network / climb.seconds:.0%} of it not the network's"
        lines.append(
            f"  {title:<13} {1e3 * climb.seconds / steps:7.1f} ms a step{own}; reaches {climb.course[-1][1]:.3g}, and "
            f"{level:.3g} in {climb.until(level):.2f} s"
        )
    lines.append(f"  a step is {theirs.seconds / ours.seconds:.2f} times as fast as the plain loop's")
    lines.append(f"  the same activation is there {theirs.until(level) / ours.until(level):.2f} times as fast")
    return lines


def main() -> int:
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=128, help="steps of each search")
    parser.add_argument("--layer", default="features.7", help="of SqueezeNet")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    network = NETWORKS["squeezenet"]
    for line in report(network, asked.layer, climbs(network, asked.layer, asked.steps), asked.steps):
        say(line)
    costs = layers(network, asked.layer, 20)
    say("values of the layer: " + ", ".join(f"{title} {1e3 * each:.1f} ms" for title, each in costs.items()))
    say(f"  Picasso is {costs['Captum'] / costs[PICASSO]:.2f} times as fast as Captum")
    return 0


if __name__ == "__main__":
    sys.exit(main())
