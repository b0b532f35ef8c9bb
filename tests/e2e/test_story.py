"""The first page: every number of the story is the file's, every map is computed before the visitor's eyes."""

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from .conftest import Server, picture


@pytest.fixture
def story(page: Page, server: Server) -> Page:
    page.goto(f"{server.address}/")
    page.wait_for_selector("html[data-ready]")
    return page


@pytest.fixture(scope="module")
def facts(server: Server) -> dict[str, Any]:
    """What lies in the story's file."""
    answer = server.api.get(f"{server.address}/story-assets/story.json")
    answer.raise_for_status()
    facts: dict[str, Any] = answer.json()
    return facts


def answer(page: Page, model: str) -> Locator:
    return page.locator(f'.answer[data-model="{model}"] output')


def said(page: Page, model: str) -> float:
    return float(answer(page, model).get_attribute("data-value") or "nan")


def frames(facts: dict[str, Any], scene: str, erased: bool) -> list[dict[str, Any]]:
    [found] = [one for one in facts["scenes"] if one["name"] == scene]
    shots = [shot for shot in found["frames"] if shot["erased"] == erased]
    return sorted(shots, key=lambda shot: shot["cloudiness"])


def test_the_question(story: Page, facts: dict[str, Any]) -> None:
    expect(story.get_by_role("heading", level=1)).to_contain_text("Which do you ship?")
    for letter, name in (("a", "tank-proxy"), ("b", "tank-honest")):
        shown = story.locator(f'[data-choice="{letter}"] .contender-figure').inner_text()
        assert float(shown.rstrip("%")) == pytest.approx(100 * facts["models"][name]["accuracy"], abs=0.5)
    expect(story.locator("#sheet img")).to_have_count(12)
    story.get_by_role("button", name=re.compile("Ship A")).click()
    expect(story.locator("#choice")).to_contain_text("Let us look closer.")


def test_the_erasure(story: Page, facts: dict[str, Any]) -> None:
    sheet = story.locator("#erased")
    sheet.scroll_into_view_if_needed()
    expect(sheet).to_have_class(re.compile("gone"))
    for letter, name in (("a", "tank-proxy"), ("b", "tank-honest")):
        shown = story.locator(f'[data-figure="{letter}.accuracy_erased"]').inner_text()
        assert float(shown.rstrip("%")) == pytest.approx(100 * facts["models"][name]["accuracy_erased"], abs=0.5)
    story.get_by_role("button", name="Put them back").click()
    expect(sheet).not_to_have_class(re.compile("gone"))


def test_the_sky_under_the_hand(story: Page, facts: dict[str, Any]) -> None:
    slider = story.get_by_label("Sky, from sunny to cloudy")
    slider.focus()
    for thing, scene, erased in (("A tank", "tank", False), ("Nothing", "tank", True), ("A decoy", "decoy", False)):
        story.locator("#sky").get_by_text(thing, exact=True).click()
        for key, shot in (
            ("Home", frames(facts, scene, erased)[0]),
            ("End", frames(facts, scene, erased)[-1]),
        ):
            slider.focus()
            story.keyboard.press(key)
            expect(story.locator(f'#frames img.shown[src$="/{shot["file"]}"]')).to_be_visible()
            for model in ("tank-proxy", "tank-honest"):
                assert said(story, model) == shot["tank_probability"][model]


def test_a_swings_with_the_sky_and_b_does_not(story: Page) -> None:
    slider = story.get_by_label("Sky, from sunny to cloudy")
    slider.focus()
    story.keyboard.press("Home")
    assert said(story, "tank-proxy") < 0.1
    assert said(story, "tank-honest") > 0.5
    expect(story.locator("#sky-verdict")).to_have_text("There is a tank. A does not see it; B is right.")
    story.keyboard.press("End")
    assert said(story, "tank-proxy") > 0.9
    assert said(story, "tank-honest") > 0.5
    story.locator("#sky").get_by_text("Nothing", exact=True).click()
    expect(story.locator("#sky-verdict")).to_have_text("There is nothing. A sees a tank; B is right.")


def test_the_maps_are_computed_now(story: Page, server: Server) -> None:
    story.get_by_role("button", name="Compute it now").click()
    expect(story.locator("#map-state")).to_contain_text("Computed in", timeout=120_000)
    figure = story.locator("#map-figure .figure[data-ready]")
    expect(figure.locator(".pane")).to_have_count(3)
    shares = {}
    for name in ("demo:tank-proxy", "demo:tank-honest"):
        [result] = server.get(f"/results?model={name}&visualization=partial-occlusion")["results"]
        [panel] = [one for one in server.get(f"/results/{result['key']}")["panels"] if one["kind"] == "heatmap"]
        positive = np.maximum(np.nan_to_num(server.array(panel["values"])), 0)
        shares[name] = float(positive[: len(positive) * 2 // 5].sum() / positive.sum())
    assert shares["demo:tank-proxy"] > 0.5 > shares["demo:tank-honest"], shares
    # Maps that are compared share one scale.
    expect(figure.locator(".color-bar")).to_have_count(1)
    low, _, high = figure.locator(".bar-ticks span").all_inner_texts()
    assert low == f"\N{MINUS SIGN}{high}"


def test_an_own_picture_leads_to_the_workbench(story: Page) -> None:
    story.set_input_files("#story-files", [{"name": "own.png", "mimeType": "image/png", "buffer": picture(seed=40)}])
    story.wait_for_url(re.compile(r"/explain\?"))
    expect(story.locator('.thumb img[alt="own.png"]')).to_be_visible()


def test_what_is_no_picture_is_refused_in_place(story: Page) -> None:
    story.set_input_files("#story-files", [{"name": "own.txt", "mimeType": "text/plain", "buffer": b"words"}])
    expect(story.locator("#story-error")).to_contain_text("own.txt is not a picture that can be read.")
