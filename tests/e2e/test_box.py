"""The box on a result's page is that of Python, and the other views of a map change no number."""

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from picasso.core.maps.extraction import box_in_picture, extract, smoothed
from picasso.core.pictures.render import colorize
from picasso.core.preprocessing import Array, Frame

from .conftest import Server, picture
from .test_result_view import PICK, hover, panels, value

SMOOTH = 0.02


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    """A result whose windows leave gaps: the map holds NaN."""
    digest = server.upload(picture(97, 65, seed=100), "meadow.png")
    return server.run("Plain", digest, "partial-occlusion", settings={"window": "4px", "stride": "7px"})


@pytest.fixture
def view(page: Page, server: Server, key: str) -> Page:
    page.goto(f"{server.address}/results/{key}")
    page.wait_for_selector(".figure[data-ready]")
    return page


def choose_threshold(page: Page, percent: int) -> None:
    page.get_by_label("Box from").fill(str(percent))


def expect_box(page: Page, panel: dict[str, Any], values: Array, **choices: Any) -> None:
    """Expect the box that Python finds, in pixels of the map and of the picture."""
    found = extract(values, **choices)
    outline = page.locator("[data-panel] .outline")
    if found.box is None:
        expect(page.locator(".boxed")).to_have_text(f"No box. {found.reason}")
        expect(outline).to_be_hidden()
        return
    inside = box_in_picture(found.box, values.shape, Frame(**panel["frame"]), 65, 97)
    assert inside is not None
    expect(outline).to_have_attribute("data-box", ",".join(map(str, found.box)))
    expect(page.locator(".boxed")).to_have_attribute("data-box", ",".join(map(str, inside)))
    left, top, width, height = inside
    expect(page.locator(".boxed")).to_contain_text(
        f"x {left}, y {top}, {width} \N{MULTIPLICATION SIGN} {height} pixels"
    )


@pytest.mark.parametrize("toggles", [(), ("Size only",), ("Size only", "Smoothed"), ("Smoothed",)])
def test_the_box_is_that_of_python(view: Page, server: Server, key: str, toggles: tuple[str, ...]) -> None:
    panel = panels(server, key)[0]
    values = server.array(panel["values"])
    expect(view.locator(".boxed")).to_be_hidden()
    view.get_by_label("Box", exact=True).check()
    for toggle in toggles:
        view.get_by_label(toggle).check()
    part = "absolute" if "Size only" in toggles else "positive"
    smooth = SMOOTH if "Smoothed" in toggles else 0.0
    for percent in (20, 5, 55, 100):
        choose_threshold(view, percent)
        expect_box(view, panel, values, threshold=percent / 100, part=part, smooth=smooth)
    view.get_by_label("Box", exact=True).uncheck()
    expect(view.locator(".boxed")).to_be_hidden()
    expect(view.locator("[data-panel] .outline")).to_be_hidden()


def test_the_outline_encloses_what_counts(view: Page, server: Server, key: str) -> None:
    values = server.array(panels(server, key)[0]["values"])
    view.get_by_label("Box", exact=True).check()
    expect(view.locator("[data-panel] .outline")).to_be_visible()
    mask = extract(values).mask
    inside = view.evaluate(
        """() => { const path = document.querySelector("[data-panel] .outline path.line");
        return path.getAttribute("d").match(/M[^M]+/g).map((one) => one.slice(1)); }"""
    )
    edges = np.pad(mask, 1).astype(int)
    length = int(np.abs(np.diff(edges, axis=0)).sum() + np.abs(np.diff(edges, axis=1)).sum())
    found = 0
    for one in inside:
        start, sign, end = one.partition("H" if "H" in one else "V")
        x, y = map(int, start.split())
        found += int(end) - (x if sign == "H" else y)
    assert found == length


def test_every_class_has_its_own_box(view: Page, server: Server, key: str) -> None:
    view.get_by_label("Box", exact=True).check()
    tabs = view.get_by_role("tab")
    for number, panel in enumerate(panels(server, key)):
        tabs.nth(number).click()
        expect_box(view, panel, server.array(panel["values"]))


def test_size_and_smoothed_are_other_views_of_the_same_numbers(view: Page, server: Server, key: str) -> None:
    maps = [server.array(panel["values"]) for panel in panels(server, key)]
    number = int(np.argmin([np.nanmin(one) for one in maps]))
    values = maps[number]
    y, x = np.argwhere(values < 0)[0].tolist()
    view.get_by_role("tab").nth(number).click()
    view.get_by_label("Size only").check()
    expect(view.locator(".bar-units")).to_contain_text("size of the change in logit")
    hover(view, 1, x, y)
    assert value(view) == -values[y, x]
    view.get_by_label("Logit kept").check()  # it takes the place of the size
    expect(view.get_by_label("Size only")).not_to_be_checked()
    view.get_by_label("Size only").check()
    expect(view.get_by_label("Logit kept")).not_to_be_checked()
    view.get_by_label("Smoothed").check()
    soft = np.abs(smoothed(values, SMOOTH))
    hover(view, 1, 2, 2)
    hover(view, 1, x, y)
    assert value(view) == pytest.approx(soft[y, x], rel=1e-9)
    view.get_by_label("Map strength").fill("100")
    view.mouse.move(2, 2)
    view.wait_for_timeout(150)
    most = max(float(np.nanmax(np.abs(smoothed(one, SMOOTH)))) for one in maps)
    expected = colorize(soft, "unsigned", (0.0, most))
    seen = view.evaluate(PICK, ["[data-panel] .pane", (x + 0.5) / 32, (y + 0.5) / 32])
    assert np.abs(np.array(seen) - expected[y, x].astype(int)).max() <= 1  # the layer's strength is rounded
    view.get_by_label("Native grid").check()
    expect(view.get_by_label("Smoothed")).not_to_be_checked()


def test_the_choice_is_kept_and_is_accessible(view: Page, axe: Any) -> None:
    view.get_by_label("Box", exact=True).check()
    choose_threshold(view, 40)
    axe(view)
    view.reload()
    view.wait_for_selector(".figure[data-ready]")
    expect(view.get_by_label("Box", exact=True)).to_be_checked()
    expect(view.get_by_label("Box from")).to_have_value("40")
