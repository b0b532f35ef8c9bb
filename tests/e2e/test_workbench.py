"""The workbench: three steps, a run with its progress, results in place; nothing is lost on the way."""

import re

import pytest
from playwright.sync_api import Page, expect

from .conftest import Problems, Server, picture

RUN = re.compile("^Run")


@pytest.fixture
def bench(page: Page, server: Server) -> Page:
    """The workbench with the function model chosen."""
    page.goto(f"{server.address}/explain?model=Plain")
    page.wait_for_selector("[data-ready]")
    page.wait_for_selector('[data-model="Plain"][data-state="ready"]')
    return page


def add(page: Page, *files: tuple[str, bytes]) -> None:
    """Choose pictures in the file dialog."""
    before = page.locator(".thumb:not(.waiting)").count()
    page.set_input_files(
        "#file-input", [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files]
    )
    expect(page.locator(".thumb:not(.waiting)")).to_have_count(before + len(files))


def choose(page: Page, visualization: str) -> None:
    page.locator(f'[data-visualization="{visualization}"] input').check()


def finished(page: Page) -> None:
    page.wait_for_selector(".job-progress", state="hidden", timeout=60_000)


def test_three_steps_lead_to_maps(bench: Page) -> None:
    expect(bench.get_by_role("button", name=RUN)).to_be_disabled()
    expect(bench.locator(".recipe")).to_have_text("Add a picture to begin.")
    add(bench, ("first.png", picture(seed=1)), ("second.png", picture(seed=2)))
    expect(bench.locator(".recipe")).to_contain_text("Partial occlusion of 2 pictures by Plain")
    bench.get_by_role("button", name=RUN).click()
    finished(bench)
    results = bench.locator("picasso-result[data-state=done]")
    expect(results).to_have_count(2)
    expect(results.first.get_by_role("heading", name="first.png")).to_be_visible()
    expect(results.first.get_by_role("tab")).to_have_count(3)
    expect(results.first.get_by_role("tab").first).to_contain_text("red")


def test_the_steps_need_no_scrolling_on_a_desk(bench: Page) -> None:
    bench.set_viewport_size({"width": 1440, "height": 900})
    for name in ("1 Model", "2 Pictures", "3 Visualization"):
        expect(bench.get_by_role("heading", name=name)).to_be_in_viewport()
    expect(bench.get_by_role("button", name=RUN)).to_be_in_viewport()


def test_a_file_that_is_no_picture_is_refused_beside_the_good_ones(bench: Page) -> None:
    files = [("good.png", picture(seed=3)), ("notes.txt", b"not a picture"), ("empty.png", b"")]
    bench.set_input_files(
        "#file-input", [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files]
    )
    expect(bench.locator(".thumb:not(.waiting)")).to_have_count(1)
    expect(bench.locator(".tray-problem")).to_have_count(2)
    expect(bench.locator(".tray-problem").first).to_contain_text("notes.txt is not a picture that can be read.")


def test_what_was_done_to_a_picture_is_said(bench: Page) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    add(bench, ("turned.jpg", picture(seed=4, format="JPEG", exif=exif)))
    expect(bench.locator(".tray-notes")).to_contain_text("turned.jpg: Turned upright")


def test_pictures_are_pasted_and_dropped(bench: Page) -> None:
    for event, seed in (("paste", 5), ("drop", 6)):
        bench.evaluate(
            """async ([event, bytes]) => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], `${event}.png`, {type: "image/png"}));
                document.dispatchEvent(event === "paste"
                    ? new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})
                    : new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
            }""",
            [event, list(picture(seed=seed))],
        )
        expect(bench.locator(f'.thumb img[alt="{event}.png"]')).to_be_visible()


def test_a_picture_is_removed_and_taken_again(bench: Page) -> None:
    add(bench, ("gone.png", picture(seed=7)))
    bench.get_by_role("button", name="Remove gone.png").click()
    expect(bench.locator(".thumb")).to_have_count(0)
    bench.get_by_role("button", name="Add gone.png").click()
    expect(bench.locator(".thumb")).to_have_count(1)


def test_what_does_not_fit_the_model_says_why(bench: Page) -> None:
    card = bench.locator('[data-visualization="grad-cam"]')
    expect(card.locator("input")).to_be_disabled()
    expect(card).to_contain_text("needs")
    expect(bench.locator('[data-visualization="broken"] input')).to_be_disabled()


def test_a_visualization_is_found_by_a_word(bench: Page) -> None:
    search = bench.get_by_role("searchbox", name="Search the visualizations")
    expect(bench.get_by_role("group", name="Perturbation")).to_be_visible()
    search.fill("shap")
    expect(bench.locator("[data-visualization]:visible")).to_have_count(3)
    expect(bench.get_by_role("group", name="ReLU rules")).to_be_hidden()
    search.fill("no such thing")
    expect(bench.get_by_text("None of that name.")).to_be_visible()
    search.fill("halved")
    search.press("Enter")
    expect(bench.locator('[data-visualization="partition-shap"] input')).to_be_checked()
    expect(bench.locator('[data-visualization="partition-shap"] input')).to_be_focused()


def test_a_search_shows_the_best_first(bench: Page) -> None:
    search = bench.get_by_role("searchbox", name="Search the visualizations")
    first = bench.locator("[data-visualization]:visible").first
    bench.locator(".families").evaluate("box => { box.scrollTop = box.scrollHeight }")
    search.fill("ig")
    expect(first).to_have_attribute("data-visualization", "integrated-gradients")
    assert bench.locator(".families").evaluate("box => box.scrollTop") == 0
    search.fill("Saliency map")
    expect(first).to_have_attribute("data-visualization", "saliency-map")
    search.fill("partial")
    expect(first).to_have_attribute("data-visualization", "partial-occlusion")
    search.fill("")
    expect(bench.get_by_role("group", name="ReLU rules")).to_be_visible()


def test_control_enter_in_the_search_runs_what_is_chosen(bench: Page) -> None:
    add(bench, ("asked.png", picture(seed=8)))
    bench.locator('[data-visualization="class-probabilities"] input').check()
    search = bench.get_by_role("searchbox", name="Search the visualizations")
    search.press("Enter")  # nothing is sought, so nothing is taken
    search.fill("occlusion")
    with bench.expect_request(lambda sent: sent.method == "POST" and sent.url.endswith("/jobs")) as asked:
        search.press("Control+Enter")
    assert asked.value.post_data_json["visualization"] == "class-probabilities"


def test_the_chosen_visualization_is_in_sight(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/explain?model=Plain&visualization=class-probabilities")
    page.wait_for_selector('[data-model="Plain"][data-state="ready"]')
    box = page.locator(".families")
    chosen = page.locator('[data-visualization="class-probabilities"]')
    expect(chosen.locator("input")).to_be_checked()
    seen, card = box.bounding_box(), chosen.bounding_box()
    assert seen
    assert card
    assert seen["y"] <= card["y"]
    assert card["y"] + card["height"] <= seen["y"] + seen["height"] + 1


def test_several_layers_are_chosen_in_one_list(bench: Page) -> None:
    """A function has no layers, so the list is filled here."""
    found = bench.evaluate(
        """async () => {
            const { severalField } = await import("/static/parts/fields.js");
            const change = () => {};
            const options = { id: "layers-here", name: "layer", nullable: true, start: "", card: null, change };
            const field = severalField([["a", "a"], ["b, c", "b, c"], ["d", "d"]], options, "automatic");
            const said = [];
            for (const value of ["", "a", "a, d", "b, c"]) {
                field.set(value);
                said.push([field.value(), field.element.selectedOptions.length]);
            }
            return said;
        }"""
    )
    assert found == [["", 1], ["a", 1], ["a, d", 2], ["b, c", 1]]


def test_a_model_that_cannot_be_opened_says_why(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/explain?model=Unopenable")
    expect(page.locator('[data-model="Unopenable"]')).to_contain_text("another planet", timeout=30_000)
    expect(page.get_by_role("button", name=RUN)).to_be_disabled()
    expect(page.locator(".recipe")).to_have_text("Unopenable could not be opened.")


def test_a_wrong_setting_is_named_beside_its_field(bench: Page, problems: Problems) -> None:
    problems.expect("status of 422")
    add(bench, ("a.png", picture(seed=8)))
    bench.locator(".settings summary").click()
    field = bench.locator('[data-setting="window"]')
    field.locator("input").fill("300")
    field.locator("select").select_option("%")
    bench.get_by_role("button", name=RUN).click()
    expect(field.locator(".field-error")).to_contain_text("window must be more than 0% and at most 100%")
    expect(field.locator("input")).to_be_focused()
    field.locator("input").fill("25")
    field.locator("input").blur()
    expect(field.locator(".field-error")).to_be_hidden()


def test_settings_are_sent_and_recorded(bench: Page) -> None:
    add(bench, ("b.png", picture(seed=9)))
    bench.locator(".settings summary").click()
    bench.locator('[data-setting="window"] input').fill("8")
    bench.locator('[data-setting="window"] select').select_option("px")
    bench.locator('[data-setting="fill"]').get_by_text("black", exact=True).click()
    bench.keyboard.press("Control+Enter")
    finished(bench)
    bench.get_by_text("Every choice behind this result").click()
    record = bench.locator(".record")
    expect(record).to_contain_text("8px")
    expect(record).to_contain_text("black")
    expect(record.locator("pre")).to_contain_text('window="8px"')


def test_chosen_classes_and_differences(bench: Page) -> None:
    add(bench, ("c.png", picture(seed=10)))
    bench.get_by_text("Chosen classes").click()
    bench.get_by_role("button", name="blue", exact=True).click()
    bench.get_by_role("button", name="red \N{MINUS SIGN} green", exact=True).click()
    bench.get_by_role("button", name=RUN).click()
    finished(bench)
    expect(bench.get_by_role("tab")).to_have_text([re.compile("^blue"), re.compile("^red - green")])


def test_a_class_is_found_among_many_by_keyboard(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/explain?model=Many")
    page.wait_for_selector('[data-model="Many"][data-state="ready"]')
    page.get_by_text("Chosen classes").click()
    search = page.get_by_role("combobox", name="Find a class")
    search.fill("shade 17")
    search.press("Enter")
    expect(page.get_by_role("button", name="Remove shade 17")).to_be_visible()
    page.get_by_role("combobox", name="Find a class").fill("shade 3 - shade 2")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=re.compile("^Remove shade 3 - shade 2"))).to_be_visible()


def test_escape_cancels_and_what_came_stays(bench: Page) -> None:
    add(bench, ("d.png", picture(seed=11)))
    choose(bench, "slow-motion")
    bench.locator(".settings summary").click()
    bench.get_by_label("Steps").fill("300")
    bench.get_by_label("Steps").blur()
    bench.keyboard.press("Control+Enter")
    expect(bench.locator("[data-panel=count]")).to_contain_text("of 300", timeout=30_000)
    expect(bench.get_by_role("progressbar", name="Progress")).to_be_visible()
    bench.keyboard.press("Escape")
    expect(bench.locator(".result-note")).to_contain_text("Canceled", timeout=10_000)
    expect(bench.locator("[data-panel=count]")).to_contain_text("of 300")
    expect(bench.get_by_role("button", name=RUN)).to_be_enabled()


def test_a_reload_in_the_middle_loses_nothing(bench: Page) -> None:
    add(bench, ("e.png", picture(seed=12)))
    choose(bench, "slow-motion")
    bench.locator(".settings summary").click()
    bench.get_by_label("Steps").fill("60")
    bench.get_by_label("Steps").blur()
    bench.keyboard.press("Control+Enter")
    expect(bench.locator("[data-panel=count]")).to_contain_text("of 60", timeout=30_000)
    bench.reload()
    bench.wait_for_selector("[data-ready]")
    expect(bench.locator('[data-model="Plain"] input')).to_be_checked()
    expect(bench.locator('[data-visualization="slow-motion"] input')).to_be_checked()
    expect(bench.locator(".thumb")).to_have_count(1)
    expect(bench.locator("[data-panel=count]")).to_contain_text("of 60")
    finished(bench)
    expect(bench.locator("[data-panel=count]")).to_contain_text("60 of 60")
    bench.locator(".settings summary").click()
    expect(bench.get_by_label("Steps")).to_have_value("60")


def test_back_leads_to_the_run_before(bench: Page) -> None:
    add(bench, ("back.png", picture(seed=16)))
    choose(bench, "class-probabilities")
    bench.keyboard.press("Control+Enter")
    finished(bench)
    expect(bench.locator(".bars")).to_contain_text("red")
    first, steps = bench.url, bench.evaluate("history.length")
    choose(bench, "partial-occlusion")
    for name in ("Chosen classes", "Best classes"):  # a choice is no step
        bench.locator(".segmented label", has_text=name).click()
    bench.locator(".settings summary").click()
    bench.get_by_role("spinbutton", name="Stride").fill("16")
    bench.get_by_role("spinbutton", name="Stride").blur()
    bench.keyboard.press("Control+Enter")
    finished(bench)
    bench.get_by_role("tab").nth(1).click()
    expect(bench.get_by_role("tab").nth(1)).to_have_attribute("aria-selected", "true")
    second = bench.url
    assert "map=0" in second
    bench.go_back()
    expect(bench.locator(".stage-head")).to_contain_text("Class probabilities")
    expect(bench.locator(".bars")).to_contain_text("red")
    assert first.rpartition("job=")[2] in bench.url
    assert bench.evaluate("history.length") == steps + 1
    bench.go_back()  # before there was any run
    expect(bench.locator("#stage")).to_be_hidden()
    expect(bench.locator('[data-visualization="class-probabilities"] input')).to_be_checked()
    expect(bench.locator(".thumb")).to_have_count(1)
    bench.go_forward()
    bench.go_forward()
    expect(bench.get_by_role("tab").nth(1)).to_have_attribute("aria-selected", "true")
    assert bench.url == second
    expect(bench.get_by_role("spinbutton", name="Stride")).to_have_value("16")
    bench.reload()
    bench.wait_for_selector("[data-ready]")
    assert bench.url == second
    expect(bench.get_by_role("tab").nth(1)).to_have_attribute("aria-selected", "true")


def test_what_an_address_names_is_found_or_said_to_be_gone(page: Page, server: Server, problems: Problems) -> None:
    digest = server.upload(picture(seed=17), "named.png")
    server.run("Plain", digest, "class-probabilities")
    job = server.get("/jobs")["jobs"][0]["id"]
    page.goto(f"{server.address}/explain?job={job}")
    page.wait_for_selector("[data-ready]")
    expect(page.locator('.thumb img[alt="named.png"]')).to_be_visible()
    expect(page.locator('[data-model="Plain"] input')).to_be_checked()
    expect(page.locator('[data-visualization="class-probabilities"] input')).to_be_checked()
    expect(page.locator(".bars")).to_contain_text("red")
    problems.expect("status of 404")
    page.goto(f"{server.address}/explain?model=Nobody&picture={'0' * 64}&visualization=no-such&job=nowhere")
    page.wait_for_selector("[data-ready]")
    expect(page.locator(".run-problem .problem-message")).to_have_text(
        "This run is gone. There is no model Nobody. 1 picture of this address is gone. "
        "There is no visualization of pictures by the name of no-such."
    )


def test_a_link_chooses_for_the_reader(page: Page, server: Server) -> None:
    digest = server.upload(picture(seed=13), "linked.png")
    page.goto(f"{server.address}/explain?model=Plain&picture={digest}&visualization=class-probabilities")
    page.wait_for_selector("[data-ready]")
    expect(page.locator('.thumb img[alt="linked.png"]')).to_be_visible()
    expect(page.locator('[data-visualization="class-probabilities"] input')).to_be_checked()
    page.keyboard.press("Control+Enter")
    finished(page)
    expect(page.locator(".bars")).to_contain_text("red")


def test_a_stored_result_comes_at_once(bench: Page, server: Server) -> None:
    digest = server.upload(picture(seed=14), "again.png")
    server.run("Plain", digest, "class-probabilities")
    bench.goto(f"{server.address}/explain?model=Plain&picture={digest}&visualization=class-probabilities")
    bench.wait_for_selector("[data-ready]")
    bench.keyboard.press("Control+Enter")
    expect(bench.locator("picasso-result[data-state=done]")).to_have_count(1)


def test_a_plugin_draws_with_its_own_template(bench: Page) -> None:
    add(bench, ("f.png", picture(seed=15)))
    choose(bench, "fun-viz")
    bench.keyboard.press("Control+Enter")
    finished(bench)
    own = bench.locator("[data-panel=own] .template-host")
    expect(own.locator("strong")).to_have_text(re.compile(r"^\d+\.\d$"))
    expect(own.locator("img")).to_be_visible()
    expect(bench.locator("[data-panel=words]")).to_contain_text("Another <b>paragraph</b>.")
    expect(bench.locator("[data-panel=seen] canvas")).to_have_count(2)
    assert "broken out" not in bench.title()


def test_the_server_that_went_away_is_said_in_one_sentence(bench: Page, problems: Problems) -> None:
    problems.expect("ERR_")
    add(bench, ("g.png", picture(seed=16)))
    bench.route("**/api/v1/jobs", lambda route: route.abort())
    bench.get_by_role("button", name=RUN).click()
    expect(bench.get_by_role("alert").filter(has_text="The server does not answer.")).to_be_visible()


def test_a_place_is_named_by_its_path_only_where_the_server_allows_it(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/history")
    found = page.evaluate(
        """async () => {
            const { placeField } = await import("/static/parts/fields.js");
            const offered = [["tanks", "tanks"]];
            const options = (album, required, paths) => {
                const field = placeField({ choices: "album", required },
                    { id: "a", name: "album", offered: { album }, paths, change() {} });
                field.set("");
                return [[...field.element.querySelectorAll("option")].map((one) => one.textContent), field.value()];
            };
            return [options(offered, false, false), options(offered, true, true), options([], false, false),
                options([], true, false), options([], true, true)];
        }"""
    )
    path = "a folder, by its path\u2026"
    assert found == [
        [["none", "tanks"], ""],
        [["tanks", path], "tanks"],
        [["none"], ""],
        [["this server knows none"], ""],
        [[path], ""],
    ]
