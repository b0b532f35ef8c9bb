"""The what-if brush in a real browser: what is painted, and that the scores are those of an independent computation."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from picasso.core.maps.baselines import baseline
from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.pictures.images import decode_picture
from picasso.demo.scene import Scene, render

from .conftest import Problems, Server, picture

SCENE = Scene(seed=1, kind="truck", cloudiness=1.0)

UP_TO_DATE = """() => {
    const {reply, painting} = document.querySelector("picasso-what-if");
    return JSON.stringify(reply.edit) === JSON.stringify(painting.data());
}"""


def png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


CLOUDY = png(render(SCENE).pixels)


@pytest.fixture(scope="module")
def keys(server: Server) -> dict[str, str]:
    """Occlusion maps of a truck under clouds, by the model that saw the sky and the one that saw the object."""
    digest = server.upload(CLOUDY, "cloudy.png")
    return {name: server.run(f"demo:tank-{name}", digest, "partial-occlusion") for name in ("proxy", "honest")}


@pytest.fixture
def brush(page: Page, server: Server, keys: dict[str, str]) -> Page:
    return opened(page, server, keys["proxy"])


def opened(page: Page, server: Server, key: str) -> Page:
    page.goto(f"{server.address}/results/{key}")
    page.get_by_role("button", name="What if").click()
    page.wait_for_selector("picasso-what-if[data-seconds]")
    return page


def board(page: Page) -> Locator:
    found = page.locator(".brush-board")
    found.scroll_into_view_if_needed()
    return found


def drag(page: Page, *points: tuple[float, float]) -> None:
    """Press, move and release at shares of the picture's sides."""
    box = board(page).bounding_box()
    assert box is not None
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def edit(page: Page) -> dict[str, Any]:
    """Return what the page sent last, once the answer to all that is painted is there."""
    page.wait_for_selector("picasso-what-if[data-ready]")
    for _ in range(300):
        if page.evaluate(UP_TO_DATE):
            break
        page.wait_for_timeout(50)
    found: dict[str, Any] = page.evaluate("document.querySelector('picasso-what-if').reply.edit")
    return found


def region(paint: dict[str, Any], height: int, width: int) -> np.ndarray[Any, Any]:
    flat = np.zeros(height * width, bool)
    for first, length in zip(paint["runs"][::2], paint["runs"][1::2], strict=True):
        flat[first : first + length] = True
    return flat.reshape(height, width)


def by_hand(model: Model, data: bytes, painted: dict[str, Any]) -> tuple[Any, Any]:
    """Return the scores before and after, without any of the brush's own Python."""
    sample = model.prepare(decode_picture(data))
    x = sample.x.copy()
    for paint in painted["paints"]:
        where = region(paint, painted["height"], painted["width"])
        if paint["fill"] == "clone":
            for row, column in np.argwhere(where):
                x[0, row, column] = sample.x[0, row + paint["down"], column + paint["right"]]
        else:
            x[0][where] = baseline(model, sample, paint["fill"])[where]
    return model.predict(sample.x)[0], model.predict(x)[0]


def check(page: Page, model: Model, data: bytes) -> tuple[Any, Any]:
    """Check that the page shows what the model says of what is painted."""
    before, after = by_hand(model, data, edit(page))
    for index, label in enumerate(model.labels):
        row = page.locator(f'.moved [data-label="{label}"]')
        for name, scores in (("before", before), ("after", after)):
            assert float(row.get_attribute(f"data-{name}") or "nan") == pytest.approx(scores[index], abs=1e-4)
            chance = float(row.get_attribute(f"data-probability-{name}") or "nan")
            assert chance == pytest.approx(model.probabilities(scores)[index], abs=1e-4)
    return before, after


@pytest.fixture(scope="module")
def proxy() -> Model:
    return load_model("demo:tank-proxy")


def test_painting_with_the_mouse_moves_the_scores_as_python_says(brush: Page, proxy: Model) -> None:
    for place, fill in enumerate(("Grey", "Black", "White", "Mean color", "Blur")):
        brush.get_by_text(fill, exact=True).click()
        drag(brush, (0.1, 0.1 + 0.2 * place), (0.7, 0.1 + 0.2 * place))
    assert {paint["fill"] for paint in edit(brush)["paints"]} == {"grey", "black", "white", "mean", "blur"}
    check(brush, proxy, CLOUDY)


def test_the_map_s_own_words_are_its_numbers(brush: Page, server: Server, keys: dict[str, str]) -> None:
    brush.get_by_text("Rectangle", exact=True).click()
    drag(brush, (0.02, 0.02), (0.98, 0.4))
    (paint,) = edit(brush)["paints"]
    panel = next(one for one in server.get(f"/results/{keys['proxy']}")["panels"] if one["id"] == "map-0")
    values = server.array(panel["values"])
    where = region(paint, *values.shape)
    window = round(0.2 * values.shape[0])
    said = brush.locator(f'.moved [data-label="{panel["target"]}"] [data-said]')
    expect(said).to_contain_text("for one window")
    assert float(said.get_attribute("data-mean") or "nan") == pytest.approx(-values[where].mean(), rel=1e-4)
    total = -values[where].sum(dtype=np.float64) / window**2
    assert float(said.get_attribute("data-said") or "nan") == pytest.approx(total, rel=1e-4)
    expect(brush.locator("picasso-what-if .notes")).to_contain_text(f"one window of {window}")


def test_other_maps_say_their_share(page: Page, server: Server) -> None:
    digest = server.upload(CLOUDY, "cloudy.png")
    settings = {"reduction": "max_abs"}
    key = server.run("demo:tank-proxy", digest, "saliency-map", settings=settings)
    opened(page, server, key)
    page.get_by_text("Rectangle", exact=True).click()
    drag(page, (0.02, 0.02), (0.98, 0.4))
    (paint,) = edit(page)["paints"]
    panel = next(one for one in server.get(f"/results/{key}")["panels"] if one["id"] == "map-0")
    values = np.abs(server.array(panel["values"]))
    share = values[region(paint, *values.shape)].sum() / values.sum()
    said = page.locator(f'.moved [data-label="{panel["target"]}"] [data-said]')
    expect(said).to_contain_text("of the map is painted over")
    assert float(said.get_attribute("data-said") or "nan") == pytest.approx(share, rel=1e-4)


def test_without_the_sky_only_the_proxy_changes_its_mind(page: Page, server: Server, keys: dict[str, str]) -> None:
    """The whole sky, to the pixel, is painted over through the address: as somebody who was sent the link."""
    chances = {}
    for name, key in keys.items():
        model = load_model(f"demo:tank-{name}")
        height, width = model.input_shape[:2]
        sky = np.asarray(Image.fromarray(render(SCENE).sky_mask).resize((width, height), Image.Resampling.NEAREST))
        steps = np.flatnonzero(np.diff(np.concatenate([[0], sky.ravel().astype(int), [0]]))).tolist()
        gaps = [end - start for start, end in zip([0, *steps], steps, strict=False)]
        text = f"{width}x{height};black:" + ".".join(np.base_repr(gap, 36).lower() for gap in gaps)
        page.goto("about:blank")
        page.goto(f"{server.address}/results/{key}#what-if={key[:12]}/{text}")
        page.wait_for_selector("picasso-what-if[data-ready]")
        assert region(edit(page)["paints"][0], height, width).sum() == sky.sum()
        before, after = check(page, model, CLOUDY)
        chances[name] = model.probabilities(before)[0], model.probabilities(after)[0]
    assert chances["proxy"][0] - chances["proxy"][1] > 0.3
    assert abs(chances["honest"][1] - chances["honest"][0]) < 0.05


def test_by_keyboard_alone(brush: Page, proxy: Model) -> None:
    opener = brush.get_by_role("button", name="What if")
    opener.focus()
    for _ in range(40):
        brush.keyboard.press("Tab")
        if brush.evaluate("document.activeElement.classList.contains('brush-board')"):
            break
    expect(board(brush)).to_be_focused()
    size = brush.locator(".brush-tools output")
    before = size.inner_text()
    brush.keyboard.press("[")
    expect(size).not_to_have_text(before)
    for key in ("Shift+ArrowUp", "Shift+ArrowLeft", "ArrowUp", "Space"):
        brush.keyboard.press(key)
    dab = edit(brush)
    brush.keyboard.press("d")
    for _ in range(2):
        brush.keyboard.press("Shift+ArrowRight")
    brush.keyboard.press("d")
    line = edit(brush)
    assert sum(line["paints"][0]["runs"][1::2]) > sum(dab["paints"][0]["runs"][1::2])
    check(brush, proxy, CLOUDY)
    expect(brush.locator("#announcer")).to_contain_text("the map says")
    brush.keyboard.press("Control+z")
    assert edit(brush) == dab
    brush.keyboard.press("Control+y")
    assert edit(brush) == line


def test_a_rectangle_by_keyboard_and_escape(brush: Page) -> None:
    brush.get_by_text("Rectangle", exact=True).click()
    board(brush).focus()
    brush.keyboard.press("Enter")
    expect(brush.get_by_text("Choose the opposite corner.")).to_be_visible()
    brush.keyboard.press("Escape")
    brush.keyboard.press("Enter")
    brush.keyboard.press("Shift+ArrowRight")
    brush.keyboard.press("ArrowDown")
    brush.keyboard.press("Enter")
    (paint,) = edit(brush)["paints"]
    assert paint["runs"][1::2] == [11, 11]


def test_undo_redo_erase_and_clear(brush: Page) -> None:
    undo, redo, clear = (brush.get_by_role("button", name=name, exact=True) for name in ("Undo", "Redo", "Clear"))
    expect(undo).to_be_disabled()
    drag(brush, (0.3, 0.3), (0.6, 0.3))
    first = edit(brush)
    drag(brush, (0.3, 0.7), (0.6, 0.7))
    second = edit(brush)
    assert first != second
    undo.click()
    assert edit(brush) == first
    expect(redo).to_be_enabled()
    redo.click()
    assert edit(brush) == second
    brush.get_by_text("Eraser", exact=True).click()
    drag(brush, (0.2, 0.7), (0.7, 0.7))
    assert edit(brush) == first
    clear.click()
    brush.wait_for_selector('picasso-what-if[data-painted="0"]')
    expect(clear).to_be_disabled()
    undo.click()
    assert edit(brush) == first


def test_a_clone_copies_from_another_place(brush: Page, proxy: Model) -> None:
    brush.get_by_text("Clone", exact=True).click()
    expect(brush.get_by_text("Click the place to copy from.")).to_be_visible()
    drag(brush, (0.5, 0.9))
    expect(brush.get_by_text("Now paint where the copy shall go.")).to_be_visible()
    drag(brush, (0.3, 0.3), (0.7, 0.3))
    (paint,) = edit(brush)["paints"]
    assert paint["fill"] == "clone"
    assert paint["down"] > 0
    check(brush, proxy, CLOUDY)
    brush.get_by_role("button", name="Copy from elsewhere").click()
    expect(brush.get_by_text("Click the place to copy from.")).to_be_visible()


def test_nothing_is_lost_on_reload_and_everything_can_be_saved(brush: Page, proxy: Model) -> None:
    drag(brush, (0.2, 0.2), (0.5, 0.4))
    painted = edit(brush)
    brush.reload()
    brush.wait_for_selector("picasso-what-if[data-ready]")
    assert edit(brush) == painted
    with brush.expect_download() as download:
        brush.get_by_role("button", name="PNG", exact=True).click()
    assert download.value.suggested_filename == "cloudy.what-if.png"
    with Image.open(download.value.path()) as image:
        pixels = np.asarray(image.convert("RGB"))
    view = proxy.prepare(decode_picture(CLOUDY)).view.copy()
    view[region(painted["paints"][0], *view.shape[:2])] = 128
    np.testing.assert_array_equal(pixels, view)
    with brush.expect_download() as download:
        brush.get_by_role("button", name="JSON", exact=True).click()
    record = json.loads(download.value.path().read_bytes())
    assert record["edit"] == painted
    assert record["moved"][0]["label"] in proxy.labels
    brush.get_by_role("button", name="Clear", exact=True).click()
    brush.wait_for_selector('picasso-what-if[data-painted="0"]')
    brush.locator("input[type=file]").set_input_files(
        {"name": "edit.json", "mimeType": "application/json", "buffer": json.dumps(record).encode()}
    )
    assert edit(brush) == painted


def test_a_file_or_an_address_that_holds_no_edit_is_said(brush: Page, server: Server, keys: dict[str, str]) -> None:
    for text in (b"nothing", b"{}", b'{"height": 8, "width": 8, "paints": []}'):
        brush.locator("input[type=file]").set_input_files({"name": "x.json", "mimeType": "", "buffer": text})
        expect(brush.get_by_text("x.json holds no edit that fits this picture.")).to_be_visible()
    brush.goto("about:blank")
    brush.goto(f"{server.address}/results/{keys['proxy']}#what-if={keys['proxy'][:12]}/8x8;pink:1.1")
    expect(brush.get_by_text("The address holds no edit that fits this picture.")).to_be_visible()


def test_a_place_of_a_segmenter_is_asked(page: Page, server: Server) -> None:
    data = picture(96, 64, seed=20)
    key = server.run("Painter", server.upload(data, "scene.png"), "partial-occlusion", at="0,0,96,32")
    opened(page, server, key)
    page.get_by_text("Black", exact=True).click()
    drag(page, (0.2, 0.2), (0.8, 0.2))
    edit(page)
    row = page.locator('.moved [data-label="day"]')
    assert float(row.get_attribute("data-after") or "nan") < float(row.get_attribute("data-before") or "nan")


def test_a_question_that_waits_says_so_and_can_be_stopped(page: Page, server: Server, problems: Problems) -> None:
    digest = server.upload(picture(seed=120), "wait.png")
    key = server.run("Many", digest, "class-probabilities")
    opened(page, server, key)
    body = {"model": "Many", "visualization": "slow-motion", "pictures": [digest], "settings": {"steps": 80}}
    job = server.api.post("/jobs", json=body).json()
    drag(page, (0.2, 0.2), (0.8, 0.2))
    expect(page.get_by_text("Waiting until a job with this model is over")).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("The question was stopped.")).to_be_visible()
    server.api.post(f"/jobs/{job['id']}/cancel")
    page.get_by_role("button", name="Ask again").click()
    edit(page)
    expect(page.get_by_text("This visualization is no map")).to_be_visible()
    assert math.isfinite(float(page.locator(".moved [data-after]").first.get_attribute("data-after") or "nan"))


@pytest.mark.parametrize("width", [390, 1440])
def test_it_is_accessible_and_fits(brush: Page, axe: Callable[..., None], width: int) -> None:
    brush.set_viewport_size({"width": width, "height": 844})
    drag(brush, (0.2, 0.2), (0.5, 0.4))
    edit(brush)
    axe(brush, dark=True)
    assert brush.evaluate("document.documentElement.scrollWidth <= innerWidth")
