"""Whether a map is to be believed, in a real browser: untested, measured, warned of, kept; and methods compared."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .conftest import Server, picture, show_all

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
    expect(over).to_have_class("bad" if card["over_sobel"]["mean"] <= 0 else "good")
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
    page.get_by_role("link", name="Compare others").click()
    page.wait_for_selector("#compare[data-ready]")
    expect(page.locator(".method input:checked")).to_have_count(3)  # those that were compared, no more
    expect(page.get_by_label("Partial occlusion")).not_to_be_checked()
    page.go_back()
    page.go_back()  # to the form, not on to the comparison that it led to
    page.wait_for_selector("#compare[data-ready]")
    expect(page.get_by_role("button", name=re.compile("^Compare"))).to_be_enabled()
    expect(page.locator(".method input:checked")).to_have_count(3)
    page.go_forward()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep it").click()
    page.get_by_role("button", name="Delete").click()
    page.locator("#confirm").get_by_role("button", name="Delete").click()
    page.wait_for_url("**/compare")
