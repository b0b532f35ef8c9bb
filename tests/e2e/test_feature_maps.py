"""Channels and curves: thousands stay few in the page, keys reach all, colors and values are the raw ones."""

import io
import zipfile
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from picasso.core.pictures.render import colorize

from .conftest import Server, picture

CELLS = ".channel-cell"
PIXELS = """(canvas) => [canvas.width, canvas.height,
    ...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]"""


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    return server.run("Plain", server.upload(picture(96, 64, seed=140), "meadow.png"), "many-channels")


@pytest.fixture
def view(page: Page, server: Server, key: str) -> Page:
    page.goto(f"{server.address}/results/{key}")
    page.wait_for_selector(".feature-maps[data-ready]")
    page.wait_for_selector(CELLS)
    return page


def known(channel: int) -> np.ndarray:
    return (
        (channel % 5) * np.arange(49, dtype=np.float32).reshape(7, 7) * np.float32(1.003) - np.float32(24.1)
    ).astype(np.float32)


def ranking() -> list[int]:
    strength = [(number * 37) % 2048 for number in range(2048)]
    return [*sorted((k for k in range(2048) if k != 3), key=lambda k: (-strength[k], k)), 3]


def colors(view: Page, channel: int) -> np.ndarray:
    width, height, *pixels = view.locator(f'{CELLS}[data-channel="{channel}"] canvas').evaluate(PIXELS)
    return np.array(pixels, np.uint8).reshape(height, width, 4)[..., :3]


def test_the_maps_have_the_colors_of_their_numbers_and_come_in_their_order(view: Page) -> None:
    order = ranking()
    for place in (0, 1, 7):
        cell = view.locator(f'{CELLS}[aria-posinset="{place + 1}"]')
        expect(cell).to_have_attribute("data-channel", str(order[place]))
        expect(cell).to_have_attribute("aria-setsize", "2048")
        np.testing.assert_array_equal(
            colors(view, order[place]), colorize(known(order[place]), "signed", (-100.0, 100.0))
        )


def test_of_many_channels_only_those_in_view_are_in_the_page(view: Page) -> None:
    grid = view.locator(".channel-grid")
    assert view.locator(CELLS).count() < 300
    grid.evaluate("(one) => { one.scrollTop = one.scrollHeight; }")
    expect(view.locator(f'{CELLS}[data-channel="3"]')).to_be_visible()  # not known, so the last
    assert view.locator(CELLS).count() < 300
    most = grid.evaluate("""async (one) => {
        let most = 0;
        for (let step = 0; step < 40; step += 1) {
            one.scrollTop = (one.scrollHeight / 40) * step;
            await new Promise(requestAnimationFrame);
            most = Math.max(most, one.querySelectorAll("[role=option]").length);
        }
        return most;
    }""")
    assert most < 300


def test_keys_move_over_the_grid_and_enter_shows_a_channel_large(view: Page) -> None:
    order = ranking()
    title = view.locator(".channel-detail h4")
    expect(title).to_have_text(f"Channel {order[0]}")
    grid = view.locator(".channel-grid")
    grid.focus()
    grid.press("ArrowRight")
    active = f'{CELLS}[data-channel="{order[1]}"]'
    expect(view.locator(active)).to_have_class("channel-cell active")
    assert grid.get_attribute("aria-activedescendant") == view.locator(active).get_attribute("id")
    expect(title).to_have_text(f"Channel {order[0]}")  # not until it is asked for
    grid.press("Enter")
    expect(title).to_have_text(f"Channel {order[1]}")
    expect(view.locator(active)).to_have_attribute("aria-selected", "true")
    values = known(order[1])
    expect(view.locator(".channel-facts")).to_contain_text(
        f"{values.min():.3g} to {values.max():.3g}".replace("-", "−")
    )
    grid.press("End")
    grid.press("Enter")
    expect(title).to_have_text("Channel 3")
    expect(view.locator(".channel-facts")).to_contain_text("not known")
    grid.press("ArrowUp")
    grid.press("PageUp")
    grid.press("Home")
    expect(view.locator(f'{CELLS}[data-channel="{order[0]}"]')).to_have_class("channel-cell active")
    expect(view.locator(f'{CELLS}[data-channel="{order[0]}"]')).to_be_visible()


def test_a_click_a_number_and_another_order(view: Page) -> None:
    title = view.locator(".channel-detail h4")
    view.locator(f'{CELLS}[aria-posinset="3"]').click()
    expect(title).to_have_text(f"Channel {ranking()[2]}")
    view.get_by_label("Go to channel").fill("1500")
    view.get_by_label("Go to channel").press("Enter")
    expect(title).to_have_text("Channel 1500")
    expect(view.locator(f'{CELLS}[data-channel="1500"]')).to_be_visible()
    view.get_by_label("Order").select_option("index")
    expect(view.locator(f'{CELLS}[aria-posinset="1"]')).to_have_attribute("data-channel", "0")
    expect(title).to_have_text("Channel 1500")


def test_each_channel_on_its_own_scale(view: Page) -> None:
    channel = ranking()[0]
    most = float(np.abs(known(channel)).max())
    view.get_by_label("Each on its own scale").check()
    expect(view.locator(".feature-maps .bar-ticks span").last).to_have_text(f"{most:.3g}")
    np.testing.assert_array_equal(colors(view, channel), colorize(known(channel), "signed", (-most, most)))
    view.get_by_label("Each on its own scale").uncheck()
    expect(view.locator(".feature-maps .bar-ticks span").last).to_have_text("100")


def test_the_value_under_the_cursor_is_the_raw_number(view: Page) -> None:
    pane = view.locator(".channel-detail .pane")
    pane.scroll_into_view_if_needed()
    box = pane.bounding_box()
    assert box is not None
    view.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    shown = view.locator(".channel-detail .pane-value")
    expect(shown).to_contain_text("row 3, column 3: ")
    text = (shown.text_content() or "").split(": ")[1].replace("−", "-")
    assert float(text) == pytest.approx(float(known(ranking()[0])[3, 3]), abs=0.05)


def test_a_curve_is_read_by_keys_by_a_pointer_and_as_a_table(view: Page) -> None:
    slider = view.get_by_role("slider", name="shift, pixels")
    expect(slider).to_have_attribute("aria-valuetext", "0: red 1, green 0")
    expect(view.locator(".curve-here")).to_contain_text("as it is")
    slider.focus()
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "2: red 0.25, green unknown")
    expect(view.locator(".curve-key output").first).to_have_text("0.25")
    plot = view.locator(".curve-plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    view.mouse.move(box["x"] + box["width"] - 16, box["y"] + 100)
    expect(view.locator(".curve-key output").last).to_have_text("0.875")
    view.get_by_text("All values").click()
    rows = view.locator(".curve-table tbody tr")
    assert [row.split() for row in rows.all_inner_texts()] == [
        ["−2", "0.5", "0.5"], ["0", "1", "0"], ["2", "0.25", "unknown"], ["4", "0.125", "0.875"],
    ]  # fmt: skip


def test_what_is_far_away_is_let_go_of_and_comes_back_as_it_was(view: Page) -> None:
    view.get_by_label("Go to channel").fill("1500")
    view.get_by_label("Go to channel").press("Enter")
    expect(view.locator(f'{CELLS}[data-channel="1500"]')).to_be_visible()
    view.evaluate("""() => {
        const below = document.createElement("div");
        below.style.height = "9000px";
        document.body.append(below);
        scrollTo(0, document.body.scrollHeight);
    }""")
    expect(view.locator(CELLS)).to_have_count(0)
    view.evaluate("scrollTo(0, 0)")
    expect(view.locator(f'{CELLS}[data-channel="1500"]')).to_be_visible()
    expect(view.locator(f'{CELLS}[data-channel="1500"]')).to_have_attribute("aria-selected", "true")
    expect(view.locator(".channel-detail h4")).to_have_text("Channel 1500")
    np.testing.assert_array_equal(colors(view, 1500), colorize(known(1500), "signed", (-100.0, 100.0)))


def test_it_is_accessible_and_fits_a_phone(view: Page, axe: Any) -> None:
    axe(view)
    view.emulate_media(color_scheme="dark")
    axe(view)
    view.set_viewport_size({"width": 390, "height": 844})
    expect(view.locator(CELLS).first).to_be_visible()
    assert view.evaluate("document.documentElement.scrollWidth <= innerWidth")
    axe(view)


def test_the_contact_sheet_is_exported(server: Server, key: str) -> None:
    answer = server.api.get(f"/results/{key}/export?format=png&panel=channels")
    answer.raise_for_status()
    with Image.open(io.BytesIO(answer.content)) as image:
        sheet = np.asarray(image)
    first = colorize(known(ranking()[0]), "signed", (-100.0, 100.0))
    np.testing.assert_array_equal(sheet[4, 4], first[0, 0])
    np.testing.assert_array_equal(sheet[32, 32], first[3, 3])


def test_activations_of_a_network_on_the_page(page: Page, server: Server) -> None:
    digest = server.upload(picture(96, 64, seed=141), "scene.png")
    key = server.run("demo:tank-honest", digest, "activations", settings={"layer": "relu4", "order": "effect"})
    panel = next(one for one in server.get(f"/results/{key}")["panels"] if one["kind"] == "feature-maps")
    values = server.array(panel["values"])
    effect = server.array(next(one["values"] for one in panel["measures"] if one["name"] == "effect"))
    page.goto(f"{server.address}/results/{key}")
    page.wait_for_selector(".feature-maps[data-ready]")
    best = int(np.argmax(effect))
    expect(page.locator(f'{CELLS}[aria-posinset="1"]')).to_have_attribute("data-channel", str(best))
    np.testing.assert_array_equal(colors(page, best), colorize(values[best], panel["sign"], tuple(panel["limits"])))


def test_transformations_on_the_page(page: Page, server: Server, axe: Any) -> None:
    digest = server.upload(picture(96, 64, seed=142), "scene.png")
    key = server.run("demo:tank-honest", digest, "transformations", settings={"kind": "flip"}, target=["tank"])
    panels = {one["id"]: one for one in server.get(f"/results/{key}")["panels"]}
    assert list(panels) == ["scores", "pictures", "invariance", "equivariance"]
    page.goto(f"{server.address}/results/{key}")
    page.wait_for_selector('[data-panel="equivariance"][data-ready]')
    scores = page.locator('[data-panel="scores"]')
    slider = scores.get_by_role("slider")
    slider.focus()
    slider.press("End")
    assert (slider.get_attribute("aria-valuetext") or "").startswith("both: tank ")
    shown = float((scores.locator(".curve-key output").text_content() or "").replace("−", "-"))
    assert shown == pytest.approx(panels["scores"]["lines"][0]["values"][3], rel=0.01)
    axe(page)
    page.set_viewport_size({"width": 390, "height": 844})
    expect(scores.locator("svg").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    with zipfile.ZipFile(io.BytesIO(server.api.get(f"/results/{key}/export?format=zip").content)) as archive:
        names = archive.namelist()
        drawn = archive.read("scene.transformations.scores.svg").decode()
    assert "scene.transformations.pictures-0.png" in names
    assert drawn.count("<circle") == 4
    assert ">tank</text>" in drawn
