"""Audits in a real browser: from the story to the verdict, asked by hand, canceled, told which region is the object."""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from picasso.auditing.findings import Outcome
from tests.auditing.making import findings

from .conftest import Problems, Server, show_all

Axe = Callable[..., None]
MINUTES = 60_000
WIDTH = "document.documentElement.scrollWidth"


def audits(server: Server, model: str) -> list[dict[str, Any]]:
    return [one for one in server.get("/audits")["audits"] if one["model"] == model]


@pytest.fixture(scope="module")
def verdict() -> list[str]:
    """The address of the audit that the story has made, once it has."""
    return []


@pytest.fixture
def verdict_page(server: Server, verdict: list[str]) -> str:
    """The page of a verdict: the story's, or one that is asked for where that test runs elsewhere."""
    if not verdict:
        asked = {"model": "demo:tank-proxy", "dataset": "demo:tanks", "limit": 70}
        job = server.api.post("/audits", json=asked).raise_for_status().json()["id"]
        while (now := server.api.get(f"/jobs/{job}").raise_for_status().json())["state"] in ("queued", "running"):
            time.sleep(0.5)
        assert now["state"] == "done", now
        verdict.append(f"{server.address}/audits/{now['audit']}")
    return verdict[0]


def test_the_story_ends_in_a_verdict(page: Page, server: Server, axe: Axe, verdict: list[str]) -> None:
    page.goto(f"{server.address}/")
    page.wait_for_selector("html[data-ready]")
    page.get_by_role("button", name="Audit both").focus()
    page.keyboard.press("Enter")
    other = page.locator('.duelist[data-model="demo:tank-honest"]')
    other.get_by_role("button", name=re.compile("Cancel")).click()
    expect(other.locator(".job-progress")).to_have_count(0)
    first = page.locator('.duelist[data-model="demo:tank-proxy"]')
    expect(first.locator(".headline")).to_contain_text("WRONG REASON", timeout=10 * MINUTES)
    expect(page.get_by_role("button", name="Audit both again")).to_be_enabled()
    expect(first.locator("img")).to_have_count(2)
    axe(page, "#audit")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(WIDTH) <= 390
    assert not audits(server, "demo:tank-honest")
    first.get_by_role("link", name="The whole audit").click()
    page.wait_for_url("**/audits/*")
    verdict.append(page.url)


def test_the_verdict_comes_first_and_everything_by_keyboard(
    page: Page, server: Server, axe: Axe, verdict_page: str
) -> None:
    page.goto(verdict_page)
    found = server.get(f"/audits/{verdict_page.rsplit('/', 1)[1]}")
    said = found["document"]["verdict"]
    expect(page.get_by_role("heading", level=1)).to_have_text(said["headline"])
    expect(page.locator(".audit-verdict")).to_contain_text(said["sentence"].replace(" %", "%"))
    pair = found["pairs"][0]
    assert pair["property"] == said["named"]["name"]
    label = found["document"]["classes"][pair["label"]]
    expect(page.locator(".before-after-what")).to_contain_text(f"{pair['name']} is {label}.")

    divider = page.get_by_role("slider")
    divider.focus()
    page.keyboard.press("Home")
    expect(divider).to_have_attribute("aria-valuetext", "0% before, 100% after")
    page.keyboard.press("End")
    expect(divider).to_have_attribute("aria-valuetext", "100% before, 0% after")

    suspects = found["document"]["suspects"]
    rows = page.locator(".forest > li")
    expect(rows).to_have_count(len(suspects))
    suspect = page.locator(f'.forest > li[data-property="{suspects[0]}"]')
    suspect.locator(".forest-row").focus()
    page.keyboard.press("Enter")
    expect(suspect.locator(".forest-details")).to_contain_text("The model relies on")
    suspect.get_by_role("button", name="Show it in pictures").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#announcer")).to_contain_text("Showing")
    page.locator("#forest").get_by_text(re.compile("^Cleared")).click()
    expect(suspect).to_have_count(0)
    page.locator("#forest").get_by_text(re.compile("^All")).click()
    expect(rows).to_have_count(len(found["document"]["effects"]))

    tile = page.locator("#pictures .tile a").first
    first = found["document"]["by_picture"][0]["name"]
    expect(tile).to_contain_text(first)
    assert found["shown"][first] in str(tile.get_attribute("href"))
    page.get_by_text("Export", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("^CSV")).click()
    assert download.value.suggested_filename.endswith("to_fix.csv")
    page.goto(f"{server.address}/history")
    expect(page.locator("#audit-list")).to_contain_text(said["headline"])


def test_the_verdict_is_accessible(page: Page, axe: Axe, verdict_page: str) -> None:
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(verdict_page)
        page.wait_for_selector("[aria-busy]", state="detached")
        show_all(page)
        page.locator(".forest-row").first.click()
        axe(page, dark=True)
        assert page.evaluate(WIDTH) <= width


def test_asked_by_hand_it_waits_for_a_word(page: Page, server: Server, axe: Axe) -> None:
    server.api.post("/models/Plain/open")
    page.goto(f"{server.address}/models")
    page.locator("#Plain").get_by_role("link", name="Audit it").click()
    page.wait_for_selector("#audit[data-ready]")
    page.get_by_label("shades").check()
    expect(page.locator(".plan-classes tbody tr")).to_have_count(2)
    expect(page.locator("#plan")).to_contain_text("RELIES ON one of them until you say whether it is the object")
    expect(page.locator(".recipe")).to_have_text("Plain on 70 pictures of shades.")
    axe(page)
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/audits/*", timeout=5 * MINUTES)
    expect(page.get_by_role("heading", level=1)).to_contain_text("RELIES ON")
    asking = page.locator(".audit-asking")
    expect(asking.get_by_role("button", name="Audit again with this")).to_be_disabled()
    axe(page)
    asking.get_by_role("radio", name="This is the object").first.focus()
    page.keyboard.press("Space")
    asking.get_by_role("button", name="Audit again with this").click()
    page.wait_for_url("**/audit?*")
    page.wait_for_url("**/audits/*", timeout=5 * MINUTES)
    expect(page.get_by_role("heading", level=1)).not_to_contain_text("RELIES ON")
    newest = audits(server, "Plain")[0]
    assert list(server.get(f"/audits/{newest['key']}")["asked"]["confirmed"].values()) == [True]


def test_one_that_runs_is_found_again_and_canceled(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/audit?model=demo:tank-proxy&dataset=shades")
    page.wait_for_selector("#audit[data-ready]")
    expect(page.locator(".recipe")).to_contain_text("Say which of the model\N{RIGHT SINGLE QUOTATION MARK}s classes")
    green, red = (
        page.get_by_label(f"The model\N{RIGHT SINGLE QUOTATION MARK}s class for {name}") for name in ("green", "red")
    )
    green.select_option("tank")
    page.reload()
    expect(green).to_have_value("tank")
    expect(red).to_have_value("")
    red.select_option("decoy")
    page.get_by_label("Pictures at most").fill("90")
    page.get_by_label("Seed").fill("3")
    soon = page.get_by_text(re.compile("How long it takes is said as soon as|judging by the last audit"))
    expect(soon).to_be_visible()
    page.get_by_role("button", name=re.compile("^Start the audit")).click()
    page.wait_for_url("**/audit?*job=*")
    expect(soon).to_be_hidden()
    page.reload()
    page.get_by_role("button", name=re.compile("Cancel")).wait_for()
    expect(page.get_by_label("Pictures at most")).to_have_value("90")
    expect(page.get_by_label("Seed")).to_have_value("3")
    expect(green).to_have_value("tank")
    expect(red).to_have_value("decoy")
    expect(soon).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=re.compile("^Start the audit"))).to_be_visible()
    job = server.get("/jobs?limit=1")["jobs"][0]
    assert (job["dataset"], job["state"]) == ("shades", "canceled")
    page.goto(f"{server.address}/jobs/{job['id']}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Audit by demo:tank-proxy")
    expect(page.get_by_role("link", name="Audit again")).to_have_attribute(
        "href", re.compile("limit=90&seed=3&match=.*tank")
    )


def test_data_sets_are_added_and_removed_on_the_page(
    page: Page, server: Server, problems: Problems, tmp_path: Path
) -> None:
    problems.expect("status of 422")  # a path that leads nowhere, and a folder without a picture
    page.goto(f"{server.address}/audit?dataset=shades")
    page.wait_for_selector("#audit[data-ready]")
    field = page.get_by_label("Add a data set")
    field.fill(str(tmp_path / "nowhere"))
    page.keyboard.press("Enter")
    expect(page.locator("#dataset-error")).to_contain_text("There is no data set")
    (tmp_path / "holiday").mkdir()
    field.fill(str(tmp_path / "holiday"))
    page.keyboard.press("Enter")
    expect(page.get_by_label("holiday", exact=False).first).to_be_checked()
    expect(page.locator("#plan .problem")).to_be_visible()
    page.get_by_role("button", name="Remove holiday").click()
    expect(page.locator('[data-dataset="holiday"]')).to_have_count(0)


def test_a_zip_whose_name_is_taken_is_not_sent(page: Page, server: Server, tmp_path: Path) -> None:
    place = tmp_path / "zoo.zip"
    with zipfile.ZipFile(place, "w") as archive:
        for label in ("cat", "dog"):
            buffer = io.BytesIO()
            Image.new("RGB", (8, 8), "red" if label == "cat" else "blue").save(buffer, "PNG")
            archive.writestr(f"{label}/1.png", buffer.getvalue())
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/archives" in request.url else None)
    page.goto(f"{server.address}/audit?dataset=shades")
    page.wait_for_selector("#audit[data-ready]")
    page.locator("#dataset-file").set_input_files(place)
    expect(page.get_by_label("zoo", exact=False).first).to_be_checked()
    assert [url.rpartition("/")[2] for url in sent] == ["archives?name=zoo"]
    page.locator("#dataset-file").set_input_files(place)
    expect(page.locator("#dataset-error")).to_have_text(
        "There is a data set 'zoo' already. Rename the file, or remove that one first."
    )
    assert len(sent) == 1
    page.get_by_role("button", name="Remove zoo").click()
    expect(page.locator('[data-dataset="zoo"]')).to_have_count(0)
    page.locator("#dataset-file").set_input_files(place)
    expect(page.locator('[data-dataset="zoo"]')).to_have_count(1)
    assert len(sent) == 2
    page.get_by_role("button", name="Remove zoo").click()
    expect(page.locator('[data-dataset="zoo"]')).to_have_count(0)


def test_what_falls_in_one_class_is_not_shown_as_cleared(page: Page, server: Server) -> None:
    known = findings(Outcome.CANNOT_TELL)
    (sky, corner, *others) = known.effects
    found = replace(known, effects=(sky, replace(corner, falls=(1,)), *others)).document()
    page.goto(f"{server.address}/audit?dataset=shades")
    page.wait_for_selector("#audit[data-ready]")
    said = page.evaluate(
        """async (found) => {
            const { Forest } = await import("/static/parts/forest.js");
            const forest = new Forest(found, () => false);
            document.body.append(forest.element);
            forest.element.querySelector('[data-property="cell-r0c0"] button').click();
            const said = forest.element.querySelector('[data-property="cell-r0c0"] p').textContent;
            forest.filter.querySelector("[value=open]").click();
            const rows = [...forest.rows.children];
            return [forest.filter.textContent, said,
                rows.map((row) => row.dataset.property),
                rows.map((row) => row.querySelector(".forest-title").textContent)];
        }""",
        found,
    )
    assert re.fullmatch(r"Suspects \d+Not cleared (\d+)Cleared 2All \d+", said[0])
    effects = found["effects"]
    unsure = [one["what"]["title"] for one in effects if one["what"]["name"] in said[2]]
    assert said[3] == [f"{title} not cleared" for title in unsure]
    assert not {"object", "erasure"} & {one["role"] for one in effects if one["what"]["name"] in said[2]}
    assert "cell-r0c0" in said[2]
    assert said[1] == (
        "Not cleared: surely more than 5 points hang on what lies in the top left corner in the pictures of decoy."
    )
