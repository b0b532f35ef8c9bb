"""Views over a folder of pictures, on the network page: examples, embedding, errors, and the way to each picture."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from .conftest import Server
from .test_network import done, opened


def test_the_strongest_examples_of_a_channel_lead_to_their_pictures(
    page: Page, server: Server, axe: Callable[..., None]
) -> None:
    opened(page, server, "model=demo:tank-proxy&layer=relu2&view=top-examples")
    gallery = done(page).locator(".gallery")
    expect(gallery.locator(".gallery-group")).to_have_count(24)
    assert "pictures shades" in page.locator(".settings-summary").inner_text()
    gallery.get_by_role("link").first.click()
    expect(done(page).locator(".gallery-group h4").first).to_have_text("Strongest")
    assert parse_qs(urlsplit(page.url).query)["layer"] == ["relu2"]
    expect(page.get_by_role("heading", name="For which classes it fires")).to_be_visible()
    expect(page.locator(".mini-mark")).to_have_count(0)
    page.get_by_label("Whole pictures, the part marked").check()
    assert page.locator(".mini-mark").count() > 16
    axe(page)
    first = page.locator("button.mini-tile").first
    name = first.get_attribute("title")
    first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(str(name))
    axe(page)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    first.click()
    dialog.get_by_role("button", name="Explain this picture").click()
    page.wait_for_url("**/explain?**")
    chosen = page.get_by_role("list", name="Chosen pictures")
    expect(chosen.get_by_role("img", name=str(name).rsplit("/", 1)[-1])).to_be_visible()


def test_points_are_brushed_with_a_pointer_and_walked_with_keys(
    page: Page, server: Server, axe: Callable[..., None]
) -> None:
    opened(page, server, "model=demo:tank-proxy&layer=relu2&view=embedding")
    done(page)
    page.wait_for_selector(".scatter[data-ready]")
    canvas = page.locator(".scatter-canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
    places = [(box["x"] + 3 + x * (box["width"] - 6), box["y"] + 3 + y * (box["height"] - 6)) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in [*places[1:], places[0]]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()
    side = page.locator(".scatter-side")
    expect(side.get_by_role("heading", name="70 pictures chosen")).to_be_visible()
    expect(side.locator("tr")).to_have_count(2)  # red and green
    expect(side.locator("tr").first).to_contain_text("50%")
    axe(page)
    canvas.focus()
    page.keyboard.press("Escape")
    expect(side).to_contain_text("Drag around points")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(side.get_by_role("heading", name="Nearest neighbors")).to_be_visible()
    expect(side.locator("button.mini-tile")).to_have_count(12)
    before = canvas.get_attribute("data-shown")
    for _ in range(8):
        page.keyboard.press("+")
    expect(canvas).not_to_have_attribute("data-shown", str(before))
    page.get_by_role("button", name="Show all").click()
    expect(canvas).to_have_attribute("data-shown", "70")
    page.get_by_label("Color by").select_option("prediction")
    expect(page.locator(".scatter-key")).to_contain_text("decoy")


def test_the_plane_follows_the_pages_colors_and_lets_go_of_many_points(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/history")
    found = page.evaluate(
        """async () => {
            const { ScatterPlane } = await import("/static/panels/scatter-plane.js");
            const plane = new ScatterPlane();
            plane.element.style.cssText = "width: 400px";
            document.body.append(plane.element);
            const points = new Float32Array(1200).map((_, i) => (i % 2 ? 0 : i));
            const names = [...Array(600)].map((_, i) => `picture ${i}`);
            plane.show(points, names, null, { x: "x", y: "y" }, false);
            const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            await frame();
            const key = (name) => {
                const event = new KeyboardEvent("keydown", { key: name, cancelable: true });
                plane.canvas.dispatchEvent(event);
                return event.defaultPrevented;
            };
            const idle = key("Escape"); // nothing is chosen: the key is not its own
            plane.select([...names.keys()]);
            const taken = [key("Escape"), key("Escape")];
            let painted = 0;
            const paint = plane.paint.bind(plane);
            plane.paint = () => { painted += 1; paint(); };
            document.documentElement.dataset.theme = "dark";
            await frame();
            delete document.documentElement.dataset.theme;
            await frame();
            plane.zoom(4);
            await frame();
            for (let i = 0; i < 80; i += 1) key("ArrowRight");
            const [x, y] = plane.place(plane.active);
            const said = document.getElementById("announcer").textContent;
            const seen = x >= 0 && y >= 0 && x <= plane.canvas.clientWidth && y <= plane.canvas.clientHeight;
            plane.close();
            plane.element.remove();
            return { idle, taken, painted, seen, right: said === names[plane.active] && plane.active > 300 };
        }"""
    )
    assert found["idle"] is False
    assert found["taken"] == [True, False]
    assert found["painted"] >= 2
    assert found["seen"]
    assert found["right"]


def test_a_cell_of_the_confusions_opens_its_pictures_and_takes_another_opinion(
    page: Page, server: Server, axe: Callable[..., None]
) -> None:
    # A browser may refuse to keep anything for a page; the label is kept by the server all the same.
    page.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('blocked'); }})")
    opened(page, server, "model=Plain&view=errors")
    done(page)
    page.get_by_role("button", name="label red, prediction red: 35 pictures").click()
    cell = page.locator(".matrix-opened")
    expect(cell.locator("button.mini-tile")).to_have_count(35)
    axe(page)
    cell.locator("button.mini-tile").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("You say it shows").select_option("green")
    dialog.get_by_label("Your name").fill("Ada")
    dialog.get_by_role("button", name="Keep").click()
    expect(dialog).to_contain_text("Kept.")
    page.keyboard.press("Escape")
    page.reload()
    done(page)
    expect(page.get_by_role("heading", name="Who agrees with whom")).to_be_visible()
    page.locator("#settings summary").click()
    page.get_by_role("textbox", name="Against").fill("Ada")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("button", name="label of Ada green, prediction red: 1 picture")).to_be_visible()
    done(page)
    page.get_by_role("button", name="label of Ada green, prediction red: 1 picture").click()
    page.locator(".matrix-opened").get_by_role("button", name="Explain this picture").click()
    page.wait_for_url("**/explain?**")
