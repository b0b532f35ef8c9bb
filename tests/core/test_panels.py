"""Panels: JSON beside arrays on the wire, and static HTML that nothing can break out of."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image

from picasso.core import panels as module
from picasso.core import render
from picasso.core.panels import Bars, Heatmap, Images, Panel, Template, Text
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
ALL = (HEATMAP, BARS, IMAGES, TEXT, TEMPLATE)


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
        return dataclasses.asdict(value)
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

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.add(tag)
            attributes.update(key for key, _ in attrs)

    Reader().feed(html)
    assert tags <= {"h4", "p", "figure", "figcaption", "img", "ul", "li", "table", "tr", "td", "div"}
    assert attributes <= {"alt", "src", "style"}


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


def test_paragraphs_and_values() -> None:
    assert TEXT.html().count("<p>") == 2
    html = TEMPLATE.html()
    assert "<tr><td>n</td><td>3</td></tr>" in html
    assert "<td>p</td>" not in html


@pytest.mark.parametrize("panel", ALL, ids=lambda panel: panel.kind)
def test_panels_cannot_be_changed(panel: Panel) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        panel.title = "other"  # type: ignore[misc]
