"""Measures the attribution methods of one network: Picasso and its rivals by turns, by the time of the processor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks import attribution_rivals
from benchmarks.attribution_rivals import FORWARD, LOOP, Run, Scene
from benchmarks.measuring import opened, photo, timed
from benchmarks.networks import Array, Network
from benchmarks.rivals import WARM_UP

PASSES = 64
"""Perturbed pictures of the methods that draw them."""
STEPS = 16
FORWARDS = 3
"""Forward passes that are measured in each turn."""
PICASSO, EXPLAIN = "Picasso", "explain"
LIBRARIES = ("Captum", "Xplique", LOOP)


@dataclass(frozen=True)
class Method:
    """A method of the benchmark.

    Args:
        name: Its registered name.
        title: What the page calls it.
        settings: With what it is run.
        passes: How many inputs it runs, by which its time is divided.
        goal: At most so many forward passes for each of these.
        goals: By what factor it shall be faster than a rival, by title.
        turns: How often each is measured.
        whole: Whether the whole of `explain` is measured, too.
        compared: Whether the rivals' maps are the same but for rounding.
    """

    name: str
    title: str
    settings: dict[str, Any] = field(default_factory=dict)
    passes: int = 1
    goal: float | None = None
    goals: dict[str, float] = field(default_factory=dict)
    turns: int = 2
    whole: bool = False
    compared: bool = False


_AS_FAST = dict.fromkeys(LIBRARIES, 1.0)
METHODS = (
    Method(
        "grad-cam",
        "Grad-CAM",
        goal=1.1,
        goals={"pytorch-grad-cam": 2.5, "tf-keras-vis": 3.0},
        turns=6,
        whole=True,
        compared=True,
    ),
    Method("saliency-map", "Saliency map", goal=2.2, turns=6, whole=True, compared=True),
    Method(
        "integrated-gradients",
        "Integrated gradients",
        {"steps": STEPS, "max_steps": STEPS},
        passes=STEPS,
        goal=2.0,
        compared=True,
    ),
    Method("rise", "RISE", {"masks": PASSES}, passes=PASSES, goals=_AS_FAST),
    Method("lime", "LIME", {"samples": PASSES}, passes=PASSES, goals=_AS_FAST),
    Method("score-cam", "Score-CAM", {"most": PASSES}, passes=PASSES, goals=_AS_FAST),
)


@dataclass
class Cost:
    """What was measured of a method on a network.

    Args:
        method: The method.
        seconds: CPU seconds of one map by title, the least of the turns: of Picasso, of a forward pass of one picture,
            of the whole of `explain`, and of the rivals.
        batches: With how many pictures at once a rival ran best.
        agreement: Correlation with the map of a rival that computes the same.
    """

    method: Method
    seconds: dict[str, float] = field(default_factory=dict)
    batches: dict[str, int] = field(default_factory=dict)
    agreement: dict[str, float] = field(default_factory=dict)

    def forwards(self, title: str = PICASSO) -> float:
        """Return its time in forward passes of one picture, for each input that it runs."""
        return self.seconds[title] / self.seconds[FORWARD] / self.method.passes

    def factor(self, title: str) -> float | None:
        """Return by what factor Picasso is faster than a rival."""
        return self.seconds[title] / self.seconds[PICASSO] if title in self.seconds else None


@dataclass
class Row:
    """What was measured of one network; `notes` say what is missing, and why."""

    network: Network
    costs: list[Cost] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def measure(network: Network, methods: tuple[Method, ...] = METHODS, say: Callable[[str], None] | None = None) -> Row:
    """Measure the methods on a network.

    Args:
        network: Which.
        methods: Which.
        say: Called with a line for each method.
    """
    row = Row(network)
    made = network.make(network.side)
    model = opened(made, network)
    for method in methods:
        scene = _scene(network, made, model, method)
        cost = _measured(model, scene, method, row.notes)
        row.costs.append(cost)
        if say is not None:
            say(summary(cost))
    return row


def summary(cost: Cost) -> str:
    """Say what was measured in one line."""
    others = ", ".join(
        f"{title} {cost.factor(title):.2f}x" for title in cost.seconds if title not in (PICASSO, FORWARD, EXPLAIN)
    )
    same = ", ".join(f"{title} {value:.4f}" for title, value in cost.agreement.items())
    return (
        f"    {cost.method.title}: {1000 * cost.seconds[PICASSO]:.1f} ms, {cost.forwards():.2f} forwards each"
        f"{f' (explain {cost.forwards(EXPLAIN):.2f})' if cost.method.whole else ''}; {others}; agrees: {same or '-'}"
    )


def _scene(network: Network, made: Any, model: Any, method: Method) -> Scene:
    from picasso.core.maps.baselines import baseline
    from picasso.core.maps.regions import divide
    from picasso.visualizations.rise import draw_masks

    x = photo(network)
    sample = model.prepare(_picture(model, x))
    regions = divide(sample.view, "slic", 40).labels
    masks = np.concatenate(list(draw_masks(PASSES, 8, 0.5, network.side, network.side, 0)))
    absent = baseline(model, sample, "black")
    layer = model.default_layer().name
    return Scene(network, made, x, int(model.predict(x)[0].argmax()), layer, regions, absent, masks, method.passes)


def _picture(model: Any, x: Array) -> Any:
    from picasso.core.inputs import read_inputs

    return next(read_inputs(model, x)[0])


def _measured(model: Any, scene: Scene, method: Method, notes: list[str]) -> Cost:
    cost = Cost(method)
    runs: dict[str, Run] = {PICASSO: _own(model, scene, method)}
    if method.whole:
        runs[EXPLAIN] = _explain(model, scene, method)
    found: dict[str, Array | None] = {title: run() for title, run in runs.items()}
    for title, batch, make in attribution_rivals.rivals(method.name, scene):
        try:
            run = make()
            seconds, found[title] = timed(run)
            if seconds < WARM_UP:
                seconds, _ = timed(run)
        except Exception as error:
            note = f"{method.title}: {title} is not compared: {type(error).__name__}: {str(error).splitlines()[0]:.200}"
            if note not in notes:
                notes.append(note)
            continue
        if title not in runs or seconds < cost.seconds[title]:
            runs[title], cost.seconds[title], cost.batches[title] = run, seconds, batch
    forward = attribution_rivals.forward(scene)
    forward()
    cost.seconds = {}
    for _ in range(method.turns):
        for _ in range(FORWARDS):
            _note(cost, FORWARD, forward)
        for title, run in runs.items():
            _note(cost, title, run)
    own = found[PICASSO]
    assert own is not None
    for title, theirs in found.items():
        if method.compared and theirs is not None and title not in (PICASSO, EXPLAIN):
            cost.agreement[title] = float(np.corrcoef(own.ravel(), np.asarray(theirs, np.float64).ravel())[0, 1])
    return cost


def _note(cost: Cost, title: str, run: Run) -> None:
    seconds, _ = timed(run)
    cost.seconds[title] = min(seconds, cost.seconds.get(title, np.inf))


def _own(model: Any, scene: Scene, method: Method) -> Run:
    """Return what makes Picasso's map: from what the network reads to the values, the class scores included."""
    from picasso.core import registry
    from picasso.core.first_pass import first_pass
    from picasso.core.fitting import read_settings
    from picasso.plugin import Context

    entry = registry.visualization(method.name)
    kind, settings = entry.load(), read_settings(entry, method.settings)
    sample, target = model.prepare(_picture(model, scene.x)), model.target(scene.target)

    def run() -> Array:
        first = first_pass(model, sample.x, [target], 1, kind.begins_with(model, settings))
        ctx = Context(model, first.targets, first.scores, 0, lambda *_: None, lambda _: None, pulled=first.pulled)
        (attribution,) = kind().attribute(ctx, sample, [target], settings)
        values: Array = attribution.values
        return values

    return run


def _explain(model: Any, scene: Scene, method: Method) -> Run:
    """Return the whole of `explain`: the picture read, the map, its panels, and the record with all digests."""
    import picasso

    def run() -> None:
        picasso.explain(model, scene.x, method.name, target=scene.target, cache=False, **method.settings)

    return run
