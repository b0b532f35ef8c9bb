"""Steps of panels: on one scale, as a filmstrip, as JSON."""

from __future__ import annotations

import json

import numpy as np

from picasso.core.panels import Bars, Curve, FeatureMaps, Images, Panel, Series, Text
from picasso.core.panels.curve import Line
from picasso.core.panels.series import Step, on_one_scale
from picasso.core.result import image_files


def maps(top: float) -> FeatureMaps:
    values = np.linspace(-top, top, 2 * 9, dtype=np.float32).reshape(2, 3, 3)
    return FeatureMaps(
        id="maps", title="Maps", values=values, picture=None, layer="a", units="", sign="signed",
        limits=(-top / 2, top), order="strength",
    )  # fmt: skip


def curve(top: float) -> Curve:
    return Curve(id="curve", title="Curve", x=(0, 1), lines=(Line("a", (0, top)),), x_title="", y_title="")


def bars(top: float) -> Bars:
    return Bars(id="bars", title="Bars", labels=("a",), values=(top,), units="")


def steps() -> tuple[Step, ...]:
    def panels(top: float) -> tuple[Panel, ...]:
        return maps(top), curve(top), bars(top), Text(id="text", title="Text", text=str(top))

    return on_one_scale([Step("one", panels(1)), Step("two", panels(4))])


def test_panels_of_one_id_share_their_scale() -> None:
    for step in steps():
        shown = {panel.id: panel for panel in step.panels}
        assert isinstance(shown["maps"], FeatureMaps)
        assert isinstance(shown["curve"], Curve)
        assert isinstance(shown["bars"], Bars)
        assert shown["maps"].limits == (-4, 4)
        assert shown["maps"].order == "index"
        assert shown["curve"].limits == (0, 4)
        assert shown["bars"].maximum == 4


def test_a_step_is_pictured_by_its_first_picture() -> None:
    one, two = steps()
    assert one.picture is not None
    assert two.picture is not None
    assert np.ptp(two.picture) > np.ptp(one.picture)  # paler, on the scale of both
    assert on_one_scale([Step("words", (Text(id="t", title="T", text="x"),))])[0].picture is None
    pixels = np.zeros((20, 10, 3), np.uint8)
    (made,) = on_one_scale([Step("seen", (Images(id="i", title="I", pictures=(pixels,)),))])
    assert made.picture is not None
    assert made.picture.shape == (160, 80, 3)


def test_it_travels_as_json_beside_arrays() -> None:
    wire, arrays = Series(id="series", title="Series", steps=steps()).to_wire()
    text = json.dumps(wire)
    assert [panel["kind"] for panel in wire["steps"][1]["panels"]] == ["feature-maps", "curve", "bars", "text"]
    assert {name for name in arrays if name.endswith("values")} == {
        "steps.0.panels.0.values", "steps.1.panels.0.values"
    }  # fmt: skip
    assert text.count('"array"') == len(arrays) == 4


def test_without_script_it_is_a_filmstrip() -> None:
    series = Series(id="series", title="Series", steps=steps())
    strip = series.filmstrip()
    assert strip is not None
    assert strip.width > 2 * 160
    html = series.html()
    assert all(f"<summary>{label}</summary>" in html for label in ("one", "two"))
    assert 'alt="Series: one, two"' in html
    assert image_files([series])["series.png"].startswith(b"\x89PNG")
    words = Series(id="w", title="W", steps=(Step("a", (Text(id="t", title="T", text="x"),)),))
    assert words.filmstrip() is None
    assert "<details open>" in words.html()
    assert image_files([words]) == {}
