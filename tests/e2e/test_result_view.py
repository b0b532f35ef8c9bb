"""A result: values under the cursor equal the raw numbers, colors equal the color map, nothing is lost in display."""

import io
import json
import re
import zipfile
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from picasso.core.pictures.render import colorize

from .conftest import Problems, Server, picture

# The color of a place as it is seen: the map's layer over the picture's, as strong as the slider says.
PICK = """([selector, x, y]) => {
    let seen = [0, 0, 0];
    for (const canvas of document.querySelector(selector).querySelectorAll("canvas")) {
        if (!canvas.width) continue;
        const [column, row] = [Math.floor(x * canvas.width), Math.floor(y * canvas.height)];
        const [red, green, blue, alpha] = canvas.getContext("2d").getImageData(column, row, 1, 1).data;
        const share = (alpha / 255) * Number(getComputedStyle(canvas).opacity);
        seen = [red, green, blue].map((value, i) => Math.round(value * share + seen[i] * (1 - share)));
    }
    return seen;
}"""
COUNT_DRAWING = """() => {
    window.drawn = 0;
    for (const name of ["drawImage", "putImageData", "fillRect", "clearRect", "stroke"]) {
        for (const kind of [CanvasRenderingContext2D, OffscreenCanvasRenderingContext2D]) {
            const original = kind.prototype[name];
            kind.prototype[name] = function (...words) { window.drawn += 1; return original.apply(this, words); };
        }
    }
}"""
SLIDE = """async () => {
    const input = document.querySelector(".slider");
    for (let i = 0; i < 30; i += 1) {
        input.value = String(20 + i);
        input.dispatchEvent(new Event("input", {bubbles: true}));
        await new Promise(requestAnimationFrame);
    }
}"""


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    """A result whose windows leave gaps: the map holds NaN."""
    digest = server.upload(picture(96, 64, seed=100), "meadow.png")
    return server.run("Plain", digest, "partial-occlusion", settings={"window": "4px", "stride": "7px"})


@pytest.fixture
def view(page: Page, server: Server, key: str) -> Page:
    page.goto(f"{server.address}/results/{key}")
    page.wait_for_selector(".figure[data-ready]")
    return page


def pane(page: Page, number: int) -> Locator:
    return page.locator(".pane").nth(number)


def hover(page: Page, number: int, x: int, y: int, side: int = 32) -> None:
    """Point at the middle of a pixel of the map."""
    box = pane(page, number).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + (x + 0.5) * box["width"] / side, box["y"] + (y + 0.5) * box["height"] / side)


def value(page: Page) -> float:
    """Return the value that the first map shows, in full."""
    text = page.locator(".pane-value").nth(1).get_attribute("data-value")
    assert text is not None
    return float(text)


def panels(server: Server, key: str) -> list[dict[str, Any]]:
    return [panel for panel in server.get(f"/results/{key}")["panels"] if panel["kind"] == "heatmap"]


def test_the_value_under_the_cursor_is_the_raw_number(view: Page, server: Server, key: str) -> None:
    values = server.array(panels(server, key)[0]["values"])
    for x, y in ((0, 0), (31, 31), (5, 20), (17, 3)):
        hover(view, 1, x, y)
        expect(view.locator(".pane-value").first).to_have_text(f"x {x}, y {y}")
        shown = value(view)
        assert shown == values[y, x] or (np.isnan(shown) and np.isnan(values[y, x]))


def test_one_cursor_is_shared(view: Page) -> None:
    hover(view, 0, 9, 9)
    over_picture = value(view)
    hover(view, 1, 9, 9)
    assert value(view) == over_picture
    expect(view.locator(".bar-pointer")).to_be_visible()
    view.mouse.move(2, 2)
    expect(view.locator(".pane-value").first).to_have_text("")


def test_colors_are_those_of_the_color_map(view: Page, server: Server, key: str) -> None:
    panel = panels(server, key)[0]
    values = server.array(panel["values"])
    view.get_by_label("Map strength").fill("100")
    expected = colorize(values, panel["sign"], tuple(panel["limits"]))
    view.wait_for_timeout(100)
    known = [(y, x) for y, x in np.argwhere(np.isfinite(values)).tolist() if (y + x) % 37 == 0]
    for y, x in known:
        seen = view.evaluate(PICK, ["[data-panel] .pane", (x + 0.5) / 32, (y + 0.5) / 32])
        assert seen == expected[y, x].tolist(), (x, y)


def test_what_is_unknown_is_hatched_and_said(view: Page, server: Server, key: str) -> None:
    values = server.array(panels(server, key)[0]["values"])
    y, x = np.argwhere(np.isnan(values))[0].tolist()
    hover(view, 1, x, y)
    expect(view.locator(".pane-value").nth(1)).to_have_text("unknown")
    expect(view.locator(".readout")).to_have_text("Nothing is known here.")
    view.mouse.move(2, 2)
    view.get_by_label("Map strength").fill("100")
    view.wait_for_timeout(100)
    red, green, blue = view.evaluate(PICK, ["[data-panel] .pane", (x + 0.5) / 32, (y + 0.5) / 32])
    assert red == green == blue


def test_score_kept_is_another_view_of_the_same_numbers(view: Page, server: Server, key: str) -> None:
    panel = panels(server, key)[0]
    values = server.array(panel["values"])
    view.get_by_label("Logit kept").check()
    expect(view.locator(".bar-units")).to_contain_text("logit kept")
    hover(view, 1, 2, 2)
    assert value(view) == pytest.approx(panel["score"] - float(values[2, 2]), rel=1e-6)


def test_the_native_grid_shows_one_square_for_each_value(view: Page, server: Server, key: str) -> None:
    native = server.array(panels(server, key)[0]["native"])
    rows, columns = native.shape
    view.get_by_label(f"Native grid, {columns} \N{MULTIPLICATION SIGN} {rows}").check()
    hover(view, 1, 31, 0)
    expect(view.locator(".pane-value").first).to_have_text("x 31, y 0")
    assert value(view) == native[0, -1]


def test_all_classes_share_the_view(view: Page) -> None:
    view.get_by_label("All classes").check()
    expect(view.locator(".pane")).to_have_count(4)
    hover(view, 2, 12, 7)
    for output in view.locator("[data-panel] .pane-value").all():
        expect(output).not_to_have_text("")


def test_other_classes_are_one_click_away(view: Page) -> None:
    tabs = view.get_by_role("tab")
    expect(tabs.first).to_have_attribute("aria-selected", "true")
    label = tabs.nth(1).locator(".tab-label").inner_text()
    tabs.nth(1).click()
    expect(view.locator("[data-panel] .pane-target")).to_have_text(label)
    view.keyboard.press("ArrowRight")
    expect(tabs.nth(2)).to_be_focused()
    expect(tabs.nth(2)).to_have_attribute("aria-selected", "true")


def test_wheel_keys_and_drag_move_all_panes(view: Page) -> None:
    hover(view, 1, 20, 20)
    view.wait_for_timeout(300)
    view.mouse.wheel(0, -400)
    zoomed = view.locator(".zoomed")
    expect(zoomed).not_to_have_text("100%")
    before = view.evaluate(PICK, ["[data-panel] .pane", 0.9, 0.9])
    view.mouse.down()
    view.mouse.move(300, 300, steps=4)
    view.mouse.up()
    assert view.evaluate(PICK, ["[data-panel] .pane", 0.9, 0.9]) != before
    pane(view, 0).focus()
    view.keyboard.press("0")
    expect(zoomed).to_have_text("100%")
    view.keyboard.press("+")
    expect(zoomed).to_have_text("150%")
    view.keyboard.press("-")
    expect(zoomed).to_have_text("100%")


def test_values_are_read_by_keyboard(view: Page, server: Server, key: str) -> None:
    values = server.array(panels(server, key)[0]["values"])
    pane(view, 1).focus()
    view.keyboard.press("ArrowRight")
    view.keyboard.press("Shift+ArrowUp")
    text = view.locator(".pane-value").first.inner_text()
    x, y = (int(number) for number in re.findall(r"\d+", text))
    shown = value(view)
    assert shown == values[y, x] or np.isnan(values[y, x])
    expect(view.locator("#announcer")).to_contain_text(f"x {x}, y {y}")


def test_what_the_model_saw(view: Page) -> None:
    view.get_by_label("What the model saw").check()
    expect(view.locator(".pane-title").first).to_have_text("What the model saw")
    expect(view.locator(".notes")).to_contain_text("The model saw a part of the picture: columns 16 to 80 of 96")


def test_every_choice_is_on_record(view: Page) -> None:
    view.get_by_text("Every choice behind this result").click()
    record = view.locator(".record")
    for text in ("Plain", "4px", "7px", "meadow.png", "Seed", "numpy"):
        expect(record).to_contain_text(text)


def test_run_again_keeps_the_choices(view: Page) -> None:
    view.get_by_role("link", name="Run again").click()
    view.wait_for_selector("[data-ready]")
    view.locator(".settings summary").click()
    expect(view.locator('[data-setting="stride"] input')).to_have_value("7")


def test_the_map_that_is_shown_is_exported(view: Page) -> None:
    view.get_by_role("tab").nth(1).click()
    link = view.locator(".menu a").first
    expect(link).to_have_attribute("href", re.compile("format=png&panel=map-1"))


def test_exports(view: Page, server: Server, key: str) -> None:
    view.locator(".result-actions summary").click()
    names = {}
    for link in view.locator(".menu a").all():
        with view.expect_download() as download:
            link.click()
        names[link.locator("b").inner_text()] = download.value.path().read_bytes()
    assert names["PNG"].startswith(b"\x89PNG")
    assert names["PNG with color bar"] != names["PNG"]
    assert json.loads(names["JSON"])["settings"]["window"] == "4px"
    with np.load(io.BytesIO(names["NPZ"])) as arrays:
        values = server.array(panels(server, key)[0]["values"])
        np.testing.assert_array_equal(arrays["values_0"], values)
    assert len(zipfile.ZipFile(io.BytesIO(names["ZIP"])).namelist()) >= 4


def test_a_large_map_follows_the_hand_without_being_drawn_again(page: Page, server: Server) -> None:
    digest = server.upload(picture(seed=101), "big.png")
    key = server.run("Plain", digest, "big-map")
    page.goto(f"{server.address}/results/{key}")
    page.wait_for_selector(".figure[data-ready]")
    page.wait_for_timeout(300)
    page.evaluate(COUNT_DRAWING)
    page.evaluate(SLIDE)
    assert float(page.locator(".pane-map").nth(1).evaluate("one => getComputedStyle(one).opacity")) == 0.49
    for x in (300, 500, 900):
        hover(page, 1, x, 700, 1024)
        expect(page.locator(".pane-value").first).to_have_text(f"x {x}, y 700")
    expect(page.locator(".crosshair").nth(1)).to_be_visible()
    assert page.evaluate("window.drawn") == 0
    page.locator(".pane").nth(1).focus()
    page.keyboard.press("+")
    page.wait_for_timeout(200)
    assert page.evaluate("window.drawn") > 0


def test_the_crosshair_surrounds_the_pixel(view: Page) -> None:
    hover(view, 1, 5, 20)
    pixel = view.locator(".crosshair").nth(1).locator("i").last.bounding_box()
    box = pane(view, 1).bounding_box()
    assert pixel is not None
    assert box is not None
    side = box["width"] / 32
    assert pixel["x"] + pixel["width"] / 2 == pytest.approx(box["x"] + 5.5 * side, abs=1)
    assert pixel["y"] + pixel["height"] / 2 == pytest.approx(box["y"] + 20.5 * side, abs=1)
    assert pixel["width"] == pytest.approx(max(side, 10), abs=1)
    view.mouse.move(2, 2)
    expect(view.locator(".crosshair").nth(1)).to_be_hidden()


def test_a_result_that_is_gone_says_so(page: Page, server: Server, problems: Problems) -> None:
    problems.expect("status of 404")
    page.goto(f"{server.address}/results/{'0' * 64}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("There is no result")
    expect(page.get_by_role("link", name="History").first).to_be_visible()
