"""A number over a plane: levels, contour lines, the static drawing and the way through JSON."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from picasso.core.panels.surface import Stop, Surface, contours_of, levels_of
from picasso.core.result import image_files


def bowl(count: int = 21) -> tuple[tuple[float, ...], np.ndarray]:
    """Return places -1..1 and the square of the distance from the middle."""
    places = np.linspace(-1, 1, count)
    return tuple(map(float, places)), (places[:, None] ** 2 + places**2).astype(np.float32)


def surface(**changes: object) -> Surface:
    x, values = bowl()
    given = {"values": values, "path": (Stop("start", 0.9, 0.9), Stop("<end>", 0, 0)), "mark": (0.0, 0.0)} | changes
    return Surface(id="loss", title="Loss", x=x, y=x, x_title="x & y", y_title="y", units="nats", **given)  # type: ignore[arg-type]


def test_levels_are_round_and_lie_between_the_ends() -> None:
    levels, logarithmic = levels_of(np.array([[0.0, 1.0]], np.float32))
    assert not logarithmic
    assert levels == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    levels, logarithmic = levels_of(np.array([[0.015, 3.0, np.nan]], np.float32))
    assert logarithmic
    assert levels == (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
    assert levels_of(np.full((3, 3), 2, np.float32)) == ((), False)
    assert levels_of(np.full((3, 3), np.nan, np.float32)) == ((), False)


def test_the_contours_of_a_bowl_are_circles() -> None:
    x, values = bowl(81)
    for logarithmic in (False, True):
        found = contours_of(x, x, values + 1e-9, [0.09, 0.49], logarithmic)
        assert [one.level for one in found] == [0.09, 0.49]
        for one in found:
            far = np.hypot(*np.array(one.points).T)
            np.testing.assert_allclose(far, one.level**0.5, atol=2e-3)


def test_contours_lie_where_the_axes_say() -> None:
    x, y = (0.0, 2.0, 4.0), (10.0, 20.0)
    (line,) = contours_of(x, y, np.array([[0, 1, 2], [0, 1, 2]], np.float32), [1.5], False)
    np.testing.assert_allclose(line.points, [(3, 10), (3, 20)] if line.points[0][1] == 10 else [(3, 20), (3, 10)])


def test_the_static_drawing_is_svg_with_every_part() -> None:
    x, values = bowl()
    levels, logarithmic = levels_of(values)
    shown = surface(contours=contours_of(x, x, values, levels, logarithmic), mark_label="here & now")
    tree = ET.fromstring(shown.svg(alone=True))
    space = "{http://www.w3.org/2000/svg}"
    assert len(tree.findall(f".//{space}circle")) == 2
    titles = [title.text for title in tree.iter(f"{space}title")]
    assert {"start", "<end>", "here & now"} <= set(titles)
    assert len(tree.findall(f".//{space}image")) == 2
    assert image_files([shown])["loss.svg"] == shown.svg(alone=True).encode()
    html = surface(caption="Lower is better.").html()
    assert "Lower is better." in html
    assert "Some of the values" in html


def test_heights_go_by_the_logarithm_where_values_span_much() -> None:
    _, values = bowl()
    shown = surface(values=values + np.float32(0.01), logarithmic=True)
    assert shown.limits() == pytest.approx((-2, np.log10(2.01)), abs=1e-5)
    flat = surface(values=np.full((21, 21), 3, np.float32))
    assert flat.limits() == (2.5, 3.5)
    unknown = surface(values=np.full((21, 21), np.nan, np.float32))
    assert unknown.limits() == (0, 1)
    ET.fromstring(unknown.svg())


def test_it_travels_as_json_beside_its_values() -> None:
    wire, arrays = surface().to_wire()
    json.dumps(wire)
    assert list(arrays) == ["values"]
    assert wire["path"][1] == {"label": "<end>", "x": 0, "y": 0}
