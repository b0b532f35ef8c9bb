"""The network page: every part of a model a click away, at an address that can be kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Route, expect

from .conftest import Problems, Server, picture


def asked(page: Page) -> dict[str, str]:
    """Return what the address says."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def opened(page: Page, server: Server, query: str) -> None:
    page.goto(f"{server.address}/network?{query}")
    page.wait_for_selector("#network[data-ready]")


def done(page: Page) -> Any:
    """Wait for the result, and return its locator."""
    page.wait_for_selector("picasso-result[data-state=done]", timeout=60_000)
    return page.locator("picasso-result")


def result(page: Page, server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.get(f"/results/{done(page).get_attribute('data-key')}")
    return found


def test_a_layer_and_a_channel_have_addresses(page: Page, server: Server, axe: Callable[..., None]) -> None:
    digest = server.upload(picture(seed=80), "inside.png")
    opened(page, server, f"model=demo:tank-proxy&picture={digest}&view=model-card")
    expect(done(page).locator(".result-body")).to_contain_text("2 classes.")
    page.get_by_role("searchbox", name="Search the layers").fill("relu2")
    expect(page.locator("#parts [data-layer]")).to_have_count(1)
    page.locator("#parts [data-layer=relu2]").click()
    expect(page.get_by_role("heading", name="relu2", exact=True)).to_be_visible()
    expect(page.locator("#views [aria-current]")).to_have_text("Activations")
    assert (asked(page)["layer"], asked(page)["picture"]) == ("relu2", digest)
    assert result(page, server)["document"]["settings"]["layer"] == "relu2"
    page.get_by_label("Channel", exact=True).fill("7")
    page.get_by_label("Channel", exact=True).press("Enter")
    expect(page.locator(".channel-detail h4")).to_have_text("Channel 7")
    assert asked(page)["channel"] == "7"
    axe(page)
    page.locator("#views").get_by_text("Guided backpropagation").click()
    found = result(page, server)
    assert (found["at"], found["visualization"]) == ("channel=relu2:7@max", "guided-backpropagation")
    expect(page.locator(".bar-words")).to_contain_text("the channel needs this")
    address = page.url
    page.go_back()
    expect(page.locator("#views [aria-current]")).to_have_text("Activations")
    page.go_back()
    expect(page.get_by_label("Channel", exact=True)).to_have_value("")
    page.goto(address)
    assert result(page, server)["key"] == found["key"]
    expect(page.get_by_label("Channel", exact=True)).to_have_value("7")


def test_a_channel_of_the_maps_leads_to_its_own_page(page: Page, server: Server) -> None:
    digest = server.upload(picture(seed=81), "leads.png")
    key = server.run("demo:tank-proxy", digest, "activations", settings={"layer": "relu3"})
    page.goto(f"{server.address}/results/{key}")
    page.get_by_role("link", name="What this channel wants").click()
    page.wait_for_selector("#network[data-ready]")
    assert (asked(page)["model"], asked(page)["layer"], asked(page)["picture"]) == ("demo:tank-proxy", "relu3", digest)
    assert asked(page)["channel"].isdigit()


def test_arrow_keys_go_through_the_layers(page: Page, server: Server) -> None:
    opened(page, server, "model=demo:tank-proxy&view=model-card")
    page.locator("#parts [data-layer=conv1]").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="norm1", exact=True)).to_be_visible()
    assert asked(page)["layer"] == "norm1"


def test_a_model_without_layers_says_what_it_can(page: Page, server: Server) -> None:
    opened(page, server, "model=Plain&view=model-card")
    expect(done(page).locator(".result-body")).to_contain_text("3 classes.")
    expect(page.locator("#parts [data-layer]")).to_have_count(0)
    expect(page.get_by_label("Channel", exact=True)).to_have_count(0)
    page.locator("#views").get_by_text("Inversion").click()
    expect(page.locator("#state")).to_contain_text(
        "Inversion needs activations, gradients, which this function model lacks."
    )


def test_long_work_is_canceled_and_run_again(page: Page, server: Server) -> None:
    opened(page, server, 'model=Plain&view=model-card&settings={"steps":400}')
    expect(page.locator(".progress-words")).to_contain_text("step 2")
    page.keyboard.press("Escape")
    expect(page.locator("picasso-result")).to_contain_text("Canceled.")
    page.locator(".settings summary").click()
    page.get_by_label("Steps").fill("2")
    page.get_by_label("Steps").blur()
    page.keyboard.press("Control+Enter")
    assert result(page, server)["document"]["settings"] == {"steps": 2}
    assert asked(page)["settings"] == '{"steps":2}'


def test_leaving_a_run_ends_it(page: Page, server: Server) -> None:
    opened(page, server, 'model=demo:tank-proxy&view=model-card&settings={"steps":401}')
    expect(page.locator(".progress-words")).to_contain_text("step 2")
    page.locator("#parts [data-layer=conv2]").click()
    done(page)
    [left] = [job for job in server.get("/jobs?limit=50")["jobs"] if job["settings"] == {"steps": 401}]
    assert left["state"] == "canceled"


def test_a_wrong_address_is_said(page: Page, server: Server, problems: Problems) -> None:
    problems.expect("status of 4")
    opened(page, server, "model=demo:tank-proxy&layer=conv99")
    expect(page.locator("#stage")).to_contain_text("conv99")
    expect(page.locator("#stage .problem")).to_contain_text("There is no layer 'conv99'")
    opened(page, server, "model=demo:tank-proxy&class=zeppelin")
    expect(page.locator("#chosen")).to_contain_text("no class of this model")
    expect(page.locator("#stage .problem")).to_contain_text("zeppelin")
    opened(page, server, "model=nobody&layer=conv1")
    expect(page.locator("#chosen")).to_contain_text("There is no model 'nobody' here. This is ")
    opened(page, server, 'model=Plain&view=model-card&settings={"steps":0}')
    expect(page.locator("#stage")).to_contain_text("greater than or equal to 1")


def test_what_looks_at_the_model_alone_is_kept_in_every_list(page: Page, server: Server) -> None:
    opened(page, server, "model=Plain&view=model-card&settings={%22steps%22:3}")
    key = done(page).get_attribute("data-key")
    page.get_by_role("link", name="Run again").click()
    page.wait_for_selector("#network[data-ready]")
    assert done(page).get_attribute("data-key") == key
    page.goto(f"{server.address}/history?visualization=model-card")
    expect(page.locator(".tile").first).to_contain_text("Plain")
    page.locator(".tile-link").first.click()
    expect(page.locator("picasso-result h2")).to_have_text("Model card")
    page.locator(".record summary").click()
    expect(page.locator(".record")).to_contain_text('visualization="model-card"')
    job = next(one for one in server.get("/jobs")["jobs"] if one["visualization"] == "model-card")
    page.goto(f"{server.address}/jobs/{job['id']}")
    expect(page.locator("#job-head")).to_contain_text("of the model alone")
    page.goto(f"{server.address}/explain?model=Plain")
    page.wait_for_selector("[data-ready]")
    expect(page.locator("[data-visualization=model-card]")).to_have_count(0)
    page.goto(f"{server.address}/visualizations")
    page.locator("#model-card").get_by_role("link", name="Use it").click()
    page.wait_for_selector("#network[data-ready]")
    assert asked(page)["view"] == "model-card"


def slowly(page: Page, seconds: float, of: str) -> None:
    """Answer requests that run the visualization `of` late."""

    def late(route: Route) -> None:
        if of in (route.request.post_data or ""):
            page.wait_for_timeout(1000 * seconds)
        route.continue_()

    page.route("**/api/v1/jobs", late)


def test_a_click_on_the_architecture_leads_to_the_layer(page: Page, server: Server) -> None:
    opened(page, server, "model=demo:tank-honest")
    expect(page.locator("#views [aria-current]")).to_have_text("Architecture")
    done(page)
    page.locator('.graph-box[data-name="conv3"]').click()
    expect(page.get_by_role("heading", name="conv3", exact=True)).to_be_visible()
    assert asked(page)["layer"] == "conv3"


def test_a_class_has_a_picture_made_for_it(page: Page, server: Server) -> None:
    opened(page, server, 'model=demo:tank-honest&class=decoy&settings={"steps":8}')
    found = result(page, server)
    assert found["visualization"] == "feature-visualization"
    assert (found["document"]["settings"]["objective"], found["document"]["settings"]["steps"]) == ("class:1", 8)
    page.locator("#parts [data-class=tank]").click()
    assert result(page, server)["document"]["settings"]["objective"] == "class:0"


def test_what_is_late_is_not_shown_under_another_part(page: Page, server: Server) -> None:
    opened(page, server, "model=demo:tank-proxy&view=model-card")
    done(page)
    slowly(page, 1.0, '"filters"')
    page.locator("#parts [data-layer=conv1]").click()
    page.locator("#views").get_by_text("Filters").click()
    page.locator("#parts [data-layer=relu5]").click()
    page.locator("#views").get_by_text("Activations").click()
    assert result(page, server)["visualization"] == "activations"
    page.wait_for_timeout(1500)
    expect(page.locator("picasso-result")).to_have_count(1)
    assert result(page, server)["document"]["settings"]["layer"] == "relu5"


def test_what_failed_can_be_run_again(page: Page, server: Server, problems: Problems) -> None:
    problems.expect("Failed to load resource|net::ERR")
    opened(page, server, "model=Plain&view=model-card")
    done(page)
    page.route("**/api/v1/jobs", lambda route: route.abort(), times=1)
    page.locator(".settings summary").click()
    page.get_by_label("Steps").fill("4")
    page.get_by_label("Steps").blur()
    page.get_by_role("button", name="Run with these settings").click()
    expect(page.locator("#state")).to_contain_text("The server does not answer")
    page.get_by_role("button", name="Run with these settings").click()
    assert result(page, server)["document"]["settings"] == {"steps": 4}


def test_back_brings_the_pictures_back(page: Page, server: Server) -> None:
    one, other = (server.upload(picture(seed=seed), f"{seed}.png") for seed in (83, 84))
    opened(page, server, f"model=demo:tank-proxy&layer=conv1&view=activations&picture={one}")
    expect(done(page).locator("h2")).to_have_text("83.png")
    page.locator("#parts [data-layer=conv2]").click()
    done(page)
    page.locator("#pictures-part summary").click()
    page.get_by_role("button", name="Remove 83.png").click()
    page.get_by_role("button", name="Add 84.png").first.click()
    expect(page.locator("picasso-result h2")).to_have_text("84.png")
    assert asked(page)["picture"] == other
    page.go_back()
    expect(page.get_by_role("heading", name="conv1", exact=True)).to_be_visible()
    expect(page.locator("picasso-result h2")).to_have_text("83.png")


def test_what_is_learned_from_can_be_named_here(page: Page, server: Server) -> None:
    digest = server.upload(picture(seed=85), "learn.png")
    opened(page, server, f"model=demo:tank-proxy&layer=conv2&view=decoding&picture={digest}")
    done(page)
    page.locator(".settings summary").click()
    page.get_by_label("Learn from").select_option(label="shades")
    page.get_by_role("button", name="Run with these settings").click()
    expect(page.locator("picasso-result")).to_contain_text("shades")
    assert result(page, server)["document"]["settings"]["layers"] == "conv2"


def test_pictures_stand_side_by_side_and_show_the_same_channel(page: Page, server: Server) -> None:
    digests = [server.upload(picture(seed=seed), f"{seed}.png") for seed in (86, 87)]
    pictures = "&".join(f"picture={digest}" for digest in digests)
    opened(page, server, f"model=demo:tank-proxy&layer=relu3&view=activations&{pictures}")
    expect(page.locator("picasso-result[data-state=done]")).to_have_count(2, timeout=60_000)
    first, second = page.locator("picasso-result").all()
    boxes = [one.bounding_box() for one in (first, second)]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    for one in (first, second):
        expect(one.locator(".feature-maps[data-ready]")).to_have_count(1)
    first.get_by_role("combobox", name="Order").select_option("index")
    expect(second.get_by_role("combobox", name="Order")).to_have_value("index")
    second.get_by_label("Go to channel").fill("11")
    second.get_by_label("Go to channel").press("Enter")
    for one in (first, second):
        expect(one.locator(".channel-detail h4")).to_have_text("Channel 11")
    first.get_by_role("combobox", name="Order").select_option("strength")
    numbers = [one.locator(".channel-grid [role=option]").all_inner_texts()[:5] for one in (first, second)]
    assert numbers[0] == numbers[1]
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
