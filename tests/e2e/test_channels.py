"""A channel of a layer, chosen on the workbench and carried by the address."""

from typing import Any

from playwright.sync_api import Page, expect

import picasso

from .conftest import Server, picture
from .test_workbench import RUN, add, choose, finished


def test_a_channel_is_chosen_explained_and_kept(page: Page, server: Server, axe: Any) -> None:
    page.goto(f"{server.address}/explain?model=demo:tank-honest")
    page.wait_for_selector('[data-model="demo:tank-honest"][data-state="ready"]')
    add(page, ("scene.png", picture(96, 64, seed=60)))
    choose(page, "saliency-map")
    page.get_by_text("A channel", exact=True).click()
    page.get_by_label("Layer", exact=True).select_option("relu4")
    number = page.get_by_label("Channel, counted from 0")
    number.fill("500")
    number.blur()
    expect(number).to_have_value("79")  # the layer's last
    number.fill("5")
    number.blur()
    expect(page.locator(".recipe")).to_contain_text("explaining channel 5 of relu4.")
    page.get_by_label("Where in its map").select_option("where it is largest")
    expect(page.locator(".recipe")).to_contain_text("explaining channel 5 of relu4 where it is largest.")
    page.get_by_label("Layer", exact=True).select_option("logits")
    expect(page.get_by_label("Where in its map")).to_be_hidden()  # it has no map
    page.get_by_label("Layer", exact=True).select_option("relu4")
    number.fill("5")
    number.blur()
    expect(page.locator(".recipe")).to_contain_text("explaining channel 5 of relu4.")
    axe(page)
    page.get_by_role("button", name=RUN).click()
    finished(page)
    page.wait_for_selector("picasso-result[data-state=done]")
    expect(page.locator(".pane-target").first).to_have_text("relu4:5")
    result = server.get(f"/results/{page.locator('picasso-result').first.get_attribute('data-key')}")
    expected = picasso.explain(
        picasso.load_model("demo:tank-honest"), picture(96, 64, seed=60), "saliency-map", channel="relu4:5"
    )
    assert isinstance(expected, picasso.Result)
    panel = next(one for one in result["panels"] if one["kind"] == "heatmap")
    found = server.array(panel["values"])
    assert abs(found - expected.attributions[0].flat()).max() < 1e-4 * abs(found).max()
    assert result["at"] == "channel=relu4:5"
    page.reload()
    page.wait_for_selector("[data-ready]")
    expect(page.get_by_label("Layer", exact=True)).to_have_value("relu4")
    expect(page.get_by_label("Channel, counted from 0")).to_have_value("5")
    page.get_by_text("Best classes").click()
    expect(page.locator(".recipe")).to_contain_text("explaining both classes.")
