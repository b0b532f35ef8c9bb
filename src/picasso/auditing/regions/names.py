"""Plain words for kinds of regions: "the dark green band in the middle"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_VARIED = 10.0
"""A kind whose color varies by more than this between pictures, units of CIELAB, has no color in its name."""
_MOVES = 0.13
"""A kind whose middle varies by more than this between pictures, as a share of the side, has no place in its name."""
_ACROSS = 0.23
"""Standard deviation of the places of a kind that goes from one edge to the other; evenly spread ones have 0.29."""
_FLAT = 0.16
"""And of one that fills no more than about half of the other side."""
_STANDS_OUT = 0.4
_SMALL = 0.03
_HUES = (
    (20, "pink"),
    (45, "red"),
    (75, "orange"),
    (105, "yellow"),
    (165, "green"),
    (220, "turquoise"),
    (300, "blue"),
    (330, "purple"),
    (360, "pink"),
)


@dataclass(frozen=True, eq=False)
class Look:
    """What a kind looks like in the typical picture that has it.

    Args:
        color: CIELAB, (3,).
        varied: How much the color varies between pictures, units of CIELAB.
        middle: Row and column of the middle, as shares of the sides, (2,).
        moves: How much the middle varies between pictures, (2,).
        wide: Standard deviation of its places within a picture, down and across, (2,).
        size: Share of the picture.
        figure: How far it stands out from the ground, 0 to 1.
    """

    color: NDArray[np.float64]
    varied: float
    middle: NDArray[np.float64]
    moves: NDArray[np.float64]
    wide: NDArray[np.float64]
    size: float
    figure: float


def different(names: Sequence[str]) -> list[str]:
    """Return names that are all different: those that are not get numbers."""
    made: list[str] = []
    for name in names:
        unique, number = name, 2
        while unique in made:
            unique, number = f"{name} ({number})", number + 1
        made.append(unique)
    return made


def name_of(look: Look) -> str:
    """Return what completes "The model relies on ..."."""
    place = place_name(look.middle, look.moves, look.wide)
    if look.figure >= _STANDS_OUT:
        noun = "small thing" if look.size < _SMALL else "thing"
    elif look.wide[1] > _ACROSS and look.wide[0] > _ACROSS:
        noun = "background"
    else:
        noun = "band" if look.wide[1] > _ACROSS and look.wide[0] < _FLAT and place == "in the middle" else "area"
    color = "" if look.varied > _VARIED else color_name(look.color)
    return " ".join(word for word in ("the", color, noun, place) if word)


def color_name(lab: NDArray[np.float64]) -> str:
    """Return a plain name of a CIELAB color, (3,): "dark green"."""
    light, chroma = float(lab[0]), float(np.hypot(lab[1], lab[2]))
    if chroma < 9 or light < 10:
        shades = ((15, "black"), (40, "dark grey"), (65, "grey"), (88, "light grey"))
        return next((shade for most, shade in shades if light < most), "white")
    hue = float(np.degrees(np.arctan2(lab[2], lab[1]))) % 360
    word = next(word for most, word in _HUES if hue <= most)
    if word in ("orange", "yellow", "red") and light < 55 and chroma < 50:
        word = "brown" if word != "yellow" or chroma < 30 else "olive"
    tone = "dark " if light < 38 else "light " if light > 75 and chroma < 40 else "bright " if chroma > 60 else ""
    return tone + word


def place_name(middle: NDArray[np.float64], moves: NDArray[np.float64], wide: NDArray[np.float64]) -> str:
    """Return where something lies in words: "at the top left"; "" where that is everywhere."""
    if (moves > _MOVES).any():
        return "at changing places"
    down = "" if wide[0] > _ACROSS else _third(float(middle[0]), "top", "bottom")
    across = "" if wide[1] > _ACROSS else _third(float(middle[1]), "left", "right")
    sides = " ".join(word for word in (down, across) if word not in ("", "middle"))
    if sides:
        return f"at the {sides}"
    return "" if down == across == "" else "in the middle"


def _third(share: float, low: str, high: str) -> str:
    return low if share < 0.36 else high if share > 0.64 else "middle"
