"""Segmenters: where it is asked, drawn with the mouse, moved with the keys, carried by the address."""

import re

import pytest
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
    page.wait_for_function("document.querySelector('.place-board img').complete")
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
