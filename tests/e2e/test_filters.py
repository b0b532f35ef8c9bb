"""Kernels on the page: in the colors of their numbers, one large without a picture; and a unit's marked field."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from playwright.sync_api import Page, expect

import picasso
from picasso.core.panels import FeatureMaps
from picasso.core.pictures.render import colorize, in_colors

from .conftest import Server, picture

PIXELS = """(canvas) => [canvas.width, canvas.height,
    ...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]"""


def kernels(**settings: object) -> FeatureMaps:
    result = picasso.explain(picasso.load_model("demo:tank-proxy"), visualization="filters", **settings)
    assert isinstance(result, picasso.Result)
    panel = result.panels[0]
    assert isinstance(panel, FeatureMaps)
    return panel


def drawn(page: Page, number: int) -> np.ndarray:
    width, height, *pixels = page.locator(f'.channel-cell[data-channel="{number}"] canvas').evaluate(PIXELS)
    return np.array(pixels, np.uint8).reshape(height, width, 4)[..., :3]


def opened(page: Page, server: Server, query: str) -> None:
    page.goto(f"{server.address}/network?model=demo:tank-proxy&{query}")
    page.wait_for_selector("picasso-result[data-state=done]", timeout=60_000)
    page.wait_for_selector(".feature-maps[data-ready] .channel-cell")


def test_kernels_have_the_colors_of_their_numbers(page: Page, server: Server, axe: Callable[..., None]) -> None:
    opened(page, server, "layer=conv1&view=filters")
    panel = kernels(layer="conv1")
    for number in panel.ranking()[:5]:
        np.testing.assert_array_equal(drawn(page, number), in_colors(panel.values[number], panel.limits))
    detail = page.locator(".channel-detail")
    expect(detail.locator("h4")).to_have_text(f"Kernel {panel.ranking()[0]}")
    expect(detail.get_by_text("Map strength")).to_be_hidden()
    expect(detail.get_by_role("link")).to_be_hidden()
    page.get_by_label("Go to kernel").fill("3")
    page.get_by_label("Go to kernel").press("Enter")
    expect(detail.locator("h4")).to_have_text("Kernel 3")
    detail.locator(".pane").hover()
    expect(detail.locator(".pane-value")).to_contain_text("row 2, column 2:")
    assert detail.locator(".pane-value").inner_text().count(",") == 3  # one value for each color
    axe(page)


def test_deeper_kernels_are_signed_maps_of_an_output_channel(page: Page, server: Server) -> None:
    opened(page, server, "layer=conv3&channel=9&view=filters")
    panel = kernels(layer="conv3", output=9)
    for number in panel.ranking()[:5]:
        np.testing.assert_array_equal(drawn(page, number), colorize(panel.values[number], "signed", panel.limits))


def test_a_unit_shows_what_it_sees(page: Page, server: Server) -> None:
    digest = server.upload(picture(160, 160, seed=90), "unit.png")
    key = server.run("demo:tank-proxy", digest, "guided-backpropagation", at="channel=relu2:7@12,10")
    page.goto(f"{server.address}/results/{key}")
    expect(page.get_by_role("heading", name="What is explained")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Its receptive field, 9 x 9 of 128 x 128 pixels: rows")
