"""Every page: sound, accessible in light and dark, and no wider than a phone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .conftest import Problems, Server, picture, show_all

PAGES = (
    "/",
    "/explain",
    "/audit",
    "/network?model=Plain&view=model-card",
    "/live?model=demo:tank-proxy",
    "/history",
    "/models",
    "/visualizations",
    "/nowhere",
)
WIDTHS = (390, 1440)
WIDTH = "document.documentElement.scrollWidth"
FOCUS = """() => {
    const one = document.activeElement;
    if (!one || one === document.body) return null;
    const shown = [one, one.closest(".card"), one.nextElementSibling].filter(Boolean)
        .some((element) => getComputedStyle(element).outlineStyle !== "none");
    return {name: one.outerHTML.slice(0, 120), shown};
}"""


@pytest.fixture(scope="module")
def addresses(server: Server) -> dict[str, str]:
    """Pages that need something to show: a result and a run of each kind."""
    digest = server.upload(picture(seed=60), "page.png")
    found = {}
    for name in ("partial-occlusion", "class-probabilities", "fun-viz", "big-map"):
        key = server.run("Plain", digest, name)
        found[name] = f"/results/{key}"
    found["job"] = f"/jobs/{server.get('/jobs')['jobs'][0]['id']}"
    return found


def visit(page: Page, server: Server, path: str, problems: Problems) -> None:
    if path == "/nowhere":
        problems.expect("status of 404")
    page.goto(server.address + path)
    page.wait_for_load_state("networkidle")
    page.wait_for_selector("[aria-busy]", state="detached")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible(
    page: Page, server: Server, axe: Callable[..., None], problems: Problems, path: str
) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        visit(page, server, path, problems)
        show_all(page)
        axe(page, dark=True)
        assert page.evaluate(WIDTH) <= width


@pytest.mark.parametrize("name", ["partial-occlusion", "class-probabilities", "fun-viz", "big-map", "job"])
def test_a_result_is_accessible(
    page: Page,
    server: Server,
    axe: Callable[..., None],
    problems: Problems,
    addresses: dict[str, str],
    name: str,
) -> None:
    # axe itself tries an inline style when it looks into a shadow root.
    problems.expect("Applying inline style|style-src-elem blocked inline")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        visit(page, server, addresses[name], problems)
        show_all(page)
        axe(page, dark=True)
        assert page.evaluate(WIDTH) <= width


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/explain",
        "/audit",
        "/network?model=demo:tank-proxy&view=model-card",
        "/live?model=demo:tank-proxy",
        "/history",
        "/models",
        "/visualizations",
    ],
)
def test_the_focus_is_always_seen(page: Page, server: Server, problems: Problems, path: str) -> None:
    visit(page, server, path, problems)
    seen = 0
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUS)
        if focused is None:
            break
        assert focused["shown"], focused["name"]
        seen += 1
    assert seen > 5


@pytest.mark.parametrize("width", [390, 720, 830])
def test_the_names_of_the_pages_are_all_reached(page: Page, server: Server, problems: Problems, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for path, last in (("/explain", False), ("/history", False), ("/visualizations", True)):
        visit(page, server, path, problems)
        (left, right), inside, fades = page.evaluate("""() => {
            const names = document.querySelector(".top nav");
            const { left, right } = names.querySelector("[aria-current]").getBoundingClientRect();
            const whole = names.getBoundingClientRect();
            const fades = getComputedStyle(names).maskImage !== "none";
            return [[left - whole.left, whole.right - right], names.scrollWidth <= names.clientWidth, fades];
        }""")
        assert inside == (width > 390)
        assert fades == (width == 390 and not last)
        assert left >= 0
        assert right >= (24 if fades else -1)


def test_the_colors_are_switched_and_kept(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/models")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    button = page.locator("#theme")
    button.click()
    button.click()
    expect(button).to_have_attribute("title", "Colors: dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != paper
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_the_whole_way_by_keyboard(page: Page, server: Server) -> None:
    digest = server.upload(picture(seed=61), "keys.png")
    assert digest
    page.goto(f"{server.address}/explain?model=Plain")
    page.wait_for_selector('[data-model="Plain"][data-state="ready"]')

    def tab_to(selector: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
                return
        pytest.fail(f"Tab does not reach {selector}")

    tab_to('[aria-label="Add keys.png"]')
    page.keyboard.press("Enter")
    tab_to('[name="visualization"]:checked')
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("picasso-result[data-state=done] .figure[data-ready]", timeout=60_000)
    page.wait_for_selector(".job-progress", state="hidden")
    page.wait_for_load_state("networkidle")
    tab_to('[role="tab"][aria-selected="true"]')
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab").nth(1)).to_have_attribute("aria-selected", "true")
    tab_to(".pane")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".pane-value").first).to_have_text("x 15, y 16")


def test_the_history_is_filtered_and_shortened(page: Page, server: Server, addresses: dict[str, str]) -> None:
    page.goto(f"{server.address}/history")
    before = page.locator(".tile").count()
    expect(page.locator(".tile").first).to_be_visible()
    page.locator("#filters").get_by_label("Visualization").select_option("big-map")
    expect(page.locator(".tile").filter(has_text="Big map").first).to_be_visible()
    expect(page.locator(".tile").filter(has_text="Partial occlusion")).to_have_count(0)
    key = server.run("Plain", server.upload(picture(seed=62), "shortlived.png"), "big-map")
    page.reload()
    expect(page.locator("#filters").get_by_label("Visualization")).to_have_value("big-map")
    tile = page.locator(".tile").filter(has_text="shortlived.png")
    tile.hover()
    tile.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep it").click()
    expect(tile).to_be_visible()
    tile.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(tile).to_have_count(0)
    assert server.api.get(f"/results/{key}").status_code == 404
    assert before >= 0


def test_a_run_has_a_page(page: Page, server: Server) -> None:
    digests = [server.upload(picture(seed=seed), f"{seed}.png") for seed in (63, 64, 65)]
    request = {"model": "Plain", "pictures": digests, "visualization": "slow-motion", "settings": {"steps": 15}}
    job = server.api.post("/jobs", json=request).json()
    page.goto(f"{server.address}/jobs/{job['id']}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Slow motion by Plain")
    expect(page.get_by_role("navigation", name="Main").locator("[aria-current]")).to_have_text("History")
    expect(page.locator(".tile")).to_have_count(3)
    expect(page.get_by_role("progressbar", name="Progress")).to_be_visible()
    expect(page.locator('.tile[data-state="done"]')).to_have_count(1)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".page-head")).to_contain_text("canceled")
    page.locator('.tile[data-state="done"] a').first.click()
    expect(page.get_by_role("heading", name="63.png")).to_be_visible()


def test_broken_plugins_are_listed_with_their_traceback(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/visualizations")
    broken = page.locator(".entry.broken")
    expect(broken).to_contain_text("SyntaxError")
    broken.get_by_text("Traceback", exact=True).click()
    expect(broken.locator("pre")).to_contain_text("class Broken(Visualization:")
    expect(page.locator("#partial-occlusion")).to_contain_text("arXiv:1311.2901")
    expect(page.get_by_role("region", name="Class activation maps").locator("#grad-cam .formula")).to_contain_text(
        "w_k A_k(p)"
    )
    expect(page.locator("#grad-cam")).to_contain_text("HiRes-CAM does not")
    page.get_by_role("button", name="Reload").click()
    expect(page.locator("#announcer")).to_have_text("Reloaded.")


def test_a_model_is_added_by_its_path(page: Page, server: Server, problems: Problems) -> None:
    problems.expect("status of 422")
    page.goto(f"{server.address}/models")
    page.get_by_label("File or source").fill("/no/such/model.pt")
    page.get_by_role("button", name="Add").click()
    added = page.locator("article", has_text="/no/such/model.pt")
    failed = page.locator("#source-error").or_(added.get_by_role("alert"))
    expect(failed.first).to_be_visible()
    plain = page.locator('[id="Plain"]')
    if plain.get_by_role("button", name="Open").count():
        plain.get_by_role("button", name="Open").click()
    expect(plain).to_contain_text("red · green · blue")
