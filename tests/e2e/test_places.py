"""Segmenters and detectors: where it is asked, drawn with the mouse, moved with the keys, carried by the address."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from .conftest import Problems, Server, picture
from .test_workbench import RUN, add, choose, finished


@pytest.fixture
def bench(page: Page, server: Server) -> Page:
    """The workbench with a segmenter and one picture of 96 x 64 pixels."""
    page.goto(f"{server.address}/explain?model=Painter")
    page.wait_for_selector('[data-model="Painter"][data-state="ready"]')
    add(page, ("scene.png", picture(96, 64, seed=20)))
    return page


def draw(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over the picture, from one point to another in shares of its sides."""
    board = page.locator(".place-board")
    board.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('.place-board img').complete")
    box = board.bounding_box()
    assert box is not None
    points = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in (start, end)]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=4)
    page.mouse.up()


def test_a_box_is_drawn_and_explained(bench: Page) -> None:
    bench.get_by_text("In one place").click()
    draw(bench, (0.25, 0.25), (0.75, 0.75))
    field = bench.get_by_label("Place in pixels of the picture")
    expect(field).to_have_value("24, 16, 48, 32")
    expect(bench.locator(".recipe")).to_contain_text("in the box at 24, 16, 48")
    bench.get_by_role("button", name=RUN).click()
    finished(bench)
    expect(bench.get_by_text("The scores are those of the box at 24, 16, 48 x 32.")).to_be_visible()
    assert "at=24%2C16%2C48%2C32" in bench.url
    bench.reload()
    bench.wait_for_selector("[data-ready]")
    expect(bench.get_by_label("Place in pixels of the picture")).to_have_value("24, 16, 48, 32")


def test_a_click_is_a_pixel_and_keys_move_a_box(bench: Page) -> None:
    bench.get_by_text("In one place").click()
    draw(bench, (0.5, 0.5), (0.5, 0.5))
    field = bench.get_by_label("Place in pixels of the picture")
    expect(field).to_have_value("48, 32")
    field.fill("10,10,20,20")
    field.blur()
    bench.locator(".place-board").focus()
    bench.keyboard.press("ArrowRight")
    bench.keyboard.press("Shift+ArrowDown")
    expect(field).to_have_value("11, 10, 20, 21")


def test_everywhere_is_each_class_over_its_own_mask(bench: Page) -> None:
    bench.get_by_role("button", name=RUN).click()
    finished(bench)
    expect(bench.get_by_role("tab")).to_have_text([re.compile("^(day|night)"), re.compile("^(day|night)")])
    choose(bench, "segmentation-mask")
    expect(bench.locator("#spot")).to_be_hidden()
    bench.get_by_role("button", name=RUN).click()
    expect(bench.get_by_role("heading", name="Share of the picture")).to_be_visible()


def test_what_is_no_place_is_said_beside_it(bench: Page, problems: Problems) -> None:
    problems.expect("status of 422")
    bench.get_by_text("In one place").click()
    field = bench.get_by_label("Place in pixels of the picture")
    field.fill("here")
    field.blur()
    bench.get_by_role("button", name=RUN).click()
    expect(bench.locator("#spot [role=alert]")).to_contain_text("The place to explain was not understood")


def test_classifiers_are_not_asked_where(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/explain?model=Plain")
    page.wait_for_selector('[data-model="Plain"][data-state="ready"]')
    expect(page.locator("#spot")).to_be_hidden()


def test_a_missed_object_is_asked_about(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/explain?model=Finder")
    page.wait_for_selector('[data-model="Finder"][data-state="ready"]')
    add(page, ("tall.png", picture(60, 120, seed=21)))
    expect(page.locator(".recipe")).to_contain_text("explaining the 5 best detections")
    page.get_by_text("In one place").click()
    draw(page, (0.1, 0.7), (0.5, 0.9))
    board = page.locator(".place-board").bounding_box()
    assert board is not None
    assert board["height"] / board["width"] == pytest.approx(2, rel=0.02)  # a slim picture stays slim
    expect(page.locator(".recipe")).to_contain_text("explaining thing in the box at 6, 84, 24")
    page.get_by_text("Chosen classes").click()
    page.get_by_role("button", name="left edge").click()
    page.get_by_role("button", name="thing", exact=True).click()
    page.get_by_role("button", name=RUN).click()
    finished(page)
    expect(page.get_by_role("tab")).to_have_text([re.compile("^left"), re.compile("^thing")])
    page.goto(f"{server.address}/history?model=Finder")
    expect(page.locator(".tile").first).to_contain_text("at 6, 84, 24 \u00d7 24")


def test_keys_keep_a_box_within_the_picture(bench: Page) -> None:
    bench.get_by_text("In one place").click()
    field = bench.get_by_label("Place in pixels of the picture")
    field.fill("94,0,2,2")
    field.blur()
    bench.locator(".place-board").focus()
    for key in ("ArrowRight", "ArrowUp", "Shift+ArrowRight"):
        bench.keyboard.press(key)
    expect(field).to_have_value("94, 0, 2, 2")
    bench.keyboard.press("ArrowDown")
    expect(bench.locator("#announcer")).to_have_text("in the box at 94, 1, 2 \u00d7 2")


def test_a_file_that_runs_code_is_refused_with_what_to_do(page: Page, server: Server) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(f"{server.address}/explain?model=whole")
    card = page.locator('[data-model="whole"][data-state="failed"]')
    expect(card).to_contain_text("opening it would run code that comes with it")
    expect(card).to_contain_text(
        re.compile(r'write trust = \["[0-9a-f]{64}"\] under its \[\[model\]\] in picasso.toml')
    )
    inside, step = card.bounding_box(), page.locator(".step").first.bounding_box()
    assert inside is not None
    assert step is not None
    assert inside["x"] + inside["width"] <= step["x"] + step["width"] + 1


def test_a_deep_tiff_is_shown_and_drawn_on(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/explain?model=Painter")
    page.wait_for_selector('[data-model="Painter"][data-state="ready"]')
    values = np.linspace(0, 65535, 48 * 32).reshape(32, 48).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, format="TIFF")
    add(page, ("scan.tif", buffer.getvalue()))
    expect(page.locator(".tray-notes")).to_contain_text("Reduced from 16 to 8 bits.")
    page.get_by_text("In one place").click()
    draw(page, (0.25, 0.25), (0.75, 0.75))
    expect(page.get_by_label("Place in pixels of the picture")).to_have_value("12, 8, 24, 16")
    assert page.locator(".place-board img").evaluate("image => image.naturalWidth") == 48
