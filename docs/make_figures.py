"""Draws the pictures of the documentation that are results of Picasso: `python docs/make_figures.py`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

import picasso
from picasso.auditing.eye import Eye
from picasso.auditing.findings import Findings
from picasso.core import registry
from picasso.core.errors import NotSupportedError
from picasso.core.fitting import abilities, missing
from picasso.core.interventions.intervention import Seen
from picasso.core.model import Model
from picasso.core.panels import Curve, Drawing, FeatureMaps, Gallery, Heatmap, Images, Scatter
from picasso.core.panels.curve import Line
from picasso.core.pictures import render
from picasso.core.pictures.images import read_picture
from picasso.core.result import Result
from picasso.core.visualization import AttributionMethod
from picasso.demo.tanks import held_out_set

FOLDER = Path(__file__).parent / "images"
MODELS = ("demo:tank-proxy", "demo:tank-honest")
TASKS = {"segmentation-mask": "demo:segmenter", "detected-boxes": "demo:detector"}
"""Visualizations of whole answers, and whose answer is drawn."""
STRONGEST: dict[str, Any] = {"target": "tank", "order": "effect", "shown": 24}
"""Which channels of the two tank models are drawn."""
MADE = dict.fromkeys(("fooling", "inversion", "decoding"), "demo:tank-honest")
"""Visualizations that make pictures, and for whom."""
ALBUM = "demo:tanks-honest"
"""Whose pictures the views over many look at: tanks and decoys under every sky."""
HEIGHT, GAP, LINE = 300, 16, 26
ROWS = 10
COLORS = ((200, 40, 45), (20, 120, 90))
"""Of the two models, where they stand side by side."""
SMALL = 192


def two_models() -> Image.Image:
    """One picture, and what each of the two tank models needs of it: the result that the README's lines give.

    Each map has its own color bar. Scores of two models have no common scale, so that a shared one would say no more.
    """
    drawn = next(iter(held_out_set(1, proxy=True)))
    pictures = [(["the picture"], Image.fromarray(drawn.pixels))]
    for name in MODELS:
        result = picasso.explain(picasso.load_model(name), drawn.pixels, target="tank")
        assert isinstance(result, Result)
        best = result.predictions[0]
        pictures.append(([f"{name}: {best.label} {best.probability:.0%}"], _map(result)))
    return _beside(pictures)


def wanted() -> Image.Image:
    """What each of the two tank models takes for a tank, and for a decoy, searched for in codes of drawn scenes."""
    pictures = []
    for name in MODELS:
        result = picasso.explain(
            picasso.load_model(name), visualization="feature-visualization", objective="tank; decoy",
            parametrization="learned", album="demo:tanks-honest",
        )  # fmt: skip
        assert isinstance(result, Result)
        made = next(panel for panel in result.panels if isinstance(panel, Images)).pictures
        pictures += [
            ([f"{name}: {label}"], Image.fromarray(one)) for label, one in zip(("tank", "decoy"), made, strict=True)
        ]
    return _beside([(titles, one.resize((220, 220), Image.Resampling.LANCZOS)) for titles, one in pictures])


def audit_pair() -> Image.Image:
    """A tank, its sham and its treatment in the top third, with what each of the two tank models says of them."""
    drawn = list(held_out_set(4, proxy=True))  # tank, decoy, tank, decoy
    models = [picasso.load_model(name) for name in MODELS]
    eye = Eye(models[0])
    seen = [
        Seen(str(number), eye.see(read_picture(one.pixels, "drawn")), number % 2, eye.see_mask(one.object_mask))
        for number, one in enumerate(drawn)
    ]
    bands = registry.intervention("bands", []).load()()
    top = bands.properties(eye.size, ())[0]
    pair = bands.pair(top, seen[0], seen[2], seen[1], seed=0)
    assert pair is not None
    titles = ("the picture", "sham: the top of another tank's", "treatment: the top of a decoy's")
    pictures = []
    for title, view in zip(titles, (seen[0].view, *pair), strict=True):
        said = []
        for name, model in zip(MODELS, models, strict=True):
            chances = model.decode_prob(model.predict(Eye(model).read([view])))[0]
            said.append(f"{name}: {chances[0].label} {chances[0].probability:.0%}")
        pictures.append(((title, *said), Image.fromarray(view)))
    return _beside(pictures)


def audit_drops(found: Sequence[Findings]) -> Image.Image:
    """What hangs on what in each of `MODELS`, in points of accuracy, with the 95 % intervals."""
    most: dict[str, float] = {}
    for effect in (effect for findings in found for effect in findings.effects if effect.pictures):
        most[effect.what.name] = max(most.get(effect.what.name, -1.0), effect.drop.value)
    names = sorted(most, key=lambda name: -most[name])[:ROWS]
    line, left, right = 2 * LINE, 440, 1800
    top = 2 * line
    bottom = top + line * len(names)
    canvas = Image.new("RGB", (1864, bottom + line + 16), "white")
    draw, font, small = ImageDraw.Draw(canvas), ImageFont.load_default(30), ImageFont.load_default(26)

    def at(share: float) -> float:
        return left + (right - left) * (share + 0.1) / 1.15

    for x, name, color in zip((left, left + 400), MODELS, COLORS, strict=True):
        draw.ellipse((x, line / 2 - 8, x + 16, line / 2 + 8), color)
        draw.text((x + 28, line / 2), name, (30, 30, 34), font, "lm")
    for tick in (0.0, 0.05, 0.25, 0.5, 0.75, 1.0):
        shade = (120, 120, 128) if tick in (0.0, 0.05) else (222, 222, 226)
        draw.line((at(tick), top - 8, at(tick), bottom), shade, 2)
        draw.text((at(tick), top - 14), f"{tick * 100:.0f}", (90, 90, 96), small, "rs" if tick == 0 else "ls")
    for row, name in enumerate(names):
        middle = top + line * row + line / 2
        measured = [one for findings in found if (one := findings.effect(name)) is not None]
        draw.text((left - 24, middle), measured[0].what.title, (30, 30, 34), font, "rm")
        for y, effect, color in zip((middle - 10, middle + 10), measured, COLORS, strict=True):
            drop = effect.drop
            draw.line((at(drop.low), y, at(drop.high), y), color, 5)
            draw.ellipse((at(drop.value) - 8, y - 8, at(drop.value) + 8, y + 8), color)
    draw.text((right, bottom + line / 2), "points of accuracy that hang on it", (90, 90, 96), small, "rm")
    return canvas.resize((canvas.width // 2, canvas.height // 2), Image.Resampling.LANCZOS)


def methods() -> Iterator[tuple[str, Image.Image]]:
    """One picture for each visualization: what each of the two tank models needs of a tank, by the defaults.

    The first model has learned the sky, the second the tank. Methods that neither can do, as those of transformers,
    have none.
    """
    drawn = next(iter(held_out_set(1, proxy=True)))
    models = [picasso.load_model(name) for name in MODELS]
    able = [abilities(model) for model in models]
    for name, entry in registry.visualizations([]).items():
        kind = entry.load()
        if issubclass(kind, AttributionMethod):
            if any(missing(model, entry, can) for model, can in zip(models, able, strict=True)):
                continue
            try:
                results = [picasso.explain(model, drawn.pixels, name, target="tank") for model in models]
            except NotSupportedError:  # no layer has tokens
                continue
            panels = [next(panel for panel in one.panels if isinstance(panel, Heatmap)) for one in results]
            maps = [render.overlay(p.picture, p.values, p.sign, p.limits, min_side=render.MIN_SIDE) for p in panels]
            yield name, _row([drawn.pixels, *maps])
        elif name == "activations":
            results = [picasso.explain(model, drawn.pixels, name, **STRONGEST) for model in models]
            sheets = [panel for one in results for panel in one.panels if isinstance(panel, FeatureMaps)]
            yield name, _stacked([panel.contact_sheet() for panel in sheets])
        elif name == "filters":
            results = [picasso.explain(model, visualization=name) for model in models]
            sheets = [panel for one in results for panel in one.panels if isinstance(panel, FeatureMaps)]
            yield name, _stacked([panel.contact_sheet() for panel in sheets])
        elif name == "feature-visualization":
            results = [picasso.explain(model, visualization=name) for model in models]
            made = [panel for one in results for panel in one.panels if isinstance(panel, Images)]
            yield name, _row([picture for panel in made for picture in panel.pictures])
        elif name == "top-examples":
            yield name, _stacked([examples(model) for model in models])
        elif name == "embedding":
            result = picasso.explain(models[1], visualization=name, album=ALBUM)
            assert isinstance(result, Result)
            yield name, next(panel for panel in result.panels if isinstance(panel, Scatter)).drawing()
        elif named := (TASKS | MADE).get(name):
            result = picasso.explain(picasso.load_model(named), drawn.pixels, name)
            assert isinstance(result, Result)
            shown = [p for panel in result.panels if isinstance(panel, Images) for p in panel.pictures]
            yield name, _row(shown[:3] if name in TASKS else shown)


def examples(model: Model) -> Image.Image:
    """Where in a data set those channels fire most that do most for a tank, a row for each."""
    result = picasso.explain(
        model, visualization="top-examples", album=ALBUM, layer="relu3", relevant_for="tank", channels=3
    )
    assert isinstance(result, Result)
    panel = next(panel for panel in result.panels if isinstance(panel, Gallery))
    sheet = panel.atlas.image()
    tiles = [[panel.atlas.tile(sheet, tile.number) for tile in group.tiles] for group in panel.groups]
    return _stacked([_row(row) for row in tiles])


def by_brightness() -> Curve:
    """How the accuracy of the two tank models hangs on the brightness of the picture."""
    curves = []
    for name in MODELS:
        result = picasso.explain(picasso.load_model(name), visualization="errors", album=ALBUM)
        assert isinstance(result, Result)
        curves.append(next(panel for panel in result.panels if panel.id == "brightness"))
    first, second = (curve for curve in curves if isinstance(curve, Curve))
    lines = tuple(Line(name, curve.lines[0].values) for name, curve in zip(MODELS, (first, second), strict=True))
    return replace(first, lines=lines)


def turned() -> Curve:
    """How sure each of the two tank models is of a tank that is turned."""
    drawn = next(iter(held_out_set(1, proxy=True)))
    curves = []
    for name in MODELS:
        result = picasso.explain(
            picasso.load_model(name), drawn.pixels, "transformations", kind="rotate", target="tank"
        )
        assert isinstance(result, Result)
        curves.append(next(panel for panel in result.panels if isinstance(panel, Curve)))
    lines = tuple(Line(name, curve.lines[0].values) for name, curve in zip(MODELS, curves, strict=True))
    return replace(curves[0], lines=lines, y_title="probability of a tank")


def known_where() -> Curve:
    """What each layer of a tank model knows of where an object is."""
    result = picasso.explain(picasso.load_model(MODELS[1]), visualization="where-information")
    assert isinstance(result, Result)
    return next(panel for panel in result.panels if isinstance(panel, Curve))


def drawn_to_scale() -> str:
    """The maps of the network of the tank models, as `architecture` draws them."""
    result = picasso.explain(picasso.load_model(MODELS[0]), visualization="architecture")
    assert isinstance(result, Result)
    return next(panel.svg for panel in result.panels if isinstance(panel, Drawing))


def _row(pictures: Sequence[Any]) -> Image.Image:
    """Lay square pictures side by side, small."""
    canvas = Image.new("RGB", (len(pictures) * (SMALL + 8) - 8, SMALL), "white")
    for place, picture in enumerate(pictures):
        small = render.to_image(picture).convert("RGB").resize((SMALL, SMALL), Image.Resampling.LANCZOS)
        canvas.paste(small, (place * (SMALL + 8), 0))
    return canvas


def _stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    """Lay pictures one under the other."""
    canvas = Image.new(
        "RGB", (max(one.width for one in pictures), sum(one.height + GAP for one in pictures) - GAP), "white"
    )
    top = 0
    for one in pictures:
        canvas.paste(one, (0, top))
        top += one.height + GAP
    return canvas


def _map(result: Result) -> Image.Image:
    panel = next(panel for panel in result.panels if isinstance(panel, Heatmap))
    return render.overlay_with_bar(panel.picture, panel.values, panel.sign, panel.limits, panel.units)


def _beside(pictures: Sequence[tuple[Sequence[str], Image.Image]]) -> Image.Image:
    """Lay pictures side by side, equally high, under their titles, of as many lines each."""
    font = ImageFont.load_default(15)
    scaled = [
        (titles, picture.resize((round(picture.width * HEIGHT / picture.height), HEIGHT), Image.Resampling.LANCZOS))
        for titles, picture in pictures
    ]
    width = sum(picture.width for _, picture in scaled) + GAP * (len(scaled) - 1)
    above = LINE * max(len(titles) for titles, _ in scaled)
    canvas = Image.new("RGB", (width, HEIGHT + above), "white")
    draw = ImageDraw.Draw(canvas)
    left = 0
    for titles, picture in scaled:
        for line, title in enumerate(titles):
            draw.text((left, LINE * line + LINE // 2), title, (30, 30, 34), font, "lm")
        canvas.paste(picture, (left, above))
        left += picture.width + GAP
    return canvas


def main() -> None:
    """Write every picture."""
    FOLDER.mkdir(exist_ok=True)
    for name, draw in (("two-models", two_models), ("wanted", wanted), ("audit-pair", audit_pair)):
        path = FOLDER / f"{name}.png"
        draw().save(path, optimize=True)
        sys.stdout.write(f"{path}\n")
    audits = [picasso.audit(name, "demo:tanks", maps=False) for name in MODELS]
    path = FOLDER / "audit-drops.png"
    audit_drops(audits).save(path, optimize=True)
    sys.stdout.write(f"{path}\n")
    (FOLDER / "methods").mkdir(exist_ok=True)
    for name, picture in methods():
        path = FOLDER / "methods" / f"{name}.webp"
        picture.save(path, quality=82, method=6)
        sys.stdout.write(f"{path}\n")
    curves = (("transformations", turned()), ("errors", by_brightness()), ("where-information", known_where()))
    drawn = {name: curve.svg(alone=True) for name, curve in curves} | {"architecture": drawn_to_scale()}
    for name, svg in drawn.items():
        path = FOLDER / "methods" / f"{name}.svg"
        path.write_text(svg + "\n", encoding="utf-8")
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
