"""A training on the page: a slider through its checkpoints, and the loss around where it ended."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

import picasso
from picasso.core.panels import FeatureMaps, Series, Surface
from picasso.core.pictures.render import in_colors
from picasso.training import save_checkpoint

from .conftest import Server

LABELS = [f"epoch {number}" for number in range(4)]
PIXELS = """(canvas) => [canvas.width, canvas.height,
    ...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]"""


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's network on its way from other numbers to those that it has."""
    import torch

    folder = tmp_path_factory.mktemp("checkpoints")
    network = picasso.load_model("demo:tank-proxy").module  # type: ignore[attr-defined]
    torch.manual_seed(0)
    end = {name: value.clone() for name, value in network.state_dict().items()}
    noise = {name: torch.randn(value.shape) * 0.1 for name, value in network.named_parameters()}
    for epoch in range(4):
        for name, value in network.named_parameters():
            value.data = end[name] + (3 - epoch) / 3 * noise[name]
        save_checkpoint(network, folder, epoch=epoch, metrics={"loss": 1 / (epoch + 1)})
    return folder


def opened(page: Page, server: Server, view: str, settings: dict[str, object]) -> None:
    query = {"model": "demo:tank-proxy", "view": view, "settings": json.dumps(settings)}
    page.goto(f"{server.address}/network?{urlencode(query)}")
    page.wait_for_selector("picasso-result[data-state=done]", timeout=120_000)


def drawn(page: Page, number: int) -> np.ndarray:
    width, height, *pixels = page.locator(f'.channel-cell[data-channel="{number}"] canvas').evaluate(PIXELS)
    return np.array(pixels, np.uint8).reshape(height, width, 4)[..., :3]


def test_a_slider_leads_through_the_training(
    page: Page, server: Server, checkpoints: Path, axe: Callable[..., None]
) -> None:
    settings = {"checkpoints": str(checkpoints)}
    opened(page, server, "through-training", settings)
    result = picasso.explain(picasso.load_model("demo:tank-proxy"), None, "through-training", **settings)
    assert isinstance(result, picasso.Result)
    series = next(panel for panel in result.panels if isinstance(panel, Series))
    view = page.locator(".series")
    slider, here = view.get_by_label("Checkpoint", exact=True), view.locator(".series-controls output")
    strip = view.locator(".series-strip button")
    expect(strip).to_have_text(LABELS)
    expect(here).to_have_text("epoch 3 4 of 4")

    def shows(step: int) -> None:
        expect(view).to_have_attribute("data-step", str(step))
        expect(strip.nth(step)).to_have_attribute("aria-current", "step")
        kernels = series.steps[step].panels[0]
        assert isinstance(kernels, FeatureMaps)
        expected = in_colors(kernels.values[0], kernels.limits)
        for _ in range(50):  # the numbers of a step are fetched when it is shown
            page.wait_for_timeout(100)
            if np.array_equal(drawn(page, 0), expected):
                return
        np.testing.assert_array_equal(drawn(page, 0), expected)

    page.wait_for_selector(".feature-maps[data-ready] .channel-cell")
    shows(3)
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", "epoch 2, checkpoint 3 of 4")
    shows(2)
    strip.first.click()
    shows(0)
    view.get_by_role("button", name="Play").click()
    expect(view.get_by_role("button", name="Pause")).to_be_visible()
    expect(here).to_have_text("epoch 3 4 of 4")
    expect(view.get_by_role("button", name="Play")).to_be_visible()
    axe(page)

    key = page.locator("picasso-result").get_attribute("data-key")
    strip = series.filmstrip()
    assert strip is not None
    exported = server.api.get(f"/results/{key}/export?format=png&panel=series").content
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(exported))), np.asarray(strip))
    archive = zipfile.ZipFile(io.BytesIO(server.api.get(f"/results/{key}/export?format=zip").content))
    assert {name.split(".")[-2] for name in archive.namelist()} >= {"series", "from-first", "metric-0"}

    page.get_by_text("Settings", exact=True).click()
    field = page.locator('[data-setting="checkpoints"]')
    assert field.locator("option").evaluate_all("(all) => all.map((one) => one.value)") == ["0", "path"]
    assert field.locator("option").first.inner_text() == "first-run"
    assert page.locator('[data-setting="view"] select').evaluate("(one) => one.selectedOptions[0].text") == "Filters"


def test_the_loss_is_read_and_turned(page: Page, server: Server, checkpoints: Path, axe: Callable[..., None]) -> None:
    settings = {"checkpoints": str(checkpoints), "points": 5, "pictures": 4}
    opened(page, server, "loss-landscape", settings)
    key = page.locator("picasso-result").get_attribute("data-key")
    wire = next(panel for panel in server.get(f"/results/{key}")["panels"] if panel["id"] == "loss")
    values = server.array(wire["values"])
    assert len(wire["path"]) == 4
    view = page.locator('.surface[data-panel="loss"]')
    page.wait_for_selector('.surface[data-panel="loss"][data-ready]')
    expect(view.locator(".surface-stop")).to_have_count(4)

    plot = view.locator(".surface-plot")
    plot.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowUp")
    text = view.locator(".surface-here b").inner_text()
    assert float(text.replace("\u2212", "-").replace(",", "")) == pytest.approx(values[-1, 0], rel=0.01)

    view.get_by_text("Surface", exact=True).click()
    turned = view.locator(".surface-turned")
    expect(turned).to_be_visible()
    expect(plot).to_be_hidden()
    before = turned.get_attribute("data-turned")
    turned.focus()
    page.keyboard.press("ArrowRight")
    expect(turned).not_to_have_attribute("data-turned", before or "")
    page.keyboard.press("0")
    expect(turned).to_have_attribute("data-turned", before or "")
    axe(page)
    answer = server.api.get(f"/results/{key}/export?format=svg&panel=loss")
    assert answer.text.count("<circle") == 4
    assert Surface.kind == wire["kind"]
