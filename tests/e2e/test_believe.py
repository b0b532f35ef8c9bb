"""Whether a map is to be believed, in a real browser: untested, measured, warned of, kept; and methods compared."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from .conftest import Problems, Server, picture, show_all
from .test_places import draw

Axe = Callable[..., None]
LOADED = "() => [...document.querySelectorAll('.compared img')].every((one) => one.naturalWidth > 100)"
WARNING = "Warning: this map hardly changes when the network's weights are shuffled"


@pytest.fixture(scope="module")
def digest(server: Server) -> str:
    """A picture that no other test uses."""
    return server.upload(picture(seed=41), "believed.png")


def test_a_map_that_ignores_the_model_is_untested_then_warned_of_for_good(
    page: Page, server: Server, digest: str, axe: Axe
) -> None:
    key = server.run("demo:tank-proxy", digest, "edges-only")
    page.goto(f"{server.address}/results/{key}")
    expect(page.locator(".tested")).to_have_text("This map is untested.")
    page.get_by_role("button", name="Can I believe this map?").focus()
    page.keyboard.press("Enter")
    expect(page.locator("picasso-believe .score-card")).to_be_visible()
    expect(page.locator(".tested")).to_contain_text(WARNING)
    expect(page.locator("#announcer")).to_contain_text(WARNING)
    card = server.get(f"/comparisons/{server.get(f'/results/{key}')['comparison']}")["document"]["cards"][0]
    row = page.locator(".score-card tbody tr").first
    expect(row.locator("td.bad", has_text="stays")).to_have_text(re.compile(r"stays.*ρ = 1\.00"))
    expect(row.locator("[data-label='Relevance gain']")).to_have_text(f"{card['gain']['mean']:.2f}".replace("-", "−"))
    over = row.locator("[data-label='Above Sobel']")
    expect(over).to_have_class("bad" if card["over_sobel"]["mean"] <= 0 else "good")  # one picture has no interval
    expect(page.locator(".believe-verdict")).to_contain_text("do not trust")
    show_all(page)
    axe(page)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    expect(page.locator(".tested")).to_contain_text(WARNING)  # kept, and shown again
    expect(page.locator("picasso-believe .score-card")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    axe(page)
    page.get_by_role("button", name="Can I believe this map?").click()
    expect(page.locator("picasso-believe")).to_have_count(0)


def test_the_card_marks_only_what_is_sure(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/models")
    said = page.evaluate(
        """async () => {
            const { cardTable, worstTrust } = await import("/static/parts/card.js");
            const card = (mean, low, trust) =>
                ({ title: "Map", trust, repeat: null, over_sobel: { mean, low, high: low === null ? null : 1 } });
            const cards = [
                card(0.3, 0.1, "trust"), card(0.3, -0.1, "with care"), card(0.3, null, "trust"),
                card(-0.2, -0.4, "do not trust"),
            ];
            const cells = cardTable(cards, "").querySelectorAll("[data-label='Above Sobel']");
            return [[...cells].map((cell) => cell.className),
                ...[4, 3, 1, 0].map((count) => worstTrust(cards.slice(0, count)))];
        }"""
    )
    assert said == [["good", "unsure", "good", "bad"], "no", "care", "yes", ""]


def test_measuring_is_canceled_by_escape_and_asked_for_again(page: Page, server: Server, digest: str) -> None:
    key = server.run("demo:tank-proxy", digest, "rise", settings={"masks": 1500})
    page.goto(f"{server.address}/results/{key}")
    page.get_by_role("button", name="Can I believe this map?").click()
    expect(page.locator("picasso-believe progress")).to_be_visible()
    page.reload()
    expect(page.locator("picasso-believe progress")).to_be_visible()  # it goes on, and the page shows it again
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Measure again")).to_be_visible()
    assert server.get(f"/results/{key}")["measuring"] is None
    expect(page.locator(".tested")).to_have_text("This map is untested.")


def test_what_has_no_map_offers_no_card(page: Page, server: Server, digest: str) -> None:
    page.goto(f"{server.address}/results/{server.run('Plain', digest, 'class-probabilities')}")
    expect(page.get_by_role("button", name="What if")).to_be_visible()
    expect(page.get_by_role("button", name="Can I believe")).to_have_count(0)
    expect(page.locator(".tested")).to_have_count(0)


def test_methods_are_compared_on_a_page(page: Page, server: Server, digest: str, axe: Axe) -> None:
    second = server.upload(picture(seed=42), "second.png")
    query = f"model=demo:tank-proxy&picture={digest}&picture={second}&beside=edges-only"
    page.goto(f"{server.address}/compare?{query}")
    page.wait_for_selector("#compare[data-ready]")
    page.get_by_label("Partial occlusion").uncheck()
    expect(page.locator(".recipe")).to_contain_text("3 methods on 2 pictures by demo:tank-proxy")
    axe(page)
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/comparisons/*")
    expect(page.get_by_role("heading", name="Which map to believe")).to_be_visible()
    found = server.get(f"/comparisons/{page.url.rsplit('/', 1)[1]}")
    expect(page.locator(".verdict li")).to_have_text(found["verdict"])
    expect(page.locator(".verdict-box")).to_have_class("verdict-box no")
    assert any("Edges only" in one for one in found["verdict"] if one.startswith("Do not trust here"))
    expect(page.locator(".score-card tbody tr")).to_have_count(6)
    expect(page.locator(".compared")).to_have_count(2)
    expect(page.locator(".compared figure", has_text=WARNING)).to_have_count(2)  # the edges, on each picture
    page.locator(".compared img").last.scroll_into_view_if_needed()
    page.wait_for_function(LOADED)
    show_all(page)
    axe(page)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    address = page.url
    page.goto(f"{server.address}/history?model=demo:tank-proxy")
    page.locator("#comparison-list li", has_text="Edges only").filter(has_text="2 pictures").get_by_role("link").click()
    page.wait_for_url(address)
    page.get_by_role("link", name="Compare others").click()
    page.wait_for_selector("#compare[data-ready]")
    expect(page.locator(".method input:checked")).to_have_count(3)  # those that were compared, no more
    expect(page.get_by_label("Partial occlusion")).not_to_be_checked()
    for _ in range(3):
        page.go_back()
    page.go_back()  # to the form, not on to the comparison that it led to
    page.wait_for_selector("#compare[data-ready]")
    expect(page.get_by_role("button", name=re.compile("^Compare"))).to_be_enabled()
    expect(page.locator(".method input:checked")).to_have_count(3)
    page.goto(address)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep it").click()
    page.get_by_role("button", name="Delete").click()
    page.locator("#confirm").get_by_role("button", name="Delete").click()
    page.wait_for_url("**/compare")


def drawn_mask(top: int, bottom: int, width: int = 96, height: int = 64) -> bytes:
    """A mask for `picture`: the rows from top to bottom."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[top:bottom] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def file(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "image/png", "buffer": data}


def test_a_mask_says_where_the_object_is(page: Page, server: Server, axe: Axe, problems: Problems) -> None:
    problems.expect("status of 422")  # of the masks that are refused
    one, two = (server.upload(picture(seed=seed), f"ship-{seed}.png") for seed in (43, 44))
    methods = "method=partial-occlusion"
    page.goto(f"{server.address}/compare?model=Plain&picture={one}&picture={two}&{methods}")
    page.wait_for_selector("#compare[data-ready]")
    page.get_by_text("Where is the object?").click()
    expect(page.locator(".mask-rows li")).to_have_count(2)
    refused = page.locator(".mask-list .tray-problem")
    with page.expect_file_chooser() as opened:
        page.get_by_role("button", name="Choose masks").press("Enter")
    opened.value.set_files([file("ship-43.png", drawn_mask(0, 32)), file("boat.png", drawn_mask(0, 32))])
    expect(refused).to_contain_text("boat.png: No chosen picture has this name. A mask has the name of its picture.")
    expect(page.locator(".recipe")).to_contain_text("1 of 2 pictures with a mask")
    expect(page.get_by_role("img", name="The object in ship-43.png")).to_be_visible()
    axe(page)
    for data, words in (
        (drawn_mask(0, 9, 20, 20), "The mask must have the picture's size, 96 x 64. Got 20 x 20."),
        (drawn_mask(0, 0), "The mask is empty."),
        (b"no picture", "The mask is no picture: wrong.png"),
    ):
        with page.expect_file_chooser() as opened:
            page.get_by_role("button", name="Choose a mask for ship-44.png").click()
        opened.value.set_files(file("wrong.png", data))
        expect(refused).to_contain_text(f"wrong.png: {words}")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/comparisons/*")
    found = server.get(f"/comparisons/{page.url.rsplit('/', 1)[1]}")
    assert [bool(mask) for mask in found["masks"]] == [True, False]
    expect(page.get_by_text("The mask’s columns are measured on 1 of 2 pictures, those with a mask.")).to_be_visible()
    row, card = page.locator(".score-card tbody tr").first, found["document"]["cards"][0]
    for label, measure in (("Points at mask", "pointing"), ("Mass in mask", "mass"), ("Overlap", "overlap")):
        expect(page.get_by_role("columnheader", name=label)).to_be_visible()
        expect(row.locator(f"[data-label='{label}']")).to_contain_text(f"{card[measure]['mean']:.2f}")
    page.locator(".compared img").last.scroll_into_view_if_needed()
    page.wait_for_function(LOADED)
    outlined = page.get_by_role("img", name="with the mask’s edge")
    expect(outlined).to_have_count(5)  # of the one picture: what the model sees, the map, three controls
    show_all(page)
    axe(page)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("link", name="Compare others").click()
    page.wait_for_selector("#compare[data-ready]")
    expect(page.locator(".recipe")).to_contain_text("1 of 2 pictures with a mask")  # as it was compared
    page.reload()
    page.wait_for_selector("#compare[data-ready]")
    page.get_by_role("button", name="Remove the mask of ship-43.png").press("Enter")
    expect(page.get_by_role("button", name="Choose a mask for ship-43.png")).to_be_focused()
    expect(page.locator(".recipe")).not_to_contain_text("mask")
    page.goto(f"{server.address}/compare?model=Plain&picture={one}")  # what is known of a picture is offered
    page.wait_for_selector("#compare[data-ready]")
    expect(page.locator(".recipe")).to_contain_text("with a mask")


def test_a_box_that_is_drawn_is_a_mask(page: Page, server: Server, axe: Axe) -> None:
    digest = server.upload(picture(seed=45), "ship-45.png")
    page.goto(f"{server.address}/compare?model=Plain&picture={digest}")
    page.wait_for_selector("#compare[data-ready]")
    page.get_by_text("Where is the object?").click()
    begin = page.get_by_role("button", name="Draw a box on ship-45.png")
    begin.press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator(".place-board")).to_have_count(0)
    begin.press("Enter")
    use = page.get_by_role("button", name="Use this box")
    expect(use).to_be_disabled()
    draw(page, (0.5, 0.5), (0.5, 0.5))  # a pixel is no object
    expect(use).to_be_disabled()
    draw(page, (0.25, 0.25), (0.75, 0.75))
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_label("Place in pixels of the picture")).to_have_value("23, 16, 48, 32")
    axe(page)
    use.click()
    expect(page.locator(".mask-rows")).to_contain_text("drawn box \u00b7 25% of the picture")
    expect(page.locator(".place-board")).to_have_count(0)
    expect(page.locator(".recipe")).to_contain_text("with a mask")
    [mask] = server.get(f"/pictures/{digest}/masks")["masks"]
    pixels = np.asarray(Image.open(io.BytesIO(page.request.get(server.address + mask["file"]).body())))
    expected = np.zeros((64, 96), bool)
    expected[16:48, 23:71] = True
    assert np.array_equal(pixels > 0, expected)
    page.get_by_role("button", name="Draw a box on ship-45.png").click()
    page.locator("#pictures").get_by_role("button", name="Remove ship-45.png").press("Enter")
    expect(page.locator(".place-board")).to_have_count(0)
