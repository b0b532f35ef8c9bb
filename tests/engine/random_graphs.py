"""Random op graphs, pictures and windows, in sizes that a test can afford.

All choices come from a `random.Random`, so that a number can repeat them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from picasso.core import graph as g
from tests.engine.making import Making
from tests.engine.random_ops import COMMON, ENDS, RARE, conv

SMALLEST, LARGEST = 13, 40


@dataclass
class Case:
    """A graph, a picture (1, c, h, w), boxes (m, 4) and what they show, in one of both forms."""

    graph: g.Graph
    x: np.ndarray
    boxes: np.ndarray
    contents: np.ndarray

    def patched(self) -> np.ndarray:
        """Return the picture with each box replaced, (m, c, h, w)."""
        pictures = np.repeat(self.x, len(self.boxes), axis=0)
        for number, (top, left, height, width) in enumerate(self.boxes):
            place = slice(None), slice(top, top + height), slice(left, left + width)
            pictures[number][place] = (self.contents if self.contents.ndim == 3 else self.contents[number])[place]
        return pictures


def random_case(choose: random.Random, most: int = 10) -> Case:
    """Return a graph with a picture and windows.

    Args:
        choose: Where all choices come from.
        most: Operations at most, before the ends.
    """
    make = Making(choose)
    graph = random_graph(make, make.between(1, most))
    shape = graph.ops[0].shape
    x = make.normal(1, *shape)
    boxes = random_boxes(choose, shape[1:])
    each = bool(make.between(0, 1))
    return Case(graph, x, boxes, make.normal(*(len(boxes),) * each, *shape))


def random_boxes(choose: random.Random, sides: tuple[int, ...]) -> np.ndarray:
    """Return boxes inside a picture: a grid, or any, all of one size or of several."""
    height, width = sides
    kind = choose.choice(["grid", "grid", "any", "single", "whole"])

    def size() -> tuple[int, int]:
        tall, wide = choose.choice([(1, 1), (3, 3), (height, 2), (choose.randint(1, height), choose.randint(1, width))])
        return min(tall, height), min(wide, width)

    tall, wide = size()
    if kind == "whole":
        return np.array([(0, 0, height, width), (0, 0, tall, wide)], np.int64)
    if kind == "grid":
        step = choose.randint(1, 9)
        tops, lefts = (
            sorted({*range(0, side - box + 1, step), side - box})[-9:] for side, box in ((height, tall), (width, wide))
        )
        return np.array([(top, left, tall, wide) for top in tops for left in lefts], np.int64)
    found = []
    for _ in range(choose.randint(1, 30)):
        tall, wide = (tall, wide) if kind == "single" else size()
        ends = choose.choice([0, height - tall]), choose.choice([0, width - wide])
        anywhere = choose.randint(0, height - tall), choose.randint(0, width - wide)
        found.append((*(ends if choose.randint(0, 2) == 0 else anywhere), tall, wide))
    return np.array(found, np.int64)


def random_graph(make: Making, count: int) -> g.Graph:
    """Return a graph of `count` random operations, with one to three outputs."""
    channels = make.between(1, 3)
    make.maps.append(make.build.input((channels, make.between(SMALLEST, LARGEST), make.between(SMALLEST, LARGEST))))
    for _ in range(count):
        make.choose.choice(COMMON if make.between(0, 2) else RARE)(make)
        if make.shape()[0] > 12:
            make.follow(g.Conv, weight=make.normal(4, make.shape()[0], 1, 1, size=0.4))
    if make.last == make.maps[0]:
        conv(make)
    outputs = {"scores": make.choose.choice(ENDS)(make)}
    made = [name for name in make.maps if name != make.maps[0]]
    while make.between(0, 3) == 0:
        name = make.choose.choice(made)
        outputs[f"other{len(outputs)}"] = make.choose.choice(ENDS)(make) if name == make.last else name
    return make.build.graph(outputs)
