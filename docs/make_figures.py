"""Draws the pictures of the documentation that are results of Picasso: `python docs/make_figures.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import picasso
from picasso.core import render
from picasso.core.result import Result
from picasso.demo.tanks import held_out_set

FOLDER = Path(__file__).parent / "images"
SIDE = 320
GAP, LINE = 16, 30
MODELS = ("demo:tank-proxy", "demo:tank-honest")


def two_models() -> Image.Image:
    """One picture, and what each of the two tank models needs of it, on one color scale."""
    drawn = next(iter(held_out_set(1, proxy=True)))
    results = {name: _explain(name, drawn.pixels) for name in MODELS}
    maps = [result.attributions[0].values for result in results.values()]
    limits = render.shared_limits(maps, "signed")
    pictures = [("the picture", Image.fromarray(drawn.pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS))]
    for (name, result), values in zip(results.items(), maps, strict=True):
        chance = result.predictions[0]
        title = f"{name}: {chance.label} {chance.probability:.0%}"
        body = render.overlay(result.view, values, "signed", limits)
        pictures.append((title, Image.fromarray(body).resize((SIDE, SIDE), Image.Resampling.NEAREST)))
    return _beside(pictures, limits, next(iter(results.values())).attributions[0].units)


def _explain(name: str, pixels: np.ndarray) -> Result:
    result = picasso.explain(picasso.load_model(name), pixels, target="tank", window=0.2, stride=4)
    assert isinstance(result, Result)
    return result


def _beside(pictures: list[tuple[str, Image.Image]], limits: tuple[float, float], units: str) -> Image.Image:
    """Lay pictures side by side under their titles, with one color bar."""
    font = ImageFont.load_default(16)
    bar = 18
    canvas = Image.new("RGB", (len(pictures) * (SIDE + GAP) + bar + 5 * GAP, SIDE + LINE), "white")
    draw = ImageDraw.Draw(canvas)
    for place, (title, picture) in enumerate(pictures):
        left = place * (SIDE + GAP)
        draw.text((left, LINE // 2), title, (30, 30, 34), font, "lm")
        canvas.paste(picture, (left, LINE))
    left = len(pictures) * (SIDE + GAP)
    ramp = np.linspace(limits[1], limits[0], SIDE, dtype=np.float32)[:, None].repeat(bar, 1)
    canvas.paste(Image.fromarray(render.colorize(ramp, "signed", limits)), (left, LINE))
    for value, y, anchor in ((limits[1], LINE, "la"), (0.0, LINE + SIDE // 2, "lm"), (limits[0], LINE + SIDE, "ld")):
        draw.text((left + bar + 5, y), render.format_value(value), (30, 30, 34), font, anchor)
    draw.text((left + bar + 4 * GAP, LINE // 2), units, (30, 30, 34), font, "rm")
    return canvas


def main() -> None:
    """Write every picture."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / "two-models.png"
    two_models().save(path, optimize=True)
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
