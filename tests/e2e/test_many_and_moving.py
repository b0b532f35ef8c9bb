"""Many results on one page, and a map that sharpens while it is looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Request, expect

from .conftest import Server, picture

MANY = 40
# Reports what a reader would see as a flicker or a jump.
WATCH = """() => {
    window.seen = {removed: 0, loading: 0, scrolled: 0, styled: 0, pictures: 0, top: scrollY};
    const figure = document.querySelector(".figure");
    new MutationObserver((changes) => {
        for (const change of changes) {
            if (change.attributeName === "class") {
                if (change.target.matches(".pane.loading") && !/loading/.test(change.oldValue)) seen.loading += 1;
            }
            for (const node of change.removedNodes) {
                if (node.nodeType === 1 && (node.matches(".pane-column, .pane") || node.querySelector(".pane"))) {
                    seen.removed += 1;
                }
            }
        }
    }).observe(figure, {subtree: true, childList: true, attributes: true, attributeOldValue: true});
    const own = document.querySelector("[data-panel=own] .template-host");
    own.stylesheet = own.shadowRoot.querySelector("link");
    document.querySelector("[data-panel=seen] canvas").dataset.first = "yes";
    addEventListener("scroll", () => (seen.scrolled = Math.max(seen.scrolled, Math.abs(scrollY - seen.top))));
}"""
DRAWN = """() => [...document.querySelectorAll("picasso-result")]
    .filter((one) => [...one.querySelectorAll(".pane canvas")].some((canvas) => canvas.width)).length"""
"""How many results hold the pixels of maps; the small strip of a color bar stays."""


def test_a_map_sharpens_in_place(page: Page, server: Server) -> None:
    digest = server.upload(picture(seed=300), "sharp.png")
    page.goto(f"{server.address}/explain?model=Plain&picture={digest}&visualization=sharpen")
    page.wait_for_selector("[data-ready]")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".figure[data-ready]")
    page.wait_for_selector("[data-panel=seen] canvas")
    page.get_by_label("Map strength").fill("30")
    native = page.get_by_role("switch", name="Native grid")
    native.focus()
    box = page.locator(".pane").nth(1).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3)
    page.evaluate("scrollBy(0, 40)")
    page.wait_for_timeout(100)
    page.evaluate(WATCH)
    value = page.locator("[data-panel] .pane-value").first
    for expected in ("2", "3"):
        # The cursor rests, and yet reads the newest numbers, while the job is still running.
        expect(value).to_have_attribute("data-value", expected)
    expect(page.locator("picasso-result")).to_have_attribute("data-state", "done")
    expect(page.locator(".notes")).to_contain_text("Step 2")
    expect(page.get_by_label("Map strength")).to_have_value("30")
    expect(native).to_be_focused()
    expect(page.get_by_label("Native grid, 8 \N{MULTIPLICATION SIGN} 8")).to_be_visible()
    expect(value).to_have_attribute("data-value", "3")
    page.wait_for_timeout(300)
    seen: dict[str, Any] = page.evaluate("window.seen")
    assert (seen["removed"], seen["loading"], seen["scrolled"]) == (0, 0, 0), seen
    own = page.locator("[data-panel=own] .template-host")
    assert own.evaluate("one => one.stylesheet === one.shadowRoot.querySelector('link')")
    expect(own.locator("strong")).to_have_text("8.0")
    expect(page.locator("[data-panel=seen] canvas[data-first]")).to_have_count(1)


def test_only_the_last_map_is_kept(page: Page, server: Server) -> None:
    digest = server.upload(picture(seed=301), "kept.png")
    key = server.run("Plain", digest, "sharpen", settings={"pause": 0})
    [panel] = [one for one in server.get(f"/results/{key}")["panels"] if one["kind"] == "heatmap"]
    assert np.unique(server.array(panel["values"])).tolist() == [3]
    page.goto(f"{server.address}/results/{key}")
    expect(page.locator(".pane")).to_have_count(2)


@pytest.fixture(scope="module")
def job(server: Server) -> str:
    """A run of many pictures, all of whose results are stored."""
    digests = [server.upload(picture(seed=400 + i), f"{i}.png") for i in range(MANY)]
    body = {"model": "Plain", "visualization": "partial-occlusion", "pictures": digests, "top": 1}
    answer = server.api.post("/jobs", json=body).json()
    with server.api.stream("GET", f"/jobs/{answer['id']}/events") as events:
        for _ in events.iter_lines():
            pass
    return str(answer["id"])


def test_many_results_are_fetched_when_they_come_near(page: Page, server: Server, job: str) -> None:
    asked: dict[str, set[str]] = {"/artifacts/": set(), "/results/": set(), "/thumbnail": set()}

    def note(request: Request) -> None:
        for part, found in asked.items():
            if part in request.url:
                found.add(request.url)

    page.on("request", note)
    page.goto(f"{server.address}/explain?job={job}")
    page.wait_for_selector(".figure[data-ready]")
    page.wait_for_timeout(500)
    expect(page.locator("picasso-result")).to_have_count(MANY)
    assert 0 < len(asked["/results/"]) < MANY / 2
    assert 0 < len(asked["/artifacts/"]) < 3 * MANY / 2
    assert 0 < page.evaluate(DRAWN) < MANY / 2
    assert page.locator(".record dl").count() == 0
    last = page.locator("picasso-result").last
    for _ in range(2):  # the results that are drawn on the way make the page longer
        last.scroll_into_view_if_needed()
        page.wait_for_timeout(300)
    last.locator(".figure[data-ready]").wait_for()
    # What was passed gave its memory back, and has it again when it is passed again.
    for _ in range(50):
        if page.evaluate(DRAWN) < MANY / 2:
            break
        page.wait_for_timeout(100)
    assert 0 < page.evaluate(DRAWN) < MANY / 2
    assert page.locator(".pane canvas").first.evaluate("one => one.width") == 0
    page.evaluate("scrollTo(0, 0)")
    expect(page.locator(".pane canvas").first).not_to_have_js_property("width", 0)


def test_a_run_of_many_shows_small_pictures_lazily(page: Page, server: Server, job: str) -> None:
    page.goto(f"{server.address}/jobs/{job}")
    expect(page.locator(".tile")).to_have_count(MANY)
    assert page.locator(".tile img:not([loading=lazy])").count() == 0
    assert page.locator("canvas").count() == 0


def test_the_best_class_is_shown_in_whichever_order_the_maps_come(page: Page, server: Server) -> None:
    key = server.run("Plain", server.upload(picture(seed=303), "order.png"), "partial-occlusion")
    page.goto(f"{server.address}/models")
    shown = page.evaluate(
        """async (key) => {
            const { PicassoResult } = await import("/static/parts/result-view.js");
            const { panels, picture } = await (await fetch(`/api/v1/results/${key}`)).json();
            const maps = panels.filter((panel) => panel.kind === "heatmap").sort((a, b) => a.rank - b.rank);
            const view = new PicassoResult();
            document.querySelector("main").append(view);
            view.begin({ picture, title: "Order", model: "Plain" });
            const chosen = () => view.querySelector("[role=tab][aria-selected=true]").title;
            const shown = [];
            for (const map of [maps[2], maps[0], maps[1]]) {
                view.panel(map);
                shown.push(chosen() === (map === maps[1] ? maps[0] : map).title);
            }
            view.querySelector(`[data-tab="${maps[1].id}"]`).click();
            for (const map of maps) view.panel(map);
            return [...shown, chosen() === maps[1].title];
        }""",
        key,
    )
    assert shown == [True] * 4
