"""Panels: JSON beside arrays on the wire, and static HTML that nothing can break out of."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
from html import escape
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image

from picasso.core import panels as module
from picasso.core.diagram import Arc, Box, Role
from picasso.core.errors import PluginError
from picasso.core.panels import (
    Bars,
    Curve,
    Drawing,
    FeatureMaps,
    Gallery,
    Heatmap,
    Images,
    Matrix,
    NetworkGraph,
    Panel,
    Scatter,
    Template,
    Text,
)
from picasso.core.panels.atlas import MOST, make_atlas
from picasso.core.panels.curve import DASHES, Line, round_numbers
from picasso.core.panels.feature_maps import COLUMNS, GAP, LINE, SIDE, ChannelMeasure
from picasso.core.panels.gallery import Group, Tile
from picasso.core.panels.scatter import MARGIN, Coloring
from picasso.core.panels.scatter import SIDE as PLANE
from picasso.core.panels.series import Series, Step
from picasso.core.panels.surface import Contour, Stop, Surface
from picasso.core.pictures import render
from picasso.core.preprocessing import Frame

RNG = np.random.default_rng(61)
VALUES = RNG.normal(size=(6, 8)).astype(np.float32)
PICTURE = RNG.integers(0, 256, (6, 8, 3)).astype(np.uint8)
BAD = "<img src=x onerror=alert(1)>\"'&"
ESCAPED = "&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;&amp;"

HEATMAP = Heatmap(
    id="map-0",
    title=BAD,
    caption="How to read it.",
    values=VALUES,
    picture=PICTURE,
    units=BAD,
    sign="signed",
    limits=(-2.0, np.float32(2.0)),  # type: ignore[arg-type]
    clipped=0.125,
    group="targets",
    rank=1,
    target=BAD,
    score=np.float32(0.5),  # type: ignore[arg-type]
    probability=None,
    native=VALUES[::2, ::2],
    laid="as a grid",
    kept=True,
    frame=Frame(1.5, 2, 3, 4),
    notes=(BAD, "second"),
)
BARS = Bars(id="bars", title=BAD, labels=(BAD, "b"), values=(0.25, np.float64(0.75)), units=BAD, maximum=1.0)
IMAGES = Images(id="images", title=BAD, pictures=(PICTURE, PICTURE[::-1]), captions=(BAD, "second"))
TEXT = Text(id="text", title=BAD, text=f"first\nline\n\n{BAD}")
TEMPLATE = Template(id="own", title=BAD, values={BAD: BAD, "n": np.int64(3), "deep": {"a": [1, PICTURE]}, "p": PICTURE})
CHANNELS = FeatureMaps(
    id="channels",
    title=BAD,
    values=RNG.normal(size=(14, 3, 4)).astype(np.float32),
    picture=PICTURE,
    layer=BAD,
    units=BAD,
    sign="signed",
    limits=(-2.0, 2.0),
    measures=(ChannelMeasure("strength", BAD, BAD, RNG.normal(size=14).astype(np.float32)),),
    order="strength",
    sheet=13,
)
CURVE = Curve(
    id="curve",
    title=BAD,
    x=(-2.0, 0.0, 2.0, 4.0),
    lines=(Line(BAD, (0.25, None, 0.5, np.float64(0.75))), Line("b", (1.0, 0.0, 1.0, 0.0))),
    x_title=BAD,
    y_title=BAD,
    mark=0.0,
    mark_label=BAD,
)
GRAPH = NetworkGraph(
    id="graph",
    title=BAD,
    boxes=(
        Box(BAD, BAD, BAD, Role.INPUT, (6, 8, 3), "", None, None, -1, 1, -1),
        Box("block", BAD, BAD, Role.BLOCK, (6, 8, 4), BAD, 30, 40, -1, 2, -1, 2, True),
        Box("block.conv", "conv", "Conv2d", Role.CONV, (6, 8, 4), "block.conv", 30, 40, 1, 1, 0),
        Box("add", BAD, "add", Role.JOIN, (6, 8, 4), "", 0, 0, 1, 2, -1),
    ),
    arcs=(Arc(-1, 0, 1), Arc(1, 1, 2), Arc(1, 2, 3), Arc(1, 1, 3, 1), Arc(1, 3, 1)),
    elsewhere=3,
    notes=(BAD,),
)
DRAWING = Drawing(
    id="drawing",
    title=BAD,
    svg="<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'><rect width='9' height='9'/></svg>",
)
SERIES = Series(id="series", title=BAD, steps=(Step(BAD, (BARS, CHANNELS), PICTURE), Step("b", (TEXT,))), noun=BAD)
SURFACE = Surface(
    id="surface",
    title=BAD,
    x=(-1.0, 0.0, 1.0),
    y=(0.0, 2.0),
    values=np.array([[1, 2, 4], [1, 3, 9]], np.float32),
    x_title=BAD,
    y_title=BAD,
    units=BAD,
    contours=(Contour(2.0, ((0.0, 0.0), (-0.5, 2.0))),),
    path=(Stop(BAD, 1.0, 2.0), Stop("b", 0.0, 0.0)),
    mark=(0.0, 0.0),
    mark_label=BAD,
)
ATLAS = make_atlas([PICTURE, PICTURE[:, ::-1], PICTURE[::-1]], 3, 32)
GALLERY = Gallery(
    id="gallery",
    title=BAD,
    caption=BAD,
    groups=(
        Group(BAD, (Tile(0, BAD, BAD, (0.25, 0.5, 0.25, 0.5)), Tile(2, "third")), BAD, BAD),
        Group("few", (Tile(1, "second", "a/2.png"),)),
    ),
    atlas=ATLAS,
    wholes=ATLAS,
    album=BAD,
)
SCATTER = Scatter(
    id="scatter",
    title=BAD,
    points=np.array([[0, 0], [4, 1], [2, 2]], np.float32),
    names=(BAD, "b", "c"),
    atlas=ATLAS,
    colorings=(Coloring(BAD, (BAD, "right"), np.array([0, 1, -1], np.int32)),),
    neighbors=np.array([[1, 2], [2, 0], [1, 0]], np.int32),
    x_title=BAD,
    y_title=BAD,
    album=BAD,
)
MATRIX = Matrix(
    id="matrix",
    title=BAD,
    caption=BAD,
    rows=(BAD, "b"),
    columns=(BAD, "b", "c"),
    row_title=BAD,
    column_title=BAD,
    places=np.array([[0, 0], [1, 2], [1, 2]], np.int32),
    values=np.array([0.5, 0.25, 0.75], np.float32),
    units=BAD,
    names=(BAD, "b", "c"),
    atlas=ATLAS,
    album=BAD,
    labels=(BAD, "b"),
)
ALL = (
    GALLERY,
    SCATTER,
    MATRIX,
    HEATMAP,
    BARS,
    IMAGES,
    TEXT,
    TEMPLATE,
    CHANNELS,
    CURVE,
    GRAPH,
    DRAWING,
    SERIES,
    SURFACE,
)


def put_back(wire: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Read a wire as a browser would: every {"array": name} becomes the array."""
    if isinstance(wire, dict):
        if set(wire) == {"array"}:
            return arrays[wire["array"]]
        return {key: put_back(value, arrays) for key, value in wire.items()}
    return [put_back(value, arrays) for value in wire] if isinstance(wire, list) else wire


def test_every_kind_is_tested_and_has_a_name_of_its_own() -> None:
    kinds = [getattr(module, name) for name in module.__all__ if name != "Panel"]
    assert {type(panel) for panel in ALL} == set(kinds)
    assert len({kind.kind for kind in kinds}) == len(kinds)
    assert all(issubclass(kind, Panel) for kind in kinds)


@pytest.mark.parametrize("panel", ALL, ids=lambda panel: panel.kind)
def test_the_wire_is_json_beside_arrays_and_nothing_is_lost(panel: Panel) -> None:
    wire, arrays = panel.to_wire()
    text = json.dumps(wire, allow_nan=False)
    assert all(isinstance(array, np.ndarray) and array.flags.c_contiguous for array in arrays.values())
    again = put_back(json.loads(text), arrays)
    assert again.pop("kind") == panel.kind
    assert list(again) == [field.name for field in dataclasses.fields(panel)]
    for name, value in again.items():
        np.testing.assert_equal(value, plain(getattr(panel, name)), name)


def plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"kind": value.kind} | inner if isinstance(value, Panel) else inner
    if isinstance(value, Role):
        return str(value)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def test_the_names_of_arrays_say_where_they_belong() -> None:
    assert set(HEATMAP.to_wire()[1]) == {"values", "picture", "native"}
    assert set(IMAGES.to_wire()[1]) == {"pictures.0", "pictures.1"}
    assert set(TEMPLATE.to_wire()[1]) == {"values.deep.a.1", "values.p"}
    assert HEATMAP.to_wire()[0]["frame"] == {"top": 1.5, "left": 2, "height": 3, "width": 4}
    assert HEATMAP.to_wire()[0]["limits"] == [-2.0, 2.0]


def test_arrays_whose_names_would_meet_are_both_kept() -> None:
    panel = Template(id="own", title="t", values={"a.b": PICTURE, "a": {"b": PICTURE[::-1]}})
    wire, arrays = panel.to_wire()
    again = put_back(wire, arrays)["values"]
    np.testing.assert_array_equal(again["a.b"], PICTURE)
    np.testing.assert_array_equal(again["a"]["b"], PICTURE[::-1])


@pytest.mark.parametrize("panel", ALL, ids=lambda panel: panel.kind)
def test_html_is_escaped_and_without_script(panel: Panel) -> None:
    html = panel.html()
    assert BAD not in html
    assert ESCAPED in html
    tags: set[str] = set()
    attributes: set[str] = set()
    pictures: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.add(tag)
            attributes.update(key for key, _ in attrs)
            pictures.extend(value or "" for key, value in attrs if (tag, key) == ("image", "href"))

    Reader().feed(html)
    plain = {"h4", "p", "figure", "figcaption", "img", "ul", "li", "table", "tr", "td", "div", "details", "summary"}
    plain |= {"h5", "br", "span", "thead", "tbody", "th"}
    drawn = {"svg", "g", "line", "polyline", "circle", "text", "title", "rect", "path", "image"}
    draws = isinstance(panel, Curve | NetworkGraph | Surface)
    assert tags <= (plain | drawn if draws else plain)
    if not draws:  # a drawing has many, none of which can hold script
        assert attributes <= {"alt", "src", "style", "scope", "width"}
    assert all(picture.startswith("data:image/png;base64,") for picture in pictures)
    known = {"href"} if pictures else set()
    assert not any(name.startswith("on") or "href" in name for name in attributes - known)


def images_in(html: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/png;base64,([^"]*)"', html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data, validate=True)))) for data in found]


def test_a_heatmap_shows_the_overlay_with_its_bar_and_notes() -> None:
    (shown,) = images_in(HEATMAP.html())
    drawn = render.overlay_with_bar(PICTURE, VALUES, "signed", (-2, 2), BAD)
    np.testing.assert_array_equal(shown, np.asarray(drawn))
    assert HEATMAP.html().count("<li>") == 2
    assert "<ul>" not in dataclasses.replace(HEATMAP, notes=()).html()


def test_images_are_shown_as_they_are() -> None:
    first, second = images_in(IMAGES.html())
    np.testing.assert_array_equal(first, PICTURE)
    np.testing.assert_array_equal(second, PICTURE[::-1])
    assert IMAGES.html().count("second") == 2  # the caption, and the text for those who do not see the picture
    assert len(images_in(dataclasses.replace(IMAGES, captions=()).html())) == 2


@pytest.mark.parametrize(
    ("values", "maximum", "widths"),
    [
        ((0.25, 1.0), 1.0, ["25.0", "100.0"]),
        ((2.0, 4.0), None, ["50.0", "100.0"]),
        ((-4.0, 2.0), None, ["0.0", "50.0"]),
        ((0.0, 0.0), None, ["0.0", "0.0"]),
        ((3.0, 0.5), 1.0, ["100.0", "50.0"]),
        ((), None, []),
    ],
)
def test_the_length_of_a_bar_is_its_value(values: tuple[float, ...], maximum: float | None, widths: list[str]) -> None:
    labels = tuple(f"label {i}" for i in range(len(values)))
    html = Bars(id="a", title="t", labels=labels, values=values, units="u", maximum=maximum).html()
    assert re.findall(r";width:([\d.]+)%", html) == widths
    assert all(f"<td>{value:.4g}</td>" in html for value in values)


def test_a_bar_says_its_interval() -> None:
    intervals = ((0.125, 0.5), (0.75, 1.0))
    panel = Bars(id="a", title="t", labels=("a", "b"), values=(0.25, 1.0), units="share", intervals=intervals)
    assert "<td>0.25 (0.125 to 0.5)</td>" in panel.html()
    assert panel.to_wire()[0]["intervals"] == [[0.125, 0.5], [0.75, 1.0]]
    assert "to" not in re.sub("<[^>]*>", "", BARS.html()).split()


def test_paragraphs_and_values() -> None:
    assert TEXT.html().count("<p>") == 2
    html = TEMPLATE.html()
    assert "<tr><td>n</td><td>3</td></tr>" in html
    assert "<td>p</td>" not in html


@pytest.mark.parametrize("panel", ALL, ids=lambda panel: panel.kind)
def test_panels_cannot_be_changed(panel: Panel) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        panel.title = "other"  # type: ignore[misc]


def test_channels_are_ranked_by_their_measure_and_unknown_ones_come_last() -> None:
    values = np.array([0.5, np.nan, 2.0, 0.5, -1.0], np.float32)
    panel = dataclasses.replace(
        CHANNELS, values=np.zeros((5, 2, 2), np.float32), measures=(ChannelMeasure("strength", "t", "u", values),)
    )
    assert panel.ranking().tolist() == [2, 0, 3, 4, 1]
    assert dataclasses.replace(panel, order="index").ranking().tolist() == [0, 1, 2, 3, 4]


def test_the_contact_sheet_holds_the_first_channels_in_their_colors() -> None:
    """Thirteen maps of 3 x 4 places: twelve in a row, one below; each place a square of the map's color."""
    sheet = np.asarray(CHANNELS.contact_sheet())
    (shown,) = images_in(CHANNELS.html())
    np.testing.assert_array_equal(shown, sheet)
    wide, high = SIDE, round(SIDE * 3 / 4)
    for place, number in enumerate(CHANNELS.ranking()[:13]):
        left, top = place % COLUMNS * (wide + GAP), place // COLUMNS * (high + LINE + GAP)
        colors = render.colorize(CHANNELS.values[number], "signed", (-2.0, 2.0))
        for row in range(3):
            for column in range(4):
                y, x = top + int((row + 0.5) * high / 3), left + int((column + 0.5) * wide / 4)
                np.testing.assert_array_equal(sheet[y, x], colors[row, column])
    nothing_left = sheet[high + LINE + GAP : high * 2 + LINE + GAP, wide + GAP :]
    assert (nothing_left == 255).all()


def test_a_curve_lays_its_values_between_its_axes() -> None:
    """Places across and up are linear; an unknown value leaves a gap, and no line crosses it."""
    curve = dataclasses.replace(CURVE, limits=(0.0, 1.0))
    circles = [(float(x), float(y)) for x, y in re.findall(r"<circle cx='([\d.]+)' cy='([\d.]+)'", curve.svg())]
    first, second = circles[:3], circles[3:]
    assert len(second) == 4
    left, right = second[0][0], second[3][0]
    bottom, top = second[1][1], second[0][1]
    assert bottom > top
    for (x, y), place, value in zip(first, (0, 2, 3), (0.25, 0.5, 0.75), strict=True):
        assert x == pytest.approx(left + (right - left) * place / 3, abs=0.11)
        assert y == pytest.approx(bottom - (bottom - top) * value, abs=0.11)
    lines = re.findall(r"<polyline points='([^']*)'", curve.svg())
    assert [len(line.split()) for line in lines] == [2, 4]  # one of the two values before the gap stands alone


def test_a_curve_is_a_table_too() -> None:
    html = CURVE.html()
    assert "<td>0.75</td>" in html
    assert html.count("<td>unknown</td>") == 1
    assert all(f"stroke-dasharray='{dash}'" in html for dash in DASHES[:2])  # told apart without color


def test_the_ends_of_a_curve_are_round_and_hold_all_values() -> None:
    line = Line("a", (0.13, 0.98, None))
    assert dataclasses.replace(CURVE, x=(0.0, 1.0, 2.0), lines=(line,)).y_limits() == (0.0, 1.0)
    flat = dataclasses.replace(CURVE, x=(0.0, 1.0), lines=(Line("a", (3.0, 3.0)),))
    low, high = flat.y_limits()
    assert low < 3 < high
    nothing = dataclasses.replace(CURVE, x=(0.0,), lines=(Line("a", (None,)),))
    assert nothing.y_limits() == (0.0, 1.0)
    assert "<polyline" not in nothing.svg()


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-30.0, 30.0, [-20, 0, 20]),
        (0.0, 0.0, [0]),
        (-0.003, 0.0071, [0, 0.005]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert round_numbers(low, high, 5) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("svg", "why"),
    [
        ("<p>no</p>", "must be an <svg>"),
        ("<svg", "is no SVG"),
        ("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "shapes and text alone"),
        ("<svg xmlns='http://www.w3.org/2000/svg'><style>*{}</style></svg>", "shapes and text alone"),
        ("<svg xmlns='http://www.w3.org/2000/svg'><image href='http://x'/></svg>", "shapes and text alone"),
        ("<svg xmlns='http://www.w3.org/2000/svg'><foreignObject/></svg>", "shapes and text alone"),
        ("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "must not lead elsewhere"),
        ("<svg xmlns='http://www.w3.org/2000/svg'><rect fill='url(http://x)'/></svg>", "must not lead elsewhere"),
        ("<!DOCTYPE svg [<!ENTITY a 'b'>]><svg xmlns='http://www.w3.org/2000/svg'>&a;</svg>", "must not declare"),
    ],
)
def test_a_drawing_is_shapes_and_text_and_nothing_else(svg: str, why: str) -> None:
    with pytest.raises(PluginError, match=why):
        Drawing(id="drawing", title="t", svg=svg)


def test_a_drawing_is_shown_as_a_picture_of_itself() -> None:
    (data,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', DRAWING.html())
    assert base64.b64decode(data).decode() == DRAWING.svg


def test_tiles_hold_their_pictures_as_large_as_they_fit() -> None:
    """Of 6 x 8 pixels: four times as many across, 24 down, with gray above and below; the next tile beside it."""
    wide = np.full((6, 8, 3), (200, 30, 40), np.uint8)
    tall = np.full((8, 2, 3), (20, 180, 60), np.uint8)
    atlas = make_atlas(iter([wide, tall, wide]), 3, 32)
    assert (atlas.side, atlas.columns, atlas.count) == (32, 2, 3)
    sheet = atlas.image()
    assert sheet.size == (64, 64)
    first, second = (np.asarray(atlas.tile(sheet, number), float) for number in (0, 1))
    np.testing.assert_allclose(first[6:26], np.broadcast_to([200, 30, 40], (20, 32, 3)), atol=12)
    np.testing.assert_allclose(first[:2], 128, atol=12)
    np.testing.assert_allclose(second[:, 14:18], np.broadcast_to([20, 180, 60], (32, 4, 3)), atol=12)
    np.testing.assert_allclose(second[:, :8], 128, atol=12)


def test_a_sheet_is_never_larger_than_a_browser_shows() -> None:
    atlas = make_atlas((np.full((2, 2, 3), 90, np.uint8) for _ in range(10_000)), 10_000, 64)
    assert atlas.side == 40
    assert max(atlas.image().size) <= MOST


def test_a_gallery_shows_its_tiles_under_their_headings() -> None:
    html = GALLERY.html()
    assert html.count("<h5>") == 2
    third, second = images_in(html)[1:]
    sheet = ATLAS.image()
    np.testing.assert_array_equal(third, np.asarray(ATLAS.tile(sheet, 2)))
    np.testing.assert_array_equal(second, np.asarray(ATLAS.tile(sheet, 1)))


def test_points_lie_where_they_are_upwards_and_in_their_colors() -> None:
    drawing = np.asarray(SCATTER.drawing())
    last = PLANE - MARGIN
    assert tuple(drawing[last, MARGIN]) != (255, 255, 255)
    assert tuple(drawing[PLANE // 2, last]) != tuple(drawing[last, MARGIN])
    assert tuple(drawing[MARGIN, PLANE // 2]) == (136, 136, 136)  # of no value
    one = dataclasses.replace(SCATTER, points=np.zeros((3, 2), np.float32), colorings=())
    assert (np.asarray(one.drawing()) != 255).any()


def test_a_matrix_counts_its_pictures() -> None:
    assert MATRIX.counts().tolist() == [[1, 0, 0], [0, 0, 2]]
    assert re.findall(r">(\d+)</td>", MATRIX.html()) == ["1", "0", "0", "0", "0", "2"]
    listed = f"<summary>{escape(BAD)} b, {escape(BAD)} c: 2</summary><p>c, b</p></details>"
    assert MATRIX.html().endswith(listed)
